"""Runs of words that problems share with benchmarks: an index of the benchmarks, past which problems stream.

A problem that has 8 words in a row with a benchmark problem is looked at closer: its longest shared run is measured,
and where it occurs. Longer n-grams follow from that length. 8-grams are found by 64-bit hashes and then compared word
by word, so a collision of hashes never makes an overlap; and no two 8-grams of an index have the same hash, so none
hides another. Problems with fewer than 8 words can only be found whole.

Memory: about 150 bytes for each word of the benchmarks (13,000 problems: 150 MB), and what ``normalise`` needs for one
piece of text. Time does not depend on how often a run occurs in the benchmarks.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from assets.contamination.normalise import Words, pieces, whole_texts, words_of
from assets.contamination.suffixes import DEPTH, Suffixes

Ints = npt.NDArray[np.int64]
Hashes = npt.NDArray[np.uint64]

SIZES = (8, 10, 13, 30)
"""Words of the n-grams that are told apart: GPT-3 removed by 13, stricter reports count 8 and 10, and 30 is a copy."""

SHOWN = 300
"""Characters of a shared run that are kept."""

_SMALLEST = SIZES[0]
_FILTER_BITS = (16, 26)
"""Least and most bits of the table that answers "certainly not": 64 KB to 64 MB."""


@dataclass(frozen=True, slots=True)
class Overlaps:
    """What each problem of a batch shares: arrays of one length."""

    is_exact: npt.NDArray[np.bool_]
    run: Ints
    """Words of the longest shared run, if it has 8 or more, else 0; counted up to ``suffixes.DEPTH``."""
    size: Ints
    """Largest of ``SIZES`` that the run reaches; 0 if none."""
    where: Ints
    """Number of the benchmark problem, in the order in which they were given; -1 if nothing is shared."""
    shared: pa.StringArray
    """The run's words, or all words of an exact match; null if nothing is shared."""


class Index:
    """The n-grams of benchmarks.

    Args:
        problems: Texts of the benchmark problems, in batches, in the order in which they are numbered.
    """

    def __init__(self, problems: Iterable[pa.Array]) -> None:
        taken = [piece for texts in problems for _, piece in pieces(texts)]
        read = [words_of(piece) for piece in taken]
        self.counts = np.concatenate([np.zeros(0, np.int64), *(words.counts for words in read)])
        """Words of each benchmark problem."""
        whole = pa.chunked_array(
            [whole_texts(piece, words) for piece, words in zip(taken, read, strict=True)], pa.string()
        )
        self._texts = whole.unique()
        numbers = _found(whole.combine_chunks(), self._texts)
        self._first_of_text = np.unique(numbers, return_index=True)[1]
        words = pa.chunked_array([words.words for words in read], pa.string())
        self._vocabulary = words.unique()
        sequence = _separated(_numbered(words.combine_chunks(), self._vocabulary), self.counts)
        self._suffixes = Suffixes.of(sequence)
        self._owners = np.repeat(np.arange(len(self.counts)), self.counts + 1)
        self._hash_eights()

    @property
    def too_short(self) -> int:
        """Benchmark problems without an 8-gram: only whole copies of them are found."""
        return int((self.counts < _SMALLEST).sum())

    def _hash_eights(self) -> None:
        """Hash each distinct 8-gram: another seed if two have the same hash, which takes billions of them."""
        suffixes = self._suffixes
        order = suffixes.order
        firsts = np.flatnonzero(np.concatenate(([True], suffixes.eights[1:] != suffixes.eights[:-1])))
        firsts = firsts[: len(order)]
        ends = np.append(firsts[1:], len(order))
        words = suffixes.sequence[order[firsts][:, None] + np.arange(_SMALLEST)]
        is_whole = (words != 0).all(axis=1)
        firsts, ends = firsts[is_whole], ends[is_whole]
        self._salts, hashes = self._distinct_hashes(order[firsts])
        by_hash = np.argsort(hashes)
        self._hashes, self._low, self._high = hashes[by_hash], firsts[by_hash], ends[by_hash]
        bits = int(np.clip(np.ceil(np.log2(max(len(hashes), 1) * 16)), *_FILTER_BITS))
        self._mask = np.uint64((1 << bits) - 1)
        self._maybe = np.zeros(1 << bits, bool)
        self._maybe[hashes & self._mask] = True

    def _distinct_hashes(self, at: Ints) -> tuple[Hashes, Hashes]:
        """Salts of the words with which all 8-grams at ``at``, which differ, have different hashes."""
        seed = 0
        while True:
            salts = _salts(len(self._vocabulary) + 1, seed)
            hashes = _hashes(salts[self._suffixes.sequence])[at]
            if len(np.unique(hashes)) == len(hashes):
                return salts, hashes
            seed += 1

    # -- search ------------------------------------------------------------------------------------------------------

    def overlaps(self, texts: pa.Array) -> Iterator[Overlaps]:
        """What the problems ``texts`` share with the benchmarks, in pieces, in their order."""
        for _, piece in pieces(texts):
            yield self._overlaps(piece, words_of(piece))

    def _overlaps(self, texts: pa.StringArray, words: Words) -> Overlaps:
        rows = len(words.counts)
        text = _found(whole_texts(texts, words), self._texts)
        text[words.counts == 0] = -1
        is_exact = text >= 0
        run, start, where = self._longest(words, rows)
        where[is_exact] = self._first_of_text[text[is_exact]]
        size = np.array([0, *SIZES])[np.searchsorted(SIZES, run, "right")]
        starts = np.where(is_exact, words.offsets[:-1], start)
        lengths = np.where(is_exact, words.counts, run)
        return Overlaps(is_exact, run, size, where, _shown(words.words, starts, lengths))

    def _longest(self, words: Words, rows: int) -> tuple[Ints, Ints, Ints]:
        """For each row: length of its longest run, its first word, and the first benchmark problem that has it.

        Of equally long runs the first of the problem counts.
        """
        run, start, where = np.zeros(rows, np.int64), np.zeros(rows, np.int64), np.full(rows, -1)
        sequence = _separated(_numbered(words.words, self._vocabulary), words.counts)
        at, low, high = self._hits(sequence)
        if not len(at):
            return run, start, where
        length = np.full(len(at), _SMALLEST)
        active = np.arange(len(at))
        for depth in range(_SMALLEST, DEPTH):
            following = sequence[at[active] + depth]
            active, following = active[following != 0], following[following != 0]
            if not len(active):
                break
            begin, end = self._suffixes.narrowed(low[active], high[active], depth, following)
            is_longer = begin < end
            active = active[is_longer]
            low[active], high[active], length[active] = begin[is_longer], end[is_longer], depth + 1
        row = np.searchsorted(words.offsets[1:] + np.arange(1, rows + 1), at, "right")
        best = np.lexsort((at, -length, row))
        best = best[np.unique(row[best], return_index=True)[1]]
        found = row[best]
        run[found] = length[best]
        start[found] = at[best] - found  # one separator for each row before
        where[found] = self._owners[self._suffixes.first(low[best], high[best])]
        return run, start, where

    def _hits(self, sequence: Ints) -> tuple[Ints, Ints, Ints]:
        """Where ``sequence`` has an 8-gram of the benchmarks, and the interval of suffixes that begin with it."""
        nothing = np.zeros(0, np.int64)
        if len(sequence) < _SMALLEST or not len(self._hashes):
            return nothing, nothing, nothing
        hashes = _hashes(self._salts[sequence])
        at = np.flatnonzero(self._maybe[hashes & self._mask])
        group = np.minimum(np.searchsorted(self._hashes, hashes[at]), len(self._hashes) - 1)
        is_same = self._hashes[group] == hashes[at]
        at, group = at[is_same], group[is_same]
        there = self._suffixes.sequence[self._suffixes.order[self._low[group]][:, None] + np.arange(_SMALLEST)]
        is_same = (there == sequence[at[:, None] + np.arange(_SMALLEST)]).all(axis=1)
        at, group = at[is_same], group[is_same]
        return at, self._low[group], self._high[group]


def _hashes(salts: Hashes) -> Hashes:
    """Hash of the 8 words from each position; ``salts`` are those of the words. Shorter by 7."""
    for width in (1, 2, 4):
        multiplier = np.uint64(0x9E3779B97F4A7C15 ^ (width << 33))  # odd: golden ratio of 64 bits, one for each width
        salts = salts[: max(len(salts) - width, 0)] * multiplier + salts[width:]
    return salts ^ (salts >> np.uint64(29))


def _salts(count: int, seed: int) -> Hashes:
    """A random number for each word of the vocabulary; the same ones for the same seed on every machine."""
    return np.random.Generator(np.random.PCG64(seed)).integers(0, 1 << 64, count, np.uint64)


def _numbered(words: pa.StringArray, vocabulary: pa.StringArray) -> Ints:
    """Number of each word from 1; 0 for one that no benchmark has."""
    return _found(words, vocabulary) + 1


def _separated(numbers: Ints, counts: Ints) -> Ints:
    """``numbers`` with a 0 after each text, so that no run passes from one to the next."""
    ends = np.cumsum(counts + 1) - 1
    sequence = np.zeros(len(numbers) + len(counts), np.int64)
    is_word = np.ones(len(sequence), bool)
    is_word[ends] = False
    sequence[is_word] = numbers
    return sequence


def _found(values: pa.Array, among: pa.Array) -> Ints:
    """Index of each value in ``among``; -1 if it is not there."""
    found = pc.call_function("index_in", [values], pc.SetLookupOptions(among))
    return found.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)


def _shown(words: pa.StringArray, starts: Ints, lengths: Ints) -> pa.StringArray:
    """Runs of words as text, cut; null where the length is 0. A word has a letter: SHOWN words are enough."""
    lengths = np.minimum(lengths, SHOWN)
    ends = np.cumsum(lengths)
    places = np.arange(int(lengths.sum())) + np.repeat(starts - (ends - lengths), lengths)
    offsets = pa.array(np.concatenate(([0], ends)), pa.int32())
    lists = pa.ListArray.from_arrays(offsets, words.take(pa.array(places, pa.int64())))
    joined: Any = pc.call_function("binary_join", [lists, pa.scalar(" ")])
    cut = pc.call_function("utf8_slice_codeunits", [joined], pc.SliceOptions(0, SHOWN))
    return pc.call_function("if_else", [pa.array(lengths > 0), cut, pa.scalar(None, pa.string())])
