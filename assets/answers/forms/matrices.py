r"""Matrices and vectors in any environment, alone or times a number: ``\frac12\begin{pmatrix}1\\2\end{pmatrix}``."""

from __future__ import annotations

import re
from itertools import combinations, permutations

from assets.answers.forms.reader import MAX_PARTS, Reader, closing, split
from assets.answers.reading.parser import parse
from assets.answers.reading.tree import Tree, negative
from assets.answers.reading.undecided import Undecided
from assets.answers.values.expression import keys_of

MAX_DETERMINANT = 4
"""Rows of a determinant that is multiplied out."""

_BEGIN = re.compile(r"\\begin\s*\{((?:small|[pbBv])?matrix|array)\*?\}")
_END = re.compile(r"\\end\s*\{((?:small|[pbBv])?matrix|array)\*?\}")
_BARE = frozenset({"matrix", "array", "smallmatrix"})


def matrix(reader: Reader, tokens: list[str]) -> str | None:
    """The key of a matrix, rows by ``;`` and cells by ``,``; None without an environment."""
    at = next((i for i, token in enumerate(tokens) if token.startswith("\\begin")), None)
    if at is None:
        return None
    begin, last = _BEGIN.fullmatch(tokens[at]), closing(tokens, at)
    if begin is None or last < 0 or not _END.fullmatch(tokens[last]):
        raise Undecided
    before, after, inner = tokens[:at], tokens[last + 1 :], tokens[at + 1 : last]
    if begin[1] == "array":
        inner = inner[closing(inner, 0) + 1 :] if inner[:1] == ["{"] else inner
    is_determinant = begin[1] == "vmatrix"
    if begin[1] in _BARE and before and after and before[-1] in {"(", "[", "|"}:
        is_determinant = before[-1] == "|"
        before, after = before[:-1], after[1:]
    rows = _rows(inner)
    if is_determinant:
        return _determinant(rows, before, after)
    if after:
        rows = _transposed(rows, after)
    shown = [",".join(reader.key(_times(before, cell), is_part=True) for cell in row) for row in rows]
    return f"m:[{';'.join(shown)}]"


def _rows(inner: list[str]) -> list[list[list[str]]]:
    lines, _ = split([token for token in inner if token != "\\hline"], {"\\\\"})
    if len(lines) > 1 and not lines[-1]:
        lines.pop()  # a line break after the last row
    rows = [split(line, {"&"})[0] for line in lines]
    if len({len(row) for row in rows}) != 1 or len(rows) * len(rows[0]) > MAX_PARTS:
        raise Undecided
    if any(not cell for row in rows for cell in row):
        raise Undecided
    return rows


def _determinant(rows: list[list[list[str]]], before: list[str], after: list[str]) -> str:
    if before or after or len(rows) != len(rows[0]) or len(rows) > MAX_DETERMINANT:
        raise Undecided
    trees = [[parse(cell) for cell in row] for row in rows]
    terms: list[Tree] = []
    for order in permutations(range(len(rows))):
        turns = sum(a > b for a, b in combinations(order, 2))
        term = Tree("mul", tuple(trees[row][column] for row, column in enumerate(order)))
        terms.append(negative(term) if turns % 2 else term)
    (key,) = keys_of(Tree("add", tuple(terms)))
    return key


def _transposed(rows: list[list[list[str]]], after: list[str]) -> list[list[list[str]]]:
    if [token for token in after if token not in {"{", "}"}] not in (["^", "T"], ["^", "\\top"], ["^", "t"]):
        raise Undecided
    return [list(column) for column in zip(*rows, strict=True)]


def _times(factor: list[str], cell: list[str]) -> list[str]:
    """A cell with the number before the matrix; bare signs need no product."""
    if not factor:
        return cell
    if factor == ["-"]:
        return ["-", "(", *cell, ")"]
    return ["(", *[token for token in factor if token != "*"], ")", "*", "(", *cell, ")"]
