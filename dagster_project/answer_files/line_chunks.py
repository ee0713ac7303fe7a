"""Rows of JSON Lines, and columns of them as Arrow arrays: each value is judged on its own."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from dagster_project.answer_files.column import Column, text_array
from dagster_project.row_files.reading import FileRow, WrittenNumber


@dataclass(frozen=True, slots=True)
class LineChunk:
    """Some rows of a file, in order."""

    first: int
    """Number of its first row, from 0."""
    rows: Sequence[FileRow]

    def __len__(self) -> int:
        """How many rows."""
        return len(self.rows)

    @property
    def names(self) -> set[str]:
        """Columns that at least one row has."""
        return set().union(*(row.values.keys() for row in self.rows))

    @property
    def faults(self) -> Mapping[int, str]:
        """Place in the chunk -> why the row there could not be read."""
        return {at: row.fault for at, row in enumerate(self.rows) if row.fault}

    def line(self, at: int) -> int:
        """The line of the row at place ``at``, from 1."""
        return self.rows[at].line

    def texts(self, name: str) -> Column:
        """A column as text; what is neither text nor a number is bad."""
        values: list[str | None] = []
        bad: dict[int, str] = {}
        for at, row in enumerate(self.rows):
            value = row.values.get(name)
            if value is not None and not isinstance(value, str):
                value = _text_of(value)
                if value is None:
                    bad[at] = f"{name!r} is no text but {_type_of(row.values[name])}"
            values.append(value)
        return Column(text_array(values), bad)

    def scalars(self, name: str) -> Column:
        """A column of ids as JSON text, for grouping: ``1`` and ``"1"`` differ. Null, lists and objects are bad."""
        values: list[str | None] = []
        bad: dict[int, str] = {}
        for at, row in enumerate(self.rows):
            value = row.values.get(name)
            if value is None or isinstance(value, list | dict):
                bad[at] = f"{name!r} is missing or null" if value is None else f"{name!r} is {_type_of(value)}, no id"
                values.append(None)
            else:
                values.append(json.dumps(value))
        return Column(pa.array(values, pa.string()), bad)

    def numbers(self, name: str) -> Column:
        """A column of numbers as doubles; what is none is bad."""
        values: list[float | None] = []
        bad: dict[int, str] = {}
        for at, row in enumerate(self.rows):
            value = row.values.get(name)
            if isinstance(value, int | float) and not isinstance(value, bool):
                values.append(_double(value))
                continue
            values.append(None)
            bad[at] = f"{name!r} is {'missing or null' if value is None else f'no number but {_type_of(value)}'}"
        return Column(pa.array(values, pa.float64()), bad)


def _text_of(value: Any) -> str | None:
    """The text of a JSON number; None for what has none."""
    if isinstance(value, WrittenNumber):
        return value.text
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _type_of(value: Any) -> str:
    names = {dict: "an object", list: "a list", bool: "a truth value", str: "text"}
    return names.get(type(value), type(value).__name__)


def _double(value: float) -> float:
    try:
        return float(value)
    except OverflowError:
        return float("inf") if value > 0 else float("-inf")
