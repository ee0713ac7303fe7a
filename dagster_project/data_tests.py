"""Checks: reading them as they are written, holding them against a schema, and running them on rows.

The tests themselves are in ``data_test_kinds``. When a check runs, and what a broken one stops, is the business of
``running.checking``.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
from pydantic import ValidationError

from dagster_project.data_test_kinds import TESTS, DataTest
from dagster_project.language.faults import suggest
from dagster_project.language.resolved import Check, Place, Ref
from dagster_project.running.outcome import CheckResult
from dagster_project.sqlfiles.kind import SqlKind
from resources.errors import MathloomError, RecipeError, SqlFileError
from resources.sql import scratch, stub_table
from resources.sql_types import sql_type

SAMPLE_ROWS = 5
"""Violating rows that are shown."""
_SHOWN_CHARACTERS = 200
"""Longest text of a shown row: rows can hold whole solutions."""
_HIDDEN = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2066-\u2069]")
"""Characters that could steer a terminal or turn text around: model output is hostile."""


def read_check(words: Any, place: Place, *, column: str | None = None) -> Check:
    """A check as it is written: ``not_null``, ``{unique: [a, b]}`` or ``{max_share: {column: a, max: 0.1}}``.

    The last may also be written ``{test: max_share, column: a, max: 0.1}``. Beside the arguments there may
    be ``severity`` (error or warn) and ``name``. Under a column, the argument column (or columns) is that column.
    Raises RecipeError (SqlFileError in a SQL file).
    """
    test, arguments = _split(words, place)
    severity, name = arguments.pop("severity", "error"), arguments.pop("name", None)
    if severity not in ("error", "warn"):
        raise _error(f"unknown severity {severity!r}", place, suggest(severity, ("error", "warn"), "severities"))
    fields = TESTS[test].model_fields
    key = "columns" if "columns" in fields else "column"
    if column is not None and key in fields:
        arguments.setdefault(key, column)
    return Check(name or _name(test, arguments), test, arguments, severity == "error", place)


def _split(words: Any, place: Place) -> tuple[str, dict[str, Any]]:
    if isinstance(words, str):
        words = {words: {}}
    if isinstance(words, dict) and isinstance(words.get("test"), str):
        words = {words["test"]: {key: value for key, value in words.items() if key != "test"}}
    if not isinstance(words, dict) or len(words) != 1:
        raise _error(f"{words!r} is no check", place, "Write a test's name, or `test: {argument: value}`")
    test, written = next(iter(words.items()))
    if test not in TESTS:
        raise _error(f"unknown test {test!r}", place, suggest(test, TESTS, "tests"))
    return test, dict(written) if isinstance(written, dict) else {TESTS[test].short: written}


def header_checks(kind: SqlKind, place: Place | None = None) -> tuple[Check, ...]:
    """Checks that the header of a SQL file declares, each at its own line of that file, with distinct names.

    ``place`` (the stage's line) is not needed: a header's tests say where they stand. Raises SqlFileError for arguments
    that do not fit the columns, and for tests that name another stage: a header knows no recipe.
    """
    return _header_checks(kind)


@cache
def _header_checks(kind: SqlKind) -> tuple[Check, ...]:
    # Cached: a file serves many stages, and each check is tried on no rows (about 3 ms).
    header, places = kind.file.header, kind.file.places
    schema = kind.outputs(kind.settings_type.model_construct())["rows"]
    found = [
        read_check(words, places.place("columns", name, "tests", index), column=name)
        for name, column in header.columns.items()
        for index, words in enumerate(column.tests)
    ]
    found += [read_check(words, places.place("tests", index)) for index, words in enumerate(header.tests)]
    for check in found:
        validate_arguments(check, schema)
        if needs(check):
            what = f"the test {check.test!r} names another stage, and a SQL file knows none"
            raise _error(what, check.place, "Write it under `checks:` of the stage in the recipe")
    return _distinct(found)


def validate_arguments(check: Check, schema: pa.Schema) -> None:
    """Hold the arguments of ``check`` against the schema of its rows. Raises RecipeError or SqlFileError."""
    test = _test(check)
    try:
        columns = test.columns_read()
    except ValueError as error:
        raise _error(str(error), check.place, "Write a condition like `votes <= n_valid`") from error
    for name in columns:
        if name not in schema.names:
            what = f"the test {check.test!r} names the column {name!r}, which the rows do not have"
            raise _error(what, check.place, suggest(name, schema.names, "columns"))
    _try(check, test, schema)


def needs(check: Check) -> tuple[Ref, ...]:
    """Other tables of the recipe that ``check`` reads; their views must be named ``str(ref)``."""
    return _test(check).needs()


def run_check(check: Check, session: duckdb.DuckDBPyConnection, schema: pa.Schema) -> CheckResult:
    """Run ``check`` in a session with the view ``rows`` (of ``schema``) and one view for each of :func:`needs`."""
    test = _test(check)
    query, bound = test.violations(schema)
    try:
        count = int(session.sql(f"select count(*) from ({query})", params=bound).fetchall()[0][0])  # noqa: S608
        sample = _sample(session, query, bound) if count else []
    except (duckdb.BinderException, duckdb.CatalogException, duckdb.ConversionException) as error:
        words = str(error).strip().splitlines()[0]
        raise _error(f"the check {check.name!r} cannot run: {words}", check.place, "Mend its arguments") from error
    return CheckResult(check.name, count == 0, check.blocking, test.describe(), count, sample)


def _test(check: Check) -> DataTest:
    if check.test not in TESTS:
        raise _error(f"unknown test {check.test!r}", check.place, suggest(check.test, TESTS, "tests"))
    kind = TESTS[check.test]
    arguments = dict(check.arguments)
    if isinstance(arguments.get("columns"), str):
        arguments["columns"] = [arguments["columns"]]
    try:
        return kind.model_validate(arguments)
    except ValidationError as error:
        raise _explain(error, check, kind) from None


def _explain(error: ValidationError, check: Check, kind: type[DataTest]) -> MathloomError:
    # An unknown argument explains a missing one: it is often the same one, misspelled.
    first = min(error.errors(), key=lambda found: found["type"] != "extra_forbidden")
    word = str(first["loc"][0]) if first["loc"] else ""
    names = [field.alias or name for name, field in kind.model_fields.items()]
    if first["type"] == "extra_forbidden":
        what = f"the test {check.test!r} has no argument {word!r}"
        return _error(what, check.place, suggest(word, names, "arguments"))
    if first["type"] == "missing":
        return _error(f"the test {check.test!r} needs the argument {word!r}", check.place, f"Add `{word}:`")
    what = f"the argument {word!r} of the test {check.test!r} is {first['input']!r}: {first['msg']}"
    return _error(what, check.place, "Write it as docs/sql.md shows")


def _try(check: Check, test: DataTest, schema: pa.Schema) -> None:
    """Run the query on no rows: a value that does not fit its column's type, or a wrong condition, is found now."""
    if test.needs():
        return
    query, bound = test.violations(schema)
    with scratch() as connection:
        stub_table(connection, "rows", schema)
        try:
            for name in ("values", "value"):
                if name in bound:
                    kind = sql_type(schema.field(test.columns_read()[0]).type)
                    values = bound[name] if name == "values" else [bound[name]]
                    cast = f"select v::{kind} from unnest($v::varchar[]) as u(v)"  # noqa: S608
                    connection.execute(cast, {"v": values}).fetchall()
            connection.execute(query, bound or None).fetchall()
        except duckdb.Error as error:
            words = str(error).strip().splitlines()[0]
            raise _error(f"the test {check.test!r} cannot run: {words}", check.place, "Mend its arguments") from error


def _sample(session: duckdb.DuckDBPyConnection, query: str, bound: dict[str, Any]) -> list[dict[str, Any]]:
    found = session.sql(f"select * from ({query}) order by all limit {SAMPLE_ROWS}", params=bound)  # noqa: S608
    return [{name: _safe(value) for name, value in zip(found.columns, row, strict=True)} for row in found.fetchall()]


def _safe(value: Any) -> Any:
    if value is None or isinstance(value, bool | int | float):
        return value
    text = str(value) if isinstance(value, uuid.UUID) else _HIDDEN.sub("\N{REPLACEMENT CHARACTER}", str(value))
    return text if len(text) <= _SHOWN_CHARACTERS else text[:_SHOWN_CHARACTERS] + "…"


def _name(test: str, arguments: Mapping[str, Any]) -> str:
    said = arguments.get("columns") or arguments.get("column") or arguments.get("expression") or ""
    words = "_".join(said) if isinstance(said, list | tuple) else str(said)
    return re.sub(r"[^a-z0-9]+", "_", f"{test}_{words}".lower()).strip("_")[:60]


def _distinct(checks: list[Check]) -> tuple[Check, ...]:
    """The same checks; of several with one name, the second is called ``name_2``."""
    seen: dict[str, int] = {}
    found = []
    for check in checks:
        seen[check.name] = seen.get(check.name, 0) + 1
        number = seen[check.name]
        name = check.name if number == 1 else f"{check.name}_{number}"
        found.append(Check(name, check.test, check.arguments, check.blocking, check.place))
    return tuple(found)


def _error(what: str, place: Place, fix: str) -> MathloomError:
    kind = SqlFileError if Path(place.path).suffix == ".sql" else RecipeError
    return kind(what, where=str(place), fix=fix)
