r"""Tokens of a batch of texts, as arrays: words, numbers and symbols, each a 64-bit hash, spelled in the one way.

`\frac{1}{2}` and `1/2`, `5 cm` and `5 centimetres`, `ten` and `10`, `$5` and `5 dollars` give the same tokens.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

from resources.embedders.lexical.text import Texts
from resources.embedders.lexical.words import IGNORED, IGNORED_COMMANDS, NUMBERS, SAME

Hashes = npt.NDArray[np.uint64]
Mask = npt.NDArray[np.bool_]

WORD, NUMBER, SYMBOL = 1, 2, 3
_KEPT_SYMBOLS = b"+-=<>*|%#"
"""Symbols that are tokens. Braces, dollars, commas and the like separate and are not: they are written or left out."""

_BASE = np.uint64(0x9E3779B97F4A7C15)
"""Odd, so that it has an inverse modulo 2**64 (golden ratio of 2**64)."""
_INVERSE = np.uint64(pow(int(_BASE), -1, 1 << 64))
_COMMAND = np.uint64(0xD6E8FEB86659FD93)
_IGNORE = np.uint64(0)


@dataclass(frozen=True, slots=True)
class Tokens:
    """Tokens in reading order. Arrays of one length."""

    hashes: Hashes
    rows: npt.NDArray[np.int64]
    """Number of the text in the batch."""
    kinds: npt.NDArray[np.uint8]
    """WORD, NUMBER or SYMBOL."""
    is_capital: Mask
    """A word of two letters or more that starts with a capital and goes on without."""
    in_figure: Mask
    """Stands between ``[asy]`` and ``[/asy]``: the code of a drawing."""


def _tables() -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    kinds, lower = np.zeros(256, np.uint8), np.arange(256, dtype=np.uint8)
    for low, high in ((65, 91), (97, 123), (128, 256)):
        kinds[low:high] = WORD
    kinds[48:58] = NUMBER
    kinds[list(_KEPT_SYMBOLS)] = SYMBOL
    lower[65:91] += 32
    return kinds, lower


_KINDS, _LOWER = _tables()


def tokens_of(texts: Texts) -> Tokens:
    """Cut, spell in the one way, and leave out what says nothing. Memory: about 60 bytes a byte of text."""
    data = texts.data
    kinds = _classes(data)
    before, after = np.zeros_like(kinds), np.zeros_like(kinds)
    before[1:], after[:-1] = kinds[:-1], kinds[1:]
    symbol = kinds == SYMBOL
    inside = kinds > 0
    starts = np.flatnonzero(inside & (symbol | (before != kinds)))
    ends = np.flatnonzero(inside & (symbol | (after != kinds))) + 1
    of = kinds[starts]
    hashes = _hash_spans(_LOWER[data], starts, _stems(data, of, starts, ends))
    is_command = (of == WORD) & (data[np.maximum(starts, 1) - 1] == ord("\\")) & (starts > 0)
    hashes, of = _spell(hashes, of, is_command)
    counts = np.diff(np.searchsorted(starts, texts.offsets))
    rows = np.repeat(np.arange(len(counts)), counts)
    keep = hashes != _IGNORE
    capital = _capitals(data, of, starts, ends) & ~is_command
    figure = _figures(data, texts.offsets, rows, starts)
    return Tokens(hashes[keep], rows[keep], of[keep], capital[keep], figure[keep])


def token_hash(word: str) -> int:
    """The hash of one token as :func:`tokens_of` gives it, before spellings are made one."""
    data = np.frombuffer(word.lower().encode(), np.uint8)
    return int(_hash_spans(data, np.array([0]), np.array([len(data)]))[0])


def mixed(values: Hashes) -> Hashes:
    """Each value with its bits spread over all 64 (the finaliser of SplitMix64)."""
    values = values ^ (values >> np.uint64(30))
    values *= np.uint64(0xBF58476D1CE4E5B9)
    values ^= values >> np.uint64(27)
    values *= np.uint64(0x94D049BB133111EB)
    values ^= values >> np.uint64(31)
    return values


def _classes(data: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Kind of each byte; a point between digits belongs to the number, a hyphen before a letter is none."""
    kinds = _KINDS[data]
    digit = kinds == NUMBER
    if len(data) > 2:
        point = (data[1:-1] == ord(".")) & digit[:-2] & digit[2:]
        kinds[1:-1][point] = NUMBER
        hyphen = (data[1:-1] == ord("-")) & (kinds[:-2] > 0) & (kinds[2:] == WORD)
        kinds[1:-1][hyphen] = 0
    return kinds


def _stems(
    data: npt.NDArray[np.uint8],
    kinds: npt.NDArray[np.uint8],
    starts: npt.NDArray[np.int64],
    ends: npt.NDArray[np.int64],
) -> npt.NDArray[np.int64]:
    """Ends of the tokens without the s of a plural: `clips` is `clip`, `glass` stays."""
    s = _LOWER[data] == ord("s")
    is_plural = (kinds == WORD) & (ends - starts > 3) & s[ends - 1] & ~s[ends - 2]
    return ends - is_plural


def _capitals(
    data: npt.NDArray[np.uint8],
    kinds: npt.NDArray[np.uint8],
    starts: npt.NDArray[np.int64],
    ends: npt.NDArray[np.int64],
) -> Mask:
    upper = (data >= 65) & (data < 91)
    second = np.minimum(starts + 1, max(len(data) - 1, 0))
    return (kinds == WORD) & upper[starts] & (ends - starts > 1) & ~upper[second]


def _figures(
    data: npt.NDArray[np.uint8],
    offsets: npt.NDArray[np.int64],
    rows: npt.NDArray[np.int64],
    starts: npt.NDArray[np.int64],
) -> Mask:
    """Tokens after more openings than ends of drawings in their own text."""
    opened, closed = _found(data, b"[asy]"), _found(data, b"[/asy]")
    if not len(opened):
        return np.zeros(len(starts), bool)
    begins = offsets[rows]
    depth = np.searchsorted(opened, starts) - np.searchsorted(opened, begins)
    return depth > np.searchsorted(closed, starts) - np.searchsorted(closed, begins)


def _found(data: npt.NDArray[np.uint8], word: bytes) -> npt.NDArray[np.int64]:
    """Where ``word`` starts, in ascending order."""
    at = np.flatnonzero(data[: max(len(data) - len(word) + 1, 0)] == word[0])
    for place, letter in enumerate(word[1:], 1):
        at = at[data[at + place] == letter]
    return at


@cache
def _powers(length: int) -> tuple[Hashes, Hashes]:
    """Powers of the base and of its inverse."""
    bases, inverses = np.full(length, _BASE), np.full(length, _INVERSE)
    return np.multiply.accumulate(bases), np.multiply.accumulate(inverses)


def _hash_spans(data: npt.NDArray[np.uint8], starts: npt.NDArray[np.int64], ends: npt.NDArray[np.int64]) -> Hashes:
    """A polynomial hash of each span, modulo 2**64, from sums over all that comes before it; then mixed."""
    powers, inverses = _powers(1 << max(len(data), 1).bit_length())
    sums = np.zeros(len(data) + 1, np.uint64)
    np.cumsum((data.astype(np.uint64) + np.uint64(1)) * powers[: len(data)], out=sums[1:])
    return mixed((sums[ends] - sums[starts]) * inverses[starts])


@cache
def _spellings() -> tuple[Hashes, Hashes, npt.NDArray[np.uint8]]:
    """Hash of a spelling, in ascending order; hash of what it counts as; kind of that."""
    found: dict[int, tuple[int, int]] = {}

    def add(word: str, to: int, kind: int) -> None:
        found[_stem_hash(word)] = (to, kind)

    for word, same in SAME.items():
        add(word, _stem_hash(same), SYMBOL if same in "*" else WORD)
    for word, digits in NUMBERS.items():
        add(word, token_hash(digits), NUMBER)
    for word in IGNORED:
        add(word, int(_IGNORE), WORD)
    for word in IGNORED_COMMANDS:
        found[_stem_hash(word) ^ int(_COMMAND)] = (int(_IGNORE), WORD)
    keys = sorted(found)
    return (
        np.array(keys, np.uint64),
        np.array([found[key][0] for key in keys], np.uint64),
        np.array([found[key][1] for key in keys], np.uint8),
    )


def _stem_hash(word: str) -> int:
    is_plural = len(word) > 3 and word.endswith("s") and not word.endswith("ss")
    return token_hash(word[:-1] if is_plural else word)


def _spell(hashes: Hashes, kinds: npt.NDArray[np.uint8], is_command: Mask) -> tuple[Hashes, npt.NDArray[np.uint8]]:
    """Tokens in the one spelling; those to be left out get the hash 0. A command that is not listed is its word."""
    keys, to, kind = _spellings()
    for looked_up in (np.where(is_command, hashes ^ _COMMAND, hashes), hashes):
        places = np.minimum(np.searchsorted(keys, looked_up), len(keys) - 1)
        hit = keys[places] == looked_up
        hashes = np.where(hit, to[places], hashes)
        kinds = np.where(hit, kind[places], kinds)
    return hashes, kinds
