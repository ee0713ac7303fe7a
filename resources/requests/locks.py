"""File locks that the system frees when their process dies, in whatever way it dies.

``flock`` belongs to the open file: it holds between processes and between two stores of one process. It needs a local
disk; that is where journals live.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import weakref
from collections.abc import Iterator
from pathlib import Path

from resources.store.layout import store_errors


@contextlib.contextmanager
def exclusive(path: Path, *, waits: bool = True) -> Iterator[bool]:
    """Hold the lock file ``path``. Waits for whoever holds it; False where ``waits`` is not set and someone does."""
    with store_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        with store_errors(path):
            is_held = _lock(descriptor, fcntl.LOCK_EX, waits=waits)
        yield is_held
    finally:
        os.close(descriptor)


def take(path: Path) -> int | None:
    """Descriptor of ``path`` with its lock held, or None if someone else holds it or the file is gone."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return None
    if not _lock(descriptor, fcntl.LOCK_EX, waits=False):
        os.close(descriptor)
        return None
    if os.fstat(descriptor).st_nlink == 0:  # sealed and deleted between our open and our lock
        os.close(descriptor)
        return None
    return descriptor


class Hold:
    """Says to other processes that this one reads a folder: none of them deletes what it may have found there.

    A shared lock on the folder itself, so that it also works where nothing may be written. A forked child has no part
    in it.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        with store_errors(folder):
            self._descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        _HOLDS.add(self)
        with store_errors(folder):
            _lock(self._descriptor, fcntl.LOCK_SH)

    @contextlib.contextmanager
    def alone(self) -> Iterator[bool]:
        """Have the folder alone, if nobody else holds it now; who comes meanwhile waits. Yields whether it worked.

        The caller holds the lock that all deleters take first. A failed change of the lock loses the shared one for a
        moment, and only a deleter could use that moment.
        """
        if self._descriptor < 0:
            yield False
            return
        with store_errors(self._folder):
            is_alone = _lock(self._descriptor, fcntl.LOCK_EX, waits=False)
        try:
            yield is_alone
        finally:
            with store_errors(self._folder):
                _lock(self._descriptor, fcntl.LOCK_SH)

    def close(self) -> None:
        """Let go. Idempotent."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    def __del__(self) -> None:
        """A forgotten store must not hold back others."""
        if getattr(self, "_descriptor", -1) >= 0:
            self.close()


def _lock(descriptor: int, kind: int, *, waits: bool = True) -> bool:
    try:
        fcntl.flock(descriptor, kind if waits else kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


_HOLDS: weakref.WeakSet[Hold] = weakref.WeakSet()


def _leave_to_parent() -> None:
    for hold in list(_HOLDS):
        hold.close()


os.register_at_fork(after_in_child=_leave_to_parent)
