"""One line a stage on any width: nothing wraps, and what matters most stays longest."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dagster_project.running.outcome import RequestCounts
from dagster_project.terminal.bars import Mark, ended_line, stage_line
from dagster_project.terminal.rates import Rates
from dagster_project.terminal.stage_line import sentence


def counts(**others: float | str) -> RequestCounts:
    """A stage of the size of OpenMathInstruct-2, a while after it began."""
    made = RequestCounts(
        total=26_600_000,
        reused=345_000,
        to_do=26_255_000,
        completed=412_000,
        failed=3,
        prompt_tokens=41_000_000,
        completion_tokens=430_000_000,
        engine_seconds=1_100.0,
        answering_seconds=1_000.0,
        cost=3.3,
        currency="USD",
        gpu_hours=2.44,
    )
    for name, value in others.items():
        setattr(made, name, value)
    return made


def line(
    made: RequestCounts | None, width: int, *, name: str = "solutions", note: str = "", ascii_: bool = False
) -> str:
    rates = Rates()
    if made is not None:
        rates.update(made)
    drawn = stage_line(
        name, made, rates, note=note, elapsed=75, name_width=max(16, len(name)), width=width, is_ascii=ascii_
    )
    assert drawn.cell_len <= width
    assert "\n" not in drawn.plain
    return drawn.plain[2:]


def test_a_wide_terminal_shows_everything() -> None:
    shown = line(counts(), 140)
    for words in (
        "solutions",
        "757k/26.6M",
        "1.3 % reused",
        "3 failed",
        "412 req/s",
        "tok/s 41.0k in  430k out",
        "17h25m left",
        "3.30/210 USD",
    ):
        assert words in shown


@pytest.mark.parametrize(
    ("width", "words"),
    [
        (120, ["757k/26.6M", "1.3 % reused", "3 failed", "430k tok/s out", "17h25m left", "3.30/210 USD", "─"]),
        (100, ["757k/26.6M", "3 failed", "430k tok/s out", "17h25m left", "3.30/210 USD", "─"]),
        (80, ["757k/26.6M", "3 failed", "17h25m left", "3.30/210 USD", "─"]),
        (60, ["757k/26.6M", "3 failed", "17h25m left", "─"]),
        (40, ["757k/26.6M", "─"]),
    ],
)
def test_a_narrow_terminal_keeps_what_matters(width: int, words: list[str]) -> None:
    shown = line(counts(), width)
    for word in words:
        assert word in shown


def test_extremes_of_width_and_size_are_cut_not_wrapped() -> None:
    huge = counts(
        total=10**14, to_do=10**14, failed=10**13, retried=10**9, given_up=10**9, restarts=10**6, currency="ZWL" * 20
    )
    for width in range(1, 200):
        line(huge, width, name="a_stage_with_quite_a_long_name_indeed")


@given(
    st.builds(
        RequestCounts,
        *[st.integers(0, 10**12) for _ in range(11)],
        *[st.floats(0, 1e12) for _ in range(4)],
        currency=st.sampled_from(["", "USD", "[bold]\x1b"]),
    ),
    st.integers(1, 160),
    st.text(min_size=1, max_size=60),
)
def test_no_counts_name_or_width_break_a_line(made: RequestCounts, width: int, name: str) -> None:
    line(made, width, name=name)
    line(made, width, name=name, note=name)
    assert "\n" not in sentence(name, made, Rates())


@pytest.mark.parametrize("name", ["日本語のステージ名はとても長いです", "[red]stage[/red]", "é́́" * 30, "\x1b[31mred"])
def test_names_are_text_of_the_width_they_take(name: str) -> None:
    for width in (20, 80, 120):
        shown = line(counts(), width, name=name)
        assert "\x1b" not in shown
    assert line(counts(), 200, name="[red]s[/red]").startswith("[red]s[/red]")


def test_the_bar_is_as_full_as_the_stage_is_done_without_colours_too() -> None:
    half = RequestCounts(total=100, reused=50, to_do=50)
    shown = line(half, 80)
    assert shown.count("━") == shown.count("─") == 14
    assert line(half, 80, ascii_=True).count("#") == 14
    assert line(half, 80, ascii_=True).isascii()
    full = line(RequestCounts(total=100, reused=100), 80)
    assert full.count("━") == 28
    assert "─" not in full


def test_a_later_wave_makes_the_whole_larger() -> None:
    made = RequestCounts(total=100, to_do=100, completed=100)
    assert "─" not in line(made, 80)
    made.total += 100
    made.to_do += 100
    assert line(made, 80).count("─") == 14
    assert "100/200" in line(made, 80)


def test_a_note_stands_in_place_of_the_figures() -> None:
    shown = line(counts(), 100, note="starting engine 'vllm' for role 'solver'")
    assert shown == "solutions          757k/26.6M  1m15s  starting engine 'vllm' for role 'solver'"
    assert line(counts(), 80, note="\x1b[2J" + "long " * 99).endswith("…")


def test_before_there_are_requests_only_the_time_is_said() -> None:
    assert line(None, 80, note="sql.graded") == "solutions      1m15s  sql.graded"
    assert line(RequestCounts(), 80) == "solutions      1m15s"


def test_no_price_no_money() -> None:
    assert "USD" not in line(counts(currency="", cost=0.0, gpu_hours=0.0), 200)
    assert "2.44/155 GPU-hours" in line(counts(currency="", cost=0.0), 200)
    nothing_yet = counts(currency="USD", completed=0, failed=0, cost=0.5)
    assert "0.500 USD" in line(nothing_yet, 200)


def test_what_is_zero_is_not_said() -> None:
    shown = line(RequestCounts(total=100, to_do=100, completed=10, answering_seconds=10), 200)
    for word in ("reused", "failed", "given up", "retried", "restart", "tok", "GPU"):
        assert word not in shown


def test_how_it_ended_is_cut_from_the_end() -> None:
    words = ["180 rows", "3 rejected", "98.7 % reused", "7,431 tokens out"]
    wide = ended_line(Mark.ENDED, "solutions", words, "25 s", name_width=16, width=100).plain
    assert wide == "✓ solutions         180 rows, 3 rejected, 98.7 % reused, 7,431 tokens out  25 s"
    narrow = ended_line(Mark.ENDED, "solutions", words, "25 s", name_width=16, width=50, is_ascii=True).plain
    assert narrow == "+ solutions         180 rows, 3 rejected  25 s"
    for width in range(1, 60):
        drawn = ended_line(Mark.FAILED, "s" * 30, ["failed"], "", name_width=30, width=width)
        assert drawn.cell_len <= width


def test_a_log_has_all_of_it() -> None:
    rates = Rates()
    made = counts(restarts=1, retried=12, given_up=4)
    rates.update(made)
    assert sentence("solutions", made, rates) == (
        "solutions: 757k of 26.6M (2.8 %), 1.3 % reused, 3 failed, 4 given up, 12 retried, 1 restart, "
        "412 requests/s, tokens/s 41.0k in, 430k out, 17 h 25 min left, 3.30 of ~210 USD"
    )
