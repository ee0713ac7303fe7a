"""Engines that a profile may already name, so that it loads, validates and shows its requests, and that cannot run yet.

This version of mathloom carries the options of ``vllm`` and the identity of its weights (which request keys and counts
need) and refuses to start it with the engine to use instead.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar, NoReturn

from pydantic import Field

from resources.engines.options import COMMIT, EngineOptions
from resources.engines.protocol import EngineRequest, EngineResult
from resources.errors import EngineError


class HubWeights(EngineOptions):
    """Weights named by a repository of the Hub."""

    model: str = Field(
        description="Hub repository of the weights, `org/name`.", pattern=r"^[\w.-]+/[\w.-]+$", max_length=200
    )
    revision: str | None = Field(
        None, description="Commit of the weights (40 hex digits). A branch or a tag moves and counts as unresolved."
    )
    tokenizer: str | None = Field(None, description="Repository of the tokenizer, when it is not the model's own.")
    quantisation: str | None = Field(
        None, description="Quantisation made while loading (fp8, awq, ...): it changes the weights, so also their id."
    )
    adapter: str | None = Field(None, description="LoRA adapter, `org/name@commit`: part of the identity.")
    context_tokens: int | None = Field(None, description="Longest prompt and answer together, in tokens.", gt=0)

    def weights_id(self) -> str:
        """``hf:org/name@commit`` and, after it, what changes the weights while they load."""
        fixed = self.revision if self.revision and COMMIT.fullmatch(self.revision) else "unresolved"
        parts = [f"hf:{self.model}@{fixed}"]
        if self.quantisation:
            parts.append(f"quantisation={self.quantisation}")
        if self.adapter:
            parts.append(f"adapter={self.adapter}")
        return ";".join(parts)


class VllmOptions(HubWeights):
    """vLLM inside this machine, in a process of its own."""

    dtype: str = Field("auto", description="Number type of the weights in memory (auto, bfloat16, float32, ...).")
    engine_args: Mapping[str, Any] = Field(
        default_factory=dict, description="Any other argument of vLLM's engine, passed as written."
    )


class _PlannedEngine:
    """Names its weights; starts nothing."""

    name: str
    holds_device = False

    def __init__(self, options: HubWeights, *, where: str, cache: Path, secrets: Mapping[str, str]) -> None:
        del cache, secrets  # nothing is kept: nothing runs
        self._options = options
        self._where = where

    def weights_id(self) -> str:
        return self._options.weights_id()

    def describe(self) -> Mapping[str, Any]:
        return {"engine": self.name, "weights": self.weights_id(), **self._options.model_dump(mode="json")}

    def check(self) -> None:
        self._refuse()

    def start(self) -> None:
        self._refuse()

    def stream(self, requests: Iterable[EngineRequest]) -> Iterator[EngineResult | None]:
        del requests
        self._refuse()

    def stop(self) -> None:
        """Nothing was started."""

    def _refuse(self) -> NoReturn:
        raise EngineError(
            f"this version of mathloom knows the engine {self.name!r} and cannot run it yet",
            where=self._where,
            fix="Build with a profile whose roles use 'openvino' (a small model on this CPU) or 'scripted' (no model).",
        )


class VllmEngine(_PlannedEngine):
    """``vllm``: offline generation on GPUs."""

    name = "vllm"
    options_type: ClassVar[type[EngineOptions]] = VllmOptions
