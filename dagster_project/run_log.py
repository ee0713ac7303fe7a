"""What a build says in the log of its Dagster run, where the UI shows it."""

from __future__ import annotations

from typing import Any


class LogProgress:
    """A Progress that writes to the run's log, where the UI shows it."""

    def __init__(self, log: Any) -> None:
        self._log = log
        self._next: dict[str, int] = {}

    def stage_started(self, stage: str, kind: str) -> None:
        """Dagster logs the step's start itself."""

    def requests(self, stage: str, counts: Any) -> None:
        """One line each 100 answers."""
        if counts.completed + counts.failed >= self._next.get(stage, 100):
            self._next[stage] = counts.completed + counts.failed + 100
            self._log.info(
                f"{stage}: {counts.completed} completed, {counts.failed} failed, {counts.reused} reused, "
                f"{counts.completion_tokens} tokens out"
            )

    def note(self, stage: str, text: str) -> None:
        """A line."""
        self._log.info(f"{stage}: {text}")

    def stage_ended(self, outcome: Any) -> None:
        """A line."""
        self._log.info(f"{outcome.stage}: {outcome.state}, {outcome.version.row_count():,} rows")

    def stage_failed(self, stage: str, error: Any) -> None:
        """Dagster logs the failure itself."""
