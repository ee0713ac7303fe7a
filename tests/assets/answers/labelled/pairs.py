"""Reads the labelled pairs: one file of tab-separated values per category, beside this module.

A row is ``a``, ``b``, ``label`` (``equal`` or ``different``) and ``reason``. Labels follow the policy of answers and
mathematics, never what an engine says. A reason is given where a policy decides (it begins with ``policy:``) or where
the mathematics is easy to get wrong. All pairs are our own writing. Most different pairs are near misses.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal, cast

Label = Literal["equal", "different"]

COLUMNS = "a\tb\tlabel\treason"


@dataclass(frozen=True, slots=True)
class Pair:
    """Two answers, whether they are the same one, and why. ``place`` is ``category:line`` of its file."""

    a: str
    b: str
    label: Label
    category: str
    reason: str
    place: str

    def __str__(self) -> str:
        why = f"  ({self.reason})" if self.reason else ""
        return f"{self.place}: {self.label}: {self.a!r} | {self.b!r}{why}"


@cache
def labelled_pairs() -> tuple[Pair, ...]:
    """All pairs, by category and line. Raises ValueError naming the place of a malformed row."""
    pairs: list[Pair] = []
    for path in sorted(Path(__file__).parent.glob("*.tsv")):
        head, *rows = path.read_text(encoding="utf-8").split("\n")[:-1]
        if head != COLUMNS:
            raise ValueError(f"{path.name}:1: the columns are not {COLUMNS!r}")
        for number, row in enumerate(rows, 2):
            fields = row.split("\t")
            if len(fields) != 4 or fields[2] not in {"equal", "different"}:
                raise ValueError(f"{path.name}:{number}: not a, b, label, reason")
            a, b, label, reason = fields
            pairs.append(Pair(a, b, cast(Label, label), path.stem, reason, f"{path.stem}:{number}"))
    return tuple(pairs)
