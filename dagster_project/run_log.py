"""What a build says in the log of its Dagster run, where the UI shows it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from dagster_project.running.outcome import Outcome, RequestCounts
from dagster_project.terminal.log_lines import LogLines
from dagster_project.terminal.quiet import quietly
from dagster_project.terminal.stage_line import ending, note
from dagster_project.terminal.words import cell, duration
from resources.errors import MathloomError

LOG_EVERY_S = 10.0
"""Least seconds between two lines of a stage: each is a row of the event log, for ever."""


class LogProgress:
    """A Progress that writes to the run's log. How seldom it speaks in a long stage: see Pace."""

    def __init__(self, log: Any, clock: Callable[[], float] = time.monotonic) -> None:
        self._log = log
        self._clock = clock
        self._stages: dict[str, LogLines] = {}

    @quietly
    def stage_started(self, stage: str, kind: str) -> None:
        """No line: Dagster logs the step's start itself."""
        self._stages[stage] = LogLines(stage, self._clock(), LOG_EVERY_S)

    @quietly
    def requests(self, stage: str, counts: RequestCounts) -> None:
        """A line now and then."""
        if line := self._stages[stage].next(counts, self._clock()):
            self._log.info(line)

    @quietly
    def note(self, stage: str, text: str) -> None:
        """A line."""
        self._log.info(note(stage, text))

    @quietly
    def stage_ended(self, outcome: Outcome) -> None:
        """A line."""
        self._log.info(f"{cell(outcome.stage)}: {', '.join([*ending(outcome), duration(outcome.seconds)])}")

    @quietly
    def stage_failed(self, stage: str, error: MathloomError) -> None:
        """No line: Dagster logs the failure itself."""
