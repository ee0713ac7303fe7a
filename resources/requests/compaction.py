"""Compaction: many small seals become few segments of about 128 MB, sorted by key, in bounded memory.

Only seals that are close in age are put together, and one that has reached the size of a segment is left alone. So the
completions of a stage stay in few files, which a stage that reads them finds by their keys (``Seal.holding``), and no
byte is rewritten often: a seal is only merged where the result is at least twice its size.

A compaction is committed by one rename: ``replaces`` names the seals that it takes the place of, and from then on they
are litter. A reader of another process may still have views over their files, so they are deleted by a process that has
the store alone (``locks.Hold``), when it opens or closes it. ``replaces`` then forgets them.
Every function here needs the lock of ``Folders.lock``.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from resources.requests import writing
from resources.requests.index import as_keys, words_of
from resources.requests.reading import batches
from resources.requests.segments import SEAL_FILE, Folders, Seal, replaced_by, scan
from resources.store.layout import store_errors, sync_folder, write_json

MAX_SMALL = 16
"""Small seals that are left alone: each costs a reader some milliseconds (`benchmarks/request_store.py`)."""
MAX_MERGED = 64
"""Seals merged at once: each costs some MB of memory and an open file."""


@dataclass(frozen=True, slots=True)
class Compacted:
    """What a compaction did. Bytes are those of completions on disk."""

    merged: int = 0
    """Seals that were put together."""
    made: int = 0
    """Seals that took their place."""
    bytes_before: int = 0
    bytes_after: int = 0

    def __add__(self, other: Compacted) -> Compacted:
        return Compacted(
            self.merged + other.merged,
            self.made + other.made,
            self.bytes_before + other.bytes_before,
            self.bytes_after + other.bytes_after,
        )


def choose(seals: Sequence[Seal], *, force: bool) -> list[Seal]:
    """Which of ``seals`` (by name, so by age) to merge next; none when it is not worth it.

    The longest run of neighbours in which the largest is at most half of the whole: a completion is so rewritten at
    most once for each doubling of its seal. Without ``force`` only where there are more than :data:`MAX_SMALL` small
    ones; with it, what is left at last is merged too, as far as it makes one segment.
    """
    small = [seal for seal in seals if seal.bytes < writing.SEGMENT_BYTES]
    if len(small) <= MAX_SMALL and not force:
        return []
    best: list[Seal] = []
    for start in range(len(small)):
        run = _longest_run(small[start : start + MAX_MERGED])
        if len(run) > len(best):
            best = run
    if not best and force:
        best = _first_segment(small)
    return best


def _longest_run(small: Sequence[Seal]) -> list[Seal]:
    total = largest = length = 0
    for number, seal in enumerate(small, start=1):
        if total >= writing.SEGMENT_BYTES:
            break
        total += seal.bytes
        largest = max(largest, seal.bytes)
        if number > 1 and 2 * largest <= total:
            length = number
    return list(small[:length])


def _first_segment(small: Sequence[Seal]) -> list[Seal]:
    run: list[Seal] = []
    for seal in small:
        run.append(seal)
        if len(run) == MAX_MERGED or sum(each.bytes for each in run) >= writing.SEGMENT_BYTES:
            break
    return run if len(run) > 1 else []


def merge(chosen: Sequence[Seal], folders: Folders) -> Compacted:
    """Put ``chosen`` together into one seal. Of two answers to one request the one stored first stays.

    Raises:
        StoreError: A file is damaged or the disk is full; the store is as it was.
    """
    parts = [batches(part) for seal in chosen for part in seal.parts]
    failures = [batches(seal.failures) for seal in chosen if seal.failures is not None]
    with writing.SealWriter(folders, writing.seal_name(chosen[-1].name)) as writer:
        for table in row_groups(_merged(parts, is_unique=True)):
            writer.write(table)
        for table in row_groups(_merged(failures, is_unique=False)):
            writer.write_failures(table)
        commit(writer, chosen, folders)
    return Compacted(len(chosen), 1, sum(seal.bytes for seal in chosen), writer.bytes)


def commit(writer: writing.SealWriter, replaced: Sequence[Seal], folders: Folders) -> None:
    """Commit a seal in place of others, with what these still have to get deleted."""
    journals = {name for seal in replaced for name in seal.facts["journals"] if (folders.journals / name).exists()}
    older = {name for name in replaced_by(replaced) if (folders.segments / name).exists()}
    writer.commit(journals=journals, replaces=older | {seal.name for seal in replaced})


def delete_replaced(folders: Folders) -> None:
    """Delete the folders that a seal replaces. The caller has the store alone.

    The names go too: where a folder of an older copy of the store is copied in later, it is no litter.
    """
    seals, replaced = scan(folders)
    with store_errors(folders.segments):
        for folder in replaced:
            shutil.rmtree(folder)
        if replaced:
            sync_folder(folders.segments)  # gone for good, before its name is forgotten
    for seal in seals:
        if seal.facts["replaces"]:
            write_json(seal.folder / SEAL_FILE, {**seal.facts, "replaces": []})


def row_groups(tables: Iterator[pa.Table]) -> Iterator[pa.Table]:
    """The same rows, in tables of the size of a row group."""
    waiting: list[pa.Table] = []
    size = rows = 0
    for table in tables:
        step = max(len(table) * writing.ROW_GROUP_BYTES // max(4 * table.nbytes, 1), 1)
        for start in range(0, len(table), step):
            piece = table.slice(start, step)
            if waiting and rows + len(piece) > writing.ROW_GROUP_ROWS:
                yield pa.concat_tables(waiting)
                waiting, size, rows = [], 0, 0
            waiting.append(piece)
            size += piece.nbytes
            rows += len(piece)
            if size >= writing.ROW_GROUP_BYTES:
                yield pa.concat_tables(waiting)
                waiting, size, rows = [], 0, 0
    if waiting:
        yield pa.concat_tables(waiting)


class _Input:
    """One sorted file under way: the rows that are read and not yet taken."""

    def __init__(self, tables: Iterator[pa.Table]) -> None:
        self._tables = tables
        self._rows: pa.Table = None
        self._high = self._low = np.zeros(0, np.uint64)

    def fill(self) -> bool:
        """Read on if nothing is left. False at the end of the file."""
        while not len(self._high):
            table = next(self._tables, None)
            if table is None:
                return False
            self._rows = table
            self._high, self._low = words_of(as_keys(table["request_key"]))
        return True

    @property
    def last(self) -> tuple[int, int]:
        """The key of the last row that is read."""
        return int(self._high[-1]), int(self._low[-1])

    def take(self, high: int, low: int) -> pa.Table:
        """The rows up to a key."""
        start = int(np.searchsorted(self._high, np.uint64(high), "left"))
        stop = int(np.searchsorted(self._high, np.uint64(high), "right"))
        stop = start + int(np.searchsorted(self._low[start:stop], np.uint64(low), "right"))
        taken, self._rows = self._rows.slice(0, stop), self._rows.slice(stop)
        self._high, self._low = self._high[stop:], self._low[stop:]
        return taken


def _merged(files: Sequence[Iterator[pa.Table]], *, is_unique: bool) -> Iterator[pa.Table]:
    """Rows of sorted files in the order of their keys; equal keys by time, then in the order of the files.

    Each step takes all rows up to the smallest of the last keys that are read: none of these can come again.
    """
    inputs = [_Input(file) for file in files]
    while inputs := [each for each in inputs if each.fill()]:
        high, low = min(each.last for each in inputs)
        table = pa.concat_tables([each.take(high, low) for each in inputs])
        yield _sorted(table, is_unique=is_unique)


def _sorted(table: pa.Table, *, is_unique: bool) -> pa.Table:
    high, low = words_of(as_keys(table["request_key"]))
    times = np.array(table["stored_at_ns"].to_pylist(), np.int64)
    order = np.lexsort((times, low, high))
    if is_unique:
        high, low = high[order], low[order]
        again = (high[1:] == high[:-1]) & (low[1:] == low[:-1])
        order = order[np.concatenate(([True], ~again))]
    return table.take(pa.array(order))
