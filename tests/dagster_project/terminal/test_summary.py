"""The table and the line at the end of a build: within 100 columns, with what matters."""

from __future__ import annotations

import io
from collections.abc import Callable

import pytest
from rich.console import Console

from dagster_project.running.outcome import Outcome, RequestCounts
from dagster_project.terminal.summary import answers_line, summary, totals_line

Make = Callable[..., Outcome]


def table(outcomes: list[Outcome], width: int = 100) -> list[str]:
    console = Console(file=io.StringIO(), width=max(width, 10))
    console.print(summary(outcomes, width))
    assert isinstance(console.file, io.StringIO)
    lines = [line.rstrip() for line in console.file.getvalue().splitlines()]
    assert all(len(line) <= max(width, 10) for line in lines)
    assert len(lines) == len(outcomes) + 1
    return lines


def answered(**others: float | str) -> RequestCounts:
    made = RequestCounts(
        total=26_600_000,
        reused=26_254_200,
        to_do=345_800,
        completed=345_797,
        failed=3,
        prompt_tokens=41_000_000,
        completion_tokens=430_000_000,
        answering_seconds=1_000.0,
        engine_seconds=1_100.0,
        gpu_hours=2.44,
        cost=3.3,
        currency="USD",
    )
    for name, value in others.items():
        setattr(made, name, value)
    return made


def test_a_small_build_shows_all_columns(outcome: Make) -> None:
    small = RequestCounts(total=180, to_do=180, completed=180, prompt_tokens=9_000, completion_tokens=6_857)
    lines = table([outcome("seeds", rows=40, funnel={}, passed=2, seconds=0.1), outcome(requests=small, passed=1)])
    assert lines == [
        "stage      in  out  requests  tok in  tok out  checks   time  peak MB",
        "seeds           40                             2 ok    0.1 s      285",
        "solutions  60  180  180 new    9,000    6,857  1 ok     26 s      285",
    ]


def test_a_large_build_is_short(outcome: Make) -> None:
    rejected = {"rejected": {"duplicate": 20, "incorrect": 2_333_444, "no answer": 3}}
    lines = table([outcome(requests=answered(), funnel=rejected, rows=24_000_000, warned=1, seconds=90_000)])
    assert "24.0M" in lines[1]
    assert "2.3M incorrect" in lines[1]
    assert "3 failed, 345,797 new, 98.7 % reused" in lines[1]
    assert "3.30 USD" in lines[1]


@pytest.mark.parametrize("width", [100, 80, 60, 40, 10, 1])
def test_no_width_folds_a_line(outcome: Make, width: int) -> None:
    rejected = {"main": "x", "rows_in": {"x": 10**9}, "rejected": {f"a long reason {i}": i for i in range(9)}}
    name = "日本語のステージ[red]とても長い名前です" * 3
    table([outcome(name, requests=answered(given_up=5), funnel=rejected, rows=10**9)], width)


def test_texts_are_cut_before_columns_go_and_the_least_important_goes_first(outcome: Make) -> None:
    rejected = {"rejected": {"most of them were simply incorrect": 233, "and others were duplicates": 20}}
    outcomes = [outcome(requests=answered(), funnel=rejected)]
    wide, narrow = table(outcomes, 200), table(outcomes, 100)
    assert "233 most of them were simply incorrect, 20 and others were duplicates" in wide[1]
    assert "peak MB" in wide[0]
    assert "233 most of them" in narrow[1]
    assert "…" in narrow[1]
    assert "peak MB" not in narrow[0]
    assert "spent" in narrow[0]


def test_gpu_hours_where_there_is_no_price(outcome: Make) -> None:
    assert "2.44 GPU-h" in table([outcome(requests=answered(currency="", cost=0.0))])[1]
    assert "spent" not in table([outcome(requests=answered(currency="", cost=0.0, gpu_hours=0.0))])[0]


def test_a_stage_whose_version_was_found_says_so(outcome: Make) -> None:
    assert "reused" in table([outcome(state="reused")])[1]


def test_markup_and_escapes_in_names_and_rules_are_text(outcome: Make) -> None:
    (_, line) = table([outcome("[red]s[/red]", funnel={"rejected": {"\x1b[31m[bold]": 2}})])
    assert line.startswith("[red]s[/red]")
    assert "2 \\x1b[31m[bold]" in line


def test_totals(outcome: Make) -> None:
    outcomes = [outcome("a", requests=answered()), outcome("b", requests=answered(currency="")), outcome("c", warned=1)]
    assert totals_line("openmathinstruct2 (paper)", outcomes, 11_520) == (
        "openmathinstruct2 (paper): 3 stages in 3 h 12 min. 691,594 completions generated (860,000,000 tokens at "
        "430k tokens/s), 52,508,400 reused (98.7 %). 2.44 GPU-hours and 3.30 USD spent. 6 of 7 checks passed."
    )


def test_totals_of_a_build_that_asked_nothing(outcome: Make) -> None:
    assert totals_line("sums (scripted)", [outcome()], 1.2) == (
        "sums (scripted): 1 stage in 1.2 s. 0 completions generated (0 tokens), 0 reused. 2 of 2 checks passed."
    )


def test_what_was_in_doubt_about_answers(outcome: Make) -> None:
    some = {"keys": 1_000, "undecided": 7, "pairs": 0, "votes": 500, "votes_like_raw_texts": 490}
    more = {"keys": 200, "undecided": 1, "pairs": 9, "unknown": 2, "votes": 100, "votes_like_raw_texts": 100}
    outcomes = [outcome(), outcome(facts={"answers": {"by_status": {"decided": 3}}})]
    assert answers_line(outcomes) == ""
    outcomes += [outcome(facts={"answers": some}), outcome(facts={"answers": more})]
    assert answers_line(outcomes) == (
        "Answers:  8 of 1,200 keys undecided, 2 of 9 pairs unknown, 98.3 % of the votes as by raw texts."
    )
