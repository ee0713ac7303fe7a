"""Holds every input against what the stage above really gives: tables, columns, types. No row is read.

SQL files have a further check of their own (``sqlfiles.contract``): their select is bound against the real schemas.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa

from assets.kinds import Input
from dagster_project.language.bind import Bindings
from dagster_project.language.faults import Faults, suggest
from dagster_project.language.resolved import Check, Place, Ref, Stage
from dagster_project.sqlfiles.kind import SqlKind
from resources.errors import MathloomError

_SAME = {
    pa.large_string(): pa.string(),
    pa.string_view(): pa.string(),
    pa.large_binary(): pa.binary(),
    pa.binary_view(): pa.binary(),
    pa.bool8(): pa.bool_(),
}
"""Types that the store writes alike: a stage that reads one can read the other."""


@dataclass(frozen=True, slots=True)
class _Bound:
    """One table bound to one formal input."""

    stage: Stage
    formal: str
    ref: Ref
    schema: pa.Schema
    place: Place
    """The line that binds it."""


def check_contracts(stages: Mapping[str, Stage], bindings: Bindings, faults: Faults) -> None:
    """Check all stages, upstream first. A stage above which something is wrong is not checked itself."""
    above: dict[str, set[str]] = {}
    tables: dict[str, Mapping[str, pa.Schema]] = {}
    for name, stage in stages.items():
        above[name] = set(stage.parents).union(*(above.get(parent, set()) for parent in stage.parents))
        tables[name] = stage.kind.outputs(stage.settings)
        before = len(faults)
        schemas = {formal: _schemas(stage, formal, bindings[name, formal], tables, faults) for formal in stage.inputs}
        if len(faults) == before:
            _check_sql(stage, schemas, faults)
        for check in stage.checks:
            _check_check(stage, check, tables, above[name], faults)


def _schemas(
    stage: Stage, formal: str, place: Place, tables: Mapping[str, Mapping[str, pa.Schema]], faults: Faults
) -> list[pa.Schema]:
    declared = stage.kind.inputs[formal]
    bound = []
    for ref in stage.inputs[formal]:
        there = tables.get(ref.stage, {})
        if ref.table in there:
            bound.append(_Bound(stage, formal, ref, there[ref.table], place))
        else:
            fix = suggest(ref.table, there, f"tables of {ref.stage!r}")
            faults.add(f"stage {ref.stage!r} has no table {ref.table!r}", place, fix)
    # An absent column is null in a union by name: enough for columns that may be null, if one part has them.
    lenient = declared.many and not isinstance(stage.kind, SqlKind)
    anywhere = {name for one in bound for name in one.schema.names} if lenient else set()
    for one in bound:
        _check_columns(one, declared, anywhere, faults)
    return [one.schema for one in bound]


def _check_columns(bound: _Bound, declared: Input, anywhere: set[str], faults: Faults) -> None:
    stage, there = bound.stage, bound.schema
    absent = [
        column.name
        for column in declared.schema
        if column.name not in there.names and not (column.nullable and column.name in anywhere)
    ]
    if absent:
        words = f"column{'s' if len(absent) > 1 else ''} {', '.join(map(repr, absent))}"
        what = f"stage {stage.name!r} needs the {words}, which {str(bound.ref)!r} has not"
        near = suggest(absent[0], there.names, "columns there")
        faults.add(what, bound.place, f"{near}, or bind {bound.formal!r} to another stage")
    for column in declared.schema:
        if column.name not in there.names:
            continue
        found = there.field(column.name).type
        if _plain(found) != _plain(column.type):
            what = (
                f"stage {stage.name!r} needs the column {column.name!r} as {column.type}, "
                f"and {str(bound.ref)!r} has it as {found}"
            )
            faults.add(what, bound.place, f"Bind {bound.formal!r} to another stage")


def _plain(kind: pa.DataType) -> pa.DataType:
    return _SAME.get(kind, kind)


def _check_sql(stage: Stage, schemas: Mapping[str, list[pa.Schema]], faults: Faults) -> None:
    if not isinstance(stage.kind, SqlKind):
        return
    from dagster_project.sqlfiles.contract import check

    inputs = stage.kind.inputs
    upstream = {formal: found if inputs[formal].many else found[0] for formal, found in schemas.items() if found}
    try:
        check(stage.kind, stage.settings, upstream)
    except MathloomError as error:
        faults.take(error)


def _check_check(
    stage: Stage, check: Check, tables: Mapping[str, Mapping[str, pa.Schema]], above: set[str], faults: Faults
) -> None:
    """A check reads the stage's own rows, and other tables only from stages that are built before it."""
    from dagster_project.data_tests import needs, validate_arguments

    try:
        validate_arguments(check, tables[stage.name]["rows"])
        read = needs(check)
    except MathloomError as error:
        faults.take(error)
        return
    for ref in read:
        if ref.stage not in above:
            what = f"the check {check.name!r} of stage {stage.name!r} reads {str(ref)!r}, which is not built before it"
            faults.add(what, check.place, "Name a stage above it, or move the check to a stage below both")
        elif ref.table not in tables[ref.stage]:
            fix = suggest(ref.table, tables[ref.stage], f"tables of {ref.stage!r}")
            faults.add(f"stage {ref.stage!r} has no table {ref.table!r}", check.place, fix)
