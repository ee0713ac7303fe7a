"""Questions about the stages: every count of a manifest that is not what it was, and every way not to be current."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dagster_project.language.preview import preview
from dagster_project.language.resolved import Recipe
from dagster_project.releasing import gate_stages
from dagster_project.releasing.built import read_built
from dagster_project.releasing.gate import Reason
from dagster_project.releasing.gate_stages import ask_current, ask_funnel, ask_whole
from dagster_project.running.outcome import State
from dagster_project.running.workspace import Workspace
from tests.dagster_project.releasing.place import Place

Ask = Callable[..., Iterator[Reason]]
COUNTS = ("facts.read", "facts.funnel", "facts.rows", "facts.requests.failed", "tables.")
"""Beginnings of what is counted; tables that no funnel speaks of are beside it."""
BESIDE = ("tables.edges", "tables.decisions", "tables.clusters")


def asked(place: Place, ask: Ask = ask_funnel, recipe: Recipe | None = None) -> list[Reason]:
    with opened(place, recipe) as workspace:
        return list(ask(workspace, read_built(workspace)))


@contextmanager
def opened(place: Place, recipe: Recipe | None = None) -> Iterator[Workspace]:
    workspace = Workspace(recipe or place.recipe, place.store)
    try:
        yield workspace
    finally:
        workspace.close()


def manifest_of(place: Place, stage: str) -> Path:
    entry = json.loads((place.store / "envs" / "sums" / "scripted.json").read_text())["stages"][stage]
    return place.store / "versions" / entry["kind"].replace("/", ".") / entry["version"][:40] / "manifest.json"


def tamper(file: Path, steps: Mapping[str, int]) -> None:
    """Add to numbers of a manifest, by their dotted paths."""
    manifest = json.loads(file.read_text())
    for path, step in steps.items():
        *folders, last = path.split(".")
        value: Any = manifest
        for folder in folders:
            value = value[folder]
        value[last] = value.get(last, 0) + step
    file.write_text(json.dumps(manifest))


def counts(value: Any, path: str = "") -> Iterator[str]:
    """Dotted paths of all counts of rows in a manifest."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from counts(inner, f"{path}.{name}" if path else name)
    elif isinstance(value, int) and path.startswith(COUNTS) and not path.startswith(BESIDE) and "bytes" not in path:
        yield path


def test_every_count_that_is_another_is_noticed(place: Place) -> None:
    tampered, unnoticed = 0, []
    recipe = place.recipe
    assert asked(place, recipe=recipe) == []
    for stage in recipe.stages:
        file = manifest_of(place, stage)
        content = file.read_text()
        for path in counts(json.loads(content)):
            for step in (1, -1):
                tamper(file, {path: step})
                tampered += 1
                unnoticed += [(stage, path, step)] if not asked(place, recipe=recipe) else []
                file.write_text(content)
    assert tampered > 80
    assert unnoticed == []


@pytest.mark.parametrize(
    ("stage", "steps", "said"),
    [
        ("graded", {"facts.funnel.rows_out": 1}, "its funnel says 26 rows, and it holds 25"),
        ("graded", {"tables.rejects.row_count": 1}, "rejects, and it holds"),
        ("graded", {"facts.funnel.rows_in.solutions": 1}, "rows of `solutions`, and what is released there holds"),
        # Both sides agree with each other, and not with what came in.
        ("graded", {"facts.funnel.rows_out": 1, "tables.rows.row_count": 1}, "its law (filter) does not hold"),
        ("answers", {"facts.funnel.rows_out": -1, "tables.rows.row_count": -1}, "its law (map) does not hold"),
        ("problems", {"facts.funnel.rows_out": 1, "tables.rows.row_count": 1}, "its law (source) does not hold"),
        ("solutions", {"facts.funnel.rows_out": 1, "tables.rows.row_count": 1}, "its law (expand) does not hold"),
        ("solutions", {"facts.requests.failed": 1}, "its law (expand) does not hold"),
        ("train", {"facts.funnel.rows_out": 1, "tables.rows.row_count": 1}, "its law (split) does not hold"),
        ("release", {"facts.rows.train": -1}, "its splits do not hold the rows of their stages: train"),
    ],
)
def test_each_count_is_held_against_its_own(place: Place, stage: str, steps: Mapping[str, int], said: str) -> None:
    tamper(manifest_of(place, stage), steps)
    assert any(said in reason.what and reason.where == f"sums/{stage}" for reason in asked(place)), asked(place)


@pytest.mark.parametrize(
    ("state", "said", "fix"),
    [
        ("retry", "failed requests of it are to be asked again", "mathloom build sums"),
        ("unchecked", "its checks, as they are now, failed on it or never ran", "mathloom test sums"),
        ("stored", "the environment has another version than would be built now", "mathloom build sums"),
        ("unknown", "nobody knows whether these stages are stale, since stages above them are: graded", "mathloom"),
    ],
)
def test_every_state_but_current_is_a_reason(
    place: Place, monkeypatch: pytest.MonkeyPatch, state: State, said: str, fix: str
) -> None:
    states = dict.fromkeys(place.recipe.stages, "current") | {"graded": state}
    monkeypatch.setattr(gate_stages, "try_states", lambda _workspace: (states, None))
    [reason] = asked(place, ask_current)
    assert (reason.level, reason.what) == ("refuse", said)
    assert fix in reason.fix


def test_a_test_that_was_changed_and_never_ran_is_a_reason(place: Place) -> None:
    place.edit("row_count_between: {min: 1}", "row_count_between: {min: 2}")
    found = {reason.where: reason for reason in asked(place, ask_current)}
    assert "never ran" in found["sums/graded"].what


def test_a_preview_is_known_by_the_recipe_and_by_its_record(place: Place) -> None:
    with opened(place) as workspace:
        built = read_built(workspace)
        assert list(ask_whole(workspace, built)) == []
        said = replace(built, build={**built.build, "recipe": {"preview_rows": 2}})
        assert "preview of 2 rows" in next(ask_whole(workspace, said)).what
        few = Workspace(preview(place.recipe, 2), place.store)
        assert "preview of 2 rows" in next(ask_whole(few, built)).what
        few.close()
