r"""Where a solution begins and ends: the leading ``My solution:``, and the sentence that holds the box.

Both give offsets and never a new text, and both are idempotent. The original of OpenMathInstruct-2 cuts by lines and is
known to be wrong; this one reads sentences: decimals, abbreviations, factorials and formulas that are still open do not
end one, and the delimiter that closes a formula stays.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from resources.boxes import Box, find_last_box

_SHORT_TAILS = frozenset(["", ".", "$", "$.", ".$", "$$", "$$.", ".$$", " $", "\\]", ".\\]", ". \\]", "\\)", "\\)."])
"""What stands after most boxes: nothing to cut, no need to look."""

_PLAIN_END = re.compile(r"\\boxed\{[^{}\\]{0,40}\}(?:\$\$?\.?|\.\$?\$?)?\Z")
"""Nine of ten solutions end like this."""
_PLAIN_LENGTH = 56
"""Characters that hold any such end: the command, 40 of an answer, and its marks."""

_MATH = r"\\begin\{(?P<begin>[A-Za-z]{1,20}\*?)\}|\\end\{(?P<end>[A-Za-z]{1,20}\*?)\}|\\[\[(]|\\[\])]|\$\$?"
_BEFORE = re.compile(rf"{_MATH}|\n[ \t]*\n|\\.", re.DOTALL)
_AFTER = re.compile(rf"{_MATH}|\n\s*\n|\n|\\.|[.!?\u3002]|[{{}}]", re.DOTALL)
_QUOTES = re.compile(r"[\"'\u201d\u2019)\]*_]{0,6}")
_NEXT = re.compile(r"\s*(\S?)")
_WORD_BEFORE = re.compile(r"([A-Za-z][A-Za-z.]{0,11})\Z")

MAX_OPEN = 64
"""Formulas inside of each other; hostile text opens more, and is then not cut."""
_PAIRS = {"\\[": "\\]", "\\(": "\\)"}
_INLINE = frozenset(["$", "\\)"])

_NEVER_LAST = frozenset(["e.g", "i.e", "vs", "cf", "mr", "mrs", "ms", "dr", "prof", "st"])
_BEFORE_NUMBER = frozenset(["no", "fig", "eq", "ch", "sec", "thm", "prop", "lem", "def", "ex", "p", "pp"])
_BEFORE_LOWER = frozenset(
    ["etc", "approx", "resp", "sq", "cu", "in", "ft", "cm", "mm", "km", "hr", "hrs", "min", "sec", "oz", "lb", "lbs",
     "a.m", "p.m", "yd", "mi", "gal", "pt", "deg", "max", "avg", "incl"]
)  # fmt: skip


def prefix_pattern(phrases: Sequence[str]) -> re.Pattern[str]:
    """Matches any of ``phrases`` at the start of a text, whatever its case, with Markdown marks around it."""
    spelled = [r"\s{1,4}".join(re.escape(word) for word in phrase.split()) for phrase in phrases]
    spelled = [word[:-1] + r"\s{0,4}:" if word.endswith(":") else word for word in spelled]
    return re.compile(rf"[\s#*_]{{0,12}}(?:{'|'.join(spelled)})[\s*_]{{0,12}}", re.IGNORECASE)


def after_prefix(text: str, pattern: re.Pattern[str]) -> int:
    """Where the text begins after all leading phrases; 0 without one."""
    at = 0
    while found := pattern.match(text, at):
        at = found.end()
    return at


def end_of_answer(text: str) -> int:
    """Where to cut: the end of the sentence that holds the last box. ``len(text)`` if there is nothing to cut."""
    if _PLAIN_END.search(text, max(0, len(text) - _PLAIN_LENGTH)):
        return len(text)
    box = find_last_box(text)
    if box is None or text[box.end : box.end + 8] in _SHORT_TAILS:
        return len(text)
    return _Scan(text, box).end()


class _Scan:
    """Reads on from a box, knowing which formulas are open, until the sentence ends."""

    def __init__(self, text: str, box: Box) -> None:
        """Learn which formulas are open where ``box`` begins."""
        self.text = text
        self.at = box.end
        self.open: list[str] = []
        self.braces = 0
        self.pending = -1
        """Where a sentence mark stood inside of a formula, as long as nothing but its closing follows."""
        for token in _BEFORE.finditer(text, 0, box.start):
            self._follow(token)

    def end(self) -> int:
        """Where the sentence ends."""
        for token in _AFTER.finditer(self.text, self.at):
            if self.pending >= 0 and not self.text[self.pending : token.start()].isspace() and (
                token.start() != self.pending
            ):  # fmt: skip
                self.pending = -1
            if (end := self._step(token)) is not None:
                return end
        return len(self.text)

    def _step(self, token: re.Match[str]) -> int | None:
        mark = token[0]
        if mark in {"{", "}"}:
            self.braces = max(0, self.braces + (1 if mark == "{" else -1))
        elif mark in {".", "!", "?", "\u3002"}:
            return self._sentence_mark(token.start())
        elif mark[0] == "\n":
            return self._line_end(token)
        else:
            return self._formula(token)
        return None

    def _sentence_mark(self, at: int) -> int | None:
        if self.braces or not ends_sentence(self.text, at):
            return None
        if self.open:
            self.pending = at + 1
            return None
        quotes = _QUOTES.match(self.text, at + 1)
        return quotes.end() if quotes else at + 1

    def _line_end(self, token: re.Match[str]) -> int | None:
        if "\n" in token[0][1:]:
            while self.open and self.open[-1] in _INLINE:
                self.open.pop()  # a formula in a line does not outlive its paragraph: the sign was one of money
        if self.open or self.braces:
            return None
        follows = self.text[token.end() : token.end() + 40].lstrip()[:1]
        if "\n" in token[0][1:] or not follows or follows.isupper() or follows in "*#->\u2022":
            return token.start()
        return None

    def _formula(self, token: re.Match[str]) -> int | None:
        before = len(self.open)
        closed = self.open[-1] if self.open else ""
        self._follow(token)
        if self.open or not before or len(self.open) >= before:
            if self.pending >= 0:
                self.pending = token.end() if len(self.open) < before else -1
            return None
        if self.pending >= 0:
            return token.end()
        if closed in _INLINE:
            return None
        follows = _NEXT.match(self.text, token.end())
        first = follows[1] if follows else ""
        return token.end() if not first or first.isupper() or first in "*#" else None

    def _follow(self, token: re.Match[str]) -> None:
        """Open or close the formula that ``token`` opens or closes."""
        mark = token[0]
        if len(self.open) > MAX_OPEN:
            return
        if token["begin"]:
            self.open.append(token["begin"])
        elif mark in _PAIRS:
            self.open.append(_PAIRS[mark])
        elif token["end"] or mark in {"\\]", "\\)"}:
            closer = token["end"] or mark
            if closer in self.open:
                del self.open[len(self.open) - 1 - self.open[::-1].index(closer) :]
        elif mark in {"$", "$$"}:
            self._dollar(mark)
        elif mark[0] == "\n":
            while self.open and self.open[-1] in _INLINE:
                self.open.pop()

    def _dollar(self, mark: str) -> None:
        if self.open and self.open[-1] == mark:
            self.open.pop()
        elif mark == "$$" and self.open and self.open[-1] == "$":
            pass  # $a$$b$: one formula ends and the next begins
        else:
            self.open.append(mark)


def ends_sentence(text: str, at: int) -> bool:
    """Whether the mark at ``at`` ends a sentence, seen by its neighbours alone."""
    after = text[at + 1 : at + 2]
    if text[at] == "!":
        return not text[at - 1 : at].isdigit() and text[at - 1 : at] != ")"
    if text[at] != ".":
        return True
    if not after:
        return True
    if after.isalnum() or after == ".":
        return False
    follows = _NEXT.match(text, at + 1)
    first = follows[1] if follows else ""
    if text[at - 1 : at] == ".":
        return first.isupper() or not first
    return not _is_abbreviation(text[max(0, at - 14) : at], first)


def _is_abbreviation(before: str, first: str) -> bool:
    found = _WORD_BEFORE.search(before)
    if found is None or not first:
        return False
    word = found[1].lower()
    if first.isdigit() and word in _BEFORE_NUMBER:
        return True
    return word in _NEVER_LAST or (first.islower() and word in _BEFORE_LOWER)
