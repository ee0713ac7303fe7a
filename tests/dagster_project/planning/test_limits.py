"""Limits beside a plan: what fits, what cannot, what a day has spent, and limits that are narrower for one build."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dagster_project.language.load import load_project
from dagster_project.language.resolved import Limits, Price, Recipe
from dagster_project.planning.limits import Day, costs_of, held_against, narrowed, refuse, refuse_stage
from dagster_project.planning.plan import Figure, Plan, StagePlan, estimated, known, unknown
from dagster_project.running.spending import Spent
from dagster_project.running.workspace import Workspace
from resources.errors import LimitError
from resources.usage import Usage, UsageLog

USD = Price(source="s", date="2026-01-02", per_gpu_hour=1.0)


def stage(cost: Figure, price: Price | None = USD, to_do: Figure | None = None) -> StagePlan:
    todo = known(1) if to_do is None else to_do
    return StagePlan("s", "r", "e", todo, todo, todo, known(0), known(0), todo, todo, todo, cost, cost, price)


def verdicts(limits: Limits, cost: Figure, day: Day | None = None, price: Price | None = USD) -> dict[str, str]:
    stages = [stage(cost, price)]
    return {limit.name: limit.verdict for limit in held_against(limits, stages, cost, day or Day())}


@pytest.mark.parametrize(
    ("cost", "verdict"),
    [
        (known(10), "fits"),
        (estimated(2, 10, "x"), "fits"),
        (estimated(2, 11, "x"), "may exceed"),
        (estimated(11, 12, "x"), "exceeds"),
        (estimated(2, None, "x"), "cannot be said"),
        (estimated(11, None, "x"), "exceeds"),
        (unknown("x"), "cannot be said"),
    ],
)
def test_a_limit_is_held_against_both_ends(cost: Figure, verdict: str) -> None:
    found = verdicts(Limits(max_cost=10, max_gpu_hours=10), cost)
    assert found == {"max_cost": verdict, "max_gpu_hours": verdict}


def test_what_a_day_spent_counts(tmp_path: Path) -> None:
    log = UsageLog(tmp_path)
    words: dict[str, Any] = {
        name: "x" for name in ("recipe", "profile", "stage", "role", "engine", "weights", "shape", "run_id")
    }
    log.append(Usage(**words, gpu_hours=3, cost=7, currency="USD", at=1_000_000.0))
    log.append(Usage(**words, gpu_hours=1, cost=2, currency="EUR", at=1_000_000.0))
    log.append(Usage(**words, gpu_hours=9, cost=9, currency="USD", at=1_000_000.0 - 90_000))
    day = Day.of(log, now=1_000_100.0)
    assert (day.gpu_hours, day.costs) == (4, {"USD": 7, "EUR": 2})
    limits = Limits(max_cost_per_day=10, max_gpu_hours_per_day=10)
    assert verdicts(limits, known(3), day) == {"max_cost_per_day": "fits", "max_gpu_hours_per_day": "fits"}
    assert verdicts(limits, known(4), day)["max_cost_per_day"] == "exceeds"


def test_without_a_price_a_limit_of_cost_says_nothing() -> None:
    assert verdicts(Limits(max_cost=10), unknown("no price"), price=None) == {"max_cost": "cannot be said"}
    idle = [stage(known(0), None, known(0))]
    assert [limit.verdict for limit in held_against(Limits(max_cost=10), idle, known(0), Day())] == ["fits"]


def test_costs_add_up_by_currency() -> None:
    euros = replace(USD, currency="EUR")
    stages = [stage(known(1)), stage(estimated(1, 4, "x")), stage(unknown("y"), euros), stage(known(9), None)]
    found = costs_of(stages)
    assert (found["USD"].low, found["USD"].high, found["EUR"].basis) == (2, 5, "unknown")
    mixed = costs_of([stage(known(3)), stage(unknown("y"))])["USD"]
    assert (mixed.low, mixed.high) == (3, None), "at least what is known"


@pytest.fixture
def recipe(tmp_path: Path) -> Recipe:
    (tmp_path / "mathloom.toml").write_text('[project]\nstore = "store"\n[recipes.quickstart]\nprofile = "scripted"\n')
    return load_project(tmp_path / "mathloom.toml").recipes["quickstart"]


def priced(recipe: Recipe, *prices: Price) -> Recipe:
    role = recipe.roles["teacher"]
    return replace(recipe, roles={f"r{i}": replace(role, price=price) for i, price in enumerate(prices)})


def test_a_build_narrows_limits_and_never_widens_them(recipe: Recipe) -> None:
    held = replace(recipe, limits=Limits(max_cost=10, max_cost_per_day=50, currency="EUR"))
    assert narrowed(held, None, None) is held
    assert narrowed(held, 99, 3).limits == Limits(10, 3, 50, None, "EUR")
    assert narrowed(held, 4, None).limits == Limits(4, None, 50, None, "EUR")


def test_a_limit_of_the_command_line_is_in_the_currency_of_the_prices(recipe: Recipe) -> None:
    euros = replace(USD, currency="EUR")
    assert narrowed(priced(recipe, euros, euros), 4, None).limits == Limits(max_cost=4, currency="EUR")
    assert narrowed(recipe, 4, None).limits == Limits(max_cost=4)
    with pytest.raises(LimitError, match="priced in EUR and USD"):
        narrowed(priced(recipe, euros, USD), 4, None)


def test_a_plan_over_its_limit_is_refused_with_the_remedy(recipe: Recipe) -> None:
    def plan(cost: Figure) -> Plan:
        stages = (stage(cost),)
        limits = held_against(Limits(max_cost=10), stages, cost, Day())
        return Plan("quickstart", "scripted", (), 0, stages, cost, cost, cost, {}, tuple(limits), ())

    refuse(plan(estimated(9, 90, "x")), recipe)
    with pytest.raises(LimitError, match=r"at least 10\.50 USD, and the limit max_cost is 10\. Read the plan"):
        refuse(plan(estimated(10.5, 90, "x")), recipe)


def test_gpu_hours_of_a_build_are_no_cost_of_a_day(recipe: Recipe, tmp_path: Path) -> None:
    """A role without a price ran three GPU-hours before; the day has cost nothing."""
    workspace = Workspace(replace(recipe, limits=Limits(max_cost_per_day=2)), tmp_path / "store")
    workspace.spent = Spent(gpu_hours=3.0)
    refuse_stage(stage(known(1)), workspace, counts_gpus=True)
    with pytest.raises(LimitError, match=r"needs at least 3\.00 USD, and the limit max_cost_per_day is 2"):
        refuse_stage(stage(known(3)), workspace, counts_gpus=True)
    workspace = Workspace(replace(recipe, limits=Limits(max_gpu_hours=3)), tmp_path / "store")
    workspace.spent = Spent(gpu_hours=3.0)
    with pytest.raises(
        LimitError, match=r"at least 1\.00 GPU-hours; 3\.00 are spent, and the limit max_gpu_hours is 3"
    ):
        refuse_stage(stage(known(1)), workspace, counts_gpus=True)
