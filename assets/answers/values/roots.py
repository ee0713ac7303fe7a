"""Where a rational function of one variable changes its sign: its real zeros and poles."""

from __future__ import annotations

from fractions import Fraction
from typing import Any, NamedTuple

from flint import acb, fmpq, fmpq_poly

from assets.answers.reading.tree import Tree, variables
from assets.answers.reading.undecided import Undecided
from assets.answers.values import digits
from assets.answers.values.number import Number, is_exact, to_fraction

MAX_DEGREE = 12


class Change(NamedTuple):
    """One place on the line. ``is_zero``: the function is zero there; otherwise it has a pole."""

    value: Number
    key: str
    is_zero: bool


def changes(tree: Tree) -> tuple[list[Change], list[int]]:
    """Zeros and poles from low to high, and the sign before, between and after them (one more than places).

    Undecided when ``tree`` is no rational function of exactly one variable, or of too high a degree.
    """
    if len(variables(tree)) != 1:
        raise Undecided
    top, bottom = _quotient(tree)
    shared = top.gcd(bottom)
    zeros, poles = _real_roots(top / shared if shared.degree() > 0 else top), _real_roots(bottom)
    kinds = {key: (value, False) for key, value in poles.items()}
    kinds |= {key: (value, True) for key, value in zeros.items() if key not in kinds}
    places = sorted(
        (Change(value, key, zero) for key, (value, zero) in kinds.items()), key=lambda at: _middle(at.value)
    )
    product = top * bottom
    return places, [_sign(product, at) for at in _between([_middle(place.value) for place in places])]


def _between(places: list[Fraction]) -> list[Fraction]:
    if not places:
        return [Fraction(0)]
    inner = [(a + b) / 2 for a, b in zip(places, places[1:], strict=False)]
    return [places[0] - 1, *inner, places[-1] + 1]


def _sign(polynomial: Any, at: Fraction) -> int:
    value = polynomial(fmpq(at.numerator, at.denominator))
    return (value > 0) - (value < 0)


def _middle(value: Number) -> Fraction:
    """A rational near the number: exact for exact ones, the middle of the ball otherwise."""
    if is_exact(value):
        return to_fraction(value)
    mantissa, exponent = value.real.mid().man_exp()
    return Fraction(int(mantissa)) * Fraction(2) ** int(exponent)


def _real_roots(polynomial: Any) -> dict[str, Number]:
    if polynomial.degree() < 1:
        return {}
    found: dict[str, Number] = {}
    for root, _ in polynomial.numer().complex_roots():
        if root.imag.is_zero():
            key = digits.constant(acb(root))
            tag, _, text = key.partition(":")
            exact = Fraction(text) if tag == "q" and not text.startswith("#") else None
            found[key] = acb(root) if exact is None else fmpq(exact.numerator, exact.denominator)
    return found


def _quotient(tree: Tree) -> tuple[Any, Any]:
    """Numerator and denominator as polynomials."""
    if tree.op == "num" and isinstance(tree.value, Fraction):
        return fmpq_poly([fmpq(tree.value.numerator, tree.value.denominator)]), fmpq_poly([1])
    if tree.op == "sym":
        return fmpq_poly([0, 1]), fmpq_poly([1])
    if tree.op == "add":
        top, bottom = _quotient(tree.parts[0])
        for part in tree.parts[1:]:
            other, below = _quotient(part)
            top, bottom = _small(top * below + other * bottom, bottom * below)
        return top, bottom
    if tree.op == "mul":
        top, bottom = _quotient(tree.parts[0])
        for part in tree.parts[1:]:
            other, below = _quotient(part)
            top, bottom = _small(top * other, bottom * below)
        return top, bottom
    if tree.op == "div":
        (top, bottom), (other, below) = (_quotient(part) for part in tree.parts)
        return _small(top * below, bottom * other)
    if tree.op == "pow":
        return _raised(*tree.parts)
    raise Undecided


def _raised(base: Tree, exponent: Tree) -> tuple[Any, Any]:
    count = exponent.value
    if exponent.op != "num" or not isinstance(count, Fraction) or count.denominator != 1 or abs(count) > MAX_DEGREE:
        raise Undecided
    top, bottom = _quotient(base)
    if max(top.degree(), bottom.degree()) * abs(count) > MAX_DEGREE:
        raise Undecided
    size = int(abs(count))
    return _small(top**size, bottom**size) if count >= 0 else _small(bottom**size, top**size)


def _small(top: Any, bottom: Any) -> tuple[Any, Any]:
    if max(top.degree(), bottom.degree()) > MAX_DEGREE or bottom.degree() < 0:
        raise Undecided
    return top, bottom
