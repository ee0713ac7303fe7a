"""Histograms of token counts, filled batch by batch while a stage is written. Facts of a version: no time, no order.

Columns of an output table have theirs in funnel.py: DuckDB reads the table again. Token counts stand in no table.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

MAX_BARS = 24
"""Most bars: enough to see a shape in the UI, with room for their labels."""

FINEST = 4
"""Bins of one doubling. 100 to 2,000 tokens, the usual lengths of solutions, are then 18 bars."""


def _edges(bins: int) -> list[int]:
    """Least values of ``bins`` bins a doubling, up to the largest 32-bit count: 0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 12..."""
    values = {0} | {(1 << k) + (i << k) // bins for k in range(31) for i in range(bins)}
    return sorted(values)


_EDGES = np.array(_edges(FINEST), dtype=np.int64)


class TokenHistogram:
    """Counts of tokens in bins of equal width on a logarithmic scale. Its memory is 124 numbers.

    Bins are fixed, so equal counts give equal bars in any order and in any batches.
    """

    def __init__(self) -> None:
        self._bins = np.zeros(len(_EDGES), dtype=np.int64)
        self.count = 0
        """Values so far, nulls left out."""
        self.total = 0
        """Their sum."""

    def add(self, tokens: pa.Array | pa.ChunkedArray) -> None:
        """Count the values of an integer column. Nulls are no values; what is below zero counts as zero."""
        values = np.maximum(np.asarray(tokens.drop_null().cast(pa.int64()).to_numpy()), 0)
        places = np.searchsorted(_EDGES, values, side="right") - 1
        self._bins += np.bincount(places, minlength=len(_EDGES))
        self.count += len(values)
        self.total += int(values.sum())

    def bars(self) -> list[list[Any]]:
        """[least value, count] pairs from the first bin that holds something to the last; empty without values.

        Bins are merged, to two or one a doubling, until there are at most MAX_BARS; beyond that, two doublings a bar.
        """
        for bins in (4, 2, 1):
            bars = self._merged(_edges(bins))
            if len(bars) <= MAX_BARS:
                return bars
        return self._merged(_edges(1)[::2])

    def _merged(self, edges: list[int]) -> list[list[Any]]:
        places = np.searchsorted(np.array(edges), _EDGES, side="right") - 1
        merged = np.bincount(places, weights=self._bins, minlength=len(edges)).astype(np.int64)
        used = np.flatnonzero(merged)
        if not len(used):
            return []
        return [[str(edges[i]), int(merged[i])] for i in range(used[0], used[-1] + 1)]
