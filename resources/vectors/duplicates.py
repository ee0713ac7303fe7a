"""Near duplicates in one set of vectors: each is kept unless an earlier kept one is at least so similar. Exact.

Most pairs are ruled out by a short product: that of the lengths of each 16 numbers of both, which is never below their
similarity (Cauchy and Schwarz). Lexical vectors are sparse enough for it: at 0.9 it leaves one pair in a million. Those
of encoders are not, and are compared whole. Rows that are out are not compared any more.

Memory: 256 bytes a row of 1,024 numbers, and one block of 2,048 by 8,192 similarities (67 MB) with its candidates. The
vectors may be mapped from a file: only rows of candidates are read.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from resources.embedders.protocol import Vectors
from resources.vectors.nearest import CORPUS_BLOCK, MARGIN, QUERY_BLOCK, Places, exact_similarities

RUN = 16
"""Numbers whose length stands for them in the short product. Of 8, 16 and 32 the fastest that still rules out."""
_MOST_CANDIDATES = 1 / 64
"""Share of a block above which the bound rules out too little and the whole product is cheaper."""
_COPIED = 16_384
"""Rows whose lengths are made at once: 64 MB of vectors of 1,024 numbers."""

Similarities = npt.NDArray[np.float32]


def first_of_each(vectors: Vectors, least: float) -> tuple[Places, Similarities]:
    """For each row the earlier kept row that it repeats, and how similar it is; -1 and 0 for rows that are kept.

    Of several such rows the first counts. A row that is out takes no other with it, so that chains of small changes
    are not all put together.

    Args:
        vectors: Shape (n, d), rows of length 1 or 0.
        least: Similarity from which on a row repeats another, above 0. Time grows as it falls.
    """
    groups = _Groups(vectors, least)
    for start in range(0, len(vectors), QUERY_BLOCK):
        stop = min(start + QUERY_BLOCK, len(vectors))
        groups.compare_within(start, stop)
        kept = groups.kept(start, stop)
        for other in range(stop, len(vectors), CORPUS_BLOCK):
            groups.compare(kept, groups.kept(other, min(other + CORPUS_BLOCK, len(vectors))))
    return groups.repeats, groups.similarities


class _Groups:
    """What is known so far of each row."""

    def __init__(self, vectors: Vectors, least: float) -> None:
        self.repeats: Places = np.full(len(vectors), -1, np.int64)
        self.similarities: Similarities = np.zeros(len(vectors), np.float32)
        self._vectors = vectors
        self._least = np.float32(least)
        self._lengths = _lengths(vectors)

    def kept(self, start: int, stop: int) -> Places:
        """Rows from ``start`` to ``stop`` that are not out."""
        return start + np.flatnonzero(self.repeats[start:stop] < 0)

    def compare_within(self, start: int, stop: int) -> None:
        """One block with itself: a row that is out by an earlier one of the block takes no other with it."""
        rows = self.kept(start, stop)
        a, b, similarities = self._alike(rows, rows)
        later = b > a
        a, b, similarities = a[later], b[later], similarities[later]
        for first, stops in zip(*np.unique(a, return_index=True), strict=True):
            if self.repeats[first] < 0:
                same = slice(int(stops), int(np.searchsorted(a, first, "right")))
                self._out(a[same], b[same], similarities[same])

    def compare(self, rows: Places, others: Places) -> None:
        """Kept rows with later ones."""
        self._out(*self._alike(rows, others))

    def _out(self, a: Places, b: Places, similarities: Similarities) -> None:
        """Rows ``b`` are out, each by the first ``a`` that it stands beside, unless they are out already."""
        _, first = np.unique(b, return_index=True)
        first = first[self.repeats[b[first]] < 0]
        self.repeats[b[first]] = a[first]
        self.similarities[b[first]] = similarities[first]

    def _alike(self, rows: Places, others: Places) -> tuple[Places, Places, Similarities]:
        """Pairs that are similar enough, sorted by row, then by the other."""
        bound = self._lengths[rows] @ self._lengths[others].T
        a, b = np.nonzero(bound >= self._least - MARGIN)
        if len(a) > _MOST_CANDIDATES * bound.size:
            a, b = np.nonzero(self._vectors[rows] @ self._vectors[others].T >= self._least - MARGIN)
        a, b = rows[a], others[b]
        similarities = exact_similarities(self._vectors, self._vectors, a, b)
        keep = similarities >= self._least
        return a[keep], b[keep], similarities[keep]


def _lengths(vectors: Vectors) -> Vectors:
    """The length of every 16 numbers of each row: a product of two such rows is never below their similarity."""
    starts = np.arange(0, vectors.shape[1], RUN)
    lengths = np.empty((len(vectors), len(starts)), np.float32)
    for start in range(0, len(vectors), _COPIED):
        part = np.square(vectors[start : start + _COPIED], dtype=np.float64)
        lengths[start : start + _COPIED] = np.sqrt(np.add.reduceat(part, starts, axis=1))
    return lengths
