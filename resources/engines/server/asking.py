"""One run of samples from asking to its results: sent again after what may pass, a failure after what will not."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from resources.engines.protocol import EngineResult
from resources.engines.server.endpoints import Endpoint, Fleet, Lease
from resources.engines.server.faults import Fault
from resources.engines.server.options import ServerOptions
from resources.engines.server.wire import Run
from resources.errors import EngineError

MOST_WAIT_S = 30.0
"""Longest wait between two tries of one request."""


@dataclass(slots=True)
class Tries:
    """What one run has been through."""

    failed: int = 0
    busy_since: float | None = None
    busy: int = 0


class Asker:
    """Asks a fleet. ``send`` puts one run to one endpoint and gives its results, or raises Fault."""

    def __init__(
        self,
        fleet: Fleet,
        send: Callable[[Endpoint, Run], Awaitable[list[EngineResult]]],
        options: ServerOptions,
        where: str,
    ) -> None:
        self._fleet = fleet
        self._send = send
        self._options = options
        self._where = where
        self._clock = asyncio.get_running_loop().time
        # Jitter only: many requests that failed together must not come back together.
        self._random = random.Random()

    async def ask(self, run: Run) -> list[EngineResult]:
        """One result for each sample, completions or failures.

        Raises:
            EngineError: No request can work: the key, the model or the path is wrong, or all endpoints are gone.
        """
        tries = Tries()
        while True:
            lease = await self._fleet.acquire(run.count)
            started = self._clock()
            try:
                results = await self._send(lease.endpoint, run)
                self._fleet.answered(lease, (self._clock() - started) / self._options.timeout_s)
                return results
            except Fault as exc:
                fault = exc
                self._fleet.failed(lease, fault)
            finally:
                self._fleet.release(lease)
            if reason := self._reason_to_give_up(fault, tries, lease):
                return failures(run, reason, is_permanent=fault.is_permanent)
            await asyncio.sleep(self._wait_s(fault, tries))

    def _reason_to_give_up(self, fault: Fault, tries: Tries, lease: Lease) -> str | None:
        """Why the run is a failure now; None to try again. Raises EngineError when no run can work."""
        if fault.status == 403 and lease.endpoint.has_answered:
            # It takes the key: what it forbids is this text (firewalls before a server do).
            return f"the server refuses the request: {fault.what}"
        if fault.kind in ("key", "unknown"):
            raise stage_error(fault, lease.endpoint.url, self._options, self._where)
        if fault.kind == "refused":
            return f"the server refuses the request: {fault.what}"
        if fault.kind == "busy":
            now = self._clock()
            tries.busy += 1
            tries.busy_since = now if tries.busy_since is None else tries.busy_since
            if now - tries.busy_since > self._options.patience_s:
                return f"the server was too busy for {self._options.patience_s:g} s: {fault.what}"
            return None
        tries.failed += 1
        tries.busy_since, tries.busy = None, 0
        if tries.failed > self._options.retries:
            return f"no completion after {tries.failed} tries; the last: {fault.what}"
        return None

    def _wait_s(self, fault: Fault, tries: Tries) -> float:
        """Between half and all of the exponential wait. An endpoint that named a time is not asked before it anyway."""
        if fault.kind == "busy" and fault.wait_s is not None:
            return self._random.uniform(0, self._options.retry_wait_s)
        doubled = self._options.retry_wait_s * 2 ** min(max(tries.failed, tries.busy) - 1, 16)
        return min(doubled, MOST_WAIT_S) * self._random.uniform(0.5, 1.0)


def failures(run: Run, reason: str, *, is_permanent: bool = False) -> list[EngineResult]:
    """The same failure for each sample of ``run``."""
    return [
        EngineResult(run.request.number, index, failure=reason, is_permanent=is_permanent)
        for index in range(run.first, run.first + run.count)
    ]


def stage_error(fault: Fault, url: str, options: ServerOptions, where: str) -> EngineError:
    """The error of a key that is not taken, or of a model or a path that the server does not know."""
    if fault.status == 402:
        return EngineError(
            f"{url} asks to be paid ({fault.what})",
            where=where,
            fix="See to the account behind the key.",
            retryable=True,
        )
    if fault.kind == "key":
        variable = options.api_key_env
        fix = (
            f"Put the right key into the environment variable {variable}."
            if variable
            else "Name the environment variable that holds the key: `api_key_env: NAME`."
        )
        state = f"does not take the key in {variable}" if variable else "asks for a key"
        return EngineError(f"{url} {state} ({fault.what})", where=where, fix=fix)
    return EngineError(
        f"{url} does not know the model {options.model_name!r}, or not this kind of request: {fault.what}",
        where=where,
        fix="Check base_url (it ends in /v1), and give the name that the server uses as `served_name`.",
    )
