r"""Rounded decimals: which exact number a decimal stands for. Never part of a key: rounding is no equivalence.

``0.333`` is not ``1/3``, but a solution that answers ``0.3333`` where others answer ``\frac13`` means it. A vote, and
`grade`, attach such a decimal to the one exact answer that rounds to it.
"""

from __future__ import annotations

import re
from decimal import Decimal
from fractions import Fraction

from assets.answers.forms.labels import label_of
from assets.answers.policy import DEFAULT, Policy
from assets.answers.reading.tokens import tokenize
from assets.answers.reading.undecided import Undecided
from assets.answers.reading.units import without_units

MIN_DIGITS = 4
"""Fewest significant digits of a decimal that may stand for a number: with three, 0.333 would be 1/3 and 332/997
alike (specification of answers, section 4)."""
MAX_CHARACTERS = 80
"""A longer answer is no rounded decimal."""
MAX_DIGITS = 55
"""A key shows 60 digits of an irrational number."""

_HAS_DECIMAL = re.compile(r"\d?\.\d")
_NUMBER = re.compile(r"\d*\.\d+")
_SHOWN = re.compile(r"(-?)(\d)\.(\d+)e(-?\d{1,4})")


def written_decimal(answer: str, policy: Policy = DEFAULT) -> Decimal | None:
    r"""The number as ``answer`` writes it, if it is one decimal of at least four significant digits.

    A label before it, ``\approx``, and a unit are passed over. The exponent of the result is the precision written:
    ``2.50`` is Decimal("2.50").
    """
    if len(answer) > MAX_CHARACTERS or not _HAS_DECIMAL.search(answer):
        return None
    try:
        tokens = _value_tokens(tokenize(answer))
        tokens = without_units(tokens) if policy.strip_units and tokens else tokens
    except Undecided:
        return None
    sign = tokens[:1] if tokens[:1] in (["-"], ["+"]) else []
    number = tokens[len(sign) :]
    if len(number) != 1 or not _NUMBER.fullmatch(number[0]):
        return None
    digits = number[0].replace(".", "").lstrip("0")
    if not MIN_DIGITS <= len(digits) <= MAX_DIGITS:
        return None
    return Decimal("".join([*sign, number[0]]))


def _value_tokens(tokens: list[str]) -> list[str]:
    """What follows a label and its sign of equality."""
    while tokens and tokens[-1] in {".", ",", ";"}:
        tokens = tokens[:-1]
    at = next((i for i, token in enumerate(tokens) if token in {"=", "\u2248"}), -1)
    if at >= 0 and (at == 0 or label_of(tokens[:at]) is not None):
        return tokens[at + 1 :]
    return tokens


def rounds_to(key_text: str, decimal: Decimal) -> bool:
    """Whether the real number behind a key (``q:`` or ``n:``) rounds to ``decimal`` at its written digits.

    A number halfway between two decimals rounds to both.
    """
    value = number_of_key(key_text)
    if value is None:
        return False
    exponent = decimal.as_tuple().exponent
    assert isinstance(exponent, int)
    return abs(value - Fraction(decimal)) <= Fraction(10) ** exponent / 2


def number_of_key(key_text: str) -> Fraction | None:
    """The rational behind ``q:``, or the 60 digits behind a real ``n:``; None for any other key."""
    tag, _, text = key_text.partition(":")
    if tag == "q" and not text.startswith("#"):
        return Fraction(text)
    if tag != "n" or (found := _SHOWN.fullmatch(text)) is None:
        return None
    sign, first, rest, exponent = found.groups()
    value = int(first + rest) * Fraction(10) ** (int(exponent) - len(rest))
    return -value if sign else value
