"""Parses a row of a table that already has our own column names: for sets that no special parser is written for.

``expected_answer`` and ``level`` may be whole numbers; other numbers must be written as text, because 2.50 and 2.5 are
one number and two spellings.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from assets.seeds.rows import Seed
from resources.sources.rows import optional, required

REQUIRED = ("problem", "expected_answer")
OPTIONAL = ("reference_solution", "level", "type", "problem_source")


def parse(values: Mapping[str, Any]) -> Seed:
    """One row as a seed. Raises BadRow."""
    return Seed(
        problem=required(values, "problem"),
        expected_answer=required(values, "expected_answer", allow_int=True),
        reference_solution=optional(values, "reference_solution"),
        level=optional(values, "level", allow_int=True),
        type=optional(values, "type"),
        problem_source=optional(values, "problem_source"),
    )
