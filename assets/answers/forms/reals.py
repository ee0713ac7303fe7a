"""Sets of real numbers: unions of intervals in one normal form, whatever way they were described."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cmp_to_key
from typing import NamedTuple

from assets.answers.forms.reader import joined
from assets.answers.reading.undecided import Undecided
from assets.answers.values import digits
from assets.answers.values.number import Number, ball, is_exact

ALL_REALS = "u:R"
MAX_INTERVALS = 64


class End(NamedTuple):
    """One end. ``side`` is -1 or 1 for the infinities and 0 for the number ``value``."""

    key: str
    side: int = 0
    value: Number = None


class Interval(NamedTuple):
    """``low`` to ``high``; a point has both ends closed and equal."""

    low: End
    low_closed: bool
    high: End
    high_closed: bool


LEAST = End("-oo", -1)
GREATEST = End("oo", 1)
EVERYTHING = [Interval(LEAST, False, GREATEST, False)]


def end_of(value: Number) -> End:
    """A real number as an end. Undecided for others."""
    if not is_exact(value) and not value.imag.is_zero():
        raise Undecided
    return End(digits.constant(value), 0, value)


def point(value: Number) -> Interval:
    """The set of one number."""
    end = end_of(value)
    return Interval(end, True, end, True)


def compare(left: End, right: End) -> int:
    """-1, 0 or 1. Undecided where two balls overlap and are not known as one number."""
    if left.side or right.side:
        return (left.side > right.side) - (left.side < right.side)
    if left.key == right.key:
        return 0
    a, b = left.value, right.value
    if is_exact(a) and is_exact(b):
        return -1 if a < b else 1
    below, above = ball(a).real < ball(b).real, ball(a).real > ball(b).real
    if not below and not above:
        raise Undecided
    return -1 if below else 1


def normal(intervals: Sequence[Interval]) -> list[Interval]:
    """Sorted and disjoint; what touches is joined, what is empty is gone."""
    if len(intervals) > MAX_INTERVALS:
        raise Undecided
    kept = [item for item in intervals if not _is_empty(item)]
    kept.sort(key=cmp_to_key(lambda a, b: compare(a.low, b.low) or b.low_closed - a.low_closed))
    found: list[Interval] = []
    for item in kept:
        if found and _touches(found[-1], item):
            found[-1] = _hull(found[-1], item)
        else:
            found.append(item)
    return found


def _is_empty(item: Interval) -> bool:
    order = compare(item.low, item.high)
    return order > 0 or (order == 0 and not (item.low_closed and item.high_closed))


def _touches(left: Interval, right: Interval) -> bool:
    order = compare(right.low, left.high)
    return order < 0 or (order == 0 and (left.high_closed or right.low_closed))


def _hull(left: Interval, right: Interval) -> Interval:
    order = compare(left.high, right.high)
    if order > 0:
        return left
    closed = right.high_closed or (order == 0 and left.high_closed)
    return Interval(left.low, left.low_closed, right.high, closed)


def intersect(left: Sequence[Interval], right: Sequence[Interval]) -> list[Interval]:
    """What lies in both."""
    if len(left) * len(right) > MAX_INTERVALS:
        raise Undecided
    found: list[Interval] = []
    for a in left:
        for b in right:
            order = compare(a.low, b.low)
            low, low_closed = (a.low, a.low_closed) if order > 0 else (b.low, b.low_closed)
            if order == 0:
                low_closed = a.low_closed and b.low_closed
            order = compare(a.high, b.high)
            high, high_closed = (a.high, a.high_closed) if order < 0 else (b.high, b.high_closed)
            if order == 0:
                high_closed = a.high_closed and b.high_closed
            found.append(Interval(low, low_closed, high, high_closed))
    return normal(found)


def complement(intervals: Sequence[Interval]) -> list[Interval]:
    """All reals that lie in none."""
    found: list[Interval] = []
    low, closed = LEAST, False
    for item in normal(intervals):
        found.append(Interval(low, closed, item.low, not item.low_closed and not item.low.side))
        low, closed = item.high, not item.high_closed and not item.high.side
    found.append(Interval(low, closed, GREATEST, False))
    return normal(found)


def show(intervals: Sequence[Interval]) -> str:
    """The key of a set of reals: an interval, a list of points, or a union."""
    found = normal(intervals)
    if not found:
        return "l:()"
    points = [item.low.key for item in found if item.low.key == item.high.key]
    spans = [_span(item) for item in found if item.low.key != item.high.key]
    if not spans:
        return points[0] if len(points) == 1 else joined("l", sorted(points))  # x in {5} is 5
    if len(spans) == 1 and not points:
        return spans[0]
    return joined("u", sorted([*spans, *([joined("l", sorted(points))] if points else [])]))


def _span(item: Interval) -> str:
    opener, closer = "[" if item.low_closed else "(", "]" if item.high_closed else ")"
    return span(opener, [item.low.key, item.high.key], closer)


def span(opener: str, parts: list[str], closer: str) -> str:
    """The key of a tuple or of one interval: they share it, since only their problem tells them apart."""
    if parts == ["-oo", "oo"]:
        return ALL_REALS
    return f"t:{opener}{','.join(parts)}{closer}"
