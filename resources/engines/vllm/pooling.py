"""Scores and embeddings from vLLM, in the same process design as completions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

from resources.engines.options import EngineOptions
from resources.engines.pooling import PoolingRequest, PoolingResult, Task
from resources.engines.vllm.engine import prompt_words
from resources.engines.vllm.options import VllmPoolingOptions
from resources.engines.vllm.session import Session


class VllmPoolingEngine:
    """Scores with a reward model or a classifier, or embeds with an encoder."""

    name = "vllm"
    options_type: ClassVar[type[EngineOptions]] = VllmPoolingOptions

    def __init__(self, options: VllmPoolingOptions, *, where: str, cache: Path, secrets: Mapping[str, str]) -> None:
        self.task: Task = options.task
        self._session = Session(options, task=options.task, where=where, cache=cache, secrets=secrets)

    @property
    def window(self) -> int:
        """Texts taken ahead of what was given back."""
        return self._session.window

    def weights_id(self) -> str:
        """Repository and commit, or a hash of the files that shape the numbers."""
        return self._session.weights_id()

    def describe(self) -> Mapping[str, Any]:
        """The options that were set."""
        return {"engine": self.name, **self._session.describe()}

    def check(self) -> None:
        """See :meth:`resources.engines.vllm.engine.VllmEngine.check`."""
        self._session.check()

    def start(self) -> None:
        """Load the model. Raises EngineError with vLLM's own reason."""
        self._session.start()

    def pool(self, requests: Iterable[PoolingRequest]) -> Iterator[PoolingResult | None]:
        """One vector for each text; None when nothing ended for a second."""
        asks = ((request.number, prompt_words(request.prompt)) for request in requests)
        for found in self._session.exchange(asks):
            yield None if found is None else _result(*found)

    def stop(self) -> None:
        """End the child and all processes of vLLM. Idempotent."""
        self._session.stop()


def _result(number: int, frame: Mapping[str, Any]) -> PoolingResult:
    failure = frame.get("failure")
    return PoolingResult(
        number,
        values=() if failure else tuple(frame["values"]),
        prompt_tokens=frame.get("prompt_tokens"),
        failure=failure,
        is_permanent=bool(frame.get("permanent")),
    )
