"""The journal: where a completion goes first, one append-only file per process.

File: a header (magic, format version), then records of length, CRC-32 and payload. A record reaches the kernel before
:meth:`Journal.append` returns, so a killed process loses nothing that it recorded; it reaches the disk within a second.
The writer holds the file's lock for its life: a journal whose lock is free belongs to a process that ended.
What a payload means is in ``records``; sealing into Parquet is in ``segments``.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import struct
import threading
import uuid
import weakref
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from resources.errors import StoreError
from resources.requests.records import MIN_PAYLOAD
from resources.store.layout import store_errors, sync_folder

MAGIC = b"mathloom-journal"
VERSION = 1
SUFFIX = ".journal"
SYNC_S = 1.0
"""Longest time between a record and its fsync: what a power cut can cost (DESIGN, generation)."""

_HEADER = struct.Struct("<16sII")
"""Magic, version, zero (room)."""
_FRAME = struct.Struct("<II")
"""Length of the payload, CRC-32 of the length and the payload."""
_WINDOW_BYTES = 1 << 20
"""Read at once while walking through a journal."""


class Journal:
    """The writer. Threads may share it; a forked child may not, and is refused."""

    def __init__(self, folder: Path) -> None:
        name = uuid.uuid4().hex
        self.path = folder / f"{name}{SUFFIX}"
        self.size = _HEADER.size
        """Bytes up to the end of the last whole record."""
        self._lock = threading.Lock()
        self._broken: StoreError | None = None
        self._is_dirty = False
        self._wake = threading.Event()
        self._closed = True
        with store_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
            # Born under a name that no reader looks for: it is locked and has its header before it can be found.
            aside = folder / f".{name}.new"
            self._file = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
            try:
                fcntl.flock(self._file, fcntl.LOCK_EX)
                _write_all(self._file, _HEADER.pack(MAGIC, VERSION, 0))
                aside.rename(self.path)
                sync_folder(folder)
            except OSError:
                os.close(self._file)
                aside.unlink(missing_ok=True)
                raise
        self._closed = False
        _OPEN.add(self)
        self._syncer = threading.Thread(target=_sync_loop, args=(weakref.ref(self), self._wake), daemon=True)
        self._syncer.start()

    def append(self, payloads: Sequence[bytes]) -> None:
        """Write ``payloads`` as records, all or none of them.

        Raises:
            StoreError: The disk is full or broken. Earlier records are whole; nothing of these is visible.
        """
        data = b"".join(part for payload in payloads for part in (_frame(payload), payload))
        with self._lock:
            self._check()
            try:
                _write_all(self._file, data)
                self.size += len(data)
                self._is_dirty = True
            except BaseException as error:  # Ctrl-C too: half a record must never stand before a whole one
                self._cut_back(error)
                with store_errors(self.path):
                    raise

    def sync(self) -> None:
        """Force all records to the disk. Raises StoreError if the disk refuses, now or in the background before."""
        with self._lock:
            if self._broken is not None:
                raise self._broken
            if self._is_dirty and not self._closed:
                self._sync_locked()
                if self._broken is not None:
                    raise self._broken

    def close(self) -> None:
        """Sync and let go of the lock: from now on anyone may seal the file. Idempotent."""
        try:
            self.sync()
        finally:
            self.abandon()

    def abandon(self) -> None:
        """Close the file without a sync: in a forked child, whose parent goes on writing."""
        with self._lock:
            if not self._closed:
                self._closed = True
                os.close(self._file)
        self._wake.set()
        _OPEN.discard(self)

    def __del__(self) -> None:
        """A forgotten journal frees its lock, or this process could never seal it."""
        if not getattr(self, "_closed", True):
            self.abandon()

    def _check(self) -> None:
        if self._broken is not None:
            raise self._broken
        if self._closed:
            raise StoreError(
                "the journal is closed", where=str(self.path), fix="Open the request store again in this process"
            )

    def _cut_back(self, error: BaseException) -> None:
        """After a partial write: back to the last whole record; if not even that works, never write again."""
        try:
            os.ftruncate(self._file, self.size)
            os.lseek(self._file, self.size, os.SEEK_SET)
        except OSError:
            self._poison(error)

    def _sync_locked(self) -> None:
        self._is_dirty = False
        try:
            os.fsync(self._file)
        except OSError as error:
            # After a failed fsync the kernel may drop the pages and report success the next time.
            self._poison(error)

    def _poison(self, error: BaseException) -> None:
        cause = getattr(error, "strerror", None) or repr(error)
        self._broken = StoreError(
            f"the journal cannot be written any more ({cause}); records of the last second may be"
            " lost, all older ones are safe",
            where=str(self.path),
            fix="Mend the disk and run the same command again: only what is not stored is asked for",
        )


def _sync_loop(reference: weakref.ref[Journal], wake: threading.Event) -> None:
    """Body of the background thread. It holds no reference, so that a forgotten journal can be freed."""
    while not wake.wait(SYNC_S):
        journal = reference()
        if journal is None:
            return
        with contextlib.suppress(StoreError):  # kept in the journal: the next append raises it
            journal.sync()
        del journal


@dataclass(frozen=True, slots=True)
class Frame:
    """Where one payload lies in a journal."""

    offset: int
    length: int


class JournalReader:
    """Whole records of a journal: of a dead one, whose lock it then holds, or of one that its writer goes on with.

    It reads what stood there when it was made. No memory map: a writer whose disk is full cuts its file, and a map of
    what is gone kills the process.
    """

    def __init__(self, descriptor: int, path: Path, start: int = 0) -> None:
        """``start``: where to begin, the :attr:`end` of an earlier reader of the same file."""
        self.path = path
        self.damaged_bytes = 0
        """Bytes of damaged records between whole ones: no kill leaves such, a broken disk does."""
        self.torn_bytes = 0
        """Bytes after the last whole record: what a kill or a power cut left of the last write."""
        self.end = max(start, _HEADER.size)
        """Bytes up to the end of the last whole record that :meth:`frames` has met."""
        self._descriptor = descriptor
        self._size = os.fstat(descriptor).st_size
        self._window = b""
        self._window_start = 0
        if self._size >= _HEADER.size:
            self._check_header()

    def _check_header(self) -> None:
        magic, version, _ = _HEADER.unpack(os.pread(self._descriptor, _HEADER.size, 0))
        if magic != MAGIC or version != VERSION:
            self.close()
            what = f"its version is {version}, this mathloom reads {VERSION}" if magic == MAGIC else "it is no journal"
            raise StoreError(
                f"the journal cannot be read: {what}",
                where=str(self.path),
                fix="Run the mathloom that wrote it once more, or move the file out of the folder",
            )

    def frames(self) -> Iterator[Frame]:
        """All records whose checksum holds, in order. What follows the last of them is a torn tail.

        A damaged record in the middle is passed over if a whole record follows it.
        """
        at = self.end
        while at + _FRAME.size <= self._size:
            length, is_whole = self._probe(at)
            end = at + _FRAME.size + length
            if is_whole:
                self.end = end
                yield Frame(at + _FRAME.size, length)
            else:
                if end + _FRAME.size > self._size or not self._probe(end)[1]:
                    break
                self.damaged_bytes += end - at
            at = end
        self.torn_bytes = max(self._size - at, 0)
        self._window = b""

    def payload(self, offset: int, length: int) -> bytes:
        """The bytes of one record."""
        start = offset - self._window_start
        if start >= 0 and start + length <= len(self._window):
            return self._window[start : start + length]
        with store_errors(self.path):
            return os.pread(self._descriptor, length, offset)

    def close(self) -> None:
        """Close the file, which frees its lock. Idempotent."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _probe(self, at: int) -> tuple[int, bool]:
        head = self._ahead(at, _FRAME.size)
        if len(head) < _FRAME.size:  # cut meanwhile
            return 0, False
        length, checksum = _FRAME.unpack(head)
        start = at + _FRAME.size
        if length < MIN_PAYLOAD or start + length > self._size:
            return length, False
        data = self._ahead(start, length)
        is_whole = len(data) == length and zlib.crc32(data, zlib.crc32(length.to_bytes(4, "little"))) == checksum
        return length, is_whole

    def _ahead(self, offset: int, length: int) -> bytes:
        """Bytes of the file, through a window that moves forward with :meth:`frames`."""
        start = offset - self._window_start
        if start < 0 or start + length > len(self._window):
            with store_errors(self.path):
                self._window = os.pread(self._descriptor, max(length, _WINDOW_BYTES), offset)
            self._window_start, start = offset, 0
        return self._window[start : start + length]


def _frame(payload: bytes) -> bytes:
    length = len(payload)
    return _FRAME.pack(length, zlib.crc32(payload, zlib.crc32(length.to_bytes(4, "little"))))


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


_OPEN: weakref.WeakSet[Journal] = weakref.WeakSet()


def _leave_to_parent() -> None:
    for journal in list(_OPEN):
        journal._lock = threading.Lock()  # a thread of the parent may hold the old one, and is not here to free it
        journal.abandon()


os.register_at_fork(after_in_child=_leave_to_parent)
