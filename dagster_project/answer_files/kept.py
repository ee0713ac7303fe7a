"""The columns of a file that go out as they came in, beside new ones: between JSON Lines and Parquet, either way.

JSON Lines has no types, Parquet needs one a column. Where all values of a column are truth values, whole numbers of 64
bits, or numbers, the column has that type; text, also with numbers among it, is text as it is written. Any other column
(lists, objects, a mixture) holds JSON text.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from dagster_project.answer_files.chunks import Chunk
from dagster_project.answer_files.column import clean_text
from dagster_project.answer_files.line_chunks import LineChunk
from dagster_project.row_files.reading import WrittenNumber, file_errors, is_parquet
from dagster_project.row_files.writing import RowWriter
from resources.errors import FileError

MAX_COLUMNS = 1_000
"""Of a Parquet file made of JSON Lines: above it the keys are data and no columns."""

_TYPES: Mapping[str, pa.DataType] = {
    "null": pa.string(),
    "text": pa.string(),
    "bool": pa.bool_(),
    "int": pa.int64(),
    "float": pa.float64(),
    "json": pa.string(),
}


class KeptColumns:
    """Of one file that is read twice: first to :meth:`see` it, then to write it."""

    def __init__(self, path: Path, output: Path, new: pa.Schema) -> None:
        """Columns of ``new`` replace columns of the same names."""
        self._path = path
        self._new = new
        self._sorts: dict[str, str] = {}
        self.looks_at_rows = is_parquet(output) and not is_parquet(path)
        """Whether :meth:`see` needs all columns."""

    def see(self, chunk: Chunk) -> None:
        """Note the types of values."""
        if not self.looks_at_rows or not isinstance(chunk, LineChunk):
            return
        for row in chunk.rows:
            for name, value in row.values.items():
                sort = _sort_of(value)
                before = self._sorts.setdefault(name, sort)
                if before != sort:
                    self._sorts[name] = _both(before, sort)
        if len(self._sorts) > MAX_COLUMNS:
            raise FileError(
                f"there are over {MAX_COLUMNS:,} columns",
                where=str(self._path),
                fix="Write .jsonl, where each row has its own",
            )

    @property
    def schema(self) -> pa.Schema | None:
        """Of a Parquet file with these columns and the new ones; None if nothing is known of types."""
        if is_parquet(self._path):
            kept = list(parquet_schema(self._path))
        else:
            kept = [pa.field(clean_text(name), _TYPES[sort]) for name, sort in self._sorts.items()]
        return pa.schema([*(field for field in kept if field.name not in self._new.names), *self._new])

    def write(self, target: RowWriter, chunk: Chunk, new: pa.Table) -> None:
        """Write the rows of ``chunk`` with the columns ``new``."""
        new = new.select(self._new.names).cast(self._new)
        if not isinstance(chunk, LineChunk):
            names = [name for name in chunk.table.schema.names if name not in self._new.names]
            kept = chunk.table.select(names)
            target.write_table(pa.table([*kept.columns, *new.columns], schema=_joined(kept.schema, self._new)))
            return
        rows = []
        for row, added in zip(chunk.rows, new.to_pylist(), strict=True):
            values = self._typed(row.values) if self.looks_at_rows else row.values
            rows.append({**{name: values[name] for name in values if name not in added}, **added})
        target.write_rows(rows)

    def _typed(self, values: Mapping[str, Any]) -> dict[str, Any]:
        typed = {}
        for name, value in values.items():
            sort = self._sorts[name]
            if value is not None and sort == "json":
                value = json.dumps(value)
            elif value is not None and sort == "text":
                value = clean_text(value.text if isinstance(value, WrittenNumber) else str(value))
            typed[clean_text(name)] = value
        return typed


def parquet_schema(path: Path) -> pa.Schema:
    """Columns of a Parquet file. Raises FileError if it is none."""
    with file_errors(path):
        return pq.read_schema(path)


def _joined(kept: pa.Schema, new: pa.Schema) -> pa.Schema:
    return pa.schema([*kept, *new])


def _sort_of(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int):
        return "int" if -(2**63) <= value < 2**63 else "json"
    return {str: "text", list: "json", dict: "json"}.get(type(value), "float")


def _both(one: str, other: str) -> str:
    """The narrowest sort that holds both."""
    if "null" in (one, other):
        return other if one == "null" else one
    if one == other:
        return one
    together = {one, other}
    return "float" if together == {"int", "float"} else "text" if together <= {"int", "float", "text"} else "json"
