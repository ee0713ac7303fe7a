r"""Currency, percent, degrees and units around one value, and the words that only look like units.

What stands in a text command after a number measures it, unless its words change the number (``million``). Without a
text command only known words count.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from assets.answers.reading.tokens import TEXT


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_UNIT = re.compile(r"[\s~]*[^\W\d_]+(?:[\s./'\u2019-]+[^\W\d_]+)*[\s.]*|[\s~]*")
_NOT_UNITS = _words(
    "hundred thousand million billion trillion dozen half quarter third fourth fifth squared cubed times plus minus "
    "over and or to if when where with by for mod base remainder am pm a.m p.m hundreds thousands millions billions "
    "trillions dozens halves thirds fourths fifths sixths sevenths eighths ninths tenths hundredths thousandths "
    "millionths pi noon midnight morning afternoon evening bc bce b.c b.c.e below negative"
)
"""Words that change a number instead of measuring it."""
_UNIT_LETTERS = frozenset("mgslhdjwvcfkbLNAJWVCFKTHMGPS\u03a9")
"""Single letters that measure; any other one in a text command is a variable or constant set upright."""
_BARE_UNITS = _words(
    "mm cm dm km ft in inch inches foot feet yard yards mile miles meter meters metre metres kg mg gram grams pound "
    "pounds lb lbs oz ounce ounces liter liters litre litres ml gallon gallons sec second seconds min minute minutes "
    "hr hrs hour hours day days week weeks month months year years degree degrees cent cents dollar dollars unit units "
    "mph percent square cubic sq cu people students"
)
"""Units without a text command; other words after a number leave it undecided."""


def without_units(tokens: list[str]) -> list[str]:
    """Without currency before, and degrees, percent and units after one value."""
    if tokens[0] in {"\\$", "\u20ac", "\u00a3", "\\pounds"}:
        tokens = tokens[1:]
    elif tokens[0] == "-" and len(tokens) > 2 and tokens[1] == "\\$":
        tokens = ["-", *tokens[2:]]
    while len(tokens) > 1 and (cut := _unit_length(tokens)):
        tokens = tokens[:-cut]
    return tokens


def _unit_length(tokens: Sequence[str]) -> int:
    """How many tokens at the end are a unit, 0 if none."""
    last = tokens[-1]
    if last in {"\u00b0", "%", "\\$", "\u20ac", "\u00a2", "\\cents"}:
        return 1
    if (length := _power_of_unit(tokens)) or (last[0] != TEXT and last not in _BARE_UNITS):
        return length
    return 1 if is_unit(last) and tokens[-2] not in {"^", "_"} else 0


def _power_of_unit(tokens: Sequence[str]) -> int:
    r"""``\text{cm}^2`` or ``\text{cm}^{2}``: length in tokens."""
    for length in (3, 5):
        if len(tokens) > length and tokens[-length + 1] == "^" and is_unit(tokens[-length]):
            exponent = [token for token in tokens[-length + 2 :] if token not in {"{", "}"}]
            return length if exponent in (["2"], ["3"]) else 0
    return 0


def is_unit(token: str) -> bool:
    """Whether one token measures what stands before it."""
    if token[0] != TEXT:
        return token in _BARE_UNITS
    content = token[1:].strip(" .~")
    if len(content) == 1 and content not in _UNIT_LETTERS:
        return False
    words = set(re.split(r"[\s~]+", content.casefold()))
    return bool(_UNIT.fullmatch(token[1:])) and not words & _NOT_UNITS
