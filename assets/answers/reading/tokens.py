r"""Cuts an answer into tokens: numbers, commands, letters, signs and ``\text{}`` groups. No meaning is given here.

Regular expressions without nested repetition; spacing and sizing macros vanish, spellings of one command become one.
A ``\text{...}`` group is one token: its content after the mark :data:`TEXT`.
"""

from __future__ import annotations

import re

from assets.answers.reading.names import ONE_ARGUMENT
from assets.answers.reading.symbols import plain_symbols
from assets.answers.reading.undecided import Undecided

MAX_TOKENS = 400
"""A longer answer is compared as text: no answer of MATH has more than 120."""

TEXT = "\x01"
"""First character of a token that holds words."""
OR = "\u2228"
"""Separates like a comma, but joins inequalities that :data:`AND` would intersect."""
AND = "\u2227"
DOTS = "\u2026"
TO = "\u2236"
"""The word of a ratio; an arrow is another sign."""

_TOKEN = re.compile(
    r"""
    [0-9]+(?:\.[0-9]+)?|\.[0-9]+
    | \\(?:text[a-z]{0,6}|mathrm|mbox|operatorname\*?|hbox|rm|mathop|emph)\s*\{(?:[^{}]|\{[^{}]*\})*\}
    | \\(?:begin|end)\s*\{[A-Za-z]{1,12}\*?\}
    | \\(?:mathbb|Bbb)\s*\{?\s*[A-Z]\s*\}?
    | \\[A-Za-z]+
    | \\[^A-Za-z]
    | [A-Za-z]+
    | \.\.\.
    | \S
    """,
    re.VERBOSE,
)
_GROUP_START = r"(?<![\d.])(?<!\d,)(?<!\d\{,\})[1-9]\d{0,2}"
"""A whole run of digits and marks, or nothing: 2,3,125 is a list, and 0,125 no number with thousands."""
_GROUP_OF_THREE = re.compile(_GROUP_START + r"(?:(?:\{,\}|,\\!|\\!,?|\\,|,)\s?\d{3})+(?!(?:\{,\}|\\!|\\,|,)*\d)")
_MARKED_THREE = re.compile(_GROUP_START + r"(?:(?:\{,\}|,\\!|\\!|\\,)\d{3})+(?!(?:\{,\}|\\!|\\,|,)*\d)")
_SPACED_LIST = re.compile(r"\d,\s+\d{3}(?!\d)")
_CUT_THOUSANDS = re.compile(r"[1-9],0\d\d(?![\d.])")
_BOLD = re.compile(r"(?<![\w)}\]*])\*\*([^*\s][^*]*)\*\*(?![\w({\[\\*])")
"""Markdown; two stars between numbers are a power."""
_NOT_DIGIT = re.compile(r"\D+")
_REPEATING = re.compile(
    r"(\d*)\.(\d{0,40})(?:\\(?:overline|bar|dot)\s*(?:\{(\d{1,40})\}|(\d))|\((\d{1,40})\)(?![\d.]))"
)
_SCIENTIFIC = re.compile(r"(?<![A-Za-z\\\d.])(\d{1,40}(?:\.\d{1,40})?)[eE]([-+]?\d{1,4})(?![\dA-Za-z]|\.\d)")
_UNIT_FRACTION = re.compile(r"\\[dtc]?frac\s*\{([A-Za-z]+)\}\s*\{([A-Za-z]+)\}")
_LETTER = re.compile(r"[^\W\d_]")
_SPACES = re.compile(r"(?<![A-Za-z0-9])\s+|\s+(?![A-Za-z0-9])")
_BLANK = re.compile(r"~|\\[ ,;]")
_STOP = re.compile(r"(?<!\.)\s*\.$")
"""A period at the end; three of them go on."""
_THIN = re.compile(r"(?<!\\)\\[,;: ]")
_TEXT_HEAD = re.compile(r"\\(?:text[a-z]{0,6}|mathrm|mbox|hbox|operatorname)(?=\s*\{)")

_SPACING = r"""\left \right \big \Big \bigg \Bigg \bigl \bigr \Bigl \Bigr \biggl \biggr \Biggl \Biggr \displaystyle
\textstyle \scriptstyle \limits \nolimits \quad \qquad \, \! \; \: \> \/ ~ $ \( \) \[ \] \mathbf \boldsymbol \bm \mathit
\mathsf \mathcal \mathscr \mathfrak \bf \it \rm \sf \underline \nonumber \strut \middle
\small \large \Large \normalsize \tiny \hfill \relax \mathstrut"""
_VANISH = frozenset(_SPACING.split()) | {"\\ "}
_SAME = {
    "\\dfrac": "\\frac", "\\tfrac": "\\frac", "\\cfrac": "\\frac", "\\dbinom": "\\binom", "\\tbinom": "\\binom",
    "\\cdot": "*", "\\times": "*", "\\ast": "*", "\\cdotp": "*", "\\bullet": "*", "\\div": "/",
    "\\pm": "\u00b1", "\\mp": "\\mp",
    "\\le": "\u2264", "\\leq": "\u2264", "\\leqslant": "\u2264", "\\ge": "\u2265", "\\geq": "\u2265",
    "\\geqslant": "\u2265", "\\lt": "<", "\\gt": ">", "\\ne": "\u2260", "\\neq": "\u2260", "\\not=": "\u2260",
    "\\approx": "\u2248", "\\thickapprox": "\u2248", "\\simeq": "\u2248", "\\doteq": "\u2248",
    "\\pi": "\u03c0", "\\infty": "\u221e", "\\%": "%", "\\lbrace": "\\{", "\\rbrace": "\\}",
    "\\lbrack": "[", "\\rbrack": "]", "\\lparen": "(", "\\rparen": ")",
    "\\cup": "\u222a", "\\bigcup": "\u222a", "\\cap": "\u2229", "\\varnothing": "\u2205", "\\emptyset": "\u2205",
    "\\colon": ":", "\\backslash": "\\setminus", "\\smallsetminus": "\\setminus", "\\isin": "\\in",
    "and": AND, "or": OR, "to": TO, "\\lor": "\\vee", "\\land": "\\wedge",
    "\\lvert": "|", "\\rvert": "|", "\\vert": "|", "\\mid": "|", "\\|": "\\|", "\\Vert": "\\|",
    "\\ldots": DOTS, "\\dots": DOTS, "\\cdots": DOTS, "\\dotsc": DOTS, "\\dotsb": DOTS, "...": DOTS,
    "\\prime": "'", "\\varepsilon": "\\epsilon", "\\vartheta": "\\theta", "\\varphi": "\\phi", "\\varrho": "\\rho",
    "\\to": "\\to", "\\rightarrow": "\\to", "\\Rightarrow": "\\to", "\\implies": "\\to",
    "&": "&", "\\And": AND, "\\imath": "i", "\\Re": "\u211d", "\\R": "\u211d",
    "\\choose": "\\choose", "\\top": "\\top", "\\intercal": "\\top", "\\lang": "\\langle", "\\rang": "\\rangle",
    "\\bar": "\\overline", "\\arctg": "\\arctan", "\\tg": "\\tan", "\\ctg": "\\cot", "\\cosec": "\\csc",
}  # fmt: skip
_BOARD = {"R": "\u211d", "Z": "\u2124", "N": "\u2115", "Q": "\u211a", "C": "\u2102"}
_UPRIGHT = frozenset({"i", "e"})
r"""Constants that are often set upright: ``3\mathrm{i}`` is a number, not 3 of a unit."""
_JOINED = {
    "and": AND, "or": OR, "to": TO, "infinity": "\u221e", "degrees": "\u00b0", "degree": "\u00b0", "percent": "%",
}  # fmt: skip
"""Words in a text command that are signs."""


def tokenize(answer: str) -> list[str]:
    """Tokens of ``answer``. Undecided when there are too many, or when a spelling has two readings."""
    answer = plain_symbols(answer)
    if "**" in answer:
        answer = _BOLD.sub(r"\1", answer)
    if "," in answer or "\\," in answer or "\\!" in answer:
        # In brackets a bare comma separates: (1,234) is a pair. So does one with a space after it: 1, 234.
        is_bracketed = any(mark in answer for mark in "([") or "\\{" in answer or _SPACED_LIST.search(answer)
        pattern = _MARKED_THREE if is_bracketed else _GROUP_OF_THREE
        answer = pattern.sub(lambda found: _NOT_DIGIT.sub("", found[0]), answer)
    if "." in answer and ("\\" in answer or "(" in answer):
        answer = _REPEATING.sub(_repeating, answer)
    if "e" in answer or "E" in answer:
        answer = _SCIENTIFIC.sub(lambda found: f"{found[1]}*10^{{{found[2]}}}", answer)
    found = _TOKEN.findall(answer)
    if len(found) > MAX_TOKENS:
        raise Undecided
    if "," in answer and _CUT_THOUSANDS.search(answer):
        raise Undecided  # 5,000(1.05)^2 and (1,000, 2,000): whether the comma separates, nobody says
    return _flat([_word(token) for token in found if token not in _VANISH])


def _flat(tokens: list[str]) -> list[str]:
    r"""Text commands around figures and signs alone (``\text{-}7``) are read as their content."""
    if not any(token[0] == TEXT and not _LETTER.search(token) for token in tokens):
        return tokens
    flat: list[str] = []
    for token in tokens:
        is_bare = token[0] == TEXT and not _LETTER.search(token)
        flat += [_word(t) for t in _TOKEN.findall(token[1:]) if t not in _VANISH] if is_bare else [token]
    return flat


def _word(token: str) -> str:
    if token[0] != "\\" or len(token) < 3:
        return _SAME.get(token, token)
    if token[-1] == "}" and not token.startswith(("\\begin", "\\end", "\\mathbb", "\\Bbb")):
        return _named(token[token.index("{") + 1 : -1])
    if token.startswith(("\\mathbb", "\\Bbb")):
        letter = token.rstrip("} ")[-1]
        return _BOARD.get(letter, letter)
    return _SAME.get(token, token)


def _named(content: str) -> str:
    if "frac" in content:
        content = _UNIT_FRACTION.sub(r"\1/\2", content)
    content = _BLANK.sub(" ", content)
    word = content.strip(" ,.")
    if word in _JOINED:
        return _JOINED[word]
    if word in ONE_ARGUMENT:
        return "\\" + word
    return word if word in _UPRIGHT else TEXT + content


def _repeating(found: re.Match[str]) -> str:
    r"""``0.1\overline{6}`` as a fraction: (16 - 1) / 90."""
    whole, head, tail = found[1] or "0", found[2], found[3] or found[4] or found[5]
    if len(whole) > 40:
        raise Undecided
    top = int(whole + head + tail) - int(whole + head)
    bottom = int("9" * len(tail) + "0" * len(head))
    return f"\\frac{{{top}}}{{{bottom}}}"


def plain_text(answer: str) -> str:
    """What an undecided answer is compared by: its text without the spellings that never carry meaning."""
    answer = _STOP.sub("", plain_symbols(answer).strip().strip("$").rstrip())
    answer = _TEXT_HEAD.sub(r"\\text", answer)
    for command, same in (
        ("\\dfrac", "\\frac"), ("\\tfrac", "\\frac"), ("\\left", ""), ("\\right", ""), ("\\!", ""),
        ("\\dots", "..."), ("\\ldots", "..."), ("\\cdots", "..."), ("\\displaystyle", ""),
    ):  # fmt: skip
        if command in answer:
            answer = re.sub(re.escape(command) + r"(?![A-Za-z])", lambda _, same=same: same, answer)
    answer = _THIN.sub(" ", answer)
    return _SPACES.sub("", " ".join(answer.split()))
