r"""Equations and inequalities: ``y=2x+1``, ``x=\frac12=0.5``, ``22/7\approx 3.14``, ``x<y``."""

from __future__ import annotations

from assets.answers.forms import reals
from assets.answers.forms.conditions import CONDITIONS, LESS, MORE, RELATIONS, condition
from assets.answers.forms.labels import is_symbol, label_of, names_of
from assets.answers.forms.reader import Reader, closing, joined, split
from assets.answers.reading.parser import parse
from assets.answers.reading.tree import Tree, difference, symbol, variables
from assets.answers.reading.undecided import Undecided
from assets.answers.values.digits import constant
from assets.answers.values.expression import equation_key, inequality_key, keys_of, linear_bound

ABOUT = "\u2248"


def relation(reader: Reader, tokens: list[str]) -> str | None:
    """The key of an equation or inequality; None if no such sign stands outside of all brackets."""
    parts, signs = split(tokens, RELATIONS)
    if not signs:
        return None
    if not parts[0] and signs[0] in {"=", ABOUT}:
        return reader.key(tokens[1:])
    if any(not part for part in parts):
        raise Undecided
    if ABOUT in signs:
        return _about(reader, parts, signs)
    if set(signs) == {"="}:
        return _equation(reader, parts[0], parts[1]) if len(parts) == 2 else _chain(reader, parts)
    return _inequality(reader, tokens, parts, signs)


def _about(reader: Reader, parts: list[list[str]], signs: list[str]) -> str:
    r"""``x=\sqrt2\approx 1.41`` is its exact side; ``x\approx 1.41`` is what it says."""
    at = signs.index(ABOUT)
    if at == 0 and label_of(parts[0]) is not None:
        return reader.key(parts[1])
    exact = [parts[0]]
    for part, sign in zip(parts[1 : at + 1], signs[:at], strict=True):
        exact += [[sign], part]
    return reader.key([token for part in exact for token in part])


def _equation(reader: Reader, left: list[str], right: list[str]) -> str:
    if label_of(left) is None and label_of(right) is not None and not _has_letters(reader, left):
        left, right = right, left
    label = label_of(left)
    if label is None and _is_heading(left, right):
        return reader.key(right)
    if label is not None and reader.policy.labels_are_names:
        names = names_of(left)
        if names and names != sorted(names):
            return _reordered(reader, names, right)
        if not _has_letters(reader, right) or label.startswith("\x01"):
            return reader.key(right)
    if label is not None and len(left) == 4 and left[1] == "(":
        first, second = symbol(label), parse(right)
    else:
        first, second = parse(left), parse(right)
    if not variables(first) and not variables(second):
        one, other = keys_of(first), keys_of(second)
        if one == other and len(one) == 1 and left != right:  # 0 = 0 says that anything will do
            return one[0]  # 2^{10} = 1024
        raise Undecided  # 22/7 = 3.14 claims something about numbers: up to scale all such claims are one
    return _root(first, second) if reader.policy.labels_are_names else equation_key(first, second)


def _is_heading(left: list[str], right: list[str]) -> bool:
    r"""Whether the left side only names what stands right: ``A^{-1}`` a matrix, ``a:b`` a ratio."""
    if right[0].startswith("\\begin"):
        return len(left) > 2 and left[0].isupper() and left[1] == "^"
    names = left[::2]
    is_ratio = len(left) == len(right) > 2 and {*left[1::2], *right[1::2]} == {":"}
    return is_ratio and all(map(is_symbol, names)) and not any(map(is_symbol, right[::2]))


def _root(first: Tree, second: Tree) -> str:
    """The key of an equation; of its root where it is linear in its only variable: ``2x = 4`` is ``x = 2``."""
    try:
        bound = linear_bound(difference(first, second))
    except Undecided:
        bound = None
    return equation_key(first, second) if bound is None else constant(bound[0])


def _reordered(reader: Reader, names: list[str], right: list[str]) -> str:
    """``(y,x)=(1,2)`` in the order of its names."""
    if right[0] != "(" or closing(right, 0) != len(right) - 1:
        raise Undecided
    parts, _ = split(right[1:-1], {","})
    if len(parts) != len(names):
        raise Undecided
    keys = [reader.key(part, is_part=True) for part in parts]
    return reals.span("(", [key for _, key in sorted(zip(names, keys, strict=True))], ")")


def _has_letters(reader: Reader, tokens: list[str]) -> bool:
    """Whether a variable stands in a value. What is no formula (a list, an interval, words) has none that count."""
    try:
        return bool(variables(parse(tokens)))
    except Undecided:
        return any(len(token) == 1 and token.isascii() and token.isalpha() and token not in "ei" for token in tokens)


def _chain(reader: Reader, parts: list[list[str]]) -> str:
    """``x = 1/2 = 0.5``: one value in several spellings, with at most one name."""
    names = [part for part in parts if label_of(part) is not None]
    values = [part for part in parts if label_of(part) is None]
    if not values:
        raise Undecided
    keys = {reader.key(part) for part in values}
    if len(keys) != 1:
        raise Undecided
    if not names:
        return keys.pop()
    if len(names) == 1:
        return _equation(reader, names[0], values[0])
    if any(_has_letters(reader, part) for part in values):
        raise Undecided
    (key,) = keys
    return reals.span("(", [key] * len(names), ")")


def _inequality(reader: Reader, tokens: list[str], parts: list[list[str]], signs: list[str]) -> str:
    try:
        return reals.show(condition(tokens))
    except Undecided:
        if not (LESS.issuperset(signs) or MORE.issuperset(signs)):
            raise
    trees = [parse(part) for part in parts]
    if len(frozenset[str]().union(*map(variables, trees))) < 2:
        raise Undecided  # it has a solution, which this reader does not find
    keys = [
        inequality_key(*((a, b) if sign in LESS else (b, a)), "<" if sign in "<>" else "<=")
        for a, b, sign in zip(trees, trees[1:], signs, strict=False)
    ]
    return keys[0] if len(keys) == 1 else joined("in", sorted(keys))


def real_set(reader: Reader, tokens: list[str]) -> str | None:
    """The key of a set of reals that is more than one interval or a list; None if nothing in it says so."""
    if not CONDITIONS.intersection(tokens):
        return None
    try:
        return reals.show(condition(tokens))
    except Undecided:
        return _symbolic_union(reader, tokens)


def _symbolic_union(reader: Reader, tokens: list[str]) -> str | None:
    """A union whose ends are no numbers, as a set of its parts' keys."""
    parts, found = split(tokens, {"\u222a"})
    if not found:
        return None
    keys = sorted({reader.key(part, is_part=True) for part in parts})
    if any(not key.startswith(("t:", "l:")) for key in keys):
        raise Undecided
    return f"u:({','.join(keys)})" if len(keys) > 1 else keys[0]
