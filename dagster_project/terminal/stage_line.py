"""The one line that tells how a stage stands: the same facts on a terminal, in a log file and in Dagster's run log."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dagster_project.running.outcome import Outcome, RequestCounts
from dagster_project.terminal.rates import Rates
from dagster_project.terminal.words import amount, cell, compact, duration, rate, share, short

CORE = 4
"""Ranks up to here are said in full before the others are said at all."""
NOTE = 200
"""Characters of a note: an engine's last words can be a page."""


@dataclass(frozen=True, slots=True)
class Part:
    """One fact."""

    rank: int
    """Where a line is too long, the part of the highest rank goes first."""
    long: str
    """For a log."""
    briefs: Sequence[str]
    """For a terminal, widest first."""
    is_bad: bool = False


def parts(counts: RequestCounts, rates: Rates) -> list[Part]:
    """What there is to say, in the order in which it is read. What is zero is not said."""
    total = max(counts.total, counts.done)
    found = [
        Part(0, f"{short(counts.done)} of {short(total)} ({share(counts.done, total)})", [_of(counts.done, total)]),
        _same(6, f"{share(counts.reused, total)} reused") if counts.reused else None,
        _count(1, counts.failed, "failed", is_bad=True),
        _count(8, counts.given_up, "given up", is_bad=True),
        _count(9, counts.retried, "retried"),
        _count(3, counts.restarts, "restarts" if counts.restarts != 1 else "restart", is_bad=True),
        *_rates(counts, rates),
        _left(rates),
        _spent(counts),
    ]
    return [part for part in found if part is not None]


def _of(done: int, total: int) -> str:
    whole = short(total)
    return f"{short(done):>{len(whole)}}/{whole}"


def _same(rank: int, text: str) -> Part:
    return Part(rank, text, [text])


def _count(rank: int, number: int, word: str, *, is_bad: bool = False) -> Part | None:
    text = f"{short(number)} {word}"
    return Part(rank, text, [text], is_bad) if number else None


def _left(rates: Rates) -> Part | None:
    seconds = rates.seconds_left
    return Part(2, f"{duration(seconds)} left", [f"{compact(seconds)} left"]) if seconds else None


def _spent(counts: RequestCounts) -> Part | None:
    ended = counts.completed + counts.failed
    if counts.currency:
        unit, spent, expected = cell(counts.currency, 8), counts.cost, counts.expected_cost
    else:
        unit, spent = "GPU-hours", counts.gpu_hours
        expected = spent * max(counts.to_do, ended) / ended if ended else None
    if not spent:
        return None
    if expected is None or counts.to_do <= ended:
        return _same(4, f"{amount(spent)} {unit}")
    now, in_all = amount(spent), amount(expected)
    return Part(4, f"{now} of ~{in_all} {unit}", [f"{now}/{in_all} {unit}", f"{now} {unit}"])


def _rates(counts: RequestCounts, rates: Rates) -> list[Part]:
    if not counts.answering_seconds or counts.completed + counts.failed == 0:
        return []
    requests, tokens_in, tokens_out = rate(rates.requests), rate(rates.tokens_in), rate(rates.tokens_out)
    found = [Part(7, f"{requests} requests/s", [f"{requests:>4} req/s"])]
    if counts.prompt_tokens or counts.completion_tokens:
        long = f"tokens/s {tokens_in} in, {tokens_out} out"
        found.append(Part(5, long, [f"tok/s {tokens_in:>5} in {tokens_out:>5} out", f"{tokens_out:>5} tok/s out"]))
    return found


def sentence(stage: str, counts: RequestCounts, rates: Rates) -> str:
    """All of it, for a log."""
    return f"{cell(stage)}: {', '.join(part.long for part in parts(counts, rates))}"


def note(stage: str, text: str) -> str:
    """What a stage does now, for a log. The words can be an engine's, so they are made printable."""
    return f"{cell(stage)}: {cell(' '.join(text.split()), NOTE)}"


def ending(outcome: Outcome) -> Sequence[str]:
    """How it ended: the state, rows, and what was asked for; the stage and the time are for the caller to place."""
    counts = outcome.requests
    rejected = sum(outcome.funnel.get("rejected", {}).values())
    words = [outcome.state, f"{short(outcome.version.row_count(), 1_000_000)} rows"]
    if rejected:
        words.append(f"{short(rejected, 1_000_000)} rejected")
    if counts.total:
        words.append(f"{short(counts.completed)} new completions")
    if counts.reused:
        words.append(f"{share(counts.reused, counts.total)} reused")
    if counts.failed:
        words.append(f"{short(counts.failed)} failed")
    if counts.completion_tokens:
        words.append(f"{short(counts.completion_tokens)} tokens out")
    if spent := _spent(counts):
        words.append(spent.long)
    return words
