"""The polynomial whose square, or higher power, stands under a root: its sign is the side of a corner."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from functools import lru_cache
from typing import Any

from flint import fmpq, fmpq_mpoly_ctx
from flint.utils.flint_exceptions import DomainError

from assets.answers.reading.tree import Tree, variables
from assets.answers.reading.undecided import Undecided
from assets.answers.values.number import Number

MAX_DEGREE = 40
MAX_TERMS = 400
MAX_VARIABLES = 4


@lru_cache(maxsize=256)
def power_base(radicand: Tree, degree: int) -> tuple[Any, tuple[str, ...]]:
    """The polynomial whose ``degree``-th power is ``radicand`` (up to its sign), and the order of its variables.

    ``degree``: a power of two. Undecided when there is none, or when it is over a budget.
    """
    names = tuple(sorted(variables(radicand)))
    if len(names) > MAX_VARIABLES or degree & (degree - 1):
        raise Undecided
    polynomial = _Polynomials(names).read(radicand)
    while degree > 1:
        try:
            polynomial = polynomial.sqrt()
        except (DomainError, ValueError) as exc:
            raise Undecided from exc
        degree //= 2
    return polynomial, names


@lru_cache(maxsize=256)
def hidden_base(radicand: Tree) -> tuple[Any, tuple[str, ...]] | None:
    """The polynomial whose square is ``radicand`` up to a number: the root of ``2x^2`` has a corner too. Else None."""
    try:
        names = tuple(sorted(variables(radicand)))
        polynomial = _Polynomials(names).read(radicand) if len(names) <= MAX_VARIABLES else None
        if polynomial is None or polynomial.is_constant():
            return None
        return (polynomial / polynomial.leading_coefficient()).sqrt(), names
    except (Undecided, DomainError, ValueError):
        return None


def at(base: tuple[Any, tuple[str, ...]], point: Mapping[str, Number]) -> Number:
    """The value of a base at ``point``."""
    polynomial, names = base
    return fmpq(polynomial(*(point[name] for name in names)))


class _Polynomials:
    """Trees of sums, products and whole powers as polynomials."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self.context = fmpq_mpoly_ctx.get([f"v{at}" for at in range(len(names))], "lex")
        self.letters = dict(zip(names, self.context.gens(), strict=True))

    def read(self, tree: Tree) -> Any:
        found = self._read(tree)
        if len(found) > MAX_TERMS:
            raise Undecided
        return found

    def _read(self, tree: Tree) -> Any:
        if tree.op == "num" and isinstance(tree.value, Fraction):
            return self.context.constant(fmpq(tree.value.numerator, tree.value.denominator))
        if tree.op == "sym":
            return self.letters[str(tree.value)]
        if tree.op in {"add", "mul"}:
            total = self.read(tree.parts[0])
            for part in tree.parts[1:]:
                total = total + self.read(part) if tree.op == "add" else self._product(total, self.read(part))
            return total
        if tree.op == "pow":
            return self._power(*tree.parts)
        if tree.op == "div":
            top, bottom = self.read(tree.parts[0]), self.read(tree.parts[1])
            quotient, rest = divmod(top, bottom) if len(bottom) else (top, top)
            if not len(rest):
                return quotient
        raise Undecided

    def _product(self, left: Any, right: Any) -> Any:
        if len(left) * len(right) > 4 * MAX_TERMS:
            raise Undecided
        return left * right

    def _power(self, base: Tree, exponent: Tree) -> Any:
        count = exponent.value
        if not isinstance(count, Fraction) or count.denominator != 1 or not 0 <= count <= MAX_DEGREE:
            raise Undecided
        found = self.read(base)
        if len(found) ** int(count) > MAX_TERMS**2:
            raise Undecided
        return found ** int(count)
