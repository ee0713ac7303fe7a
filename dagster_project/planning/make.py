"""Making the plan of a build: walk over the stages, count what is known, estimate the rest, add up.

Starts no engine and opens no connection. Opens the request store only if a stage has requests to count.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property

from assets.kinds import Table
from dagster_project.language.resolved import Stage
from dagster_project.planning.costs import Requests, counts_gpus, named_weights, plan_of, wave_notes
from dagster_project.planning.counting import Counted, count_requests
from dagster_project.planning.devices import check_devices
from dagster_project.planning.history import History
from dagster_project.planning.limits import Day, costs_of, gpu_hours_of, held_against
from dagster_project.planning.plan import Change, Figure, Plan, StagePlan, estimated, known, total, unknown
from dagster_project.planning.rows import Estimates, Rows
from dagster_project.planning.walk import WAITS, Step, walk
from dagster_project.planning.yields import main_parents
from dagster_project.running.generation.asks import generation_kind
from dagster_project.running.workspace import Workspace
from resources.errors import RecipeError
from resources.requests.index import KeySet
from resources.usage import UsageLog

Tick = Callable[[str, int], None]
"""Told a stage and how many of its requests are counted."""


def make_plan(
    workspace: Workspace,
    selected: Sequence[str],
    *,
    force: bool = False,
    steps: Mapping[str, Step] | None = None,
    tick: Tick | None = None,
) -> Plan:
    """What a build of ``selected`` would do now.

    Args:
        workspace: Of the recipe and profile; nothing of it is changed.
        selected: Stages that the build names.
        force: Whether selected stages are built even if the store has them.
        steps: What :func:`walk` found, where the caller has it already.
        tick: Who watches the counting.

    Raises:
        RecipeError: A role does not fit its devices, or settings do not fit the rows.
        StoreError: The store cannot be read.
    """
    steps = steps or walk(workspace, selected, force=force)
    recipe = workspace.recipe
    asking = [step for step in steps.values() if step.is_to_run and step.stage.is_generation]
    check_devices(recipe, [step.stage.role for step in asking if step.stage.role])
    planner = _Planner(workspace, steps, tick or (lambda _stage, _count: None))
    stages = planner.stages()
    log = UsageLog(workspace.root)
    counted = [counts_gpus(recipe.roles[stage.role]) for stage in stages]
    gpu_hours = gpu_hours_of(stages, counted)
    return Plan(
        recipe=recipe.name,
        profile=recipe.profile,
        changes=tuple(
            Change(name, step.stage.kind.name, step.state, step.reason)
            for name, step in steps.items()
            if step.is_to_build
        ),
        unchanged=sum(step.is_selected and not step.is_to_build for step in steps.values()),
        generation=tuple(stages),
        to_do=total([stage.to_do for stage in stages]) if stages else known(0),
        seconds=total([stage.seconds for stage in stages]) if stages else known(0),
        gpu_hours=gpu_hours,
        costs=costs_of(stages),
        limits=tuple(held_against(recipe.limits, stages, gpu_hours, Day.of(log))),
        warnings=tuple(_warnings(steps)),
        hint=_hint(workspace, steps),
    )


def roles_to_check(plan: Plan) -> list[str]:
    """Roles whose engines the build will certainly start: they have requests that no stored answer can serve.

    An estimate is certain only while the store has no completion of the role's weights.
    """
    busy = [stage for stage in plan.generation if stage.to_do.least > 0]
    return list(dict.fromkeys(stage.role for stage in busy if stage.rows_in.is_known or stage.reused.is_zero))


class _Planner:
    def __init__(self, workspace: Workspace, steps: Mapping[str, Step], tick: Tick) -> None:
        self._workspace, self._steps, self._tick = workspace, steps, tick
        self._estimates = Estimates(workspace)
        self._planned = KeySet()
        self._needed = _above_estimates(steps)

    @cached_property
    def _history(self) -> History:
        return History.of(self._workspace)

    def stages(self) -> list[StagePlan]:
        """The generation stages that would run, upstream first."""
        found = []
        for name, step in self._steps.items():
            is_asking = step.stage.is_generation and step.is_to_run
            if is_asking:
                found.append(plan_of(self._workspace, step.stage, self._requests(step), self._history))
            elif step.version is None and name in self._needed:
                self._unasked(step)
            if step.version is not None and name in self._needed:
                self._estimates.count(step.stage, step.version, by_source=self._is_split(name))
        return found

    def _unasked(self, step: Step) -> None:
        """Rows of a stage that is not built and asks nothing in this build."""
        if step.stage.is_generation:
            self._estimates.after_generation(step.stage, self._samples(step.stage))
        else:
            self._estimates.estimate(step.stage)

    def _is_split(self, name: str) -> bool:
        """Whether a stage below ``name`` is estimated, and so needs to know the sources of its rows."""
        below = [step for step in self._steps.values() if name in step.stage.parents]
        return any(step.version is None and step.stage.name in self._needed for step in below)

    def _requests(self, step: Step) -> Requests:
        stage = step.stage
        if step.inputs is None:
            return self._estimated(stage)
        ref, version = step.inputs[generation_kind(stage).main_input][0]
        table = Table(str(ref), version.schema(ref.table), version.paths(ref.table), version.row_count(ref.table))
        counted = count_requests(
            self._workspace, stage, table, self._planned, lambda count: self._tick(stage.name, count)
        )
        if stage.name in self._needed and step.version is None:
            asked = Rows({source: (n, n) for source, n in counted.asked_by_source.items()})
            self._estimates.after_generation(stage, asked)
        return _exact(stage, counted)

    def _estimated(self, stage: Stage) -> Requests:
        rows_in = self._estimates.rows_in(stage)
        asked = self._samples(stage)
        self._estimates.after_generation(stage, asked)
        if asked.gap:
            gap = unknown(asked.gap)
            return Requests(rows_in.figure, gap, gap, gap, gap, notes=wave_notes(stage))
        source = "; ".join(asked.sources)
        trial = generation_kind(stage).trial_requests(stage.settings)
        low, most = (asked.low + (trial if asked.low else 0), asked.high + (trial if asked.high else 0))
        high = _in_all_waves(stage, rows_in) if generation_kind(stage).waves > 1 else most
        stored = self._history.stored(named_weights(self._workspace, stage))
        return Requests(
            rows_in=rows_in.figure if not rows_in.is_known else replace(rows_in.figure, basis="estimated"),
            requests=estimated(low, high, source),
            to_do=estimated(max(low - stored, 0), high, source),
            reused=_at_most(min(most, stored), "completions of these weights in the store"),
            given_up=_at_most(0, "") if not stored else unknown("known when the stages above are built"),
            notes=wave_notes(stage),
        )

    def _samples(self, stage: Stage) -> Rows:
        """Samples that the estimated rows of ``stage`` ask for in the first wave."""
        rows = self._estimates.rows_in(stage)
        kind = generation_kind(stage)
        if rows.gap:
            return rows
        try:
            each = {source: kind.samples(stage.settings, source) for source in rows.by_source}
        except RecipeError as error:
            return replace(rows, gap=error.what)
        asked = {source: (low * each[source], high * each[source]) for source, (low, high) in rows.by_source.items()}
        return replace(rows, by_source=asked, is_known=False)


def _in_all_waves(stage: Stage, rows: Rows) -> float | None:
    """Most requests of a stage that asks in several waves, if its kind knows; its trial included."""
    kind = generation_kind(stage)
    most = {source: kind.most_samples(stage.settings, source) for source in rows.by_source}
    trial = kind.trial(stage.settings)
    each = [(high, most[source]) for source, (_, high) in rows.by_source.items()]
    each += [(trial.num_rows, kind.most_samples(stage.settings, ""))] if trial is not None and rows.high else []
    known = [high * count for high, count in each if count is not None]
    return sum(known) if len(known) == len(each) else None


def _exact(stage: Stage, counted: Counted) -> Requests:
    notes = wave_notes(stage)

    def figure(number: int) -> Figure:
        return estimated(number, None, notes[0]) if notes else known(number)

    return Requests(
        rows_in=known(counted.rows),
        requests=figure(counted.requests),
        to_do=figure(counted.to_do),
        reused=figure(counted.reused),
        given_up=figure(counted.given_up),
        bytes_a_prompt=counted.prompt_bytes / counted.to_do if counted.to_do else None,
        notes=notes,
    )


def _at_most(number: float, source: str) -> Figure:
    return known(0) if number == 0 else estimated(0, number, source)


def _above_estimates(steps: Mapping[str, Step]) -> set[str]:
    """Stages whose rows somebody counts: those above a generation stage that can only be estimated, by main inputs."""
    waiting = [
        step.stage for step in steps.values() if step.stage.is_generation and step.is_to_run and step.inputs is None
    ]
    needed: set[str] = set()
    while waiting:
        stage = waiting.pop()
        if stage.name not in needed:
            needed.add(stage.name)
            waiting += [steps[parent].stage for parent in main_parents(stage)]
    return needed


def _warnings(steps: Mapping[str, Step]) -> list[str]:
    found = [f"{name}: {step.error.what}. {step.error.fix}" for name, step in steps.items() if step.error]
    found += [f"{name}: {step.reason}" for name, step in steps.items() if step.reason.startswith(WAITS)]
    return found


def _hint(workspace: Workspace, steps: Mapping[str, Step]) -> str:
    """How to get exact figures for stages that are estimated, if what stands above them can be built for nothing."""
    free: dict[str, bool] = {}
    for name, step in steps.items():
        parents = all(free[parent] for parent in step.stage.parents)
        free[name] = parents and not (step.stage.is_generation and step.is_to_run) and step.error is None
    above = _above_estimates(steps)
    names = [
        name
        for name, step in steps.items()
        if name in above and free[name] and step.is_to_build and step.version is None
    ]
    recipe = workspace.recipe
    return f"mathloom build {recipe.name} --profile {recipe.profile} --select '{' or '.join(names)}'" if names else ""
