"""Progress of a build: bars on a terminal, plain lines elsewhere (a log file, nohup, CI). Calls may come at any pace.

On a terminal only stages at work have a moving line; how a stage ended is printed once above it and stays.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from rich.console import Console, ConsoleOptions, RenderResult
from rich.live import Live
from rich.text import Text

from dagster_project.running.outcome import Outcome, RequestCounts
from dagster_project.terminal.bars import Mark, ended_line, stage_line
from dagster_project.terminal.log_lines import LogLines
from dagster_project.terminal.quiet import quietly
from dagster_project.terminal.rates import Rates
from dagster_project.terminal.stage_line import ending, note
from dagster_project.terminal.words import cell, duration
from resources.errors import MathloomError

Clock = Callable[[], float]

DRAW_S = 0.125
"""Seconds between two drawings: eight a second look smooth and cost a thousandth of a core."""
NOTE_S = 5.0
"""Seconds for which a note stays at least, also when answers come again at once."""
NAMES = 16
"""Columns of a name until a wider one comes: most names fit, and lines stay in place."""
PLAIN_EVERY_S = 5.0
"""Least seconds between two lines of a stage where there is no terminal."""


@dataclass(slots=True)
class _Stage:
    """A stage at work."""

    kind: str
    started: float
    counts: RequestCounts | None = None
    rates: Rates = field(default_factory=Rates)
    words: str = ""
    noted: float = 0.0
    done_then: int = 0

    def note_at(self, now: float) -> str:
        """The last note, until answers have come since and NOTE_S have passed."""
        done = self.counts.done if self.counts else 0
        if self.words and done != self.done_then and now - self.noted >= NOTE_S:
            self.words = ""
        return self.words


class BarProgress:
    """Bars on a terminal. A thread draws them, so that a spinner turns while an engine loads for minutes."""

    def __init__(self, console: Console, clock: Clock = time.monotonic) -> None:
        self._console = console
        self._clock = clock
        self._stages: dict[str, _Stage] = {}
        self._name_width = NAMES
        self._live = Live(self, console=console, auto_refresh=False, transient=True)
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._draw_on, name="progress", daemon=True)

    def __enter__(self) -> BarProgress:
        self._begin()
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    @quietly
    def _begin(self) -> None:
        self._live.start()
        self._thread.start()

    @quietly
    def _end(self) -> None:
        self._is_over.set()
        if self._thread.is_alive():
            self._thread.join(timeout=2)
        self._stages.clear()
        self._live.stop()

    @quietly
    def _draw_on(self) -> None:
        while not self._is_over.wait(DRAW_S):  # a drawing that fails is the last one
            self._live.refresh()

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """The lines of the stages at work, each within the width the terminal has at this moment."""
        now = self._clock()
        for name, stage in list(self._stages.items()):
            words = stage.note_at(now)
            yield stage_line(
                name,
                stage.counts,
                stage.rates,
                note=words or ("" if stage.counts else stage.kind),
                elapsed=now - (stage.noted if words else stage.started),
                name_width=self._name_width,
                width=options.max_width,
                is_ascii=options.ascii_only,
            )

    @quietly
    def stage_started(self, stage: str, kind: str) -> None:
        """A new line."""
        self._stages[stage] = _Stage(kind, self._clock())
        self._name_width = max(self._name_width, Text(cell(stage)).cell_len)

    @quietly
    def requests(self, stage: str, counts: RequestCounts) -> None:
        """Remember how far it is; the thread draws it."""
        at_work = self._stages[stage]
        at_work.counts = counts
        at_work.rates.update(counts)

    @quietly
    def note(self, stage: str, text: str) -> None:
        """In place of the figures, until answers come again."""
        at_work = self._stages[stage]
        at_work.words = " ".join(text.split())
        at_work.noted = self._clock()
        at_work.done_then = at_work.counts.done if at_work.counts else 0

    @quietly
    def stage_failed(self, stage: str, error: MathloomError) -> None:
        """A line that stays; the message itself comes at the end of the build."""
        self._stages.pop(stage, None)
        self._print(Mark.FAILED, stage, ["failed"], "")

    @quietly
    def stage_ended(self, outcome: Outcome) -> None:
        """A line that stays."""
        self._stages.pop(outcome.stage, None)
        state, *words = ending(outcome)
        self._print(
            Mark.ENDED,
            outcome.stage,
            words if state == "built" else [*words, state],
            duration(outcome.seconds),
        )

    def _print(self, mark: Mark, stage: str, words: Sequence[str], time_taken: str) -> None:
        options = self._console.options
        self._console.print(
            ended_line(
                mark,
                stage,
                words,
                time_taken,
                name_width=self._name_width,
                width=options.max_width,
                is_ascii=options.ascii_only,
            )
        )


class PlainProgress:
    """Lines elsewhere."""

    def __init__(self, console: Console, clock: Clock = time.monotonic) -> None:
        self._console = console
        self._clock = clock
        self._stages: dict[str, LogLines] = {}

    def __enter__(self) -> PlainProgress:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    @quietly
    def stage_started(self, stage: str, kind: str) -> None:
        """Nothing yet: most stages end within a second."""
        self._stages[stage] = LogLines(stage, self._clock(), PLAIN_EVERY_S)

    @quietly
    def requests(self, stage: str, counts: RequestCounts) -> None:
        """A line each few seconds."""
        if line := self._stages[stage].next(counts, self._clock()):
            self._say(line)

    @quietly
    def note(self, stage: str, text: str) -> None:
        """A line."""
        self._say(note(stage, text))

    @quietly
    def stage_failed(self, stage: str, error: MathloomError) -> None:
        """A line; the message itself comes at the end of the build."""
        self._say(f"{cell(stage)}: failed")

    @quietly
    def stage_ended(self, outcome: Outcome) -> None:
        """A line."""
        self._say(f"{cell(outcome.stage)}: {', '.join([*ending(outcome), duration(outcome.seconds)])}")

    def _say(self, text: str) -> None:
        self._console.print(text, markup=False, soft_wrap=True)


def progress_for(console: Console) -> BarProgress | PlainProgress:
    """Bars on a terminal that can move its cursor, lines elsewhere."""
    is_able = console.is_terminal and not console.is_dumb_terminal
    return BarProgress(console) if is_able else PlainProgress(console)
