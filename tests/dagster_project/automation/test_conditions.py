"""Cheap stages follow their inputs: evaluated over builds with the scripted engine, without a daemon."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import dagster as dg
import pytest

from dagster_project.assembly import build_definitions
from dagster_project.automation.conditions import automation_condition, automation_sensors, is_cheap
from dagster_project.automation.runs import stage_keys
from dagster_project.language.resolved import Recipe
from tests.dagster_project.automation.conftest import NAME, House, write_profile


class Daemon:
    """What Dagster's daemon would ask for, tick by tick."""

    def __init__(self, house: House, instance: dg.DagsterInstance) -> None:
        self.house, self.instance = house, instance
        self._cursor = None

    def asks(self) -> set[str]:
        project = self.house.project
        keys = stage_keys(project.recipes[NAME])
        result = dg.evaluate_automation_conditions(
            build_definitions(project), self.instance, dg.AssetSelection.assets(*keys), cursor=self._cursor
        )
        self._cursor = result.cursor
        return {key.path[-1] for key in keys if result.get_num_requested(key)}

    def build(self, *stages: str) -> None:
        keys = [dg.AssetKey([NAME, stage]) for stage in stages] or None
        assert self.house.run(self.instance, keys).success


@pytest.fixture
def daemon(house: House) -> Iterator[Daemon]:
    """Everything is built and the daemon has had its first look."""
    with dg.DagsterInstance.ephemeral() as instance:
        found = Daemon(house, instance)
        found.build()
        assert found.asks() == set(), "the first look is a baseline"
        yield found


def below(recipe: Recipe, *roots: str) -> set[str]:
    """Cheap stages that are reached from ``roots`` through cheap stages alone."""
    found = set(roots)
    for stage in recipe.stages.values():
        if is_cheap(stage) and found & set(stage.parents):
            found.add(stage.name)
    return found


def test_only_stages_that_ask_no_model_have_a_condition(house: House) -> None:
    without = [stage.name for stage in house.recipe.stages.values() if automation_condition(stage) is None]
    assert without == ["solutions"]


def test_conditions_and_their_sensor_are_there_only_if_the_profile_says_so(house: House) -> None:
    recipe = house.recipe
    (sensor,) = automation_sensors(recipe)
    assert sensor.name == "sums__scripted__inputs"
    assert sensor.default_status is dg.DefaultSensorStatus.RUNNING
    assert sensor.run_tags["mathloom/environment"] == "sums/scripted"
    assert automation_sensors(replace(recipe, schedule=replace(recipe.schedule, automates=False))) == []
    write_profile(house.folder, schedule={"cron": "0 3 * * *"})
    graph = build_definitions(house.project).resolve_asset_graph()
    assert not any(graph.get(key).automation_condition for key in graph.get_all_asset_keys())


def test_nothing_changed_nothing_is_asked_for(daemon: Daemon) -> None:
    assert daemon.asks() == set()
    daemon.build("problems")  # the same rows once more: `eager` would fire here
    assert daemon.asks() == set()


def test_a_changed_setting_asks_for_exactly_the_cheap_stages_below(daemon: Daemon) -> None:
    daemon.house.edit("recipe.yaml", "min_solution_characters: 20", "min_solution_characters: 25")
    recipe = daemon.house.recipe
    wanted = below(recipe, "checked")
    assert {"checked", "distinct", "fair_order", "train", "release"} <= wanted
    assert not wanted & {"graded", "solutions", "problems"}
    assert daemon.asks() == wanted
    daemon.build(*wanted)
    assert daemon.asks() == set()


def test_a_generation_stage_stops_the_wave(daemon: Daemon) -> None:
    daemon.house.edit("recipe.yaml", "max_words: 60", "max_words: 50")
    asked = daemon.asks()
    assert asked == below(daemon.house.recipe, "short")
    assert "short" in asked
    assert not asked & {"solutions", "answers", "clusters"}


def test_new_rows_ask_for_what_reads_them_and_equal_rows_stop(daemon: Daemon) -> None:
    file = daemon.house.folder / "seeds.jsonl"
    file.write_text("".join(file.read_text().splitlines(keepends=True)[:-1]))
    daemon.build("problems")
    assert daemon.asks() == below(daemon.house.recipe, "problems") - {"problems"}
    file.write_text(file.read_text() + "\n")  # another file with the same rows
    daemon.build("problems", "with_numbers", "short", "release")
    assert daemon.asks() == set()


def test_a_failed_check_above_holds_back(daemon: Daemon) -> None:
    daemon.house.edit("recipe.yaml", "row_count_between: {min: 1}", "row_count_between: {min: 1000}")
    assert not daemon.house.run(daemon.instance, [dg.AssetKey([NAME, "graded"])]).success
    daemon.house.edit("recipe.yaml", "min_solution_characters: 20", "min_solution_characters: 25")
    assert "checked" not in daemon.asks()
