"""The symbolic step: many pairs in, a relation for each, within a budget of time.

Each pair is compared in a worker process that is killed on time (:mod:`resources.workers`); verdicts are kept in a
cache. A time-out is unknown, never different.
"""

from __future__ import annotations

import heapq
import json
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from assets.answers.policy import DEFAULT, Policy
from assets.answers.symbolic.cache import Found, Relation, VerdictCache, pair_id
from resources.workers import Outcome, WorkerPool
from resources.workers.pool import DEFAULT_SECONDS, NOT_TRIED

DEFAULT_BUDGET_S = 300.0
"""Time of the step in one stage."""
MAX_CHARACTERS = 2_000
"""A longer answer is unknown at once: it is not read by the key either."""
MEMORY_BYTES = 512 << 20
"""Address space of a worker: it begins at 100 MB with sympy, and an ordinary pair adds less than 10 MB."""

_TARGET = "assets.answers.symbolic.compare:answer"
_SLOWEST = 10
_SHOWN = 120
"""Characters of an answer in a report."""
_STARVED = 0.5
"""A time-out counts for good only if the worker had at least this share of it as CPU time: otherwise the machine was
busy, and the pair deserves another chance."""

_WARM_UP = (
    (r"\sin^2 x+\cos^2 x", "1"),
    (r"\sqrt{2}+\sqrt{3}", r"\sqrt{5+2\sqrt{6}}"),
    (r"\frac{x^2-1}{x-1}+\ln 2", r"x+1+\ln 2"),
    (r"\sum_{k=1}^{n} k", r"\frac{n(n+1)}{2}"),
    (r"\binom{n}{2}+|x|", r"\frac{n(n-1)}{2}+|x|"),
    (r"y<2x+e^{3x}", r"2y<4x+2e^{3x}"),
    (r"y=x\sqrt{2}", r"2y=\sqrt{8}x"),
    (r"\int_0^{\infty} e^{-x^2} dx", r"\frac{\sqrt{\pi}}{2}"),
    (r"\sum_{k=0}^{n} \binom{n}{k}", r"2^n"),
)
"""Compared once before workers are forked: sympy loads half of itself when it is first used. The last two make it read
the tables of integrals and series, which it has as texts: workers may read no text as code."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """The verdict on one pair."""

    relation: Relation
    tier: Literal["symbolic", "cache"]
    ms: float
    """Time in the worker; 0 where nothing was computed."""


class SymbolicStep:
    """Compares pairs of answers. Starts its processes at the first pair that needs them; a context manager."""

    def __init__(
        self,
        policy: Policy = DEFAULT,
        cache: VerdictCache | Path | None = None,
        *,
        budget_s: float | None = DEFAULT_BUDGET_S,
        seconds: float = DEFAULT_SECONDS,
        workers: int | None = None,
    ) -> None:
        """Start nothing yet.

        Args:
            policy: What counts as the same answer.
            cache: Verdicts of earlier builds, or the file of them; None: only for the life of this object.
            budget_s: Time for all calls together, without the start of the processes; None: no limit. What is left
                then is unknown, and not kept in the cache.
            seconds: CPU time of one pair, after which its process is killed; 1.8 times as much by the clock.
            workers: Processes; default: as many as there are processors.
        """
        self.policy = policy
        self._cache = cache if isinstance(cache, VerdictCache) else VerdictCache(cache)
        self._left_s = budget_s
        self._limit_ms = round(1000 * seconds)
        self._pool = WorkerPool(
            _TARGET,
            workers=workers,
            seconds=seconds,
            memory_bytes=MEMORY_BYTES,
            warm_up=[_piece(a, b, policy) for a, b in _WARM_UP],
        )
        self._counts: Counter[str] = Counter()
        self._spent_s = 0.0
        self._slowest: list[tuple[float, int, dict[str, Any]]] = []

    def __enter__(self) -> SymbolicStep:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def compare(self, pairs: Sequence[tuple[str, str]]) -> list[Comparison]:
        """The verdict on each pair, in their order. ``(a, b)`` and ``(b, a)`` get the same one.

        Raises:
            MathloomError: The worker processes cannot be started. No text of an answer can cause it.
        """
        ordered = [(min(pair), max(pair)) for pair in pairs]
        known: dict[tuple[str, str], Comparison] = {}
        missing: list[tuple[str, str]] = []
        for pair in dict.fromkeys(ordered):
            found = self._known(pair)
            if found is None:
                missing.append(pair)
            else:
                known[pair] = found
        if missing:
            known.update(self._ask(missing))
        compared = [known[pair] for pair in ordered]
        self._counts.update(f"{found.tier}: {found.relation}" for found in compared)
        return compared

    def _known(self, pair: tuple[str, str]) -> Comparison | None:
        if pair[0] == pair[1]:
            return Comparison("equal", "symbolic", 0.0)
        if max(map(len, pair)) > MAX_CHARACTERS:
            self._counts["too long"] += 1
            return Comparison("unknown", "symbolic", 0.0)
        found = self._cache.get(pair_id(*pair, self.policy))
        if found is None or not found.settles(self._limit_ms):
            return None
        return Comparison(found.relation, "cache", 0.0)

    def _ask(self, pairs: Sequence[tuple[str, str]]) -> Iterator[tuple[tuple[str, str], Comparison]]:
        if self._left_s is not None and self._left_s <= 0.0:
            yield from ((pair, self._conclude(pair, NOT_TRIED)) for pair in pairs)
            return
        self._pool.start()
        start = time.monotonic()
        pieces = (_piece(a, b, self.policy) for a, b in pairs)
        try:
            for index, outcome in self._pool.map(pieces, self._left_s):
                yield pairs[index], self._conclude(pairs[index], outcome)
        finally:
            spent = time.monotonic() - start
            self._spent_s += spent
            if self._left_s is not None:
                self._left_s = max(0.0, self._left_s - spent)

    def _conclude(self, pair: tuple[str, str], outcome: Outcome) -> Comparison:
        relation = _relation(outcome)
        is_final = outcome.status == "answered"
        had_time = outcome.status == "timed_out" and outcome.cpu_ms >= _STARVED * self._limit_ms
        if outcome.is_of_piece or had_time:
            self._cache.put(pair_id(*pair, self.policy), Found(relation, 0 if is_final else self._limit_ms))
        if not is_final:
            self._counts[outcome.status.replace("_", " ")] += 1
        if outcome.detail == "refused":
            self._counts["refused by the guard"] += 1
        if outcome.status != "not_tried":
            shown = {"a": pair[0][:_SHOWN], "b": pair[1][:_SHOWN], "relation": relation, "ms": round(outcome.ms, 1)}
            entry = (outcome.ms, len(self._slowest) + self._counts.total(), {**shown, "outcome": outcome.status})
            (heapq.heappush if len(self._slowest) < _SLOWEST else heapq.heappushpop)(self._slowest, entry)
        return Comparison(relation, "symbolic", outcome.ms)

    def report(self) -> dict[str, Any]:
        """What was done so far, as JSON holds it: counts by tier and relation and of what went wrong, time, slowest."""
        return {
            "counts": dict(sorted(self._counts.items())),
            "seconds": round(self._spent_s, 3),
            "slowest": [entry for _, _, entry in sorted(self._slowest, key=lambda item: -item[0])],
        }

    def close(self) -> None:
        """End the processes and close the cache. Idempotent; a later ``compare`` starts them again."""
        self._pool.close()
        self._cache.close()


def _piece(a: str, b: str, policy: Policy) -> str:
    return json.dumps({"a": a, "b": b, "policy": asdict(policy)})


def _relation(outcome: Outcome) -> Relation:
    return outcome.answer if outcome.answer in ("equal", "different", "unknown") else "unknown"
