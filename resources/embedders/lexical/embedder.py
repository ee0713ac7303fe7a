"""The lexical embedder: fitted on the benchmark problems, then any text in, a vector out. No weights, no model.

Memory: 9 MB of tables, and for a moment about 40 MB for 1,024 texts of 250 characters. Speed: about 50,000 such texts a
second of CPU time. So vectors are made again and never stored: 600,000 would be 2.5 GB of disk to spare 12 s.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from functools import cached_property

import numpy as np
import pyarrow as pa

from resources.embedders.lexical.features import BITS, MULTIPLIERS, Features, common_words, features_of
from resources.embedders.lexical.text import fold_batch
from resources.embedders.lexical.tokens import Tokens, tokens_of
from resources.embedders.protocol import Vectors, unit_rows

VERSION = 1
"""Raised whenever the same text and the same fitted set would give another vector."""
DIMENSIONS = 1_024
"""Twice as many find no more planted problems and cost twice the time of a search."""
BATCH = 1_024
"""Texts worked on at once."""

_STEPS = 16
"""Weights of rarity are multiples of 1/16: whole numbers, which no mathematics library rounds in its own way."""
_SIGN_BIT = np.uint64(40)
_LOW = np.uint64(0xFFFFFFFF)


class LexicalEmbedder:
    """Similarity of words, numbers and pairs of neighbours, each by how rare it is among the fitted texts.

    Features that no fitted text has share one dimension, which no fitted text uses: they make a text less similar to
    all of them and never similar to one by chance. So the fitted set must be the one that is searched.
    """

    name = "lexical"

    def __init__(self, fitted_on: Sequence[str] | pa.Array, dimensions: int = DIMENSIONS) -> None:
        """Count the features of ``fitted_on``. Cheap: 13,000 texts take less than a second."""
        self.dimensions = dimensions
        column = _column(fitted_on)
        self._common = common_words(_tokens(column))
        counts = np.zeros(1 << BITS, np.int64)
        for tokens in _tokens(column):
            found = features_of(tokens, self._common)
            each = np.unique(found.rows << BITS | found.buckets) & ((1 << BITS) - 1)
            counts += np.bincount(each, minlength=1 << BITS)
        self._is_known = counts > 0
        rarity = np.log((len(column) + 1) / np.maximum(counts, 0.5))
        self._weights = np.rint(rarity * _STEPS).astype(np.int64)

    def identity(self) -> str:
        """Version, dimensions and a hash of all that was counted: what it was fitted on is part of what it is."""
        return f"lexical/{VERSION}/{self.dimensions}/{self._hash}"

    def embed(self, texts: Sequence[str] | pa.Array) -> Vectors:
        """See :meth:`resources.embedders.protocol.Embedder.embed`. An Arrow column spares the conversion."""
        column = _column(texts)
        vectors = np.empty((len(column), self.dimensions), np.float32)
        for start, tokens in zip(range(0, len(column), BATCH), _tokens(column), strict=True):
            count = min(BATCH, len(column) - start)
            vectors[start : start + count] = self._sum(features_of(tokens, self._common), count)
        return vectors

    def _sum(self, found: Features, count: int) -> Vectors:
        """Weights of each text's features added up at their places: sums of whole numbers, exact in any order."""
        weights = (self._weights[found.buckets] * MULTIPLIERS[found.parts]).astype(np.float64)
        places = 1 + ((found.hashes & _LOW) * np.uint64(self.dimensions - 1) >> np.uint64(32)).astype(np.int64)
        signs = 1.0 - 2.0 * ((found.hashes >> _SIGN_BIT) & np.uint64(1)).astype(np.float64)
        known = self._is_known[found.buckets]
        at = found.rows * self.dimensions + places
        sums = np.bincount(at[known], (weights * signs)[known], count * self.dimensions).reshape(count, -1)
        strange = np.bincount(found.rows[~known], np.square(weights[~known]), count)
        sums[:, 0] = np.sqrt(strange)
        return unit_rows(sums.astype(np.float32))

    @cached_property
    def _hash(self) -> str:
        hasher = hashlib.sha256(np.packbits(self._common).tobytes())
        hasher.update(np.where(self._is_known, self._weights, -1).astype("<i4").tobytes())
        return hasher.hexdigest()[:32]


def _column(texts: Sequence[str] | pa.Array) -> pa.Array:
    return texts if isinstance(texts, pa.Array) else pa.array(texts, pa.string())


def _tokens(column: pa.Array) -> Iterator[Tokens]:
    return (tokens_of(fold_batch(column.slice(start, BATCH))) for start in range(0, len(column), BATCH))
