"""The process that holds the model of the engine ``openvino``: frames in, tokens through the pipeline, frames out.

Runs alone, started by ``resources/engines/openvino/engine.py``. It decides nothing: every sampling value comes with the
request, and each sample is a request of its own, with its own seed. No Dagster, no pydantic: it starts in a second.

Frames in: ``load`` (once), ``ask``, ``cancel``; or ``devices`` alone. Frames out: ``ready``, ``refused`` (the load
failed), ``result``, ``broken`` (a step failed, the process ends), ``devices``.
"""

from __future__ import annotations

import os
import queue
import re
import signal
import sys
import threading
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from resources.engines.openvino import library
from resources.engines.openvino.grammar import structured
from resources.engines.openvino.rendering import Refusal, Renderer, first_line
from resources.engines.process.child import leave_with_parent
from resources.engines.process.frames import FrameError, read_frame, write_frame

MAX_CONTEXT = 131_072
"""Longest context that is looked for in a tokenizer when nothing else says how long it is."""

STOP_SLACK = 4
"""Tokens looked at beyond the bytes of the longest stop string: the first of a cut piece may decode another way."""

_FIRST_PROOF = 1 << 62
"""Numbers of the requests that prove grammars: far from those of the parent."""

_SOURCE_LINE = re.compile(r"^(\[[\d:]+\] )?\S+\.\w+:\d+: ")
"""What stands before an error of the grammar library: a time, and a file of the machine where it was built."""


@dataclass(slots=True)
class _Open:
    """A sample at work."""

    handle: Any
    prompt_tokens: int
    stops: list[str]
    ids: list[int] = field(default_factory=list)
    end: str | None = None
    """Why it ended: stop, length, or full (no room in the KV cache)."""

    @property
    def tail(self) -> list[int]:
        """The tokens that may hold a stop string: each token is at least one byte of it."""
        return self.ids[-(max(len(stop.encode("utf-8", "replace")) for stop in self.stops) + STOP_SLACK) :]

    def read(self) -> None:
        """Take over the tokens of the last step."""
        while self.handle.can_read():
            for output in self.handle.read().values():
                self.ids.extend(output.generated_ids)
                if output.finish_reason.name != "NONE":
                    self.end = output.finish_reason.name.lower()
        if self.end is None and self.handle.get_status().name != "RUNNING":
            self.end = "full"


@dataclass(slots=True)
class Model:
    """The pipeline, its tokenizer, the samples at work and those that wait for a place."""

    pipeline: Any
    renderer: Renderer
    eos: int
    stop_ids: set[int]
    batch_size: int = 1
    open: dict[int, _Open] = field(default_factory=dict)
    waiting: deque[dict[str, Any]] = field(default_factory=deque)
    verdicts: dict[str, str | None] = field(default_factory=dict)
    """Grammars that were tried, with why they were refused; None for a good one."""

    def admit(self) -> list[dict[str, Any]]:
        """Give waiting samples the free places of the batch; the results of those that cannot be begun.

        The pipeline looks into its prefix cache when a request is added. So a first request goes alone, or a full
        batch would calculate the same examples once for each; and of one prompt a single sample begins in a step.
        """
        refused: list[dict[str, Any]] = []
        later: list[dict[str, Any]] = []
        begun: set[str] = set()
        is_idle = not self.open
        while self.waiting and len(self.open) < self.batch_size and not (is_idle and self.open):
            if not self._prove(self.waiting[0]["sampling"]["grammar"]):
                break
            frame = self.waiting.popleft()
            prompt = frame["text"] or repr(frame["messages"])
            if prompt in begun:
                later.append(frame)
                continue
            begun.add(prompt)
            if result := self.ask(frame):
                refused.append(result)
        self.waiting.extendleft(reversed(later))
        return refused

    def ask(self, frame: dict[str, Any]) -> dict[str, Any] | None:
        """Begin one sample. Returns its result at once when it cannot be begun."""
        try:
            if reason := self.verdicts.get(frame["sampling"]["grammar"]):
                raise Refusal(f"the grammar is refused: {reason}")
            tokens = self.renderer.tokens(frame)
        except Refusal as exc:
            return {"op": "result", "id": frame["id"], "failure": str(exc), "permanent": True}
        count = int(tokens.shape[1])
        config = self._config(frame["sampling"], frame["seed"], self.renderer.context - count)
        handle = self.pipeline.add_request(frame["id"], tokens, config)
        stops = [stop for stop in frame["sampling"]["stop"] if stop]
        self.open[frame["id"]] = _Open(handle, count, stops)
        return None

    def step(self) -> list[dict[str, Any]]:
        """One token more for each sample at work; the results of those that ended."""
        self.pipeline.step()
        for sample in self.open.values():
            sample.read()
        self._stop()
        ended = [number for number, sample in self.open.items() if sample.end]
        return [self._result(number, self.open.pop(number)) for number in ended]

    def _stop(self) -> None:
        """End the samples whose text holds one of their stop strings.

        Not by the pipeline's own ``stop_strings``: it looks at as many tokens as the stop string has when it is
        tokenised by itself, and so misses two newlines that the model writes as two tokens; and it takes away whole
        tokens, with the characters before the stop string.
        """
        genai = library.genai()

        waiting = [sample for sample in self.open.values() if sample.stops and sample.ids and not sample.end]
        if not waiting:
            return
        for sample, text in zip(waiting, self._decode([sample.tail for sample in waiting]), strict=True):
            if any(stop in text for stop in sample.stops):
                sample.handle.stop(genai.GenerationFinishReason.STOP)
                sample.end = "stop"

    def cancel(self) -> None:
        """Drop all samples at work. A step lets the pipeline free their memory."""
        for sample in self.open.values():
            sample.handle.cancel()
        self.open.clear()
        self.waiting.clear()
        self._drain()

    def _drain(self) -> None:
        while self.pipeline.has_non_finished_requests():
            self.pipeline.step()

    def _prove(self, grammar: str) -> bool:
        """See whether the pipeline takes ``grammar``. False when that must wait: a bad one would stop all at work."""
        if not grammar or grammar in self.verdicts:
            return True
        if self.open:
            return False
        try:
            config = structured(grammar)
        except Refusal as exc:
            self.verdicts[grammar] = str(exc)
            return True
        self.verdicts[grammar] = self._try_out(config)
        return True

    def _try_out(self, structured_output: Any) -> str | None:
        """Why the pipeline refuses a grammar; None when it takes it."""
        genai = library.genai()

        config = genai.GenerationConfig()
        config.max_new_tokens = 1
        config.apply_chat_template = False
        config.structured_output_config = structured_output
        tokens = self.renderer.tokenizer.encode("a", add_special_tokens=False).input_ids
        handle = self.pipeline.add_request(_FIRST_PROOF + len(self.verdicts), tokens, config)
        reason = None
        try:
            self.pipeline.step()
        except RuntimeError as exc:
            reason = _SOURCE_LINE.sub("", first_line(exc))
            handle.cancel()
        self._drain()
        return reason

    def _config(self, sampling: dict[str, Any], seed: int, room: int) -> Any:
        """Every value is set here: the model's own defaults would be hidden inputs."""
        genai = library.genai()

        config = genai.GenerationConfig()
        config.eos_token_id = self.eos
        config.stop_token_ids = self.stop_ids
        config.apply_chat_template = False
        config.do_sample = sampling["temperature"] > 0
        if config.do_sample:
            config.temperature = sampling["temperature"]
            config.top_p = sampling["top_p"]
            config.top_k = sampling["top_k"]
            config.min_p = sampling["min_p"]
        config.rng_seed = seed
        config.presence_penalty = sampling["presence_penalty"]
        config.frequency_penalty = sampling["frequency_penalty"]
        config.repetition_penalty = sampling["repetition_penalty"]
        config.max_new_tokens = min(sampling["max_tokens"], room)
        config.min_new_tokens = 0
        config.stop_strings = set()  # see _stop
        config.num_return_sequences = 1
        config.ignore_eos = False
        config.echo = False
        config.logprobs = 0
        if sampling["grammar"]:
            config.structured_output_config = structured(sampling["grammar"])
        return config

    def _result(self, number: int, sample: _Open) -> dict[str, Any]:
        frame: dict[str, Any] = {"op": "result", "id": number, "prompt_tokens": sample.prompt_tokens}
        if sample.end == "full":
            return {**frame, "failure": "the KV cache has no room for this sample alone; raise cache_gb"}
        text = self._decode([sample.ids])[0] if sample.ids else ""
        text, is_stopped = _before_stop(text, sample.stops)
        return {**frame, "text": text, "reason": "stop" if is_stopped else sample.end, "tokens": len(sample.ids)}

    def _decode(self, pieces: list[list[int]]) -> list[str]:
        try:
            return self.renderer.tokenizer.decode(pieces)
        except UnicodeDecodeError:  # half a character at the end of one piece: only that one is mended
            return [self._decode_one(piece) for piece in pieces]

    def _decode_one(self, piece: list[int]) -> str:
        try:
            return self.renderer.tokenizer.decode(piece)
        except UnicodeDecodeError as exc:
            return exc.object.decode("utf-8", "replace")


def _before_stop(text: str, stops: list[str]) -> tuple[str, bool]:
    """The text up to its first stop string, and whether there is one."""
    found = [at for stop in stops if (at := text.find(stop)) >= 0]
    return (text[: min(found)], True) if found else (text, False)


def load(frame: dict[str, Any]) -> Model:
    """Load a GGUF file or an OpenVINO folder as the frame says."""
    genai = library.genai()

    scheduler = genai.SchedulerConfig()
    scheduler.cache_size = frame["cache_gb"]
    scheduler.max_num_seqs = frame["batch_size"]
    scheduler.max_num_batched_tokens = frame["batch_tokens"]
    scheduler.enable_prefix_caching = True
    scheduler.dynamic_split_fuse = True
    pipeline = genai.ContinuousBatchingPipeline(frame["path"], scheduler, frame["device"], frame["properties"])
    tokenizer = pipeline.get_tokenizer()
    config = pipeline.get_config()
    eos = config.eos_token_id if config.eos_token_id >= 0 else tokenizer.get_eos_token_id()
    return Model(
        pipeline=pipeline,
        renderer=Renderer(
            tokenizer=tokenizer,
            context=_context(tokenizer, Path(frame["path"]), frame["context_tokens"]),
            bos=tokenizer.get_bos_token(),
            bos_id=tokenizer.get_bos_token_id(),
            puts_bos=frame["puts_bos"],
        ),
        eos=eos,
        stop_ids=set(config.stop_token_ids) | {eos},
        batch_size=frame["batch_size"],
    )


def _devices() -> dict[str, Any]:
    """The devices that OpenVINO sees on this machine."""
    ov = library.openvino()

    return {"op": "devices", "names": ov.Core().available_devices}


def _context(tokenizer: Any, path: Path, wanted: int | None) -> int:
    """Longest prompt and answer in tokens. The tokenizer cuts longer prompts without a word: so its limit is tried."""
    import json

    limit = wanted or MAX_CONTEXT
    config = path / "config.json"
    if path.is_dir() and config.is_file():
        declared = json.loads(config.read_text()).get("max_position_embeddings")
        limit = min(limit, declared) if isinstance(declared, int) and declared > 0 else limit
    probe = tokenizer.encode(" 0" * (limit + 1), add_special_tokens=False).input_ids
    return min(limit, int(probe.shape[1]))


class _Inbox:
    """Frames from the parent, read in a thread: the end of input ends the process, also in the middle of a step."""

    def __init__(self, stream: BinaryIO) -> None:
        self._frames: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        threading.Thread(target=self._read, args=(stream,), daemon=True, name="inbox").start()

    def take(self, is_waiting: bool) -> list[dict[str, Any]]:
        """All frames that are there; waits for one when there is nothing else to do."""
        frames = [self._frames.get()] if is_waiting else []
        while not self._frames.empty():
            frames.append(self._frames.get())
        return frames

    def _read(self, stream: BinaryIO) -> None:
        try:
            while (frame := read_frame(stream)) is not None:
                self._frames.put(frame)
        except (FrameError, OSError):
            os._exit(1)
        os._exit(0)  # the parent is gone or done: nothing here is worth keeping


def serve(model: Model, inbox: _Inbox, out: BinaryIO) -> None:
    """Answer until the input ends."""
    while True:
        for frame in inbox.take(is_waiting=not (model.open or model.waiting)):
            if frame["op"] == "cancel":
                model.cancel()
            else:
                model.waiting.append(frame)
        for result in model.admit():
            write_frame(out, result)
        if model.open:
            for result in model.step():
                write_frame(out, result)


def main(parent: int) -> None:
    """Entry point of the child process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a Ctrl-C is the parent's business: it ends this process in order
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # a library that prints would tear the frames
    leave_with_parent(parent)
    inbox = _Inbox(sys.stdin.buffer)
    model = None
    try:
        first = inbox.take(is_waiting=True)[0]
        if first["op"] == "devices":
            write_frame(out, _devices())
            return
        model = load(first)
        write_frame(out, {"op": "ready"})
        serve(model, inbox, out)
    except (RuntimeError, ValueError, TypeError, ImportError, OSError) as exc:
        what = "broken" if model else "refused"
        write_frame(out, {"op": what, "what": first_line(exc), "import": isinstance(exc, ImportError)})
        out.flush()
        os._exit(1)
