"""An engine for tests that answers like the scripted one, until it is told to break: it dies, forgets, or is slow."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

from pydantic import Field

from resources.engines.options import EngineOptions
from resources.engines.protocol import EngineRequest, EngineResult
from resources.errors import EngineError

LOG: list[str] = []
"""What happened, over all engines of a test."""


class FragileOptions(EngineOptions):
    """How it breaks; none of it changes an answer."""

    operational: ClassVar[frozenset[str]] = frozenset(
        (
            "dies_each",
            "poison",
            "forgets",
            "device",
            "is_refused",
            "says_twice",
            "silent_ticks",
            "start_s",
            "ctrl_c_at",
        )
    )

    dies_each: int = Field(0, description="Dies when it has been asked so many samples since its start; 0: never.")
    poison: str = Field("", description="Dies when it is asked a prompt with this text.")
    forgets: int = Field(0, description="Leaves so many samples of its first stream without an answer.")
    device: str = Field("", description="Says that it fills a device.")
    is_refused: bool = Field(False, description="Its check fails.")
    says_twice: bool = Field(False, description="Answers a sample twice.")
    silent_ticks: int = Field(0, description="Ticks before each answer.")
    start_s: float = Field(0.0, description="Seconds that a start takes.")
    ctrl_c_at: int = Field(-1, description="Ctrl-C comes when it has been asked so many samples; 0: while it starts.")


class FragileEngine:
    """Holds up to four samples at once, so that a death has company."""

    name = "fragile"
    options_type: ClassVar[type[EngineOptions]] = FragileOptions

    def __init__(self, options: FragileOptions, *, where: str, cache: Path, secrets: Mapping[str, str]) -> None:
        del cache, secrets
        self._options, self._where = options, where
        self._is_up = False
        self._asked = 0
        self._to_forget = options.forgets

    @property
    def holds_device(self) -> bool:
        return bool(self._options.device)

    def weights_id(self) -> str:
        return "fragile:1"

    def describe(self) -> Mapping[str, Any]:
        return {"engine": self.name, "weights": self.weights_id()}

    def check(self) -> None:
        LOG.append("check")
        if self._options.is_refused:
            raise EngineError("the model is gone", where=self._where, fix="Bring it back")

    def start(self) -> None:
        if not self._is_up:
            LOG.append(f"start {self._options.device}".strip())
            self._is_up, self._asked = True, 0
            self._press()
            time.sleep(self._options.start_s)

    def _press(self) -> None:
        if self._asked == self._options.ctrl_c_at:
            os.kill(os.getpid(), signal.SIGINT)

    def stop(self) -> None:
        if self._is_up:
            LOG.append(f"stop {self._options.device}".strip())
        self._is_up = False

    def stream(self, requests: Iterable[EngineRequest]) -> Iterator[EngineResult | None]:
        held: list[tuple[EngineRequest, int]] = []
        for request in requests:
            for index in range(request.first, request.first + request.count):
                self._asked += 1
                LOG.append(f"ask {request.prompt.text[-40:]!r} {index}")
                held.append((request, index))
                self._press()
                is_poison = self._options.poison and self._options.poison in request.prompt.text
                if is_poison or (self._options.dies_each and self._asked % self._options.dies_each == 0):
                    self._is_up = False
                    LOG.append("death")
                    raise EngineError("the engine's process died", where=self._where, fix="Again", retryable=True)
                if len(held) > 3:
                    yield from self._answer(*held.pop(0))
        for request, index in held:
            yield from self._answer(request, index)

    def _answer(self, request: EngineRequest, index: int) -> Iterator[EngineResult | None]:
        for _ in range(self._options.silent_ticks):
            yield None
        if self._to_forget:
            self._to_forget -= 1
            return
        text = f"It is \\boxed{{{request.seed(index) % 5}}}."
        for _ in range(1 + self._options.says_twice):
            yield EngineResult(request.number, index, text, prompt_tokens=50, completion_tokens=10)
