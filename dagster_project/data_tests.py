"""Data tests: what may be asked of the rows of a stage. Each turns its arguments into SQL that returns violating rows.

Values are bound, never written into SQL; columns are held against the schema and quoted. When a check runs, and what a
broken one stops, is ``running.checking``'s business.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import duckdb
import pyarrow as pa
import sqlglot
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from sqlglot import exp
from sqlglot.errors import SqlglotError

from dagster_project.language.faults import suggest
from dagster_project.language.resolved import Check, Place, Ref
from dagster_project.running.outcome import CheckResult
from dagster_project.sqlfiles.kind import SqlKind
from dagster_project.sqlfiles.types import sql_type
from resources.errors import MathloomError, RecipeError, SqlFileError
from resources.sql import quote_name

SAMPLE_ROWS = 5
"""Violating rows that are shown."""
_SHOWN_CHARACTERS = 200
"""Longest text of a shown row: rows can hold whole solutions."""
_HIDDEN = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2066-\u2069]")
"""Characters that could steer a terminal or turn text around: model output is hostile."""

Query = tuple[str, dict[str, Any]]
"""SQL that returns violating rows of the view ``rows``, and the values bound to it."""


class DataTest(BaseModel):
    """Arguments of one test. ``short`` names the argument that may be written alone (``unique: problem_id``)."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)
    short: ClassVar[str]

    def columns_read(self) -> tuple[str, ...]:
        """Columns of ``rows`` that it names."""
        return tuple(value for name in ("column",) if (value := getattr(self, name, None)))

    def needs(self) -> tuple[Ref, ...]:
        """Other tables of the recipe that it reads."""
        return ()

    def violations(self, schema: pa.Schema) -> Query:
        """The query. ``schema`` is that of ``rows``, and has all of :meth:`columns_read`."""
        raise NotImplementedError

    def describe(self) -> str:
        """The promise, in words."""
        raise NotImplementedError


class NotNull(DataTest):
    """A column has a value in every row."""

    short: ClassVar[str] = "column"
    column: str

    def violations(self, schema: pa.Schema) -> Query:
        """Rows without a value, by what they do have."""
        return f"select * from rows where {quote_name(self.column)} is null", {}  # noqa: S608

    def describe(self) -> str:
        """In words."""
        return f"{self.column} has a value"


class Unique(DataTest):
    """No two rows agree in all of some columns."""

    short: ClassVar[str] = "columns"
    columns: tuple[str, ...] = Field(min_length=1)

    def columns_read(self) -> tuple[str, ...]:
        """All of them."""
        return self.columns

    def violations(self, schema: pa.Schema) -> Query:
        """Values that stand in several rows, with their number."""
        names = ", ".join(quote_name(name) for name in self.columns)
        return f"select {names}, count(*) as copies from rows group by {names} having count(*) > 1", {}  # noqa: S608

    def describe(self) -> str:
        """In words."""
        return f"no two rows share {', '.join(self.columns)}"


class AcceptedValues(DataTest):
    """A column holds only listed values; an empty value is accepted (add not_null to forbid it)."""

    short: ClassVar[str] = "values"
    column: str
    values: tuple[str | int | float | bool, ...] = Field(min_length=1)

    def violations(self, schema: pa.Schema) -> Query:
        """Other values, with their number."""
        name, kind = quote_name(self.column), sql_type(schema.field(self.column).type)
        query = (
            f"select {name}, count(*) as rows from rows where {name} not in "  # noqa: S608
            f"(select v::{kind} from unnest($values::varchar[]) as u(v)) group by 1"
        )
        return query, {"values": [str(value) for value in self.values]}

    def describe(self) -> str:
        """In words."""
        return f"{self.column} is one of {', '.join(str(value) for value in self.values)}"


class Relationships(DataTest):
    """Every value of a column is found in a column of another table."""

    short: ClassVar[str] = "to"
    column: str
    to: str = Field(description="stage, or stage.table.")
    to_column: str | None = None

    def needs(self) -> tuple[Ref, ...]:
        """The other table."""
        return (read_ref(self.to),)

    def violations(self, schema: pa.Schema) -> Query:
        """Values without a partner, with their number."""
        name, other = quote_name(self.column), quote_name(self.to_column or self.column)
        table = quote_name(str(read_ref(self.to)))
        query = (
            f"select {name}, count(*) as rows from rows where {name} is not null and not exists "  # noqa: S608
            f"(select 1 from {table} as partner where partner.{other} = rows.{name}) group by 1"
        )
        return query, {}

    def describe(self) -> str:
        """In words."""
        return f"every {self.column} is a {self.to_column or self.column} of {self.to}"


class RowCountBetween(DataTest):
    """The number of rows lies between two limits, both included."""

    short: ClassVar[str] = "min"
    min: int | None = Field(None, ge=0)
    max: int | None = Field(None, ge=0)

    def violations(self, schema: pa.Schema) -> Query:
        """The count, if it is outside."""
        query = (
            "select count(*) as rows from rows "
            "having count(*) < coalesce($min::bigint, 0) or count(*) > coalesce($max::bigint, count(*))"
        )
        return query, {"min": self.min, "max": self.max}

    def describe(self) -> str:
        """In words."""
        return f"the number of rows is between {self.min or 0:,} and {'any' if self.max is None else f'{self.max:,}'}"


class Expression(DataTest):
    """A condition that is true for every row; where it is neither true nor false (an empty value), it holds."""

    short: ClassVar[str] = "expression"
    expression: str

    def tree(self) -> exp.Expr:
        """The condition. Raises ValueError if it is not one expression over the columns of the row."""
        try:
            tree = sqlglot.parse_one(f"select 1 where ({self.expression}\n)", dialect="duckdb")
        except SqlglotError as error:
            raise ValueError(f"{self.expression!r} is no SQL condition") from error
        where = tree.args.get("where")
        if where is None or len(tree.expressions) != 1 or tree.find(exp.Table, exp.Subquery, exp.Placeholder):
            raise ValueError(f"{self.expression!r} is not one condition over the columns of a row")
        return where.this

    def columns_read(self) -> tuple[str, ...]:
        """Columns of the condition."""
        return tuple(dict.fromkeys(column.name for column in self.tree().find_all(exp.Column)))

    def violations(self, schema: pa.Schema) -> Query:
        """Rows for which it is false, by the columns that it reads."""
        names = ", ".join(quote_name(name) for name in self.columns_read()) or "*"
        # Written anew from its tree, so that nothing but an expression stands in the query.
        return f"select {names} from rows where not ({self.tree().sql(dialect='duckdb', comments=False)})", {}  # noqa: S608

    def describe(self) -> str:
        """In words."""
        return self.expression


class NoOverlap(DataTest):
    """No value of a column is found in another table: splits that must not leak into each other."""

    short: ClassVar[str] = "with"
    column: str
    other: str = Field(alias="with", description="stage, or stage.table.")
    other_column: str | None = Field(None, alias="with_column")

    def needs(self) -> tuple[Ref, ...]:
        """The other table."""
        return (read_ref(self.other),)

    def violations(self, schema: pa.Schema) -> Query:
        """Values that both have."""
        name, other = quote_name(self.column), quote_name(self.other_column or self.column)
        table = quote_name(str(read_ref(self.other)))
        return f"select distinct {name} from rows where {name} in (select {other} from {table})", {}  # noqa: S608

    def describe(self) -> str:
        """In words."""
        return f"no {self.column} is a {self.other_column or self.column} of {self.other}"


class MaxShare(DataTest):
    """No value (or one named value) has more than a share of the rows."""

    short: ClassVar[str] = "max"
    column: str
    max: float = Field(gt=0, le=1)
    value: str | int | float | bool | None = None

    def violations(self, schema: pa.Schema) -> Query:
        """Values that are too frequent, with their share."""
        name, kind = quote_name(self.column), sql_type(schema.field(self.column).type)
        bound: dict[str, Any] = {"max": self.max}
        chosen = ""
        if self.value is not None:
            chosen = f" where {name} = $value::varchar::{kind}"
            bound["value"] = str(self.value)
        query = (
            f"select * from (select {name}, count(*) / sum(count(*)) over () as share from rows group by 1)"  # noqa: S608
            f"{chosen or ' where true'} and share > $max"
        )
        return query, bound

    def describe(self) -> str:
        """In words."""
        what = "any value" if self.value is None else repr(self.value)
        return f"{what} of {self.column} has at most {self.max:.1%} of the rows"


TESTS: Mapping[str, type[DataTest]] = {
    "not_null": NotNull,
    "unique": Unique,
    "accepted_values": AcceptedValues,
    "relationships": Relationships,
    "row_count_between": RowCountBetween,
    "expression": Expression,
    "no_overlap": NoOverlap,
    "max_share": MaxShare,
}
"""Every test, by the name that a recipe or a header writes."""


def read_check(words: Any, place: Place, *, column: str | None = None) -> Check:
    """A check as it is written: ``not_null``, ``{unique: [a, b]}`` or ``{max_share: {column: a, max: 0.1}}``.

    Beside the arguments of the test there may be ``severity`` (error or warn) and ``name``. Under a column the argument
    ``column`` (or ``columns``) is that column. Raises RecipeError (SqlFileError in a SQL file).
    """
    if isinstance(words, str):
        words = {words: {}}
    if not isinstance(words, dict) or len(words) != 1:
        raise _error(f"{words!r} is no check", place, "Write a test's name, or `test: {argument: value}`")
    test, written = next(iter(words.items()))
    if test not in TESTS:
        raise _error(f"unknown test {test!r}", place, suggest(test, TESTS, "tests"))
    kind = TESTS[test]
    arguments = dict(written) if isinstance(written, dict) else {kind.short: written}
    severity, name = arguments.pop("severity", "error"), arguments.pop("name", None)
    if severity not in ("error", "warn"):
        raise _error(f"unknown severity {severity!r}", place, suggest(severity, ("error", "warn"), "severities"))
    if isinstance(arguments.get("columns"), str):
        arguments["columns"] = [arguments["columns"]]
    if column is not None:
        key = "columns" if "columns" in kind.model_fields else "column"
        if key in kind.model_fields:
            arguments.setdefault(key, [column] if key == "columns" else column)
    return Check(name or _name(test, arguments), test, arguments, severity == "error", place)


def header_checks(kind: SqlKind, place: Place | None = None) -> tuple[Check, ...]:
    """Checks that the header of a SQL file declares, each at its own line of that file, with distinct names.

    ``place`` (the stage's line) is not needed: a header's tests say where they stand. Raises SqlFileError for arguments
    that do not fit the columns, and for tests that name another stage: a header knows no recipe.
    """
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
        counted = session.sql(f"select count(*) from ({query})", params=bound).fetchone()  # noqa: S608
        count = int(counted[0]) if counted else 0
        sample = _sample(session, query, bound) if count else []
    except (duckdb.BinderException, duckdb.CatalogException, duckdb.ConversionException) as error:
        words = str(error).strip().splitlines()[0]
        raise _error(f"the check {check.name!r} cannot run: {words}", check.place, "Mend its arguments") from error
    return CheckResult(check.name, count == 0, check.blocking, test.describe(), count, sample)


def read_ref(text: str) -> Ref:
    """``stage`` or ``stage.table``."""
    stage, _, table = text.partition(".")
    return Ref(stage, table or "rows")


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
    first = error.errors()[0]
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
    with duckdb.connect(":memory:") as connection:
        connection.register("rows", schema.empty_table())
        try:
            for name in ("values", "value"):
                if name in bound:
                    kind = sql_type(schema.field(test.columns_read()[0]).type)
                    values = bound[name] if name == "values" else [bound[name]]
                    connection.execute(f"select v::{kind} from unnest($v::varchar[]) as u(v)", {"v": values}).fetchall()
            connection.execute(query, bound).fetchall()
        except duckdb.Error as error:
            words = str(error).strip().splitlines()[0]
            raise _error(f"the test {check.test!r} cannot run: {words}", check.place, "Mend its arguments") from error


def _sample(session: duckdb.DuckDBPyConnection, query: str, bound: dict[str, Any]) -> list[dict[str, Any]]:
    rows = session.sql(f"select * from ({query}) order by all limit {SAMPLE_ROWS}", params=bound)  # noqa: S608
    return [dict(zip(rows.columns, map(_safe, row), strict=True)) for row in rows.fetchall()]


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
