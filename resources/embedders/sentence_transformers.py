"""The embedder on sentence-transformers: an encoder in this process, on a GPU or on a CPU. Extra ``embeddings``.

On two CPU cores the default model embeds in the order of a hundred problems a second; what it gave is stored
(``resources.vectors``) and never computed again.
"""

from __future__ import annotations

import importlib
import os
import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from resources.embedders.protocol import Vectors, unit_rows
from resources.errors import EngineError, MissingExtraError

MODEL = "sentence-transformers/multi-qa-MiniLM-L6-cos-v1"
"""384 dimensions, made for questions; OpenMathInstruct-2 retrieved with it."""
REVISION = "b207367332321f8e44f96e224ef15bc607f4dbf0"
"""The commit that the model had whenever it was looked at from 2023 to 2026."""

BATCH = 64
"""Texts in one pass of the model."""

_COMMIT = re.compile(r"[0-9a-f]{40}")


class SentenceTransformersEmbedder:
    """Embeds with one model of the Hub at one commit. The model is loaded at the first text."""

    name = "sentence-transformers"

    def __init__(self, model: str = MODEL, revision: str = REVISION, *, where: str, batch: int = BATCH) -> None:
        """``where``: what asks for it, for errors. Raises EngineError if ``revision`` is no full commit."""
        if not _COMMIT.fullmatch(revision):
            raise EngineError(
                f"the revision {revision!r} of {model} can move",
                where=where,
                fix="Give the full commit (40 hexadecimal digits), as the model's page lists it",
            )
        self._model_name = model
        self._revision = revision
        self._where = where
        self._batch = batch
        self._model: Any = None

    @property
    def dimensions(self) -> int:
        """Length of a vector. Loads the model."""
        return int(self.embed([""]).shape[1])

    def identity(self) -> str:
        """Repository and commit. No version of a library: it changes the last digits and not what is near."""
        return f"sentence-transformers/{self._model_name}@{self._revision}"

    def embed(self, texts: Sequence[str]) -> Vectors:
        """See :meth:`resources.embedders.protocol.Embedder.embed`. Longer texts than the model reads are cut by it."""
        model = self._loaded()
        try:
            found = model.encode(
                list(texts), batch_size=self._batch, convert_to_numpy=True, show_progress_bar=False,
                normalize_embeddings=False,
            )  # fmt: skip
        except Exception as error:  # out of memory, a broken file: torch has no common base
            raise self._failed("embed", error) from error
        vectors = np.array(found, np.float32, ndmin=2)
        if vectors.shape[0] != len(texts) or not np.isfinite(vectors).all():
            raise self._failed("embed", f"{len(texts)} texts gave vectors of shape {vectors.shape}, or no numbers")
        return unit_rows(vectors)

    def _loaded(self) -> Any:
        if self._model is None:
            os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
            try:
                package = importlib.import_module("sentence_transformers")
            except ImportError as error:
                raise MissingExtraError.of("sentence-transformers", "embeddings", where=self._where) from error
            try:
                self._model = package.SentenceTransformer(
                    self._model_name, revision=self._revision, trust_remote_code=False
                )
            except Exception as error:  # the Hub, a file, torch: no common base
                raise self._failed("load", error) from error
        return self._model

    def _failed(self, verb: str, why: object) -> EngineError:
        lines = str(why).strip().splitlines() or [type(why).__name__]
        return EngineError(
            f"{self._model_name} cannot {verb}: {lines[0][:300]}",
            where=self._where,
            fix="See whether the Hub can be reached and holds this commit, or set `embedder: lexical`",
        )
