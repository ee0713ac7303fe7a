"""The process that holds vLLM: frames in, requests through its asynchronous engine, frames out.

Runs alone, started by ``resources/engines/vllm/session.py``, perhaps by another interpreter. It decides nothing: every
sampling value comes with the request, and each sample is a request of its own with its own seed. That is what vLLM
makes of a request for n samples too, except that it gives those back together, when the last one ends; the prompt they
share is calculated once, by the prefix cache.

Frames in: ``load`` (once), ``ask`` (a list), ``cancel``. Frames out: ``ready``, ``refused`` (the load failed),
``results`` (a list), ``broken`` (the engine is dead, the process ends).
"""
# vLLM lives in an environment of its own, where the type checker does not look:
# pyright: reportMissingImports=false, reportAttributeAccessIssue=false

from __future__ import annotations

import asyncio
import dataclasses
import difflib
import json
import os
import signal
import sys
import threading
import typing
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from resources.engines.process.child import leave, leave_with_parent
from resources.engines.process.frames import FrameError, read_frame, write_frame
from resources.engines.vllm.failures import BadArguments, describe_failure, failure_of
from resources.engines.vllm.probe import defaults, look
from resources.engines.vllm.prompts import PromptReader, Refusal

POOLING_TASKS = {"score": "classify", "embed": "embed"}
"""Our word -> vLLM's."""

_RANKS = (8, 16, 32, 64, 128, 256, 320, 512)
"""Ranks of a LoRA that vLLM makes room for."""


@dataclass(slots=True)
class Model:
    """The engine, and what a request needs beside its own values."""

    engine: Any
    reader: PromptReader
    context: int
    capacity: int
    task: str | None = None
    lora: Any = None
    parser: Any = None
    """Class that tells a reasoning part from an answer."""
    parsers: dict[str, Any] = field(default_factory=dict)

    async def answer(self, ask: dict[str, Any], ids: list[int]) -> dict[str, Any]:
        """The result of one sample."""
        from vllm.inputs import tokens_input

        parser = self._parser_of(ask)
        params = sampling_params(ask)
        if parser is not None:
            params.skip_special_tokens = parser[1].skip_special_tokens
        final = None
        async for output in self.engine.generate(tokens_input(ids), params, str(ask["id"]), lora_request=self.lora):
            final = output
        if final is None or not final.outputs:
            return {"failure": "vLLM gave no output", "prompt_tokens": len(ids)}
        completion = final.outputs[0]
        result = {"prompt_tokens": len(ids), "tokens": len(completion.token_ids), "reason": completion.finish_reason}
        if completion.finish_reason not in {"stop", "length"}:
            return {**result, "failure": f"vLLM ended the sample with {completion.finish_reason!r}"}
        if parser is None:
            return {**result, "text": completion.text}
        reasoning, content, _ = parser[0].parse(
            completion.text, parser[1], model_output_token_ids=list(completion.token_ids)
        )
        return {**result, "text": content or "", "reasoning": reasoning}

    async def pool(self, ask: dict[str, Any], ids: list[int]) -> dict[str, Any]:
        """The vector of one text."""
        from vllm.inputs import tokens_input
        from vllm.pooling_params import PoolingParams

        params = PoolingParams(task=POOLING_TASKS[str(self.task)])  # type: ignore[arg-type]
        final = None
        async for output in self.engine.encode(tokens_input(ids), params, str(ask["id"]), lora_request=self.lora):
            final = output
        if final is None or final.outputs is None:
            return {"failure": "vLLM gave no output", "prompt_tokens": len(ids)}
        return {"prompt_tokens": len(ids), "values": final.outputs.data.flatten().float().tolist()}

    def _parser_of(self, ask: dict[str, Any]) -> tuple[Any, Any] | None:
        """Parser and request for a conversation; a raw prompt's text is given back as it is, as a server does."""
        if self.parser is None or ask["mode"] != "chat":
            return None
        key = json.dumps(ask["arguments"], sort_keys=True)
        if key not in self.parsers:
            from vllm.entrypoints.openai.chat_completion.protocol import ChatCompletionRequest

            parser = self.parser(self.engine.get_tokenizer(), chat_template_kwargs=ask["arguments"])
            request = ChatCompletionRequest(messages=[{"role": "user", "content": ""}], model="")
            self.parsers[key] = (parser, parser.adjust_request(request))
        return self.parsers[key]


def sampling_params(ask: dict[str, Any]) -> Any:
    """Every value is set here: defaults, the model's or vLLM's, would be hidden inputs."""
    from vllm import SamplingParams
    from vllm.sampling_params import RequestOutputKind, StructuredOutputsParams

    sampling = ask["sampling"]
    grammar = json.loads(sampling["grammar"]) if sampling["grammar"] else None
    return SamplingParams(
        n=1,
        temperature=sampling["temperature"],
        top_p=sampling["top_p"],
        top_k=sampling["top_k"],
        min_p=sampling["min_p"],
        presence_penalty=sampling["presence_penalty"],
        frequency_penalty=sampling["frequency_penalty"],
        repetition_penalty=sampling["repetition_penalty"],
        max_tokens=sampling["max_tokens"],
        min_tokens=0,
        stop=[stop for stop in sampling["stop"] if stop],
        seed=ask["seed"],
        ignore_eos=False,
        skip_special_tokens=True,
        output_kind=RequestOutputKind.FINAL_ONLY,
        structured_outputs=StructuredOutputsParams(**grammar) if grammar else None,
    )


def load(frame: dict[str, Any]) -> Model:
    """Load as the frame says. Raises what vLLM raises."""
    from vllm.engine.arg_utils import AsyncEngineArgs
    from vllm.usage.usage_lib import UsageContext
    from vllm.v1.engine.async_llm import AsyncLLM

    arguments = {**({} if frame["task"] else defaults(look()["platform"])), **frame["arguments"]}
    _refuse_unknown(arguments, {known.name for known in dataclasses.fields(AsyncEngineArgs)})
    lora = _adapter(frame["adapter"], arguments) if frame["adapter"] else None
    parsed = AsyncEngineArgs(**_nested(arguments, AsyncEngineArgs))
    # The context of a batch job: with it vLLM takes larger batches than for a server whose users wait.
    engine = AsyncLLM.from_engine_args(parsed, usage_context=UsageContext.LLM_CLASS)
    config = engine.vllm_config
    context = config.model_config.max_model_len
    encoder = getattr(config.model_config, "encoder_config", None) or {}
    return Model(
        engine=engine,
        reader=PromptReader(
            _own_copy(engine.get_tokenizer()),
            context,
            reserve=0 if frame["task"] else 1,
            is_lowered=bool(frame["task"] and encoder.get("do_lower_case")),
        ),
        context=context,
        capacity=config.scheduler_config.max_num_seqs * config.parallel_config.data_parallel_size,
        task=frame["task"],
        lora=lora,
        parser=_reasoning_parser(parsed),
    )


def _refuse_unknown(arguments: dict[str, Any], known: set[str]) -> None:
    import vllm

    unknown = [name for name in arguments if name not in known]
    if unknown:
        named = []
        for name in unknown:
            like = difflib.get_close_matches(name, known, n=1)
            named.append(f"{name!r}" + (f" (nearest: {like[0]!r})" if like else ""))
        raise BadArguments(f"vLLM {vllm.__version__} has no engine argument {', '.join(named)}")


def _nested(arguments: dict[str, Any], kind: type) -> dict[str, Any]:
    """Mappings made into the configuration classes that stand in their place; vLLM does so for a part of them only."""
    made = dict(arguments)
    for known in dataclasses.fields(kind):
        if isinstance(value := made.get(known.name), dict):
            allowed = typing.get_args(known.type) or (known.type,)
            classes = [each for each in allowed if isinstance(each, type) and dataclasses.is_dataclass(each)]
            if len(classes) == 1 and not any(typing.get_origin(each) is dict or each is dict for each in allowed):
                made[known.name] = classes[0](**value)
    return made


def _adapter(adapter: dict[str, Any], arguments: dict[str, Any]) -> Any:
    from vllm.lora.request import LoRARequest

    path = adapter["path"]
    if path is None:
        from huggingface_hub import snapshot_download

        path = snapshot_download(adapter["hub"], revision=adapter["revision"])
    rank = int(json.loads((Path(path) / "adapter_config.json").read_text())["r"])
    arguments["enable_lora"] = True
    arguments.setdefault("max_loras", 1)
    arguments.setdefault("max_lora_rank", next((size for size in _RANKS if size >= rank), rank))
    return LoRARequest("adapter", 1, str(path))


def _own_copy(tokenizer: Any) -> Any:
    """A tokenizer for the thread that reads prompts: vLLM uses its own at the same time, to write texts."""
    import copy

    return copy.deepcopy(tokenizer)


def _reasoning_parser(parsed: Any) -> Any:
    if not parsed.reasoning_parser:
        return None
    from vllm.parser import ParserManager

    return ParserManager.get_parser(reasoning_parser_name=parsed.reasoning_parser)


class Server:
    """Answers frames until the input ends or the engine is dead."""

    def __init__(self, model: Model, out: BinaryIO) -> None:
        self._model = model
        self._out = out
        self._loop = asyncio.get_running_loop()
        self._tasks: set[asyncio.Task[None]] = set()
        self._results: list[dict[str, Any]] = []
        self._reading = ThreadPoolExecutor(1, "prompts")
        self._dead: asyncio.Future[BaseException] = self._loop.create_future()

    async def run(self, inbox: asyncio.Queue[dict[str, Any] | None]) -> BaseException | None:
        """The exception that killed the engine; None when the input ended."""
        frames = asyncio.create_task(self._take(inbox))
        await asyncio.wait({frames, self._dead}, return_when=asyncio.FIRST_COMPLETED)
        if self._dead.done():
            self._write()
            return self._dead.result()
        frames.result()
        return None

    async def _take(self, inbox: asyncio.Queue[dict[str, Any] | None]) -> None:
        while (frame := await inbox.get()) is not None:
            if frame["op"] == "cancel":
                await self._cancel()
            else:
                await self._begin(frame["asks"])

    async def _begin(self, asks: list[dict[str, Any]]) -> None:
        read = await self._loop.run_in_executor(self._reading, self._read, asks)
        for ask, ids in zip(asks, read, strict=True):
            if isinstance(ids, Refusal):
                self._give({"id": ask["id"], "failure": str(ids), "permanent": True})
                continue
            task = asyncio.create_task(self._one(ask, ids))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def _read(self, asks: list[dict[str, Any]]) -> list[list[int] | Refusal]:
        """In a thread: a long prompt must not keep finished samples waiting."""
        read: list[list[int] | Refusal] = []
        for ask in asks:
            try:
                read.append(self._model.reader.read(ask))
            except Refusal as refusal:
                read.append(refusal)
        return read

    async def _one(self, ask: dict[str, Any], ids: list[int]) -> None:
        from vllm.v1.engine.exceptions import EngineDeadError

        work = self._model.pool if self._model.task else self._model.answer
        try:
            result = await work(ask, ids)
        except EngineDeadError as exc:
            if not self._dead.done():
                self._dead.set_result(exc)
            return
        except Exception as exc:  # whatever vLLM raises for one request is the end of that request only
            result = {"prompt_tokens": len(ids), **failure_of(exc)}
        self._give({"id": ask["id"], **result})

    async def _cancel(self) -> None:
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._results.clear()

    def _give(self, result: dict[str, Any]) -> None:
        """Results of one step of the engine go out in one frame."""
        self._results.append(result)
        if len(self._results) == 1:
            self._loop.call_soon(self._write)

    def _write(self) -> None:
        if self._results:
            write_frame(self._out, {"op": "results", "results": self._results})
            self._results = []


class _Inbox:
    """Frames from the parent, read in a thread.

    While vLLM loads, which nothing can interrupt, the end of input ends the process and all that it started; later it
    lets the engine close in order.
    """

    def __init__(self, stream: BinaryIO, loop: asyncio.AbstractEventLoop) -> None:
        self.frames: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()
        self.is_loaded = False
        self._loop = loop
        threading.Thread(target=self._read, args=(stream,), daemon=True, name="inbox").start()

    def _read(self, stream: BinaryIO) -> None:
        try:
            while (frame := read_frame(stream)) is not None:
                self._loop.call_soon_threadsafe(self.frames.put_nowait, frame)
        except (FrameError, OSError):
            leave()
        if not self.is_loaded:
            leave()
        self._loop.call_soon_threadsafe(self.frames.put_nowait, None)


async def _run(out: BinaryIO) -> int:
    inbox = _Inbox(sys.stdin.buffer, asyncio.get_running_loop())
    frame = await inbox.frames.get()
    if frame is None:
        return 0
    try:
        model = load(frame)
    except (Exception, SystemExit) as exc:  # whatever vLLM raises while it loads ends this process, in words
        write_frame(out, {"op": "refused", "what": describe_failure(exc), "import": isinstance(exc, ImportError)})
        return 1
    inbox.is_loaded = True
    import vllm

    write_frame(
        out,
        {"op": "ready", "capacity": model.capacity, "context": model.context, "version": vllm.__version__},
    )
    dead = await Server(model, out).run(inbox.frames)
    if dead is not None:
        write_frame(out, {"op": "broken", "what": describe_failure(dead)})
        return 1
    model.engine.shutdown()
    return 0


def main(parent: int) -> None:
    """Entry point of the child process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a Ctrl-C is the parent's business: it ends this process in order
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # a library that prints would tear the frames
    leave_with_parent(parent)
    code = asyncio.run(_run(out))
    out.flush()
    sys.stderr.flush()
    os._exit(code)  # not the way of an exit: vLLM's threads and its processes would be waited for
