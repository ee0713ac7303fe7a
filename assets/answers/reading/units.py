r"""Currency, percent, degrees and units around one value, and the words that only look like units.

What stands in a text command after a number measures it, unless its words change the number (``million``). Without a
text command only known words count.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from assets.answers.reading.names import TRIGONOMETRIC, is_word
from assets.answers.reading.tokens import TEXT
from assets.answers.reading.undecided import Undecided


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_POWER = r"(?:\^\{?-?[1-3]\}?)?"
_UNIT = re.compile(rf"[\s~]*[^\W\d_]+{_POWER}(?:[\s./'\u2019*-]+[^\W\d_]+{_POWER})*[\s.]*|[\s~]*")
_NOT_UNITS = _words(
    "hundred thousand million billion trillion dozen half quarter third fourth fifth squared cubed times plus minus "
    "over and or to if when where with by for mod base remainder am pm a.m p.m hundreds thousands millions billions "
    "trillions dozens halves thirds fourths fifths sixths sevenths eighths ninths tenths hundredths thousandths "
    "millionths less fewer lower loss lost north south east west "
    "pi noon midnight morning afternoon evening bc bce b.c b.c.e below negative"
)
"""Words that change a number instead of measuring it."""
_UNIT_LETTERS = frozenset("mgslhdjwvcfkbLNAJWVCFKTHMGPS\u03a9")
"""Single letters that measure; any other one in a text command is a variable or constant set upright."""
_BARE_UNITS = _words(
    "mm cm dm km ft in inch inches foot feet yard yards mile miles meter meters metre metres kg mg gram grams pound "
    "pounds lb lbs oz ounce ounces liter liters litre litres ml gallon gallons sec second seconds min minute minutes "
    "hr hrs hour hours day days week weeks month months year years degree degrees cent cents dollar dollars unit units "
    "mph percent square cubic sq cu people students USD EUR gm"
)
"""Short units without a text command; longer words after a number are units too."""
_SHORT = {
    spelling: names[0]
    for names in map(
        str.split,
        (
            "cm centimeter centimeters centimetre centimetres", "mm millimeter millimeters millimetre millimetres",
            "m meter meters metre metres", "km kilometer kilometers kilometre kilometres", "ft foot feet",
            "mi mile miles", "in inch inches", "yd yard yards", "g gram grams", "kg kilogram kilograms",
            "lb lbs pound pounds", "oz ounce ounces", "s sec secs second seconds",
            "min mins minute minutes", "h hr hrs hour hours",
            "l liter liters litre litres", "ml milliliter milliliters millilitre millilitres",
            "\u00b0 degree degrees", "\\$ dollar dollars", "\u00a2 cent cents",
        ),
    )
    for spelling in names
}  # fmt: skip
"""Units inside of compound answers, where they stay."""
_CURRENCY = frozenset({"\\$", "\u20ac", "\u00a3", "\\pounds", "\u00a5"})
_AFTER = frozenset({"%", "\\$", "\u20ac", "\u00a2", "\\cents", "\\euro", "\u00a3"})
_RATE_LETTERS = frozenset("hsmL")
"""Single letters that measure below a slash: ``120 km/h``."""
_SCALES = {
    "hundred": 10**2, "thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12, "dozen": 12,
}  # fmt: skip
"""Words that multiply the number before them."""


def scale_of(token: str) -> int:
    """What the words of ``token`` multiply a number by (``hundred thousand``); 1 if they measure or say anything else.

    Undecided for words that change the number in another way after that (``dozen and a half``).
    """
    rest = token.strip(TEXT + " ~.").casefold().split()
    scale = 1
    while rest and rest[0] in _SCALES:
        scale *= _SCALES[rest.pop(0)]
    if scale > 1 and rest and not is_unit(TEXT + " ".join(rest)):
        raise Undecided
    return scale


def without_units(tokens: list[str]) -> list[str]:
    """Without currency before, and degrees, percent and units after one value."""
    if tokens[0] in _CURRENCY:
        tokens = tokens[1:]
    elif tokens[0] == "-" and len(tokens) > 2 and tokens[1] in _CURRENCY:
        tokens = ["-", *tokens[2:]]
    if len(tokens) > 2 and tokens[-2] == "\u00b0" and tokens[-1].strip(TEXT + " ") in {"N", "S", "E", "W"}:
        return tokens  # 30 degrees north
    while len(tokens) > 1 and (cut := _unit_length(tokens)):
        tokens = tokens[:-cut]
    return tokens


def _unit_length(tokens: Sequence[str]) -> int:
    """How many tokens at the end are a unit, 0 if none."""
    last = tokens[-1]
    if last == "\u00b0":
        return 0 if TRIGONOMETRIC.intersection(token.removeprefix("\\") for token in tokens) else 1
    if last in _AFTER:
        return 1
    if last == "'":
        return _length_of_primes(tokens)
    if last == "}" and (length := _fraction_length(tokens)):
        return length
    length = _measure(tokens, len(tokens))
    while length and len(tokens) - length > 2 and tokens[-length - 1] in {"/", "per", "*"}:
        more = _measure(tokens, len(tokens) - length - 1)
        if not more:
            break
        length += 1 + more
    start = len(tokens) - length
    if not length or start < 1 or tokens[start - 1] in {"^", "_", "/", "*", "+", "-"}:
        return 0
    return 0 if length == 1 and _is_bare_letter(tokens[start]) else length


def _length_of_primes(tokens: Sequence[str]) -> int:
    """Feet and inches are primes after a number; after a letter a prime is part of its name."""
    length = 2 if tokens[-2] == "'" else 1
    before = tokens[-length - 1] if len(tokens) > length else ""
    return length if before[:1].isdigit() or before == "}" else 0


def _measure(tokens: Sequence[str], end: int) -> int:
    """Length of one unit, with its power, that ends before ``end``."""
    if end < 2:
        return 0
    power = next((n for n in (2, 4) if end > n and tokens[end - n] == "^"), 0)
    if power:
        inner = [token for token in tokens[end - power + 1 : end] if token not in {"{", "}", "-"}]
        if inner not in (["1"], ["2"], ["3"]):
            return 0
    at = end - power - 1
    if is_unit(tokens[at]) or (_is_bare_letter(tokens[at]) and at > 1 and tokens[at - 1] == "/"):
        return power + 1
    return 0


def _is_bare_letter(token: str) -> bool:
    return token in _RATE_LETTERS


def _fraction_length(tokens: Sequence[str]) -> int:
    r"""``\frac{\text{km}}{\text{h}}``: length in tokens."""
    tail = list(tokens[-7:])
    is_shape = len(tail) == 7 and [tail[i] for i in (0, 1, 3, 4, 6)] == ["\\frac", "{", "}", "{", "}"]
    return 7 if is_shape and is_unit(tail[2]) and is_unit(tail[5]) else 0


def is_unit(token: str) -> bool:
    """Whether one token measures what stands before it."""
    if token[0] != TEXT:
        is_plain = len(token) > 3 and is_word(token) and token.islower() and token not in _NOT_UNITS
        return token in _BARE_UNITS or is_plain
    content = token[1:].strip(" .~")
    if len(content) == 1 and content not in _UNIT_LETTERS:
        return False
    words = set(re.split(r"[\s~]+", content.casefold()))
    return bool(_UNIT.fullmatch(token[1:])) and not words & _NOT_UNITS


def unit_name(tokens: Sequence[str]) -> str:
    """One spelling of a unit: case of words, spaces, plurals and short forms do not matter."""
    name = "".join("".join(token.lstrip(TEXT).casefold().split()).strip(".~") for token in tokens)
    if name in _SHORT:
        return _SHORT[name]
    return name[:-1] if len(name) > 3 and name.endswith("s") and not name.endswith("ss") else name
