"""Joins stages: what each name refers to, which table feeds which input, in which order stages are built."""

from __future__ import annotations

import heapq
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from assets.kinds import Input
from dagster_project.language.drafts import Draft, Located, Scope
from dagster_project.language.faults import Faults, suggest
from dagster_project.language.resolved import Check, Place, Ref, Stage
from dagster_project.language.settle import Settled
from resources.errors import MathloomError

_REFERRING = ("to", "with")
"""Arguments of data tests that name a table of another stage."""


_CHECK_NAME = re.compile(r"(?!law_)[A-Za-z0-9_]{1,100}")
"""What Dagster takes for a check; ``law_...`` are the conservation laws."""

Bindings = dict[tuple[str, str], Place]
"""(Stage, formal input) -> the line that binds it: where a reader mends it."""


def bind(settled: Sequence[Settled], faults: Faults) -> tuple[dict[str, Stage], Bindings]:
    """Stages in topological order (ties: as written). Stages whose settings are wrong are left out."""
    tables = {one.draft.name: one.kind.outputs(one.settings) for one in settled if one.settings is not None}
    binder = _Binder(faults, tables)
    stages: dict[str, Stage] = {}
    for one in settled:
        inputs = binder.inputs(one)
        checks = binder.checks(one)
        if one.settings is None:
            continue
        draft = one.draft
        stages[draft.name] = Stage(
            name=draft.name,
            kind=one.kind,
            settings=one.settings,
            inputs=inputs,
            place=draft.place,
            description=" ".join(draft.description.split()),
            role=str(draft.role.value) if draft.role else None,
            source=str(draft.source.value) if draft.source else None,
            checks=checks,
            prompts=one.prompts,
        )
    return _in_order(stages, faults), binder.bindings


class _Binder:
    def __init__(self, faults: Faults, tables: Mapping[str, Collection[str]]) -> None:
        self._faults = faults
        self._tables = tables
        """Stage -> names of its tables."""
        self.bindings: Bindings = {}

    def inputs(self, settled: Settled) -> dict[str, tuple[Ref, ...]]:
        """Formal input -> tables, for every formal input of the kind."""
        draft, formals = settled.draft, settled.kind.inputs
        for formal, written in draft.inputs.items():
            if formal not in formals:
                place = written[0].place if written else draft.place
                fix = suggest(formal, formals, "inputs")
                self._faults.add(f"the kind {settled.kind.name!r} has no input {formal!r}", place, fix)
        return {formal: self._input(draft, formal, declared) for formal, declared in formals.items()}

    def _input(self, draft: Draft, formal: str, declared: Input) -> tuple[Ref, ...]:
        written = draft.inputs.get(formal)
        first = written[0] if written else Located(formal, draft.kind.document, draft.kind.loc[:-1])
        self.bindings[draft.name, formal] = _line(first, draft.scope)
        if written is None:
            refs = self._by_name(draft, formal, declared)
        else:
            refs = tuple(dict.fromkeys(ref for one in written for ref in self.resolve(one, draft.scope)))
            if not written and not declared.optional:
                what = f"the input {formal!r} of stage {draft.name!r} is empty"
                self._faults.add(what, draft.place, "Name at least one stage")
        if len(refs) > 1 and not declared.many:
            place = written[0].place if written else draft.place
            what = f"the input {formal!r} takes one stage and has {len(refs)} ({', '.join(map(str, refs))})"
            self._faults.add(what, place, "Name one stage")
        return refs

    def _by_name(self, draft: Draft, formal: str, declared: Input) -> tuple[Ref, ...]:
        """Inputs that the recipe does not name bind by themselves to the stage of the same name.

        To its rows, or to the table of this name if it has one.
        """
        scope = draft.scope
        if scope.knows(formal) and scope.names.get(formal) != draft.name:
            refs = self.resolve(Located(formal, draft.kind.document, draft.kind.loc[:-1]), scope)
            # `clusters` of a stage `clusters` whose kind has a table `clusters` is that table.
            return tuple(
                replace(ref, table=formal) if ref.table == "rows" and formal in self._tables.get(ref.stage, ()) else ref
                for ref in refs
            )
        if not declared.optional:
            what = f"the input {formal!r} of stage {draft.name!r} is bound to nothing, and no stage has that name"
            self._faults.add(what, draft.place, f"Add `inputs: {{{formal}: STAGE}}`")
        return ()

    def resolve(self, written: Located, scope: Scope) -> list[Ref]:
        """The tables that a reference stands for; none, with a fault, if it is unknown."""
        name, dot, table = str(written.value).partition(".")
        if name in scope.formals:
            return self._of_formal(name, table, written, scope)
        stages = self._stages(name, scope)
        if not stages and scope.is_broken(name):
            return []
        if not stages or (dot and not table):
            what = f"unknown stage {str(written.value)!r}"
            self._faults.add(what, written.place, suggest(name, scope.words(name), "stages"))
            return []
        return [Ref(stage, table or "rows") for stage in stages]

    def _stages(self, name: str, scope: Scope) -> list[str]:
        if name in scope.names:
            return [scope.names[name]]
        return scope.groups.get(name) or [p.stage for p in scope.patterns if p.matches(name)]

    def _of_formal(self, name: str, table: str, written: Located, scope: Scope) -> list[Ref]:
        given, outer = scope.formals[name], scope.outer
        if outer is None:
            return []
        if given is None:
            if not outer.knows(name):
                what = f"the input {name!r} of the piece is bound to nothing, and no stage has that name"
                self._faults.add(what, scope.used_at or written.place, f"Add `with: {{{name}: STAGE}}`")
                return []
            given = [Located(name, written.document, written.loc)]
        refs = [ref for one in given for ref in self.resolve(one, outer)]
        if table and any(ref.table != "rows" for ref in refs):
            what = f"{name!r} is bound to a table ({refs[0]}), which has no table {table!r}"
            self._faults.add(what, written.place, "Bind the piece to a whole stage")
            return []
        return [replace(ref, table=table) for ref in refs] if table else refs

    # -- checks ------------------------------------------------------------------------------------------------------

    def checks(self, settled: Settled) -> tuple[Check, ...]:
        """Checks of the kind's own file, then those of the recipe, with distinct names."""
        from dagster_project.data_tests import read_check

        found = list(self._of_file(settled))
        for written in settled.draft.checks:
            try:
                check = read_check(written.value, written.place)
            except MathloomError as error:
                self._faults.take(error)
                continue
            if not _CHECK_NAME.fullmatch(check.name):
                what = f"{check.name!r} is no name for a check"
                self._faults.add(what, check.place, "Use letters, digits and _, and begin otherwise than law_")
                continue
            found.append(self._with_stages(check, written, settled.draft.scope))
        return _distinct(found)

    def _of_file(self, settled: Settled) -> Sequence[Check]:
        from dagster_project.data_tests import header_checks
        from dagster_project.sqlfiles.kind import SqlKind

        if not isinstance(settled.kind, SqlKind):
            return ()
        try:
            return header_checks(settled.kind, settled.draft.place)
        except MathloomError as error:
            self._faults.take(error)
            return ()

    def _with_stages(self, check: Check, written: Located, scope: Scope) -> Check:
        """The check with the names of stages as the whole recipe knows them (a piece has names of its own)."""
        arguments = dict(check.arguments)
        for word in _REFERRING:
            if isinstance(arguments.get(word), str):
                refs = self.resolve(Located(arguments[word], written.document, written.loc), scope)
                if len(refs) > 1:
                    self._faults.add(f"`{word}` of a check names one stage", written.place, "Write a check for each")
                if refs:
                    arguments[word] = str(refs[0])
        return replace(check, arguments=arguments)


def _line(written: Located, scope: Scope) -> Place:
    """Where a reference is mended: inside a piece that may be where the piece is used."""
    name = str(written.value).partition(".")[0]
    if name not in scope.formals or scope.outer is None:
        return written.place
    given = scope.formals[name]
    return _line(given[0], scope.outer) if given else scope.used_at or written.place


def _distinct(checks: Sequence[Check]) -> tuple[Check, ...]:
    seen: dict[str, int] = {}
    found = []
    for check in checks:
        seen[check.name] = number = seen.get(check.name, 0) + 1
        found.append(check if number == 1 else replace(check, name=f"{check.name}_{number}"))
    return tuple(found)


# -- order -----------------------------------------------------------------------------------------------------------


def _in_order(stages: Mapping[str, Stage], faults: Faults) -> dict[str, Stage]:
    """Parents first; among stages that could come next, the one written first."""
    written = {name: index for index, name in enumerate(stages)}
    parents = {name: {p for p in stage.parents if p in stages} for name, stage in stages.items()}
    children: dict[str, list[str]] = {name: [] for name in stages}
    for name, above in parents.items():
        for parent in above:
            children[parent].append(name)
    waiting = {name: len(above) for name, above in parents.items()}
    ready = [written[name] for name, count in waiting.items() if not count]
    by_index = list(stages)
    ordered: dict[str, Stage] = {}
    while ready:
        name = by_index[heapq.heappop(ready)]
        ordered[name] = stages[name]
        for child in children[name]:
            waiting[child] -= 1
            if not waiting[child]:
                heapq.heappush(ready, written[child])
    if len(ordered) < len(stages):
        _report_cycle(stages, {name for name in stages if name not in ordered}, faults)
    return ordered


def _report_cycle(stages: Mapping[str, Stage], left: set[str], faults: Faults) -> None:
    """Name one cycle, in the direction in which rows would flow, from its stage that is written first."""
    path: list[str] = [next(name for name in stages if name in left)]
    while path[-1] not in path[:-1]:
        path.append(next(parent for parent in stages[path[-1]].parents if parent in left))
    cycle = path[path.index(path[-1]) : -1][::-1]
    start = min(range(len(cycle)), key=lambda i: list(stages).index(cycle[i]))
    cycle = [*cycle[start:], *cycle[:start]]
    what = f"the stages feed each other in a circle: {' -> '.join([*cycle, cycle[0]])}"
    faults.add(what, stages[cycle[0]].place, "Bind one of these inputs to a stage outside of the circle")
