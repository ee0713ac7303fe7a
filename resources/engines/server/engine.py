"""``server``: asks one or several endpoints that speak the OpenAI protocol, or starts a vLLM server and asks that.

Requests run in an event loop in a thread; ``stream`` is a plain generator that pulls requests while there is room and
gives results as they come. docs/engines.md says what is sent and what happens when a server does not answer.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

from resources.engines.named_weights import NamedWeights
from resources.engines.options import EngineOptions
from resources.engines.protocol import TICK_S, EngineRequest, EngineResult
from resources.engines.server import wire
from resources.engines.server.asking import Asker, failures
from resources.engines.server.endpoints import Endpoint, Fleet
from resources.engines.server.faults import Fault
from resources.engines.server.health import check_dialect, look
from resources.engines.server.launch import LaunchedServer
from resources.engines.server.loop import LoopThread
from resources.engines.server.options import ServerOptions
from resources.engines.server.prompts import Prompts
from resources.engines.server.replies import read_results
from resources.engines.server.stage import Stage
from resources.engines.server.transport import Transport
from resources.engines.server.wire import Run
from resources.engines.server.words import Words
from resources.errors import EngineError
from resources.identity import hash_json

_AHEAD = 4
"""Samples taken beyond the room of all endpoints: one is ready when another ends."""

_WAIT_S = 0.1
"""Longest wait for a result before the room is looked at again: a dead endpoint may have come back."""


class ServerEngine:
    """Endpoints under one set of weights."""

    name = "server"
    options_type: ClassVar[type[EngineOptions]] = ServerOptions

    def __init__(self, options: ServerOptions, *, where: str, cache: Path, secrets: Mapping[str, str]) -> None:
        self._options = options
        self._where = where
        self._weights = NamedWeights(options, where=where, cache=cache)
        self._weights_id: str | None = None
        self._secrets = secrets
        self._launched: LaunchedServer | None = None
        self._loop: LoopThread | None = None
        self._fleet: Fleet | None = None
        self._asker: Asker | None = None
        self._is_streaming = False
        self.notes: tuple[str, ...] = ()
        """What the last ``check`` or ``start`` saw that is no error: endpoints that do not answer."""

    @property
    def holds_device(self) -> bool:
        """Only a server that it starts itself fills a device of this machine."""
        return self._options.launch is not None

    @property
    def window(self) -> int:
        """Most samples taken ahead of what was given back."""
        return self._options.max_in_flight * max(1, len(self._options.base_url)) + _AHEAD

    def weights_id(self) -> str:
        """The name of the weights, as every engine gives it, and a hash of ``extra_body`` if there is one."""
        if self._weights_id is None:
            extra = dict(self._options.extra_body)
            self._weights_id = self._weights.name() + (f";extra_body={hash_json(extra)[:16]}" if extra else "")
        return self._weights_id

    def describe(self) -> Mapping[str, Any]:
        """The options that were set. Addresses stay out: they may end up on a card."""
        options = self._options
        hidden = {"base_url", "launch", "api_key_env", "path"}
        shown = options.model_dump(mode="json", exclude_defaults=True, exclude=hidden)
        if options.path:
            shown["path"] = Path(options.path).name
        if options.launch:
            shown["launch"] = {"engine_args": dict(options.launch.engine_args)}
        return {"engine": self.name, "weights": self.weights_id(), "endpoints": len(options.base_url) or 1, **shown}

    def check(self) -> None:
        """Every endpoint answers, takes the key, serves the model and speaks the dialect; one of several is enough.

        A server that is to be started: its interpreter holds vLLM, and the weights are there.
        """
        self._weights.check_fixed()
        if self._options.launch:
            LaunchedServer(self._options, self._weights, self._where).check()
            return
        transports = self._transports(self._options.base_url, self._key())
        loop = LoopThread("mathloom server check")
        try:
            self._note(loop.run(self._look_at(transports, is_closing=True)))
        finally:
            loop.stop()

    def start(self) -> None:
        """Start the server if it is ours, and see that an endpoint answers."""
        if self._loop is not None:
            return
        self._weights.check_fixed()
        urls, key = self._options.base_url, self._key()
        try:
            if self._options.launch:
                self._launched = LaunchedServer(self._options, self._weights, self._where)
                urls, key = self._launched.start()
            transports = self._transports(urls, key)
            self._loop = LoopThread("mathloom server")
            self._loop.run(self._open(transports))
        except BaseException:
            self.stop()
            raise

    def stream(self, requests: Iterable[EngineRequest]) -> Iterator[EngineResult | None]:
        """Answer each sample; closing the iterator early drops what is at work."""
        if self._is_streaming:
            raise EngineError(
                "the engine already answers another stage", where=self._where, fix="Ask one stage after the other."
            )
        self.start()
        if self._loop is None or self._asker is None:
            raise EngineError("the engine was stopped", where=self._where, fix="Run the command again.")
        stage = Stage(self._loop, self._asker.ask)
        self._is_streaming = True
        try:
            yield from self._exchange(requests, stage)
        finally:
            self._is_streaming = False
            if self._loop is not None:
                stage.drop()

    def stop(self) -> None:
        """Close connections, and end the server if it is ours. Idempotent."""
        loop, self._loop = self._loop, None
        fleet, self._fleet = self._fleet, None
        launched, self._launched = self._launched, None
        self._asker = None
        try:
            if loop is not None:
                if fleet is not None:
                    loop.run(fleet.close())
                loop.stop()
        finally:
            if launched is not None:
                launched.stop()

    def _exchange(self, requests: Iterable[EngineRequest], stage: Stage) -> Iterator[EngineResult | None]:
        source = self._runs(requests)
        is_more, at_work, heard = True, 0, time.monotonic()
        while True:
            while is_more and at_work < self._room():
                ready = next(source, None)
                if ready is None:
                    is_more = False
                elif isinstance(ready, Run):
                    at_work += ready.count
                    stage.submit(ready)
                else:
                    yield from ready
            if not at_work:
                return
            try:
                ended = stage.take(_WAIT_S)
            except EngineError:
                yield from stage.rest()
                raise
            if ended is not None:
                at_work -= len(ended)
                heard = time.monotonic()
                yield from ended
            elif time.monotonic() - heard >= TICK_S:
                heard = time.monotonic()
                yield None

    def _runs(self, requests: Iterable[EngineRequest]) -> Iterator[Run | list[EngineResult]]:
        """What is to be sent, and the failures of prompts that cannot be."""
        most = self._options.samples_per_request if self._options.dialect == "vllm" else 1
        for request in requests:
            wire.check(request, self._options, self._where)
            reason = wire.cannot_be_sent(request.prompt)
            if reason:
                whole = Run(request, request.first, request.count)
                yield failures(whole, reason, is_permanent=True)
            else:
                yield from wire.runs(request, most)

    def _room(self) -> int:
        return self._fleet.room + _AHEAD if self._fleet else 0

    def _key(self) -> str | None:
        """The key that the options name. Raises EngineError when the variable holds none."""
        variable = self._options.api_key_env
        if variable is None:
            return None
        key = (self._secrets.get(variable) or os.environ.get(variable) or "").strip()
        if not key or not key.isascii() or not key.isprintable() or " " in key:
            state = "is not set" if not key else "holds characters that a key cannot have"
            raise EngineError(
                f"the environment variable {variable} {state}",
                where=self._where,
                fix=f"Put the key into it (export {variable}=...), or change api_key_env.",
            )
        return key

    def _transports(self, urls: Iterable[str], key: str | None) -> list[Transport]:
        options = self._options
        return [
            Transport(
                url,
                key,
                Words(key),
                timeout_s=options.timeout_s,
                connect_timeout_s=options.connect_timeout_s,
                where=self._where,
            )
            for url in urls
        ]

    async def _open(self, transports: list[Transport]) -> None:
        options = self._options
        endpoints = [Endpoint(transport, options.max_in_flight) for transport in transports]
        self._fleet = Fleet(
            endpoints,
            self._probe,
            probe_s=options.probe_s,
            patience_s=options.patience_s,
            where=self._where,
            verdict=self._verdict,
        )
        faults = await self._look_at(transports)
        self._note(faults)
        for endpoint, fault in zip(endpoints, faults, strict=True):
            if fault is not None:
                endpoint.last_fault = fault.what
                self._fleet.take_out(endpoint)
        prompts = Prompts(options, self._where)

        async def send(endpoint: Endpoint, run: Run) -> list[EngineResult]:
            transport = endpoint.transport
            prompt = await prompts.fields(run.request.prompt, transport)
            payload = await transport.post(transport.url + wire.path(run), wire.body(run, options, prompt))
            return read_results(payload, run, transport.words)

        self._asker = Asker(self._fleet, send, options, self._where)

    async def _look_at(self, transports: list[Transport], *, is_closing: bool = False) -> list[Fault | None]:
        """The fault of each endpoint, None for those that are well. Raises EngineError when there is none."""

        async def look_at(transport: Transport) -> Fault | None:
            try:
                card = await look(transport, self._options, self._where)
                await check_dialect(transport, card, self._options, self._where)
            except Fault as fault:
                return fault
            finally:
                if is_closing:
                    await transport.close()
            return None

        found = await asyncio.gather(*(look_at(transport) for transport in transports), return_exceptions=True)
        for each in found:
            if isinstance(each, BaseException) and not isinstance(each, Fault):
                raise each
        faults = [each if isinstance(each, Fault) else None for each in found]
        if all(faults):
            raise EngineError(
                "no endpoint answers: " + _states(transports, faults),
                where=self._where,
                fix="Start the server, and check base_url.",
                retryable=True,
            )
        return faults

    async def _probe(self, endpoint: Endpoint) -> None:
        await look(endpoint.transport, self._options, self._where)

    def _verdict(self) -> EngineError | None:
        """A server of our own that has died does not come back by itself."""
        return self._launched.death() if self._launched else None

    def _note(self, faults: list[Fault | None]) -> None:
        urls = self._options.base_url
        self.notes = tuple(
            f"{url} does not answer: {fault.what}" for url, fault in zip(urls, faults, strict=False) if fault
        )


def _states(transports: list[Transport], faults: list[Fault | None]) -> str:
    pairs = zip(transports, faults, strict=True)
    return "; ".join(f"{transport.url}: {fault.what}" for transport, fault in pairs if fault)
