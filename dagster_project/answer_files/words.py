"""What ``mathloom grade`` and ``mathloom vote`` say when they are done: plain lines, hostile text made visible."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from dagster_project.answer_files.grading import Graded
from dagster_project.answer_files.voting import Voted
from dagster_project.terminal.words import cell, duration, share

_SHOWN = 60
_SLOW_MS = 50.0
"""A key below it is not worth a line."""


def grade_report(told: Graded, output: Path, seconds: float) -> Iterator[str]:
    """The summary of a graded file."""
    graded = told.rows - told.verdicts.get("bad", 0)
    yield f"{graded:,} of {told.rows:,} rows graded in {duration(seconds)}: {cell(output)}"
    for verdict in ("equal", "different", "unknown"):
        count = told.verdicts.get(verdict, 0)
        yield f"{verdict:<10} {count:>11,}  {share(count, graded)}"
    tiers = ", ".join(f"{tier} {count:,}" for tier, count in sorted(told.tiers.items(), key=lambda item: -item[1]))
    yield f"settled by: {tiers or 'nothing'}"
    if told.silent:
        yield f"{told.silent:,} rows have no prediction: different"
    yield from names_report(told.distinct, told.undecided, told.key_seconds, told.slow_keys)
    for gold, pred, ms in told.slow_pairs:
        yield f"slow pair: {ms:,.0f} ms  {cell(gold, _SHOWN)}  |  {cell(pred, _SHOWN)}"
    yield from bad_report(told.verdicts.get("bad", 0), told.bad, "kept without a verdict")


def vote_report(told: Voted, output: Path, seconds: float) -> Iterator[str]:
    """The summary of a file of votes."""
    samples = told.rows - told.bad_rows
    by = f", weights from column {cell(told.weights)!r}" if told.weights else ""
    yield f"{told.problems:,} problems from {samples:,} samples in {duration(seconds)}{by}: {cell(output)}"
    yield f"accepted   {told.accepted:>11,}  {share(told.accepted, told.problems)}"
    yield f"unanimous  {told.unanimous:>11,}  {share(told.unanimous, told.problems)}"
    if told.decided is not None:
        yield f"decided    {told.decided:>11,}  {share(told.decided, told.problems)}: no further sample can change them"
    if told.silent:
        yield f"{told.silent:,} samples have no answer"
    if told.distinct:
        yield from names_report(told.distinct, told.undecided, told.key_seconds, told.slow_keys)
    if told.attached:
        joined = ", ".join(f"{how} {count:,}" for how, count in sorted(told.attached.items()))
        yield f"answers that joined another of their problem: {joined}"
    if told.questions:
        relations = ", ".join(f"{relation} {count:,}" for relation, count in sorted(told.relations.items()))
        yield f"{told.questions:,} pairs of answers could change a winner: {relations or 'not compared'}"
    yield from bad_report(told.bad_rows, told.bad, "left out of the vote")


def names_report(distinct: int, undecided: int, seconds: float, slowest: Sequence[tuple[float, str]]) -> Iterator[str]:
    """What naming the distinct answers took, and how many keys it left open."""
    yield (
        f"{distinct:,} distinct answers named in {duration(seconds)}, "
        f"{undecided:,} keys undecided ({share(undecided, distinct)})"
    )
    for ms, text in slowest:
        if ms >= _SLOW_MS:
            yield f"slow key: {ms:,.0f} ms  {cell(text, _SHOWN)}"


def bad_report(count: int, examples: Sequence[str], fate: str) -> Iterator[str]:
    """Rows that could not be used, with the first of them."""
    if count:
        yield f"{count:,} bad rows, {fate}:"
        for example in examples:
            yield f"  {cell(example, 2 * _SHOWN + 40)}"
