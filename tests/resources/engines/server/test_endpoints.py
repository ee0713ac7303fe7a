"""Which endpoint gets the next request, and when one is out, comes back, or all are given up. Time is simulated."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from resources.engines.server.endpoints import STRIKES, Endpoint, Fleet, Lease
from resources.engines.server.faults import Fault, Kind
from resources.errors import EngineError


class NoTransport:
    def __init__(self, url: str) -> None:
        self.url = url

    async def close(self) -> None:
        """Nothing is open."""


class FastLoop(asyncio.SelectorEventLoop):
    """Time passes at once when nothing is to be done: a test of hours takes milliseconds."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 1000.0

    def time(self) -> float:
        return self.now

    def _run_once(self) -> None:
        ready, scheduled = self._ready, self._scheduled  # type: ignore[attr-defined]
        if not ready and scheduled:
            self.now = max(self.now, scheduled[0]._when)
        super()._run_once()  # type: ignore[misc]


def run(work: Callable[[FastLoop], Awaitable[Any]]) -> Any:
    loop = FastLoop()
    try:
        return loop.run_until_complete(work(loop))
    finally:
        loop.close()


def fleet(count: int = 2, most: int = 4, probe: Any = None, **more: Any) -> Fleet:
    async def never(endpoint: Endpoint) -> None:
        raise Fault("lost", "connection refused")

    endpoints = [Endpoint(NoTransport(f"http://{name}/v1"), most) for name in "abc"[:count]]  # type: ignore[arg-type]
    words = {"probe_s": 1.0, "patience_s": 100.0, "where": "p.yaml:4", **more}
    return Fleet(endpoints, probe or never, **words)


def fail(of: Fleet, lease: Lease, kind: Kind = "lost", wait_s: float | None = None) -> None:
    of.failed(lease, Fault(kind, f"it was {kind}", wait_s=wait_s))
    of.release(lease)


async def knock_out(of: Fleet, endpoint: Endpoint) -> None:
    for _ in range(STRIKES):
        fail(of, Lease(endpoint, 1, endpoint.pace.take(1)))
    assert not endpoint.is_in


def test_requests_are_shared_by_room() -> None:
    async def work(loop: FastLoop) -> None:
        found = fleet()
        leases = [await found.acquire(1) for _ in range(8)]
        assert sorted(lease.endpoint.url for lease in leases) == ["http://a/v1"] * 4 + ["http://b/v1"] * 4
        ninth = asyncio.ensure_future(found.acquire(1))
        await asyncio.sleep(1)
        assert not ninth.done()
        found.release(leases[3])
        assert (await ninth).endpoint is leases[3].endpoint
        await found.close()

    run(work)


def test_first_come_first_served_also_when_one_is_large() -> None:
    async def work(loop: FastLoop) -> None:
        found = fleet(1)
        held = [await found.acquire(2), await found.acquire(2)]
        order: list[str] = []

        async def want(name: str, size: int) -> None:
            lease = await found.acquire(size)
            order.append(name)
            found.release(lease)

        waiting = [asyncio.ensure_future(want("large", 4)), asyncio.ensure_future(want("small", 1))]
        await asyncio.sleep(0)
        found.release(held[0])
        await asyncio.sleep(1)
        assert order == []
        found.release(held[1])
        await asyncio.gather(*waiting)
        assert order == ["large", "small"]
        await found.close()

    run(work)


def test_a_request_that_is_dropped_while_it_waits_takes_no_room() -> None:
    async def work(loop: FastLoop) -> None:
        found = fleet(1, most=1)
        lease = await found.acquire(1)
        waiting = [asyncio.ensure_future(found.acquire(1)) for _ in range(2)]
        await asyncio.sleep(0)
        waiting[0].cancel()
        found.release(lease)
        waiting[1].cancel()  # it has the room already, and nobody to tell it
        await asyncio.gather(*waiting, return_exceptions=True)
        assert found.endpoints[0].pace.in_flight == 0
        await found.close()

    run(work)


def test_failures_in_a_row_take_an_endpoint_out_and_a_look_brings_it_back() -> None:
    looks: list[float] = []

    async def work(loop: FastLoop) -> None:
        async def probe(endpoint: Endpoint) -> None:
            looks.append(loop.time() - 1000)
            if len(looks) < 4:
                raise Fault("lost", "connection refused")

        found = fleet(2, probe=probe)
        dead = found.endpoints[0]
        await knock_out(found, dead)
        for _ in range(6):
            lease = await found.acquire(1)
            assert lease.endpoint is not dead
            found.release(lease)
        await asyncio.sleep(30)
        assert looks == [1, 3, 7, 15]  # 1 s, then twice as long each time
        assert dead.is_in
        # Out again without an answer in between: the first look comes later.
        await knock_out(found, dead)
        await asyncio.sleep(1.5)
        assert not dead.is_in
        await asyncio.sleep(1)
        assert dead.is_in
        await found.close()

    run(work)


def test_one_answer_between_failures_keeps_an_endpoint_in() -> None:
    async def work(loop: FastLoop) -> None:
        found = fleet(1)
        for _ in range(10):
            for kind in ("lost", "broken"):
                fail(found, await found.acquire(1), kind)
            lease = await found.acquire(1)
            found.answered(lease, 0.1)
            found.release(lease)
        assert found.endpoints[0].is_in
        await found.close()

    run(work)


def test_a_late_answer_brings_an_endpoint_back() -> None:
    async def work(loop: FastLoop) -> None:
        found = fleet(1)
        late = await found.acquire(1)
        await knock_out(found, found.endpoints[0])
        found.answered(late, 0.1)
        found.release(late)
        assert found.endpoints[0].is_in
        await found.close()

    run(work)


def test_refused_and_busy_are_no_failures_of_the_endpoint() -> None:
    async def work(loop: FastLoop) -> None:
        found = fleet(1)
        for _ in range(3 * STRIKES):
            fail(found, await found.acquire(1), "refused")
            fail(found, await found.acquire(1), "busy")
        assert found.endpoints[0].is_in
        assert found.endpoints[0].pace.limit == 1
        await found.close()

    run(work)


def test_an_endpoint_that_names_a_time_is_left_alone_until_then() -> None:
    async def work(loop: FastLoop) -> None:
        found = fleet(2)
        first, second = found.endpoints
        fail(found, Lease(first, 1, first.pace.take(1)), "busy", 20.0)
        lease = await found.acquire(1)
        assert lease.endpoint is second
        fail(found, lease, "busy", 50.0)
        assert (await found.acquire(1)).endpoint is first
        assert loop.time() - 1000 == pytest.approx(20, abs=0.1)
        await found.close()

    run(work)


def test_without_any_endpoint_requests_wait_and_then_the_stage_ends() -> None:
    async def work(loop: FastLoop) -> None:
        found = fleet(2)
        for endpoint in found.endpoints:
            await knock_out(found, endpoint)
        with pytest.raises(EngineError, match="no endpoint takes requests") as caught:
            await found.acquire(1)
        assert loop.time() - 1000 == pytest.approx(100, abs=1)
        assert caught.value.retryable
        assert "http://a/v1: connection refused; http://b/v1: connection refused" in str(caught.value)
        with pytest.raises(EngineError):  # the stage is over for whoever comes later
            await found.acquire(1)
        await found.close()

    run(work)


def test_patience_begins_anew_when_an_endpoint_was_back() -> None:
    async def work(loop: FastLoop) -> None:
        up = False

        async def probe(endpoint: Endpoint) -> None:
            if not up:
                raise Fault("lost", "no")

        found = fleet(1, probe=probe)
        await knock_out(found, found.endpoints[0])
        waiting = asyncio.ensure_future(found.acquire(1))
        await asyncio.sleep(80)
        up = True
        fail(found, await waiting)
        up = False
        await knock_out(found, found.endpoints[0])
        waiting = asyncio.ensure_future(found.acquire(1))
        await asyncio.sleep(80)
        assert not waiting.done()
        with pytest.raises(EngineError):
            await waiting
        await found.close()

    run(work)


def test_a_pause_beyond_patience_is_not_waited_for() -> None:
    async def work(loop: FastLoop) -> None:
        found = fleet(1)
        fail(found, await found.acquire(1), "busy", 86_400.0)
        with pytest.raises(EngineError, match="it was busy"):
            await found.acquire(1)
        assert loop.time() - 1000 < 1
        await found.close()

    run(work)


def test_servers_that_are_only_busy_end_the_stage() -> None:
    async def work(loop: FastLoop) -> None:
        found = fleet(2)

        async def ask_on() -> None:
            for _ in range(1000):
                lease = await found.acquire(1)
                await asyncio.sleep(1)
                fail(found, lease, "busy")

        with pytest.raises(EngineError, match="it was busy") as caught:
            await ask_on()
        assert caught.value.retryable
        assert 200 <= loop.time() - 1000 < 300
        await found.close()

    run(work)


def test_a_late_refusal_of_a_dead_endpoint_ends_nothing() -> None:
    async def work(loop: FastLoop) -> None:
        async def probe(endpoint: Endpoint) -> None:
            """It is well."""

        found = fleet(1, probe=probe)
        late = await found.acquire(1)
        await knock_out(found, found.endpoints[0])
        fail(found, late, "busy")
        assert (await found.acquire(1)).endpoint is found.endpoints[0]
        await found.close()

    run(work)


def test_one_answer_among_many_refusals_goes_on() -> None:
    async def work(loop: FastLoop) -> None:
        found = fleet(2)
        for i in range(1000):
            lease = await found.acquire(1)
            await asyncio.sleep(1)
            if i % 50 == 0:
                found.answered(lease, 0.1)
                found.release(lease)
            else:
                fail(found, lease, "busy")
        await found.close()

    run(work)


def test_a_server_of_our_own_that_has_ended_is_not_waited_for() -> None:
    async def work(loop: FastLoop) -> None:
        end = EngineError("the vLLM server has ended", where="p", fix="f", retryable=True)
        found = fleet(1, verdict=lambda: end)
        await knock_out(found, found.endpoints[0])
        with pytest.raises(EngineError, match="has ended"):
            await found.acquire(1)
        assert loop.time() - 1000 < 2
        await found.close()

    run(work)


def test_a_look_that_finds_another_model_ends_the_stage() -> None:
    async def work(loop: FastLoop) -> None:
        async def probe(endpoint: Endpoint) -> None:
            raise EngineError("serves another model", where="p", fix="f")

        found = fleet(1, probe=probe)
        await knock_out(found, found.endpoints[0])
        with pytest.raises(EngineError, match="another model"):
            await found.acquire(1)
        await found.close()

    run(work)
