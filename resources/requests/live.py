"""What other running processes have recorded and not sealed yet.

Their journals are read without a lock: a record counts when it is whole, and a whole record is never taken back. Who
relies on such a record copies it at its own next seal (see ``sealing.seal_live``), so that it never depends on what
becomes of the other process. Failures of others count only when they are sealed.
"""

from __future__ import annotations

import os
from pathlib import Path
from types import TracebackType
from typing import Self

from resources.requests.index import KeyRun, Keys, KeySet, Mask, as_keys
from resources.requests.journal import SUFFIX, JournalReader
from resources.requests.records import peek
from resources.requests.segments import Folders
from resources.store.layout import store_errors


class LiveKeys:
    """Keys of completions in the journals of others, as far as they were last looked at."""

    def __init__(self, folders: Folders) -> None:
        self._folders = folders
        self._keys = KeySet()
        self._ends: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._keys)

    def look(self, own: Path | None) -> None:
        """Read what came since the last look in all journals but ``own``."""
        with LiveJournals(self._folders, own, self._ends) as journals:
            found = [_completed(reader) for reader in journals.readers]
            self._ends |= {reader.path.name: reader.end for reader in journals.readers}
        for keys in found:
            new = KeyRun.of(keys).keys()
            self._keys.add_run(KeyRun.of(new[~self._keys.contains(new)]))

    def contains(self, keys: Keys) -> Mask:
        """Which of ``keys`` another process has recorded."""
        return self._keys.contains(keys)

    def clear(self) -> None:
        """Forget all keys, and where the last look ended."""
        self._keys.clear()
        self._ends.clear()


class LiveJournals:
    """Open journals in the folder but ``own``, without their locks."""

    def __init__(self, folders: Folders, own: Path | None, starts: dict[str, int] | None = None) -> None:
        self.readers: list[JournalReader] = []
        try:
            for path in sorted(folders.journals.glob(f"*{SUFFIX}")):
                reader = None if path == own else _reader(path, (starts or {}).get(path.name, 0))
                if reader is not None:
                    self.readers.append(reader)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the files."""
        for reader in self.readers:
            reader.close()


def _reader(path: Path, start: int) -> JournalReader | None:
    with store_errors(path):
        try:
            descriptor = os.open(path, os.O_RDONLY)
        except FileNotFoundError:  # sealed by its owner just now: the seal has it
            return None
        return JournalReader(descriptor, path, start)


def _completed(reader: JournalReader) -> Keys:
    found = []
    for frame in reader.frames():
        is_failure, key, _ = peek(reader.payload(frame.offset, frame.length))
        if not is_failure:
            found.append(key)
    return as_keys(found)
