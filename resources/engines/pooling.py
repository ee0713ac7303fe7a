"""What a pooling engine is: a model that gives numbers for a text instead of more text.

Reward models and classifiers score, encoders embed. The protocol is that of :mod:`resources.engines.protocol`: requests
are pulled as there is room, results come as they finish, ``None`` when nothing ended for a second.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from resources.engines.protocol import Prompt

Task = Literal["score", "embed"]


@dataclass(frozen=True, slots=True)
class PoolingRequest:
    """One text: a prompt, or a conversation whose last message is judged (``chat``)."""

    number: int
    """The caller's own number, given back with the result."""
    prompt: Prompt


@dataclass(frozen=True, slots=True)
class PoolingResult:
    """One vector. ``failure`` is None for a result; else why there is none, and ``values`` is empty."""

    number: int
    values: tuple[float, ...] = ()
    """score: one value for a reward model, one a class for a classifier (after its own activation). embed: the
    embedding, as long as the model's, of length 1 if the model says so."""
    prompt_tokens: int | None = None
    failure: str | None = None
    is_permanent: bool = False
    """A failure that no repetition mends (a text over the context)."""


class PoolingEngine(Protocol):
    """Scores or embeds with one set of weights. Made cheaply; ``start`` loads, ``stop`` frees."""

    name: str
    task: Task

    def weights_id(self) -> str:
        """Names the weights exactly: part of what names a score. Does not load."""
        ...

    def describe(self) -> Mapping[str, Any]:
        """Settings for the UI and the card; never a secret."""
        ...

    def check(self) -> None:
        """See, without loading, whether ``start`` can work. Raises EngineError with the remedy."""
        ...

    def start(self) -> None:
        """Load. Idempotent."""
        ...

    def pool(self, requests: Iterable[PoolingRequest]) -> Iterator[PoolingResult | None]:
        """One result for each request, in any order; None when nothing ended for a second."""
        ...

    def stop(self) -> None:
        """Free memory and processes. Idempotent."""
        ...
