r"""Reads a new problem out of a completion: where it ends, and whether it is one at all.

Pure text work on hostile text: one pass of two regular expressions without nested repetition, over at most
``READ_LIMIT`` characters. Whether the problem can be solved is for the vote to show.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from assets.schemas import MAX_DETAIL, normalise_problem

READ_LIMIT = 20_000
"""Characters of a completion that are looked at: 2,048 tokens of text are about 8,000."""

MAX_CHARACTERS = 2_000
"""Longest new problem. The longest 0.1 % of MATH's own are above it; a longer completion is mostly a solution."""

MIN_CHARACTERS = 15
"""Shortest one: `Compute $1 + 1$.` has 16."""

NOTHING = "no problem"
UNFINISHED = "unfinished problem"
LENGTH = "new problem length"
REPEATED = "repeats its seed"

_OWN = r"(?:new\s+problem|problem|question|example)"
_ANY = rf"(?P<label>{_OWN}|solution|answer|explanation|reasoning)"
_NUMBER = r"(?:[ \t]{1,3}\d{1,4})?[*_]{0,3}[ \t]{0,3}"
_COLON = r":[*_]{0,3}"
_MARK = r"[#*_> \t]"
_OPENING = re.compile(rf"\s*(?:{_MARK}{{0,8}}{_OWN}{_NUMBER}{_COLON}|{_MARK}{{1,8}}{_OWN}{_NUMBER}\n)", re.IGNORECASE)
"""The label of the problem itself; without a colon if it is a heading or bold, on a line of its own."""

_NEXT = re.compile(
    rf"(?:\n|(?<=[.?!$]) ){_MARK}{{0,8}}{_ANY}{_NUMBER}{_COLON}|\n[ \t]{{0,8}}(?:#{{2,6}} |-{{3}}|={{3}}|<\|)",
    re.IGNORECASE,
)
"""A label on a line of its own or after a sentence; a heading, a rule, or a special token of a chat template."""

_ASKS = re.compile(
    r"\?|\b(?:what|how|find|compute|determine|evaluate|calculate|solve|simplify|express|prove|show)\b", re.IGNORECASE
)
"""A text before the label ``Question:`` without any of these is the story of that question, and no problem yet."""

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
_LETTER = re.compile(r"[^\W\d_]")


@dataclass(frozen=True, slots=True)
class NoProblem:
    """Why a completion holds no new problem."""

    rule: str
    reason: str
    detail: str


def read_new_problem(text: str, parent: str, *, is_cut: bool) -> str | NoProblem:
    """The problem in ``text``, normalised as an id needs it, or why there is none.

    Args:
        text: The completion.
        parent: The problem that it was made from.
        is_cut: The completion was ended by ``max_tokens``.
    """
    opening = _OPENING.match(text[:READ_LIMIT])
    body = "\n" + text[opening.end() if opening else 0 :][:READ_LIMIT].lstrip()
    end = _end(body)
    problem = normalise_problem(body[: end.start()] if end else body)
    return _fault(problem, parent, is_open=is_cut and not end) or problem


def _end(body: str) -> re.Match[str] | None:
    """Where something other than the problem begins."""
    asks = _ASKS.search(body)
    asked = asks.end() if asks else len(body)
    for found in _NEXT.finditer(body):
        if (found["label"] or "").lower() != "question" or asked <= found.start():
            return found
    return None


def _fault(problem: str, parent: str, *, is_open: bool) -> NoProblem | None:
    if not problem:
        return NoProblem(NOTHING, "the completion is empty where the problem should stand", "")
    shown = problem[:MAX_DETAIL]
    if _CONTROL.search(problem):
        return NoProblem(NOTHING, "it holds control characters", ascii(problem[:100])[:MAX_DETAIL])
    if not _LETTER.search(problem):
        return NoProblem(NOTHING, "it has no letters", shown)
    if len(problem) > MAX_CHARACTERS:
        return NoProblem(LENGTH, f"it has more than {MAX_CHARACTERS} characters", shown)
    if is_open:
        return NoProblem(UNFINISHED, "max_tokens cut it off", problem[-MAX_DETAIL:])
    if len(problem) < MIN_CHARACTERS:
        return NoProblem(LENGTH, f"it has fewer than {MIN_CHARACTERS} characters", shown)
    if _plain(problem) == _plain(parent):
        return NoProblem(REPEATED, "it says the same as the problem it was made from", shown)
    return None


def _plain(text: str) -> str:
    """Case and white space do not make another problem."""
    return " ".join(text.casefold().split())
