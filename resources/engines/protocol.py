"""What an engine is: it takes requests as it has room for them and gives results as they finish.

``Engine.stream`` pulls from an iterator, so a stage never holds more requests than the engine can work on, and yields
each result as soon as it exists, so that it can be journaled before anything else happens. Between results it yields
``None`` from time to time, so that whoever pulls can look at the clock: at limits, at Ctrl-C, at the progress line.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

Mode = Literal["raw", "chat", "pre_query"]

TICK_S = 1.0
"""Longest silence of a stream: after so many seconds without a result it yields None."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """What is sent.

    * ``raw``: ``text`` as it stands. The engine puts the tokenizer's first token (BOS) before it, unless ``text``
      begins with it already.
    * ``chat``: ``messages`` under the model's own template, with its prompt for an answer. No second BOS is added to
      what the template gives.
    * ``pre_query``: the model's template up to where the user would speak (``messages`` may hold one system message):
      a model that was tuned on conversations then writes a question.
    """

    mode: Mode
    text: str = ""
    messages: tuple[tuple[str, str], ...] = ()
    """Pairs (role, content)."""
    template_arguments: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Sampling:
    """Every value that shapes an output, fully resolved: an engine sends all of them and adds none of its own."""

    temperature: float
    top_p: float = 1.0
    top_k: int = 0
    """0: no limit."""
    min_p: float = 0.0
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    repetition_penalty: float = 1.0
    max_tokens: int = 2048
    stop: tuple[str, ...] = ()
    grammar: str = ""
    """What the text must match: canonical JSON of one of {"json": schema}, {"regex": text}, {"choice": [texts]},
    {"grammar": EBNF}. Empty: anything. An engine that cannot hold it refuses the request for good."""


@dataclass(frozen=True, slots=True)
class EngineRequest:
    """``count`` samples of one prompt. Sample i (from ``first``) has the seed ``(seed_base + i) mod 2**31``."""

    number: int
    """The caller's own number, given back with every result."""
    prompt: Prompt
    sampling: Sampling
    seed_base: int
    first: int
    count: int

    def seed(self, index: int) -> int:
        """Seed of the sample with index ``index``."""
        return (self.seed_base + index) % 2**31


@dataclass(frozen=True, slots=True)
class EngineResult:
    """One sample's end. ``failure`` is None for a completion; else why there is none, and ``text`` is empty."""

    number: int
    sample_index: int
    text: str = ""
    reasoning: str | None = None
    finish_reason: str = "stop"
    """stop, or length when max_tokens cut it."""
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    failure: str | None = None
    is_permanent: bool = False
    """A failure that no repetition mends (a prompt over the context): rejected at once."""


class Engine(Protocol):
    """Answers requests with one set of weights. Made cheaply; ``start`` loads, ``stop`` frees."""

    name: str
    """The engine's word in a profile: scripted, openvino, ..."""
    holds_device: bool
    """Whether it fills a device of this machine while it runs: two such engines may have to take turns."""

    def weights_id(self) -> str:
        """Names the weights exactly (file hash, or repository and commit). Part of every request key. Does not load."""
        ...

    def describe(self) -> Mapping[str, Any]:
        """Settings for the UI and the card; never a secret."""
        ...

    def check(self) -> None:
        """See, within seconds and without loading weights, whether ``start`` can work.

        Looks at what is cheap to look at: the package is installed, the files are there, the device is there and large
        enough, the server answers, knows the model and takes the key.

        Raises:
            EngineError: It cannot; says what is wrong and how to mend it. Also a MissingExtraError.
        """
        ...

    def start(self) -> None:
        """Load. Idempotent. Raises EngineError or MissingExtraError with the remedy."""
        ...

    def stream(self, requests: Iterable[EngineRequest]) -> Iterator[EngineResult | None]:
        """Answer all ``requests``; each asked sample gives exactly one result, in any order.

        Yields:
            A result as soon as it exists; None when nothing ended for :data:`TICK_S`.

        Raises:
            EngineError: The engine is broken. If ``retryable``, ``stop`` and ``start`` may mend it, and what was asked
                and not answered can be asked again; the caller knows which.
        """
        ...

    def stop(self) -> None:
        """Free memory and processes. Idempotent; safe after a failed start."""
        ...


def answers(stream: Iterable[EngineResult | None]) -> Iterator[EngineResult]:
    """The results of a stream without its ticks: for whoever has no clock to look at."""
    return (result for result in stream if result is not None)
