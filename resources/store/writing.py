"""Writing one table of a version: schema enforced, row groups of fixed size, the same rows give the same bytes.

Memory: one row group (65,536 rows) and one compressed page at a time.
"""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Self

import pyarrow as pa
import pyarrow.parquet as pq

from resources.errors import StoreError
from resources.store.layout import store_errors, sync_file

ROW_GROUP_ROWS = 65_536
"""Rows a group: about 1 to 60 MB, small enough to stream, large enough to compress."""
PART_ROWS = 4_194_304
"""Rows a part (64 groups): a part of 14M rows of ids stays below 1 GB."""


class TableWriter:
    """Takes rows in their final order. Chunks of any size give the same files, because groups are cut here."""

    def __init__(self, folder: Path, schema: pa.Schema, *, where: str) -> None:
        self.folder = folder
        self.schema = schema
        self.where = where
        self.row_count = 0
        self.paths: list[Path] = []
        self._waiting: list[pa.Table] = []
        self._waiting_rows = 0
        self._file: pq.ParquetWriter | None = None
        self._part_rows = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        elif self._file is not None:
            self._file.close()

    def write(self, rows: pa.Table | pa.RecordBatch) -> None:
        """Append ``rows``; columns are matched by name and cast. Raises StoreError for an absent column or a null."""
        if not rows.num_rows:
            return
        table = fit(rows if isinstance(rows, pa.Table) else pa.Table.from_batches([rows]), self.schema, self.where)
        self._waiting.append(table)
        self._waiting_rows += table.num_rows
        self.row_count += table.num_rows
        if self._waiting_rows >= ROW_GROUP_ROWS:
            self._write_groups(at_end=False)

    def close(self) -> None:
        """Write what waits. An empty table still gets one file, so that its schema can be read."""
        self._write_groups(at_end=True)
        if not self.paths:
            self._open_part()
        self._close_part()

    def _write_groups(self, *, at_end: bool) -> None:
        if not self._waiting:
            return
        table = pa.concat_tables(self._waiting)
        start = 0
        while table.num_rows - start >= ROW_GROUP_ROWS or (at_end and start < table.num_rows):
            self._write_group(table.slice(start, ROW_GROUP_ROWS))
            start += ROW_GROUP_ROWS
        rest = table.slice(min(start, table.num_rows))
        self._waiting = [rest] if rest.num_rows else []
        self._waiting_rows = rest.num_rows

    def _write_group(self, group: pa.Table) -> None:
        with store_errors(self.folder):
            if self._file is None:
                self._open_part()
            assert self._file is not None
            # One chunk a column: page borders, and so the bytes, must not depend on how rows arrived.
            self._file.write_table(group.combine_chunks(), row_group_size=ROW_GROUP_ROWS)
            self._part_rows += group.num_rows
            if self._part_rows >= PART_ROWS:
                self._close_part()

    def _open_part(self) -> None:
        with store_errors(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            path = self.folder / f"part-{len(self.paths):05d}.parquet"
            self._file = pq.ParquetWriter(path, self.schema, compression="zstd")
            self.paths.append(path)
            self._part_rows = 0

    def _close_part(self) -> None:
        if self._file is not None:
            with store_errors(self.folder):
                self._file.close()
                self._file = None
                sync_file(self.paths[-1])


def fit(table: pa.Table, schema: pa.Schema, where: str) -> pa.Table:
    """``table`` with exactly the columns of ``schema``, cast where that loses nothing."""
    columns = []
    for field in schema:
        index = table.schema.get_field_index(field.name)
        if index < 0:
            raise StoreError(
                f"a written batch lacks the column {field.name!r} (it has {', '.join(table.schema.names)})",
                where=where,
                fix="Make the kind return every column that its outputs() declares",
            )
        column = _cast(table.column(index), field, where)
        if not field.nullable and column.null_count:
            raise StoreError(
                f"{column.null_count} null value(s) in the column {field.name!r}, which may hold none",
                where=where,
                fix="Reject such rows with a reason, or declare the column nullable",
            )
        columns.append(column)
    return pa.Table.from_arrays(columns, schema=schema)


def _cast(column: pa.ChunkedArray, field: pa.Field, where: str) -> pa.ChunkedArray:
    if column.type == field.type:
        return column
    if isinstance(column.type, pa.BaseExtensionType) and not isinstance(field.type, pa.BaseExtensionType):
        column = pa.chunked_array([c.storage for c in column.chunks], column.type.storage_type)
    try:
        if isinstance(field.type, pa.BaseExtensionType):
            stored = column.cast(field.type.storage_type)
            return pa.chunked_array([pa.ExtensionArray.from_storage(field.type, c) for c in stored.chunks], field.type)
        return column.cast(field.type)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise StoreError(
            f"the column {field.name!r} is {column.type}, declared as {field.type}",
            where=where,
            fix="Make the kind return the declared type",
        ) from error
