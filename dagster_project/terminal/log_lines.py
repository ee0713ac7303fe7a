"""Lines of one stage for a log: seldom, and none twice in a row."""

from __future__ import annotations

from dagster_project.running.outcome import RequestCounts
from dagster_project.terminal.rates import Pace, Rates
from dagster_project.terminal.stage_line import sentence


class LogLines:
    """What a log is told of one stage at work. A file and Dagster's run log differ in how often they are told."""

    def __init__(self, stage: str, started: float, every: float) -> None:
        self._stage = stage
        self._pace = Pace(started, every)
        self._rates = Rates()
        self._said = ""

    def next(self, counts: RequestCounts, now: float) -> str | None:
        """The line that is due, or None: it is too soon, or nothing has changed (an engine is loading, say)."""
        self._rates.update(counts)
        if not self._pace.is_due(now):
            return None
        line = sentence(self._stage, counts, self._rates)
        if line == self._said:
            return None
        self._said = line
        return line
