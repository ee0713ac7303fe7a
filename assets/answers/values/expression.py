"""Keys of trees: one number, two for plus-minus, an expression with variables, an equation up to its scale."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from hashlib import blake2b
from typing import Any

from flint import acb, fmpq

from assets.answers.reading.tree import Tree, difference, has, leaves, number, variables
from assets.answers.reading.undecided import Undecided
from assets.answers.values import digits
from assets.answers.values import number as n
from assets.answers.values.evaluate import Corners, evaluate
from assets.answers.values.number import Number
from assets.answers.values.points import POSITIVE, points, wide_points

MAX_FRACTION_NODES = 2_000
"""Nodes of the tree that an equation becomes without denominators."""
MAX_ALONE = 5
"""Variables that are each made negative alone, to see whether a root leaves the reals."""
_LINE = (fmpq(0), fmpq(1), fmpq(2), fmpq(-3), fmpq(1_009, 733), fmpq(-20_011, 37))
"""Where a function is compared with a line: also away from whole numbers, where a sine of pi x is zero."""
NOWHERE: Mapping[str, Number] = {}


def value_of(tree: Tree) -> Number:
    """The number of a tree without variables. Undecided with variables or plus-minus."""
    if has(tree, "sym", "sign"):
        raise Undecided
    return evaluate(tree, NOWHERE)[0]


def keys_of(tree: Tree) -> list[str]:
    """The key of a formula; two where it holds plus-minus and both signs differ."""
    signs = [node.value for node in leaves(tree) if node.op == "sign"]
    if not signs:
        return [_key(tree, 1)]
    if signs.count(1) > 1:
        raise Undecided  # \pm a \pm b: two values or four
    found = [_key(tree, 1), _key(tree, -1)]
    return found if found[0] != found[1] else found[:1]


def _key(tree: Tree, sign: int) -> str:
    names = variables(tree)
    if not names:
        return _constant(tree, sign)
    values, shown, is_lossy = _at_points(tree, names, sign)
    if all(value == shown[0] for value in shown) and not is_lossy:
        return digits.constant(values[0])  # x - x + 3
    return _named("e", shown, is_lossy, values)


def _constant(tree: Tree, sign: int) -> str:
    value, _ = evaluate(tree, NOWHERE, sign=sign)
    return digits.constant(value)


def _at_points(tree: Tree, names: frozenset[str], sign: int = 1) -> tuple[list[Number], list[str], bool]:
    """Values at the points where they count, their digits, and whether digits lose something."""
    values: list[Number] = []
    is_lossy = leaves_reals = False
    corners: Corners = {}
    for at, point in enumerate(points(names)):
        value, how = evaluate(tree, point, sign=sign, corners=corners)
        is_lossy |= how.is_lossy
        if at >= POSITIVE:
            leaves_reals |= how.leaves_reals
        values.append(value)
    far = _far_away(tree, names, sign, corners)
    if corners and (far is None or any(not {-1, 1} <= sides for sides in corners.values())):
        raise Undecided  # a corner that was seen from one side is none, as far as values can tell
    if corners and leaves_reals and (len(names) > 1 or has(tree, "add")):
        raise Undecided  # the points that show the corner do not count; that of one variable at 0 is outside
    leaves_reals = leaves_reals or _leaves_somewhere(tree, names, sign)
    if leaves_reals:
        values = values[:POSITIVE]
    elif far is not None:
        values += far
    return values, [digits.leading(value) for value in values], is_lossy


def _leaves_somewhere(tree: Tree, names: frozenset[str], sign: int) -> bool:
    r"""Whether it leaves the reals where one variable alone is negative: ``\sqrt{ab}`` does as ``\sqrt a`` does."""
    if not 1 < len(names) <= MAX_ALONE or not _has_domain(tree):
        return False
    first = points(names)[0]
    return any(evaluate(tree, {**first, name: -first[name]}, sign=sign)[1].leaves_reals for name in sorted(names))


def _has_domain(tree: Tree) -> bool:
    """Whether a root, a logarithm or a broken power of variables is in it."""
    return any(
        node.op in {"root", "log"} or (node.op == "fn" and node.value == "ln") or _is_broken_power(node)
        for node in leaves(tree)
        if variables(node)
    )


def _is_broken_power(node: Tree) -> bool:
    if node.op != "pow":
        return False
    exponent = node.parts[1].value
    return not (node.parts[1].op == "num" and isinstance(exponent, Fraction) and exponent.denominator == 1)


def _far_away(tree: Tree, names: frozenset[str], sign: int, corners: Corners) -> list[Number] | None:
    """Values at the wide points; None where a root of a negative number is in the way."""
    found: list[Number] = []
    n.spent.keeps_terms = False
    try:
        for point in wide_points(names):
            value, how = evaluate(tree, point, sign=sign, corners=corners)
            if how.leaves_reals and not corners:
                return None
            found.append(value)
    finally:
        n.spent.keeps_terms = True
    return found


def _named(tag: str, shown: Sequence[str], is_lossy: bool, values: Sequence[Any]) -> str:
    if is_lossy:
        if not all(map(n.is_exact, values)):
            raise Undecided
        shown = ["exactly", *(digits.rational(value) for value in values)]
    return f"{tag}:{blake2b(';'.join(shown).encode(), digest_size=15).hexdigest()}"


def equation_key(left: Tree, right: Tree) -> str:
    """The key of ``left = right``: the same for every multiple by a number other than zero, denominators removed."""
    return _scaled("eq", *_without_denominators(difference(left, right)), is_signed=False)


def inequality_key(low: Tree, high: Tree, sign: str) -> str:
    """The key of ``low < high`` (``sign`` ``<`` or ``<=``): the same for every positive multiple."""
    return _scaled(f"in{sign}", difference(low, high), is_signed=True)


def _scaled(tag: str, tree: Tree, is_signed: bool = True) -> str:
    names = variables(tree)
    if not names or has(tree, "sign"):
        raise Undecided
    values, _, is_lossy = _at_points(tree, names)
    first = values[0]
    if n.is_exact(first):
        if not first:
            raise Undecided  # 0 = 0, or a zero at a random point
        scale = abs(first) if is_signed else first
    elif is_signed:
        scale = acb(abs(first))
    else:
        scale = first
    ratios = [n.divide(value, scale) for value in values]
    return _named(tag, [digits.leading(ratio) for ratio in ratios], is_lossy, ratios)


def _without_denominators(tree: Tree) -> tuple[Tree]:
    top, _ = _fraction(tree, [0])
    return (top,)


def _fraction(tree: Tree, spent: list[int]) -> tuple[Tree, Tree | None]:
    """``tree`` as numerator and denominator; None for a denominator of 1. Numbers below a line stay where they are."""
    spent[0] += 1
    if spent[0] > MAX_FRACTION_NODES:
        raise Undecided
    if tree.op == "div" and variables(tree.parts[1]):
        (a, b), (c, d) = _fraction(tree.parts[0], spent), _fraction(tree.parts[1], spent)
        return _times(a, d), _times(b, c) if b is not None else c
    if tree.op == "mul":
        pairs = [_fraction(part, spent) for part in tree.parts]
        bottoms = [bottom for _, bottom in pairs if bottom is not None]
        return Tree("mul", tuple(top for top, _ in pairs)), _product(bottoms)
    if tree.op == "add":
        return _sum_of([_fraction(part, spent) for part in tree.parts], spent)
    if tree.op == "pow" and tree.parts[1].op == "num":
        return _power(tree, spent)
    return tree, None


def _power(tree: Tree, spent: list[int]) -> tuple[Tree, Tree | None]:
    base, exponent = tree.parts
    count: Any = exponent.value
    if count.denominator != 1 or not variables(base):
        return tree, None
    top, bottom = _fraction(base, spent)
    size = number(abs(count))
    raised = Tree("pow", (top, size)), None if bottom is None else Tree("pow", (bottom, size))
    if count >= 0:
        return raised
    return raised[1] if raised[1] is not None else number(1), raised[0]


def _sum_of(pairs: list[tuple[Tree, Tree | None]], spent: list[int]) -> tuple[Tree, Tree | None]:
    bottoms = [bottom for _, bottom in pairs if bottom is not None]
    if not bottoms:
        return Tree("add", tuple(top for top, _ in pairs)), None
    distinct = list(dict.fromkeys(bottoms))
    spent[0] += len(pairs) * len(distinct)
    terms = [_product([top, *(other for other in distinct if other != bottom)]) for top, bottom in pairs]
    return Tree("add", tuple(term for term in terms if term is not None)), _product(distinct)


def _times(left: Tree, right: Tree | None) -> Tree:
    return left if right is None else Tree("mul", (left, right))


def _product(trees: list[Tree]) -> Tree | None:
    if not trees:
        return None
    return trees[0] if len(trees) == 1 else Tree("mul", tuple(trees))


def linear_bound(tree: Tree) -> tuple[Number, bool] | None:
    """Where ``tree`` is zero, if it is linear in its one variable, and whether it rises there. None if it is not."""
    line = line_of(tree)
    if line is None:
        return None
    slope, start = line
    zero = n.divide(n.multiply(start, fmpq(-1)), slope)
    return zero, slope > 0 if n.is_exact(slope) else slope.real > 0


def line_of(tree: Tree) -> tuple[Number, Number] | None:
    """Slope and value at 0 of what is linear in its one variable, with a real slope other than 0; None if it is not."""
    (name, *others) = sorted(variables(tree)) or [""]
    if others or not name or has(tree, "sign"):
        return None
    corners: Corners = {}
    at = [evaluate(tree, {name: x}, corners=corners)[0] for x in _LINE]
    if corners:
        return None
    slope = _minus(at[1], at[0])
    if n.is_exact(slope) and not slope:
        return None
    predicted = [n.add([at[0], n.multiply(slope, x)]) for x in _LINE[2:]]
    if any(digits.leading(p) != digits.leading(v) for p, v in zip(predicted, at[2:], strict=True)):
        return None
    return (slope, at[0]) if _is_real(slope) else None


def _minus(left: Number, right: Number) -> Number:
    return n.add([left, n.multiply(right, fmpq(-1))])


def _is_real(value: Number) -> bool:
    return n.is_exact(value) or bool(value.imag.is_zero())
