"""A suffix array of word numbers: where each run of words occurs, found without a step for each occurrence.

Suffixes are sorted by their first ``DEPTH`` words, so all places that begin with the same run stand side by side: an
interval of the array. One more word narrows the interval by binary search, for many runs at once.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]

DEPTH = 128
"""Longest run that is told from a longer one, in words. A copy is told at 30; and text that repeats itself for pages,
against a benchmark that does too, takes this many steps for each of its words."""

_MEASURED = 1 << 22
"""Places looked at in one go when the first of each interval is wanted: 32 MB."""


@dataclass(frozen=True, slots=True)
class Suffixes:
    """``order``: positions of ``sequence``, sorted by the ``DEPTH`` words from there. 0 is no word, and ends a text.

    ``eights``: for each place in ``order``, which group of equal first 8 words it is in, ascending.
    """

    sequence: Ints
    """Word numbers, with ``DEPTH`` zeros after the last."""
    order: Ints
    eights: Ints

    @classmethod
    def of(cls, sequence: Ints) -> Suffixes:
        """Sort all suffixes by doubling: 7 sorts. Memory: about 60 bytes a word while it runs, 24 afterwards."""
        count = len(sequence)
        padded = np.concatenate((sequence, np.zeros(DEPTH, np.int64)))
        rank, order = sequence.copy(), np.arange(count)
        eights = np.zeros(count, np.int64)
        width = 1
        while width < DEPTH:
            second = np.zeros(count, np.int64)
            second[: max(count - width, 0)] = rank[width:] + 1
            key = rank * (int(second.max(initial=0)) + 1) + second
            order = np.argsort(key, kind="stable")
            in_order = key[order]
            rank = np.empty(count, np.int64)
            rank[order] = np.cumsum(np.concatenate(([0], in_order[1:] != in_order[:-1]))) if count else 0
            width *= 2
            if width == 8:
                eights = rank
        return cls(padded, order, eights[order])

    def narrowed(self, low: Ints, high: Ints, depth: int, words: Ints) -> tuple[Ints, Ints]:
        """The part of each interval ``low .. high`` whose word after ``depth`` words is that of ``words``."""
        first = self._bound(low, high, depth, words, is_upper=False)
        return first, self._bound(first, high, depth, words, is_upper=True)

    def _bound(self, low: Ints, high: Ints, depth: int, words: Ints, *, is_upper: bool) -> Ints:
        low, high = low.copy(), high.copy()
        open_ones = np.flatnonzero(low < high)
        while len(open_ones):
            middle = (low[open_ones] + high[open_ones]) // 2
            there = self.sequence[self.order[middle] + depth]
            is_before = (there <= words[open_ones]) if is_upper else (there < words[open_ones])
            low[open_ones[is_before]] = middle[is_before] + 1
            high[open_ones[~is_before]] = middle[~is_before]
            open_ones = open_ones[low[open_ones] < high[open_ones]]
        return low

    def first(self, low: Ints, high: Ints) -> Ints:
        """The smallest position in each interval; none may be empty."""
        found = np.empty(len(low), np.int64)
        sizes = high - low
        begin = 0
        while begin < len(low):
            end = begin + max(int(np.searchsorted(np.cumsum(sizes[begin:]), _MEASURED, "right")), 1)
            own = sizes[begin:end]
            starts = np.cumsum(own) - own
            places = np.arange(int(own.sum())) + np.repeat(low[begin:end] - starts, own)
            found[begin:end] = np.minimum.reduceat(self.order[places], starts)
            begin = end
        return found
