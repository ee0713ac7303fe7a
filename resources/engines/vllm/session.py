"""A child process with vLLM in it: started once, asked one exchange at a time, ended with all that it started.

What is asked and what comes back is the business of ``engine.py`` (completions) and ``pooling.py`` (numbers); here are
the process, its environment, how many requests it takes at once, and what its failures mean.
"""

from __future__ import annotations

import contextlib
import itertools
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

from resources.engines.named_weights import NamedWeights, hub_reference
from resources.engines.process.child import Child
from resources.engines.protocol import TICK_S
from resources.engines.vllm import preflight
from resources.engines.vllm.causes import last_exception, redact, remedy, root_cause
from resources.engines.vllm.options import VllmOptions
from resources.errors import EngineError
from resources.paths import expanded

Key = TypeVar("Key")

FIRST_WINDOW = 256
"""Requests taken ahead before the engine is loaded and says how many it works on."""

ASKS_PER_FRAME = 32
"""The first requests of a full window are calculated while the others are still on their way."""

QUIET: Mapping[str, str] = {
    "VLLM_NO_USAGE_STATS": "1",
    "DO_NOT_TRACK": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
}
"""Nothing is told to anybody."""

_WORKER = "resources.engines.vllm.worker"
_GOODBYE_S = 15.0
"""Time to close in order. vLLM gives its own processes 5 s, and several of them end one after the other."""

_AGAIN = (
    "Run the same command again: stored answers are kept. If it happens again, give it more memory, or lower "
    "`context_tokens`, engine_args.max_num_seqs or engine_args.gpu_memory_utilization."
)


class Session:
    """One set of options, at most one process."""

    def __init__(
        self,
        options: VllmOptions,
        *,
        task: str | None,
        where: str,
        cache: Path,
        secrets: Mapping[str, str],
    ) -> None:
        self._options = options
        self._task = task
        self._where = where
        self._log = cache / "vllm.log"
        self._secrets = {name: value for name, value in secrets.items() if name == "HF_TOKEN"}
        self._weights = NamedWeights(options, where=where, cache=cache)
        self._weights_id: str | None = None
        self._child: Child | None = None
        self._last_id = 0
        self._is_busy = False
        self._capacity: int | None = None

    @property
    def window(self) -> int:
        """Requests taken ahead of what was given back.

        What the engine works on, and a quarter more that wait there, so that a place is filled before the next step and
        not after the way to this process and back.
        """
        if self._capacity is None:
            return FIRST_WINDOW
        return self._capacity + max(2, self._capacity // 4)

    @property
    def pid(self) -> int | None:
        """Process id of the child, while there is one."""
        return self._child.pid if self._child else None

    def weights_id(self) -> str:
        """Names the weights (``resources/engines/named_weights.py``)."""
        if self._weights_id is None:
            self._weights_id = self._weights.name()
        return self._weights_id

    def describe(self) -> dict[str, Any]:
        """The options that were set, without folders of this machine."""
        shown = self._options.model_dump(mode="json", exclude_defaults=True, exclude={"python"})
        for name in ("path", "adapter", "tokenizer"):
            if (value := shown.get(name)) and hub_reference(value) is None:
                shown[name] = Path(value).name
        return {"weights": self.weights_id(), **shown}

    def check(self) -> None:
        """See, within seconds, whether ``start`` can work."""
        env = self._env()
        platform = preflight.check_package(self._options, self._where)
        self._weights.check_fixed()
        folder = self._weights.locate()
        for option in ("adapter", "tokenizer"):
            value = getattr(self._options, option)
            if value and hub_reference(value) is None:
                self._weights.folder(option, value)
        preflight.check_cached(self._options, env, self._where)
        if platform == "cuda":
            preflight.check_devices(self._options, folder, env, self._where)

    def start(self) -> None:
        """Start the child and wait until the model is loaded (40 s to many minutes). Idempotent."""
        if self._child is not None:
            return
        self.check()
        python = self._options.python
        child = Child(
            _WORKER,
            where=self._where,
            env=self._env(),
            python=str(expanded(python)) if python else None,
            is_guarded=True,
            goodbye_s=_GOODBYE_S,
        )
        try:
            child.send(self._load_frame())
            answer = child.receive()
        except EngineError as exc:
            child.stop()
            raise self._failure(child, exc.what, is_loaded=False, is_death=True) from None
        except BaseException:
            child.stop()
            raise
        if answer["op"] != "ready":
            child.stop()
            raise self._failure(child, str(answer["what"]), is_loaded=False)
        self._capacity = int(answer["capacity"])
        self._child = child

    def stop(self) -> None:
        """End the child and all that it started. Idempotent."""
        child, self._child = self._child, None
        if child is not None:
            child.stop()

    def exchange(self, asks: Iterator[tuple[Key, dict[str, Any]]]) -> Iterator[tuple[Key, dict[str, Any]] | None]:
        """Send ``asks`` as there is room, give each result with the key of its ask; None after a second of silence.

        Closing the iterator early drops what is at work and keeps the model.
        """
        if self._is_busy:
            raise EngineError(
                "the engine already answers another stage", where=self._where, fix="Ask one stage after the other."
            )
        self.start()
        self._is_busy = True
        open_asks: dict[int, Key] = {}
        is_sound = False
        try:
            yield from self._exchange(asks, open_asks)
            is_sound = True
        except EngineError:
            raise
        except (Exception, GeneratorExit):
            is_sound = True  # the caller's own trouble; but an interrupt may have torn a frame
            raise
        finally:
            self._is_busy = False
            if not is_sound:
                self.stop()
            elif open_asks:
                self._cancel()

    def _exchange(
        self, asks: Iterator[tuple[Key, dict[str, Any]]], open_asks: dict[int, Key]
    ) -> Iterator[tuple[Key, dict[str, Any]] | None]:
        is_more = True
        while True:
            while is_more and (room := self.window - len(open_asks)) > 0:
                taken = list(itertools.islice(asks, min(room, ASKS_PER_FRAME)))
                is_more = bool(taken)
                self._ask(taken, open_asks)
            if not open_asks:
                return
            frame = self._receive()
            if frame is None:
                yield None
                continue
            for result in frame["results"]:
                # An id of an exchange that was closed early is no longer known, and its late results go nowhere.
                if (key := open_asks.pop(result["id"], None)) is not None:
                    yield key, result

    def _ask(self, taken: list[tuple[Key, dict[str, Any]]], open_asks: dict[int, Key]) -> None:
        frames = []
        for key, ask in taken:
            self._last_id += 1
            open_asks[self._last_id] = key
            frames.append({"id": self._last_id, **ask})
        if frames:
            self._send({"op": "ask", "asks": frames})

    def _cancel(self) -> None:
        try:
            self._send({"op": "cancel"})
        except EngineError:
            self.stop()  # it died in between: the next start makes a new one

    def _send(self, frame: dict[str, Any]) -> None:
        child = self._running()
        try:
            child.send(frame)
        except EngineError as exc:
            raise self._failure(child, exc.what, is_loaded=True, is_death=True) from None

    def _receive(self) -> dict[str, Any] | None:
        child = self._running()
        try:
            frame = child.receive(TICK_S)
        except EngineError as exc:
            raise self._failure(child, exc.what, is_loaded=True, is_death=True) from None
        if frame is not None and frame["op"] == "broken":
            raise self._failure(child, str(frame["what"]), is_loaded=True)
        return frame

    def _running(self) -> Child:
        if self._child is None:
            raise EngineError(
                "the engine was stopped in the middle of a stage", where=self._where, fix="Run the command again."
            )
        return self._child

    def _failure(self, child: Child, said: str, *, is_loaded: bool, is_death: bool = False) -> EngineError:
        """An error that names vLLM's own reason. While it loads, only a killed process may do better another time.

        It is raised ``from None``: the child's own error quotes the log as it is, and event logs keep causes too.
        """
        env = self._env()
        log = [redact(line, env) for line in child.last_words()]
        self._keep(log)
        cause = redact(root_cause(said, log), env)
        ended = said.partition("; its last words: ")[0]
        if is_death:
            reason = last_exception(log)
            cause = f"{ended}: {reason}" if reason else ended
        if is_loaded:
            return EngineError(f"vLLM stopped: {cause}", where=self._where, fix=_AGAIN, retryable=True)
        is_killed = is_death and "was ended by" in ended
        return EngineError(
            f"vLLM cannot load the model: {cause}",
            where=self._where,
            fix=_AGAIN if is_killed else remedy(cause, str(self._log)),
            retryable=is_killed,
        )

    def _keep(self, log: list[str]) -> None:
        with contextlib.suppress(OSError):  # a full or read-only disk must not hide the reason itself
            self._log.parent.mkdir(parents=True, exist_ok=True)
            self._log.write_text("\n".join(log) + "\n", encoding="utf-8", errors="replace")

    def _env(self) -> dict[str, str]:
        """The environment of the child."""
        env = {
            # A fork of a process with threads may hang, and would hold copies of our pipes.
            "VLLM_WORKER_MULTIPROCESSING_METHOD": "spawn",
            **os.environ,
            **QUIET,
            **self._secrets,
            **self._options.env,
        }
        if self._options.visible_devices is not None:
            env["CUDA_VISIBLE_DEVICES"] = ",".join(self._options.visible_devices)
        return env

    def _load_frame(self) -> dict[str, Any]:
        options = self._options
        path = self._weights.locate()
        arguments: dict[str, Any] = {
            "enable_prefix_caching": self._task is None,
            "disable_log_stats": True,
            **options.engine_args,
            "model": str(path) if path else options.model,
            "revision": options.revision,
            "dtype": options.dtype,
            "quantization": options.quantisation,
            "max_model_len": options.context_tokens,
            "generation_config": "vllm",
            "runner": "pooling" if self._task else "generate",
        }
        if options.tokenizer:
            named = hub_reference(options.tokenizer)
            arguments["tokenizer"] = named[0] if named else str(self._weights.folder("tokenizer", options.tokenizer))
            arguments["tokenizer_revision"] = named[1] if named else None
        return {"op": "load", "task": self._task, "arguments": arguments, "adapter": self._adapter()}

    def _adapter(self) -> dict[str, Any] | None:
        value = self._options.adapter
        if not value:
            return None
        named = hub_reference(value)
        if named:
            return {"path": None, "hub": named[0], "revision": named[1]}
        return {"path": str(self._weights.folder("adapter", value))}
