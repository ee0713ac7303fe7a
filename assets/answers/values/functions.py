"""Functions of one number: trigonometric, exponential, logarithms, powers, roots, factorials, rounding."""

from __future__ import annotations

from math import factorial as whole_factorial
from typing import Any

from flint import acb, arb, ctx, fmpq

from assets.answers.reading.undecided import Undecided
from assets.answers.values import number as n
from assets.answers.values.number import Cancelled, Number, ball, check, is_exact, is_negative_real, magnitude

MAX_ROOT = 64
MAX_EXACT_FACTORIAL = 1_500
"""1500! has 4,115 digits."""
MAX_FACTORIAL = 1_000_000
MAX_BINOMIAL = 100_000
MAX_LOWER = 400
"""Largest lower index of a binomial that is multiplied out."""
MAX_PERIOD_BITS = 64
"""Arguments of a periodic function beyond this are no answers, and reducing them costs their digits."""

MAX_HYPERBOLIC_BITS = 5
"""Beyond 32 the hyperbolic functions differ from an exponential by less than 10^-27."""

_BALL = {
    "sin": "sin", "cos": "cos", "tan": "tan", "cot": "cot", "sec": "sec", "csc": "csc", "arcsin": "asin",
    "arccos": "acos", "arctan": "atan", "sinh": "sinh", "cosh": "cosh", "tanh": "tanh", "exp": "exp",
}  # fmt: skip


def apply(name: str, value: Number) -> Number:
    """The function ``name`` of ``value``."""
    if name == "ln":
        return logarithm(value)
    if name == "arccot":
        return n.add([ball(acb.pi() / 2), n.multiply(fmpq(-1), apply("arctan", value))])
    if name == "cis":
        return n.add([apply("cos", value), n.multiply(ball(acb(0, 1)), apply("sin", value))])
    if name == "conj":
        return value if is_exact(value) else value.conjugate()
    if name in {"Re", "Im"}:
        found = ball(value)
        return acb(found.real if name == "Re" else found.imag)
    _refuse_extremes(name, value)
    if is_exact(value) and not value and name in {"sin", "tan", "arcsin", "arctan", "sinh", "tanh"}:
        return value
    return check(getattr(ball(value), _BALL[name])())


def _refuse_extremes(name: str, value: Number) -> None:
    """Arguments where 60 digits no longer tell results apart: cosh and sinh of 200, the cosine of 10^-40."""
    size = magnitude(value)
    is_tiny = -n.MAX_MAGNITUDE < size < -MAX_PERIOD_BITS
    is_flat = name in {"sinh", "cosh", "tanh"} and size > MAX_HYPERBOLIC_BITS
    if name not in _BALL or size > MAX_PERIOD_BITS or is_tiny or is_flat:
        raise Undecided


def logarithm(value: Number) -> Number:
    """The natural logarithm. Undecided for zero."""
    found = ball(value)
    if found.contains(0):
        raise Cancelled if not is_exact(value) and ctx.prec < n.FINE_BITS else Undecided
    if is_exact(value) and value == 1:
        return fmpq(0)
    return check(found.log())


def power(base: Number, exponent: Number, *, is_plain: bool) -> Number:
    """``base ** exponent``. ``is_plain``: the exponent is written without variables, so odd roots are real."""
    if not is_exact(exponent):
        return _exponential(base, exponent)
    if exponent.q == 1:
        return _whole_power(base, int(exponent.p))
    if is_plain and exponent.q <= MAX_ROOT:
        return _whole_power(root(base, int(exponent.q)), int(exponent.p))
    if is_exact(base) and base == 1:
        return base
    return _exponential(base, exponent)


def _whole_power(base: Number, count: int) -> Number:
    if count == 0:
        if is_exact(base) and not base:
            raise Undecided
        return fmpq(1)
    if is_exact(base):
        if not base:
            if count < 0:
                raise Undecided
            return base
        if abs(base) == 1:
            return fmpq(1) if count % 2 == 0 else base
        if base.height_bits() * abs(count) <= n.MAX_EXACT_BITS:
            return check(base**count)
    _bound(magnitude(base), abs(count))
    if abs(count) >= 1 << MAX_PERIOD_BITS:
        raise Undecided
    found = ball(base)
    if count < 0 and found.contains(0):
        raise Undecided
    return check(found**count)


def _bound(size: int, count: int) -> None:
    if (abs(size) + 1) * count > n.MAX_MAGNITUDE:
        raise Undecided


def _exponential(base: Number, exponent: Number) -> Number:
    if not -MAX_PERIOD_BITS < magnitude(exponent) <= 32:
        raise Undecided
    _bound(magnitude(base), 1 << max(0, magnitude(exponent)))
    if is_exact(base) and not base:
        raise Undecided
    return check(ball(base).pow(ball(exponent)))


def root(value: Number, degree: int) -> Number:
    """The principal root; the real one for odd degrees of negative numbers."""
    if not 1 <= degree <= MAX_ROOT:
        raise Undecided
    if degree == 1:
        return value
    if is_negative_real(value):
        turned = root(n.multiply(value, fmpq(-1)), degree)
        if degree % 2:
            return n.multiply(turned, fmpq(-1))
        unit = acb(0, 1) if degree == 2 else acb(fmpq(1, degree)).exp_pi_i()
        return n.multiply(turned, unit)
    if is_exact(value):
        found = n.exact_root(value, degree)
        if found is not None:
            return found
    return check(ball(value).sqrt() if degree == 2 else ball(value).root(degree))


def factorial(value: Number) -> Number:
    """``n!``: exact for small whole numbers, a ball for larger ones and for anything else."""
    if is_exact(value) and value.q == 1:
        count = int(value.p)
        if not 0 <= count <= MAX_FACTORIAL:
            raise Undecided
        return fmpq(whole_factorial(count)) if count <= MAX_EXACT_FACTORIAL else check(acb(arb.fac_ui(count)))
    if magnitude(value) > 16:
        raise Undecided
    return check((ball(value) + 1).gamma())


def double_factorial(value: Number) -> Number:
    """``n!!``, the product of every second number up to a small whole one."""
    count = n.as_integer(value)
    if not 0 <= count <= MAX_LOWER:
        raise Undecided
    total = 1
    for factor in range(count, 0, -2):
        total *= factor
    return n.exact(total)


def binomial(upper: Number, lower: Number) -> Number:
    """``upper`` over ``lower``: exact for a small whole ``lower``, by gamma functions for anything else."""
    if is_exact(lower) and lower.q == 1:
        count = int(lower.p)
        if is_exact(upper) and upper.q == 1 and upper >= 0:
            if upper > MAX_BINOMIAL:
                raise Undecided
            if count > upper:
                return fmpq(0)
            count = min(count, int(upper.p) - count)
        if not 0 <= count <= MAX_LOWER:
            raise Undecided
        total: Number = fmpq(1)
        for i in range(count):
            total = n.divide(n.multiply(total, n.add([upper, fmpq(-i)])), fmpq(i + 1))
        return total
    rest = n.add([upper, n.multiply(fmpq(-1), lower)])
    return n.divide(factorial(upper), n.multiply(factorial(lower), factorial(rest)))


def like_floor(value: Number) -> Number:
    """A function that moves with the floor, by one where its argument does, and tells all other arguments apart."""
    found = ball(value)
    if magnitude(found) > MAX_PERIOD_BITS:
        raise Undecided
    turn = found * 2
    return n.add([found, (turn.sin_pi() + turn.cos_pi()) / -7])


def rounded(op: str, value: Number) -> Number:
    """``abs``, ``floor`` or ``ceil`` of a number; the last two of real ones."""
    if op == "abs":
        return abs(value) if is_exact(value) else acb(abs(value))
    if is_exact(value):
        return fmpq(value.floor() if op == "floor" else value.ceil())
    if not value.imag.is_zero():
        raise Undecided
    whole: Any = (value.real.floor() if op == "floor" else value.real.ceil()).unique_fmpz()
    if whole is None:
        raise Undecided
    return fmpq(whole)
