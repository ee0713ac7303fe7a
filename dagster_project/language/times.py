"""Times of a schedule: whether a cron string and the name of a time zone mean something."""

from __future__ import annotations

import re
from zoneinfo import ZoneInfo

_RANGES = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7))
"""Minute, hour, day of the month, month, day of the week (0 and 7 are Sunday)."""

_PART = re.compile(r"(?:\*|(\d{1,2})(?:-(\d{1,2}))?)(?:/(\d{1,2}))?", re.ASCII)


def is_cron(text: str) -> bool:
    """Whether ``text`` is a time in five fields of numbers: lists, ranges and steps, no names and no macros.

    That is the part of cron that every reader takes alike. Dagster reads it; the language loads without Dagster.
    """
    fields = text.split()
    return len(fields) == len(_RANGES) and all(map(_is_field, fields, _RANGES))


def _is_field(text: str, limits: tuple[int, int]) -> bool:
    return all(_is_part(part, *limits) for part in text.split(","))


def _is_part(text: str, low: int, high: int) -> bool:
    found = _PART.fullmatch(text)
    if found is None:
        return False
    first, last, step = (int(word) if word else None for word in found.groups())
    if step == 0 or (step is not None and first is not None and last is None):
        return False
    return first is None or low <= first <= (first if last is None else last) <= high


def is_timezone(name: str) -> bool:
    """Whether this machine knows the time zone ``name``."""
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # a KeyError: no such zone
        return False
    return True
