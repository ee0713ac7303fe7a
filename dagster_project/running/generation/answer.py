"""Asking the engine: every result is stored before anything else happens with it.

Failures are asked again, a broken engine is started anew, and limits, Ctrl-C and the share of failures are looked at
between results. What is lost when anything is killed here is what was at the engine.
Memory: the requests at the engine, and those that wait to be asked again.
"""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Iterator

from dagster_project.running.generation.state import GenerationRun, Wanted
from dagster_project.running.interrupts import Drain, draining
from resources.engines.protocol import Engine, EngineRequest, EngineResult
from resources.errors import EngineError
from resources.requests.records import record_of

MIN_FOR_SHARE = 20
"""Results before the failure share can stop a stage: a bad start of three requests proves nothing."""
LOOK_S = 0.2
"""Seconds between two looks at limits and two progress reports."""
DEATHS_ALONE = 2
"""Deaths of an engine that had nothing but one request before that request is blamed: one may be somebody's kill."""
MAX_RESTARTS = 8
"""Starts of a broken engine within one stage. A request that kills it costs four: two among others, two alone."""
DIED_ALONE = "the engine died while it answered this request alone"


class FailureShareError(EngineError):
    """Too large a share of requests failed."""


class _Work:
    """The requests that engines pull from: what must be asked again goes first."""

    def __init__(self, run: GenerationRun, fresh: Iterator[Wanted]) -> None:
        self._run = run
        self._fresh = fresh
        self._again: deque[Wanted] = deque()
        self._alone: deque[Wanted] = deque()
        self._is_drained = False
        self.is_stopped = False

    def __iter__(self) -> Iterator[EngineRequest]:
        return self

    def __next__(self) -> EngineRequest:
        if self.is_stopped:
            raise StopIteration
        if self._again:
            return self._run.asking(self._again.popleft())
        try:
            return self._run.asking(next(self._fresh))
        except StopIteration:
            self._is_drained = True
            raise

    def ask_again(self, wanted: Wanted, *, is_alone: bool = False) -> None:
        """Ask once more: beside others, or when the engine has nothing else to do."""
        (self._alone if is_alone else self._again).append(wanted)

    @property
    def is_left(self) -> bool:
        """Whether something may be left to ask."""
        return bool(self._alone or self._again or not self._is_drained)

    def next_stream(self) -> Iterator[EngineRequest] | None:
        """What the engine shall work on next; None when there is nothing left."""
        if self.is_stopped or not self.is_left:
            return None
        return iter([self._run.asking(self._alone.popleft())]) if self._alone else self


def answer(run: GenerationRun, fresh: Iterator[Wanted]) -> None:
    """Start the engine and have it answer ``fresh``. After Ctrl-C only what is under way is waited for.

    Raises:
        EngineError: The engine cannot start, dies again and again, or too many requests failed.
        LimitError: A limit of the profile is reached.
        StoreError: The disk refuses.
    """
    _Answering(run, _Work(run, fresh)).work_off()


class _Answering:
    def __init__(self, run: GenerationRun, work: _Work) -> None:
        self._run, self._work = run, work
        self._drain = Drain()  # of the stream under way
        self._looked = 0.0
        self._over: str | None = None  # the limit that is reached
        self._suspects: Counter[bytes] = Counter()  # at the engine when it died, and not answered since
        self._died_alone: Counter[bytes] = Counter()

    def work_off(self) -> None:
        run = self._run
        run.meter.refuse_if_spent(run.counts)
        try:
            engine = self._start()
            run.meter.asked()
            while (requests := self._next_stream()) is not None:
                try:
                    with draining() as self._drain:  # not while an engine loads: there is nothing to wait for
                        self._stream(engine, requests)
                except EngineError as error:
                    if not error.retryable or isinstance(error, FailureShareError) or self._work.is_stopped:
                        raise
                    engine = self._restart(error)
        finally:
            run.meter.pause(run.counts)
            run.progress.requests(run.stage.name, run.counts)
        if self._over:
            raise run.meter.error(self._over)

    def _next_stream(self) -> Iterator[EngineRequest] | None:
        """What to ask next. A start of the engine is paid for too, so limits are looked at before the first request."""
        if self._work.is_left:
            self._look(is_idle=True)
        return self._work.next_stream()

    def _start(self) -> Engine:
        run = self._run
        run.progress.note(run.stage.name, f"starting engine {run.role.engine!r} for role {run.role.name!r}")
        run.meter.start()
        return run.workspace.roles.started(run.role.name)

    def _restart(self, error: EngineError) -> Engine:
        """A fresh engine. What was at the broken one is asked again: beside others once, then alone.

        So one request that kills engines is found, and takes no other with it.
        """
        run = self._run
        run.counts.restarts += 1
        if run.counts.restarts > MAX_RESTARTS:
            raise EngineError(
                f"the engine broke {run.counts.restarts} times in this stage; the last time: {error.what}",
                where=run.where,
                fix=error.fix,
                retryable=True,
            ) from error
        run.progress.note(run.stage.name, f"the engine broke and is started again: {error.what[:200]}")
        run.workspace.roles.stop(run.role.name)
        lost = run.take_unanswered()
        for wanted in lost:
            (key,) = wanted.keys
            self._suspects[key] += 1
            self._died_alone[key] += len(lost) == 1
            if self._died_alone[key] >= DEATHS_ALONE:
                self._store(key, EngineResult(-1, 0, failure=f"{DIED_ALONE}: {error.what}"))
            else:
                self._work.ask_again(wanted, is_alone=self._suspects[key] > 1)
        return run.workspace.roles.started(run.role.name)

    def _stream(self, engine: Engine, requests: Iterator[EngineRequest]) -> None:
        run, drain = self._run, self._drain
        results = engine.stream(requests)
        try:
            for result in results:
                if result is not None:
                    self._take(result)
                self._look(is_idle=result is None)
                if drain.is_over:
                    return
        finally:
            close = getattr(results, "close", None)  # a generator's: what is still at the engine is dropped
            if close is not None:
                close()
        if run.open and not self._work.is_stopped:
            raise EngineError(
                f"the engine left {len(run.open)} request(s) without an answer",
                where=run.where,
                fix="Run the same command again: stored answers are kept",
                retryable=True,
            )

    def _look(self, *, is_idle: bool) -> None:
        """Between two results: progress, limits, Ctrl-C."""
        run, now = self._run, time.monotonic()
        if now - self._looked < LOOK_S and not is_idle and not self._drain.is_asked:
            return
        self._looked = now
        run.meter.update(run.counts)
        run.throughput.add(run.counts.answering_seconds, run.counts.completed, run.counts.completion_tokens)
        run.progress.requests(run.stage.name, run.counts)
        if self._work.is_stopped:
            return
        if self._drain.is_asked:
            self._stop("interrupted: waiting for answers under way; Ctrl-C again ends now")
        elif words := run.meter.over(run.counts):
            self._over = words
            self._drain.begin()
            self._stop(f"{words}: waiting for answers under way")

    def _stop(self, words: str) -> None:
        self._work.is_stopped = True
        self._run.progress.note(self._run.stage.name, words)

    def _take(self, result: EngineResult) -> None:
        """Store one result, or ask for it again."""
        run = self._run
        waiting = run.open.get(result.number)
        key = waiting.keys.pop(result.sample_index, None) if waiting else None
        if waiting is None or key is None:
            raise EngineError(
                f"the engine answered what was not asked (request {result.number}, sample {result.sample_index})",
                where=run.where,
                fix="Report it with the versions that `mathloom doctor` prints",
            )
        if not waiting.keys:
            del run.open[result.number]
        self._suspects.pop(key, None)
        if result.failure is not None and not result.is_permanent and self._retry(waiting.request, result, key):
            return
        self._store(key, result)

    def _retry(self, request: EngineRequest, result: EngineResult, key: bytes) -> bool:
        run = self._run
        tried = run.failed_here.get(key, 0)
        if tried >= run.policy.retries or self._work.is_stopped:
            return False
        run.failed_here[key] = tried + 1
        run.counts.retried += 1
        self._work.ask_again(run.single(request, result.sample_index, key))
        return True

    def _store(self, key: bytes, result: EngineResult) -> None:
        """Journal one result before anything else happens with it."""
        run = self._run
        run.requests.record(record_of(key, result, engine=run.role.engine, weights=run.weights))
        run.in_flight.discard(key)
        run.counts.asked += 1
        if result.failure is None:
            run.failed_here.pop(key, None)
            run.counts.completed += 1
            run.counts.prompt_tokens += result.prompt_tokens or 0
            run.counts.completion_tokens += result.completion_tokens or 0
            return
        run.failed_here[key] = run.failed_here.get(key, 0) + 1
        run.counts.failed += 1
        done = run.counts.completed + run.counts.failed
        if done >= MIN_FOR_SHARE and run.counts.failed / done > run.policy.max_failure_share:
            share = run.policy.max_failure_share
            raise FailureShareError(
                f"{run.counts.failed} of {done} requests failed, more than max_failure_share = {share}; "
                f"the last reason: {result.failure[:200]}",
                where=run.where,
                fix="Mend the cause and run again: the completions so far are stored and will not be asked for again",
                retryable=True,
            )
