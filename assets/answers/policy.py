"""The choices that mathematics does not settle: which spellings count as the same answer.

A policy is data. Each option changes keys, so it is part of a stage's identity; ``version`` is raised whenever the same
options would give other keys. The reasons stand in ``docs/answers.md``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from pydantic import ConfigDict


@dataclass(frozen=True, slots=True)
class Policy:
    """Options of the canonical key. The defaults follow the specification of answers, section 4."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    version: int = 3
    """Version of the rules behind the options."""
    strip_units: bool = True
    r"""``5\text{ cm}``, ``\$5`` and ``5^\circ`` are 5. Inside a list or tuple units stay part of the value."""
    percent_is_unit: bool = True
    r"""``50\%`` is 50, never 0.5. Otherwise it is an answer of its own: neither."""
    labels_are_names: bool = True
    """``x=2`` is 2. ``y=2x+1`` stays an equation."""
    lists_are_unordered: bool = True
    """``1,2`` and ``2,1`` are the same list. ``(1,2)`` and ``(2,1)`` never are."""
    words_are_numbers: bool = True
    """``five`` is 5, as far as a hundred."""


DEFAULT = Policy()
