"""The k most similar rows of a corpus for each query: exact, in bounded memory, the same on every machine.

A float32 matrix product over blocks proposes, a float64 sum over the few that are left decides. The product's last
digits depend on the machine (order of sums, width of its registers); what it proposes has a margin for that, and
similarities are rounded to four decimals, so that no version depends on it.

Memory: blocks of 2,048 queries by 8,192 corpus rows, two at a time: 134 MB, and as much again while the best are
chosen; beside them the corpus itself (13,000 rows of 1,024 numbers: 53 MB).
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from resources.embedders.protocol import Vectors

QUERY_BLOCK = 2_048
CORPUS_BLOCK = 8_192
DECIMALS = 4
"""Digits of a similarity that are kept: BLAS libraries differ in the seventh."""

MARGIN = np.float32(2e-4)
"""How far below the k-th best the product may put a row that still gets there: rounding (1e-4) and noise (1e-6)."""
_LEAST = np.float32(4e-5)
"""What rounds to 0 is no neighbour. Without it a text of which nothing is left would have all of the corpus."""
_EXACT_ROWS = 4_096
"""Pairs summed in float64 at once: 64 MB at 1,024 dimensions."""

Places = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Nearest:
    """Neighbours of queries, one after the other: those of query i are ``[offsets[i]:offsets[i + 1]]``, best first."""

    offsets: Places
    rows: Places
    """Rows of the corpus."""
    similarities: npt.NDArray[np.float32]
    """Cosine, rounded to four decimals, above 0."""


def top_k(queries: Vectors, corpus: Vectors, k: int) -> Nearest:
    """The ``k`` rows of ``corpus`` most similar to each query; of equal ones the first in the corpus.

    Rows whose similarity rounds to 0 or less are no neighbours, so that a query can have fewer than ``k``.

    Args:
        queries: Shape (n, d), rows of length 1 or 0.
        corpus: Shape (m, d), rows of length 1 or 0.
        k: 1 or more.
    """
    found = [_settle(queries, corpus, *proposed, k=k) for proposed in _propose(queries, corpus, k)]
    if not found:
        return Nearest(np.zeros(len(queries) + 1, np.int64), np.zeros(0, np.int64), np.zeros(0, np.float32))
    counts = np.bincount(np.concatenate([f[0] for f in found]), minlength=len(queries))
    offsets = np.concatenate([[0], np.cumsum(counts)])
    return Nearest(offsets, np.concatenate([f[1] for f in found]), np.concatenate([f[2] for f in found]))


def _propose(queries: Vectors, corpus: Vectors, k: int) -> Iterator[tuple[Places, Places]]:
    """Pairs (query, corpus row) that may be among the best, a block of queries at a time.

    The product of a block runs while the best of the block before are chosen.
    """
    starts = [*range(0, len(queries), QUERY_BLOCK), len(queries)]
    parts = range(0, len(corpus), CORPUS_BLOCK)
    with ThreadPoolExecutor(1) as chooser:
        for start, stop in pairwise(starts):
            block = queries[start:stop]
            least = np.zeros(stop - start, np.float32)
            waiting = None
            chosen: list[tuple[Places, Places, npt.NDArray[np.float32]]] = []
            for part in parts:
                product = block @ corpus[part : part + CORPUS_BLOCK].T
                if waiting is not None:
                    chosen.append(waiting.result())
                waiting = chooser.submit(_choose, product, part, least, k)
            if waiting is not None:
                chosen.append(waiting.result())
                yield _still_good(chosen, least, start)


def _choose(
    product: Vectors, part: int, least: npt.NDArray[np.float32], k: int
) -> tuple[Places, Places, npt.NDArray[np.float32]]:
    """Entries not below what the k-th best of their query has in this or an earlier part. Raises ``least`` to it."""
    width = product.shape[1]
    if width > k:
        np.maximum(least, np.partition(product, width - k, axis=1)[:, width - k], out=least)
    rows, columns = np.nonzero(product >= np.maximum(least - MARGIN, _LEAST)[:, None])
    return rows, columns + part, product[rows, columns]


def _still_good(
    chosen: list[tuple[Places, Places, npt.NDArray[np.float32]]], least: npt.NDArray[np.float32], start: int
) -> tuple[Places, Places]:
    """What later parts have not outdone."""
    rows = np.concatenate([piece[0] for piece in chosen])
    columns = np.concatenate([piece[1] for piece in chosen])
    values = np.concatenate([piece[2] for piece in chosen])
    keep = values >= least[rows] - MARGIN
    return rows[keep] + start, columns[keep]


def _settle(
    queries: Vectors, corpus: Vectors, rows: Places, columns: Places, *, k: int
) -> tuple[Places, Places, npt.NDArray[np.float32]]:
    """Sum again, sort by query, similarity and corpus row, and cut after ``k``."""
    similarities = exact_similarities(queries, corpus, rows, columns)
    keep = similarities > 0
    rows, columns, similarities = rows[keep], columns[keep], similarities[keep]
    order = np.lexsort((columns, -similarities, rows))
    rows, columns, similarities = rows[order], columns[order], similarities[order]
    first = np.searchsorted(rows, rows)
    best = np.arange(len(rows)) - first < k
    return rows[best], columns[best], similarities[best]


def exact_similarities(queries: Vectors, corpus: Vectors, rows: Places, columns: Places) -> npt.NDArray[np.float32]:
    """Similarity of each pair, summed in float64 and rounded."""
    sums = np.empty(len(rows), np.float64)
    for start in range(0, len(rows), _EXACT_ROWS):
        some = slice(start, start + _EXACT_ROWS)
        sums[some] = np.einsum("ij,ij->i", queries[rows[some]], corpus[columns[some]], dtype=np.float64)
    return np.round(sums, DECIMALS).astype(np.float32)
