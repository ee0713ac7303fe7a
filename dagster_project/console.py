"""What a person sees of a build in a terminal: progress while it runs, a table when it ends. Talk goes to stderr.

On a terminal: bars. Elsewhere (a log file, nohup, CI): plain lines, at most one each few seconds a stage.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

from dagster_project.metadata import cell
from dagster_project.running.outcome import Outcome, RequestCounts
from resources.errors import MathloomError

PLAIN_EVERY_S = 5.0
PLAIN_SHARE = 0.05
"""A stage that runs for hours speaks less often: at most one line each twentieth of its time so far."""
PLAIN_WIDTH = 200
"""Columns where there is no terminal: a table in a log must not be folded."""


def out() -> Console:
    """Where data goes. As wide as needed when it is no terminal: a table in a file must not be folded."""
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=PLAIN_WIDTH)


def talk() -> Console:
    """Where talk goes. Prints turn markup off themselves: names and errors can hold brackets."""
    console = Console(stderr=True, highlight=False)
    return console if console.is_terminal else Console(stderr=True, highlight=False, width=PLAIN_WIDTH)


class BarProgress:
    """Bars on a terminal."""

    def __init__(self, console: Console) -> None:
        self._bars = Progress(
            SpinnerColumn(finished_text="✓"),
            TextColumn("{task.fields[stage]:<18}", style="bold"),
            BarColumn(bar_width=26),
            MofNCompleteColumn(),
            TextColumn("{task.fields[words]}", style="dim"),
            TimeElapsedColumn(),
            console=console,
        )
        self._tasks: dict[str, TaskID] = {}
        self._started: dict[str, float] = {}

    def __enter__(self) -> BarProgress:
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()

    def stage_started(self, stage: str, kind: str) -> None:
        """A new bar of unknown length."""
        self._started[stage] = time.monotonic()
        self._tasks[stage] = self._bars.add_task(stage, total=None, stage=stage, words=kind)

    def requests(self, stage: str, counts: RequestCounts) -> None:
        """Move the bar. ``counts.total`` grows while requests are still being made, so it is a lower bound."""
        done = counts.completed + counts.failed + counts.reused
        self._bars.update(
            self._tasks[stage],
            completed=done,
            total=max(counts.total, done),
            words=_rates(counts, time.monotonic() - self._started[stage]),
        )

    def note(self, stage: str, text: str) -> None:
        """Beside the bar."""
        self._bars.update(self._tasks[stage], words=text)

    def stage_failed(self, stage: str, error: MathloomError) -> None:
        """Beside the bar; the message itself comes at the end."""
        self._bars.update(self._tasks[stage], words="failed")

    def stage_ended(self, outcome: Outcome) -> None:
        """Full bar, rows out."""
        count = outcome.version.row_count()
        words = f"{outcome.state}, {count:,} rows"
        total = max(count, 1)
        self._bars.update(self._tasks[outcome.stage], total=total, completed=total, words=words)


class PlainProgress:
    """Lines elsewhere."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._last: dict[str, float] = {}
        self._started: dict[str, float] = {}

    def __enter__(self) -> PlainProgress:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def stage_started(self, stage: str, kind: str) -> None:
        """Nothing yet: most stages end within a second."""
        self._started[stage] = self._last[stage] = time.monotonic()

    def requests(self, stage: str, counts: RequestCounts) -> None:
        """A line each few seconds."""
        now = time.monotonic()
        if now - self._last[stage] >= max(PLAIN_EVERY_S, PLAIN_SHARE * (now - self._started[stage])):
            self._last[stage] = now
            done = counts.completed + counts.failed + counts.reused
            self._say(f"{stage}: {done}/{counts.total} requests, {_rates(counts, now - self._started[stage])}")

    def note(self, stage: str, text: str) -> None:
        """A line."""
        self._say(f"{stage}: {text}")

    def stage_failed(self, stage: str, error: MathloomError) -> None:
        """A line; the message itself comes at the end."""
        self._say(f"{stage}: failed")

    def stage_ended(self, outcome: Outcome) -> None:
        """A line."""
        rejected = sum(outcome.funnel.get("rejected", {}).values())
        words = f", {rejected:,} rejected" if rejected else ""
        self._say(
            f"{outcome.stage}: {outcome.state}, {outcome.version.row_count():,} rows{words}, {outcome.seconds:.1f} s"
        )

    def _say(self, text: str) -> None:
        self._console.print(text, markup=False, soft_wrap=True)


def progress_for(console: Console) -> BarProgress | PlainProgress:
    """Bars on a terminal, lines elsewhere."""
    return BarProgress(console) if console.is_terminal else PlainProgress(console)


def _rates(counts: RequestCounts, seconds: float) -> str:
    seconds = max(seconds, 0.001)
    words = [f"{counts.reused:,} reused"] if counts.reused else []
    if counts.completed:
        words.append(f"{counts.completed / seconds:.1f} requests/s")
        words.append(f"{counts.completion_tokens / seconds:,.0f} tokens/s out")
    if counts.failed:
        words.append(f"{counts.failed:,} failed")
    return ", ".join(words)


def summary(outcomes: Sequence[Outcome]) -> Table:
    """One line a stage: rows in and out, why rows left, requests, tokens, checks, time."""
    table = Table(box=None, pad_edge=False, header_style="bold", expand=False)
    for name in ("stage", "in", "out", "rejected", "requests", "tokens out", "checks", "time", "peak MB"):
        table.add_column(name, justify="left" if name in ("stage", "rejected", "requests", "checks") else "right")
    for outcome in outcomes:
        table.add_row(
            outcome.stage,
            f"{_rows_in(outcome.funnel):,}" if outcome.funnel.get("rows_in") else "",
            f"{outcome.version.row_count():,}",
            _reasons(outcome.funnel),
            _requests(outcome),
            f"{outcome.requests.completion_tokens:,}" if outcome.requests.completion_tokens else "",
            _checks(outcome),
            "reused" if outcome.state == "reused" else f"{outcome.seconds:.1f} s",
            f"{outcome.peak_mb:.0f}" if outcome.peak_mb else "",
        )
    return table


def _rows_in(funnel: Mapping[str, Any]) -> int:
    rows: Mapping[str, int] = funnel["rows_in"]
    main = str(funnel.get("main"))
    return rows[main] if main in rows else sum(rows.values())


def _reasons(funnel: Mapping[str, Any]) -> str:
    rejected: Mapping[str, int] = funnel.get("rejected", {})
    return ", ".join(f"{n:,} {cell(rule, 40)}" for rule, n in rejected.items())


def _requests(outcome: Outcome) -> str:
    counts = outcome.requests
    if not counts.total:
        return ""
    words = [f"{counts.completed:,} new"]
    if counts.reused:
        words.append(f"{counts.reused:,} reused")
    if counts.failed:
        words.append(f"{counts.failed:,} failed")
    return ", ".join(words)


def _checks(outcome: Outcome) -> str:
    failed = [c for c in outcome.checks if not c.passed]
    passed = len(outcome.checks) - len(failed)
    return f"{passed} passed" + (f", {len(failed)} warned" if failed else "")
