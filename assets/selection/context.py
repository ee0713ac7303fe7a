r"""Whether a stretch of arithmetic is complete, or goes on in the text around it.

``3 + 4 = 8`` in ``so 3 + 4 = 8 apples`` is a claim; in ``2x 3 + 4 = 8``, ``x^3 + 4 = 8`` or ``= 8 million`` it is a
piece of something else. Whatever is not known to be harmless counts as incomplete: a sound solution that is thrown away
costs more than a wrong one that stays (the paper finds no harm up to 20 % of wrong solutions).
"""

from __future__ import annotations

import re
from fractions import Fraction

from assets.selection.arithmetic import Claim

BEFORE = 48
AFTER = 80
"""Characters looked at on each side."""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_LAST_WORD = re.compile(r"(\\?)([A-Za-z]+)\Z")
_NEXT_WORD = re.compile(r"[^A-Za-z0-9\n]{0,12}([A-Za-z]{1,20})")
_MACRO = re.compile(r"\\([A-Za-z]+)")
_ENUMERATION = re.compile(r"(?:\A|\n)[ \t]*\(?\w{1,2}\)\Z")
_BULLET = re.compile(r"(?:\A|\n)[ \t]*(?:[-*\u2022\u2013]|\*\*)\Z")

_MACROS_BEFORE = _words("approx implies Rightarrow rightarrow to quad qquad therefore iff item")
_MACROS_AFTER = _words("text mathrm mbox textbf quad qquad implies Rightarrow rightarrow end")
_OPERATOR_WORDS = _words(
    "half twice thrice double triple times plus minus over by of than log ln lg sin cos tan cot sec csc sqrt root mod "
    "exp power negative point"
)
_SCALE_WORDS = _words("million thousand hundred billion trillion dozen percent remainder rem mod half times plus minus")
_INEXACT = re.compile(
    r"remainder|round|approx|about|nearest|\bmod|pmod|left ?over|\bR *\}? *[0-9]"
    r"|(?:and|or) (?:an? (?:half|third|quarter)|\(?[0-9]+/)"
)
_OTHER_ARITHMETIC = re.compile(r"\b(?:base|mod|modulo|binary|octal|hexadecimal)\b", re.IGNORECASE)
_GOES_ON_BEFORE = re.compile(r"(?:[-+*/(^_]|\\times|\\cdot|\\div)\s*\Z")
_NUMBER_GOES_ON = re.compile(r"[0-9](?:,[ \t]*(?=[0-9]{3}(?![0-9]))| and[ \t]+(?=[0-9]+/[0-9]))")
"""``14, 400 / 80`` and ``1 and 1/4``: what stands before belongs to the first number."""
_LONGEST_JOIN = 8
"""Characters from the last digit of the number before to that of the run."""
_GOES_ON_AFTER = re.compile(r"\$?\s*\n\s*(?:[+/^]|\*(?!\*)|-[ \t]*[0-9]|\\(?:times|cdot|div)(?![A-Za-z]))")
"""A formula that is broken over two lines."""
_MIXED_UNITS = re.compile(
    r"[ \t]*(?:hours?|hrs?|h|minutes?|mins?|weeks?|days?|months?|years?|feet|foot|ft|yards?|dollars?"
    r"|pounds?|lbs?|kg|km|m)"
    r"[ \t,]*(?:and[ \t]+)?\\?\$?[0-9]"
)
"""``= 7 hours 30 minutes``: the number goes on."""
_MARKS_BEFORE = ".,:;?\"'\u201c\u2018"
_MARKS_AFTER = "\n;)]}?\"'\u201d\u2019\u2014"
_CONVERSIONS = frozenset([12, 16, 24, 36, 60, 100, 1000, 3600])
"""A claim that is off by one of these, with a word after it, changes the unit (0.25 * 4 = 100 cents)."""


def is_complete(text: str, start: int, claim: Claim) -> bool:
    """Whether nothing around the run at ``start`` belongs to ``claim``."""
    left, right = start + claim.left_start, start + claim.right_end
    if claim.is_first:
        joined = any(found.end() == left for found in _NUMBER_GOES_ON.finditer(text, max(0, left - _LONGEST_JOIN)))
        if joined or not _is_clean_before(text[max(0, left - BEFORE) : left]):
            return False
    after = text[right : right + AFTER]
    return not claim.is_last or (_is_clean_after(after) and not _changes_unit(claim, after))


def _is_clean_before(before: str) -> bool:
    if _OTHER_ARITHMETIC.search(before):
        return False
    near = _without_opener(before.rstrip(" \t"))
    if near is None or (near.endswith("\n") and _GOES_ON_BEFORE.search(near)):
        return False
    if near in {"", "("} or near.endswith(("\n", "=", "&", ">", "\\\\", "\\[", "\\(", "[", " **", ":**", " (", "\n(")):
        return True
    if near == before:
        return False  # it touches something
    if near[-1].isalpha():
        return _is_harmless_word(near)
    return near[-1] in _MARKS_BEFORE or bool(_ENUMERATION.search(near) or _BULLET.search(near))


def _without_opener(near: str) -> str | None:
    """Without a sign of money, or of a formula that opens, at its end. None where a formula closes there."""
    if not near.endswith("$"):
        return near
    rest = near.rstrip("$")
    if rest.endswith("\\"):
        rest = rest[:-1]
    elif rest and rest[-1] not in " \t\n([*:~\"'":
        return None
    return rest.rstrip(" \t")


def _is_harmless_word(near: str) -> bool:
    found = _LAST_WORD.search(near)
    if found is None:
        return False
    slash, word = found.groups()
    if slash:
        return word in _MACROS_BEFORE
    return len(word) > 1 and word.lower() not in _OPERATOR_WORDS


def _is_clean_after(after: str) -> bool:
    if _INEXACT.search(after, 0, 60) or _MIXED_UNITS.match(after) or _GOES_ON_AFTER.match(after):
        return False
    if not after or after[0].isalnum() or after[0] == "(":
        return not after
    if after[0] in ".,:":
        return after[1:2] not in {".", "\\"} and not after[1:2].isdigit()
    word = _NEXT_WORD.match(after)
    if word and word[1].lower() in _SCALE_WORDS:
        return False
    return _is_clean_mark(after.lstrip(" \t"))


def _is_clean_mark(after: str) -> bool:
    """What may stand after a number and optional space: the end of a line or formula, a mark, a bracket, a word."""
    if after.startswith("$"):
        after = after.lstrip("$").lstrip(" \t")
        return not after.startswith(("+", "-", "*", "/", "^", "=", "%", "\\%", "\\times", "\\cdot", "\\div", "!"))
    if not after or after[0] in _MARKS_AFTER or after.startswith(("**", "\\\\", "\\]", "\\)", "\\ ", "\\$")):
        return True
    if after[0] in ".,":
        return after[1:2] in {"", " ", "\n"}
    if after[0] == "(":
        return after[1:3].isalpha()  # (since ...), not (m - 1)
    if after[0].isalpha():
        return after[1:2].isalpha() or after[:2] in {"a ", "A ", "I "}
    if macro := _MACRO.match(after):
        return macro[1] in _MACROS_AFTER
    return after[:2] in {"\\,", "\\;"} and _is_clean_mark(after[2:].lstrip(" \t"))


def _changes_unit(claim: Claim, after: str) -> bool:
    if claim.left == claim.right or not claim.left or not claim.right or not _NEXT_WORD.match(after):
        return False
    ratio = Fraction(claim.right) / Fraction(claim.left)
    return ratio in _CONVERSIONS or 1 / ratio in _CONVERSIONS
