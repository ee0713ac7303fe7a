r"""Rewrites of an answer that never change what it says, and expressions spelled in several ways.

``SAFE`` are rewrites of text: each gives another spelling, or the same text where it cannot be used (a period after
``...`` would be another pattern). ``Tree`` is a small expression of positive numbers and variables. Sums and products
are spelled in any order, so its spellings are equal by construction; it grows with each of its leaves, so another leaf
is another value.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import reduce
from typing import Literal

Rewrite = Callable[[str], str]

_SINGLE = re.compile(r"([\^_])([0-9a-z])(?![0-9a-z]|\.[0-9])")
_FRACTION = re.compile(r"\\frac\s*([0-9])\s*([0-9])(?![0-9])")
_ROOT = re.compile(r"\\sqrt\s*([0-9])(?![0-9])")
_OPEN, _CLOSE = re.compile(r"(?<!\\)[(\[]"), re.compile(r"(?<!\\)[)\]]")
_LOOSE = re.compile(r"^([.,;:&]|\\\\)|([.,;:&]|\\\\)$")
"""Marks at the ends that are no part of an answer: inside of a wrapper they would not be at its end any more."""
_KIND = {"(": 0, "[": 0, ")": 0, "]": 0, "{": 1, "}": 1, "\\{": 2, "\\}": 2}
_NOT_BARE = ("\\left", "\\right", "\\big", "\\Big", "\\text", "\\sqrt[", "\\\\[", "\\begin", "$", "\\(", "\\[", "array")
_WRAPPED = ("$", "\\(", "\\[", "\\boxed", "\\fbox")


def is_balanced(text: str) -> bool:
    """Whether braces close in order, and no escape stands at the end: then a wrapper round it is one."""
    depth, bare = 0, re.sub(r"\\[\s\S]", "", text)
    for character in bare:
        depth += (character == "{") - (character == "}")
        if depth < 0:
            return False
    return depth == 0 and not re.search(r"(?<!\\)(\\\\)*\\$", text) and "%" not in re.sub(r"\\%", "", text)


def is_well_formed(text: str) -> bool:
    r"""Whether brackets of all sorts close in order (an interval's two may differ), and what begins ends."""
    if not is_balanced(text):
        return False
    opened = []
    for found in re.finditer(r"\\[{}]|(?<!\\)[()\[\]{}]", text):
        if found[0] in "([{\\{":
            opened.append(_KIND[found[0]])
        elif not opened or opened.pop() != _KIND[found[0]]:
            return False
    pairs = [("\\left", "\\right"), ("\\begin", "\\end"), ("\\lfloor", "\\rfloor"), ("\\lceil", "\\rceil")]
    pairs.append(("\\langle", "\\rangle"))
    if "\\\\" in text and "\\begin" not in text:
        return False
    text = re.sub(r"\\(left|right)arrow", "", text)
    return not opened and all(text.count(a) == text.count(b) for a, b in pairs) and text.count("$") % 2 == 0


def _wrap(before: str, after: str) -> Rewrite:
    def wrap(text: str) -> str:
        bare = text.strip()
        usable = bare and not _LOOSE.search(bare) and is_balanced(text) and not any(mark in text for mark in _WRAPPED)
        return before + text + after if usable else text

    return wrap


def _period(text: str) -> str:
    ends = text.rstrip()
    return text if not ends or ends[-1] in ".,;:!\\" or ends.endswith("dots") else ends + "."


def _stretched(text: str) -> str:
    r"""``\left`` and ``\right`` at all brackets of a text where each has its partner."""
    if any(mark in text for mark in _NOT_BARE) or not is_balanced(text):
        return text
    depth, opened = 0, []
    for found in re.finditer(r"(?<!\\)[()\[\]{}]", text):
        if found[0] in "([{":
            opened.append(found[0] == "{")
        elif not opened or opened.pop() is not (found[0] == "}"):
            return text
        depth = len(opened)
    if depth:
        return text
    return _CLOSE.sub(lambda m: "\\right" + m[0], _OPEN.sub(lambda m: "\\left" + m[0], text))


def _closer(text: str) -> str:
    r"""``\!`` after each plus and equals sign, where no number or word can hold it."""
    return text if "\\text" in text else re.sub(r"(?<![0-9][eE])([+=])(?=[ 0-9a-z\\(])", r"\1\!", text)


def _braced(text: str) -> str:
    if "\\text" in text or "\\begin" in text or "array" in text:
        return text
    text = _FRACTION.sub(r"\\frac{\1}{\2}", text)
    return _ROOT.sub(r"\\sqrt{\1}", _SINGLE.sub(r"\1{\2}", text))


SAFE: dict[str, Rewrite] = {
    "spaces outside": lambda text: f"  {text}\t ",
    "dollars": _wrap("$", "$"),
    "round": _wrap(r"\(", r"\)"),
    "square": _wrap(r"\[ ", r" \]"),
    "box": _wrap(r"\boxed{", "}"),
    "braces": _wrap("{", "}"),
    "period": _period,
    "display fractions": lambda text: re.sub(r"\\frac(?![a-zA-Z])", r"\\dfrac", text),
    "text fractions": lambda text: re.sub(r"\\frac(?![a-zA-Z])", r"\\tfrac", text),
    "plain fractions": lambda text: re.sub(r"\\[dt]frac(?![a-zA-Z])", r"\\frac", text),
    "left and right": _stretched,
    "negative space": _closer,
    "braces round single tokens": _braced,
}


Op = Literal["sum", "product", "ratio", "power", "root"]


@dataclass(frozen=True)
class Tree:
    """A leaf (``value``: a number from 2 on, or a letter), or ``op`` over ``parts``. ``n``: exponent or degree."""

    op: Op | None = None
    parts: tuple[Tree, ...] = ()
    n: int = 0
    value: int | str = 0

    def leaves(self) -> list[int]:
        """The numbers of the tree, from left to right."""
        if self.op is None:
            return [self.value] if isinstance(self.value, int) else []
        return [number for part in self.parts for number in part.leaves()]

    def rational(self) -> Fraction | None:
        """The value, None with a root or a letter inside."""
        if self.op is None:
            return Fraction(self.value) if isinstance(self.value, int) else None
        values = [part.rational() for part in self.parts]
        known = [value for value in values if value is not None]
        if len(known) < len(values) or self.op == "root":
            return None
        if self.op == "power":
            return known[0] ** self.n
        act = {"sum": Fraction.__add__, "product": Fraction.__mul__, "ratio": Fraction.__truediv__}[self.op]
        return reduce(act, known)

    def with_leaf(self, at: int, number: int) -> Tree:
        """The tree with another number as its leaf ``at``."""
        if self.op is None:
            return Tree(value=number)
        parts = list(self.parts)
        for i, part in enumerate(parts):
            count = len(part.leaves())
            if at < count:
                parts[i] = part.with_leaf(at, number)
                break
            at -= count
        return Tree(self.op, tuple(parts), self.n)


_OPS: tuple[Op, ...] = ("sum", "sum", "product", "product", "ratio", "power", "root")


def grow(chance: random.Random, depth: int, letters: Sequence[str] = ()) -> Tree:
    """A tree of at most ``depth`` operations from root to leaf."""
    if depth == 0 or chance.random() < 0.15:
        return Tree(value=chance.choice(letters) if letters and chance.random() < 0.4 else chance.randrange(2, 98))
    op = chance.choice(_OPS)
    below = [grow(chance, depth - 1, letters) for _ in range(chance.choice([2, 2, 3]))]
    if op in {"power", "root"}:
        return Tree(op, (below[0],), chance.choice([2, 3]) if not letters or op == "power" else 2)
    return Tree(op, tuple(below if op != "ratio" else below[:2]))


def spell(tree: Tree, chance: random.Random) -> str:
    """One of the many LaTeX spellings of ``tree``."""
    if tree.op is None:
        return _leaf(tree.value, chance)
    parts = [spell(part, chance) for part in tree.parts]
    if tree.op == "sum":
        chance.shuffle(parts)
        return chance.choice([" + ", "+", r" +\, ", r"+\!"]).join(parts)
    if tree.op == "product":
        return _product(tree, chance)
    if tree.op == "ratio":
        top, bottom = parts
        forms = [r"\frac{%s}{%s}", r"\dfrac{%s}{%s}", r"\tfrac{ %s }{ %s }", r"{%s \over %s}", "((%s)/(%s))"]
        return chance.choice(forms) % (top, bottom)
    inner = _grouped(tree.parts[0], chance, always=True)
    if tree.op == "power":
        return inner + chance.choice([f"^{tree.n}", f"^{{{tree.n}}}"])
    index = "" if tree.n == 2 else f"[{tree.n}]"
    return chance.choice([rf"\sqrt{index}{{{parts[0]}}}", rf"\sqrt{index}{{ {parts[0]}\, }}"])


def _leaf(value: int | str, chance: random.Random) -> str:
    if isinstance(value, str):
        return chance.choice([value, f"{{{value}}}"])
    return chance.choice([str(value)] * 5 + [f"{{{value}}}", f"{value}.0", rf"\frac{{{2 * value}}}{{2}}"])


def _grouped(tree: Tree, chance: random.Random, *, always: bool = False) -> str:
    text = spell(tree, chance)
    if not always and tree.op != "sum" and re.fullmatch(r"[0-9a-z]+|\\sqrt.*", text):
        return text
    return chance.choice(["(%s)", r"\left(%s\right)", r"\left( %s \right)", r"\bigl(%s\bigr)"]) % text


def _product(tree: Tree, chance: random.Random) -> str:
    factors = [_grouped(part, chance) for part in tree.parts]
    chance.shuffle(factors)
    text = factors[0]
    for before, factor in zip(factors, factors[1:], strict=False):
        # a number before a letter, a bracket or a root needs no sign; a letter before a bracket could be a function
        implicit = before.isdigit() and not factor[0].isdigit()
        signs = [r" \cdot ", r"\times ", "*", r"\cdot{}"] + ([""] * 4 if implicit else [])
        text += chance.choice(signs) + factor
    return text
