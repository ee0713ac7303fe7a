"""What a person calls a row: an id or the beginning of one, or a split and a row number."""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass

from resources.errors import FileError

SHORTEST = 8
"""Fewest hexadecimal digits of the beginning of an id: fewer would rarely name one row among millions."""

_HEX = re.compile(r"[0-9a-f]{8,32}", re.ASCII)
_ROW = re.compile(r"(\w+(?:\.\w+)*):(\d{1,15})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Wanted:
    """An id, as the first and last one that it can mean; or a row of a split."""

    words: str
    low: str = ""
    high: str = ""
    split: str = ""
    row: int = -1

    @property
    def is_whole(self) -> bool:
        """Whether it is a whole id."""
        return bool(self.low) and self.low == self.high

    @property
    def is_place(self) -> bool:
        """Whether it names a row by its place."""
        return self.row >= 0


def parse_id(words: str) -> Wanted:
    """``words`` as an id, a beginning of one, or ``split:row`` (rows count from 0).

    Raises:
        FileError: It is none of them.
    """
    place = _ROW.fullmatch(words)
    if place:
        return Wanted(words, split=place[1], row=int(place[2]))
    digits = words.strip().lower().replace("-", "")
    if not _HEX.fullmatch(digits):
        raise FileError(
            f"{words[:80]!r} names no row",
            where="mathloom why",
            fix=(
                "Give a solution_id, problem_id or request_key (config `provenance` has them), at least "
                f"{SHORTEST} digits of one, or split:row, such as train:0"
            ),
        )
    low, high = (str(uuid.UUID(hex=digits.ljust(32, end))) for end in "0f")
    return Wanted(words, low=low, high=high)
