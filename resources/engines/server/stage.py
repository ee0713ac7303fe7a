"""The bridge of one stream: runs go into the event loop, results come out of a queue, and all of it can be dropped."""

from __future__ import annotations

import asyncio
import queue
from collections.abc import Awaitable, Callable

from resources.engines.protocol import EngineResult
from resources.engines.server.loop import LoopThread
from resources.engines.server.wire import Run


class Stage:
    """What one call of ``stream`` has at work. Results of a stage that was dropped go nowhere."""

    def __init__(self, loop: LoopThread, ask: Callable[[Run], Awaitable[list[EngineResult]]]) -> None:
        self._loop = loop
        self._ask = ask
        self._ended: queue.SimpleQueue[list[EngineResult] | Exception] = queue.SimpleQueue()
        self._tasks: set[asyncio.Task[None]] = set()

    def submit(self, run: Run) -> None:
        """Put ``run`` to work."""
        self._loop.call(self._begin, run)

    def take(self, timeout_s: float) -> list[EngineResult] | None:
        """Results of a run that has ended; None when none did in ``timeout_s``. Raises what ended the stage."""
        try:
            ended = self._ended.get(timeout=timeout_s)
        except queue.Empty:
            return None
        if isinstance(ended, Exception):
            raise ended
        return ended

    def rest(self) -> list[EngineResult]:
        """Results that are there already, after an error: they were paid for."""
        found: list[EngineResult] = []
        while not self._ended.empty():
            ended = self._ended.get()
            if not isinstance(ended, Exception):
                found += ended
        return found

    def drop(self) -> None:
        """Cancel what is at work; the servers see that nobody waits any more."""
        self._loop.run(self._cancel())

    def _begin(self, run: Run) -> None:
        task = asyncio.get_running_loop().create_task(self._work(run))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _work(self, run: Run) -> None:
        try:
            self._ended.put(await self._ask(run))
        except Exception as exc:  # raised where the caller waits, not lost in a task
            self._ended.put(exc)

    async def _cancel(self) -> None:
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
