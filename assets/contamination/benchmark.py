"""What a row of a benchmark holds for us: the text of its problem. Answers are not read: nothing here needs them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from assets.schemas import normalise_problem
from resources.sources.rows import BadRow, optional

COLUMNS = ("problem", "question", "Problem", "Question", "prompt")
"""Names under which benchmarks have their problem. MATH, AMC, AIME, Omni-MATH and CollegeMath say ``problem`` (some
copies ``question`` or ``prompt``), GSM8K and OlympiadBench ``question``."""


def problem_of(values: Mapping[str, Any], columns: Sequence[str]) -> str:
    """The problem of one row: the first of ``columns`` that has text. Raises BadRow if none has."""
    for column in columns:
        if values.get(column) is not None and (text := optional(values, column)):
            return normalise_problem(text)
    raise BadRow("missing field", f"no field of {', '.join(columns)} has text")
