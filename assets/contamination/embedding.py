"""Settings of stages that compare texts by vectors, and the embedder that they name."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, model_validator

from assets.kinds import Settings, operational
from resources.embedders.lexical.embedder import VERSION, LexicalEmbedder
from resources.embedders.protocol import Embedder
from resources.embedders.sentence_transformers import BATCH, MODEL, REVISION, SentenceTransformersEmbedder
from resources.vectors.store import StoredEmbedder

VECTORS_FOLDER = "vectors"
"""In the folder of the store for what builds remember."""


class EmbeddingSettings(Settings):
    """What makes the vectors."""

    embedder: Literal["lexical", "sentence-transformers"] = Field(
        default="lexical",
        description="lexical - words and numbers, needs no weights. sentence-transformers - an encoder of the Hub "
        "(extra `embeddings`).",
    )
    model: str | None = Field(
        default=None,
        description=f"Model of sentence-transformers; {MODEL} at a fixed commit unless given.",
        max_length=200,
    )
    revision: str | None = Field(
        default=None, description="Its commit, 40 hexadecimal digits.", pattern=r"^[0-9a-f]{40}$"
    )
    model_batch: int = operational(BATCH, description="Texts in one pass of the model.", ge=1, le=65_536)

    @model_validator(mode="after")
    def _fits(self) -> EmbeddingSettings:
        if self.embedder == "lexical" and (self.model or self.revision):
            raise ValueError("`model` and `revision` are of `embedder: sentence-transformers`; lexical has none")
        if bool(self.model) != bool(self.revision):
            raise ValueError("give `model` and `revision` together: a model without its commit can change")
        return self

    def identity(self) -> dict[str, Any]:
        """The embedder as it is used: its model and commit, or the version of the lexical one."""
        fields = super().identity()
        if self.embedder == "lexical":
            return {**fields, "lexical": VERSION}
        return {**fields, "model": self.model or MODEL, "revision": self.revision or REVISION}


def embedder_of(settings: EmbeddingSettings, fitted_on: Any, cache: Path | None, where: str) -> Embedder:
    """The embedder of a stage. Vectors of a model are kept in ``cache``; lexical ones are soon made again.

    Args:
        settings: Of the stage.
        fitted_on: Arrow column of the texts that will be searched; only the lexical embedder looks at it.
        cache: Folder for what builds remember; None: keep nothing.
        where: The stage, for errors.
    """
    if settings.embedder == "lexical":
        return LexicalEmbedder(fitted_on)
    model = SentenceTransformersEmbedder(
        settings.model or MODEL, settings.revision or REVISION, where=where, batch=settings.model_batch
    )
    return model if cache is None else StoredEmbedder(model, cache / VECTORS_FOLDER)
