r"""Finds ``\boxed{...}`` and ``\fbox{...}`` in a text: the one scanner that seeds, answers and text rules share.

Pure text work: what stands inside a box is neither read nor compared here (``assets/answers`` does that). The scan
is one pass of one regular expression without nested repetition, so hostile text (a million open boxes, a megabyte of
backslashes) costs time in proportion to its length and nothing more.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_TOKEN = re.compile(
    r"""
    (?P<command>\\{1,2}(?:boxed|fbox)(?![A-Za-z]))  # two backslashes: a common slip of models that think in JSON
        (?:[ \t\n]*(?P<brace>\{)
        | [ \t]*(?P<bare>[-+]?\d{1,40}(?:[.,/]\d{1,40}){0,8})(?![.,/]?\d))?
    | \\.                                           # any other escape: \{ and \} are no braces, and \\ ends a line
    | \{
    | \}
    """,
    re.VERBOSE | re.DOTALL,
)
r"""``bare`` reads ``\boxed 9``, as two solutions of MATH write it; 40 digits are more than any answer has."""


@dataclass(frozen=True, slots=True)
class Box:
    """One balanced box of a text: ``[start, end)`` is all of it, ``[inner_start, inner_end)`` what it holds."""

    start: int
    end: int
    inner_start: int
    inner_end: int

    def content(self, text: str) -> str:
        """What the box holds, without outer white space; cut on demand, as a thousand nested boxes share one text."""
        return text[self.inner_start : self.inner_end].strip()


def iter_boxes(text: str) -> Iterator[Box]:
    """All balanced boxes, in the order in which they end; a box inside a box comes before it. No unclosed ones."""
    open_braces: list[tuple[int, int] | None] = []
    for token in _TOKEN.finditer(text):
        if token["bare"] is not None:
            yield Box(token.start(), token.end(), token.start("bare"), token.end())
        elif token["brace"]:
            open_braces.append((token.start(), token.end()))
        elif token[0] == "{":
            open_braces.append(None)
        elif token[0] == "}" and open_braces and (opened := open_braces.pop()):
            yield Box(opened[0], token.end(), opened[1], token.start())


def find_last_box(text: str) -> Box | None:
    """The balanced box that starts last, or None. An open box after it does not hide it.

    The last command is looked for from the end, so that a box near the end of a long text costs only that end; the
    whole text is scanned only where that command has no balanced box.
    """
    start = max(text.rfind("\\boxed"), text.rfind("\\fbox"))
    if start < 0:
        return None
    slashes = start + 1 - len(text[: start + 1].rstrip("\\"))
    start -= slashes % 2 == 0  # an even run of backslashes: the command is written with two
    if box := next(iter_boxes(text[start:]), None):
        return Box(box.start + start, box.end + start, box.inner_start + start, box.inner_end + start)
    return max(iter_boxes(text), key=lambda box: box.start, default=None)


def last_box(text: str) -> str | None:
    r"""Content of the balanced box that starts last: "" for ``\boxed{}``, None if there is no balanced box."""
    box = find_last_box(text)
    return None if box is None else box.content(text)


def count_box_commands(text: str) -> int:
    r"""How often ``\boxed`` or ``\fbox`` is written, closed or not."""
    return sum(1 for token in _TOKEN.finditer(text) if token["command"])
