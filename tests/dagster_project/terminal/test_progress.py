"""Progress on a terminal and elsewhere: what is printed, what it costs, and that nothing of it can fail a build."""

from __future__ import annotations

import errno
import io
import re
import threading
import time
from collections.abc import Callable

import pytest
from rich.console import Console

from dagster_project.running.outcome import Outcome, RequestCounts
from dagster_project.terminal.progress import BarProgress, PlainProgress, progress_for
from resources.errors import EngineError

Make = Callable[..., Outcome]


class Clock:
    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


class Broken(io.StringIO):
    """A terminal that is gone, or a log on a full disk."""

    def write(self, _text: str) -> int:
        raise OSError(errno.ENOSPC, "no space left")


def terminal(width: int = 100, file: io.StringIO | None = None) -> Console:
    return Console(
        file=file or io.StringIO(), force_terminal=True, width=width, height=30, _environ={"TERM": "xterm-256color"}
    )


def plain(file: io.StringIO | None = None) -> Console:
    return Console(file=file or io.StringIO(), width=200)


def said(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", console.file.getvalue())


def error() -> EngineError:
    return EngineError("broken", where="here", fix="Mend it")


# Elsewhere than on a terminal.


def test_lines_come_each_few_seconds() -> None:
    clock, console = Clock(), plain()
    progress = PlainProgress(console, clock)
    progress.stage_started("solutions", "generation.sample")
    counts = RequestCounts(total=1_000_000, to_do=1_000_000)
    for _ in range(600):  # a minute of reports, five a second
        clock.now += 0.2
        counts.answering_seconds += 0.2
        counts.completed += 20
        counts.completion_tokens += 2_000
        progress.requests("solutions", counts)
    lines = said(console).splitlines()
    assert 20 <= len(lines) <= 24
    assert lines[-1] == (
        "solutions: 11.7k of 1.0M (1.2 %), 100 requests/s, tokens/s 0.0 in, 10.0k out, 2 h 45 min left"
    )


def test_nothing_new_is_no_line() -> None:
    """An engine loads for minutes: the last words are that it is started."""
    clock, console = Clock(), plain()
    progress = PlainProgress(console, clock)
    progress.stage_started("solutions", "generation.sample")
    progress.note("solutions", "starting engine 'vllm' for role 'solver'")
    counts = RequestCounts(total=180, reused=60, to_do=120)
    for _ in range(300):
        clock.now += 1.0
        progress.requests("solutions", counts)
    assert said(console).splitlines() == [
        "solutions: starting engine 'vllm' for role 'solver'",
        "solutions: 60 of 180 (33.3 %), 33.3 % reused",
    ]


def test_notes_are_lines_at_once_and_printable() -> None:
    console = plain()
    with PlainProgress(console) as progress:
        progress.stage_started("a[b]c", "kind")
        progress.note("a[b]c", "the engine broke and is started again: \x1b[31mCUDA\nout of memory [bold]")
    assert said(console) == "a[b]c: the engine broke and is started again: \\x1b[31mCUDA out of memory [bold]\n"


def test_lines_of_an_end(outcome: Make) -> None:
    console = plain()
    progress = PlainProgress(console)
    progress.stage_started("solutions", "kind")
    counts = RequestCounts(total=1_000, reused=987, to_do=13, completed=12, failed=1, completion_tokens=7_431)
    counts.cost, counts.currency = 1.25, "EUR"
    progress.stage_ended(outcome(requests=counts, funnel={"rejected": {"no answer": 3}}))
    progress.stage_failed("graded", error())
    assert said(console).splitlines() == [
        "solutions: built, 180 rows, 3 rejected, 12 new completions, 98.7 % reused, 1 failed, 7,431 tokens out, "
        "1.25 EUR, 26 s",
        "graded: failed",
    ]


# On a terminal.


def test_stages_at_work_have_a_line_and_those_that_ended_stay(outcome: Make) -> None:
    clock, console = Clock(), terminal()
    with BarProgress(console, clock) as progress:
        progress.stage_started("seeds", "seeds.inline")
        progress.stage_ended(outcome("seeds", rows=40))
        progress.stage_started("solutions", "generation.sample")
        progress.requests("solutions", RequestCounts(total=100, to_do=100, completed=40, answering_seconds=10))
        time.sleep(0.4)
        assert re.search(r"solutions +━+─+ +40/100 +4.0 req/s +15s left", said(console))
        progress.stage_failed("solutions", error())
    shown = said(console)
    assert "✓ seeds             40 rows  26 s" in shown
    assert "✗ solutions         failed" in shown
    assert all(len(line) <= 100 for line in re.split(r"[\r\n]", shown))


def test_a_note_gives_way_to_answers_but_can_be_read() -> None:
    clock, console = Clock(), terminal()
    with BarProgress(console, clock) as progress:
        progress.stage_started("s", "k")
        progress.note("s", "starting engine 'scripted'")
        clock.now += 42
        assert "42s  starting engine 'scripted'" in drawn(progress)
        progress.note("s", "the engine broke")
        counts = RequestCounts(total=10, to_do=10, completed=1)
        progress.requests("s", counts)
        clock.now += 1
        assert "the engine broke" in drawn(progress)
        clock.now += 5
        assert "the engine broke" not in drawn(progress)
        progress.note("s", "interrupted: waiting for answers under way")
        clock.now += 60
        assert "interrupted" in drawn(progress)


def drawn(progress: BarProgress) -> str:
    console = terminal()
    console.print(progress)
    return said(console)


def test_two_stages_at_once_have_two_lines() -> None:
    with BarProgress(terminal(), Clock()) as progress:
        progress.stage_started("one", "k")
        progress.stage_started("two", "k")
        assert len(drawn(progress).splitlines()) == 2


def test_the_terminal_may_become_narrow_meanwhile() -> None:
    with BarProgress(terminal(), Clock()) as progress:
        progress.stage_started("solutions", "k")
        progress.requests("solutions", RequestCounts(total=26_600_000, reused=26_000_000, to_do=600_000))
        for width in (120, 40, 10, 1):
            console = terminal(width)
            console.print(progress)
            assert len(said(console).splitlines()) == 1


def test_the_thread_goes_with_the_display() -> None:
    with BarProgress(terminal()) as progress:
        progress.stage_started("s", "k")
        assert any(t.name == "progress" for t in threading.enumerate())
    assert not any(t.name == "progress" for t in threading.enumerate())


# Which of the two, what it costs, and what it never does.


def test_a_terminal_that_cannot_move_its_cursor_has_lines() -> None:
    assert isinstance(progress_for(terminal()), BarProgress)
    assert isinstance(progress_for(plain()), PlainProgress)
    dumb = Console(file=io.StringIO(), force_terminal=True, _environ={"TERM": "dumb"})
    assert isinstance(progress_for(dumb), PlainProgress)


@pytest.mark.parametrize("make", [BarProgress, PlainProgress])
def test_nothing_of_it_fails_a_build(make: Callable[..., BarProgress | PlainProgress], outcome: Make) -> None:
    consoles = [terminal(file=Broken()), plain(Broken()), terminal(1)]
    for console in consoles:
        with make(console) as progress:
            progress.requests("never started", RequestCounts())
            progress.note("never started", "")
            progress.stage_started("s", "k")
            progress.note("s", "starting")
            progress.requests("s", RequestCounts(total=-5, completed=3, answering_seconds=float("nan")))
            progress.requests("s", RequestCounts(total=1, cost=float("inf"), currency="USD"))
            time.sleep(0.3 if make is BarProgress else 0)
            progress.stage_failed("s", error())
            progress.stage_ended(outcome(version=None))
            progress.stage_ended(outcome())


@pytest.mark.parametrize("make", [BarProgress, PlainProgress])
def test_a_call_that_prints_nothing_costs_microseconds(make: Callable[..., BarProgress | PlainProgress]) -> None:
    progress = make(terminal(), lambda: 1_000.0)
    progress.stage_started("s", "k")
    counts = RequestCounts(total=26_600_000, to_do=26_600_000)
    best = min(_seconds_of_a_thousand(progress, counts) for _ in range(5))
    assert best / 1_000 < 20e-6


def _seconds_of_a_thousand(progress: BarProgress | PlainProgress, counts: RequestCounts) -> float:
    before = time.perf_counter()
    for _ in range(1_000):
        counts.completed += 1
        counts.answering_seconds += 0.0024  # 400 answers a second
        progress.requests("s", counts)
    return time.perf_counter() - before
