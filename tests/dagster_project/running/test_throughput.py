"""Throughput over a run: few points whatever its length, and no request lost between them."""

from __future__ import annotations

import pytest

from dagster_project.running.throughput import MAX_POINTS, Throughput


def test_nothing_gives_no_points() -> None:
    throughput = Throughput()
    assert throughput.points() == []
    throughput.add(0.0, 0, 0)
    assert throughput.points() == []


def test_a_steady_run_has_a_steady_rate() -> None:
    throughput = Throughput()
    for second in range(0, 61, 5):
        throughput.add(float(second), second * 2, second * 300)
    points = throughput.points()
    assert [p.seconds for p in points] == [float(s) for s in range(5, 61, 5)]
    assert {p.requests_per_s for p in points} == {2.0}
    assert {p.tokens_per_s for p in points} == {300.0}


@pytest.mark.parametrize(("every", "seconds"), [(0.2, 600), (5.0, 5_000), (5.0, 360_000), (60.0, 2_592_000)])
def test_a_run_of_any_length_has_few_points_and_all_its_requests(every: float, seconds: int) -> None:
    throughput = Throughput()
    for i in range(int(seconds / every) + 1):
        throughput.add(i * every, i * 3, i * 700)
    points = throughput.points()
    assert MAX_POINTS / 2 - 1 <= len(points) <= MAX_POINTS
    before = 0.0
    total = 0.0
    for point in points:
        total += point.requests_per_s * (point.seconds - before)
        before = point.seconds
    assert before == pytest.approx(int(seconds / every) * every)
    assert total == pytest.approx(int(seconds / every) * 3)


def test_a_stop_in_the_middle_is_seen() -> None:
    throughput = Throughput()
    for second in range(0, 601):
        completed = second if second < 200 else max(200, second - 200)
        throughput.add(float(second), completed, completed * 10)
    stopped = [p for p in throughput.points() if 210 < p.seconds < 390]
    assert stopped
    assert all(p.requests_per_s == 0 for p in stopped)


def test_a_clock_that_stands_or_goes_back_breaks_nothing() -> None:
    throughput = Throughput()
    throughput.add(10.0, 10, 100)
    throughput.add(10.0, 12, 120)
    throughput.add(4.0, 13, 130)
    throughput.add(20.0, 20, 200)
    assert [(p.seconds, p.requests_per_s) for p in throughput.points()] == [(10.0, 1.0), (20.0, 1.0)]
