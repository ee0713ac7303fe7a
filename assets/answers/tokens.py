r"""Cuts an answer into tokens: numbers, commands, letters, signs and ``\text{}`` groups. No meaning is given here.

One regular expression without nested repetition; spacing and sizing macros vanish, spellings of one command become
one. A ``\text{...}`` group is one token: its content after the mark :data:`TEXT`.
"""

from __future__ import annotations

import re

from assets.answers.values import Undecided

MAX_TOKENS = 400
"""A longer answer is compared as text: no answer of MATH has more than 120."""

TEXT = "\x01"
"""First character of a token that holds words."""
OR = "\u2228"
"""Separates like a comma, but between inequalities it joins what ``and`` would intersect."""

_TOKEN = re.compile(
    r"""
    [0-9]+(?:\.[0-9]+)?|\.[0-9]+
    | \\(?:text|mathrm|mbox|textbf|textit|textrm|textnormal|operatorname|hbox)\s*\{[^{}]*\}
    | \\(?:begin|end)\s*\{[A-Za-z]{1,12}\*?\}
    | \\[A-Za-z]+
    | \\[^A-Za-z]
    | [A-Za-z]+
    | \S
    """,
    re.VERBOSE,
)
_GROUP_START = r"(?<![\d.])(?<!\d,)(?<!\d\{,\})[1-9]\d{0,2}"
"""A whole run of digits and marks, or nothing: 2,3,125 is a list, and 0,125 no number with thousands."""
_GROUP_OF_THREE = re.compile(_GROUP_START + r"(?:(?:\{,\}|,\\!|\\!|\\,|,)\d{3})+(?!(?:\{,\}|\\!|\\,|,)*\d)")
_MARKED_THREE = re.compile(_GROUP_START + r"(?:(?:\{,\}|,\\!|\\!|\\,)\d{3})+(?!(?:\{,\}|\\!|\\,|,)*\d)")
_NOT_DIGIT = re.compile(r"\D+")
_REPEATING = re.compile(r"(\d*)\.(\d{0,40})\\overline\s*(?:\{(\d{1,40})\}|(\d))")
_SCIENTIFIC = re.compile(r"\d[eE][-+]?\d")
_SPACES = re.compile(r"(?<![A-Za-z0-9])\s+|\s+(?![A-Za-z0-9])")

_SPACING = r"""\left \right \big \Big \bigg \Bigg \bigl \bigr \Bigl \Bigr \biggl \biggr \displaystyle \textstyle \limits
\quad \qquad \, \! \; \: \> \/ ~ $ \( \) \[ \]"""
_VANISH = frozenset(_SPACING.split()) | {"\\ "}
_SAME = {
    "\\dfrac": "\\frac", "\\tfrac": "\\frac", "\\cfrac": "\\frac", "\\dbinom": "\\binom", "\\tbinom": "\\binom",
    "\\cdot": "*", "\\times": "*", "\u00d7": "*", "\u00b7": "*", "\u22c5": "*", "\\ast": "*",
    "\\div": "/", "\u00f7": "/",
    "\u2212": "-", "\u2013": "-", "\\pm": "\u00b1",
    "\\le": "\u2264", "\\leq": "\u2264", "\\leqslant": "\u2264", "\\ge": "\u2265", "\\geq": "\u2265",
    "\\geqslant": "\u2265", "\\lt": "<", "\\gt": ">",
    "\\pi": "\u03c0", "\\infty": "\u221e", "\\degree": "\u00b0", "\\%": "%", "\\lbrace": "\\{", "\\rbrace": "\\}",
    "\\cup": "\u222a", "\\varnothing": "\u2205", "\\emptyset": "\u2205", "\\colon": ":",
    "and": ",", "or": OR, "\\lor": OR,
    "\\lvert": "|", "\\rvert": "|", "\u221a": "\\sqrt",
}  # fmt: skip
_UPRIGHT = frozenset({"i", "e"})
r"""Constants that are often set upright: ``3\mathrm{i}`` is a number, not 3 of a unit."""
_DEGREES = re.compile(r"\^\s*(?:\{\s*\\circ\s*\}|\\circ)")
_TEXT_HEAD = re.compile(r"\\(?:text|mathrm|mbox|hbox|operatorname)")


def tokenize(answer: str) -> list[str]:
    """Tokens of ``answer``. Undecided when there are too many, or when a spelling has two readings."""
    if "\\" in answer:
        answer = _DEGREES.sub("\u00b0", answer)
    if _SCIENTIFIC.search(answer):
        raise Undecided  # 1e5: a power of ten to some, 5e to others
    if "," in answer or "\\," in answer or "\\!" in answer:
        # In brackets a bare comma separates: (1,234) is a pair.
        pattern = _MARKED_THREE if any(mark in answer for mark in "([") or "\\{" in answer else _GROUP_OF_THREE
        answer = pattern.sub(lambda found: _NOT_DIGIT.sub("", found[0]), answer)
    if "\\overline" in answer:
        answer = _REPEATING.sub(_repeating, answer)
    found = _TOKEN.findall(answer)
    if len(found) > MAX_TOKENS:
        raise Undecided
    return [_word(token) for token in found if token not in _VANISH]


def _word(token: str) -> str:
    if token[0] == "\\" and token[-1] == "}" and len(token) > 2 and not token.startswith(("\\begin", "\\end")):
        content = token[token.index("{") + 1 : -1]
        word = content.strip(" ,")
        return _SAME[word] if word in {"and", "or"} else word if word in _UPRIGHT else TEXT + content
    return _SAME.get(token, token)


def _repeating(found: re.Match[str]) -> str:
    r"""``0.1\overline{6}`` as a fraction: (16 - 1) / 90."""
    whole, head, tail = found[1] or "0", found[2], found[3] or found[4]
    if len(whole) > 40:
        raise Undecided
    top = int(whole + head + tail) - int(whole + head)
    bottom = int("9" * len(tail) + "0" * len(head))
    return f"\\frac{{{top}}}{{{bottom}}}"


def plain_text(answer: str) -> str:
    """What an undecided answer is compared by: its text without the spellings that never carry meaning."""
    answer = _TEXT_HEAD.sub(r"\\text", answer)
    for command, same in (("\\dfrac", "\\frac"), ("\\tfrac", "\\frac"), ("\\left", ""), ("\\right", ""), ("\\!", "")):
        if command in answer:
            answer = re.sub(re.escape(command) + r"(?![A-Za-z])", lambda _, same=same: same, answer)
    return _SPACES.sub("", " ".join(answer.strip().rstrip(".").split()))
