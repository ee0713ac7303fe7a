"""Reads files of answers a chunk at a time, and columns of a chunk as Arrow arrays of text.

A value that is no text does not stop the others: it is null, with a reason that names the column. Numbers are taken as
the text that stands in the file (``1.50`` stays ``1.50`` in JSON Lines). Text that UTF-8 cannot hold (half of a
surrogate pair, broken bytes) becomes a visible escape, so that two different texts never become one.

Memory: one chunk, which holds at most 4,096 rows and about 8 MB of text, or one row if that is longer.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from dagster_project.answer_files.line_chunks import LineChunk
from dagster_project.answer_files.table_chunks import TableChunk
from dagster_project.row_files.reading import FileRow, WrittenNumber, bare_name, file_errors, is_parquet, read_rows
from resources.engines.options import nearest
from resources.errors import FileError

CHUNK_ROWS = 4_096
CHUNK_BYTES = 8 << 20

_SHOWN_COLUMNS = 20

Chunk = LineChunk | TableChunk


def read_chunks(path: Path, wanted: Collection[str] | None = None) -> Iterator[Chunk]:
    """The rows of one file, in order. ``wanted``: columns that are needed, where the format can leave out others.

    Raises:
        FileError: No such file, an unknown ending, damaged, or not that format at all.
    """
    bare_name(path)
    with file_errors(path):
        yield from _parquet_chunks(path, wanted) if is_parquet(path) else _line_chunks(path)


def require_columns(chunk: Chunk, names: Sequence[str], path: Path) -> None:
    """Raises FileError, with the columns there are, if the first chunk of a file lacks one of ``names``."""
    present = chunk.names
    for name in names:
        if name not in present and len(chunk.faults) < len(chunk):
            like = nearest(name, present)
            raise FileError(
                f"there is no column {name!r} (columns: {listed(present)})",
                where=str(path),
                fix=f"Did you mean {like!r}?" if like else "Name the column that is meant (see --help)",
            )


def listed(names: Collection[str]) -> str:
    """Names of columns for an error, hostile ones too: quoted, cut, the first twenty."""
    shown = [repr(name[:60]) for name in sorted(names)[:_SHOWN_COLUMNS]]
    more = len(names) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more > 0 else "") or "none"


def _line_chunks(path: Path) -> Iterator[Chunk]:
    rows: list[FileRow] = []
    size = first = 0
    for row in read_rows(path, parse_float=WrittenNumber):
        rows.append(row)
        size += sum(len(value) for value in row.values.values() if isinstance(value, str))
        if len(rows) >= CHUNK_ROWS or size >= CHUNK_BYTES:
            yield LineChunk(first, rows)
            first, rows, size = first + len(rows), [], 0
    if rows:
        yield LineChunk(first, rows)


def _parquet_chunks(path: Path, wanted: Collection[str] | None) -> Iterator[Chunk]:
    with pq.ParquetFile(path) as file:
        columns = [name for name in file.schema_arrow.names if wanted is None or name in wanted]
        first = 0
        for group in range(file.metadata.num_row_groups):
            about = file.metadata.row_group(group)
            row_bytes = max(1, about.total_byte_size // max(1, about.num_rows))
            size = max(1, min(CHUNK_ROWS, CHUNK_BYTES // row_bytes))
            for batch in file.iter_batches(batch_size=size, row_groups=[group], columns=columns):
                yield TableChunk(first, pa.Table.from_batches([batch]), path)
                first += batch.num_rows
