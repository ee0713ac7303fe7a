"""What an answer is, for the symbolic step: a value, a list, a tuple, an equation, inequalities, a matrix, a union.

The same cuts as :mod:`assets.answers.forms` makes, but with expressions of sympy where that has keys. Runs in worker
processes only.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from assets.answers.forms.labels import is_symbol, label_before, names_of
from assets.answers.forms.reader import closing, split, unwrap
from assets.answers.policy import Policy
from assets.answers.reading.parser import parse
from assets.answers.reading.tokens import AND, OR, TEXT, tokenize
from assets.answers.reading.tree import leaves
from assets.answers.reading.undecided import Undecided
from assets.answers.reading.units import without_units
from assets.answers.symbolic.convert import to_sympy
from assets.answers.symbolic.grammar import parse_with_grammar

MAX_NESTING = 4

_ORDER = {"<": (1, True), "\u2264": (1, False), ">": (-1, True), "\u2265": (-1, False)}
"""Sign -> factor of left - right that makes it ``... < 0``, whether it is strict."""
_RELATIONS = frozenset({"=", *_ORDER})
_SEPARATORS = frozenset({",", ";", AND, OR})
_CLOSERS = {"(": ")", "[": "]", "\\langle": "\\rangle"}
_MATRIX = frozenset({"\\begin{pmatrix}", "\\begin{bmatrix}", "\\begin{matrix}"})
_REFUSED = frozenset({"\u2248", "\u2260", "\u2026", "\\to", "\\in", "\\setminus", "\u2229", ":", "%", "\\%", "\u00b0"})
"""What the comparison has no rule for; degrees stay where an angle is meant, and that is for the parser to say."""

_POINTS = re.compile(r"[A-Z]{2,}")
"""A segment, line or vector between points: no product, and AB may not be BA."""
_ARROWS = re.compile(r"\\(?:vec|over|under|angle|widehat|hat|bar|math(?:cal|frak|bb))")
"""Marks that make a letter into something else, some of which the reader takes for decoration."""


@dataclass(frozen=True, slots=True)
class Value:
    """One number or formula."""

    expression: Any


@dataclass(frozen=True, slots=True)
class Group:
    """Several shapes: ``list`` and ``union`` in any order, ``set`` each once, ``tuple`` and ``matrix`` in place."""

    kind: str
    parts: tuple[Shape, ...]
    mark: str = ""
    """Brackets of a tuple, numbers of rows and columns of a matrix."""


@dataclass(frozen=True, slots=True)
class Equation:
    """``difference = 0``."""

    difference: Any


@dataclass(frozen=True, slots=True)
class Inequalities:
    """All of ``difference < 0`` (strict) or ``difference <= 0``."""

    conditions: tuple[tuple[Any, bool], ...]


Shape = Value | Group | Equation | Inequalities


def read_shape(text: str, policy: Policy) -> Shape:
    """The shape of an answer. Undecided for any text of which a part would have to be dropped or guessed."""
    tokens = tokenize(text)
    while tokens and tokens[-1] in {".", ",", ";"}:
        tokens.pop()
    if policy.strip_units and tokens:
        tokens = without_units(tokens)
    if any(token[0] == TEXT or _POINTS.fullmatch(token) for token in tokens) or _ARROWS.search(text):
        raise Undecided
    return _Reader(policy).read(tokens)


class _Reader:
    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._nesting = 0

    def read(self, tokens: list[str]) -> Shape:
        tokens = unwrap(tokens)
        self._nesting += 1
        if not tokens or self._nesting > MAX_NESTING:
            raise Undecided
        try:
            return self._matrix(tokens) or self._listed(tokens) or self._related(tokens) or self._cut(tokens)
        finally:
            self._nesting -= 1

    def _cut(self, tokens: list[str]) -> Shape:
        parts, found = split(tokens, {"\u222a"})
        if found:
            return Group("union", tuple(self.read(part) for part in parts))
        return self._bracketed(tokens) or _values(tokens)

    def _matrix(self, tokens: list[str]) -> Shape | None:
        if not any(token.startswith("\\begin") for token in tokens):
            return None
        if tokens[0] not in _MATRIX or closing(tokens, 0) != len(tokens) - 1:
            raise Undecided
        rows = [split(line, {"&"})[0] for line in split(tokens[1:-1], {"\\\\"})[0] if line]
        if not rows or len({len(row) for row in rows}) > 1:
            raise Undecided
        cells = tuple(self.read(cell) for row in rows for cell in row)
        return Group("matrix", cells, f"{len(rows)}x{len(rows[0])}")

    def _listed(self, tokens: list[str]) -> Shape | None:
        if tokens[0] == "\\{":
            if closing(tokens, 0) != len(tokens) - 1 or {"|", ":"}.intersection(tokens):
                raise Undecided
            return Group("set", self._items(tokens[1:-1]))
        if not split(tokens, _SEPARATORS)[1] or tokens[0] in {"\\gcd", "\\lcm", "\\max", "\\min"}:
            return None
        return Group("list" if self._policy.lists_are_unordered else "sequence", self._items(tokens))

    def _items(self, tokens: list[str]) -> tuple[Shape, ...]:
        parts = [part for part in split(tokens, _SEPARATORS)[0] if part]
        pairs = [_label(part) for part in parts]
        labels = {label for label, _ in pairs}
        is_one = len(labels) == 1 or not any(label for label, _ in pairs[1:])  # x = 1, 2: one name for all
        if is_one and self._policy.labels_are_names:
            shapes = [self.read(part) for _, part in pairs]
        else:
            shapes = [self._related(unwrap(part), is_labelled=True) or self.read(part) for part in parts]
        if any(isinstance(shape, Inequalities) for shape in shapes):
            raise Undecided  # both of them, or either
        return tuple(item for shape in shapes for item in _spread(shape))

    def _related(self, tokens: list[str], *, is_labelled: bool = False) -> Shape | None:
        parts, signs = split(tokens, _RELATIONS)
        if not signs:
            return None
        if signs == ["="] and self._policy.labels_are_names and not is_labelled:
            label, rest = _label(tokens)
            shape = self.read(rest) if label is not None else None
            if shape is not None and not _variables(shape):
                return shape
        sides = [_value(part) for part in parts]
        if signs == ["="]:
            return Equation(sides[0] - sides[1])
        if "=" in signs:
            raise Undecided
        pairs = zip(sides, sides[1:], signs, strict=False)
        return Inequalities(tuple((_ORDER[sign][0] * (a - b), _ORDER[sign][1]) for a, b, sign in pairs))

    def _bracketed(self, tokens: list[str]) -> Shape | None:
        if tokens[0] not in _CLOSERS or closing(tokens, 0) != len(tokens) - 1:
            return None
        parts, found = split(tokens[1:-1], {",", ";"})
        if not found:
            return None
        if any(not part or _RELATIONS.intersection(part) for part in parts):
            raise Undecided
        return Group("tuple", tuple(self.read(part) for part in parts), tokens[0] + tokens[-1])


def _label(tokens: list[str]) -> tuple[str | None, list[str]]:
    """The label before the equals sign, or after it (``2=x``), and the value. Undecided for ``(y,x)=(1,2)``."""
    label, rest = label_before(tokens)
    if label is None and split(tokens, _RELATIONS)[1] == ["="]:
        at = tokens.index("=")
        turned = [*tokens[at + 1 :], "=", *tokens[:at]] if is_symbol(tokens[-1]) and at == len(tokens) - 2 else tokens
        label, rest = label_before(turned)
    names = names_of(tokens[: tokens.index("=")]) if label is not None else []
    if names != sorted(names):
        raise Undecided
    return label, rest


def _values(tokens: Sequence[str]) -> Shape:
    """A value, or the two of a plus-minus."""
    if tokens == ["\u221e"] or list(tokens) in (["+", "\u221e"], ["-", "\u221e"]):
        import sympy

        return Value(-sympy.oo if tokens[0] == "-" else sympy.oo)
    if "\u00b1" not in tokens:
        return Value(_value(tokens))
    tree = parse(list(tokens))
    signs = [node.value for node in leaves(tree) if node.op == "sign"]
    if signs.count(1) > 1:
        raise Undecided  # together, or each by itself
    return Group("list", (Value(to_sympy(tree, 1)), Value(to_sympy(tree, -1))))


def _value(tokens: Sequence[str]) -> Any:
    if _REFUSED.difference({"\u00b0", "\\to"}).intersection(tokens) or "\u00b1" in tokens or "\\mp" in tokens:
        raise Undecided
    try:
        tree = parse(list(tokens))
    except Undecided:
        return parse_with_grammar(tokens)
    return to_sympy(tree)


def _spread(shape: Shape) -> tuple[Shape, ...]:
    """A plus-minus inside of a list stands for two of its parts."""
    return shape.parts if isinstance(shape, Group) and shape.kind == "list" else (shape,)


def _variables(shape: Shape) -> bool:
    if isinstance(shape, Group):
        return any(_variables(part) for part in shape.parts)
    return not isinstance(shape, Value) or bool(shape.expression.free_symbols)
