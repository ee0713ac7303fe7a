"""From a tree of the reader to an expression of sympy. Runs in worker processes only."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from assets.answers.reading.tree import Tree
from assets.answers.reading.undecided import Undecided

MAX_POWER_BITS = 100_000
"""Size of an integer power that is worked out: sympy does it at once, and 2^{2^{40}} would only cost the time-out."""
MAX_FACTORIAL = 5_000

_FUNCTIONS = {
    "sin": "sin", "cos": "cos", "tan": "tan", "cot": "cot", "sec": "sec", "csc": "csc", "arcsin": "asin",
    "arccos": "acos", "arctan": "atan", "arccot": "acot", "sinh": "sinh", "cosh": "cosh", "tanh": "tanh", "ln": "log",
    "exp": "exp", "sgn": "sign", "Re": "re", "Im": "im",
}  # fmt: skip
_ANGLES = frozenset({"sin", "cos", "tan", "cot", "sec", "csc"})


def to_sympy(tree: Tree, sign: int = 1) -> Any:
    """The expression that ``tree`` says, for one choice of its plus-minus signs. Variables are real.

    Raises:
        Undecided: An operation that sympy has no exact counterpart for, or a number that is too large.
    """
    return _Converter(sign).convert(tree)


class _Converter:
    def __init__(self, sign: int) -> None:
        import sympy

        self._sympy: Any = sympy
        self._choice = sign

    def convert(self, tree: Tree) -> Any:
        method = getattr(self, f"_{tree.op}", None)
        if method is None:
            raise Undecided
        return method(tree)

    def _parts(self, tree: Tree) -> list[Any]:
        return [self.convert(part) for part in tree.parts]

    def _num(self, tree: Tree) -> Any:
        assert isinstance(tree.value, Fraction)
        return self._sympy.Rational(tree.value.numerator, tree.value.denominator)

    def _sym(self, tree: Tree) -> Any:
        return self._sympy.Symbol(str(tree.value), real=True)

    def _const(self, tree: Tree) -> Any:
        return {"pi": self._sympy.pi, "e": self._sympy.E, "i": self._sympy.I}[str(tree.value)]

    def _add(self, tree: Tree) -> Any:
        return self._sympy.Add(*self._parts(tree))

    def _mul(self, tree: Tree) -> Any:
        return self._sympy.Mul(*self._parts(tree))

    def _div(self, tree: Tree) -> Any:
        top, bottom = self._parts(tree)
        if bottom == 0:
            raise Undecided
        return top / bottom

    def _pow(self, tree: Tree) -> Any:
        base, exponent = self._parts(tree)
        self._bound(base, exponent)
        return self._sympy.Pow(base, exponent)

    def _bound(self, base: Any, exponent: Any) -> None:
        if not (base.is_Rational and exponent.is_Rational):
            return
        if base.is_zero and not exponent.is_positive:
            raise Undecided
        if max(abs(base.p), base.q).bit_length() * abs(exponent) > MAX_POWER_BITS:
            raise Undecided

    def _root(self, tree: Tree) -> Any:
        """The real root: an odd root of a negative number is negative, which sympy's powers are not."""
        inner, degree = self._parts(tree)
        if not degree.is_Integer:
            return self._sympy.Pow(inner, 1 / degree)
        if degree == 0:
            raise Undecided
        if degree % 2 == 0 or inner.is_nonnegative:
            return self._sympy.Pow(inner, self._sympy.Rational(1, int(degree)))
        if inner.is_real is not True:
            raise Undecided
        root = self._sympy.Pow(self._sympy.Abs(inner), self._sympy.Rational(1, int(degree)))
        return self._sympy.sign(inner) * root

    def _fn(self, tree: Tree) -> Any:
        name = str(tree.value)
        [inner] = tree.parts
        if inner.op == "deg" and name in _ANGLES:
            argument = self.convert(inner.parts[0]) * self._sympy.pi / 180
        else:
            argument = self.convert(inner)
        if name == "cis":
            return self._sympy.cos(argument) + self._sympy.I * self._sympy.sin(argument)
        if name not in _FUNCTIONS:
            raise Undecided
        return getattr(self._sympy, _FUNCTIONS[name])(argument)

    def _log(self, tree: Tree) -> Any:
        base, argument = self._parts(tree)
        return self._sympy.log(argument) / self._sympy.log(base)

    def _fact(self, tree: Tree) -> Any:
        [inner] = self._parts(tree)
        if inner.is_number and not (inner.is_Integer and 0 <= inner <= MAX_FACTORIAL):
            raise Undecided
        return self._sympy.factorial(inner)

    def _binom(self, tree: Tree) -> Any:
        upper, lower = self._parts(tree)
        if upper.is_number and lower.is_number and not (
            upper.is_Integer and lower.is_Integer and 0 <= lower <= upper <= MAX_FACTORIAL
        ):  # fmt: skip
            raise Undecided
        return self._sympy.binomial(upper, lower)

    def _abs(self, tree: Tree) -> Any:
        return self._sympy.Abs(*self._parts(tree))

    def _floor(self, tree: Tree) -> Any:
        return self._sympy.floor(*self._parts(tree))

    def _ceil(self, tree: Tree) -> Any:
        return self._sympy.ceiling(*self._parts(tree))

    def _sign(self, tree: Tree) -> Any:
        [inner] = self._parts(tree)
        assert isinstance(tree.value, int)
        return self._choice * tree.value * inner
