r"""Trees: precedence beside exact arithmetic, and every spelling with two readings is undecided."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.answers.reading.parser import parse
from assets.answers.reading.tokens import tokenize
from assets.answers.reading.tree import Tree, symbol, variables
from assets.answers.reading.undecided import Undecided


def tree(text: str) -> Tree:
    return parse(tokenize(text))


def value(node: Tree) -> Fraction:
    """Exact arithmetic over sums, products, quotients and whole powers alone."""
    if node.op == "num":
        assert isinstance(node.value, Fraction)
        return node.value
    parts = [value(part) for part in node.parts]
    if node.op == "add":
        return sum(parts, Fraction(0))
    if node.op == "div":
        return parts[0] / parts[1]
    if node.op == "pow":
        return parts[0] ** int(parts[1])
    total = Fraction(1)
    for part in parts:
        total *= part
    assert node.op == "mul"
    return total


LEAVES = st.integers(1, 9).map(lambda number: (str(number), Fraction(number)))


def joined(children: st.SearchStrategy[tuple[str, Fraction]]) -> st.SearchStrategy[tuple[str, Fraction]]:
    two = st.tuples(children, children)
    return st.one_of(
        two.map(lambda ab: (f"({ab[0][0]}+{ab[1][0]})", ab[0][1] + ab[1][1])),
        two.map(lambda ab: (f"({ab[0][0]}-({ab[1][0]}))", ab[0][1] - ab[1][1])),
        two.map(lambda ab: (f"({ab[0][0]}) \\cdot ({ab[1][0]})", ab[0][1] * ab[1][1])),
        children.map(lambda a: (f"-({a[0]})^{{2}}", -(a[1] ** 2))),
        children.map(lambda a: (f"\\frac{{{a[0]}}}{{7}}", a[1] / 7)),
        children.map(lambda a: (f"({a[0]})/3", a[1] / 3)),
    )


@given(st.recursive(LEAVES, joined, max_leaves=8))
def test_arithmetic(case: tuple[str, Fraction]) -> None:
    try:
        found = tree(f"({case[0]})")
    except Undecided:
        return  # -(a)^2/3 and the like: whether it is refused is not the question here
    assert value(found) == case[1]


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("-2^2", -4), ("2^{3^2}", 512), ("2^1/2", 1), (r"1\frac12", Fraction(3, 2)), ("-1 1/2", Fraction(-3, 2)),
        (r"2\cdot-3", -6), ("5--3", 8), (r"2\cdot3/4", Fraction(3, 2)), (r"\frac{1}{2}^2", Fraction(1, 4)),
    ],
)  # fmt: skip
def test_precedence(text: str, number: Fraction) -> None:
    assert value(tree(text)) == number


@pytest.mark.parametrize(
    "text",
    [
        "1/2x", "1/2/3", "6/2(1+2)", r"\frac12^2", r"\sin x/2", r"\sin(x)^2", "2^3^2", r"2\frac53", "2 3", "5{0}",
        r"\sqrt12", "x_12", "(12)(34)", "h(h+1)", "P(1+r)", "C(5,2)", r"\frac{dy}{dx}", "n!!!", "1_2", r"||x|-1|",
        "x^", "(", r"\frac1", "", "(" * 40 + "1" + ")" * 40,
    ],
)  # fmt: skip
def test_two_readings_or_none(text: str) -> None:
    with pytest.raises(Undecided):
        tree(text)


@pytest.mark.parametrize(
    ("text", "name"),
    [("x_1", "x_1"), (r"x_{\text{max}}", "x_max"), ("f(2)", "f(2)"), ("f'(-2)", "f'(-2)"), ("f^{-1}(x)", "f^-1(x)"),
     (r"\vec{a}", "a"), ("S_{n+1}", "S_n+1")],
)  # fmt: skip
def test_names(text: str, name: str) -> None:
    assert tree(text) == symbol(name)


def test_runs_of_letters() -> None:
    assert variables(tree("2abc")) == {"a", "b", "c"}
    assert tree("xy^2") == tree("x y^2") != tree("(xy)^2")
    with pytest.raises(Undecided):
        tree("hello")
