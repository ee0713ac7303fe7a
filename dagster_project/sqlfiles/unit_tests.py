"""Unit tests of a SQL file: given rows, expected rows. Types come from the header, so nothing upstream is built.

Each test runs twice, the second time with the given rows in reverse: a result that follows the order of its input would
differ from build to build. An id may be written as a small whole number (1 is 00000000-0000-0000-0000-000000000001);
an expected row is compared only in the columns that it names.
"""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb
import pyarrow as pa
import yaml
from pydantic import ValidationError

from dagster_project.language.faults import suggest
from dagster_project.language.resolved import Place
from dagster_project.sqlfiles.header import DECISION, UnitTestWords
from dagster_project.sqlfiles.kind import SqlKind, output_schema
from resources.errors import SqlFileError
from resources.sql import open_session, stub_table, with_part_columns

Row = Mapping[str, Any]

_MEMORY = "256MB"
"""Memory of a unit test: given rows are written by hand."""
_SMALL_ID = 1 << 32
"""Ids below it are shown as whole numbers, as they are written."""


@dataclass(frozen=True, slots=True)
class UnitTestResult:
    """How one unit test ended. ``diff`` is empty when it passed."""

    kind: str
    name: str
    place: Place
    passed: bool
    diff: str = ""


def run_unit_tests(kind: SqlKind) -> list[UnitTestResult]:
    """Run every unit test of the file in memory. Raises SqlFileError when a test itself is written wrongly."""
    return [run_unit_test(kind, index) for index in range(len(kind.file.header.unit_tests))]


def run_unit_test(kind: SqlKind, index: int) -> UnitTestResult:
    """Run the unit test at ``index``."""
    test = kind.file.header.unit_tests[index]
    diffs = list(_diffs(kind, index, test))
    place = kind.file.places.place("unit_tests", index)
    return UnitTestResult(kind.name, test.name, place, not diffs, "\n".join(diffs))


def _diffs(kind: SqlKind, index: int, test: UnitTestWords) -> Iterator[str]:
    settings = _settings(kind, index, test)
    tables = {name: _given(kind, index, name) for name in kind.inputs}
    unknown = next((name for name in test.given if name not in tables), None)
    if unknown is not None:
        fix = suggest(unknown, tables, "inputs")
        raise kind.file.places.error(f"{unknown!r} is no input", "unit_tests", index, "given", unknown, fix=fix)
    expected = [_expected(kind, index, number) for number in range(len(test.expect))]
    found = run_rows(kind, settings, tables)
    yield from _compare(expected, found)
    backwards = run_rows(kind, settings, {name: rows[::-1] for name, rows in tables.items()})
    differences = list(_compare([_stored(kind, row) for row in found], [_stored(kind, row) for row in backwards]))
    if differences:
        yield "the result follows the order of the given rows; with the rows reversed:"
        yield from differences


def _stored(kind: SqlKind, row: Row) -> Row:
    """What is written of a row: of a reject, its id and the decision."""
    if row.get("kept", True):
        return row
    return {name: row[name] for name in (kind.law.row_id, *DECISION)}


def _settings(kind: SqlKind, index: int, test: UnitTestWords) -> Any:
    try:
        return kind.settings_type(**test.params)
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0]) if first["loc"] else ""
        loc = ("unit_tests", index, "params", name)
        fix = suggest(name, kind.file.header.params, "parameters")
        raise kind.file.places.error(f"parameter {name!r}: {first['msg']}", *loc, fix=fix) from error


def _given(kind: SqlKind, index: int, name: str) -> list[dict[str, Any]]:
    """Rows of one input, with part_index counted in the order in which parts first appear."""
    test = kind.file.header.unit_tests[index]
    declared = kind.inputs[name]
    schema = with_part_columns(declared.schema) if declared.many else declared.schema
    rows = []
    parts: dict[str, int] = {}
    for number, words in enumerate(test.given.get(name, ())):
        loc = ("unit_tests", index, "given", name, number)
        row = dict(words)
        if declared.many:
            row.setdefault("part_index", parts.setdefault(str(row.setdefault("part", "part")), len(parts)))
        rows.append(_typed(kind, row, schema, loc))
    return rows


def _expected(kind: SqlKind, index: int, number: int) -> dict[str, Any]:
    header = kind.file.header
    schema = output_schema(header)
    if header.decides:
        for name in DECISION:
            schema = schema.append(pa.field(name, pa.bool_() if name == "kept" else pa.string()))
    row = header.unit_tests[index].expect[number]
    return _typed(kind, row, schema, ("unit_tests", index, "expect", number))


def _typed(kind: SqlKind, row: Row, schema: pa.Schema, loc: tuple[str | int, ...]) -> dict[str, Any]:
    """``row`` as Python values of the types of ``schema``."""
    typed = {}
    for name, value in row.items():
        if name not in schema.names:
            fix = suggest(name, schema.names, "columns")
            raise kind.file.places.error(f"{name!r} is no column here", *loc, name, fix=fix)
        try:
            typed[name] = _value(value, schema.field(name).type)
        except (pa.ArrowException, ValueError, TypeError) as error:
            what = f"{value!r} is no {schema.field(name).type} for the column {name!r}"
            raise kind.file.places.error(what, *loc, name, fix="Write a value of that type") from error
    return typed


def _value(value: Any, kind: pa.DataType) -> Any:
    if value is None:
        return None
    if kind == pa.uuid():
        return uuid.UUID(int=value) if isinstance(value, int) else uuid.UUID(value)
    if pa.types.is_list(kind):
        if not isinstance(value, list):
            raise TypeError("no list")
        return [_value(item, kind.value_type) for item in value]
    if pa.types.is_string(kind) and not isinstance(value, str):
        return str(value)
    return pa.scalar(value, kind).as_py()


def run_rows(kind: SqlKind, settings: Any, tables: Mapping[str, list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """Rows of the select over the given rows (Python values; absent columns are null), in the stored order."""
    with TemporaryDirectory() as folder, open_session(memory_limit=_MEMORY, threads=1, temp=Path(folder)) as connection:
        for name in kind.inputs:
            _fill(connection, kind, name, tables.get(name, ()))
        try:
            table = kind.stream(connection, settings).read_all()
        except duckdb.Error as error:
            words = str(error).strip().splitlines()[0]
            raise SqlFileError(words, where=str(kind.file.path), fix="Mend the select") from error
        return table.to_pylist()


def _fill(connection: duckdb.DuckDBPyConnection, kind: SqlKind, name: str, rows: Sequence[dict[str, Any]]) -> None:
    declared = kind.inputs[name]
    stub_table(connection, name, declared.schema, many=declared.many)
    schema = with_part_columns(declared.schema) if declared.many else declared.schema
    columns = [_column([row.get(field.name) for row in rows], field.type) for field in schema]
    connection.from_arrow(pa.table(columns, schema=schema)).insert_into(name)


def _column(values: Sequence[Any], kind: pa.DataType) -> pa.Array:
    if kind == pa.uuid():
        raw = pa.array([None if value is None else value.bytes for value in values], pa.binary(16))
        return pa.ExtensionArray.from_storage(pa.uuid(), raw)
    if pa.types.is_list(kind):
        items = _column([item for value in values if value is not None for item in value], kind.value_type)
        ends = itertools.accumulate((len(value or ()) for value in values), initial=0)
        missing = pa.array([value is None for value in values], pa.bool_())
        return pa.ListArray.from_arrays(pa.array(ends, pa.int32()), items, mask=missing)
    return pa.array(values, kind)


def _compare(expected: Sequence[Row], found: Sequence[Row]) -> Iterator[str]:
    for number in range(max(len(expected), len(found))):
        if number >= len(found):
            yield f"row {number + 1}: expected {_show(expected[number])}, found no row"
        elif number >= len(expected):
            yield f"row {number + 1}: expected no row, found {_show(found[number])}"
        else:
            yield from _compare_row(number + 1, expected[number], found[number])


def _compare_row(number: int, expected: Row, found: Row) -> Iterator[str]:
    wrong = [name for name, value in expected.items() if found[name] != value]
    if wrong:
        named = {name: value for name, value in found.items() if name not in wrong and name in expected}
        yield f"row {number} {_show(named)}:"
        for name in wrong:
            yield f"    {name}: expected {_word(expected[name])}, found {_word(found[name])}"


def _show(row: Row) -> str:
    return "{" + ", ".join(f"{name}: {_word(value)}" for name, value in row.items()) + "}"


def _word(value: Any) -> str:
    """A value as it would be written in the header."""
    if isinstance(value, uuid.UUID):
        return str(value.int) if value.int < _SMALL_ID else str(value)
    return yaml.safe_dump(value, default_flow_style=True, width=10_000).removesuffix("\n...\n").strip()
