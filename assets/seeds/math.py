"""Parses a row of MATH: ``problem``, ``solution`` with the answer in a box, ``level`` and ``type``.

The answer is the content of the last balanced box. ``level`` is kept as written ("Level ?" too). Mirrors that call
the subject ``subject`` are read as well.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from assets.seeds.rows import Seed
from resources.boxes import last_box
from resources.sources.rows import BadRow, optional, required

REQUIRED = ("problem", "solution")
OPTIONAL = ("level", "type", "subject")

_SHOWN = 200
"""Characters of a solution's end shown in its reject: where the box should have been."""


def parse(values: Mapping[str, Any]) -> Seed:
    """One row as a seed. Raises BadRow."""
    problem = required(values, "problem")
    solution = required(values, "solution")
    answer = last_box(solution)
    if not answer:
        reason = "the solution has no balanced box" if answer is None else "the last box of the solution is empty"
        raise BadRow("no answer", reason, solution[-_SHOWN:])
    subject = optional(values, "type") or optional(values, "subject")
    return Seed(problem, answer, solution, optional(values, "level"), subject)
