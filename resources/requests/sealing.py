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
import uuid
from array import array
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import pyarrow as pa

from resources.errors import StoreError
from resources.identity import ID_BYTES
from resources.requests.index import Keys, Mask, words_of
from resources.requests.journal import SUFFIX, JournalReader
from resources.requests.locks import take
from resources.requests.records import Completion, Failure, decode, peek, raw_text, text_hash, valid_text
from resources.requests.segments import (
    COMPLETIONS,
    FAILURES,
    FAILURES_FILE,
    FORMAT,
    SEAL_FILE,
    UUID,
    Folders,
    keys_path,
    list_seals,
)
from resources.store.layout import store_errors, sync_file, sync_folder, write_json

SEGMENT_BYTES = 128 << 20
"""Size at which a segment ends (DESIGN: about 128 MB): 20M completions of 2 kB are some hundred files."""
GROUP_BYTES = 1 << 30
"""Journals sealed together: bounds the memory of one seal to their keys and places (36 bytes a record)."""
ROW_GROUP_BYTES = 16 << 20
"""Text in one row group: what a reader of one completion must decompress, and what sealing holds in memory."""
ROW_GROUP_ROWS = 65_536
DAMAGED_SUFFIX = ".damaged"

_NEWBORN_AGE_S = 3600
"""A journal that still has its first, hidden name after an hour belongs to a process killed while making it."""

_OPTIONS: dict[str, Any] = {
    "compression": "zstd",
    "use_dictionary": ["finish_reason", "engine", "weights"],
    "write_statistics": ["request_key", "stored_at_ns"],
}
"""Texts differ from row to row: no dictionary, and no smallest and largest text in the footer."""


def tidy(folders: Folders) -> None:
    """Delete what killed sealers left: hidden folders, journals that a seal holds, seals that another replaces."""
    with store_errors(folders.root):
        for litter in _hidden(folders):
            shutil.rmtree(litter)
        for newborn in folders.journals.glob(".*.new"):
            if newborn.stat().st_mtime < time.time() - _NEWBORN_AGE_S:
                newborn.unlink(missing_ok=True)
        seals = list_seals(folders)
        for name in {name for seal in seals for name in seal.facts.get("replaces", ())}:
            shutil.rmtree(folders.segments / name, ignore_errors=True)
        waiting = {path.name: path for path in folders.journals.glob(f"*{SUFFIX}")}
        for name in {name for seal in seals for name in seal.facts["journals"]} & set(waiting):
            waiting[name].unlink(missing_ok=True)


def has_work(folders: Folders) -> bool:
    """Whether :func:`tidy` or :func:`take_free` may find something. Needs no lock and writes nothing."""
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
        name = f"{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}-{uuid.uuid4().hex[:12]}"
        _write(name, folders, entries, completions, failures)
    journals.delete()
    return name


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


def _write(name: str, folders: Folders, entries: _Entries, completions: np.ndarray, failures: np.ndarray) -> None:
    aside = folders.segments / f".{name}"
    with store_errors(folders.segments):
        aside.mkdir(parents=True)
        try:
            facts = _write_completions(aside, entries, completions)
            _write_failures(aside, entries, failures)
            facts |= {
                "format": FORMAT,
                "failures": len(failures),
                "journals": [reader.path.name for reader in entries.readers],
                "replaces": [],
            }
            write_json(aside / SEAL_FILE, facts)
            aside.rename(folders.segments / name)
        except BaseException:
            shutil.rmtree(aside, ignore_errors=True)
            raise
        sync_folder(folders.segments)


def _write_completions(folder: Path, entries: _Entries, chosen: np.ndarray) -> dict[str, Any]:
    totals = {"prompt_tokens": 0, "completion_tokens": 0}
    batch: list[dict[str, Any]] = []
    size = 0
    with _PartWriter(folder) as writer:
        for at, record in zip(chosen, entries.records(chosen), strict=True):
            assert isinstance(record, Completion)
            row = _row(record)
            batch.append(row)
            size += int(entries.lengths[at])
            for column in totals:
                totals[column] += row[column] or 0
            if size >= ROW_GROUP_BYTES or len(batch) >= ROW_GROUP_ROWS:
                writer.write(batch)
                batch, size = [], 0
        if batch:
            writer.write(batch)
    return {"completions": len(chosen), "parts": writer.parts, **totals}


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


def _write_failures(folder: Path, entries: _Entries, chosen: np.ndarray) -> None:
    import pyarrow.parquet as pq

    if not len(chosen):
        return
    path = folder / FAILURES_FILE
    with path.open("wb") as handle, pq.ParquetWriter(handle, FAILURES, compression="zstd") as writer:
        for start in range(0, len(chosen), ROW_GROUP_ROWS):
            rows = []
            for record in entries.records(chosen[start : start + ROW_GROUP_ROWS]):
                assert isinstance(record, Failure)
                rows.append(
                    {
                        "request_key": record.request_key,
                        "reason": valid_text(record.reason),
                        "is_permanent": record.is_permanent,
                        "engine": valid_text(record.engine),
                        "weights": valid_text(record.weights),
                        "stored_at_ns": record.stored_at_ns,
                    }
                )
            writer.write_table(_table(FAILURES, rows))
    sync_file(path)


class _PartWriter:
    """Writes row groups into parts of about :data:`SEGMENT_BYTES`, and the keys of each beside it."""

    def __init__(self, folder: Path) -> None:
        self.parts: list[dict[str, Any]] = []
        self._folder = folder
        self._handle: Any = None
        self._file: Any = None
        self._keys: list[bytes] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self._end_part()
        finally:
            if self._handle is not None:
                self._handle.close()

    def write(self, rows: Sequence[dict[str, Any]]) -> None:
        """One row group."""
        import pyarrow.parquet as pq

        if self._file is None:
            self._handle = self._path().open("wb")
            self._file = pq.ParquetWriter(self._handle, COMPLETIONS, **_OPTIONS)
        self._file.write_table(_table(COMPLETIONS, rows), row_group_size=ROW_GROUP_ROWS)
        self._keys += [row["request_key"] for row in rows]
        if self._handle.tell() >= SEGMENT_BYTES:
            self._end_part()

    def _end_part(self) -> None:
        if self._file is None:
            return
        self._file.close()
        self._file = None
        self._handle.flush()
        os.fsync(self._handle.fileno())
        self._handle.close()
        self._handle = None
        path = self._path()
        with keys_path(path).open("wb") as handle:
            np.save(handle, np.frombuffer(b"".join(self._keys), np.uint8).reshape(-1, ID_BYTES), allow_pickle=False)
            handle.flush()
            os.fsync(handle.fileno())
        self.parts.append({"name": path.name, "rows": len(self._keys), "bytes": path.stat().st_size})
        self._keys = []

    def _path(self) -> Path:
        return self._folder / f"completions-{len(self.parts):05d}.parquet"


def _table(schema: pa.Schema, rows: Sequence[dict[str, Any]]) -> pa.Table:
    columns = []
    for field in schema:
        values = [row[field.name] for row in rows]
        if field.type == UUID:
            columns.append(pa.ExtensionArray.from_storage(UUID, pa.array(values, pa.binary(ID_BYTES))))
        else:
            columns.append(pa.array(values, field.type))
    return pa.Table.from_arrays(columns, schema=schema)
