"""Tokens, time and cost of one stage: from history, from settings, from prices of both kinds; never made up."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dagster_project.language.load import load_project
from dagster_project.language.resolved import Price, Recipe, Role
from dagster_project.planning.costs import Requests, plan_of, stage_plan
from dagster_project.planning.history import History
from dagster_project.planning.plan import Figure, StagePlan, estimated, known, unknown
from dagster_project.running.generation.asks import shape, weights_id
from dagster_project.running.outcome import RequestCounts
from dagster_project.running.workspace import Workspace
from resources.requests.usage import WeightsUsage
from resources.usage import Usage, UsageLog

BY_HOUR = Price(source="a contract", date="2026-01-02", currency="EUR", per_gpu_hour=2.0, gpus=4)
BY_TOKEN = Price(source="a page", date="2026-01-02", per_million_prompt_tokens=1.0, per_million_completion_tokens=3.0)

Planned = Callable[..., StagePlan]


@pytest.fixture
def recipe(fresh: Path) -> Recipe:
    return load_project(fresh / "mathloom.toml").recipes["sums"]


@pytest.fixture
def opened(fresh: Path) -> Iterator[Callable[[Recipe], Workspace]]:
    found: list[Workspace] = []

    def make(recipe: Recipe) -> Workspace:
        found.append(Workspace(recipe, fresh / ".mathloom"))
        return found[-1]

    yield make
    for workspace in found:
        workspace.close()


def with_role(recipe: Recipe, **words: Any) -> Recipe:
    role: Role = replace(recipe.roles["solver"], **words)
    return replace(recipe, roles={"solver": role})


def requests(to_do: Figure, bytes_a_prompt: float | None = None) -> Requests:
    return Requests(known(100), to_do, to_do, known(0), known(0), bytes_a_prompt)


def slices(workspace: Workspace, **words: object) -> Usage:
    stage = workspace.recipe.stages["solutions"]
    names = {"weights": weights_id(workspace, stage), "shape": shape(workspace, stage), "engine": "scripted"}
    counts = {"completions": 100, "prompt_tokens": 9_000, "completion_tokens": 10_000, "engine_seconds": 40.0}
    fields: dict[str, Any] = {
        "recipe": "r",
        "profile": "p",
        "stage": "s",
        "role": "t",
        "run_id": "1",
        **names,
        **counts,
        **words,
    }
    return Usage(**fields)


def test_without_history_settings_bound_the_tokens(recipe: Recipe, opened: Callable[[Recipe], Workspace]) -> None:
    workspace = opened(recipe)
    plan = plan_of(workspace, recipe.stages["solutions"], requests(known(1000), 450.0), History([]))
    assert (plan.tokens_in.low, plan.tokens_in.high) == pytest.approx((100_000, 180_000))
    assert plan.tokens_in.source == "its prompts, 2.5 to 4.5 bytes a token"
    assert (plan.tokens_out.low, plan.tokens_out.high) == (0, 120_000)
    assert plan.tokens_out.source == "at most max_tokens = 120"
    assert plan.seconds == unknown("these weights were never measured here, and the role declares no tokens_per_second")
    assert plan.cost == unknown("no price in the profile")


def test_prompts_that_are_not_rendered_yet_are_rendered_with_a_stand_in(
    recipe: Recipe, opened: Callable[[Recipe], Workspace]
) -> None:
    plan = plan_of(opened(recipe), recipe.stages["solutions"], requests(estimated(0, 10, "x")), History([]))
    assert plan.tokens_in.source.startswith("its prompt with a problem of 240 bytes")
    assert plan.tokens_in.high is not None
    assert plan.tokens_in.high > 10 * 240 / 2.5


def test_history_of_the_same_prompts_goes_before_that_of_the_weights(
    recipe: Recipe, opened: Callable[[Recipe], Workspace]
) -> None:
    workspace = opened(recipe)
    stage = recipe.stages["solutions"]
    other = WeightsUsage(
        weights_id(workspace, stage), "scripted", 50, counted=40, prompt_tokens=80, completion_tokens=40
    )
    near = plan_of(workspace, stage, requests(known(10)), History([slices(workspace)], [other], 50))
    assert (near.tokens_in.high, near.tokens_out.high) == (900, 1000)
    assert near.tokens_out.source == "mean of 100 completions of the same prompts"
    assert near.seconds.high == pytest.approx(4)
    assert near.seconds.source == "measured: 250 tokens/s over 40 s"
    far = plan_of(workspace, stage, requests(known(10)), History([slices(workspace, shape="x")], [other], 50))
    assert (far.tokens_out.low, far.tokens_out.high) == (0, 1200), "answers to other prompts may be of any length"
    assert far.tokens_out.source == (
        "at most max_tokens = 120; 40 completions of these weights took 1 on average, for other prompts"
    )
    assert far.seconds.source == "measured: 250 tokens/s over 40 s, other prompts"
    foreign = plan_of(workspace, stage, requests(known(10)), History([slices(workspace, weights="x")]))
    assert foreign.seconds.basis == "unknown"
    elsewhere = plan_of(workspace, stage, requests(known(10)), History([slices(workspace, engine="vllm")]))
    assert elsewhere.tokens_out.high == 1000, "lengths do not depend on the engine"
    assert elsewhere.seconds.basis == "unknown", "speeds do"


def test_a_stage_under_other_settings_and_its_kin_are_history(
    recipe: Recipe, opened: Callable[[Recipe], Workspace]
) -> None:
    workspace = opened(recipe)
    stage = recipe.stages["solutions"]
    before = slices(workspace, shape="x", recipe="sums", stage="solutions")
    plan = plan_of(workspace, stage, requests(known(10)), History([before]))
    assert plan.tokens_out.high == 1000
    assert plan.tokens_out.source == "mean of 100 completions of other prompts or settings of solutions"
    foreign = slices(workspace, shape="x", recipe="others", stage="solutions")
    assert plan_of(workspace, stage, requests(known(10)), History([foreign])).tokens_out.low == 0


def test_only_the_last_slices_count(recipe: Recipe, opened: Callable[[Recipe], Workspace]) -> None:
    workspace = opened(recipe)
    old = [slices(workspace, engine_seconds=4000.0)] * 50
    speed = History([*old, *[slices(workspace)] * 100]).speed(
        weights_id(workspace, recipe.stages["solutions"]), "scripted", shape(workspace, recipe.stages["solutions"])
    )
    assert speed is not None
    assert (speed.low, speed.high) == (250, 250)


def test_speeds_that_vary_give_a_range(recipe: Recipe, opened: Callable[[Recipe], Workspace]) -> None:
    workspace = opened(recipe)
    stage = recipe.stages["solutions"]
    varied = [slices(workspace, engine_seconds=seconds) for seconds in (400.0, 40.0, 40.0, 40.0, 20.0)]
    plan = plan_of(workspace, stage, requests(known(10)), History(varied))
    assert (plan.seconds.low, plan.seconds.high) == (1000 / 250, 1000 / 25), "20 of 540 s were faster than 250 tokens/s"
    assert plan.seconds.source == "measured: 25 to 250 tokens/s over 9 min 00 s"


def test_a_price_by_the_gpu_hour(recipe: Recipe, opened: Callable[[Recipe], Workspace]) -> None:
    priced = with_role(recipe, price=BY_HOUR, tokens_per_second=1000.0)
    plan = plan_of(opened(priced), priced.stages["solutions"], requests(known(300_000)), History([]))
    assert plan.seconds.source == "declared: 1,000 tokens/s"
    assert plan.seconds.high == 36_000
    assert plan.gpu_hours.high == pytest.approx(40)
    assert (plan.cost.low, plan.cost.high) == (0, pytest.approx(80))
    assert plan.cost.source.startswith("2 EUR per GPU-hour, 4 GPU(s) (a contract, 2026-01-02); ")
    found = plan.to_json()
    assert found["currency"] == "EUR"
    assert (found["price"]["source"], found["price"]["date"]) == ("a contract", "2026-01-02")


def test_a_price_by_the_token(recipe: Recipe, opened: Callable[[Recipe], Workspace]) -> None:
    priced = with_role(recipe, price=BY_TOKEN)
    workspace = opened(priced)
    plan = plan_of(workspace, priced.stages["solutions"], requests(known(1_000_000)), History([slices(workspace)]))
    assert plan.cost.low == plan.cost.high == pytest.approx(90 + 300)
    assert plan.cost.source.startswith("1 USD per million tokens in, 3 out (a page, 2026-01-02); mean of")
    assert plan.gpu_hours.basis == "unknown"


def test_a_price_without_a_speed_makes_no_cost(recipe: Recipe, opened: Callable[[Recipe], Workspace]) -> None:
    priced = with_role(recipe, price=BY_HOUR)
    plan = plan_of(opened(priced), priced.stages["solutions"], requests(known(10)), History([]))
    assert plan.cost.basis == plan.gpu_hours.basis == "unknown"
    idle = plan_of(opened(priced), priced.stages["solutions"], requests(known(0)), History([]))
    assert (idle.cost, idle.gpu_hours, idle.seconds) == (known(0), known(0), known(0))


def test_the_plan_inside_a_run_needs_counts_only(
    recipe: Recipe, opened: Callable[[Recipe], Workspace], fresh: Path
) -> None:
    priced = with_role(recipe, price=BY_TOKEN)
    workspace = opened(priced)
    UsageLog(fresh / ".mathloom").append(slices(workspace))
    counts = RequestCounts(total=50, reused=30, given_up=5, to_do=15)
    found = stage_plan(workspace, priced.stages["solutions"], counts).to_json()
    assert found["to_do"] == {"low": 15, "high": 15, "basis": "known", "source": ""}
    assert (found["requests"]["low"], found["reused"]["low"], found["given_up"]["low"]) == (50, 30, 5)
    assert found["tokens_out"]["high"] == 15 * 100
    assert found["cost"]["high"] == pytest.approx((15 * 90 + 3 * 15 * 100) / 1_000_000)


def test_what_a_store_can_have_of_some_weights() -> None:
    figures = [WeightsUsage("a", "x", 60), WeightsUsage("b", "x", 30)]
    assert History([], figures, 90).stored("a") == 60
    assert History([], figures, 95).stored("c") == 5, "in the journal of a build that runs"
    assert History([], figures, 95).stored("") == 95


def test_an_answer_is_never_longer_than_allowed(recipe: Recipe, opened: Callable[[Recipe], Workspace]) -> None:
    workspace = opened(recipe)
    wordy = slices(workspace, completion_tokens=50_000)
    plan = plan_of(workspace, recipe.stages["solutions"], requests(known(10)), History([wordy]))
    assert plan.tokens_out.high == 10 * 120, "max_tokens is 120 now"
