"""The limit of one endpoint, against simulated servers: no clock, no network."""

import heapq
from collections.abc import Callable
from dataclasses import dataclass

from resources.engines.server.pace import FIRST, SLOW, TOO_SLOW, Pace


@dataclass
class Seen:
    limits: list[int]
    good: int
    refused: int

    def tail(self) -> list[int]:
        return self.limits[len(self.limits) // 2 :]


def simulate(pace: Pace, total: int, serve: Callable[[int], tuple[float, str]], size: int = 1) -> Seen:
    """Send ``total`` requests as fast as the pace allows.

    ``serve`` tells, from the samples at work, how long an answer takes (as a share of the time-out) and its kind.
    """
    now, order = 0.0, 0
    seen = Seen([], 0, 0)
    flying: list[tuple[float, int, int, float, str]] = []
    while seen.good + seen.refused < total:
        while pace.has_room(size):
            round_ = pace.take(size)
            share, kind = serve(pace.in_flight)
            order += 1
            heapq.heappush(flying, (now + share, order, round_, share, kind))
        now, _, round_, share, kind = heapq.heappop(flying)
        if kind == "good":
            pace.answered(round_, size, share)
            seen.good += 1
        else:
            pace.congested(round_)
            seen.refused += 1
        pace.give(size)
        seen.limits.append(pace.limit)
    return seen


def test_it_starts_low_and_doubles_in_each_round_trip() -> None:
    pace = Pace(256)
    assert pace.limit == FIRST
    seen = simulate(pace, 3 * FIRST + 1, lambda at_work: (0.1, "good"))
    # 8 answers make 16, and those 32.
    assert seen.limits[FIRST - 1] == 2 * FIRST
    assert seen.limits[3 * FIRST - 1] == 4 * FIRST


def test_it_never_passes_the_most() -> None:
    for most in (1, 5, 64):
        pace = Pace(most)
        seen = simulate(pace, 2000, lambda at_work: (0.1, "good"))
        assert max(seen.limits) == most
        assert pace.in_flight <= most


def test_it_finds_what_a_server_takes_and_stays_near_it() -> None:
    capacity = 40
    pace = Pace(512)
    seen = simulate(pace, 6000, lambda at_work: (0.1, "good") if at_work <= capacity else (0.001, "busy"))
    assert max(seen.tail()) <= capacity + 1
    assert min(seen.tail()) >= capacity // 2 - 1
    assert sum(seen.tail()) / len(seen.tail()) > 0.7 * capacity
    assert seen.refused < 0.03 * seen.good


def test_a_server_that_queues_is_not_driven_into_time_outs() -> None:
    """Answers take longer the more there are at work: 1 % of the time-out each."""
    pace = Pace(512)
    seen = simulate(pace, 6000, lambda at_work: (0.01 * at_work, "good" if at_work < 100 else "slow"))
    assert max(seen.tail()) <= 100 * TOO_SLOW
    assert min(seen.tail()) >= 100 * SLOW / 2


def test_one_burst_of_refusals_halves_once() -> None:
    pace = Pace(64)
    simulate(pace, 2000, lambda at_work: (0.1, "good"))
    rounds = [pace.take(1) for _ in range(64 - pace.in_flight)]
    for round_ in rounds:
        pace.congested(round_)
    assert pace.limit == 32
    pace.congested(pace.take(1))
    assert pace.limit == 16


def test_the_limit_is_never_below_one() -> None:
    pace = Pace(64)
    for _ in range(20):
        pace.congested(pace.take(1))
        pace.give(1)
    assert pace.limit == 1
    assert pace.has_room(8)
    pace.take(8)
    assert not pace.has_room(1)


def test_answers_to_little_work_say_nothing() -> None:
    pace = Pace(64)
    for _ in range(100):
        round_ = pace.take(1)
        pace.answered(round_, 1, 0.01)
        pace.give(1)
    assert pace.limit == FIRST


def test_a_restarted_server_begins_low_and_late_answers_do_not_count() -> None:
    pace = Pace(64)
    simulate(pace, 2000, lambda at_work: (0.1, "good"))
    old = pace.take(1)
    pace.restart()
    assert pace.limit == FIRST
    pace.answered(old, 8, 0.01)
    pace.congested(old)
    assert pace.limit == FIRST


def test_runs_of_several_samples() -> None:
    pace = Pace(64)
    seen = simulate(pace, 500, lambda at_work: (0.1, "good") if at_work <= 48 else (0.001, "busy"), size=8)
    assert min(seen.tail()) >= 24
    assert max(seen.tail()) <= 64
