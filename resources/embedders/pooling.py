"""An embedder on any pooling engine: vLLM in a child process, or whatever else keeps to the protocol."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from resources.embedders.protocol import Vectors, unit_rows
from resources.engines.pooling import PoolingEngine, PoolingRequest, PoolingResult
from resources.engines.protocol import Prompt
from resources.errors import EngineError

_PROBE = "1 + 1"
"""Embedded once to see how long the vectors are, where nothing was embedded before."""


class PoolingEmbedder:
    """Embeds with ``engine``, which is started at the first text and left running: whoever made it stops it."""

    name = "pooling"

    def __init__(self, engine: PoolingEngine, *, where: str) -> None:
        """``where``: file and line of the role or the setting, for errors. Raises EngineError: it only scores."""
        if engine.task != "embed":
            raise EngineError(
                f"the engine {engine.name!r} is set to {engine.task!r} texts and cannot embed them",
                where=where,
                fix="Set its `task` to `embed`, with the weights of an encoder",
            )
        self._engine = engine
        self._where = where
        self._dimensions = 0

    @property
    def dimensions(self) -> int:
        """Length of a vector; embeds a probe if nothing was embedded yet."""
        if not self._dimensions:
            self.embed([_PROBE])
        return self._dimensions

    def identity(self) -> str:
        """The weights: engines with the same weights give the same vectors, but for rounding."""
        return f"pooling/{self._engine.weights_id()}"

    def embed(self, texts: Sequence[str]) -> Vectors:
        """See :meth:`resources.embedders.protocol.Embedder.embed`. Texts are handed over as there is room."""
        self._engine.check()
        self._engine.start()
        requests = (PoolingRequest(number, Prompt("raw", text)) for number, text in enumerate(texts))
        vectors: Vectors | None = None
        missing = np.ones(len(texts), bool)
        for result in self._results(requests):
            vectors = self._room(vectors, len(texts), len(result.values))
            vectors[result.number] = result.values
            missing[result.number] = False
        if missing.any():
            raise self._failed(f"text {int(missing.argmax())} of {len(texts)} got no vector")
        if vectors is None:
            return np.zeros((0, self._dimensions), np.float32)
        if not np.isfinite(vectors).all():
            raise self._failed("a vector holds values that are no numbers")
        return unit_rows(vectors)

    def _results(self, requests: Iterator[PoolingRequest]) -> Iterator[PoolingResult]:
        for result in self._engine.pool(requests):
            if result is not None and result.failure is not None:
                raise self._failed(result.failure)
            if result is not None:
                yield result

    def _room(self, vectors: Vectors | None, rows: int, length: int) -> Vectors:
        self._dimensions = self._dimensions or length
        if not length or length != self._dimensions:
            raise self._failed(f"vectors of {self._dimensions} and of {length} numbers from one model")
        return np.zeros((rows, length), np.float32) if vectors is None else vectors

    def _failed(self, what: str) -> EngineError:
        return EngineError(
            f"the engine {self._engine.name!r} cannot embed: {what[:300]}",
            where=self._where,
            fix="Mend the engine or choose another embedder; vectors that were stored are kept",
        )
