"""Looks at sources without a clock: what counts as changed, what waits, what a look writes and asks for."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from dagster_project.automation import looking
from dagster_project.automation.looking import Memory, look
from dagster_project.automation.patience import Aside
from dagster_project.automation.sensors import read_memory, recipe_sensors, write_memory
from dagster_project.language.lock import read_lock
from dagster_project.language.resolved import Schedule
from resources.errors import SeedError
from resources.hub import reading as hub
from tests.dagster_project.automation.conftest import NAME, House, command, stages_of, write_profile


@pytest.fixture
def sensor(house: House) -> dg.SensorDefinition:
    (found,) = recipe_sensors(house.recipe, house.store)
    return found


def less(house: House, by: int = 1) -> Path:
    """Take problems away; returns the file."""
    file = house.folder / "seeds.jsonl"
    file.write_text("".join(file.read_text().splitlines(keepends=True)[:-by]))
    return file


def test_a_sensor_is_on_and_says_how_often(house: House, sensor: dg.SensorDefinition) -> None:
    assert sensor.name == "sums__scripted__sources"
    assert sensor.minimum_interval_seconds == 300
    assert sensor.default_status is dg.DefaultSensorStatus.RUNNING
    assert recipe_sensors(replace(house.recipe, schedule=Schedule()), house.store) == []


def test_nothing_moved(
    house: House, sensor: dg.SensorDefinition, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = house.look(sensor, instance)
    assert first.skip_message == "sums (scripted): seeds: unchanged. Nothing to do."
    monkeypatch.setattr(looking, "pin", None)  # a second look does not read the file
    assert house.look(sensor, instance, first.cursor).skip_message == first.skip_message


def test_a_changed_file_is_built_once(
    house: House, sensor: dg.SensorDefinition, instance: dg.DagsterInstance, old: Callable[[Path], None]
) -> None:
    cursor = house.look(sensor, instance).cursor
    old(less(house))
    asked = house.look(sensor, instance, cursor)
    (request,) = asked.run_requests
    assert "problems" in stages_of(request)
    assert request.tags["mathloom/started_by"] == "sources"
    again = house.look(sensor, instance, asked.cursor)
    assert not again.run_requests
    assert "A run was asked for" in again.skip_message
    assert house.run(instance, request.asset_selection, **request.tags).success
    assert "seeds: unchanged" in house.look(sensor, instance, again.cursor).skip_message


def test_content_that_comes_back_is_asked_for_again(
    house: House, sensor: dg.SensorDefinition, instance: dg.DagsterInstance, old: Callable[[Path], None]
) -> None:
    file = house.folder / "seeds.jsonl"
    whole = file.read_text()
    old(less(house))
    short = file.read_text()
    first = house.look(sensor, instance)
    file.write_text(whole)
    old(file)
    back = house.look(sensor, instance, first.cursor)
    assert "unchanged" in back.skip_message
    file.write_text(short)
    old(file)
    second = house.look(sensor, instance, back.cursor)
    assert first.run_requests[0].run_key != second.run_requests[0].run_key


def test_a_file_that_is_being_written_waits(
    house: House, sensor: dg.SensorDefinition, instance: dg.DagsterInstance
) -> None:
    cursor = house.look(sensor, instance).cursor
    less(house)
    fresh = house.look(sensor, instance, cursor)
    assert not fresh.run_requests
    assert "may still be written" in fresh.skip_message
    less(house)  # the writer goes on
    later = house.look(sensor, instance, fresh.cursor)
    assert "may still be written" in later.skip_message
    assert house.look(sensor, instance, later.cursor).run_requests, "as it was at the last look"


def test_a_file_that_changes_while_it_is_read_waits(
    house: House, old: Callable[[Path], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    read = looking.pin
    old(less(house))

    def slow(spec: Any) -> Any:
        found = read(spec)
        less(house)
        return found

    monkeypatch.setattr(looking, "pin", slow)
    found = look(house.recipe, house.store, Memory())
    assert not found.moved
    assert "may still be written" in found.said["seeds"]


def test_a_large_file_is_read_on_between_two_looks(
    house: House, old: Callable[[Path], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    gate, read = threading.Event(), looking.pin
    old(less(house))
    monkeypatch.setattr(looking, "_READING", Aside())
    monkeypatch.setattr(looking, "READ_S", 0.01)
    monkeypatch.setattr(looking, "pin", lambda spec: [gate.wait(), read(spec)][1])
    memory = Memory()
    assert "still being read" in look(house.recipe, house.store, memory).said["seeds"]
    gate.set()
    monkeypatch.setattr(looking, "READ_S", 10)
    assert set(look(house.recipe, house.store, memory).moved) == {"seeds"}


def test_a_file_that_is_gone_or_empty_is_said(house: House, old: Callable[[Path], None]) -> None:
    file = house.folder / "seeds.jsonl"
    file.write_text("")
    old(file)
    recipe, store = house.recipe, house.store
    assert "has no rows" in look(recipe, store, Memory()).said["seeds"]
    file.unlink()
    assert "cannot be read: No such file" in look(recipe, store, Memory()).said["seeds"]


def test_a_recipe_that_was_never_built_is_left_to_a_person(house: House, old: Callable[[Path], None]) -> None:
    (house.store / "envs" / NAME / "scripted.json").unlink()
    old(less(house))
    found = look(house.recipe, house.store, Memory())
    assert (found.said, found.moved) == ({"seeds": "not built yet"}, {})


def test_a_file_in_the_lock_is_pinned_anew(
    house: House, sensor: dg.SensorDefinition, instance: dg.DagsterInstance, old: Callable[[Path], None]
) -> None:
    command(house.folder, "update")
    before = read_lock(house.recipe, house.store)
    old(less(house))
    (request,) = house.look(sensor, instance).run_requests
    after = read_lock(house.recipe, house.store)
    assert (before["seeds"]["rows"], after["seeds"]["rows"]) == (9, 8)
    assert house.run(instance, request.asset_selection, **request.tags).success, "the build accepts the new content"


def test_a_broken_recipe_or_lock_is_a_skip(
    house: House, sensor: dg.SensorDefinition, instance: dg.DagsterInstance
) -> None:
    (house.folder / "recipe.lock").write_text("no")
    assert "recipe.lock:1" in house.look(sensor, instance).skip_message
    house.edit("recipe.yaml", "samples: 4", "smaples: 4")
    tick = sensor.evaluate_tick(dg.build_sensor_context(instance=instance))
    assert "smaples" in str(tick.skip_message)


@pytest.mark.parametrize("cursor", [None, "", "3", "[]", "{", '{"files": {"a": [1]}}', '{"files": 3}'])
def test_a_foreign_cursor_is_no_memory(cursor: str | None) -> None:
    assert read_memory(cursor) == Memory()


def test_the_cursor_keeps_all() -> None:
    memory = Memory({"a": (1, 2, "c", 3), "b": (1, 2, "c", None)}, {"d": (4, 5)}, "asked", 6)
    assert read_memory(write_memory(memory)) == memory


# -- the Hub ---------------------------------------------------------------------------------------------------------

FIRST, SECOND = "a" * 40, "b" * 40


class Branch:
    """A dataset repository whose branch a test moves."""

    def __init__(self) -> None:
        self.commit = FIRST
        self.error: Exception | None = None

    def resolve(self, repository: str, branch: str = "main", **_: Any) -> str:
        assert (repository, branch) == ("org/seeds", "main")
        if self.error:
            raise self.error
        return self.commit


@pytest.fixture
def tracked(house: House, monkeypatch: pytest.MonkeyPatch) -> Branch:
    """The project with its seeds on the Hub, built from the first commit."""
    branch = Branch()
    rows = [json.loads(line) for line in (house.folder / "seeds.jsonl").read_text().splitlines()]
    monkeypatch.setattr(hub, "resolve_commit", branch.resolve)
    monkeypatch.setattr(looking, "resolve_commit", branch.resolve)
    monkeypatch.setattr(hub, "content_hash", lambda repository, commit, **_: f"content of {commit}")
    monkeypatch.setattr(hub, "stream_rows", lambda *_, **named: iter(rows[: 9 if named["revision"] == FIRST else 8]))
    write_profile(house.folder, sources={"seeds": {"hub": "org/seeds", "track": "main"}})
    command(house.folder, "update")
    house.build()
    return branch


def test_a_branch_that_moves_is_pinned_and_a_hub_out_of_reach_is_a_skip(
    house: House, tracked: Branch, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    sensor = recipe_sensors(house.recipe, house.store)[0]
    quiet = house.look(sensor, instance)
    assert "seeds: unchanged" in quiet.skip_message
    tracked.commit = SECOND
    (request,) = house.look(sensor, instance, quiet.cursor).run_requests
    entry = read_lock(house.recipe, house.store)["seeds"]
    assert (entry["revision"], entry["sha256"]) == (SECOND, f"content of {SECOND}")
    assert {"problems", "release"} <= stages_of(request)

    before = (house.folder / "recipe.lock").read_bytes()
    tracked.error = SeedError(
        "branch 'main' cannot be read: no route", where="hub:org/seeds", fix="Check", retryable=True
    )
    assert "no route" in house.look(sensor, instance).skip_message
    gate = threading.Event()
    monkeypatch.setattr(looking, "HUB_S", 0.01)
    monkeypatch.setattr(looking, "resolve_commit", lambda *_: gate.wait())
    assert "the Hub does not answer within 0.01 s" in house.look(sensor, instance).skip_message
    gate.set()
    assert (house.folder / "recipe.lock").read_bytes() == before
