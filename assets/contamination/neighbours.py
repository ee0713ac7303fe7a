"""The benchmark problems nearest to each problem, as columns. Plain functions over Arrow columns.

Memory: vectors of the benchmarks (13,000 of them: 53 MB lexical, 20 MB at 384 dimensions), those of one batch of
problems, and the blocks of :mod:`resources.vectors.nearest`.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute

from assets.schemas import ID, NEIGHBOUR
from resources.embedders.protocol import Embedder
from resources.vectors.nearest import top_k

pc: Any = pyarrow.compute
"""Arrow makes its functions when it is imported, so that no type checker knows them."""

STEPS = 20
"""Bars of the histogram of similarities: 0.05 each."""


@dataclass(frozen=True, slots=True)
class Benchmarks:
    """Problems of all benchmarks, each text once, in the order of ids: of two equally near the first is named first."""

    ids: pa.Array
    """16 bytes each, without the type of an id."""
    names: pa.Array
    texts: pa.Array

    @classmethod
    def of(cls, rows: pa.Table) -> Benchmarks:
        """From columns benchmark_id, benchmark, problem, sorted by benchmark_id."""
        rows = rows.combine_chunks()
        ids, names, texts = (_one(rows.column(name)) for name in ("benchmark_id", "benchmark", "problem"))
        return cls(ids.storage if isinstance(ids, pa.ExtensionArray) else ids, names, texts)


@dataclass(slots=True)
class Search:
    """Finds the ``top`` nearest benchmark problems of batches of problems, and counts what it found."""

    embedder: Embedder
    benchmarks: Benchmarks
    top: int
    seconds: dict[str, float] = field(default_factory=lambda: {"embed": 0.0, "search": 0.0})
    best: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros(STEPS + 1, np.int64))
    """Problems by the similarity of their nearest: bar i counts those from i/20, the last those that are equal."""
    _corpus: Any = None

    def rows(self, ids: pa.Array, texts: pa.Array) -> pa.Table:
        """Rows of the schema NEIGHBOUR for problems of these ids and texts."""
        if self._corpus is None:
            self._corpus = self._embed(self.benchmarks.texts)
        vectors = self._embed(texts)
        began = time.monotonic()
        found = top_k(vectors, self._corpus, self.top)
        self.seconds["search"] += time.monotonic() - began
        self._count(found.offsets, found.similarities)
        at = pa.array(found.rows)
        offsets = pa.array(found.offsets.astype(np.int32))
        columns = (
            pa.ExtensionArray.from_storage(ID, self.benchmarks.ids.take(at)),
            self.benchmarks.names.take(at),
            pa.array(found.similarities),
        )
        lists = [pa.ListArray.from_arrays(offsets, column) for column in columns]
        return pa.table([ids, *lists], names=NEIGHBOUR.names)

    def _embed(self, texts: pa.Array) -> Any:
        began = time.monotonic()
        vectors = self.embedder.embed(texts.to_pylist())
        self.seconds["embed"] += time.monotonic() - began
        return vectors

    def _count(self, offsets: npt.NDArray[np.int64], similarities: npt.NDArray[np.float32]) -> None:
        has_any = offsets[1:] > offsets[:-1]
        nearest = np.zeros(len(has_any), np.float64)
        nearest[has_any] = similarities[offsets[:-1][has_any]]
        bars = np.floor(np.round(nearest * STEPS, 6)).astype(np.int64)
        self.best += np.bincount(np.clip(bars, 0, STEPS), minlength=STEPS + 1)


def _one(column: pa.ChunkedArray) -> pa.Array:
    return column.chunk(0) if column.num_chunks else pa.array([], column.type)
