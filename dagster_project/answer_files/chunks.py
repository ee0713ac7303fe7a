"""Reads files of answers a chunk at a time, and columns of a chunk as Arrow arrays of text.

A value that is no text does not stop the others: it is null, with a reason that names the column. Numbers are taken as
the text that stands in the file (``1.50`` stays ``1.50`` in JSON Lines). Text that UTF-8 cannot hold (half of a
surrogate pair, broken bytes) becomes a visible escape, so that two different texts never become one.

Memory: one chunk, which holds at most 4,096 rows and about 8 MB of text, or one row if that is longer.
"""

from __future__ import annotations

from collections import Counter
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
_BUFFER_BYTES = 1 << 20

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
    # Without a buffer the reader holds a whole column of a row group, which may be the whole file.
    with pq.ParquetFile(path, buffer_size=_BUFFER_BYTES) as file:
        twice = [name for name, count in Counter(file.schema_arrow.names).items() if count > 1]
        if twice:
            raise FileError(
                f"two columns have the name {twice[0][:60]!r}", where=str(path), fix="Give columns different names"
            )
        columns = [name for name in file.schema_arrow.names if wanted is None or name in wanted]
        first = 0
        for groups, size in _portions(file.metadata):
            for batch in file.iter_batches(batch_size=size, row_groups=groups, columns=columns):
                yield TableChunk(first, pa.Table.from_batches([batch]), path)
                first += batch.num_rows


def _portions(about: pq.FileMetaData) -> Iterator[tuple[list[int], int]]:
    """Row groups that are read together, and the rows of a chunk of them.

    Small row groups (a hundred rows each, as some writers make them) become chunks of the usual size: each chunk has a
    price of its own.
    """
    groups: list[int] = []
    rows = row_bytes = 0
    for group in range(about.num_row_groups):
        one = about.row_group(group)
        groups.append(group)
        rows += one.num_rows
        row_bytes = max(row_bytes, one.total_byte_size // max(1, one.num_rows))
        if rows >= CHUNK_ROWS or rows * row_bytes >= CHUNK_BYTES or group == about.num_row_groups - 1:
            yield groups, max(1, min(CHUNK_ROWS, CHUNK_BYTES // max(1, row_bytes)))
            groups, rows, row_bytes = [], 0, 0
