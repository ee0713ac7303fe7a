"""Sets of reals beside brute force: what a set holds is asked at every end, and between and beyond all ends."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import pytest
from flint import acb, ctx, fmpq
from hypothesis import given
from hypothesis import strategies as st

from assets.answers.forms import reals
from assets.answers.forms.reals import EVERYTHING, GREATEST, LEAST, End, Interval
from assets.answers.reading.undecided import Undecided
from assets.answers.values.number import BITS

PLACES = [Fraction(half, 2) for half in range(-9, 10)]
"""All whole ends from -4 to 4, the middles between them, and a place beyond them on each side."""


def place(end: End) -> float | Fraction:
    return end.side * float("inf") if end.side else Fraction(int(end.value.p), int(end.value.q))


def holds(intervals: Sequence[Interval], at: Fraction) -> bool:
    return any(
        (place(item.low) < at or (item.low_closed and place(item.low) == at))
        and (at < place(item.high) or (item.high_closed and place(item.high) == at))
        for item in intervals
    )


def held(intervals: Sequence[Interval]) -> list[bool]:
    return [holds(intervals, at) for at in PLACES]


ENDS = st.integers(-4, 4).map(lambda whole: reals.end_of(fmpq(whole)))


@st.composite
def intervals(draw: st.DrawFn) -> Interval:
    low = draw(st.one_of(ENDS, st.just(LEAST)))
    high = draw(st.one_of(ENDS, st.just(GREATEST)))
    return Interval(low, draw(st.booleans()) and not low.side, high, draw(st.booleans()) and not high.side)


SETS = st.lists(intervals(), max_size=5)


@given(SETS)
def test_normal_form_holds_the_same_and_is_one(found: list[Interval]) -> None:
    form = reals.normal(found)
    assert held(form) == held(found)
    assert reals.normal(form) == form == reals.normal(found[::-1])


@given(SETS)
def test_complement(found: list[Interval]) -> None:
    other = reals.complement(found)
    assert held(other) == [not inside for inside in held(found)]
    assert reals.complement(other) == reals.normal(found)


@given(SETS, SETS)
def test_intersection(left: list[Interval], right: list[Interval]) -> None:
    both = reals.intersect(left, right)
    assert held(both) == [a and b for a, b in zip(held(left), held(right), strict=True)]


@given(SETS, SETS)
def test_keys_are_equal_exactly_where_sets_are(left: list[Interval], right: list[Interval]) -> None:
    assert (reals.show(left) == reals.show(right)) == (held(left) == held(right))


def test_shown() -> None:
    one, two = reals.point(fmpq(1)), reals.point(fmpq(2))
    assert reals.show([]) == "l:()"
    assert reals.show([one]) == "q:1"
    assert reals.show([two, one, two]) == "l:(q:1,q:2)"
    assert reals.show(EVERYTHING) == reals.ALL_REALS
    assert reals.show(reals.complement([one])) == "u:(t:(-oo,q:1),t:(q:1,oo))"


def test_ends_are_real_and_few() -> None:
    with pytest.raises(Undecided):
        reals.end_of(acb(1, 1))
    with pytest.raises(Undecided):
        reals.normal([reals.point(fmpq(1))] * (reals.MAX_INTERVALS + 1))


def test_irrational_ends_are_ordered() -> None:
    ctx.prec = BITS
    root = reals.end_of(acb(2).sqrt())
    assert reals.compare(root, reals.end_of(fmpq(3, 2))) == -1
    assert reals.compare(root, reals.end_of(acb(2).sqrt())) == 0
    assert reals.compare(root, LEAST) == 1
