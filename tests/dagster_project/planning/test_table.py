"""A plan as a person reads it: signs of the bases, short numbers, 120 columns."""

from __future__ import annotations

import io
import math

import pytest
from rich.console import Console, RenderableType

from dagster_project.language.resolved import Limits, Price
from dagster_project.planning.limits import Day, held_against
from dagster_project.planning.plan import Change, Figure, Plan, StagePlan, estimated, known, unknown
from dagster_project.planning.table import WIDTH, render, render_short, written

PRICE = Price(
    source="a page [with brackets]", date="2026-01-02", per_million_prompt_tokens=1, per_million_completion_tokens=2
)


@pytest.mark.parametrize(
    ("figure", "text"),
    [
        (known(0), "= 0"),
        (known(1_234_567), "= 1,234,567"),
        (known(26_600_000), "= 26.6M"),
        (estimated(100, 100, ""), "~ 100"),
        (estimated(0, 26_600_000, ""), "<= 26.6M"),
        (estimated(1_200_000, 3_400_000, ""), "1.2-3.4M"),
        (estimated(900, 3_400_000, ""), "900-3.4M"),
        (estimated(18, None, ""), ">= 18"),
        (estimated(0, None, ""), "?"),
        (unknown("why"), "?"),
    ],
)
def test_the_sign_says_the_basis(figure: Figure, text: str) -> None:
    assert written(figure) == text


def stage(name: str, figure: Figure, price: Price | None = PRICE) -> StagePlan:
    return StagePlan(
        name,
        "teacher",
        "server",
        figure,
        figure,
        figure,
        figure,
        known(0),
        figure,
        figure,
        figure,
        figure,
        figure,
        price,
    )


def shown(renderable: RenderableType) -> str:
    file = io.StringIO()
    Console(file=file, width=WIDTH, highlight=False).print(renderable, width=WIDTH)
    return file.getvalue()


def plan(*stages: StagePlan, warnings: tuple[str, ...] = ()) -> Plan:
    changes = tuple(Change(s.stage, "generation/solve", "changed", "settings (samples)") for s in stages)
    needed = estimated(1, 20, "x")
    limits = tuple(held_against(Limits(max_cost=10), stages, needed, Day()))
    return Plan("r", "p", changes, 3, stages, needed, needed, needed, {"USD": needed}, limits, warnings, "mathloom x")


def test_everything_fits_into_the_width() -> None:
    wide = estimated(123_456_789, 987_654_321_000, "a source of figures " * 8)
    stages = [stage(f"generated_by_a_stage_of_a_long_name_{i}", wide) for i in range(20)]
    for text in (shown(render(plan(*stages))), shown(render_short(plan(*stages)))):
        assert max(len(line.rstrip()) for line in text.splitlines()) <= WIDTH


def test_a_plan_says_all_of_it() -> None:
    text = shown(
        render(plan(stage("solutions", known(7)), stage("more", estimated(0, 9, "declared")), warnings=("w\x1b[31m",)))
    )
    assert text.startswith("r (p): 2 stage(s) to build, 3 to stay as they are")
    assert "settings (samples)  solutions, more" in " ".join(text.split("\n"))
    assert "= 7" in text
    assert "<= 9" in text
    assert "In all: 1-20 request(s) to do" in text
    assert "limit max_cost = 10 USD:" in text
    assert "warning: w\\x1b[31m" in text
    assert "mathloom x" in text


def test_one_line_a_generation_stage() -> None:
    text = shown(render_short(plan(stage("solutions", known(7)), stage("more", known(8)))))
    assert [line.split()[0] for line in text.splitlines()[:3]] == ["stage", "solutions", "more"]


def test_nothing_to_do_is_one_line() -> None:
    empty = Plan("r", "p", (), 13, (), known(0), known(0), known(0), {}, (), ())
    assert shown(render(empty)).strip() == "r (p): nothing to do, all 13 stages are up to date"


def test_json_has_no_number_that_json_lacks() -> None:
    found = stage("s", estimated(0.1234567890, 1e20, "x")).to_json()
    assert found["cost"] == {"low": 0.123457, "high": 10**20, "basis": "estimated", "source": "x"}
    assert math.isfinite(found["cost"]["high"])
