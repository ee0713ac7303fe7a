"""Finds the row that answers a sample: numpy arrays over all rows, some 60 bytes a row, no text.

The first of two rows for one sample wins.
"""

from __future__ import annotations

from array import array

import numpy as np
import numpy.typing as npt

_UNSAID = -1
"""The index of a row that says none: it counts its prompt's rows in the order of the files."""


class AnswerIndex:
    """Rows in the order of the files, then found by (digest, sample index)."""

    def __init__(self) -> None:
        self._digests = bytearray()
        self._said = array("q")
        self._places = array("q")
        self._files = array("H")
        self._sorted: _Sorted | None = None
        self._count = 0

    def __len__(self) -> int:
        """Rows."""
        return self._count

    def add(self, digest: bytes, sample_index: int | None, file: int, place: int) -> None:
        """Note one row. ``digest``: 16 bytes."""
        self._count += 1
        self._digests += digest
        self._said.append(_UNSAID if sample_index is None else sample_index)
        self._places.append(place)
        self._files.append(file)

    def finish(self) -> None:
        """Sort. Rows that say no index get the number of rows of their prompt before them."""
        halves = np.frombuffer(self._digests, dtype="<u8").reshape(-1, 2)
        order = np.lexsort((halves[:, 1], halves[:, 0]))  # stable: rows of a prompt stay in the order of the files
        high, low = halves[order, 0], halves[order, 1]
        del halves
        self._digests = bytearray()
        is_first = np.ones(len(order), dtype=bool)
        is_first[1:] = (high[1:] != high[:-1]) | (low[1:] != low[:-1])
        starts = np.flatnonzero(is_first)
        group = np.cumsum(is_first) - 1
        said = np.frombuffer(self._said, dtype=np.int64)[order]
        ranks = np.arange(len(order)) - starts[group] if len(order) else said
        indices = np.where(said == _UNSAID, ranks, said)
        self._sorted = _Sorted(
            high[starts],
            low[starts],
            np.append(starts, len(order)),
            indices,
            np.frombuffer(self._places, dtype=np.int64)[order],
            np.frombuffer(self._files, dtype=np.uint16)[order],
        )
        self._said, self._places, self._files = array("q"), array("q"), array("H")

    def find(self, digest: bytes, sample_index: int) -> tuple[int, int] | None:
        """File and place of the first row of (digest, sample_index)."""
        rows = self._rows(digest)
        found = np.flatnonzero(self._done.indices[rows] == sample_index)
        if not len(found):
            return None
        at = rows.start + int(found[0])
        return int(self._done.files[at]), int(self._done.places[at])

    def indices(self, digest: bytes) -> list[int]:
        """All sample indices of a digest, in order."""
        return sorted(set(self._done.indices[self._rows(digest)].tolist()))

    @property
    def _done(self) -> _Sorted:
        if self._sorted is None:
            raise ValueError("the index is not finished")
        return self._sorted

    def _rows(self, digest: bytes) -> slice:
        done = self._done
        high, low = np.frombuffer(digest, dtype="<u8")
        at, end = np.searchsorted(done.high, high, "left"), np.searchsorted(done.high, high, "right")
        for group in range(int(at), int(end)):  # more than one only if half of two digests are equal
            if done.low[group] == low:
                return slice(int(done.starts[group]), int(done.starts[group + 1]))
        return slice(0, 0)


class _Sorted:
    """The arrays of a finished index: one entry a prompt (``high``, ``low``, ``starts``), one a row (the others)."""

    __slots__ = ("files", "high", "indices", "low", "places", "starts")

    def __init__(
        self,
        high: npt.NDArray[np.uint64],
        low: npt.NDArray[np.uint64],
        starts: npt.NDArray[np.int64],
        indices: npt.NDArray[np.int64],
        places: npt.NDArray[np.int64],
        files: npt.NDArray[np.uint16],
    ) -> None:
        self.high, self.low, self.starts = high, low, starts
        self.indices, self.places, self.files = indices, places, files
