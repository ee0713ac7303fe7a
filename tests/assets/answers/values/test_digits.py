"""Numbers as text: the fraction that a ball is, or sixty digits; never a fraction that it is only near."""

from __future__ import annotations

from fractions import Fraction

import pytest
from flint import acb, arb, ctx, fmpq
from hypothesis import given
from hypothesis import strategies as st

from assets.answers.reading.undecided import Undecided
from assets.answers.values import digits
from assets.answers.values.number import BITS


@pytest.fixture(autouse=True)
def _precision() -> None:
    ctx.prec = BITS


@given(st.fractions(max_denominator=digits.MAX_DENOMINATOR))
def test_a_ball_around_a_fraction_is_that_fraction(value: Fraction) -> None:
    ctx.prec = BITS
    root = acb(2).sqrt()
    ball = root * acb(fmpq(value.numerator, value.denominator)) / root
    assert digits.constant(ball) == digits.constant(fmpq(value.numerator, value.denominator)) == f"q:{value}"


@pytest.mark.parametrize("exponent", [40, 60, 70, 80])
def test_what_is_near_a_fraction_is_none(exponent: int) -> None:
    near = acb(fmpq(4, 25)) + acb(2).sqrt() / acb(10) ** exponent
    assert digits.constant(near).startswith("n:1.6")


def test_whole_numbers_of_many_digits() -> None:
    assert digits.constant((acb(2).sqrt()) ** 200) == f"q:{2**100}"
    assert digits.constant((acb(163).sqrt() * acb.pi()).exp()).startswith("n:2.625374126407687")


def test_sixty_digits_of_both_parts() -> None:
    text = digits.constant(acb(2).sqrt())
    assert text == "n:1.41421356237309504880168872420969807856967187537694807317668e0"
    assert digits.constant(acb(1, 2).sqrt()).count(",") == 1
    assert digits.constant(acb(fmpq(1, 2), 3)) == "n:1/2,3"
    assert digits.constant(acb(3, 0)) == "q:3"


def test_a_wide_ball_is_undecided() -> None:
    with pytest.raises(Undecided):
        digits.constant(acb(arb(1.5, 1e-20)))
    with pytest.raises(Undecided):
        digits.constant(acb(arb(0, 1e-20)))


@given(st.fractions(max_denominator=10**9).filter(bool))
def test_leading_digits_of_exact_numbers_and_of_balls_agree(value: Fraction) -> None:
    ctx.prec = BITS
    exact = fmpq(value.numerator, value.denominator)
    assert digits.leading(exact) == digits.leading(acb(exact))
    assert digits.leading(exact) != digits.leading(-exact)


def test_long_numbers_are_hashed_and_apart() -> None:
    long = [digits.rational(fmpq(10**500 + add)) for add in (0, 1)]
    assert all(text.startswith("#") for text in long)
    assert long[0] != long[1]
    huge = [digits.leading(acb(2) ** (10**5 + add)) for add in (0, 1)]
    assert huge[0] != huge[1]
    assert "*2^" in huge[0]
