"""The engine ``vllm``: completions from vLLM on this machine, in a process that the code server never loads.

The parent's side: requests in, samples out. The process is in ``session.py``, vLLM itself in ``worker.py``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, ClassVar

from resources.engines.options import EngineOptions
from resources.engines.protocol import EngineRequest, EngineResult, Prompt
from resources.engines.vllm.options import VllmOptions
from resources.engines.vllm.session import Session


class VllmEngine:
    """One child process, started by ``start`` and ended by ``stop``; one stream at a time."""

    name = "vllm"
    holds_device = True
    options_type: ClassVar[type[EngineOptions]] = VllmOptions

    def __init__(self, options: VllmOptions, *, where: str, cache: Path, secrets: Mapping[str, str]) -> None:
        self._session = Session(options, task=None, where=where, cache=cache, secrets=secrets)

    @property
    def window(self) -> int:
        """Samples taken ahead of what was given back; known exactly when the engine has started."""
        return self._session.window

    @property
    def pid(self) -> int | None:
        """Process id of the child, while there is one."""
        return self._session.pid

    def weights_id(self) -> str:
        """Repository and commit, or a hash of the files that shape answers."""
        return self._session.weights_id()

    def describe(self) -> Mapping[str, Any]:
        """The options that were set. No times and no folder of this machine: it may end up on a card."""
        return {"engine": self.name, **self._session.describe()}

    def check(self) -> None:
        """See that vLLM is installed, the weights are there or can be downloaded, and devices are enough for them."""
        self._session.check()

    def start(self) -> None:
        """Load the model. Raises EngineError with vLLM's own reason."""
        self._session.start()

    def stream(self, requests: Iterable[EngineRequest]) -> Iterator[EngineResult | None]:
        """Answer each sample; closing the iterator early drops what is at work and keeps the model."""
        for found in self._session.exchange(_asks(requests)):
            yield None if found is None else _result(*found)

    def stop(self) -> None:
        """End the child and all processes of vLLM. Idempotent."""
        self._session.stop()


def prompt_words(prompt: Prompt) -> dict[str, Any]:
    """A prompt as the worker reads it."""
    return {
        "mode": prompt.mode,
        "text": prompt.text,
        "messages": prompt.messages,
        "arguments": dict(prompt.template_arguments),
    }


def _asks(requests: Iterable[EngineRequest]) -> Iterator[tuple[tuple[int, int], dict[str, Any]]]:
    for request in requests:
        shared = {**prompt_words(request.prompt), "sampling": asdict(request.sampling)}
        for index in range(request.first, request.first + request.count):
            yield (request.number, index), {**shared, "seed": request.seed(index)}


def _result(key: tuple[int, int], frame: Mapping[str, Any]) -> EngineResult:
    number, index = key
    if failure := frame.get("failure"):
        return EngineResult(
            number,
            index,
            prompt_tokens=frame.get("prompt_tokens"),
            failure=str(failure),
            is_permanent=bool(frame.get("permanent")),
        )
    return EngineResult(
        number,
        index,
        text=frame["text"],
        reasoning=frame.get("reasoning"),
        finish_reason=frame["reason"],
        prompt_tokens=frame["prompt_tokens"],
        completion_tokens=frame["tokens"],
    )
