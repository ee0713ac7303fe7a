r"""Answers with a whole number in them: ``2k\\pi, k\\in\\mathbb{Z}``, ``x\\equiv 3\\pmod 5``, ``3^{\\text{rd}}``."""

from __future__ import annotations

from fractions import Fraction

from assets.answers.forms.labels import is_symbol, label_before, label_of
from assets.answers.forms.reader import Reader, closing, split
from assets.answers.reading.parser import parse
from assets.answers.reading.tokens import TEXT
from assets.answers.reading.tree import Tree
from assets.answers.reading.undecided import Undecided
from assets.answers.values import number as n
from assets.answers.values.digits import constant
from assets.answers.values.expression import line_of, value_of

INTEGERS = frozenset({"\u2124", "\u2115"})
WHOLE = "\u2124"
MODULI = frozenset({"\\pmod", "\\mod", "\\bmod"})
_ORDINALS = frozenset({"st", "nd", "rd", "th"})
_NAME = "\\kappa"
"""What the free whole number is called in a key, whatever it is called in the answer."""


def family(reader: Reader, tokens: list[str]) -> str | None:
    """The key of a value for each whole number; None if no letter is said to be one."""
    if not INTEGERS.intersection(tokens) or "\\in" not in tokens:
        return None
    is_set = tokens[0] == "\\{" and closing(tokens, 0) == len(tokens) - 1
    parts, found = split(tokens[1:-1] if is_set else tokens, {"|", ":"} if is_set else {",", ";"})
    last = parts[-1]
    if not found or len(last) != 3 or last[1] != "\\in" or last[2] not in INTEGERS or not is_symbol(last[0]):
        return None
    _, body = label_before([token for part in parts[:-1] for token in ([",", *part] if part is not parts[0] else part)])
    if last[0] not in body:
        return None
    named = [_NAME if token == last[0] else token for token in body]
    return f"f:{last[2]}:{_progression(parse(named)) if last[2] == WHOLE else reader.key(named)}"


def _progression(tree: Tree) -> str:
    """Step and least start of what a whole number of steps reaches: ``-1+3k`` is ``2-3k``."""
    line = line_of(tree)
    if line is None:
        raise Undecided
    step, start = line
    steps = constant(n.divide(start, step))
    if not steps.startswith("q:") or "#" in steps:
        raise Undecided
    rest = Fraction(steps[2:]) % 1
    if n.is_exact(step) and step < 0 or not n.is_exact(step) and step.real < 0:
        step, rest = n.multiply(step, n.exact(-1)), -rest % 1
    return f"{constant(step)}:{rest}"


def congruence(tokens: list[str]) -> str | None:
    """The key of a residue class: the least residue and its modulus. None without a modulus."""
    at = next((i for i, token in enumerate(tokens) if token in MODULI), None)
    if at is None:
        return None
    parts, found = split(tokens[:at], {"\\equiv"})
    if len(found) > 1 or (found and label_of(parts[0]) is None):
        raise Undecided
    modulus = n.as_integer(value_of(parse(tokens[at + 1 :])))
    residue = n.as_integer(value_of(parse(parts[-1])))
    if modulus < 1:
        raise Undecided
    return f"k:{residue % modulus}:{modulus}"


def ordinal(tokens: list[str]) -> str | None:
    """The key of ``3rd`` in any setting; None for anything else."""
    bare = [token for token in tokens if token not in {"^", "{", "}"}]
    if len(bare) != 2 or not bare[0].isdecimal() or len(bare[0]) > 20:
        return None
    return f"o:{int(bare[0])}" if bare[1].strip(TEXT + " .") in _ORDINALS else None
