"""One number: exact (``fmpq``) or a complex ball of known radius (``acb``). Every operation is bounded.

A ball never hides a loss: a sum whose smaller term would vanish beside the larger one is undecided, because the leading
digits of the result no longer tell that term's digits apart.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any, TypeAlias

from flint import acb, arb, ctx, fmpq, fmpz

from assets.answers.reading.undecided import Undecided

Number: TypeAlias = Any
"""``fmpq`` or ``acb``; the library's stubs do not say more."""

BITS = 384
"""Working precision: about 115 digits, 60 of which become the key."""
FINE_BITS = 1_536
"""Precision of the second try, where terms cancelled."""
MAX_EXACT_BITS = 64_000
"""Height of an exact number: about 19,000 digits, multiplied in microseconds."""
MAX_SPENT_BITS = 3_000_000
"""Bits of all exact numbers of one answer together: what bounds its time to some tens of milliseconds."""
MAX_MAGNITUDE = 10_000_000
"""Binary exponent of any number: 2^(10^7) has three million digits."""
MAX_VANISHED_BITS = 160
"""A term this much smaller than its sum would leave under 10 of the 60 digits of the key to tell it by."""
MAX_CANCELLED_HEIGHT = 640
"""Exact inputs above this height can differ from zero by less than the fine precision shows."""


class Spent:
    """Bits that the answer at hand has cost so far; the lock of the key pass keeps it to one answer at a time."""

    def __init__(self) -> None:
        self.bits = 0
        self.keeps_terms = True
        """Whether a sum may not lose a term: only far from zero, where other points tell its terms apart."""


spent = Spent()


class Cancelled(Exception):  # noqa: N818 - asks for more precision, no error of anyone
    """A sum of balls contains zero at this precision."""


def exact(value: Fraction | int) -> Number:
    """``value`` as an exact number."""
    fraction = Fraction(value)
    return check(fmpq(fraction.numerator, fraction.denominator))


def is_exact(value: Number) -> bool:
    """Whether ``value`` is an exact rational."""
    return isinstance(value, fmpq)


def check(value: Number) -> Number:
    """``value`` within its budget."""
    if isinstance(value, fmpq):
        height = value.height_bits()
        spent.bits += height
        if height > MAX_EXACT_BITS or spent.bits > MAX_SPENT_BITS:
            raise Undecided
    elif not value.is_finite():
        raise Undecided
    return value


def ball(value: Number) -> Any:
    """``value`` as a ball."""
    return acb(arb(value)) if isinstance(value, fmpq) else value


def to_fraction(value: Number) -> Fraction:
    """An exact number as a Fraction. Undecided for a ball."""
    if not isinstance(value, fmpq):
        raise Undecided
    return Fraction(int(value.p), int(value.q))


def as_integer(value: Number) -> int:
    """An exact whole number. Undecided for anything else."""
    if not isinstance(value, fmpq) or value.q != 1:
        raise Undecided
    return int(value.p)


def magnitude(value: Number) -> int:
    """About the binary logarithm of the absolute value; a large negative number for zero."""
    if isinstance(value, fmpq):
        return int(value.p.height_bits()) - int(value.q.height_bits()) if value else -MAX_MAGNITUDE
    upper = value.abs_upper()
    if upper.is_zero():
        return -MAX_MAGNITUDE
    mantissa, exponent = upper.mid().man_exp()
    return int(mantissa).bit_length() + _bounded(exponent)


def _bounded(exponent: Any) -> int:
    found = int(exponent)
    if abs(found) > 4 * MAX_MAGNITUDE:
        raise Undecided
    return found


def add(terms: list[Number]) -> Number:
    """The sum of ``terms``; Cancelled when balls cancel to a ball around zero."""
    if all(isinstance(term, fmpq) for term in terms):
        total = terms[0]
        for term in terms[1:]:
            total = total + term
        return check(total)
    total = ball(terms[0])
    sizes = [magnitude(term) for term in terms]
    for term in terms[1:]:
        total = total + ball(term)
    check(total)
    largest = max(sizes)
    if spent.keeps_terms and any(size < largest - MAX_VANISHED_BITS and size > -MAX_MAGNITUDE for size in sizes):
        raise Undecided
    if total.contains(0):
        return _zero(terms, total, largest)
    return total


def _zero(terms: list[Number], total: Any, largest: int) -> Number:
    """Zero, if the ball around it is far smaller than anything such terms can differ by."""
    if ctx.prec < FINE_BITS:
        raise Cancelled
    if magnitude(total) > largest - FINE_BITS + 200:
        raise Undecided
    if any(isinstance(term, fmpq) and term.height_bits() > MAX_CANCELLED_HEIGHT for term in terms):
        raise Undecided
    return fmpq(0)


def settled(value: Number) -> Number:
    """``value``, or zero where a function gave a ball around zero: the sine of pi."""
    if isinstance(value, fmpq) or not value.contains(0):
        return value
    if ctx.prec < FINE_BITS:
        raise Cancelled
    if magnitude(value) > 200 - FINE_BITS:
        raise Undecided
    return fmpq(0)


def multiply(left: Number, right: Number) -> Number:
    """The product."""
    if isinstance(left, fmpq) and isinstance(right, fmpq):
        return check(left * right)
    if (isinstance(left, fmpq) and not left) or (isinstance(right, fmpq) and not right):
        return fmpq(0)
    if magnitude(left) + magnitude(right) > MAX_MAGNITUDE:
        raise Undecided
    return check(ball(left) * ball(right))


def divide(left: Number, right: Number) -> Number:
    """The quotient. Undecided for a divisor that is, or may be, zero."""
    if isinstance(right, fmpq):
        if not right:
            raise Undecided
        if isinstance(left, fmpq):
            return check(left / right)
    elif right.contains(0):
        raise Cancelled if ctx.prec < FINE_BITS else Undecided
    if isinstance(left, fmpq) and not left:
        return left
    return check(ball(left) / ball(right))


def is_negative_real(value: Number) -> bool:
    """Whether it is a real number below zero, for certain."""
    if isinstance(value, fmpq):
        return value < 0
    return bool(value.imag.is_zero() and value.real < 0)


def exact_root(value: Any, degree: int) -> Any | None:
    """The exact ``degree``-th root of a rational of at least 0, None if it is irrational."""
    top, bottom = fmpz(value.p), fmpz(value.q)
    if top.height_bits() > 4_000 or bottom.height_bits() > 4_000:
        return None
    first, second = top.root(degree), bottom.root(degree)
    return fmpq(first, second) if first**degree == top and second**degree == bottom else None
