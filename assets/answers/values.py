"""Exact numbers and polynomials with one canonical form each: equal values have equal forms.

A value is a sum of rational coefficients times monomials. A monomial is a product of powers of symbols: variables,
``i``, ``\u03c0``, and primes with an exponent between 0 and 1 (a radical). Products of distinct fractional powers of
primes are linearly independent over the rationals (Besicovitch 1940), and \u03c0 is transcendental, so two values
without variables are equal exactly when their forms are. Everything is bounded; what does not fit raises Undecided.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from functools import cache
from math import isqrt
from typing import TypeAlias

MAX_BITS = 3_400
"""Numbers stay below about 1,000 digits: more than any answer has, and still multiplied in microseconds."""
MAX_TERMS = 64
"""Terms of one value. The longest polynomial among the MATH answers has 9."""
MAX_POWER = 64
"""Largest exponent of anything that is not a rational number."""
MAX_ROOT = 12
MAX_FACTORED = 10**8
r"""What is left of a radicand after division by the primes below its square root must be prime."""

Number: TypeAlias = int | Fraction
"""A whole number is always an int, never a Fraction: ten times faster, and one spelling."""
Monomial: TypeAlias = tuple[tuple[str, Number], ...]
Value: TypeAlias = dict[Monomial, Number]

ONE: Monomial = ()
PI = "\u03c0"


class Undecided(Exception):  # noqa: N818 - a verdict that unwinds the parser, no error of anyone
    """The text is outside of what is read exactly, or over a budget."""


def ratio(top: Number, bottom: Number) -> Number:
    """``top / bottom`` exactly."""
    if not bottom:
        raise Undecided
    quotient = Fraction(top, bottom)
    return quotient.numerator if quotient.denominator == 1 else quotient


def rational(numerator: int, denominator: int = 1) -> Value:
    """``numerator / denominator`` as a value."""
    number = check(numerator if denominator == 1 else ratio(numerator, denominator))
    return {ONE: number} if number else {}


def symbol(name: str) -> Value:
    """A variable, ``i``, or pi."""
    return {((name, 1),): 1}


def as_rational(value: Value) -> Number | None:
    """The number, if the value is one."""
    if not value:
        return 0
    return value.get(ONE) if len(value) == 1 else None


def as_integer(value: Value) -> int:
    """The integer that the value is; Undecided if it is none."""
    number = as_rational(value)
    if not isinstance(number, int):
        raise Undecided
    return number


def has_variables(value: Value) -> bool:
    """Whether a letter other than pi, e and i stands in it."""
    return any(name not in {PI, "e", "i"} and not name.isdigit() for monomial in value for name, _ in monomial)


def check(number: Number) -> Number:
    """``number`` if it is within the budget of digits; whole numbers as int."""
    if number.numerator.bit_length() > MAX_BITS or number.denominator.bit_length() > MAX_BITS:
        raise Undecided
    return number.numerator if number.denominator == 1 else number


def negate(value: Value) -> Value:
    """``-value``."""
    return {monomial: -coefficient for monomial, coefficient in value.items()}


def add(left: Value, right: Value) -> Value:
    """``left + right``."""
    total = dict(left)
    for monomial, coefficient in right.items():
        _add_term(total, monomial, coefficient)
    return total


def _add_term(total: Value, monomial: Monomial, coefficient: Number) -> None:
    if monomial in total:
        coefficient = check(total[monomial] + coefficient)
        if not coefficient:
            del total[monomial]
            return
    elif len(total) >= MAX_TERMS:
        raise Undecided
    total[monomial] = coefficient


def multiply(left: Value, right: Value) -> Value:
    """``left * right``."""
    if len(left) * len(right) > MAX_TERMS * 4:
        raise Undecided
    total: Value = {}
    for first, a in left.items():
        for second, b in right.items():
            if first and second:
                factor, monomial = _join(first, second)
                _add_term(total, monomial, check(a * b * factor))
            else:
                _add_term(total, first or second, check(a * b))
    return total


def divide(left: Value, right: Value) -> Value:
    """``left / right`` for a divisor of one term, or of two terms whose conjugate clears the roots."""
    if len(right) == 2:
        first, second = right.items()
        conjugate: Value = {first[0]: first[1], second[0]: -second[1]}
        left, right = multiply(left, conjugate), multiply(right, conjugate)
    if len(right) != 1:
        raise Undecided
    ((monomial, coefficient),) = right.items()
    inverse: Value = {ONE: ratio(1, coefficient)}
    for name, exponent in monomial:
        inverse = multiply(inverse, _single(name, -exponent))
    return multiply(left, inverse)


def power(base: Value, exponent: Value) -> Value:
    """``base ** exponent``: integer exponents of anything small, fractional ones of numbers."""
    number = as_rational(exponent)
    if number is None or number.denominator > MAX_ROOT:
        raise Undecided
    if number.denominator != 1:
        return power(root(base, number.denominator), rational(number.numerator))
    count = number.numerator
    if count < 0:
        return power(divide(rational(1), base), rational(-count))
    if not base and not count:
        raise Undecided
    plain = as_rational(base)
    if plain is not None:
        size = max(plain.numerator.bit_length(), plain.denominator.bit_length())
        if abs(plain) != 1 and plain and size * count > MAX_BITS:
            raise Undecided
        return rational(1 if plain == 1 else plain.numerator**count, plain.denominator**count) if plain else {}
    if count > MAX_POWER or (len(base) > 1 and count > MAX_ROOT):
        raise Undecided
    result = rational(1)
    for _ in range(count):
        result = multiply(result, base)
    return result


def root(value: Value, degree: int) -> Value:
    """The real ``degree``-th root of a number of one term; the square root of a negative one is imaginary."""
    if not value:
        return {}
    if len(value) != 1 or not 2 <= degree <= MAX_ROOT:
        raise Undecided
    ((monomial, coefficient),) = value.items()
    if any(name != PI and not name.isdigit() for name, _ in monomial):
        raise Undecided  # the root of x squared is |x|, not x
    result = rational(1)
    if coefficient < 0:
        if degree == 2:
            result = symbol("i")
        elif degree % 2:
            result = rational(-1)
        else:
            raise Undecided
    for name, exponent in monomial:
        result = multiply(result, _single(name, ratio(exponent, degree)))
    for base, sign in ((abs(coefficient.numerator), 1), (coefficient.denominator, -1)):
        for prime, count in _factor(base):
            result = multiply(result, _single(str(prime), ratio(sign * count, degree)))
    return result


def show(value: Value) -> str:
    """The canonical text of a value: ``q:`` for a rational number, ``e:`` for anything else."""
    number = as_rational(value)
    if number is not None:
        return f"q:{number}"
    terms = sorted(("*".join(f"{n}^{e}" for n, e in monomial), c) for monomial, c in value.items())
    return "e:" + "+".join(f"{c}*{m}" if m else str(c) for m, c in terms)


def scale_free(value: Value) -> Value:
    """``value`` over its first coefficient: equations are equal up to a factor. Undecided with negative powers."""
    if not value or any(exponent < 0 for monomial in value for _, exponent in monomial):
        raise Undecided
    first = value[max(value)]
    return {monomial: check(ratio(coefficient, first)) for monomial, coefficient in value.items()}


def _single(name: str, exponent: Number) -> Value:
    """``name ** exponent``; whole parts of a prime's exponent go to the coefficient, powers of i are reduced."""
    if name == "i":
        turn = exponent.numerator % 4
        return {((name, 1),) if turn % 2 else ONE: -1 if turn > 1 else 1}
    if not name.isdigit():
        if abs(exponent) > MAX_POWER:
            raise Undecided
        return {((name, exponent),) if exponent else ONE: 1}
    whole, rest = divmod(exponent, 1)
    if abs(whole) * int(name).bit_length() > MAX_BITS:
        raise Undecided
    coefficient = int(name) ** whole if whole >= 0 else Fraction(1, int(name) ** -whole)
    return {((name, rest),) if rest else ONE: coefficient}


def _join(first: Monomial, second: Monomial) -> tuple[Number, Monomial]:
    """Product of two monomials: what becomes a coefficient, and the monomial that is left."""
    exponents = dict(first)
    shared = False
    for name, exponent in second:
        shared |= name in exponents
        exponents[name] = check(exponents.get(name, 0) + exponent)
    if not shared:
        return 1, tuple(sorted(exponents.items()))
    factor: Number = 1
    kept: list[tuple[str, Number]] = []
    for name in sorted(exponents):
        ((monomial, coefficient),) = _single(name, exponents[name]).items()
        factor *= coefficient
        kept += monomial
    return check(factor), tuple(kept)


def _factor(number: int) -> Iterator[tuple[int, int]]:
    """Primes of ``number`` with their exponents. Undecided when trial division below 10,000 does not settle it."""
    for prime in _small_primes():
        if prime * prime > number:
            break
        count = 0
        while number % prime == 0:
            number //= prime
            count += 1
        if count:
            yield prime, count
    if number > MAX_FACTORED:
        side = isqrt(number)
        if side * side != number or side > MAX_FACTORED:
            raise Undecided
        yield side, 2
    elif number > 1:
        yield number, 1


@cache
def _small_primes() -> tuple[int, ...]:
    sieve = bytearray([1]) * isqrt(MAX_FACTORED)
    sieve[0:2] = b"\0\0"
    for number in range(2, isqrt(len(sieve)) + 1):
        if sieve[number]:
            sieve[number * number :: number] = bytes(len(sieve[number * number :: number]))
    return tuple(number for number in range(len(sieve)) if sieve[number])
