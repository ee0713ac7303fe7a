r"""Reads arithmetic that stands in a text: ``1,200 / 4 + 3 \times 2 = 306``. Exact, bounded, and without ``eval``.

A *run* is a stretch of arithmetic characters around an equals sign, found by one linear regular expression over a whole
column. A *claim* is one equality inside of a run: what stands left of an ``=`` and what stands right of it. Here a run
is judged by itself; whether the text around it belongs to the arithmetic is :mod:`assets.selection.context`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import TypeAlias

import polars as pl

MAX_RUN = 400
"""Longest run that is read, in characters: the longest in the GSM8K and MATH solutions has 160."""
MAX_DIGITS = 30
MAX_DEPTH = 8
CACHED_RUNS = 65_536
"""Judged runs kept: samples of one problem repeat the same steps."""

_ATOM = r"[0-9.,+*/()\u00d7\u00f7\u2212\t $-]|\\times|\\cdot|\\div|\\\$|\\,|\\!|\\left|\\right|\{,\}|x ?[0-9]"
RUN = rf"[0-9(](?:{_ATOM})*=(?:{_ATOM}|=)*[0-9)]"
"""The same text is compiled by Rust's regular expressions (linear time, no backtracking) over a column."""

Number: TypeAlias = int | Fraction

_TOKEN = re.compile(r"([0-9]{1,3}(?:,[0-9]{3})+(?:\.[0-9]+)?|[0-9]+(?:\.[0-9]+)?|\.[0-9]+)|([-+*/()])|(\S)")
_PLAIN = re.compile(r"([1-9][0-9]{0,11}) ?([-+*/]) ?\\?\$?([1-9][0-9]{0,11}) ?= ?\\?\$?([1-9][0-9]{0,11})")
_SEGMENT_END = re.compile(r"(?<=[0-9)])[.,][ \t]+")
_SPELLINGS = {
    "\\times": "*", "\\cdot": "*", "\\div": "/", "\\left": "", "\\right": "", "\\,": "", "\\!": "", "{,}": ",",
    "\u00d7": "*", "\u00f7": "/", "\u2212": "-",
}  # fmt: skip
_SPELLED = re.compile(r"\\(?:times|cdot|div|left|right|,|!)|\{,\}|[\u00d7\u00f7\u2212]")
_TIMES = re.compile(r"(?<=[0-9)])( ?)x(?=\1[0-9])")  # in 2x 3 the x is a variable
_MONEY = re.compile(r"(^|[-+*/(])([ \t]*)\\?\$(?=[ \t]*[0-9.(])")


class Unreadable(Exception):  # noqa: N818 - no error: the text is no arithmetic that is understood for certain
    """The expression is incomplete, ambiguous, or over a budget."""


@dataclass(frozen=True, slots=True)
class Claim:
    """One equality of a run. Offsets count from the start of the run."""

    left_start: int
    left_end: int
    right_start: int
    right_end: int
    left: Number
    right: Number
    is_first: bool
    """Nothing of the run stands before it, so what precedes the run may belong to it."""
    is_last: bool
    operators: int
    """Binary operators on the left."""
    is_right_plain: bool
    """The right side is one number."""

    def differs(self, tolerance: float) -> bool:
        """Whether the sides differ by more than ``tolerance``, relative to the larger one."""
        return abs(self.left - self.right) > _exact(tolerance) * max(abs(self.left), abs(self.right))


@lru_cache(64)
def _exact(tolerance: float) -> Fraction:
    """A setting as it is written: 0.0001 is one in ten thousand, not the nearest binary number."""
    return Fraction(str(tolerance))


def find_runs(texts: pl.Series) -> list[list[str]]:
    """The runs of each text, in order: a text without any costs about a microsecond."""
    return texts.str.extract_all(RUN).to_list()


def locate(text: str, runs: Sequence[str]) -> Iterator[tuple[int, str]]:
    """Where each run stands. Runs are the leftmost matches, so the next occurrence of one is its place."""
    at = 0
    for run in runs:
        at = text.index(run, at)
        yield at, run
        at += len(run)


@lru_cache(CACHED_RUNS)
def claims(run: str) -> tuple[Claim, ...]:
    """All equalities of a run that are understood and have an operator on the left."""
    if len(run) > MAX_RUN or _is_plainly_true(run):
        return ()
    found: list[Claim] = []
    start, is_start = 0, True
    ends = [(match.start(), match.end()) for match in _SEGMENT_END.finditer(run)]
    for end, following in [*ends, (len(run), len(run))]:
        if run.count("(", 0, start) == run.count(")", 0, start):  # else it is within a bracket: f(1, 2 + 3 = 5)
            found += _segment_claims(run, start, end, is_start=is_start)
            is_start = is_start and "=" not in run[start:end]  # 14, 400 / 80 = 180
        start = following
    return tuple(found)


def _is_plainly_true(run: str) -> bool:
    """Most runs: one operation on whole numbers, and right. Saves the parser."""
    found = _PLAIN.fullmatch(run)
    if found is None:
        return False
    left, sign, right, result = int(found[1]), found[2], int(found[3]), int(found[4])
    if sign == "/":
        return left == right * result
    return result == (left + right if sign == "+" else left - right if sign == "-" else left * right)


def _segment_claims(run: str, start: int, end: int, *, is_start: bool) -> Iterator[Claim]:
    """Claims of the part of a run between two sentence marks."""
    pieces: list[tuple[int, int]] = []
    for piece in run[start:end].split("="):
        pieces.append((start, start + len(piece)))
        start += len(piece) + 1
    pieces[0] = (pieces[0][0] + _unmatched(run[slice(*pieces[0])]), pieces[0][1])
    pieces[-1] = (pieces[-1][0], pieces[-1][1] + min(0, _unmatched(run[slice(*pieces[-1])])))
    read = [_read(run[a:b]) for a, b in pieces]
    for i, (left, right) in enumerate(zip(read, read[1:], strict=False)):
        if left is None or right is None or not left[1]:
            continue
        (a, b), (c, d) = pieces[i], pieces[i + 1]
        yield Claim(
            *(a, b, c, d, left[0], right[0]),
            is_first=i == 0 and is_start,
            is_last=i + 2 == len(pieces) and end == len(run),
            operators=left[1],
            is_right_plain=not right[1],
        )


def _unmatched(piece: str) -> int:
    """How many brackets that open at its start have no partner in it; negative: that close at its end."""
    missing = piece.count("(") - piece.count(")")
    if missing > 0:
        return missing if piece.startswith("(" * missing) else 0
    return missing if piece.endswith(")" * -missing) else 0


def _read(piece: str) -> tuple[Number, int] | None:
    """Value and number of operators of one side; None if it is not understood."""
    try:
        return evaluate(piece)
    except Unreadable:
        return None


def evaluate(text: str) -> tuple[Number, int]:
    r"""Value of ``text`` and its number of binary operators. Raises Unreadable on anything that is not certain.

    Reads numbers (thousands in groups of three, decimals), ``+ - * / x``, their LaTeX and Unicode spellings, brackets,
    a product without a sign before a bracket (``2(3)``), and a dollar sign before a number.
    """
    if len(text) > MAX_RUN:
        raise Unreadable
    if "\\" in text or not text.isascii() or "{" in text:
        text = _SPELLED.sub(lambda found: _SPELLINGS[found[0]], _MONEY.sub(_without_sign, text))
    if "$" in text:
        text = _MONEY.sub(_without_sign, text).strip(" \t$")
    if "x" in text:
        text = _TIMES.sub(r"\1*", text)
    tokens: list[Number | str] = []
    for numeral, sign, other in _TOKEN.findall(text):
        if other:
            raise Unreadable
        tokens.append(sign or to_number(numeral))
    return _Evaluator(tokens).whole()


def _without_sign(found: re.Match[str]) -> str:
    return found[1] + found[2]


def to_number(numeral: str) -> Number:
    """The exact value of a numeral such as ``1,234.50``."""
    whole, _, part = numeral.replace(",", "").partition(".")
    if len(whole) + len(part) > MAX_DIGITS or (len(whole) > 1 and whole[0] == "0"):
        raise Unreadable  # 0900 is a time or a code
    return Fraction(int(whole + part), 10 ** len(part)) if part else int(whole)


class _Evaluator:
    """Recursive descent over tokens, with the usual precedence; from left to right within a level."""

    def __init__(self, tokens: list[Number | str]) -> None:
        """Read ``tokens`` from the first."""
        self.tokens = tokens
        self.at = 0
        self.operators = 0
        self.depth = 0

    def whole(self) -> tuple[Number, int]:
        """Value of all tokens, and how many binary operators they hold."""
        value = self._sum()
        if self.at != len(self.tokens):
            raise Unreadable
        return value, self.operators

    def _peek(self) -> Number | str:
        return self.tokens[self.at] if self.at < len(self.tokens) else ""

    def _sum(self) -> Number:
        total = self._product()
        while (sign := self._peek()) in ("+", "-"):
            self.at += 1
            self.operators += 1
            term = self._product()
            total = total + term if sign == "+" else total - term
        return total

    def _product(self) -> Number:
        total = self._factor()
        has_slash = False
        while (sign := self._peek()) in ("*", "/", "("):
            self.operators += 1
            if sign in ("(", "/") and has_slash:
                raise Unreadable  # 6 / 2(3) and 6 / 1/3 have two readings
            if sign != "(":
                self.at += 1
            factor = self._factor()
            if sign == "/":
                if not factor:
                    raise Unreadable
                total, has_slash = Fraction(total) / factor, True
            else:
                total = total * factor
        return total

    def _factor(self) -> Number:
        token = self._peek()
        self.at += 1
        if token == "-":
            if self.at > 1 and self.tokens[self.at - 2] != "(":
                raise Unreadable  # 3 - - 2, or a dash
            return -self._factor()
        if token == "(":
            self.depth += 1
            if self.depth > MAX_DEPTH:
                raise Unreadable
            value = self._sum()
            if self._peek() != ")":
                raise Unreadable
            self.at += 1
            self.depth -= 1
            return value
        if isinstance(token, str):
            raise Unreadable
        return token
