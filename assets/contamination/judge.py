"""Reads a judge's verdict out of what it wrote, and joins the verdicts of both orders. Pure functions of text.

The judge is asked for one word, True or False. Small models wrap it in Markdown, a box, a label or an explanation, and
some say both words or neither. What is not plainly one verdict is none: that is counted, asked again, and in the end
treated as the stage is told to. The text is hostile: patterns without nested repetition, over a bounded length.
"""

from __future__ import annotations

import re
from typing import Literal

READ_LIMIT = 20_000
"""Longest answer that is read, in characters. A judge that writes more than that for one word has lost its way."""

Said = Literal["true", "false", "none"]
"""What was made of one question: a verdict, or none."""

Verdict = Literal["contaminated", "clean", "no verdict"]

CONTAMINATED: Verdict = "contaminated"
CLEAN: Verdict = "clean"
NO_VERDICT: Verdict = "no verdict"

_WORD = re.compile(r"(?<![^\W_])(true|false)(?![^\W_])", re.IGNORECASE)
"""The word by itself: `untrue` and `falsehood` are others. Underscores are Markdown."""

_NEGATION = re.compile(r"(?:\bnot|n['\u2019]t|\bnever|\bhardly|\bneither|\bnor)[\W_]{0,8}$", re.IGNORECASE)

_LABEL = re.compile(
    r"(?:answer|verdict|judge?ment|conclusion|decision|result|output)[\W_]{0,12}(?:(?:is|are|would be)[\W_]{0,12})?$",
    re.IGNORECASE,
)
_BOX = re.compile(r"\\(?:boxed|fbox)[\W_]{0,4}(?:(?:text|textbf|texttt|mathrm|mathbf)[\W_]{0,4})?$")
_REASON = re.compile(r"[ \t]+(?:because|since|as)\b", re.IGNORECASE)
_BEFORE = 60
"""Characters before a word that a label, a box or a negation can take."""

_BREAKS = frozenset(".,;:!\n)]}*\"'`$-\u2013\u2014_")
"""What may stand between a verdict that comes first and what is said about it."""


def read_verdict(text: str, *, is_cut: bool = False) -> Said:
    """The verdict in ``text``: ``true``, ``false``, or ``none``.

    Args:
        text: What the judge wrote; a reasoning part that ends in ``</think>`` is passed over.
        is_cut: ``max_tokens`` ended it, so that its last word is not its last.
    """
    if len(text) > READ_LIMIT:
        return "none"
    body = text.rpartition("</think>")[2]
    found = list(_WORD.finditer(body))
    words = {match[0].lower() for match in found}
    if len(words) != 1 or any(_NEGATION.search(_before(body, match)) for match in found):
        return "none"
    if not any(_is_answer(body, match, is_cut) for match in found):
        return "none"
    return "true" if words == {"true"} else "false"


def join_verdicts(forward: Said, backward: Said) -> Verdict:
    """Of both orders: one True is enough, and only two False are clean."""
    if "true" in (forward, backward):
        return CONTAMINATED
    return CLEAN if forward == backward == "false" else NO_VERDICT


def _before(body: str, match: re.Match[str]) -> str:
    return body[max(0, match.start() - _BEFORE) : match.start()]


def _is_answer(body: str, match: re.Match[str], is_cut: bool) -> bool:
    """Whether the word stands where an answer stands: first, last, alone on a line, after a label, or in a box."""
    before = _before(body, match)
    if _LABEL.search(before) or _BOX.search(before):
        return True
    after = body[match.end() :]
    gap = after[: len(after) - len(after.lstrip("".join(_BREAKS) + " \t"))]
    if after[len(gap) : len(gap) + 1] == "?":
        return False
    is_first = _is_empty(body[: match.start()])
    line = body[body.rfind("\n", 0, match.start()) + 1 : match.start()]
    rest = after.partition("\n")
    if is_first and (_REASON.match(after) or not _BREAKS.isdisjoint(gap) or _is_empty(after)):
        return True
    if _is_empty(line) and _is_empty(rest[0]) and (rest[1] or not is_cut):
        return True
    return not is_cut and _is_empty(after)


def _is_empty(text: str) -> bool:
    """Whether ``text`` has neither letters nor digits, but for a command that sets type."""
    return not any(c.isalnum() for c in text)
