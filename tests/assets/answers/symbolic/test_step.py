"""The step around the workers: order, budget, cache, report, and what a late pair costs."""

import json
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from assets.answers.symbolic.cache import VerdictCache
from assets.answers.symbolic.step import Comparison, SymbolicStep
from resources.workers import Outcome, WorkerPool
from resources.workers.pool import ZYGOTE_DIED

SAME, LATE = ("x(x+1)", "x^2+x"), (r"\sum_{k=1}^{10^{9}} k!", "1")


class Script:
    """Stands for the pool: answers from a list, and remembers what it was asked."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *outcomes: Outcome) -> None:
        self.asked: list[dict[str, str]] = []
        self.outcomes = list(outcomes)
        monkeypatch.setattr(WorkerPool, "start", lambda _: None)
        monkeypatch.setattr(WorkerPool, "map", lambda _, pieces, budget_s: self.map(pieces))

    def map(self, pieces: Iterable[str]) -> Iterator[tuple[int, Outcome]]:
        told = [json.loads(piece) for piece in pieces]
        self.asked += told
        yield from reversed(list(zip(range(len(told)), self.outcomes, strict=True)))


def test_a_late_pair_is_unknown_and_costs_nobody_else(step: SymbolicStep) -> None:
    step.compare([("x+x+y", "2x+y")])  # the start of the processes is not what is timed
    start = time.monotonic()
    found = step.compare([SAME, LATE, ("1+x", "x+1"), SAME])
    assert [comparison.relation for comparison in found] == ["equal", "unknown", "equal", "equal"]
    assert 500.0 <= found[1].ms < 1_000.0
    assert time.monotonic() - start < 3.0
    report = step.report()
    assert report["counts"]["timed out"] >= 1
    assert any(entry["a"] == "1" and entry["outcome"] == "timed_out" for entry in report["slowest"])
    json.dumps(report)


def test_verdicts_are_kept_for_the_next_build(tmp_path: Path) -> None:
    file = tmp_path / "verdicts.sqlite"
    pairs = [SAME, LATE, ("x", "2x")]
    with SymbolicStep(cache=file, workers=1) as first:
        before = first.compare(pairs)
    with SymbolicStep(cache=file, workers=1) as second:
        after = second.compare([(b, a) for a, b in pairs])
        assert second._pool.pid is None
    assert [comparison.relation for comparison in before] == ["equal", "unknown", "different"]
    assert after == [Comparison(comparison.relation, "cache", 0.0) for comparison in before]


def test_more_time_asks_a_time_out_again(monkeypatch: pytest.MonkeyPatch) -> None:
    cache = VerdictCache()
    late = Outcome("timed_out", ms=500.0, cpu_ms=480.0)
    script = Script(monkeypatch, late)
    assert SymbolicStep(cache=cache).compare([("a", "b")]) == [Comparison("unknown", "symbolic", 500.0)]
    assert SymbolicStep(cache=cache, seconds=0.2).compare([("b", "a")]) == [Comparison("unknown", "cache", 0.0)]
    assert len(script.asked) == 1
    script.asked, script.outcomes = [], [Outcome("answered", "equal", ms=700.0)]
    assert SymbolicStep(cache=cache, seconds=2.0).compare([("a", "b")]) == [Comparison("equal", "symbolic", 700.0)]
    assert SymbolicStep(cache=cache).compare([("a", "b")]) == [Comparison("equal", "cache", 0.0)]


@pytest.mark.parametrize(
    ("outcome", "is_kept"),
    [
        (Outcome("timed_out", ms=500.0, cpu_ms=480.0), True),
        (Outcome("timed_out", ms=500.0, cpu_ms=60.0), False),  # the machine was busy with something else
        (Outcome("crashed", ms=3.0, detail="exit 1"), True),
        (Outcome("crashed", ms=3.0, detail="refused"), True),
        (Outcome("crashed", ms=3.0, detail="signal 9"), False),  # someone killed its worker
        (Outcome("crashed", detail=ZYGOTE_DIED), False),
        (Outcome("not_tried"), False),
        (Outcome("answered", "nonsense"), True),
    ],
)
def test_only_what_the_pair_is_to_blame_for_is_kept(
    monkeypatch: pytest.MonkeyPatch, outcome: Outcome, is_kept: bool
) -> None:
    cache = VerdictCache()
    Script(monkeypatch, outcome)
    assert SymbolicStep(cache=cache).compare([("a", "b")])[0].relation == "unknown"
    script = Script(monkeypatch, Outcome("answered", "equal"))
    [again] = SymbolicStep(cache=cache).compare([("a", "b")])
    assert (again.relation, len(script.asked)) == (("unknown", 0) if is_kept else ("equal", 1))


def test_pairs_are_asked_once_in_one_order_and_told_in_theirs(monkeypatch: pytest.MonkeyPatch) -> None:
    script = Script(monkeypatch, Outcome("answered", "equal"), Outcome("answered", "different"))
    with SymbolicStep() as step:
        found = step.compare([("b", "a"), ("a", "c"), ("a", "b"), ("d", "d"), ("x" * 3_000, "y")])
        assert [one.relation for one in found] == ["equal", "different", "equal", "equal", "unknown"]
        assert [(told["a"], told["b"]) for told in script.asked] == [("a", "b"), ("a", "c")]
        assert step.compare([]) == []
        assert step.report()["counts"] == {
            "symbolic: different": 1, "symbolic: equal": 3, "symbolic: unknown": 1, "too long": 1,
        }  # fmt: skip


def test_budget_is_for_all_calls_together() -> None:
    slow = [(rf"\sum_{{k=1}}^{{10^{{9}}}} k!+{number}", "1") for number in range(8)]
    with SymbolicStep(budget_s=0.3, workers=1) as step:
        assert {one.relation for one in step.compare(slow)} == {"unknown"}
        assert step.compare([SAME])[0].relation == "unknown"
        counts = step.report()["counts"]
        assert counts["timed out"] in {1, 2}
        assert counts["not tried"] == 9 - counts["timed out"]
    with SymbolicStep(budget_s=0.0, workers=1) as step:
        assert step.compare([SAME])[0].relation == "unknown"
        assert step._pool.pid is None


def test_report_keeps_the_slowest_and_not_all_of_a_text(monkeypatch: pytest.MonkeyPatch) -> None:
    Script(monkeypatch, *[Outcome("answered", "different", ms=float(number)) for number in range(30)])
    step = SymbolicStep()
    step.compare([(f"{number:02}" + "x" * 1_000, "y") for number in range(30)])
    slowest = step.report()["slowest"]
    assert [entry["ms"] for entry in slowest] == [float(number) for number in range(29, 19, -1)]
    assert max(len(entry["a"]) for entry in slowest) == 120


def test_sympy_may_use_its_own_tables_and_templates(patient: SymbolicStep) -> None:
    """It reads both as code, which the guard refuses wherever else it is tried."""
    pairs = [
        (r"\int_0^{\infty} e^{-x^2} dx", r"\frac{\sqrt{\pi}}{2}"),
        (r"\int_0^1 \frac{x^3+\sin x}{1+x^4} dx", "3"),
        (r"\sum_{k=0}^{n} \binom{n}{k}", "3^n"),
    ]
    found = patient.compare(pairs)
    assert found[0].relation == "equal"
    assert patient.report()["counts"].get("refused by the guard", 0) == 0
