"""The number that a tree has, given numbers for its variables."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from functools import lru_cache
from typing import Any, TypeAlias

from flint import acb, ctx, fmpq

from assets.answers.reading.tree import Tree, variables
from assets.answers.reading.undecided import Undecided
from assets.answers.values import functions as f
from assets.answers.values import number as n
from assets.answers.values import squares
from assets.answers.values.number import Number

MAX_LITERAL_BITS = 150
"""A number of more than 45 digits: with an irrational factor the leading 60 digits would not tell all of them."""
TRIGONOMETRIC = frozenset({"sin", "cos", "tan", "cot", "sec", "csc", "cis"})


Corners: TypeAlias = "dict[Tree, set[int]]"
"""What stands in an absolute value, and the signs that it had: with one sign only, the corner was not seen."""


class Evaluator:
    """Evaluates trees at one point. ``leaves_reals`` says whether an even root or a logarithm met a negative number."""

    def __init__(self, point: Mapping[str, Number], *, sign: int = 1, corners: Corners | None = None) -> None:
        """Evaluate at ``point``, a number for each variable.

        ``sign``: what plus-minus stands for. ``corners`` collects on which sides of its corners the point lies.
        """
        self.point = point
        self.sign = sign
        self.corners: Corners = {} if corners is None else corners
        self.leaves_reals = False
        self.is_lossy = False
        self.in_degrees = False

    def value(self, tree: Tree) -> Number:
        """The number of ``tree``. Undecided outside of the budgets, Cancelled when more precision may help."""
        op, parts = tree.op, tree.parts
        if op == "num":
            return self._literal(tree.value)
        if op == "sym":
            return self.point[str(tree.value)]
        if op == "const":
            return _constant(str(tree.value))
        if op == "add":
            return self._add([self.value(part) for part in parts])
        if op == "mul":
            total = self.value(parts[0])
            for part in parts[1:]:
                total = n.multiply(total, self.value(part))
            return total
        if op == "div":
            return n.divide(self.value(parts[0]), self.value(parts[1]))
        return self._other(tree)

    def _literal(self, value: Any) -> Number:
        found = _exactly(value)
        self.is_lossy |= found.height_bits() > MAX_LITERAL_BITS
        return found

    def _add(self, terms: list[Number]) -> Number:
        if not self.is_lossy and all(isinstance(term, fmpq) for term in terms):
            sizes = [n.magnitude(term) for term in terms if term]
            self.is_lossy = bool(sizes) and min(sizes) < max(sizes) - n.MAX_VANISHED_BITS
        return n.add(terms)

    def _other(self, tree: Tree) -> Number:
        op, parts = tree.op, tree.parts
        if op == "pow":
            return self._power(*parts)
        if op == "root":
            return self._root(self.value(parts[0]), n.as_integer(self.value(parts[1])), parts[0])
        if op == "fn":
            return self._function(str(tree.value), parts[0])
        if op == "log":
            return n.divide(self._logarithm(self.value(parts[1])), self._logarithm(self.value(parts[0])))
        if op == "sign":
            value = self.value(parts[0])
            return value if self.sign == tree.value else n.multiply(fmpq(-1), value)
        if op == "deg":
            return self._degrees(parts[0])
        if op == "fact":
            return f.factorial(self.value(parts[0]))
        if op == "fact2":
            return f.double_factorial(self.value(parts[0]))
        if op == "binom":
            return f.binomial(self.value(parts[0]), self.value(parts[1]))
        return self._rounded(op, parts[0])

    def _power(self, base: Tree, exponent: Tree) -> Number:
        is_plain = not variables(exponent)
        left, right = self.value(base), self.value(exponent)
        if n.is_exact(right) and right.q % 2 == 0 and right.q <= f.MAX_ROOT and is_plain and variables(base):
            return f.power(self._root(left, int(right.q), base), fmpq(right.p), is_plain=True)
        is_even_root = n.is_exact(right) and right.q % 2 == 0
        if n.is_negative_real(left) and (is_even_root or not (is_plain and n.is_exact(right))):
            self.leaves_reals |= bool(variables(base)) or not is_plain
        return f.power(left, right, is_plain=is_plain)

    def _root(self, value: Number, degree: int, radicand: Tree) -> Number:
        if degree % 2 == 0 and n.is_negative_real(value):
            self.leaves_reals |= bool(variables(radicand))  # the root of -1 is i at every point
        found = f.root(value, degree)
        if degree % 2 == 0 and n.is_exact(value) and n.is_exact(found) and variables(radicand):
            return self._root_of_square(found, degree, radicand)
        if degree == 2 and n.is_exact(value) and variables(radicand):
            hidden = squares.hidden_base(radicand)
            if hidden is not None:
                self._side(radicand, squares.at(hidden, self.point))
        return found

    def _root_of_square(self, found: Number, degree: int, radicand: Tree) -> Number:
        """The root of x squared has the corner of |x|."""
        base = squares.power_base(radicand, degree)
        if not base[0].is_constant():
            self._side(radicand, squares.at(base, self.point))
        return found

    def _side(self, inner: Tree, value: Number) -> int:
        """The sign of what stands in an absolute value; noted for the tree."""
        if n.is_exact(value):
            side = (value > 0) - (value < 0)
        elif value.imag.is_zero() and not value.contains(0):
            side = 1 if value.real > 0 else -1
        else:
            raise Undecided
        self.corners.setdefault(inner, set()).add(side)
        return side

    def _rounded(self, op: str, inner: Tree) -> Number:
        value = self.value(inner)
        if not variables(inner):
            return f.rounded(op, value)
        if op == "abs":
            return n.multiply(value, fmpq(self._side(inner, value)))
        # Steps are as blind as corners: a function with the same shifts (f(x+1) = f(x)+1) stands in for them.
        turned = value if op == "floor" else n.multiply(fmpq(-1), value)
        stepped = f.like_floor(turned)
        return stepped if op == "floor" else n.multiply(fmpq(-1), stepped)

    def _logarithm(self, value: Number) -> Number:
        if n.is_negative_real(value):
            self.leaves_reals = True
        return n.settled(f.logarithm(value))

    def _function(self, name: str, argument: Tree) -> Number:
        if name in {"conj", "Re", "Im"} and variables(argument):
            raise Undecided  # variables are evaluated as real numbers
        if name == "ln":
            return self._logarithm(self.value(argument))
        outer, self.in_degrees = self.in_degrees, name in TRIGONOMETRIC
        value = self.value(argument)
        self.in_degrees = outer
        return n.settled(f.apply(name, value))

    def _degrees(self, angle: Tree) -> Number:
        value = self.value(angle)
        return n.multiply(value, acb.pi() / 180) if self.in_degrees else value


@lru_cache(maxsize=4_096)
def _exactly(value: Fraction) -> Number:
    """Each literal is evaluated at ten points: it is converted once."""
    return n.exact(value)


def _constant(name: str) -> Number:
    if name == "pi":
        return acb.pi()
    return acb(0, 1) if name == "i" else acb(1).exp()


def evaluate(
    tree: Tree, point: Mapping[str, Number], *, sign: int = 1, corners: Corners | None = None
) -> tuple[Number, Evaluator]:
    """The number of ``tree`` at ``point`` and how it was reached; with more precision where terms cancel."""
    for bits in (n.BITS, n.FINE_BITS):
        ctx.prec = bits
        evaluator = Evaluator(point, sign=sign, corners=corners)
        try:
            value = evaluator.value(tree)
        except n.Cancelled:
            continue
        except (ArithmeticError, ValueError, OverflowError) as exc:
            raise Undecided from exc
        if not n.is_exact(value) and evaluator.is_lossy and n.spent.keeps_terms:
            raise Undecided
        if bits == n.FINE_BITS or n.is_exact(value) or _is_sharp(value):
            return value, evaluator
    raise Undecided


def _is_sharp(value: Any) -> bool:
    """Whether both parts are either exactly zero or known to far more digits than the key shows."""
    return all(
        part.is_zero() or (not part.contains(0) and part.rel_accuracy_bits() > 260) for part in (value.real, value.imag)
    )
