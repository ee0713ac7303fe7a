"""Nights without a clock: what is skipped, what is asked for, what a limit stops at once."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import dagster as dg
import pytest

from dagster_project.assembly import build_definitions
from dagster_project.automation import schedules, unattended
from dagster_project.automation.runs import due
from dagster_project.automation.schedules import recipe_schedules
from dagster_project.language.load import load_project
from dagster_project.language.resolved import Publishing, Schedule
from dagster_project.releasing.record import Recorded, Records
from dagster_project.running.workspace import Workspace
from resources.errors import RecipeError
from resources.store import Environment
from resources.usage import UsageLog
from tests.dagster_project.automation.conftest import NAME, House, stages_of, write_profile

SQL_SETTING = ("max_words: 60", "max_words: 50")


def test_a_schedule_is_on_and_says_when(house: House) -> None:
    (schedule,) = recipe_schedules(house.recipe, house.store)
    assert schedule.name == "sums__scripted__schedule"
    assert (schedule.cron_schedule, schedule.execution_timezone) == ("0 3 * * *", "Europe/Berlin")
    assert schedule.default_status is dg.DefaultScheduleStatus.RUNNING
    assert recipe_schedules(replace(house.recipe, schedule=Schedule()), house.store) == []


def test_names_are_dagsters_and_differ_by_profile(house: House) -> None:
    one, other = (
        replace(house.recipe, name="a-b", profile=profile, schedule=Schedule(cron="0 3 * * *"))
        for profile in ("x-1", "y")
    )
    names = [recipe_schedules(recipe, house.store)[0].name for recipe in (one, other)]
    assert names == ["a_b__x_1__schedule", "a_b__y__schedule"]


def test_a_night_with_nothing_to_do_is_skipped_while_another_build_holds_the_lock(
    house: House, instance: dg.DagsterInstance
) -> None:
    (schedule,) = recipe_schedules(house.recipe, house.store)
    runs = instance.get_runs_count()
    asked = list(UsageLog(house.store).read())
    with Environment.load(house.store, NAME, "scripted").lock():
        tick = house.tick(schedule, instance)
    assert not tick.run_requests
    assert tick.skip_message == "sums (scripted): all 14 stages are up to date. No engine was started."
    assert instance.get_runs_count() == runs
    assert list(UsageLog(house.store).read()) == asked


def test_a_night_builds_what_is_below_a_change_though_dagster_has_not_reloaded(
    house: House, instance: dg.DagsterInstance
) -> None:
    (schedule,) = recipe_schedules(house.recipe, house.store)
    house.edit("recipe.yaml", *SQL_SETTING)
    (request,) = house.tick(schedule, instance).run_requests
    assert stages_of(request) >= {"short", "solutions", "release"}
    assert not stages_of(request) & {"problems", "with_numbers"}
    assert request.tags["mathloom/environment"] == "sums/scripted"
    result = house.run(instance, request.asset_selection, **request.tags)
    assert result.success
    assert "up to date" in house.tick(schedule, instance).skip_message


def test_other_stages_than_dagster_knows_are_an_error_that_is_told(
    house: House, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    monkeypatch.setattr(schedules, "tell", lambda recipe, error, say: told.append(error))
    (schedule,) = recipe_schedules(house.recipe, house.store)
    house.edit("recipe.yaml", "  expected: {kind", "  twice: {kind: answers/extract}\n  expected: {kind")
    with pytest.raises(Exception, match="twice") as raised:
        house.tick(schedule, instance)
    assert "other stages than Dagster has loaded (twice)" in told[0]
    assert "Reload the code location" in str(raised.getrepr())


def test_what_cannot_be_said_is_left_to_the_run(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RecipeError("no", where="here", fix="Mend it")

    assert due(house.recipe, house.store, 0).stages == tuple(house.recipe.stages)
    monkeypatch.setattr("dagster_project.automation.runs.walk", broken)
    found = due(house.recipe, house.store)
    assert found.stages == tuple(house.recipe.stages)
    assert "here: no" in found.reason


# -- publishing ------------------------------------------------------------------------------------------------------


@pytest.fixture
def publishing(house: House) -> dg.ScheduleDefinition:
    """Everything is built and nothing is published."""
    write_profile(house.folder, publish={"folder": "out"}, schedule={"cron": "0 3 * * *", "publish": True})
    house.edit("recipe.yaml", "release:\n", "release:\n  accept: {contamination: made up for this test}\n")
    house.build()
    (schedule,) = recipe_schedules(house.recipe, house.store)
    return schedule


def state_of_release(result: dg.ExecuteInProcessResult) -> Any:
    assert result.success
    (event,) = result.asset_materializations_for_node("sums__publish")
    return event.metadata["state"].value


@pytest.mark.slow
def test_a_night_releases_changed_rows_and_nothing_else(
    house: House, publishing: dg.ScheduleDefinition, instance: dg.DagsterInstance
) -> None:
    (request,) = house.tick(publishing, instance).run_requests
    assert stages_of(request) == {"publish"}
    assert state_of_release(house.obey(instance, publishing, request)) == "released"
    skipped = "sums (scripted): all 14 stages are up to date and published. No engine was started."
    assert house.tick(publishing, instance).skip_message == skipped

    house.edit("recipe.yaml", "title: sums", "title: Other words")
    (request,) = house.tick(publishing, instance).run_requests
    assert stages_of(request) == {"release", "publish"}
    assert state_of_release(house.obey(instance, publishing, request)) == "rows as published"
    assert house.tick(publishing, instance).skip_message == skipped

    seeds = house.folder / "seeds.jsonl"
    seeds.write_text("".join(seeds.read_text().splitlines(keepends=True)[1:]))
    (request,) = house.tick(publishing, instance).run_requests
    assert state_of_release(house.obey(instance, publishing, request)) == "released"
    assert sorted(path.name for path in (house.folder / "out").glob("v*.*")) == ["v1.0.0", "v1.1.0"]


def test_a_release_that_is_out_is_not_published_again(
    house: House, publishing: dg.ScheduleDefinition, instance: dg.DagsterInstance
) -> None:
    version = Environment.load(house.store, NAME, "scripted").stages["release"].version
    publishing_to = house.recipe.publishing
    assert isinstance(publishing_to, Publishing)
    record = Recorded(str(publishing_to.folder), "1.0.0", "c", "", "d", "e", version, "released")
    records = Records(house.store, NAME, "scripted")
    records.add(replace(record, repository="org/elsewhere"))
    assert house.tick(publishing, instance).run_requests, "that is another place"
    records.add(replace(record, state="pull request"))
    assert house.tick(publishing, instance).run_requests, "that waits for somebody who merges it"
    records.add(record)
    assert "all 14 stages are up to date and published" in house.tick(publishing, instance).skip_message


def test_a_night_that_cannot_publish_fails_before_it_builds(
    house: House, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_profile(house.folder, publish={"repository": "org/sums"}, schedule={"cron": "0 3 * * *", "publish": True})
    monkeypatch.delenv("HF_TOKEN", raising=False)
    house.edit("recipe.yaml", *SQL_SETTING)
    (schedule,) = recipe_schedules(house.recipe, house.store)
    (request,) = house.tick(schedule, instance).run_requests
    ((step, error),) = failed(house.obey(instance, schedule, request)).items()
    assert step == "sums__short"
    assert "there is no token" in error


# -- runs that nobody watches ----------------------------------------------------------------------------------------

PRICE = {
    "per_million_prompt_tokens": 1.0,
    "per_million_completion_tokens": 1.0,
    "currency": "USD",
    "source": "a contract",
    "date": "2026-11-01",
}


@pytest.fixture
def dear(house: House) -> House:
    """Another prompt: every request is to be asked anew, and the limit allows none of them."""
    role = {"engine": "scripted", "price": PRICE}
    write_profile(house.folder, roles={"solver": role}, limits={"max_cost": 0.000001})
    house.edit("prompts/solve.yaml", "Solution", "Answer")
    return house


def failed(result: dg.ExecuteInProcessResult) -> dict[str, str]:
    events = [event for event in result.all_events if event.is_step_failure]
    data = {str(event.step_key): event.step_failure_data.user_failure_data for event in events}
    return {step: str(found.description) for step, found in data.items() if found}


def test_a_scheduled_run_that_cannot_hold_the_limit_fails_before_its_first_stage(
    dear: House, instance: dg.DagsterInstance
) -> None:
    before = Environment.load(dear.store, NAME, "scripted").stages
    result = dear.run(instance, mathloom__started_by="schedule")
    assert not result.success
    ((step, error),) = failed(result).items()
    assert step == "sums__problems"
    assert "the plan needs at least" in error
    assert "the limit max_cost is 1e-06" in error
    assert Environment.load(dear.store, NAME, "scripted").stages == before


def test_a_run_by_hand_meets_the_limit_inside_the_stage(dear: House, instance: dg.DagsterInstance) -> None:
    result = dear.run(instance)
    assert list(failed(result)) == ["sums__solutions"]


def test_every_first_stage_hears_why(dear: House, instance: dg.DagsterInstance) -> None:
    dear.edit(
        "recipe.yaml",
        "sources:\n",
        "sources:\n  more: {bundled: more.jsonl, licence: CC0-1.0}\n",
    )
    (dear.folder / "more.jsonl").write_text(json.dumps({"problem": "What is 1+1?", "expected_answer": "2"}) + "\n")
    dear.edit("recipe.yaml", "stages:\n", "stages:\n  others: {kind: seeds/problems, source: more}\n")
    result = dear.run(instance, mathloom__started_by="schedule")
    errors = failed(result)
    assert set(errors) == {"sums__problems", "sums__others"}
    assert len(set(errors.values())) == 1


def test_a_run_waits_for_a_build_of_its_environment(
    house: House, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = Workspace(house.recipe, house.store).environment.lock()
    lock.__enter__()
    pauses: list[float] = []

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        lock.__exit__(None, None, None)

    monkeypatch.setattr(unattended, "time", SimpleNamespace(sleep=pause, monotonic=time.monotonic))
    result = house.run(instance, [dg.AssetKey([NAME, "problems"])])
    assert result.success
    assert pauses == [2.0]


def test_definitions_hold_the_schedule_and_the_sensors(house: House) -> None:
    repository = build_definitions(house.project).get_repository_def()
    assert [s.name for s in repository.schedule_defs] == ["sums__scripted__schedule"]
    assert {s.name for s in repository.sensor_defs} == {
        "mathloom_failures",
        "sums__scripted__inputs",
        "sums__scripted__sources",
    }


def test_what_a_profile_does_not_say_does_not_happen(tmp_path: Path) -> None:
    file = tmp_path / "mathloom.toml"
    file.write_text('[project]\nstore = "store"\n[recipes.quickstart]\nprofile = "scripted"\n')
    repository = build_definitions(load_project(file)).get_repository_def()
    assert [*repository.schedule_defs, *repository.sensor_defs] == []
