"""Numbers: exact ones stay exact, balls that lose a term or may be zero say so, budgets end what is too large."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

import pytest
from flint import acb, ctx, fmpq
from hypothesis import given
from hypothesis import strategies as st

from assets.answers.reading.undecided import Undecided
from assets.answers.values import number as n

FRACTIONS = st.fractions(max_denominator=10**6)


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    ctx.prec, n.spent.bits = n.BITS, 0
    yield
    ctx.prec, n.spent.bits = n.BITS, 0


@given(st.lists(FRACTIONS, min_size=1, max_size=4), FRACTIONS)
def test_exact_numbers_are_fractions(terms: list[Fraction], factor: Fraction) -> None:
    total = n.add([n.exact(term) for term in terms])
    assert n.to_fraction(total) == sum(terms)
    assert n.to_fraction(n.multiply(total, n.exact(factor))) == sum(terms) * factor
    if factor:
        assert n.to_fraction(n.divide(total, n.exact(factor))) == sum(terms) / factor


def test_division_by_zero_is_undecided() -> None:
    with pytest.raises(Undecided):
        n.divide(fmpq(1), fmpq(0))
    with pytest.raises(n.Cancelled):
        n.divide(fmpq(1), acb(2).sqrt() - acb(2).sqrt())


def test_a_sum_of_balls_around_zero_asks_for_precision_and_is_zero_then() -> None:
    root = acb(2).sqrt()
    with pytest.raises(n.Cancelled):
        n.add([root, -root])
    ctx.prec = n.FINE_BITS
    root = acb(2).sqrt()
    assert n.add([root, -root]) == 0


def test_a_term_that_vanishes_beside_another_is_undecided() -> None:
    with pytest.raises(Undecided):
        n.add([acb(2).sqrt(), n.exact(Fraction(1, 2 ** (n.MAX_VANISHED_BITS + 2)))])
    assert not n.is_exact(n.add([acb(2).sqrt(), n.exact(Fraction(1, 2**100))]))


def test_budgets() -> None:
    with pytest.raises(Undecided):
        n.exact(2**n.MAX_EXACT_BITS)
    n.exact(2**60_000)
    n.spent.bits = n.MAX_SPENT_BITS - 50_000
    with pytest.raises(Undecided):
        n.exact(2**60_000)  # one is allowed, all of an answer together are not
    n.spent.bits = 0
    with pytest.raises(Undecided):
        n.multiply(acb(2) ** (n.MAX_MAGNITUDE - 1), acb(4))


@given(st.integers(0, 10**6), st.integers(2, 6))
def test_exact_roots(base: int, degree: int) -> None:
    assert n.exact_root(fmpq(base**degree, 7**degree), degree) == fmpq(base, 7)
    if base > 1:
        assert n.exact_root(fmpq(base**degree + 1), degree) is None


def test_signs_and_sizes() -> None:
    assert n.is_negative_real(fmpq(-1))
    assert n.is_negative_real(-acb(2).sqrt())
    assert not n.is_negative_real(acb(-1, 1))
    assert abs(n.magnitude(fmpq(1024)) - n.magnitude(acb(1024))) <= 1
    assert n.magnitude(fmpq(0)) == n.magnitude(acb(0)) == -n.MAX_MAGNITUDE
    with pytest.raises(Undecided):
        n.as_integer(fmpq(1, 2))
