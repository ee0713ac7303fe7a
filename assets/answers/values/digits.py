"""Numbers as key text: ``q:3/4`` for rationals, 60 leading digits for the rest."""

from __future__ import annotations

from fractions import Fraction
from hashlib import blake2b
from typing import Any

from flint import acb, ctx

from assets.answers.reading.undecided import Undecided
from assets.answers.values.number import FINE_BITS, Number, is_exact

DIGITS = 60
"""Digits of an irrational number in its key: two answers that share them are one number (their heights are small)."""
MAX_DENOMINATOR = 10**20
"""A fraction is taken for a ball's number when its denominator is no larger, and the ball this much sharper than
fractions of that size lie apart (:data:`CHANCE_BITS`): a chance of 10^-18 for a number that is none."""
CHANCE_BITS = 60
ZERO_BITS = 1_200
"""A part this much smaller than the whole number is zero, when the fine precision still cannot tell."""
MAX_SHOWN = 420
"""Longest number that a key spells out."""
MAX_DECIMAL_EXPONENT = 12_000
"""Beyond 2^12000 digits are shown in binary: the decimal ones would cost more than the number."""


def rational(value: Any) -> str:
    """Text of an exact rational; a hash of it when it has more than some hundred digits."""
    text = value.str()
    if len(text) > MAX_SHOWN:
        return f"#{blake2b(text.encode(), digest_size=15).hexdigest()}"
    return text


def constant(value: Number) -> str:
    """Key of a number: ``q:`` when it is rational, also by its digits; ``n:`` otherwise (two parts when complex)."""
    if is_exact(value):
        return f"q:{rational(value)}"
    parts = [_part(part, value) for part in (value.real, value.imag)]
    if parts[1] == "0":
        is_rational = "." not in parts[0] and "^" not in parts[0]
        return f"q:{parts[0]}" if is_rational else f"n:{parts[0]}"
    return f"n:{parts[0]},{parts[1]}"


def leading(value: Number) -> str:
    """The leading digits of both parts, 200 binary ones; the same for an exact number and for a ball around it."""
    found = acb(value) if is_exact(value) else value
    return f"{_digits(found.real, found, is_shown=False)},{_digits(found.imag, found, is_shown=False)}"


def _part(part: Any, whole: Any) -> str:
    """One part of a number: the fraction that it is, or its digits."""
    digits = _digits(part, whole)
    if digits == "0":
        return digits
    near = _simplest(part)
    return digits if near is None else str(near)


def _digits(part: Any, whole: Any, *, is_shown: bool = True) -> str:
    """The leading digits of one part; in binary, which costs a fifth, where nobody will read them."""
    if part.is_zero():
        return "0"
    if part.contains(0):
        if ctx.prec < FINE_BITS or _size(part.abs_upper()) > _size(whole.abs_upper()) - ZERO_BITS:
            raise Undecided
        return "0"
    if part.rel_accuracy_bits() < 240:
        raise Undecided
    mantissa, exponent = (int(item) for item in part.mid().man_exp())
    if not is_shown or abs(exponent) > MAX_DECIMAL_EXPONENT:
        return _binary(mantissa, exponent)
    return _decimal(Fraction(mantissa) * Fraction(2) ** exponent)


def _size(upper: Any) -> int:
    mantissa, exponent = upper.mid().man_exp()
    return int(mantissa).bit_length() + int(exponent)


def _binary(mantissa: int, exponent: int) -> str:
    sign, mantissa = ("-" if mantissa < 0 else ""), abs(mantissa)
    extra = mantissa.bit_length() - 200
    if extra > 0:
        mantissa = (mantissa + (1 << (extra - 1))) >> extra
    else:
        mantissa <<= -extra
    exponent += extra
    if mantissa.bit_length() > 200:
        mantissa, exponent = mantissa >> 1, exponent + 1
    return f"{sign}{mantissa:x}*2^{exponent}"


def _decimal(number: Fraction) -> str:
    sign, number = ("-" if number < 0 else ""), abs(number)
    exponent = int((number.numerator.bit_length() - number.denominator.bit_length()) * 0.30103)
    while number >= Fraction(10) ** (exponent + 1):
        exponent += 1
    while number < Fraction(10) ** exponent:
        exponent -= 1
    digits = round(number * Fraction(10) ** (DIGITS - 1 - exponent))
    if digits == 10**DIGITS:
        digits, exponent = digits // 10, exponent + 1
    text = str(digits)
    return f"{sign}{text[0]}.{text[1:].rstrip('0') or '0'}e{exponent}"


def _simplest(part: Any) -> Fraction | None:
    """The fraction of a small denominator that the ball stands around, None if there is none."""
    mantissa, exponent = (int(item) for item in part.mid().man_exp())
    if abs(exponent) > 2_000:
        return None
    value = Fraction(mantissa) * Fraction(2) ** exponent
    top, bottom = value.numerator, value.denominator
    width, unit = (int(item) for item in part.rad().mid().man_exp())
    sharp = -width.bit_length() - unit if width else None
    before, now, low_before, low = 0, 1, 1, 0
    while bottom:
        whole, rest = divmod(top, bottom)
        before, now = now, whole * now + before
        low_before, low = low, whole * low + low_before
        if low > MAX_DENOMINATOR or (sharp is not None and 2 * low.bit_length() > sharp - CHANCE_BITS):
            return None
        if rest == 0 or _is_within(
            now * value.denominator - low * value.numerator, low * value.denominator, width, unit
        ):
            return Fraction(now, low)
        top, bottom = bottom, rest
    return None


def _is_within(top: int, bottom: int, width: int, unit: int) -> bool:
    """Whether ``top / bottom`` is at most ``width * 2**unit``: a ball's own test is blunt at its edge."""
    reach = bottom * width
    return abs(top) << -unit <= reach if unit < 0 else abs(top) <= reach << unit
