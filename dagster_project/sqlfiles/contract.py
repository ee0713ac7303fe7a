"""Contracts: does a select return what its header declares, given what its inputs have? Asked before anything runs.

The select is described against empty tables, so that DuckDB itself resolves names and types; no row is read.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import duckdb
import pyarrow as pa

from dagster_project.language.faults import suggest
from dagster_project.sqlfiles.header import DECISION
from dagster_project.sqlfiles.kind import SqlKind, output_schema
from dagster_project.sqlfiles.reading import SqlFile
from resources.errors import SqlFileError
from resources.sql import Part, View, create_views, scratch
from resources.sql_types import sql_type, sql_word

Upstream = Mapping[str, pa.Schema | Sequence[pa.Schema]]
"""Formal input -> schema of the table bound to it; a list of them where the input is ``many``."""

_LINE = re.compile(r"^LINE (\d+):", re.MULTILINE)
_QUOTED = re.compile(r'"([^"\n]+)"')


def check(kind: SqlKind, settings: Any, upstream: Upstream) -> pa.Schema:
    """Check ``kind`` under ``settings`` against the real schemas above it; gives the schema of its rows.

    The select is first held against the columns that its header declares, so that it reads none besides them, and then
    against what is really there, where a further column can make a name ambiguous. Inputs absent from ``upstream``
    (optional ones) are empty tables with the declared columns.

    Raises:
        SqlFileError: A declared input column is absent or has another type above; the select does not bind; or it
            returns other columns or types than declared. Names file and line.
    """
    file = kind.file
    schemas = {name: _list(upstream.get(name, declared.schema)) for name, declared in kind.inputs.items()}
    for name, found in schemas.items():
        for schema in found:
            _check_input(file, name, schema)
    check_declared(file, kind, settings)
    _check_output(file, _describe(file, kind, settings, schemas))
    return output_schema(file.header)


def check_declared(file: SqlFile, kind: SqlKind, settings: Any) -> None:
    """Hold the select against the declared input columns alone: it reads none besides them."""
    declared = {name: [declared.schema] for name, declared in kind.inputs.items()}
    _check_output(file, _describe(file, kind, settings, declared))


def _list(schemas: pa.Schema | Sequence[pa.Schema]) -> list[pa.Schema]:
    return [schemas] if isinstance(schemas, pa.Schema) else list(schemas)


def _check_input(file: SqlFile, name: str, schema: pa.Schema) -> None:
    for column, word in file.header.inputs[name].columns.items():
        loc = ("inputs", name, "columns", column)
        if column not in schema.names:
            what = f"the input {name!r} has no column {column!r}"
            raise file.places.error(what, *loc, fix=suggest(column, schema.names, "columns there"))
        found = sql_type(schema.field(column).type)
        if found != sql_word(word):
            what = f"the column {column!r} of the input {name!r} is {found}, not {sql_word(word)}"
            raise file.places.error(what, *loc, fix=f"Declare {column}: {found.lower()}, or bind another stage")


def _describe(
    file: SqlFile, kind: SqlKind, settings: Any, schemas: Mapping[str, Sequence[pa.Schema]]
) -> dict[str, str]:
    with scratch() as connection:
        try:
            create_views(connection, {name: _stub(kind, name, found) for name, found in schemas.items()})
            # On the line of the select's first character, so that DuckDB's LINE is the line of the file.
            found = connection.execute("describe " + file.select, kind.parameters(settings) or None).fetchall()
        except duckdb.Error as error:
            raise _explain(file, error, schemas) from error
    return {str(row[0]): str(row[1]) for row in found}


def _stub(kind: SqlKind, name: str, found: Sequence[pa.Schema]) -> View:
    if kind.inputs[name].many:
        return View(kind.inputs[name].schema, parts=[Part(f"part {i}", (), s) for i, s in enumerate(found)])
    return View(found[0] if found else kind.inputs[name].schema)


def _explain(file: SqlFile, error: duckdb.Error, schemas: Mapping[str, Sequence[pa.Schema]]) -> SqlFileError:
    text = str(error)
    words = text.strip().splitlines()[0].partition(": ")[2] or text
    position = _LINE.search(text)
    quoted = _QUOTED.findall(words)
    line = int(position.group(1)) if position else _find(file, quoted)
    columns = sorted({column for found in schemas.values() for schema in found for column in schema.names})
    is_column = "column" in words.lower() and quoted and quoted[-1] not in columns
    fix = suggest(quoted[-1], columns, "columns of the inputs") if is_column else "Mend the select there"
    return SqlFileError(words.rstrip("!. "), where=f"{file.path}:{line}", fix=fix)


def _find(file: SqlFile, quoted: Sequence[str]) -> int:
    """Line of the first of the ``quoted`` words in the select, for errors that say no line."""
    for word in quoted:
        for number, line in enumerate(file.select.splitlines(), 1):
            if re.search(rf"\b{re.escape(word)}\b", line):
                return number
    return file.places.place("columns").line


def _check_output(file: SqlFile, found: Mapping[str, str]) -> None:
    header, places = file.header, file.places
    wanted = {name: sql_word(words.type) for name, words in header.columns.items()}
    for name, word in wanted.items():
        if name not in found:
            extra = [other for other in found if other not in wanted]
            fix = f"{suggest(name, extra, 'columns that it does return')}, or return {name}"
            raise places.error(f"the select does not return the declared column {name!r}", "columns", name, fix=fix)
        if found[name] != word:
            what = f"the column {name!r} is declared {word} and the select returns {found[name]}"
            raise places.error(what, "columns", name, "type", fix=f"Cast it: {name}::{word.lower()}")
    for name, word in (DECISION if header.decides else {}).items():
        if name not in found:
            what = f"the law {header.the_law.name} needs the column {name!r}, which the select does not return"
            fix = "Return kept BOOLEAN, rule VARCHAR, reason VARCHAR, detail VARCHAR for every input row"
            raise places.error(what, "law", fix=fix)
        if found[name] not in (word, '"NULL"'):
            what = f"the select returns {name!r} as {found[name]}, not {word}"
            raise places.error(what, "law", fix=f"Cast it: {name}::{word.lower()}")
    extra = [name for name in found if name not in wanted and not (header.decides and name in DECISION)]
    if extra:
        what = f"the select returns {extra[0]!r} ({found[extra[0]]}), which is not declared"
        raise places.error(what, "columns", fix=f"{suggest(extra[0], wanted, 'declared columns')}, or declare it")
