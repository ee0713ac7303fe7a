"""One generation stage from its rows to its tables: waves of requests, each counted, asked once and stored; then rows.

The stage's rows stream past a few times, a batch at a time: once a wave to count, once to ask for what is missing, once
to finish. Which row asked for what lies in a scratch file.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb

from assets.kinds import Table
from dagster_project.language.resolved import Stage
from dagster_project.planning.costs import counts_gpus, stage_plan
from dagster_project.planning.limits import refuse_stage
from dagster_project.planning.plan import StagePlan
from dagster_project.running.generation.asks import generation_kind, shape, weights_id
from dagster_project.running.generation.count import Wave
from dagster_project.running.generation.finish import finish
from dagster_project.running.generation.state import GenerationRun
from dagster_project.running.generation.trial import run_trial
from dagster_project.running.generation.waves import ask_in_waves
from dagster_project.running.outcome import Progress, RequestCounts
from dagster_project.running.spending import Meter
from dagster_project.running.throughput import Throughput
from dagster_project.running.workspace import Workspace
from resources.store import Staging
from resources.usage import Usage, UsageLog

Announce = Callable[[StagePlan], None]


def run_generation(
    workspace: Workspace,
    stage: Stage,
    inputs: Mapping[str, Sequence[Table]],
    session: duckdb.DuckDBPyConnection,
    staging: Staging,
    scratch: Path,
    progress: Progress,
    facts: dict[str, Any],
    *,
    run_id: str,
    announce: Announce,
) -> tuple[RequestCounts, Throughput]:
    """Ask for what is missing, then write rows, rejects and the ledger. Returns what was asked and reused, and when.

    ``announce`` is told the plan of the stage when its requests are counted, before the engine starts; not at all if
    nothing is missing.

    Raises:
        EngineError: The engine cannot start or died, or too large a share of requests failed.
        LimitError: A limit of the profile is reached.

    Whatever is raised: what was answered is stored and will not be asked for again.
    """
    table = inputs[generation_kind(stage).main_input][0]
    meter = _meter(workspace, stage, run_id)
    run = GenerationRun(workspace, stage, table, scratch, progress, meter)
    try:
        ask_in_waves(run, session, lambda wave: _before_asking(run, wave, session, announce))
    finally:
        meter.close(run.counts)
        run.requests.flush()
    run.requests.seal()
    finish(run, staging, facts)
    return run.counts, run.throughput


def _before_asking(run: GenerationRun, wave: Wave, session: duckdb.DuckDBPyConnection, announce: Announce) -> None:
    """The first wave is counted: say what it will take, hold it against the limits, and try the model out."""
    if wave.to_do:
        plan = stage_plan(run.workspace, run.stage, run.counts)
        announce(plan)
        refuse_stage(plan, run.workspace, counts_gpus=counts_gpus(run.role))
    run_trial(run, session)


def _meter(workspace: Workspace, stage: Stage, run_id: str) -> Meter:
    recipe = workspace.recipe
    assert stage.role is not None
    role = workspace.roles.said(stage.role)
    names = Usage(
        recipe=recipe.name,
        profile=recipe.profile,
        stage=stage.name,
        role=role.name,
        engine=role.engine,
        weights=weights_id(workspace, stage),
        shape=shape(workspace, stage),
        run_id=run_id,
    )
    where = f"{recipe.name}/{stage.name}"
    return Meter(names, role, recipe.limits, UsageLog(workspace.root), workspace.spent, where=where)
