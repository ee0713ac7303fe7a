"""Which completions a prune may take: from the words of the command line to a rule."""

from __future__ import annotations

import re
import time

import click

from dagster_project.completion_files.named import PruneRule

UNUSED_AGE = "7d"
"""What no version names is left alone for so long: a build that was interrupted has no version yet."""

_AGE = re.compile(r"(\d{1,5})\s*([hdw])")
_HOURS = {"h": 1, "d": 24, "w": 168}


def rule_of(*, unused: bool, weights: str | None, age: str | None, now_ns: int | None = None) -> PruneRule:
    """The rule. Raises click.UsageError if nothing is said, or an age that is none."""
    if not unused and weights is None and age is None:
        raise click.UsageError("say what may go: --unused, --weights ID or --older-than 90d")
    age = age or (UNUSED_AGE if unused else None)
    if age is None:
        return PruneRule(unused, weights)
    found = _AGE.fullmatch(age.strip().lower())
    if found is None:
        raise click.UsageError(f"--older-than {age!r} is no age: write 90d, 12h or 4w")
    seconds = int(found[1]) * _HOURS[found[2]] * 3600
    return PruneRule(unused, weights, (time.time_ns() if now_ns is None else now_ns) - seconds * 10**9)
