"""Runs whose process is gone: Dagster believes for ever that they work, and lets others wait for them in the queue.

Its run monitoring cannot look at runs of a local machine, nor at builds of a terminal. Here the lock of the environment
says it: a run that works holds it from its first stage to its end, and the system takes it back from a process that
died.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path

import dagster as dg

from dagster_project.automation.runs import is_run_of
from dagster_project.language.resolved import Recipe
from resources.errors import BusyError
from resources.store import Environment

YOUNG_S = 120.0
"""A run that began less long ago may not have reached its first stage."""


def end_dead_runs(
    instance: dg.DagsterInstance, recipes: Iterable[Recipe], store: Path, *, young: float = YOUNG_S
) -> list[str]:
    """Mark runs as failed that cannot be working, since nobody holds their environment. Returns their ids.

    Holds the lock of an environment for the moment in which it looks, and only if such a run is there.
    """
    ended: list[str] = []
    began_before = time.time() - young
    records = instance.get_run_records(dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED]))
    for recipe in recipes:
        ids = [
            record.dagster_run.run_id
            for record in records
            if is_run_of(record.dagster_run, recipe) and (record.start_time or 0) < began_before
        ]
        if not ids:
            continue
        try:
            with Environment.load(store, recipe.name, recipe.profile).lock():
                ended += [run_id for run_id in ids if _end(instance, run_id)]
        except BusyError:
            continue
    return ended


def _end(instance: dg.DagsterInstance, run_id: str) -> bool:
    run = instance.get_run_by_id(run_id)
    if run is None or run.status is not dg.DagsterRunStatus.STARTED:
        return False
    instance.report_run_failed(run, "Its process is gone: killed, or the machine stopped. What was answered is stored.")
    return True
