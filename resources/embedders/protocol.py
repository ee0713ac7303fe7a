"""What an embedder is: texts in, one vector of length 1 for each, so that a product of two is their cosine."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

Vectors: TypeAlias = npt.NDArray[np.float32]
"""Shape (texts, dimensions). A text of which nothing is left is a row of zeros: it is similar to nothing."""


class Embedder(Protocol):
    """Turns texts into vectors. Made cheaply; ``embed`` loads what it needs."""

    name: str
    """The word in a recipe."""

    @property
    def dimensions(self) -> int:
        """Length of a vector. May load the model."""
        ...

    def identity(self) -> str:
        """Names exactly what makes the vectors: two embedders with one identity give the same. Loads nothing."""
        ...

    def embed(self, texts: Sequence[str]) -> Vectors:
        """One vector for each text, in their order.

        Raises:
            EngineError: The model cannot be loaded, or gives no vector for a text.
        """
        ...


def unit_rows(vectors: Vectors) -> Vectors:
    """Rows scaled to length 1 in place; rows of zeros stay. Lengths are summed in float64."""
    lengths = np.sqrt(np.einsum("ij,ij->i", vectors, vectors, dtype=np.float64))
    lengths[lengths == 0] = 1
    vectors /= lengths.astype(np.float32)[:, None]
    return vectors
