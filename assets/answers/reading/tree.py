"""The tree that a formula is read into: immutable, without meaning, of bounded depth."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import NamedTuple


class Tree(NamedTuple):
    """One node. ``op`` says what ``parts`` and ``value`` are.

    ``num`` (value: Fraction), ``sym`` (value: name), ``const`` (value: pi, e or i), ``add``, ``mul`` (any number of
    parts), ``div``, ``pow``, ``root`` (radicand, degree), ``fn`` (value: name), ``log`` (base, argument), ``fact``,
    ``fact2`` (every second number), ``binom``, ``abs``, ``floor``, ``ceil``, ``deg`` (an angle in degrees), ``sign``
    (value 1 or -1: plus-minus or minus-plus before the part).
    """

    op: str
    parts: tuple[Tree, ...] = ()
    value: Fraction | str | int | None = None


def number(value: int | Fraction) -> Tree:
    """A leaf that is a number."""
    return Tree("num", value=Fraction(value))


def symbol(name: str) -> Tree:
    """A leaf that is a variable."""
    return Tree("sym", value=name)


MINUS_ONE = number(-1)


def negative(tree: Tree) -> Tree:
    """``-tree``."""
    if tree.op == "num" and isinstance(tree.value, Fraction):
        return number(-tree.value)
    return Tree("mul", (MINUS_ONE, tree))


def difference(left: Tree, right: Tree) -> Tree:
    """``left - right``."""
    return Tree("add", (left, negative(right)))


def leaves(tree: Tree) -> Iterator[Tree]:
    """Every node, the tree itself first."""
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        yield node
        waiting += node.parts


def variables(tree: Tree) -> frozenset[str]:
    """Names of the variables in it."""
    return frozenset(str(node.value) for node in leaves(tree) if node.op == "sym")


def has(tree: Tree, *ops: str) -> bool:
    """Whether a node of one of ``ops`` is in it."""
    return any(node.op in ops for node in leaves(tree))
