"""The log of a Dagster run: few lines, however many answers, and never an error of its own."""

from __future__ import annotations

from typing import Any

from dagster_project.run_log import LogProgress
from dagster_project.running.outcome import RequestCounts
from resources.errors import EngineError


class Log:
    def __init__(self) -> None:
        self.lines: list[str] = []

    def info(self, line: str) -> None:
        self.lines.append(line)


class Full:
    def info(self, _line: str) -> None:
        raise OSError("database or disk is full")


def run(log: Any, *, seconds: float, per_second: int, every: float) -> RequestCounts:
    now = 0.0
    progress = LogProgress(log, lambda: now)
    progress.stage_started("solutions", "generation.sample")
    to_do = round(seconds * per_second)
    counts = RequestCounts(total=to_do, to_do=to_do)
    for i in range(1, round(seconds / every) + 1):
        now = i * every
        counts.answering_seconds = now
        counts.completed = round(now * per_second)
        progress.requests("solutions", counts)
    return counts


def test_26_million_requests_are_some_hundred_lines() -> None:
    log = Log()
    counts = run(log, seconds=26_600, per_second=1_000, every=1.0)
    assert counts.completed == 26_600_000
    assert 100 < len(log.lines) < 200
    assert log.lines[0].startswith("solutions: 10.0k of 26.6M (0.1 %), 1,000 requests/s, ")


def test_a_short_stage_has_no_line_but_its_notes() -> None:
    log = Log()
    run(log, seconds=9, per_second=100, every=0.2)
    assert log.lines == []
    LogProgress(log).note("solutions", "starting engine\x07 'vllm'")
    assert log.lines == ["solutions: starting engine\\x07 'vllm'"]


def test_a_log_that_fails_does_not_fail_the_stage() -> None:
    run(Full(), seconds=60, per_second=1, every=1.0)
    progress = LogProgress(Full())
    progress.note("solutions", "starting engine")
    progress.stage_failed("solutions", EngineError("broken", where="here", fix="Mend it"))
