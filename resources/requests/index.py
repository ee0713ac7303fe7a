"""Sets of 16-byte keys in sorted arrays: 16 bytes a key, looked up a million at a time.

Lives here: arrays of keys, and membership. Where keys come from is the business of ``store`` and ``segments``.
Memory: 20M keys are 320 MB; building one run of n keys takes about 64 bytes a key for a moment.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from resources.errors import StoreError
from resources.identity import ID_BYTES

Keys: TypeAlias = npt.NDArray[np.uint8]
"""Shape (n, 16)."""
Mask: TypeAlias = npt.NDArray[np.bool_]
Words: TypeAlias = npt.NDArray[np.uint64]

_FRESH_KEYS = 262_144
"""Keys kept in a Python set (about 100 bytes each) before they become a sorted run."""
_LOOKUP_KEYS = 1 << 20
"""Keys looked up at once: bounds the memory of a lookup of any size to about 60 MB."""

_RANGE_KEYS = 1 << 20
"""Keys sorted at once where many sorted arrays become one: 16 MB."""
_PIECE_KEYS = 4096
"""Keys looked up at once where one hit is enough."""


def as_keys(keys: Any) -> Keys:
    """Keys as an (n, 16) array of bytes.

    Args:
        keys: Such an array already, a sequence of 16-byte values, or an Arrow column of UUIDs or 16-byte binaries.
    """
    if isinstance(keys, np.ndarray):
        if keys.dtype != np.uint8 or keys.ndim != 2 or keys.shape[1] != ID_BYTES:
            raise _not_keys(f"an array of {keys.dtype} with shape {keys.shape}")
        return np.ascontiguousarray(keys)
    if isinstance(keys, pa.ChunkedArray):
        parts = [as_keys(chunk) for chunk in keys.chunks]
        return np.concatenate(parts) if parts else no_keys()
    if isinstance(keys, pa.Array):
        return _from_arrow(keys)
    if not len(keys):
        return no_keys()
    data = b"".join(keys)
    if len(data) != ID_BYTES * len(keys) or any(len(key) != ID_BYTES for key in keys):
        raise _not_keys("a sequence with values of another length")
    return np.frombuffer(data, np.uint8).reshape(-1, ID_BYTES)


def no_keys() -> Keys:
    """An empty array of keys."""
    return np.empty((0, ID_BYTES), np.uint8)


def no_words() -> Words:
    """An empty array of halves of keys."""
    return np.empty(0, np.uint64)


def _from_arrow(array: pa.Array) -> Keys:
    storage = array.storage if isinstance(array, pa.ExtensionArray) else array
    if storage.type != pa.binary(ID_BYTES) or storage.null_count:
        raise _not_keys(f"a column of {array.type} with {storage.null_count} null value(s)")
    data = storage.buffers()[1]
    if data is None or not len(storage):
        return no_keys()
    start, stop = storage.offset * ID_BYTES, (storage.offset + len(storage)) * ID_BYTES
    return np.frombuffer(data, np.uint8)[start:stop].reshape(-1, ID_BYTES)


def _not_keys(what: str) -> StoreError:
    return StoreError(f"{what} was given as request keys", where="request store", fix="Give keys of 16 bytes each")


def words_of(keys: Keys) -> tuple[Words, Words]:
    """High and low half of each key as integers whose order is the order of the bytes."""
    halves = np.ascontiguousarray(keys).view(">u8").reshape(-1, 2)
    return halves[:, 0].astype(np.uint64), halves[:, 1].astype(np.uint64)


def bytes_of(high: Words, low: Words) -> Keys:
    """The inverse of :func:`words_of`."""
    halves = np.empty((len(high), 2), ">u8")
    halves[:, 0] = high
    halves[:, 1] = low
    return halves.view(np.uint8).reshape(-1, ID_BYTES)


def sort_order(high: Words, low: Words) -> npt.NDArray[np.int64]:
    """The order that sorts keys, equal ones in the order given.

    One sort of the high halves; equal high halves, which hashes all but never have, are then put right one by one.
    """
    order = np.argsort(high, kind="stable")
    sorted_high = high[order]
    ties = np.flatnonzero(sorted_high[1:] == sorted_high[:-1])
    if not len(ties):
        return order
    if len(ties) > len(high) // 100:  # not ties by chance: keys given several times, or no hashes at all
        return np.lexsort((low, high))
    starts = ties[np.flatnonzero(np.diff(ties, prepend=-2) > 1)]
    for start in starts:
        stop = start + 1
        while stop < len(order) and sorted_high[stop] == sorted_high[start]:
            stop += 1
        piece = order[start:stop]
        order[start:stop] = piece[np.argsort(low[piece], kind="stable")]
    return order


def repeated(keys: Keys) -> Keys:
    """Those keys that occur more than once in ``keys``, each once."""
    high, low = words_of(keys)
    order = sort_order(high, low)
    high, low = high[order], low[order]
    again = np.flatnonzero((high[1:] == high[:-1]) & (low[1:] == low[:-1]))
    return KeyRun.of(bytes_of(high[again], low[again])).keys()


@dataclass(frozen=True, slots=True)
class KeyRun:
    """Keys in ascending order, each once."""

    high: Words
    low: Words

    @classmethod
    def of(cls, keys: Keys) -> KeyRun:
        """The distinct ones of ``keys``."""
        high, low = words_of(keys)
        order = sort_order(high, low)
        return cls._distinct(high[order], low[order])

    @classmethod
    def of_sorted(cls, pieces: Sequence[Keys]) -> KeyRun:
        """The distinct keys of arrays that are each in ascending order: twice as fast as :meth:`of` of all of them.

        One range of keys after the other is sorted, small enough for a processor's cache: keys are hashes, so ranges of
        one width hold nearly the same number of them.
        """
        words = [words_of(piece) for piece in pieces]
        total = sum(len(high) for high, _ in words)
        ranges = max(total // _RANGE_KEYS, 1)
        bounds = np.array([at * (2**64 // ranges) for at in range(1, ranges)], np.uint64)
        cuts = [[0, *np.searchsorted(high, bounds), len(high)] for high, _ in words]
        merged = cls(np.empty(total, np.uint64), np.empty(total, np.uint64))
        at = 0
        for number in range(ranges):
            spans = [slice(cut[number], cut[number + 1]) for cut in cuts]
            high = np.concatenate([no_words(), *(each[0][span] for each, span in zip(words, spans, strict=True))])
            low = np.concatenate([no_words(), *(each[1][span] for each, span in zip(words, spans, strict=True))])
            order = sort_order(high, low)
            merged.high[at : at + len(order)], merged.low[at : at + len(order)] = high[order], low[order]
            at += len(order)
        return cls._distinct(merged.high, merged.low)

    @classmethod
    def merged(cls, runs: Sequence[KeyRun]) -> KeyRun:
        """All keys of ``runs``."""
        high = np.concatenate([run.high for run in runs])
        low = np.concatenate([run.low for run in runs])
        order = sort_order(high, low)
        return cls._distinct(high[order], low[order])

    @classmethod
    def _distinct(cls, high: Words, low: Words) -> KeyRun:
        again = np.zeros(len(high), bool)
        again[1:] = (high[1:] == high[:-1]) & (low[1:] == low[:-1])
        return cls(high[~again], low[~again]) if again.any() else cls(high, low)

    def __len__(self) -> int:
        return len(self.high)

    def keys(self) -> Keys:
        """The keys as bytes."""
        return bytes_of(self.high, self.low)

    def has(self, high: int, low: int) -> bool:
        """Whether one key is in this run: without the arrays of :meth:`positions`, ten times faster for one."""
        at = int(self.high.searchsorted(np.uint64(high)))
        if at >= len(self.high) or int(self.high[at]) != high:
            return False
        return self._walk(at, high, low) >= 0

    def positions(self, high: Words, low: Words) -> npt.NDArray[np.int64]:
        """Where each asked key stands in this run; -1 where it does not."""
        if not len(self):
            return np.full(len(high), -1, np.int64)
        order = np.argsort(high)  # neighbours then touch the same cache lines: five times faster than unsorted
        found = np.empty(len(high), np.int64)
        found[order] = np.searchsorted(self.high, high[order])
        inside = np.minimum(found, len(self) - 1)
        same_high = (found < len(self)) & (self.high[inside] == high)
        hit = same_high & (self.low[inside] == low)
        result = np.where(hit, found, -1)
        for at in np.flatnonzero(same_high & ~hit):  # high halves that are equal by chance: next to never
            result[at] = self._walk(int(found[at]), int(high[at]), int(low[at]))
        return result

    def has_any(self, keys: Keys) -> bool:
        """Whether any of ``keys``, in ascending order and each once, is in this run."""
        few = KeyRun(*words_of(keys))
        few, many = (few, self) if len(few) <= len(self) else (self, few)
        # Where two sets meet at all, they mostly meet often: a few pieces tell.
        for start in range(0, len(few), _PIECE_KEYS):
            high, low = few.high[start : start + _PIECE_KEYS], few.low[start : start + _PIECE_KEYS]
            at = np.minimum(np.searchsorted(many.high, high), len(many) - 1)
            near = many.high[at] == high
            if near.any() and (many.positions(high[near], low[near]) >= 0).any():
                return True
        return False

    def _walk(self, start: int, high: int, low: int) -> int:
        at = start
        while at < len(self) and int(self.high[at]) == high:
            if int(self.low[at]) == low:
                return at
            at += 1
        return -1


class KeySet:
    """A growing set of keys: sorted runs, and the newest ones in a Python set."""

    def __init__(self) -> None:
        self._runs: list[KeyRun] = []
        self._fresh: set[bytes] = set()

    def __len__(self) -> int:
        return sum(len(run) for run in self._runs) + len(self._fresh)

    def add(self, key: bytes) -> None:
        """Add one key that is not in the set."""
        self._fresh.add(key)
        if len(self._fresh) >= _FRESH_KEYS:
            self.add_run(KeyRun.of(as_keys(list(self._fresh))))
            self._fresh.clear()

    def add_run(self, run: KeyRun) -> None:
        """Add many keys, none of them in the set."""
        if len(run):
            self._runs.append(run)
            # Runs at least halve from one to the next: few to search, and a large one is seldom copied.
            while len(self._runs) > 1 and len(self._runs[-2]) < 2 * len(self._runs[-1]):
                last = self._runs.pop()
                self._runs[-1] = KeyRun.merged((self._runs[-1], last))

    def has(self, key: bytes) -> bool:
        """Whether one key is in the set."""
        if key in self._fresh:
            return True
        high, low = int.from_bytes(key[:8], "big"), int.from_bytes(key[8:], "big")
        return any(run.has(high, low) for run in self._runs)

    def contains(self, keys: Keys) -> Mask:
        """Which of ``keys`` are in the set."""
        result = self._in_runs(keys)
        if self._fresh:
            data = keys.tobytes()
            result |= np.fromiter(
                (data[at : at + ID_BYTES] in self._fresh for at in range(0, len(data), ID_BYTES)), bool
            )
        return result

    def clear(self) -> None:
        """Forget all keys."""
        self._runs.clear()
        self._fresh.clear()

    def _in_runs(self, keys: Keys) -> Mask:
        result = np.zeros(len(keys), bool)
        for start in range(0, len(keys) if self._runs else 0, _LOOKUP_KEYS):
            high, low = words_of(keys[start : start + _LOOKUP_KEYS])
            for run in self._runs:
                result[start : start + _LOOKUP_KEYS] |= run.positions(high, low) >= 0
        return result
