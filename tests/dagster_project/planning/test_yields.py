"""Yields of earlier builds: intervals of shares, and which environments are looked at."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from dagster_project.language.load import load_project
from dagster_project.planning.plan import Plan
from dagster_project.planning.yields import Past, Yields, wilson
from dagster_project.running.workspace import Workspace


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    [
        (0, 10, 0.0, 0.2775),  # Newcombe (1998), method 3, and the tables after it
        (5, 10, 0.2366, 0.7634),
        (10, 10, 0.7225, 1.0),
        (81, 263, 0.2553, 0.3662),
        (500_000, 1_000_000, 0.4990, 0.5010),
        (12, 10, 0.7225, 1.0),  # more than all is all
    ],
)
def test_intervals_after_wilson(successes: int, trials: int, low: float, high: float) -> None:
    assert wilson(successes, trials) == pytest.approx((low, high), abs=1e-4)


def workspace(folder: Path) -> Workspace:
    project = load_project(folder / "mathloom.toml")
    return Workspace(project.recipes["sums"], project.store)


def test_each_law_has_its_own_base(built: Path) -> None:
    opened = workspace(built)
    past = Past(opened.recipe, opened.store, opened.environment)
    counts = {name: past.counts(stage) for name, stage in opened.recipe.stages.items()}
    assert counts["with_numbers"] == (8, 9)
    assert counts["solutions"] == (32, 32), "of requests"
    assert counts["expected"] == (8, 8), "of problems that were asked about"
    graded = counts["graded"]
    assert graded is not None
    assert graded[1] == 32
    opened.close()


def test_the_environment_itself_goes_before_other_profiles(
    project: Path, plan_of: Callable[..., Plan], edit: Callable[..., None]
) -> None:
    shutil.copy(project / "profiles" / "scripted.yaml", project / "profiles" / "other.yaml")
    edit(project / "profiles" / "other.yaml", "profile: scripted", "profile: other")
    edit(project / "recipe.yaml", "max_words: 60", "max_words: 55")
    opened = workspace(project)
    found = Yields(opened).of(opened.recipe.stages["short"])
    assert found is not None
    assert (found.source, found.high) == ("yields of scripted", 1.0)
    opened.close()
    plan = plan_of(project, profile="other")
    [solutions] = plan.generation
    assert plan.unchanged == 0
    assert [change.state for change in plan.changes[:3]] == ["stored", "stored", "changed"], "versions are shared"
    assert (solutions.to_do.source, solutions.rows_in.high) == ("yields of scripted", 8)


def test_a_kind_that_was_another_has_no_history(project: Path) -> None:
    file = project / ".mathloom" / "envs" / "sums" / "scripted.json"
    stages = json.loads(file.read_text())
    stages["stages"]["short"]["kind"] = "sql/other"
    file.write_text(json.dumps(stages))
    opened = workspace(project)
    assert Yields(opened).of(opened.recipe.stages["short"]) is None
    opened.close()
