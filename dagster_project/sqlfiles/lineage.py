"""Column lineage: which input columns an output column is made of. Computed when asked for, once a file.

It costs about 30 ms a file, so nothing is computed at import. Joins and filters are no lineage; a column that is made
of no column, like ``count(*)``, has none.
"""

from __future__ import annotations

from functools import cache

from sqlglot import exp
from sqlglot.errors import SqlglotError
from sqlglot.lineage import Node, lineage

from dagster_project.sqlfiles.kind import SqlKind
from dagster_project.sqlfiles.names import DIALECT
from resources.sql import PART_COLUMNS, with_part_columns
from resources.sql_types import sql_type

Origin = tuple[str, str]
"""A formal input and one of its columns."""


def columns(kind: SqlKind) -> dict[str, list[Origin]]:
    """Output column -> the input columns it is made of; columns made of none are left out.

    A select that sqlglot cannot resolve (a dynamic PIVOT) gives an empty mapping: no lineage rather than a guess.
    """
    schemas = tuple(
        (
            name,
            tuple(
                (field.name, sql_type(field.type))
                for field in (with_part_columns(declared.schema) if declared.many else declared.schema)
            ),
        )
        for name, declared in kind.inputs.items()
    )
    found = _columns(kind.file.canonical, schemas, tuple(kind.file.header.columns))
    return {name: list(origins) for name, origins in found}


_Schemas = tuple[tuple[str, tuple[tuple[str, str], ...]], ...]


@cache
def _columns(select: str, schemas: _Schemas, names: tuple[str, ...]) -> tuple[tuple[str, tuple[Origin, ...]], ...]:
    schema = {name: dict(found) for name, found in schemas}
    try:
        # Untrimmed: a trimmed select is copied for each column, which is most of the time, and nobody reads it.
        nodes = lineage(None, select, schema=schema, dialect=DIALECT, trim_selects=False)
    except (SqlglotError, ValueError, KeyError, RecursionError):
        return ()
    assert isinstance(nodes, dict)
    found = [(name, _origins(nodes[name], schema)) for name in names if name in nodes]
    return tuple((name, origins) for name, origins in found if origins)


def _origins(root: Node, schema: dict[str, dict[str, str]]) -> tuple[Origin, ...]:
    found: set[Origin] = set()
    for node in root.walk():
        if node.downstream or not isinstance(node.expression, exp.Table):
            continue
        table, column = node.expression.name.lower(), node.name.rpartition(".")[2].strip('"').lower()
        if column in schema.get(table, {}) and column not in PART_COLUMNS:
            found.add((table, column))
    return tuple(sorted(found))
