"""What a row of a seed source becomes: a :class:`Seed`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Seed:
    """A parsed row. All texts are valid Unicode; ``None`` where the source has nothing."""

    problem: str
    expected_answer: str
    reference_solution: str | None = None
    level: str | None = None
    type: str | None = None
    problem_source: str | None = None
    """Null: the name of the source."""
