"""Writes Parquet shards whose bytes depend on the rows alone: not on batches, threads or time.

Row groups and shards are cut at exact rows, by uncompressed size. What the rows are is not known here.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import compute as pc

ROW_GROUP_BYTES = 32 * 1024 * 1024
"""Uncompressed size of a row group. The Hub's viewer wants at most 100 MB; a writer holds one row group in memory,
and a release of four splits has four writers."""

CHUNKING = {"min_chunk_size": 256 * 1024, "max_chunk_size": 1024 * 1024}
"""Content-defined chunking with the values of datasets 5.2 (`DEFAULT_CDC_OPTIONS`).

The Hub stores equal chunks once, whatever file they are in."""


@dataclass(frozen=True, slots=True)
class Shard:
    """One written file: its rows are ``[first, first + row_count)`` of the stream; ``bytes_in_memory`` of Arrow."""

    path: Path
    first: int
    row_count: int
    bytes_in_memory: int


class ShardWriter:
    """Takes tables of ``schema`` in order; :meth:`close` gives the shards. At least one, even without rows.

    Shards have temporary names, since ``-of-00007`` is known only at the end; the caller renames them.
    """

    def __init__(self, folder: Path, stem: str, schema: pa.Schema, max_shard_bytes: int) -> None:
        self._folder = folder
        self._stem = stem
        self._schema = schema
        self._max_shard = max_shard_bytes
        self._max_group = min(ROW_GROUP_BYTES, max_shard_bytes)
        self._waiting: list[pa.Table] = []
        self._group_bytes = 0
        self._shard_bytes = 0
        self._shard_rows = 0
        self._rows = 0
        self._file: pq.ParquetWriter | None = None
        self._shards: list[Shard] = []

    def write(self, table: pa.Table) -> None:
        """Append rows, ending row groups and shards where the next row would not fit (a row is never split)."""
        ends = list(accumulate(row_bytes(table)))
        start = 0
        while start < table.num_rows:
            before = ends[start - 1] if start else 0
            room = min(self._max_group - self._group_bytes, self._max_shard - self._shard_bytes)
            stop = bisect_right(ends, before + room)
            if stop <= start:
                if self._shard_bytes and self._shard_bytes + ends[start] - before > self._max_shard:
                    self.cut()
                elif self._group_bytes:
                    self._end_group()
                else:
                    self._take(table.slice(start, 1), ends[start] - before)
                    start += 1
                continue
            self._take(table.slice(start, stop - start), ends[stop - 1] - before)
            start = stop

    def cut(self) -> None:
        """End the shard here, if it has rows: the border of a split."""
        if self._shard_rows:
            self._end_shard()

    def close(self) -> list[Shard]:
        """Write what waits and name the shards."""
        if self._shard_rows or not self._shards:
            self._end_shard()
        return self._shards

    def abort(self) -> None:
        """Give the open file back to the system after a failure; the caller throws the folder away."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _take(self, rows: pa.Table, size: int) -> None:
        self._waiting.append(rows)
        self._group_bytes += size
        self._shard_bytes += size
        self._shard_rows += rows.num_rows

    def _end_group(self) -> None:
        if self._waiting:
            rows = pa.concat_tables(self._waiting).combine_chunks()
            self._open().write_table(rows, row_group_size=rows.num_rows)
        self._waiting, self._group_bytes = [], 0

    def _end_shard(self) -> None:
        self._end_group()
        self._open().close()
        self._shards.append(Shard(self._path, self._rows, self._shard_rows, self._shard_bytes))
        self._rows += self._shard_rows
        self._file, self._shard_rows, self._shard_bytes = None, 0, 0

    @property
    def _path(self) -> Path:
        return self._folder / f"{self._stem}-{len(self._shards):05d}.writing"

    def _open(self) -> pq.ParquetWriter:
        if self._file is None:
            # zstd instead of the usual snappy: a third less to download, and every current reader knows it.
            self._file = pq.ParquetWriter(
                self._path,
                self._schema,
                compression="zstd",
                write_page_index=True,
                use_content_defined_chunking=CHUNKING,  # pyright: ignore[reportArgumentType] - its stub says bool only
            )
        return self._file


def row_bytes(table: pa.Table) -> Sequence[int]:
    """Size of each row in Arrow memory, nearly: bytes of text plus 4 for its offset, width of the rest."""
    texts = [column for column in table.columns if pa.types.is_string(column.type)]
    rest = [column for column in table.columns if not pa.types.is_string(column.type)]
    fixed = 4 * len(texts) + sum(max(1, column.type.bit_width // 8) for column in rest)
    total = pa.array([fixed] * table.num_rows, pa.int64())
    for column in texts:
        length = pc.fill_null(pc.call_function("binary_length", [column]).cast(pa.int64()), 0)
        total = pc.call_function("add", [total, length])
    return total.to_pylist()
