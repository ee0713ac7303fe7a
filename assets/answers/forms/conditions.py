r"""Conditions on one number, as sets of reals: ``1<x\le 2``, ``x<1 or x>2``, ``x\ne 0``, ``\{x\mid x>3\}``."""

from __future__ import annotations

from functools import cmp_to_key

from flint import fmpq

from assets.answers.forms import reals
from assets.answers.forms.labels import label_of
from assets.answers.forms.reader import closing, split, unwrap
from assets.answers.forms.reals import Interval
from assets.answers.reading.names import FUNCTION_LETTERS, GREEK
from assets.answers.reading.parser import parse
from assets.answers.reading.tokens import AND, OR
from assets.answers.reading.tree import Tree, difference, negative, variables
from assets.answers.reading.undecided import Undecided
from assets.answers.values.expression import linear_bound, value_of
from assets.answers.values.number import Number, is_exact
from assets.answers.values.roots import changes

_WHOLE = frozenset({"\u2124", "\u2115"})
LESS = frozenset({"<", "\u2264"})
MORE = frozenset({">", "\u2265"})
_ORDER = LESS | MORE
NOT_EQUAL = "\u2260"
RELATIONS = _ORDER | {"=", NOT_EQUAL, "\u2248"}
CONDITIONS = _ORDER | {"\u222a", "\u2229", "\\setminus", "\u211d", NOT_EQUAL, "\\in"}
"""Marks of a set of reals."""
_FLIPPED = {"<": ">", ">": "<", "\u2264": "\u2265", "\u2265": "\u2264"}


def condition(tokens: list[str]) -> list[Interval]:
    """The reals that ``tokens`` describe. Undecided when they describe anything else, or two variables."""
    if len(_letters(tokens)) > 1:
        raise Undecided
    return _any_of(tokens)


def _letters(tokens: list[str]) -> set[str]:
    """The variables, with their indices: ``x_1`` and ``x_2`` are two."""
    found: set[str] = set()
    for at, token in enumerate(tokens):
        is_letters = token.isascii() and token.isalpha() and token not in {"e", "i", "pi", "sqrt"}
        if not (is_letters or token.removeprefix("\\") in GREEK) or _is_argument(tokens, at):
            continue
        index = _index(tokens[at + 1 :]) if tokens[at + 1 : at + 2] == ["_"] else ""
        found.add(token + index)
    return found


def _is_argument(tokens: list[str], at: int) -> bool:
    """Whether a letter only names what ``g(x)`` depends on: that is one unknown."""
    around = tokens[max(0, at - 2) : at + 2]
    return len(around) == 4 and around[0] in FUNCTION_LETTERS and around[1] == "(" and around[3] == ")"


def _index(tokens: list[str]) -> str:
    if tokens[1:2] != ["{"]:
        return "".join(tokens[:2])
    return "".join(token for token in tokens[: closing(tokens, 1)] if token != "{")


def _any_of(tokens: list[str]) -> list[Interval]:
    parts, found = split(unwrap(tokens), {OR, AND, ",", ";"})
    parts = [part for part in parts if part]
    if not parts:
        raise Undecided
    if not found:
        return _one_of(parts[0])
    if NOT_EQUAL in parts[0] and not any(CONDITIONS.intersection(part) for part in parts[1:]):
        excluded = [_one_of(parts[0]), *(reals.complement([reals.point(value_of(parse(part)))]) for part in parts[1:])]
        return _all_in(excluded)  # x \ne 0, 1
    if not all(CONDITIONS.intersection(part) for part in parts):
        raise Undecided
    sets = [_one_of(part) for part in parts]
    if set(found) == {OR}:
        return reals.normal([item for one in sets for item in one])
    if OR in found:
        raise Undecided
    both = _all_in(sets)
    if AND not in found and not both:
        return reals.normal([item for one in sets for item in one])  # x < 1, x > 2: no number is both
    return both


def _all_in(sets: list[list[Interval]]) -> list[Interval]:
    total = sets[0]
    for one in sets[1:]:
        total = reals.intersect(total, one)
    return total


def _one_of(tokens: list[str]) -> list[Interval]:
    tokens = unwrap(tokens)
    if len(tokens) > 2 and tokens[1] == "\\in" and label_of(tokens[:1]) is not None:
        return _one_of(tokens[2:])
    parts, signs = split(tokens, RELATIONS)
    if signs:
        return _ordered(parts, signs)
    for mark, join in (("\u222a", _union), ("\\setminus", _minus), ("\u2229", _all_in)):
        parts, found = split(tokens, {mark})
        if found:
            return join([_one_of(part) for part in parts])
    if len(tokens) > 2 and tokens[0] == "\u211d" and tokens[1] == "-":
        return _minus([reals.EVERYTHING, _one_of(tokens[2:])])
    if tokens == ["\u211d"]:
        return list(reals.EVERYTHING)
    return _bracketed(tokens)


def _union(sets: list[list[Interval]]) -> list[Interval]:
    return reals.normal([item for one in sets for item in one])


def _minus(sets: list[list[Interval]]) -> list[Interval]:
    return _all_in([sets[0], *(reals.complement(one) for one in sets[1:])])


def _bracketed(tokens: list[str]) -> list[Interval]:
    if not tokens:
        raise Undecided
    if tokens == ["\u2205"]:
        return []
    if closing(tokens, 0) != len(tokens) - 1 and tokens[0] != "]":
        raise Undecided
    if tokens[0] == "\\{":
        return set_of(tokens[1:-1])
    parts, found = split(tokens[1:-1], {",", ";"})
    if len(found) != 1 or tokens[0] not in {"(", "[", "]"} or tokens[-1] not in {")", "]", "["}:
        raise Undecided
    low, high = end(parts[0]), end(parts[1])
    if reals.compare(low, high) > 0:
        raise Undecided
    return [Interval(low, tokens[0] == "[" and not low.side, high, tokens[-1] == "]" and not high.side)]


def endless(inner: list[str]) -> str | None:
    r"""The key of an endless set of integers, ``n\in\mathbb{Z}\mid n>2``: that of the reals, marked. Else None."""
    for bar in ("|", ":"):
        parts, found = split(inner, {bar})
        if len(found) == 1 and _WHOLE.intersection(parts[0]) and "\\in" in parts[0] and parts[1]:
            reach = condition(parts[1])
            if any(item.low.side or item.high.side for item in reach):
                return f"z:{parts[0][-1]}:{reals.show(reach)}"
    return None


def set_of(inner: list[str]) -> list[Interval]:
    r"""The inside of ``\{...\}``: numbers, or a name with a condition. Undecided for anything else."""
    for bar in ("|", ":"):
        parts, found = split(inner, {bar})
        if len(found) == 1 and parts[0] and parts[1]:
            if set(parts[0]) & _WHOLE and "\\in" in parts[0]:
                return _whole_numbers(condition(parts[1]), is_natural="\u2115" in parts[0])
            domain = _one_of(parts[0]) if "\\in" in parts[0] else list(reals.EVERYTHING)
            if label_of(parts[0][:1]) is None or ("\\in" not in parts[0] and len(parts[0]) > 1):
                raise Undecided
            return reals.intersect(domain, condition(parts[1]))
    parts, _ = split(inner, {",", ";"})
    return [reals.point(value_of(parse(part))) for part in parts] if inner else []


def _whole_numbers(intervals: list[Interval], *, is_natural: bool) -> list[Interval]:
    """The integers of a bounded set, as points."""
    found: list[Interval] = []
    for item in reals.normal(intervals):
        if not is_exact(item.low.value) or not is_exact(item.high.value):
            raise Undecided
        low, high = int(item.low.value.ceil()), int(item.high.value.floor())
        if high - low > reals.MAX_INTERVALS or (is_natural and low <= 0):
            raise Undecided  # whether 0 is natural, nobody agrees
        inside = [reals.point(fmpq(whole)) for whole in range(low, high + 1)]
        found += [one for one in inside if reals.intersect([one], [item])]
    return found


def end(tokens: list[str]) -> reals.End:
    """An end of an interval: a number, or an infinity."""
    if tokens and tokens[-1] == "\u221e":
        if tokens[:-1] not in ([], ["+"], ["-"]):
            raise Undecided
        return reals.LEAST if tokens[0] == "-" else reals.GREATEST
    return reals.end_of(value_of(parse(tokens)))


def _ordered(parts: list[list[str]], signs: list[str]) -> list[Interval]:
    """A chain of at most three parts with one variable, linear, in one of them."""
    if not all(parts):
        raise Undecided
    if signs in ([NOT_EQUAL], ["="]):
        only = [reals.point(_bound(parts[0], parts[1])[0])]
        return only if signs == ["="] else reals.complement(only)
    if any(sign not in _ORDER for sign in signs) or len(parts) > 3:
        raise Undecided
    if len(parts) == 3:
        if (signs[0] in LESS) != (signs[1] in LESS) or not variables(parse(parts[1])):
            raise Undecided
        return reals.intersect(_ordered(parts[:2], signs[:1]), _ordered(parts[1:], signs[1:]))
    return _compared(parts, signs)


def _compared(parts: list[list[str]], signs: list[str]) -> list[Interval]:
    if parts[1][-1] == "\u221e" or parts[0][-1] == "\u221e":
        return _unbounded(parts, signs[0])
    first, second = parse(parts[0]), parse(parts[1])
    if "abs" in (first.op, second.op):
        return _distance(first, second, signs[0])
    try:
        bound = linear_bound(difference(first, second))
    except Undecided:  # a pole at one of the places that it looks at
        bound = None
    if bound is None:
        return _solved(difference(first, second), signs[0])
    zero, is_rising = bound
    sign = signs[0] if is_rising else _FLIPPED[signs[0]]
    limit = reals.end_of(zero)
    if sign in LESS:
        return [Interval(reals.LEAST, False, limit, sign == "\u2264")]
    return [Interval(limit, sign == "\u2265", reals.GREATEST, False)]


def _distance(first: Tree, second: Tree, sign: str) -> list[Interval]:
    """``|x-a| < c``: what lies near, or far from, a point."""
    if second.op == "abs":
        first, second, sign = second, first, _FLIPPED[sign]
    reach, inner = value_of(second), first.parts[0]
    ends: list[Interval] = []
    for limit in (second, negative(second)):
        found = linear_bound(difference(inner, limit))
        if found is None:
            raise Undecided
        ends.append(reals.point(found[0]))
    low, high = sorted((item.low for item in ends), key=cmp_to_key(reals.compare))
    if reals.compare(reals.end_of(reach), reals.end_of(fmpq(0))) < 0:
        raise Undecided
    is_closed = sign in {"\u2264", "\u2265"}
    near = [Interval(low, is_closed == (sign in LESS), high, is_closed == (sign in LESS))]
    return reals.normal(near) if sign in LESS else reals.complement(near)


def _solved(tree: Tree, sign: str) -> list[Interval]:
    """Where a rational function is below (above) zero."""
    places, signs = changes(tree)
    wanted = -1 if sign in LESS else 1
    ends = [reals.end_of(place.value) for place in places]
    lows, highs = [reals.LEAST, *ends], [*ends, reals.GREATEST]
    found = [
        Interval(low, False, high, False)
        for low, high, is_at in zip(lows, highs, signs, strict=True)
        if is_at == wanted
    ]
    if sign in {"\u2264", "\u2265"}:
        found += [reals.point(place.value) for place in places if place.is_zero]
    return reals.normal(found)


def _unbounded(parts: list[list[str]], sign: str) -> list[Interval]:
    limit = end(parts[0] if parts[0][-1] == "\u221e" else parts[1])
    is_upper = (parts[1][-1] == "\u221e") == (sign in LESS)
    if is_upper != (limit.side > 0):
        raise Undecided
    return list(reals.EVERYTHING)


def _bound(left: list[str], right: list[str]) -> tuple[Number, bool]:
    first, second = parse(left), parse(right)
    if not variables(first) and not variables(second):
        raise Undecided
    found = linear_bound(difference(first, second))
    if found is None:
        raise Undecided
    return found
