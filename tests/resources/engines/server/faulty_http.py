"""An HTTP server of the tests' own that speaks the OpenAI protocol and misbehaves by a plan, on raw sockets.

What it does to a request is drawn from its seed, the body and how often that body came: a run has the same faults
whatever the order in which requests arrive.
"""

from __future__ import annotations

import asyncio
import json
import random
import socket
import struct
import threading
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

BOS = "<s>"
CONTEXT = 5000
"""Characters of a prompt above which it is too long."""


@dataclass
class Request:
    method: str
    path: str
    headers: dict[str, str]
    body: dict[str, Any]
    attempt: int = 0
    """How often this body came before."""


class Hangup(Exception):
    """Close the connection now."""


@dataclass
class Plan:
    """Shares of faults; each is drawn by itself. ``answer``, if set, decides instead."""

    seed: int = 0
    faults: Mapping[str, float] = field(default_factory=dict)
    lasting: float = 0.0
    """Share of bodies whose first fault comes back for ever, unless it is that the server is busy."""
    key: str | None = None
    models: tuple[str, ...] = ("org/m",)
    owner: str = "vllm"
    bos: str = ""
    """The tokenizer's first token."""
    knows_n: bool = True
    answer: Callable[[Request], Awaitable[bytes | None] | None] | None = None


def json_bytes(value: Any) -> bytes:
    return json.dumps(value).encode("ascii")


def http(status: int, body: bytes, *headers: str, kind: str = "application/json") -> bytes:
    lines = [f"HTTP/1.1 {status} X", f"Content-Type: {kind}", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def error(status: int, message: str, *headers: str, **more: Any) -> bytes:
    return http(status, json_bytes({"error": {"message": message, **more}}), *headers)


def good_text(body: Mapping[str, Any], index: int) -> str:
    """The completion with ``index`` of a request: a function of what was asked, and hostile now and then."""
    asked = body.get("prompt") or body["messages"][-1]["content"]
    seed = body["seed"] + index
    decoration = ("", "\x00", "\udc80", "<script>", "\\boxed{7}", "")[seed % 6]
    return f"{asked}|{seed}{decoration}"


def choices(body: Mapping[str, Any], text: Callable[[int], str] | None = None) -> list[dict[str, Any]]:
    is_chat = "messages" in body
    found = []
    for i in range(body.get("n", 1)):
        said = text(i) if text else good_text(body, i)
        what: dict[str, Any] = {"message": {"role": "assistant", "content": said}} if is_chat else {"text": said}
        found.append({"index": i, **what, "finish_reason": "length" if i % 2 else "stop", "token_ids": [1] * (i + 2)})
    return found


def usage(body: Mapping[str, Any]) -> dict[str, int]:
    return {"prompt_tokens": 7, "completion_tokens": sum(i + 2 for i in range(body.get("n", 1)))}


def answer_of(body: Mapping[str, Any], **changes: Any) -> dict[str, Any]:
    return {"id": "x", "choices": choices(body), "usage": usage(body), **changes}


def good(body: Mapping[str, Any]) -> bytes:
    return http(200, json_bytes(answer_of(body)))


def _cut(data: bytes, share: float = 0.6) -> bytes:
    return data[: int(len(data) * share)]


def fault_bytes(name: str, body: Mapping[str, Any]) -> bytes:
    """What is sent for a fault that is no matter of time or connections."""
    found = choices(body)
    table: dict[str, Callable[[], bytes]] = {
        "429": lambda: error(429, "slow down"),
        "429 seconds": lambda: error(429, "slow down", "Retry-After: 0.02"),
        "429 date": lambda: error(429, "slow down", "Retry-After: Wed, 21 Oct 2015 07:28:00 GMT"),
        "429 nonsense": lambda: error(429, "slow down", "Retry-After: soon"),
        "500": lambda: error(500, "CUDA error\x1b[31m\nstack"),
        "502 page": lambda: http(502, b"<html><body>Bad gateway</body></html>", kind="text/html"),
        "503": lambda: error(503, "loading", "Retry-After: 0"),
        "200 page": lambda: http(200, b"<html>Please log in</html>", kind="text/html"),
        "broken json": lambda: http(200, _cut(json_bytes(answer_of(body)))),
        "no object": lambda: http(200, b"[1, 2]"),
        "empty": lambda: http(200, b""),
        "not utf-8": lambda: http(200, b'{"choices": [{"text": "\xff\xfe"}]}'),
        "deep": lambda: http(200, b"[" * 200_000),
        "too many": lambda: http(200, json_bytes(answer_of(body, choices=[*found, *found[:1]]))),
        "too few": lambda: http(200, json_bytes(answer_of(body, choices=found[:-1]))),
        "no choices": lambda: http(200, json_bytes({"id": "x"})),
        "choices of another kind": lambda: http(200, json_bytes(answer_of(body, choices=[7] * len(found)))),
        "no text": lambda: http(200, json_bytes(answer_of(body, choices=[{"index": c["index"]} for c in found]))),
        "no finish": lambda: http(
            200, json_bytes(answer_of(body, choices=[{**c, "finish_reason": None} for c in found]))
        ),
        "given up": lambda: http(
            200, json_bytes(answer_of(body, choices=[{**c, "finish_reason": "abort"} for c in found]))
        ),
        "200 error": lambda: http(200, json_bytes({"error": {"message": "no"}})),
    }
    return table[name]()


WORDS = (
    *("429", "429 seconds", "429 date", "429 nonsense", "500", "502 page", "503", "200 page", "broken json"),
    *("no object", "empty", "not utf-8", "deep", "too many", "too few", "no choices", "choices of another kind"),
    *("no text", "no finish", "given up", "200 error"),
)
"""Faults that are a whole answer."""

BUSY = ("429", "429 seconds", "429 date", "429 nonsense", "503")

WIRE = ("drop", "reset", "half a head", "truncated", "truncated chunks", "no http", "loris", "silence")
"""Faults of time and connections."""

HARMLESS = ("delay", "large")
"""Not faults: a late answer, and 1 MB of text."""


class FaultyServer:
    """Serves in a thread. ``stop`` drops all connections; ``start`` again takes the same port."""

    def __init__(self, plan: Plan | None = None) -> None:
        self.plan = plan or Plan()
        self.port = 0
        self.seen: Counter[bytes] = Counter()
        self.answered: Counter[bytes] = Counter()
        """Bodies that got a whole, good answer."""
        self.done_to: Counter[str] = Counter()
        self.requests: list[Request] = []
        self.at_work = self.most_at_work = 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[Any]] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def __enter__(self) -> FaultyServer:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def start(self) -> None:
        asyncio.run_coroutine_threadsafe(self._start(), self._loop).result(5)

    def stop(self) -> None:
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result(5)

    async def _start(self) -> None:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", self.port, backlog=1024)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _stop(self) -> None:
        if self._server:
            self._server.close()
            self._server = None
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        self._tasks.add(task)
        try:
            while request := await self._read(reader):
                await self._serve(request, writer)
        except (Hangup, OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _read(self, reader: asyncio.StreamReader) -> Request | None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *lines = head.strip().split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        data = await reader.readexactly(int(headers.get("content-length", 0)))
        method, path, _ = first.split(" ", 2)
        self.seen[data] += 1
        return Request(method, path, headers, json.loads(data) if data else {}, self.seen[data] - 1)

    async def _serve(self, request: Request, writer: asyncio.StreamWriter) -> None:
        self.requests.append(request)
        self.at_work += 1
        self.most_at_work = max(self.most_at_work, self.at_work)
        try:
            data = await self._answer(request, writer)
        finally:
            self.at_work -= 1
        if data is not None:
            writer.write(data)
            await writer.drain()

    async def _answer(self, request: Request, writer: asyncio.StreamWriter) -> bytes | None:
        if self.plan.key and request.headers.get("authorization") != f"Bearer {self.plan.key}":
            shown = request.headers.get("authorization", "nothing")
            return error(401, f"wrong key: {shown}")
        if request.method == "GET" or request.path in ("/tokenize", "/detokenize"):
            return self._tell(request)
        if request.body.get("model") not in self.plan.models:
            return error(404, f"The model {request.body.get('model')!r} does not exist.", param="model")
        if self.plan.answer:
            decided = self.plan.answer(request)
            decided = await decided if isinstance(decided, Awaitable) else decided
            if decided is not None:
                return decided
        if len(str(request.body.get("prompt"))) > CONTEXT:
            return error(400, "This model's maximum context length is 9 tokens.", param="input_tokens")
        return await self._misbehave(self._draw(request), request, writer)

    def _tell(self, request: Request) -> bytes:
        if request.path == "/v1/models":
            cards = [{"id": name, "object": "model", "owned_by": self.plan.owner} for name in self.plan.models]
            return http(200, json_bytes({"object": "list", "data": cards}))
        if request.path == "/tokenize":
            body = request.body
            said = body["prompt"] if "prompt" in body else f"<user>{body['messages'][-1]['content']}<end>"
            first = [0] if self.plan.bos and body.get("add_special_tokens") else []
            return http(200, json_bytes({"tokens": [*first, *map(ord, said)]}))
        if request.path == "/detokenize":
            return http(
                200,
                json_bytes({"prompt": "".join(self.plan.bos if t == 0 else chr(t) for t in request.body["tokens"])}),
            )
        return error(404, "Not Found")

    def _draw(self, request: Request) -> str:
        body = json_bytes(request.body)
        dice = random.Random(f"{self.plan.seed} {body!r}")
        if dice.random() < self.plan.lasting and (name := self._fault(dice)) not in BUSY:
            return name
        return self._fault(random.Random(f"{self.plan.seed} {body!r} {request.attempt}"))

    def _fault(self, dice: random.Random) -> str:
        value = dice.random()
        for name, share in self.plan.faults.items():
            value -= share
            if value < 0:
                return name
        return "good"

    async def _misbehave(self, name: str, request: Request, writer: asyncio.StreamWriter) -> bytes | None:
        self.done_to[name] += 1
        body = request.body
        if name in WORDS:
            return fault_bytes(name, body)
        if name in WIRE:
            await self._cut_wire(name, body, writer)
            raise Hangup
        if name == "delay":
            await asyncio.sleep(0.03)
        self.answered[json_bytes(body)] += 1
        if name == "large":
            text = [good_text(body, i) + "x" * 1_000_000 for i in range(body.get("n", 1))]
            return http(200, json_bytes(answer_of(body, choices=choices(body, lambda i: text[i]))))
        return good(body)

    async def _cut_wire(self, name: str, body: Mapping[str, Any], writer: asyncio.StreamWriter) -> None:
        whole = good(body)
        if name == "reset":
            found = writer.get_extra_info("socket")
            found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        elif name == "half a head":
            writer.write(whole[:20])
        elif name == "truncated":
            writer.write(_cut(whole, 0.9))
        elif name == "truncated chunks":
            writer.write(b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n40\r\n{"choices": [')
        elif name == "no http":
            writer.write(b"SSH-2.0-OpenSSH_9.6\r\n")
        elif name == "loris":
            for byte in whole[:40]:
                writer.write(bytes([byte]))
                await asyncio.sleep(0.05)
        elif name == "silence":
            await asyncio.sleep(2)
