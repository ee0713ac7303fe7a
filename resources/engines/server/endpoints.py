"""The endpoints of one role: which of them is well, which gets the next request, and when a dead one is asked again.

An endpoint is taken out after :data:`STRIKES` failures in a row, and brought back by a cheap look at it (``probe``), or
by a late answer. While none can be asked, requests wait; after ``patience_s`` the stage ends with an error that a
restart may mend. Everything here runs in one event loop.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from resources.engines.server.faults import Fault
from resources.engines.server.pace import Pace
from resources.engines.server.transport import Transport
from resources.errors import EngineError

STRIKES = 3
"""Failures in a row after which an endpoint is out: one is chance, and a dead server fails everything at once."""

MOST_PROBE_S = 30.0
"""Longest wait between two looks at a dead endpoint."""


class Endpoint:
    """One server and what is known about it."""

    def __init__(self, transport: Transport, most: int) -> None:
        self.transport = transport
        self.pace = Pace(most)
        self.is_in = True
        self.strikes = 0
        self.outs = 0
        """Times in a row that it was taken out without an answer in between."""
        self.has_answered = False
        self.paused_until = 0.0
        self.busy_since: float | None = None
        """Since when it has answered nothing but that it is busy."""
        self.last_fault = ""

    @property
    def url(self) -> str:
        """Its address, for errors."""
        return self.transport.url


@dataclass(slots=True)
class Lease:
    """The right to send ``size`` samples to an endpoint."""

    endpoint: Endpoint
    size: int
    round: int


Probe = Callable[[Endpoint], Awaitable[None]]
"""Looks at an endpoint; raises Fault when it is not well, EngineError when it never will be."""


class Fleet:
    """All endpoints of a role."""

    def __init__(
        self,
        endpoints: Sequence[Endpoint],
        probe: Probe,
        *,
        probe_s: float,
        patience_s: float,
        where: str,
        clock: Callable[[], float] | None = None,
        verdict: Callable[[], EngineError | None] = lambda: None,
    ) -> None:
        """Made inside the event loop.

        Args:
            endpoints: At least one; all are in.
            probe: See :data:`Probe`.
            probe_s: Wait before the first look at a dead endpoint.
            patience_s: Longest time without an endpoint that can be asked.
            where: For errors.
            clock: Seconds; default: the loop's.
            verdict: Asked while an endpoint is out: an error, if it will never come back.
        """
        self.endpoints = tuple(endpoints)
        self._probe = probe
        self._probe_s = probe_s
        self._patience_s = patience_s
        self._where = where
        self._loop = asyncio.get_running_loop()
        self._clock = clock or self._loop.time
        self._verdict = verdict
        self._waiting: deque[tuple[int, asyncio.Future[Lease]]] = deque()
        self._dark_since: float | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._revivals: set[asyncio.Task[None]] = set()
        self._over: Exception | None = None

    @property
    def room(self) -> int:
        """Samples that all endpoints together may have at work now. Read by another thread."""
        return sum(endpoint.pace.limit for endpoint in self.endpoints if endpoint.is_in)

    async def acquire(self, size: int) -> Lease:
        """Wait for the endpoint with the most room.

        Raises:
            EngineError: None could be asked for ``patience_s``, or none ever will.
        """
        if self._over:
            raise self._over
        future: asyncio.Future[Lease] = self._loop.create_future()
        self._waiting.append((size, future))
        self._serve()
        try:
            return await future
        except asyncio.CancelledError:
            if future.done() and not future.cancelled() and not future.exception():
                self.release(future.result())
            raise

    def release(self, lease: Lease) -> None:
        """The request has ended, in whatever way."""
        lease.endpoint.pace.give(lease.size)
        self._serve()

    def answered(self, lease: Lease, share: float) -> None:
        """A whole answer came, in ``share`` of the time-out. Before ``release``."""
        endpoint = lease.endpoint
        endpoint.strikes = endpoint.outs = 0
        endpoint.has_answered, endpoint.busy_since = True, None
        endpoint.pace.answered(lease.round, lease.size, share)
        if not endpoint.is_in:
            self._bring_back(endpoint)

    def failed(self, lease: Lease, fault: Fault) -> None:
        """No answer came, and ``fault`` says why. Before ``release``."""
        endpoint = lease.endpoint
        if fault.kind == "refused":
            endpoint.strikes = 0  # it works; the request does not
            return
        endpoint.last_fault = fault.what
        if fault.kind in ("busy", "slow"):
            endpoint.pace.congested(lease.round)
        if fault.kind == "busy":
            self._note_busy(endpoint, fault.wait_s)
            return
        endpoint.strikes += 1
        if endpoint.is_in and endpoint.strikes >= STRIKES:
            self.take_out(endpoint)

    def take_out(self, endpoint: Endpoint) -> None:
        """Ask it no more until it is well again."""
        endpoint.is_in = False
        endpoint.outs += 1
        task = self._loop.create_task(self._revive(endpoint))
        self._revivals.add(task)
        task.add_done_callback(self._revivals.discard)
        self._serve()

    async def close(self) -> None:
        """Stop looking at dead endpoints and close all connections."""
        if self._timer:
            self._timer.cancel()
        for task in self._revivals:
            task.cancel()
        await asyncio.gather(*self._revivals, return_exceptions=True)
        for endpoint in self.endpoints:
            await endpoint.transport.close()

    def _note_busy(self, endpoint: Endpoint, wait_s: float | None) -> None:
        """Leave it alone as long as it asks for. The stage ends when there is nothing but busy servers for too long.

        For twice the patience: a request gives up after the first, and whether all do is seen in the second.
        """
        now = self._clock()
        if wait_s:
            endpoint.paused_until = max(endpoint.paused_until, now + wait_s)
        if endpoint.busy_since is None:
            endpoint.busy_since = now
        limit = now - 2 * self._patience_s
        known = [each.busy_since or now for each in self.endpoints if each.is_in]
        if known and max(known) < limit:
            self._end(self._darkness())

    async def _revive(self, endpoint: Endpoint) -> None:
        wait_s = min(self._probe_s * 2 ** min(endpoint.outs - 1, 10), MOST_PROBE_S)
        while not endpoint.is_in:
            await asyncio.sleep(wait_s)
            if error := self._verdict():
                self._end(error)
                return
            try:
                await self._probe(endpoint)
            except Fault as fault:
                endpoint.last_fault = fault.what
                wait_s = min(wait_s * 2, MOST_PROBE_S)
            except Exception as error:  # nobody waits for this task: an error of any kind must end the stage
                self._end(error)
                return
            else:
                self._bring_back(endpoint)

    def _bring_back(self, endpoint: Endpoint) -> None:
        if not endpoint.is_in:
            endpoint.is_in = True
            endpoint.strikes = 0
            endpoint.pace.restart()
            self._serve()

    def _serve(self) -> None:
        """Hand out what room there is, first come, first served; note since when there is no endpoint at all."""
        now = self._clock()
        usable = [each for each in self.endpoints if each.is_in and each.paused_until <= now]
        while self._waiting:
            size, future = self._waiting[0]
            if future.done():
                self._waiting.popleft()
                continue
            best = max(usable, key=lambda each: each.pace.limit - each.pace.in_flight, default=None)
            if best is None or not best.pace.has_room(size):
                break
            self._waiting.popleft()
            future.set_result(Lease(best, size, best.pace.take(size)))
        if usable:
            self._dark_since = None
        elif self._dark_since is None:
            self._dark_since = now
        self._set_timer(now)

    def _set_timer(self, now: float) -> None:
        """Come back when a pause ends, or when patience does."""
        if self._timer:
            self._timer.cancel()
            self._timer = None
        if not self._waiting:
            return
        pauses = [each.paused_until for each in self.endpoints if each.is_in and each.paused_until > now]
        times = list(pauses)
        if self._dark_since is not None:
            end = self._dark_since + self._patience_s
            is_hopeless = len(pauses) == len(self.endpoints) and min(pauses) > end
            if now >= end or is_hopeless:
                self._end(self._darkness())
                return
            times.append(end)
        if times:
            self._timer = self._loop.call_later(max(min(times) - now, 0.001), self._serve)

    def _darkness(self) -> EngineError:
        states = "; ".join(f"{each.url}: {each.last_fault or 'no answer'}" for each in self.endpoints)
        return EngineError(
            f"no endpoint takes requests, and none will within {self._patience_s:g} s (patience_s): {states}",
            where=self._where,
            fix="Start the servers again, or wait, and run the same command: stored answers are kept.",
            retryable=True,
        )

    def _end(self, error: Exception) -> None:
        self._over = error
        while self._waiting:
            _, future = self._waiting.popleft()
            if not future.done():
                future.set_exception(error)
