"""What of a text counts, and how much: tokens and pairs of neighbours, each a hash with a weight.

A feature weighs the more, the fewer texts of the fitted set have it. Weights are small whole numbers, so that sums are
exact and the same on every machine. Pieces of words (character n-grams) were tried and left out: docs/embedders.md.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from resources.embedders.lexical.tokens import NUMBER, SYMBOL, WORD, Hashes, Mask, Tokens, mixed, token_hash
from resources.embedders.lexical.words import COMMON

BITS = 20
"""Features are counted in 2**20 buckets: 13,000 problems have about 250,000 of them, so that few share a bucket."""

Places = npt.NDArray[np.int64]

_PAIR = np.uint64(0xA0761D6478BD642F)
_ANY_NAME = np.uint64(0xE7037ED1A0B428DB)

WORDS, NUMBERS, SYMBOLS, NAMES, PAIRS, FIGURES = range(6)
MULTIPLIERS = np.array([10, 30, 7, 1, 7, 2], np.int64)
"""Weight of each part beside the others. Numbers tell a problem from its variants, names do not: measured with
benchmarks/contamination_planted.py. 20 for numbers keeps three times as many variants above the re-wordings. What
draws a figure says little about the problem beside it, and most of it stands in every figure."""
SENTENCE_STARTS = 16
"""A word that is written with a capital more than so many times as often as without is a name."""


@dataclass(frozen=True, slots=True)
class Features:
    """Features of a batch, in no order that matters. Arrays of one length."""

    hashes: Hashes
    rows: Places
    parts: npt.NDArray[np.uint8]
    """WORDS, NUMBERS, SYMBOLS, NAMES, PAIRS or FIGURES."""

    @property
    def buckets(self) -> Places:
        """Where each is counted."""
        return buckets_of(self.hashes)


def buckets_of(hashes: Hashes) -> Places:
    """The upper bits of hashes, as places of a table."""
    return (hashes >> np.uint64(64 - BITS)).astype(np.int64)


def common_words(batches: Iterable[Tokens]) -> Mask:
    """Buckets of words that are often enough in lower case: with a capital they start a sentence and are no names."""
    counts = np.zeros((2, 1 << BITS), np.int64)
    for tokens in batches:
        for row, which in enumerate((~tokens.is_capital, tokens.is_capital)):
            seen = tokens.hashes[(tokens.kinds == WORD) & ~tokens.in_figure & which]
            counts[row] += np.bincount(buckets_of(seen), minlength=1 << BITS)
    lower, capital = counts
    common = (lower > 0) & (lower * SENTENCE_STARTS >= capital)
    common[[token_hash(word) >> (64 - BITS) for word in COMMON]] = True
    return common


def features_of(tokens: Tokens, common: Mask) -> Features:
    """Single tokens, and pairs of neighbours in which any name is the same as any other."""
    hashes, rows = tokens.hashes, tokens.rows
    is_name = tokens.is_capital & ~common[buckets_of(hashes)]
    parts = np.full(len(hashes), WORDS, np.uint8)
    parts[tokens.kinds == NUMBER] = NUMBERS
    parts[tokens.kinds == SYMBOL] = SYMBOLS
    parts[is_name] = NAMES
    parts[tokens.in_figure] = FIGURES
    placed = np.where(is_name, _ANY_NAME, hashes)
    together = (rows[1:] == rows[:-1]) & ~tokens.in_figure[1:] & ~tokens.in_figure[:-1]
    pairs = mixed(placed[:-1] * _PAIR + placed[1:])[together]
    return Features(
        np.concatenate([hashes, pairs]),
        np.concatenate([rows, rows[:-1][together]]),
        np.concatenate([parts, np.full(len(pairs), PAIRS, np.uint8)]),
    )
