"""The meter of a stage: hours and costs on a clock that the test holds, slices in the log, and limits."""

from __future__ import annotations

from pathlib import Path

import pytest

from dagster_project.language.resolved import Limits, Place, Price, Role
from dagster_project.running.outcome import RequestCounts
from dagster_project.running.spending import Meter, Spent, cost_of
from resources.errors import LimitError
from resources.usage import Usage, UsageLog

HOURLY = Price("a test", "2026-01-01", per_gpu_hour=3.0)
BY_TOKEN = Price("a test", "2026-01-01", per_million_prompt_tokens=1.0, per_million_completion_tokens=4.0)
NAMES = Usage("sums", "local", "solutions", "solver", "vllm", "w", "shape", "run")
NOW = 1_700_000_000.0


class Clock:
    now = 50.0

    def __call__(self) -> float:
        return self.now


def meter(
    folder: Path,
    clock: Clock,
    *,
    price: Price | None = HOURLY,
    limits: Limits | None = None,
    spent: Spent | None = None,
) -> Meter:
    role = Role("solver", Place(Path("p.yaml"), 3), "vllm", {}, devices=("0", "1"), price=price)
    log = UsageLog(folder)
    where = "sums/solutions"
    return Meter(NAMES, role, limits or Limits(), log, spent or Spent(), where=where, clock=clock, now=lambda: NOW)


def test_gpu_hours_count_every_gpu_while_the_engine_is_loaded(tmp_path: Path) -> None:
    clock, counts, spent = Clock(), RequestCounts(), Spent(cost=1.0)
    one = meter(tmp_path, clock, spent=spent)
    one.start()
    clock.now += 600  # it loads
    one.asked()
    clock.now += 1200
    counts.completed, counts.completion_tokens = 10, 5000
    one.update(counts)
    assert counts.engine_seconds == 1800
    assert counts.answering_seconds == 1200
    assert counts.gpu_hours == pytest.approx(1.0)
    assert counts.cost == pytest.approx(3.0)
    one.pause(counts)
    clock.now += 10_000  # another wave is counted: nothing runs
    one.close(counts)
    assert counts.gpu_hours == pytest.approx(1.0)
    assert spent.cost == pytest.approx(4.0)
    logged = list(UsageLog(tmp_path).read())
    assert sum(usage.gpu_hours for usage in logged) == pytest.approx(1.0)
    assert sum(usage.completions for usage in logged) == 10
    assert {usage.currency for usage in logged} == {"USD"}


def test_counting_a_later_wave_is_no_time_in_which_a_model_could_answer(tmp_path: Path) -> None:
    clock, counts = Clock(), RequestCounts()
    one = meter(tmp_path, clock)
    for _ in range(2):
        clock.now += 3_600  # the wave is counted
        one.start()
        clock.now += 60  # the engine loads, or is there already
        one.asked()
        clock.now += 100
        one.update(counts)
        one.pause(counts)
    assert counts.answering_seconds == 200
    assert counts.engine_seconds == 320


def test_slices_add_up_and_a_kill_loses_the_last_one_only(tmp_path: Path) -> None:
    clock, counts = Clock(), RequestCounts()
    one = meter(tmp_path, clock)
    one.start()
    one.asked()
    for second in range(1, 100):
        clock.now += 1
        counts.completed = second
        counts.prompt_tokens = 7 * second
        one.update(counts)
    logged = list(UsageLog(tmp_path).read())
    assert [usage.completions for usage in logged] == [30, 30, 30]
    assert sum(usage.prompt_tokens for usage in logged) == 7 * 90
    with (tmp_path / "usage.jsonl").open("ab") as handle:
        handle.write(b'{"recipe": "sums", "prof')  # killed in its line
    one.close(counts)
    assert sum(usage.completions for usage in UsageLog(tmp_path).read()) == 99


def test_a_limit_over_the_build_counts_earlier_stages(tmp_path: Path) -> None:
    clock, counts = Clock(), RequestCounts(to_do=5)
    one = meter(tmp_path, clock, limits=Limits(max_cost=10.0), spent=Spent(cost=9.0))
    one.refuse_if_spent(counts)
    one.start()
    clock.now += 600
    one.update(counts)
    assert counts.cost == pytest.approx(1.0)
    assert one.over(counts) == "10.00 USD spent, and the limit max_cost is 10"
    one.close(counts)
    second = meter(tmp_path, clock, limits=Limits(max_gpu_hours=0.5), spent=Spent(gpu_hours=0.5))
    with pytest.raises(LimitError, match="0.50 GPU-hours spent, and the limit max_gpu_hours is 0.5"):
        second.refuse_if_spent(RequestCounts(to_do=1))
    second.refuse_if_spent(RequestCounts(to_do=0))  # all answers are stored: nothing would be spent


def test_a_limit_for_a_day_forgets_yesterday(tmp_path: Path) -> None:
    log = UsageLog(tmp_path)
    for hours_ago, cost, currency in ((25, 100.0, "USD"), (23, 6.0, "USD"), (1, 50.0, "EUR")):
        log.append(
            Usage("a", "b", "c", "d", "e", "f", "g", "h", cost=cost, currency=currency, at=NOW - 3600 * hours_ago)
        )
    limits = Limits(max_cost_per_day=6.5)
    meter(tmp_path, Clock(), limits=limits).refuse_if_spent(RequestCounts(to_do=1))
    log.append(Usage("a", "b", "c", "d", "e", "f", "g", "h", cost=0.5, currency="USD", at=NOW))
    with pytest.raises(LimitError, match="6.50 USD spent, and the limit max_cost_per_day is 6.5"):
        meter(tmp_path, Clock(), limits=limits).refuse_if_spent(RequestCounts(to_do=1))


def test_prices() -> None:
    assert cost_of(BY_TOKEN, 99.0, 2_000_000, 500_000) == pytest.approx(4.0)
    assert cost_of(HOURLY, 2.0, 1, 1) == pytest.approx(6.0)


def test_without_a_price_and_devices_nothing_is_counted(tmp_path: Path) -> None:
    clock, counts = Clock(), RequestCounts()
    role = Role("solver", Place(Path("p.yaml"), 3), "scripted", {})
    one = Meter(NAMES, role, Limits(), UsageLog(tmp_path), Spent(), where="x", clock=clock)
    one.start()
    clock.now += 3600
    one.close(counts)
    assert (counts.gpu_hours, counts.cost, counts.currency) == (0, 0, "")
    assert counts.engine_seconds == 3600
