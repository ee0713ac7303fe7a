"""The steps of one commit in the client's own words, and the count of bytes that went out with them."""

from __future__ import annotations

import base64
import contextlib
import functools
import importlib.util
import io
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any, BinaryIO

from resources.hub.changes import Outcome, sha256_of
from resources.hub.repository import LocalFile


@dataclass(slots=True)
class Sent:
    """Bytes of files that went over the wire, counted as they are read for it: a repeated upload counts twice.

    With Xet the client does not say which pieces the Hub had; then whole files count, an upper limit.
    """

    bytes: int = 0
    _lock: Any = field(default_factory=threading.Lock)

    def add(self, count: int) -> None:
        """Count; uploads run in threads."""
        with self._lock:
            self.bytes += count

    def finish(self, hub: ModuleType, steps: Sequence[Any]) -> None:
        """Count what Xet sent, which nobody saw."""
        if uses_xet(hub):
            self.add(sum(step.upload_info.size for step in steps if getattr(step, "_upload_mode", None) == "lfs"))


def uses_xet(hub: ModuleType) -> bool:
    """Whether the client sends large files by Xet."""
    return not hub.constants.HF_HUB_DISABLE_XET and importlib.util.find_spec("hf_xet") is not None


def operations(hub: ModuleType, outcome: Outcome, sent: Sent) -> list[Any]:
    """Deletions, copies and additions. Files are read when they are sent, in pieces, and their hashes are known."""
    steps: list[Any] = [hub.CommitOperationDelete(path, is_folder=False) for path in outcome.delete]
    for path, (revision, source) in outcome.copy.items():
        steps.append(hub.CommitOperationCopy(source, path, src_revision=revision))
    for path, content in outcome.put.items():
        step = _counted(hub)(path, content.source if isinstance(content, LocalFile) else content)
        step.upload_info.sha256 = bytes.fromhex(sha256_of(content))
        step.sent = sent
        steps.append(step)
    return steps


@functools.cache
def _counted(hub: ModuleType) -> type[Any]:
    """The client's class of additions, with a count. Made when it is needed, as the library is loaded late."""

    class Counted(hub.CommitOperationAdd):
        """An addition that counts what of it is sent."""

        sent: Sent

        @contextlib.contextmanager
        def as_file(self, with_tqdm: bool = False) -> Iterator[BinaryIO]:
            """The content; ``with_tqdm`` is how the client asks when it uploads a large file."""
            if not with_tqdm:
                with super().as_file() as file:
                    yield file
            elif isinstance(self.path_or_fileobj, bytes):
                self.sent.add(len(self.path_or_fileobj))
                yield io.BytesIO(self.path_or_fileobj)
            else:
                with _CountedFile(self.path_or_fileobj, self.sent) as file:
                    yield file

        def b64content(self) -> bytes:
            """The content of a small file, that goes inside the commit."""
            with super().as_file() as file:
                content = file.read()
            self.sent.add(len(content))
            return base64.b64encode(content)

    return Counted


class _CountedFile(io.FileIO):
    """A file that counts what is read from it."""

    def __init__(self, path: Any, sent: Sent) -> None:
        super().__init__(path)
        self._sent = sent

    def read(self, size: int | None = -1, /) -> bytes:
        """Bytes of the file."""
        data = super().read(size)
        self._sent.add(len(data))
        return data
