"""The header of a SQL file: which words it may hold and what they mean. Frozen data; unknown words are errors.

Rules that need the SQL itself (names, parameters) are in ``names``; rules that need input schemas are in ``contract``.
"""

from __future__ import annotations

import re
import types
import typing
from typing import Any, cast

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from assets.kinds import Law, Settings
from dagster_project.language.faults import suggest
from dagster_project.sqlfiles.places import Loc, Places
from resources.errors import SqlFileError
from resources.sql_types import PARAM_WORDS, TYPE_WORDS, python_type, sql_word

DECISION = {"kept": "BOOLEAN", "rule": "VARCHAR", "reason": "VARCHAR", "detail": "VARCHAR"}
"""Columns that a select adds under the laws filter, spread and group: which rows stay, and why the others do not."""
DECIDING_LAWS = frozenset({"filter", "group", "spread"})
_NAME = re.compile(r"[a-z_][a-z0-9_]*")


class Words(BaseModel):
    """Base of every part of a header."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class LawBody(Words):
    """What a law is about."""

    input: str = Field(description="Formal input whose rows are counted.")
    id: str = Field(description="Its id column.")
    out_id: str = Field("", description="The id column of the output, where it has another name.")
    members: str = Field("", description="group: output column that counts the input rows of the group.")
    order: str = Field("", description="split: column whose order the prefix follows.")


class LawWords(Words):
    """Exactly one law."""

    filter: LawBody | None = None
    map: LawBody | None = None
    spread: LawBody | None = None
    group: LawBody | None = None
    union: LawBody | None = None
    split: LawBody | None = None

    def law(self) -> Law | None:
        """The law, or None unless exactly one is written."""
        said = [(name, body) for name in type(self).model_fields if (body := getattr(self, name)) is not None]
        if len(said) != 1:
            return None
        name, body = said[0]
        return Law(cast(Any, name), **body.model_dump())


class InputWords(Words):
    """A formal input."""

    columns: dict[str, str] = Field(description="Columns that the select reads, with their types.")
    many: bool = Field(False, description="Binds one or more stages; adds the columns part and part_index.")
    optional: bool = Field(False, description="May stay unbound; the table is then empty.")
    description: str = ""


class ParamWords(Words):
    """A setting, used in the select as $name."""

    type: str
    default: Any = Field(None, description="Absent: the recipe must set it. null: it may stay empty.")
    description: str
    operational: bool = Field(False, description="Never changes which rows come out.")
    choices: tuple[str | int, ...] = ()
    at_least: float | None = None
    at_most: float | None = None


class ColumnWords(Words):
    """An output column."""

    type: str
    description: str
    tests: tuple[Any, ...] = ()


class UnitTestWords(Words):
    """Given rows, expected rows."""

    name: str
    given: dict[str, tuple[dict[str, Any], ...]] = Field(default_factory=dict)
    params: dict[str, Any] = Field(default_factory=dict)
    expect: tuple[dict[str, Any], ...]


class Header(Words):
    """The whole header."""

    description: str
    law: LawWords
    inputs: dict[str, InputWords]
    params: dict[str, ParamWords] = Field(default_factory=dict)
    columns: dict[str, ColumnWords]
    grain: tuple[str, ...]
    order_by: tuple[str, ...] = ()
    tests: tuple[Any, ...] = ()
    histograms: tuple[str, ...] = ()
    unit_tests: tuple[UnitTestWords, ...] = ()

    @property
    def the_law(self) -> Law:
        """The law; :func:`read_header` has made sure that there is one."""
        law = self.law.law()
        assert law is not None
        return law

    @property
    def decides(self) -> bool:
        """Whether the select says which rows stay (:data:`DECISION`)."""
        return self.the_law.name in DECIDING_LAWS

    @property
    def order(self) -> tuple[tuple[str, bool], ...]:
        """Columns that the stored rows follow, each with whether it descends: ``order_by``, made total by the grain."""
        said = [(words[0], len(words) > 1) for words in (entry.split() for entry in self.order_by)]
        named = {name for name, _ in said}
        return (*said, *((name, False) for name in self.grain if name not in named))


def read_header(value: Any, places: Places) -> Header:
    """``value`` as a header. Raises SqlFileError for the first thing that is wrong, at its line."""
    if not value:
        raise places.error("the header is empty", fix="Write at least description, law, inputs, columns, grain")
    try:
        header = Header.model_validate(value)
    except ValidationError as error:
        raise _explain(error, places) from None
    _check_law(header, places)
    _check_names(header, places)
    _check_types(header, places)
    _check_order(header, places)
    return header


def _check_names(header: Header, places: Places) -> None:
    groups: list[tuple[Loc, Any]] = [(("inputs",), header.inputs), (("params",), header.params)]
    groups += [(("columns",), header.columns)]
    groups += [(("inputs", name, "columns"), words.columns) for name, words in header.inputs.items()]
    for loc, names in groups:
        for name in names:
            if not _NAME.fullmatch(name):
                fix = "Use lower-case letters, digits and _"
                raise places.error(f"{name!r} is no name", *loc, name, fix=fix)
    for name in header.params:
        if hasattr(Settings, name):
            raise places.error(f"the parameter name {name!r} is taken", "params", name, fix="Give it another name")
    for name in header.columns:
        if header.decides and name in DECISION:
            what = f"the column {name!r} is added by the law {header.the_law.name} and is not part of `columns`"
            raise places.error(what, "columns", name, fix="Remove it here; keep it in the select")


def _check_types(header: Header, places: Places) -> None:
    written: list[tuple[Loc, str, Any, tuple[str, ...]]] = []
    for name, words in header.inputs.items():
        written += [(("inputs", name, "columns", c), t, sql_word, TYPE_WORDS) for c, t in words.columns.items()]
    written += [(("columns", n, "type"), w.type, sql_word, TYPE_WORDS) for n, w in header.columns.items()]
    written += [(("params", n, "type"), w.type, python_type, PARAM_WORDS) for n, w in header.params.items()]
    for loc, word, read, choices in written:
        try:
            read(word)
        except KeyError:
            raise places.error(f"unknown type {word!r}", *loc, fix=suggest(word, choices, "types")) from None


def _check_law(header: Header, places: Places) -> None:
    law = header.law.law()
    if law is None:
        fix = "Write one of: filter, map, spread, group, union, split"
        raise places.error("a file has exactly one law", "law", fix=fix)
    loc = ("law", law.name)
    if law.input not in header.inputs:
        what = f"the law names {law.input!r}, which is no input"
        raise places.error(what, *loc, "input", fix=suggest(law.input, header.inputs, "inputs"))
    needed = {"group": "members", "split": "order"}.get(law.name)
    if needed and not getattr(law, needed):
        raise places.error(f"the law {law.name} needs `{needed}`", *loc, fix=f"Add {needed}: <column>")
    read = header.inputs[law.input].columns
    sides = [("id", law.id, read, f"input {law.input!r}"), ("out_id", law.row_id, header.columns, "output")]
    sides += [("members", law.members, header.columns, "output"), ("order", law.order, read, f"input {law.input!r}")]
    for word, column, columns, side in sides:
        if column and column not in columns:
            what = f"the law names the column {column!r}, which the {side} does not declare"
            raise places.error(what, *loc, word, fix=suggest(column, columns, "columns"))


def _check_order(header: Header, places: Places) -> None:
    if not header.grain:
        raise places.error("the grain is empty", "grain", fix="Name the columns that no two rows share")
    for index, entry in enumerate(header.order_by):
        if entry.split()[1:] not in ([], ["desc"]):
            raise places.error(f"cannot order by {entry!r}", "order_by", index, fix="Write a column, or `column desc`")
    lists = [("grain", header.grain), ("histograms", header.histograms)]
    lists.append(("order_by", tuple(entry.split()[0] for entry in header.order_by)))
    for word, names in lists:
        for index, name in enumerate(names):
            if name not in header.columns:
                what = f"`{word}` names {name!r}, which is no output column"
                raise places.error(what, word, index, fix=suggest(name, header.columns, "columns"))


def _explain(error: ValidationError, places: Places) -> SqlFileError:
    # An unknown key explains a missing one: it is often the same key, misspelled.
    first = min(error.errors(), key=lambda found: found["type"] != "extra_forbidden")
    loc: Loc = tuple(first["loc"])
    word = loc[-1] if loc else ""
    if first["type"] == "extra_forbidden":
        return places.error(f"unknown key {word!r}", *loc, fix=suggest(word, _allowed(loc[:-1]), "keys"))
    if first["type"] == "missing":
        return places.error(f"the key {word!r} is missing", *loc[:-1], fix=f"Add `{word}:`")
    what = f"{'.'.join(map(str, loc))}: {first['msg']}, not {str(first['input'])[:80]!r}"
    return places.error(what, *loc, fix="Write it as docs/sql.md shows")


def _allowed(loc: Loc) -> list[str]:
    """Keys that may stand at ``loc``."""
    kind: Any = Header
    for word in loc:
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            kind = kind.model_fields[str(word)].annotation
        else:
            kind = typing.get_args(kind)[1 if typing.get_origin(kind) is dict else 0]
        if isinstance(kind, types.UnionType):
            kind = typing.get_args(kind)[0]
    return list(kind.model_fields) if isinstance(kind, type) and issubclass(kind, BaseModel) else []
