r"""Names before an equals sign: ``x``, ``x_1``, ``f(2)``, ``AB``, ``\angle ABC``, ``\text{Area}``, ``(x, y)``."""

from __future__ import annotations

from collections.abc import Sequence

from assets.answers.forms.reader import closing, split
from assets.answers.reading.names import GREEK, TRIGONOMETRIC, is_word
from assets.answers.reading.parser import parse
from assets.answers.reading.tokens import TEXT
from assets.answers.reading.undecided import Undecided

MAX_LABEL = 16
"""Tokens of a label."""
_MARKS = frozenset(
    {
        "\\angle",
        "\\measuredangle",
        "\\triangle",
        "\\overline",
        "{",
        "}",
        "|",
        "'",
        "\\widehat",
        "\\hat",
        "\\vec",
        "\\overrightarrow",
    }
)


def label_of(tokens: Sequence[str]) -> str | None:
    """The name that ``tokens`` are, None if they are a value."""
    if not tokens or len(tokens) > MAX_LABEL:
        return None
    if names_of(tokens):
        return "".join(tokens)
    if all(_is_name(token) or token in _MARKS for token in tokens) and any(map(_is_name, tokens)):
        words = [token for token in tokens if _is_name(token)]
        is_long = len(tokens) > 1 and not any(token[0] == TEXT or token in _MARKS for token in tokens)
        return None if is_long and not all(len(word) > 2 for word in words) else "".join(tokens)
    if _is_applied(tokens):
        return "".join(tokens)
    try:
        tree = parse(list(tokens))
    except Undecided:
        return None
    if tree.op == "fn" and tree.value in TRIGONOMETRIC and tree.parts[0].op == "sym":
        return "".join(tokens)  # \sin\theta
    return str(tree.value) if tree.op == "sym" else None


def _is_applied(tokens: Sequence[str]) -> bool:
    """``y(2)`` and ``y(x)`` before an equals sign: no product, unless of a letter with itself."""
    if len(tokens) != 4 or tokens[1] != "(" or tokens[3] != ")" or not is_symbol(tokens[0]):
        return False
    return tokens[2].isdecimal() or (is_symbol(tokens[2]) and tokens[2] != tokens[0])


def marked_name(tokens: Sequence[str]) -> str | None:
    r"""The name of a segment, angle or triangle (``\overline{CD}``, ``\angle A``); None for anything else."""
    if not {"\\overline", "\\angle", "\\triangle"}.intersection(tokens) or len(tokens) > MAX_LABEL:
        return None
    if "\\overline" in tokens and (tokens[0] != "\\overline" or closing(tokens, 1) != len(tokens) - 1):
        return None  # a bar over some of it
    bare = [token for token in tokens if token not in {"{", "}", "\\overline"}]
    if not all(token in _MARKS or (token.isascii() and token.isupper()) for token in bare):
        return None
    return "".join(bare)


def names_of(tokens: Sequence[str]) -> list[str]:
    """The symbols of a bracket of symbols, ``(x, y)``; empty for anything else."""
    if len(tokens) < 5 or tokens[0] != "(" or tokens[-1] != ")":
        return []
    names = list(tokens[1:-1:2])
    is_list = all(comma == "," for comma in tokens[2:-1:2])
    return names if is_list and len(tokens) % 2 and all(map(is_symbol, names)) else []


def is_symbol(token: str) -> bool:
    """Whether a token is one variable."""
    return (len(token) == 1 and token.isascii() and token.isalpha()) or token.removeprefix("\\") in GREEK


def _is_name(token: str) -> bool:
    if token[0] == TEXT or is_symbol(token):
        return True
    return token.isascii() and token.isalpha() and (token.isupper() or is_word(token))


def label_before(tokens: Sequence[str]) -> tuple[str | None, list[str]]:
    """The label before the only equals sign and what follows it; None and all of it without one."""
    parts, found = split(tokens, {"=", "<", ">", "\u2264", "\u2265", "\u2260"})
    if found != ["="]:
        return None, list(tokens)
    label = label_of(parts[0])
    return (None, list(tokens)) if label is None else (label, parts[1])
