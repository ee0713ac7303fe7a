"""Rates, time left and the pace of a log, on a simulated clock."""

from __future__ import annotations

import itertools

import pytest

from dagster_project.running.outcome import RequestCounts
from dagster_project.terminal.rates import Pace, Rates


class Answering:
    """A stage whose seconds pass when told."""

    def __init__(self, to_do: int) -> None:
        self.counts = RequestCounts(total=to_do, to_do=to_do)
        self.rates = Rates()
        self._owed = 0.0

    def go_on(self, seconds: float, per_second: float, *, every: float = 0.2) -> None:
        for _ in range(round(seconds / every)):
            self._owed += per_second * every
            new = int(self._owed)
            self._owed -= new
            self.counts.answering_seconds += every
            self.counts.completed += new
            self.counts.prompt_tokens += 100 * new
            self.counts.completion_tokens += 1000 * new
            self.rates.update(self.counts)


def test_a_steady_engine() -> None:
    stage = Answering(10_000)
    stage.go_on(300, 10)
    assert stage.rates.requests == pytest.approx(10, rel=0.02)
    assert stage.rates.tokens_in == pytest.approx(1_000, rel=0.02)
    assert stage.rates.tokens_out == pytest.approx(10_000, rel=0.02)
    assert stage.rates.seconds_left == pytest.approx(700, rel=0.02)


def test_the_first_seconds_are_not_too_low() -> None:
    stage = Answering(10_000)
    stage.go_on(3, 10)
    assert stage.rates.requests == pytest.approx(10, rel=0.1)


def test_rates_say_what_happens_now() -> None:
    stage = Answering(1_000_000)
    stage.go_on(3_600, 10)
    stage.go_on(90, 40)
    assert stage.rates.requests == pytest.approx(40, rel=0.1)
    stage.go_on(90, 0)
    assert stage.rates.requests < 3


def test_the_time_left_forgives_a_hiccup_and_follows_a_lasting_change() -> None:
    stage = Answering(100_000)
    stage.go_on(3_600, 10)
    before = stage.rates.seconds_left
    stage.go_on(60, 0)
    assert before is not None
    assert stage.rates.seconds_left == pytest.approx(before, rel=0.1)
    stage.go_on(1_800, 20)
    right = (100_000 - stage.counts.completed) / 20
    overall = stage.counts.seconds_left
    assert stage.rates.seconds_left is not None
    assert overall is not None
    assert stage.rates.seconds_left == pytest.approx(right, rel=0.15)
    assert abs(stage.rates.seconds_left - right) < abs(overall - right) / 3


def test_bunches_of_answers_even_out() -> None:
    stage = Answering(1_000_000)
    seen = []
    for _ in range(60):  # sixty batches of 50, a batch each 5 seconds
        stage.go_on(4.8, 0)
        stage.go_on(0.2, 250)
        seen.append(stage.rates.requests)
    assert all(8 < rate < 12.5 for rate in seen[12:])


def test_no_time_left_is_said_before_anything_came_back_or_at_once() -> None:
    stage = Answering(100)
    stage.go_on(20, 0)
    assert stage.rates.seconds_left is None
    quick = Answering(100)
    quick.go_on(1, 5)
    assert quick.rates.seconds_left is None


def test_a_stage_without_requests() -> None:
    rates = Rates()
    rates.update(RequestCounts())
    assert rates.seconds_left is None
    assert (rates.requests, rates.tokens_in, rates.tokens_out) == (0, 0, 0)


def test_a_later_wave_has_a_time_left_of_its_own() -> None:
    stage = Answering(100)
    stage.go_on(10, 10)
    assert stage.rates.seconds_left == 0
    stage.counts.total += 50
    stage.counts.to_do += 50
    stage.go_on(1, 10)
    assert stage.rates.seconds_left == pytest.approx(4, rel=0.2)


def test_the_start_of_an_engine_and_counting_do_not_slow_it() -> None:
    """Only answering seconds count: between two of them an hour may pass."""
    stage = Answering(10_000)
    stage.go_on(100, 10)
    stage.counts.engine_seconds += 3_600
    stage.go_on(1, 10)
    assert stage.rates.requests == pytest.approx(10, rel=0.05)


@pytest.mark.parametrize(("hours", "lines"), [(1 / 360, 2), (1 / 60, 11), (1, 90), (100, 1_300)])
def test_a_log_of_any_length(hours: float, lines: int) -> None:
    pace = Pace(0.0, 5.0)
    said = [second for second in range(int(hours * 3600) + 1) if pace.is_due(float(second))]
    assert len(said) == pytest.approx(lines, rel=0.15)
    assert all(later - earlier <= 301 for earlier, later in itertools.pairwise(said))
