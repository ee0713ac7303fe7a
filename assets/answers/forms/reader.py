"""What the readers of shapes share: the policy, the way back to the whole reader, and cuts outside of brackets."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Protocol

from assets.answers.policy import Policy
from assets.answers.reading.undecided import Undecided

MAX_PARTS = 64
"""Parts of a list or cells of a matrix."""

_OPENERS = {
    "(": ")", "[": "]", "{": "}", "\\{": "\\}", "\\langle": "\\rangle", "\\lfloor": "\\rfloor", "\\lceil": "\\rceil",
}  # fmt: skip
_CLOSING = frozenset(_OPENERS.values())


class Reader(Protocol):
    """Reads any shape; :mod:`assets.answers.forms.read` has the one that there is."""

    policy: Policy

    def key(self, tokens: list[str], *, is_part: bool = False) -> str:
        """The text of the key of ``tokens``. ``is_part``: of a list or tuple, where units stay."""
        ...


def closing(tokens: Sequence[str], start: int) -> int:
    """Where the bracket that opens at ``start`` closes; -1 if it does not. Mixed pairs (intervals) close too."""
    depth = 0
    for at in range(start, len(tokens)):
        if tokens[at] in _OPENERS or tokens[at].startswith("\\begin"):
            depth += 1
        elif tokens[at] in _CLOSING or tokens[at].startswith("\\end"):
            depth -= 1
            if not depth:
                return at
    return -1


def split(tokens: Sequence[str], separators: Collection[str]) -> tuple[list[list[str]], list[str]]:
    """``tokens`` cut at separators outside of all brackets, and the separators."""
    parts: list[list[str]] = [[]]
    found: list[str] = []
    depth = 0
    for token in tokens:
        depth += token in _OPENERS or token.startswith("\\begin")
        depth -= token in _CLOSING or token.startswith("\\end")
        if not depth and token in separators:
            parts.append([])
            found.append(token)
        else:
            parts[-1].append(token)
    if len(parts) > MAX_PARTS:
        raise Undecided
    return parts, found


def unwrap(tokens: list[str]) -> list[str]:
    """Without braces, or a box, around all of it."""
    while len(tokens) > 2:
        start = 1 if tokens[0] in {"\\boxed", "\\fbox"} else 0
        if tokens[start] != "{" or closing(tokens, start) != len(tokens) - 1:
            return tokens
        tokens = tokens[start + 1 : -1]
    return tokens


def joined(tag: str, parts: Sequence[str]) -> str:
    """The key of a whole from the keys of its parts."""
    return f"{tag}:({','.join(parts)})"
