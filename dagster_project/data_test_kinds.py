"""The data tests themselves: each is a small class that turns its arguments into SQL which returns violating rows.

Values are bound, never written into SQL; columns are quoted. Reading, validating and running checks is the business of
``data_tests``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import pyarrow as pa
import sqlglot
from pydantic import BaseModel, ConfigDict, Field
from sqlglot import exp
from sqlglot.errors import SqlglotError

from dagster_project.language.resolved import Ref
from resources.sql import quote_name
from resources.sql_types import sql_type

Query = tuple[str, dict[str, Any]]
"""SQL that returns violating rows of the view ``rows``, and the values bound to it."""


class DataTest(BaseModel):
    """Arguments of one test. ``short`` names the argument that may be written alone (``unique: problem_id``)."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)
    short: ClassVar[str]

    def columns_read(self) -> tuple[str, ...]:
        """Columns of ``rows`` that it names."""
        column = getattr(self, "column", None)
        return (column,) if column else ()

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
        if self.max is None:
            return f"there are at least {self.min or 0:,} rows"
        return f"the number of rows is between {self.min or 0:,} and {self.max:,}"


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
        parts = {name for name, value in tree.args.items() if value}
        if where is None or parts != {"expressions", "where"} or tree.find(exp.Table, exp.Placeholder, exp.AggFunc):
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
        chosen = "true"
        if self.value is not None:
            chosen = f"{name} = $value::varchar::{kind}"
            bound["value"] = str(self.value)
        shares = f"select {name}, count(*) / sum(count(*)) over () as share from rows group by 1"  # noqa: S608
        return f"select * from ({shares}) where {chosen} and share > $max", bound  # noqa: S608

    def describe(self) -> str:
        """In words."""
        what = "any value" if self.value is None else repr(self.value)
        return f"{what} of {self.column} has at most {self.max:.1%} of the rows"


def read_ref(text: str) -> Ref:
    """``stage`` or ``stage.table``."""
    stage, _, table = text.partition(".")
    return Ref(stage, table or "rows")


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
