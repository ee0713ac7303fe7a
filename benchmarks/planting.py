"""Problems re-worded in small ways that leave them the same problem, and controls that make them another one.

What `contamination_planted.py` plants. Every function takes a text and a random generator and gives a text; where it
finds nothing to change it gives the text back.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Mapping

Rewording = Callable[[str, random.Random], str]

_NAMES = "Ardita Bojan Chiamaka Dagny Eluned Farrukh Gwydion Halvard Ikaika Jolanta Kwabena Ludmila Mbali Nerys Oyela"
_NO_NAMES = """
A All An And As At But Each Every Express Find For From Given He Her Hers His How However I If In Is It Its Let
Monday Tuesday Wednesday Thursday Friday Saturday Sunday January February March April May June July August September
October November December My No Of On One Our Point She Simplify Since So Some Suppose That The Their Then There
They This Thus To Today Two We What When Where Which While Who Write You Your Compute Evaluate Determine Calculate
Three Four Five Six After Before During Assume Consider Using By With Round Note Enter
Head Tail Heads Tails Triangle Circle Line
"""
UNITS: Mapping[str, str] = {
    "cm": "centimeters", "centimeters": "cm", "km": "kilometers", "kilometers": "km", "hours": "hrs", "hour": "hr",
    "minutes": "min", "minute": "min", "pounds": "lbs", "kg": "kilograms", "kilograms": "kg", "feet": "ft",
    "inches": "in", "percent": "%", "meters": "metres", "liters": "litres", "ounces": "oz", "miles": "mi",
    "grams": "g", "yards": "yd", "seconds": "secs", "gallons": "gal",
}  # fmt: skip
_NUMBERS = "zero one two three four five six seven eight nine ten eleven twelve"
LATEX: tuple[tuple[str, str], ...] = (
    (r"\\frac\{(\w+)\}\{(\w+)\}", r"\1/\2"),
    (r"\\frac(?![a-z])", r"\\dfrac"),
    (r"\\d?frac(\d)(\d)", r"\\frac{\1}{\2}"),
    (r"\\left|\\right", ""),
    (r"\\cdot", r"\\times"),
    (r"\\leq?(?![a-z])", "≤"),
    (r"\\geq?(?![a-z])", "≥"),
    (r"\\(?:text|mbox)\{", r"\\mathrm{"),
    (r"\\[,!;]", ""),
    (r"\^\{(\w)\}", r"^\1"),
    (r"\^(\w)", r"^{\1}"),
    (r"\\pi(?![a-z])", "π"),
    (r"\\\[|\\\]", "$$"),
    (r"(?<![\\$])\$([^$]+)\$(?!\$)", r"\\(\1\\)"),
)
_SENTENCE = re.compile(r"(?<=[a-z\d$)][.?!])\s+(?=[A-Z$\\])")
_NAME = re.compile(r"(?<![\\\w$])[A-Z][a-z]{2,}\b(?!\s+[A-Z])")


def renamed(text: str, chance: random.Random) -> str:
    """Every word that looks like a name of a person becomes another name, everywhere the same."""
    found = [w for w in dict.fromkeys(_NAME.findall(text)) if w not in _NO_NAMES.split() and text.count(w) > 1]
    names = dict(zip(found, chance.sample(_NAMES.split(), min(len(found), 15)), strict=False))
    return re.sub(r"\b[A-Z][a-z]+\b", lambda m: names.get(m[0], m[0]), text)


def reordered(text: str, chance: random.Random) -> str:
    """Sentences in another order; the question comes first as often as last."""
    sentences = _SENTENCE.split(text)
    if len(sentences) < 2:
        return text
    mixed = chance.sample(sentences, len(sentences))
    return " ".join(mixed if mixed != sentences else sentences[::-1])


def respelled(text: str, chance: random.Random) -> str:
    """LaTeX in another spelling of the same."""
    for pattern, to in LATEX:
        text = re.sub(pattern, to, text)
    return text


def reunited(text: str, chance: random.Random) -> str:
    """Units and small numbers in another spelling: ``5 cm``, ``5 centimeters``; ``$5``, ``5 dollars``; ``3``, three."""
    words = {str(value): word for value, word in enumerate(_NUMBERS.split())}
    text = re.sub(r"\b[A-Za-z]+\b", lambda m: UNITS.get(m[0], m[0]), text)
    text = re.sub(r"(?<!\$)\\?\$(\d[\d,]*(?:\.\d\d)?)(?=[ ,.?](?:[a-z ,.?]|$))(?![^$]*\$)", r"\1 dollars", text)
    text = re.sub(r"(\d)\\?%", r"\1 percent", text)
    return re.sub(r"(?<= )(\d{1,2})(?= [a-z]{3})", lambda m: words.get(m[1], m[1]), text)


def all_at_once(text: str, chance: random.Random) -> str:
    """All of these together."""
    for change in (renamed, reordered, reunited, respelled):
        text = change(text, chance)
    return text


def renumbered(text: str, chance: random.Random) -> str:
    """The control: every number is another one, so that it is another problem about the same things."""
    numbers: dict[str, str] = {}

    def other(found: re.Match[str]) -> str:
        old = found[0]
        while old not in numbers or numbers[old] == old:
            low = 10 ** (len(old) - 1) if len(old) > 1 else 2
            numbers[old] = str(chance.randint(low, max(low * 10 - 1, 9)))
        return numbers[old]

    return re.sub(r"\d+", other, text)


REWORDINGS: Mapping[str, Rewording] = {
    "copied": lambda text, chance: text,
    "names": renamed,
    "sentence order": reordered,
    "LaTeX spelling": respelled,
    "units and number words": reunited,
    "all at once": all_at_once,
}
