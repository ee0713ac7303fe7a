"""Runs whose process is gone end, so that nobody waits for them; those that work are left alone."""

from __future__ import annotations

import dagster as dg
import pytest

from dagster_project.assembly import build_definitions
from dagster_project.automation.dead_runs import end_dead_runs
from resources.store import Environment
from tests.dagster_project.automation.conftest import NAME, House


@pytest.fixture
def started(house: House, instance: dg.DagsterInstance) -> dg.DagsterRun:
    """A run of which nothing was heard after it began."""
    run = instance.create_run_for_job(build_definitions(house.project).resolve_job_def(NAME))
    instance.report_engine_event("began", run)
    instance.handle_new_event(
        dg.EventLogEntry(
            error_info=None,
            level="debug",
            user_message="",
            run_id=run.run_id,
            timestamp=1.0,
            job_name=NAME,
            dagster_event=dg.DagsterEvent(event_type_value="PIPELINE_START", job_name=NAME),
        )
    )
    return run


def status(instance: dg.DagsterInstance, run: dg.DagsterRun) -> dg.DagsterRunStatus:
    found = instance.get_run_by_id(run.run_id)
    assert found is not None
    return found.status


def test_a_run_whose_environment_nobody_holds_is_dead(
    house: House, instance: dg.DagsterInstance, started: dg.DagsterRun
) -> None:
    assert status(instance, started) is dg.DagsterRunStatus.STARTED
    assert end_dead_runs(instance, [house.recipe], house.store, young=10**10) == [], "it may have just begun"
    with Environment.load(house.store, NAME, "scripted").lock():
        assert end_dead_runs(instance, [house.recipe], house.store) == [], "somebody works"
    assert end_dead_runs(instance, [house.recipe], house.store) == [started.run_id]
    assert status(instance, started) is dg.DagsterRunStatus.FAILURE
    assert end_dead_runs(instance, [house.recipe], house.store) == []
