"""Polynomials under a root: the base of a square, or undecided."""

from __future__ import annotations

import pytest
from flint import fmpq
from hypothesis import given
from hypothesis import strategies as st

from assets.answers.reading.parser import parse
from assets.answers.reading.tokens import tokenize
from assets.answers.reading.undecided import Undecided
from assets.answers.values import squares


@given(st.integers(-9, 9), st.integers(-9, 9), st.integers(1, 9), st.fractions(-5, 5, max_denominator=9))
def test_base_of_a_square(a: int, b: int, c: int, at: object) -> None:
    inner = f"({a})x^2+({b})xy+{c}"
    base = squares.power_base(parse(tokenize(rf"\frac{{({inner})^2}}{{9}}")), 2)
    x, y = fmpq(3, 7), fmpq(int(at * 9), 9)  # pyright: ignore[reportOperatorIssue, reportUnknownArgumentType]
    assert abs(squares.at(base, {"x": x, "y": y})) == abs((a * x * x + b * x * y + c) / 3)


def test_fourth_powers_and_quotients() -> None:
    assert abs(squares.at(squares.power_base(parse(tokenize("(x-3)^4")), 4), {"x": fmpq(5)})) == 2
    assert squares.power_base(parse(tokenize(r"\frac{x}{x}")), 2)[0].is_constant()


@pytest.mark.parametrize(
    ("text", "degree"),
    [("x^2+1", 2), ("2x^2", 2), ("x^2", 4), ("x^6", 6), (r"\sin^2 x", 2), (r"\frac{1}{x^2}", 2), ("(a+b+c+d+f)^2", 2)],
)
def test_anything_else_is_undecided(text: str, degree: int) -> None:
    with pytest.raises(Undecided):
        squares.power_base(parse(tokenize(text)), degree)
