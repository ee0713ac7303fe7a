"""The two arithmetic rules on one text: finding a wrong equality, and writing a long sum out step by step.

Both get the runs of the text (found over the whole column at once) and only look at the text around a run when the run
itself gives reason to.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from fractions import Fraction
from functools import lru_cache

from assets.selection.arithmetic import CACHED_RUNS, Claim, Number, Unreadable, claims, locate, to_number
from assets.selection.context import is_complete

MAX_DECIMALS = 4
"""Decimals of a step: a quotient that needs more is left as it is."""

_PART = re.compile(
    r"([ \t]*)([0-9]{1,3}(?:,[0-9]{3})+(?:\.[0-9]+)?|[0-9]+(?:\.[0-9]+)?"
    r"|\\times|\\cdot|\\div|[-+*/()\u00d7\u00f7\u2212])"
)
_OPERATORS = {
    "+": "+", "-": "-", "\u2212": "-", "*": "*", "\\times": "*", "\\cdot": "*", "\u00d7": "*", "/": "/", "\\div": "/",
    "\u00f7": "/",
}  # fmt: skip


def wrong_claim(text: str, runs: Sequence[str], tolerance: float) -> str | None:
    """The first equality of ``text`` that does not hold, as it is written; None if there is none."""
    if not any(_suspicious(run, tolerance) for run in runs):
        return None
    for start, run in locate(text, runs):
        for claim in _suspicious(run, tolerance):
            if is_complete(text, start, claim):
                return run[claim.left_start : claim.right_end].strip()
    return None


def split_chains(text: str, runs: Sequence[str], tolerance: float, max_numbers: int) -> str:
    """``text`` with every long chain written out; the same object if nothing changes."""
    if not any(_splits(run, tolerance, max_numbers) for run in runs):
        return text
    pieces: list[str] = []
    done = 0
    for start, run in locate(text, runs):
        for claim, offset, steps in _splits(run, tolerance, max_numbers):
            if is_complete(text, start, claim):
                pieces += [text[done : start + offset], steps]
                done = start + offset
    return "".join([*pieces, text[done:]]) if pieces else text


@lru_cache(CACHED_RUNS)
def _suspicious(run: str, tolerance: float) -> tuple[Claim, ...]:
    return tuple(claim for claim in claims(run) if claim.differs(tolerance))


@lru_cache(CACHED_RUNS)
def _splits(run: str, tolerance: float, max_numbers: int) -> tuple[tuple[Claim, int, str], ...]:
    """Claims of a run that can be written out: where in the run, and what goes in there."""
    found = []
    for claim in claims(run):
        if not (2 <= claim.operators < max_numbers and claim.is_right_plain) or claim.differs(tolerance):
            continue
        left, right = run[claim.left_start : claim.left_end], run[claim.right_start : claim.right_end]
        core = left.rstrip()
        before, after = left[len(core) :], right[: len(right) - len(right.lstrip())]
        if steps := _steps(core):
            text = "".join(f"{before}={after}{step}" for step in steps)
            found.append((claim, claim.left_start + len(core), text))
    return tuple(found)


def _steps(expression: str) -> list[str]:
    """The expression after one operation, after two, and so on, without the last single number. Empty: leave it."""
    parts = [[space, token] for space, token in _PART.findall(expression.strip())]
    if "".join(space + token for space, token in parts) != expression.strip():
        return []
    has_commas = "," in expression
    steps: list[str] = []
    try:
        while len(parts) > 3:
            parts = _reduce(parts, has_commas)
            steps.append("".join(space + token for space, token in parts).strip())
    except Unreadable:
        return []
    if len(parts) != 3 or parts[1][1] not in _OPERATORS or not _is_number(parts[0][1]) or not _is_number(parts[2][1]):
        return []
    return steps


def _is_number(token: str) -> bool:
    return token[-1].isdigit()


def _reduce(parts: list[list[str]], has_commas: bool) -> list[list[str]]:
    """One operation done: innermost brackets first, then products, then sums, each from the left."""
    first, last = _innermost(parts)
    at = _operator_at(parts, first, last)
    start, end = at - 1, at + 2
    result = _apply(_OPERATORS[parts[at][1]], parts[start][1], parts[at + 1][1], has_commas)
    if first and last - first == 3:  # nothing else is left in the brackets
        start, end = start - 1, end + 1
    if result.startswith("-") and start:
        raise Unreadable  # 2 + -3 reads badly: the chain stays
    return [*parts[:start], [parts[start][0], result], *parts[end:]]


def _innermost(parts: Sequence[Sequence[str]]) -> tuple[int, int]:
    """Places after the opening and before the closing bracket of the first innermost pair; all without brackets."""
    opened = 0
    for at, (_, token) in enumerate(parts):
        if token == "(":
            opened = at + 1
        elif token == ")":
            return opened, at
    return 0, len(parts)


def _operator_at(parts: Sequence[Sequence[str]], first: int, last: int) -> int:
    """Place of the operation that comes first. Unreadable if numbers and operators do not alternate."""
    inside = parts[first:last]
    numbers, signs = inside[::2], inside[1::2]
    if len(inside) < 3 or not all(_is_number(t) for _, t in numbers) or not all(t in _OPERATORS for _, t in signs):
        raise Unreadable
    if len(inside) % 2 == 0:
        raise Unreadable
    for at, (_, token) in enumerate(signs):
        if _OPERATORS[token] in "*/":
            return first + 2 * at + 1
    return first + 1


def _apply(sign: str, left: str, right: str, has_commas: bool) -> str:
    a, b = to_number(left), to_number(right)
    decimals = max(_decimals(left), _decimals(right))
    if sign == "/":
        if not b:
            raise Unreadable
        return _show(Fraction(a) / b, 0, has_commas)
    if sign == "*":
        return _show(a * b, 0, has_commas)
    return _show(a + b if sign == "+" else a - b, decimals, has_commas)


def _decimals(numeral: str) -> int:
    return len(numeral.partition(".")[2])


def _show(value: Number, decimals: int, has_commas: bool) -> str:
    """``value`` as a numeral with at least ``decimals`` decimals. Unreadable if it has no short decimal form."""
    number = Fraction(value)
    while (number * 10**decimals).denominator != 1:
        decimals += 1
        if decimals > MAX_DECIMALS:
            raise Unreadable
    digits = str(abs(int(number * 10**decimals))).rjust(decimals + 1, "0")
    whole, part = digits[: len(digits) - decimals], digits[len(digits) - decimals :]
    shown = f"{int(whole):,}" if has_commas else whole
    return ("-" if number < 0 else "") + (f"{shown}.{part}" if part else shown)
