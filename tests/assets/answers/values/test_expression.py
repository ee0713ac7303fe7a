"""Keys of trees: spellings share one, corners are seen or undecided, lines are lines everywhere."""

from __future__ import annotations

import pytest
from flint import fmpq
from hypothesis import given
from hypothesis import strategies as st

from assets.answers.reading.parser import parse
from assets.answers.reading.tokens import tokenize
from assets.answers.reading.tree import Tree
from assets.answers.reading.undecided import Undecided
from assets.answers.values import expression


def tree(text: str) -> Tree:
    return parse(tokenize(text))


def key(text: str) -> str:
    (found,) = expression.keys_of(tree(text))
    return found


@given(st.lists(st.integers(-20, 20), min_size=2, max_size=5), st.integers(-9, 9))
def test_polynomials_by_coefficients_and_by_horner(coefficients: list[int], moved: int) -> None:
    plain = "+".join(f"({c})x^{{{at}}}" for at, c in enumerate(coefficients))
    horner = "0"
    for coefficient in reversed(coefficients):
        horner = f"(x({horner})+({coefficient}))"
    assert key(plain) == key(horner)
    if moved:
        assert key(plain) != key(f"{horner}+({moved})x^7")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (r"\sqrt{ab}", r"\sqrt a\sqrt b"),
        (r"\ln(mn)", r"\ln m+\ln n"),
        (r"\frac{(n+1)!}{n!}", "n+1"),
        ("((x+10)^2)^{3/2}", "|x+10|^3"),
        (r"2\ln|x|", r"\ln(x^2)"),
        ("x-x+3", "3"),
    ],
)
def test_spellings(one: str, other: str) -> None:
    assert key(one) == key(other)


@pytest.mark.parametrize(
    ("one", "other"), [("|x+10|", "x+10"), ("((x+10)^2)^{3/2}", "(x+10)^3"), (r"\lfloor x\rfloor", "x"), ("x", "X")]
)
def test_near_misses(one: str, other: str) -> None:
    assert key(one) != key(other)


@pytest.mark.parametrize("text", [r"\sqrt{x}|y|", "|x+5000|", r"\sqrt{(x-10^6)^2}", r"\overline{x+i}"])
def test_corners_that_no_point_shows_are_undecided(text: str) -> None:
    with pytest.raises(Undecided):
        key(text)


def test_plus_minus() -> None:
    assert expression.keys_of(tree(r"2\pm1")) == ["q:3", "q:1"]
    assert expression.keys_of(tree(r"\pm0")) == ["q:0"]
    with pytest.raises(Undecided):
        expression.keys_of(tree(r"\pm1\pm2"))


def equation(text: str) -> str:
    left, _, right = text.partition("=")
    return expression.equation_key(tree(left), tree(right))


def test_equations_up_to_their_scale() -> None:
    assert equation("y=2x+1") == equation("4x-2y+2=0") == equation(r"\frac{y-1}{x}=2")
    assert equation("y=2x+1") != equation("y=2x-1")
    with pytest.raises(Undecided):
        equation("x=x")


def test_inequalities_keep_their_side() -> None:
    x, y = tree("x"), tree("y")
    less = expression.inequality_key(x, y, "<")
    assert less == expression.inequality_key(tree("3x"), tree("3y"), "<")
    assert less != expression.inequality_key(y, x, "<")
    assert less != expression.inequality_key(x, y, "<=")


@pytest.mark.parametrize("text", ["x(x-1)(x-2)(x+3)+x", r"x+\sin(\pi x)", "|x+9|", "x^2", "5", "x+y", "ix"])
def test_what_is_no_line(text: str) -> None:
    assert expression.line_of(tree(text)) is None


def test_lines() -> None:
    assert expression.line_of(tree(r"\frac{6-4x}{2}")) == (fmpq(-2), fmpq(3))
    assert expression.linear_bound(tree("6-4x")) == (fmpq(3, 2), False)
