"""Parses a row of GSM8K: ``question``, and ``answer`` = a solution with calculator notes, ``####``, the number.

Specification: specs of OpenMathInstruct-2, section "Seeds". The mark and the number are left out of the reference
solution, since the number has a column of its own.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from assets.seeds.rows import Seed
from resources.sources.rows import BadRow, required

REQUIRED = ("question", "answer")
OPTIONAL: tuple[str, ...] = ()

_MARK = "####"
_CALCULATOR = re.compile(r"<<[^<>]*>>")
"""``<<48/2=24>>``: the note of a calculator, never nested. Stops at any angle bracket, so the search is linear."""


def parse(values: Mapping[str, Any]) -> Seed:
    """One row as a seed. Raises BadRow."""
    problem = required(values, "question")
    solution, mark, answer = required(values, "answer").rpartition(_MARK)
    if not mark:
        raise BadRow("no answer", f"the answer has no {_MARK!r}", solution or answer)
    answer = answer.replace(",", "").strip()
    if not answer:
        raise BadRow("no answer", f"nothing stands after {_MARK!r}")
    return Seed(problem, answer, _CALCULATOR.sub("", solution).strip() or None)
