"""Sealing: free journals become one folder of sorted segments, in one rename.

A kill between any two steps loses nothing and doubles nothing: before the rename the journals are whole and the hidden
folder is litter; after it, ``seal.json`` names the journals that it holds, and the next sealer deletes them unread.
Of two answers to one request the one that is sealed first stays: what a reader has once seen never changes.
Every function here needs the lock of ``Folders.lock``.
"""

from __future__ import annotations

import os
import shutil
import struct
import time
from array import array
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from resources.errors import StoreError
from resources.identity import ID_BYTES
from resources.requests import writing
from resources.requests.index import Keys, Mask, words_of
from resources.requests.journal import SUFFIX, JournalReader
from resources.requests.live import LiveJournals
from resources.requests.locks import take
from resources.requests.records import Completion, Failure, decode, peek, raw_text, text_hash, valid_text
from resources.requests.segments import COMPLETIONS, FAILURES, Folders, list_seals
from resources.store.layout import store_errors

GROUP_BYTES = 1 << 30
"""Journals sealed together: bounds the memory of one seal to their keys and places (36 bytes a record)."""
DAMAGED_SUFFIX = ".damaged"

_NEWBORN_AGE_S = 3600
"""A journal that still has its first, hidden name after an hour belongs to a process killed while making it."""


def tidy(folders: Folders) -> None:
    """Delete what killed sealers left: hidden folders, and journals that a seal holds."""
    with store_errors(folders.root):
        for litter in _hidden(folders):
            shutil.rmtree(litter)
        for newborn in folders.journals.glob(".*.new"):
            _drop_newborn(newborn)
        waiting = {path.name: path for path in folders.journals.glob(f"*{SUFFIX}")}
        for name in {name for seal in list_seals(folders) for name in seal.facts["journals"]} & set(waiting):
            waiting[name].unlink(missing_ok=True)


def _drop_newborn(path: Path) -> None:
    """Delete a journal that nobody made to the end: it is old, and its lock is free."""
    descriptor = take(path)
    if descriptor is None:
        return
    try:
        if os.fstat(descriptor).st_mtime < time.time() - _NEWBORN_AGE_S:
            path.unlink(missing_ok=True)
    finally:
        os.close(descriptor)


def has_work(folders: Folders) -> bool:
    """Whether :func:`tidy` or :class:`FreeJournals` may find something. Needs no lock and writes nothing."""
    return any(folders.journals.glob(f"*{SUFFIX}")) or bool(_hidden(folders))


def _hidden(folders: Folders) -> list[Path]:
    return [path for path in folders.segments.glob(".*") if path.is_dir()]


class FreeJournals:
    """Journals of ended processes, their locks held, at most :data:`GROUP_BYTES` of them. False if there are none."""

    def __init__(self, folders: Folders) -> None:
        self.readers: list[JournalReader] = []
        size = 0
        try:
            for path in sorted(folders.journals.glob(f"*{SUFFIX}")):
                if size >= GROUP_BYTES:
                    break
                if (reader := _reader(path)) is not None:
                    self.readers.append(reader)
                    size += path.stat().st_size
        except BaseException:
            self.close()
            raise

    def __bool__(self) -> bool:
        return bool(self.readers)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Free the locks."""
        for reader in self.readers:
            reader.close()

    def delete(self) -> None:
        """Remove the files, whose records are sealed. One with damage inside is kept under another name."""
        for reader in self.readers:
            with store_errors(reader.path):
                if reader.damaged_bytes:
                    reader.path.rename(reader.path.with_name(reader.path.name + DAMAGED_SUFFIX))
                else:
                    reader.path.unlink(missing_ok=True)


def _reader(path: Path) -> JournalReader | None:
    with store_errors(path):
        descriptor = take(path)
        return None if descriptor is None else JournalReader(descriptor, path)


def seal_journals(journals: FreeJournals, folders: Folders, is_sealed: Callable[[Keys], Mask]) -> str | None:
    """Turn ``journals`` into one seal and delete them.

    Args:
        journals: Their locks are held.
        folders: The store.
        is_sealed: Which keys older seals hold already; their records are dropped.

    Returns:
        Name of the new seal, or None if there was nothing new in the journals.
    """
    entries = _Entries(journals.readers)
    completions = entries.first_completions(is_sealed)
    failures = entries.failures()
    name = None
    if len(completions) or len(failures):
        names = [reader.path.name for reader in journals.readers]
        name = _write(folders, entries, completions, failures, names)
    journals.delete()
    return name


def seal_live(journals: LiveJournals, folders: Folders, is_taken: Callable[[Keys], Mask]) -> str | None:
    """Copy completions out of the journals of running processes into a seal; the journals stay theirs.

    Args:
        journals: Open; their writers go on.
        folders: The store.
        is_taken: Which keys are not to be copied: those that are sealed, and those that nobody here relies on.

    Returns:
        Name of the new seal, or None if there was nothing to copy.
    """
    entries = _Entries(journals.readers)
    completions = entries.first_completions(is_taken)
    if not len(completions):
        return None
    return _write(folders, entries, completions, np.zeros(0, np.int64), [])


class _Entries:
    """What the journals hold, without the texts: key, time and place of each record, as arrays."""

    def __init__(self, readers: Sequence[JournalReader]) -> None:
        self.readers = readers
        keys, times, places = bytearray(), array("q"), array("q")
        sources, lengths, failed = array("i"), array("q"), bytearray()
        for source, reader in enumerate(readers):
            for frame in reader.frames():
                is_failure, key, stored_at_ns = peek(reader.payload(frame.offset, frame.length))
                keys += key
                failed.append(is_failure)
                times.append(stored_at_ns)
                sources.append(source)
                places.append(frame.offset)
                lengths.append(frame.length)
        self.keys: Keys = np.frombuffer(bytes(keys), np.uint8).reshape(-1, ID_BYTES)
        self._failed = np.frombuffer(bytes(failed), bool)
        self._times = np.asarray(times, np.int64)
        self._places = np.asarray(places, np.int64)
        self._sources = np.asarray(sources, np.int32)
        self.lengths = np.asarray(lengths, np.int64)

    def _sorted(self, chosen: np.ndarray) -> np.ndarray:
        """``chosen`` entries by key, then by time, journal and place."""
        high, low = words_of(self.keys[chosen])
        return chosen[np.lexsort((self._places[chosen], self._sources[chosen], self._times[chosen], low, high))]

    def first_completions(self, is_sealed: Callable[[Keys], Mask]) -> np.ndarray:
        """Entries of completions sorted by key: of each key the oldest, and none that is sealed already."""
        order = self._sorted(np.flatnonzero(~self._failed))
        if not len(order):
            return order
        keys = self.keys[order]
        is_first = np.ones(len(order), bool)
        is_first[1:] = (keys[1:] != keys[:-1]).any(axis=1)
        return order[is_first & ~is_sealed(keys)]

    def failures(self) -> np.ndarray:
        """Entries of failures, sorted by key."""
        return self._sorted(np.flatnonzero(self._failed))

    def records(self, chosen: np.ndarray) -> Iterator[Completion | Failure]:
        """The records of ``chosen``, read from the journals one at a time."""
        for at in chosen:
            reader = self.readers[int(self._sources[at])]
            try:
                yield decode(reader.payload(int(self._places[at]), int(self.lengths[at])))
            except (ValueError, struct.error) as error:
                raise StoreError(
                    f"a record at byte {self._places[at]} has a good checksum but cannot be read ({error})",
                    where=str(reader.path),
                    fix="Run the mathloom that wrote it once more, or move the file out of the folder",
                ) from error


def _write(
    folders: Folders, entries: _Entries, completions: np.ndarray, failures: np.ndarray, journals: Sequence[str]
) -> str:
    with writing.SealWriter(folders, writing.seal_name()) as seal:
        for rows in _batches(_row, entries, completions):
            seal.write(writing.table_of(COMPLETIONS, rows))
        for rows in _batches(_failed_row, entries, failures):
            seal.write_failures(writing.table_of(FAILURES, rows))
        seal.commit(journals=journals)
    return seal.name


def _batches(
    make: Callable[[Any], dict[str, Any]], entries: _Entries, chosen: np.ndarray
) -> Iterator[list[dict[str, Any]]]:
    """Rows of ``chosen``, as many at a time as one row group takes."""
    rows: list[dict[str, Any]] = []
    size = 0
    for at, record in zip(chosen, entries.records(chosen), strict=True):
        rows.append(make(record))
        size += int(entries.lengths[at])
        if size >= writing.ROW_GROUP_BYTES or len(rows) >= writing.ROW_GROUP_ROWS:
            yield rows
            rows, size = [], 0
    if rows:
        yield rows


def _row(record: Completion) -> dict[str, Any]:
    text = valid_text(record.text)
    return {
        "request_key": record.request_key,
        "text": text,
        "reasoning": None if record.reasoning is None else valid_text(record.reasoning),
        "text_hash": text_hash(text),
        "finish_reason": valid_text(record.finish_reason),
        "prompt_tokens": record.prompt_tokens,
        "completion_tokens": record.completion_tokens,
        "engine": valid_text(record.engine),
        "weights": valid_text(record.weights),
        "stored_at_ns": record.stored_at_ns,
        "raw": raw_text(record.text),
        "raw_reasoning": None if record.reasoning is None else raw_text(record.reasoning),
    }


def _failed_row(record: Failure) -> dict[str, Any]:
    return {
        "request_key": record.request_key,
        "reason": valid_text(record.reason),
        "is_permanent": record.is_permanent,
        "engine": valid_text(record.engine),
        "weights": valid_text(record.weights),
        "stored_at_ns": record.stored_at_ns,
    }
