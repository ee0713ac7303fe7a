"""Where rational functions change their sign, beside functions whose zeros and poles were chosen."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.answers.reading.parser import parse
from assets.answers.reading.tokens import tokenize
from assets.answers.reading.undecided import Undecided
from assets.answers.values.roots import Change, changes

WHOLE = st.integers(-6, 6)


def of(text: str) -> tuple[list[Change], list[int]]:
    return changes(parse(tokenize(text)))


@given(st.lists(WHOLE, min_size=1, max_size=4), st.lists(WHOLE, max_size=3))
def test_chosen_zeros_and_poles(zeros: list[int], poles: list[int]) -> None:
    top, bottom = ("".join(f"(x-({at}))" for at in places) or "1" for places in (zeros, poles))
    places, signs = of(rf"\frac{{{top}}}{{{bottom}}}")
    left = [at for at in zeros if zeros.count(at) > poles.count(at)]
    assert [int(change.key[2:]) for change in places] == sorted({*left, *poles})
    assert all(change.is_zero == (int(change.key[2:]) not in poles) for change in places)
    at = [int(change.key[2:]) for change in places]
    middles = [Fraction(a + b, 2) for a, b in zip([*at[:1], *at], [*at, *at[-1:]], strict=True)] if at else []
    middles[:1], middles[-1:] = ([at[0] - Fraction(1)], [at[-1] + Fraction(1)]) if at else ([], [])
    for middle, sign in zip(middles, signs, strict=True) if at else ():
        count = sum(middle < root for root in [*zeros, *poles])
        assert sign == (-1) ** count


def test_irrational_places() -> None:
    places, signs = of("x^2-2")
    assert [change.key[:6] for change in places] == ["n:-1.4", "n:1.41"]
    assert signs == [1, -1, 1]


@pytest.mark.parametrize("text", [r"\sin x", "xy", "3", "x^{13}", r"\sqrt{x}", r"\frac{1}{x-x}"])
def test_other_functions_are_undecided(text: str) -> None:
    with pytest.raises(Undecided):
        of(text)
