"""Rows of Parquet, and columns of them as Arrow arrays: a type that means nothing here is an error of the file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute

from dagster_project.answer_files.column import Column
from resources.errors import FileError

pc: Any = pyarrow.compute
"""Arrow makes its functions when it is imported, so that no type checker knows them."""

_NO_IDS = (
    *(pa.types.is_nested, pa.types.is_null),
    *(pa.types.is_duration, pa.types.is_interval, pa.types.is_decimal256),  # DuckDB has not these, or other ones
)


@dataclass(frozen=True, slots=True)
class TableChunk:
    """Some rows of a file, in order."""

    first: int
    """Number of its first row, from 0."""
    table: pa.Table
    path: Path

    def __len__(self) -> int:
        """How many rows."""
        return self.table.num_rows

    @property
    def names(self) -> set[str]:
        """Its columns."""
        return set(self.table.schema.names)

    @property
    def faults(self) -> Mapping[int, str]:
        """None: Parquet has no row that cannot be read."""
        return {}

    def line(self, at: int) -> int:
        """The number of the row at place ``at``, from 1."""
        return self.first + at + 1

    def texts(self, name: str) -> Column:
        """A column of text or numbers as text; what is not UTF-8 is bad. Raises FileError for another type."""
        return _text_column(self._column(name), name, self.path)

    def scalars(self, name: str) -> Column:
        """A column of ids as it is, for grouping. Null is bad. Raises FileError for lists, structs and durations."""
        return _scalar_column(self._column(name), name, self.path)

    def numbers(self, name: str) -> Column:
        """A column of numbers as doubles; null is bad. Raises FileError for another type."""
        return _number_column(self._column(name), name, self.path)

    def _column(self, name: str) -> pa.Array:
        values = pa.concat_arrays(self.table.column(name).chunks)
        return values.dictionary_decode() if isinstance(values, pa.DictionaryArray) else values


def _text_column(values: pa.Array, name: str, path: Path) -> Column:
    kind = values.type
    if _is_text(kind):
        return _valid(values.cast(pa.string()), name)
    if pa.types.is_float16(kind):
        values = values.cast(pa.float32())
    if not (_is_number(kind) or pa.types.is_null(kind)):
        raise FileError(f"the column {name!r} is {kind}", where=str(path), fix="Give a column of text or numbers")
    return Column(values.cast(pa.string()), {})


def _scalar_column(values: pa.Array, name: str, path: Path) -> Column:
    if any(is_unfit(values.type) for is_unfit in _NO_IDS):
        raise FileError(f"the column {name!r} is {values.type}", where=str(path), fix="Give a column of ids")
    if pa.types.is_float16(values.type):
        values = values.cast(pa.float32())
    column = _valid(values.cast(pa.string()), name) if _is_text(values.type) else Column(values, {})
    missing = pc.indices_nonzero(column.values.is_null()).to_pylist()
    return Column(column.values, {**dict.fromkeys(missing, f"{name!r} is missing or null"), **column.bad})


def _number_column(values: pa.Array, name: str, path: Path) -> Column:
    if not _is_number(values.type):
        raise FileError(f"the column {name!r} is {values.type}", where=str(path), fix="Give a column of numbers")
    missing = pc.indices_nonzero(values.is_null()).to_pylist()
    return Column(values.cast(pa.float64(), safe=False), dict.fromkeys(missing, f"{name!r} is missing or null"))


def _valid(values: pa.Array, name: str) -> Column:
    """Texts that are UTF-8. Readers of Parquet do not look at the bytes; DuckDB and Python refuse them."""
    try:
        values.validate(full=True)
    except pa.ArrowInvalid:
        texts = [_decode(data) for data in values.cast(pa.binary()).to_pylist()]
        bad = {at: f"{name!r} is not UTF-8" for at, (_, is_valid) in enumerate(texts) if not is_valid}
        return Column(pa.array([text if is_valid else None for text, is_valid in texts], pa.string()), bad)
    return Column(values, {})


def _decode(data: bytes | None) -> tuple[str | None, bool]:
    try:
        return (None if data is None else data.decode()), True
    except UnicodeDecodeError:
        return None, False


def _is_text(kind: pa.DataType) -> bool:
    return pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)


def _is_number(kind: pa.DataType) -> bool:
    return pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)
