r"""Numbers in other clothes: ``1011_2``, ``3:4``, ``5\text{ ft }3\text{ in}``, and one number with its unit."""

from __future__ import annotations

import re
from collections.abc import Sequence

from assets.answers.forms.reader import Reader, closing, joined, split
from assets.answers.reading.parser import parse
from assets.answers.reading.tokens import AND, TEXT, TO
from assets.answers.reading.tree import Tree, variables
from assets.answers.reading.undecided import Undecided
from assets.answers.reading.units import is_unit, unit_name
from assets.answers.values.expression import keys_of

_DIGITS = re.compile(r"[0-9][0-9A-Za-z]*(?:\.[0-9A-Za-z]+)?")
_DIGITS_IN_TEXT = re.compile(r"[0-9A-Z]+")
_BASES = {
    "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9, "ten": 10, "twelve": 12,
    "sixteen": 16,
}  # fmt: skip


def based(tokens: Sequence[str]) -> str | None:
    """``1011_2``: digits and their base, never the decimal number of the same digits. None for other uses of ``_``."""
    sign = "-" if tokens[0] == "-" else ""
    if sign and tokens[1:2] == ["("] and closing(tokens, 1) == len(tokens) - 1:
        tokens = ["-", *tokens[2:-1]]
    at = tokens.index("_")
    base = [token.strip(TEXT + " ") for token in tokens[at + 1 :] if token not in {"{", "}", "(", ")"}]
    head = [token for token in tokens[len(sign) : at] if token not in {"{", "}", "(", ")"}]
    written = "".join(token.lstrip(TEXT) for token in head)
    is_text = len(head) == 1 and head[0][0] == TEXT and _DIGITS_IN_TEXT.fullmatch(written)
    if not is_text and not _DIGITS.fullmatch(written):
        return None
    if len(base) != 1:
        raise Undecided
    if not is_text and not written.isdecimal() and written.replace(".", "", 1) != written.upper().replace(".", "", 1):
        raise Undecided  # 2x_3 is a product, and 2a_{12} may be one
    number = _BASES.get(base[0]) or (int(base[0]) if base[0].isdecimal() and len(base[0]) < 3 else 0)
    if not 2 <= number <= 36:
        raise Undecided
    if number == 10 and written.isdecimal():
        return f"q:{sign}{int(written)}" if len(written) < 1_000 else None
    if any(digit != "." and int(digit, 36) >= number for digit in written):
        raise Undecided  # no digits of that base: an index, or a mistake
    return f"b:{number}:{sign}{written.lstrip('0').upper() or '0'}"


def ratio(tokens: Sequence[str]) -> str | None:
    """``6:8`` is ``3:4``; what reads as a time of day (``3:30``) stays as written."""
    parts, found = split(tokens, {":", TO})
    if not found or any(not part for part in parts):
        if found:
            raise Undecided
        return None
    if len(parts) == 2 and _is_clock(parts):
        return f"h:?{int(parts[0][0])}:{parts[1][0]}"
    trees = [parse(part) for part in parts]
    keys = [keys_of(Tree("div", (tree, trees[0]))) for tree in trees]
    if any(len(key) != 1 for key in keys):
        raise Undecided
    return joined("r", [key[0] for key in keys])


def _is_clock(parts: Sequence[Sequence[str]]) -> bool:
    if any(len(part) != 1 or not part[0].isdecimal() for part in parts):
        return False
    return len(parts[1][0]) == 2 and len(parts[0][0]) <= 2 and int(parts[0][0]) < 25 and int(parts[1][0]) < 60


def measures(reader: Reader, tokens: Sequence[str]) -> str | None:
    """``5 ft 3 in``: several numbers, each with its unit. None for anything else."""
    tokens = [_without_and(token) for token in tokens if token not in {AND, ","}]
    ends = [i for i, token in enumerate(tokens) if is_unit(token)]
    if len(ends) < 2 or ends[-1] != len(tokens) - 1:
        return None
    parts: list[tuple[str, list[str]]] = []
    start = 0
    for at in ends:
        number = [token for token in tokens[start:at] if token != ","]
        if not number or number == ["per"]:
            return None
        tree = parse(number)
        if variables(tree):
            return None
        parts.append((unit_name(tokens[at : at + 1]), keys_of(tree)))
        start = at + 1
    names = {name for name, _ in parts}
    if 1 < len(names) < len(parts) or any(len(keys) > 1 for _, keys in parts):
        raise Undecided
    shown = sorted(f"{keys[0]}~{name}" for name, keys in parts)
    return joined("l" if len(names) == 1 else "v", shown)  # 5 cm and 6 cm are a list


def _without_and(token: str) -> str:
    return token.removesuffix(" ").removesuffix(" and") if token[0] == TEXT else token
