"""What a stage spends while its engine runs: measured, written to the usage log, and held against the limits.

GPU-hours are wall hours with the engine loaded (its start included) times the role's GPUs; they count where the role
has a price by the GPU-hour or names devices. Costs follow from them, or from tokens. Limits hold inside the stage, so
every way to start a build meets them.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from dagster_project.language.resolved import Limits, Price, Role
from dagster_project.running.outcome import RequestCounts
from resources.errors import LimitError
from resources.usage import APPEND_S, Usage, UsageLog

DAY_S = 86_400.0
MILLION = 1_000_000


@dataclass(slots=True)
class Spent:
    """What the stages of one build have spent so far."""

    cost: float = 0.0
    gpu_hours: float = 0.0


class Meter:
    """Measures one stage. ``start`` when the engine begins to load, ``update`` often, ``close`` at the end."""

    def __init__(
        self,
        template: Usage,
        role: Role,
        limits: Limits,
        log: UsageLog,
        spent: Spent,
        *,
        where: str,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], float] = time.time,
    ) -> None:
        """Make it; nothing runs yet.

        Args:
            template: Names of the slices that are written; their counts are replaced.
            role: Price and GPUs.
            limits: What may be spent.
            log: Where slices go, and what a day has cost so far.
            spent: Sums of the build; this stage is added when it closes.
            where: The stage, for errors.
            clock: Seconds that never jump.
            now: Seconds since 1970.
        """
        self._template, self._role, self._limits = template, role, limits
        self._log, self._spent, self._where = log, spent, where
        self._clock, self._now = clock, now
        self._started: float | None = None
        self._loaded = 0.0  # seconds of earlier loads of this stage
        self._asked: float | None = None
        self._answered = 0.0  # seconds of earlier waves in which answers could come
        self._written = RequestCounts()
        self._written_at = 0.0
        self._day = Spent()

    def start(self) -> None:
        """The engine begins to load."""
        self._started = self._clock()
        self._written_at = self._started
        self._day = self._spent_today()

    def asked(self) -> None:
        """The first request of a wave goes out: rates are measured from here until the wave ends."""
        if self._asked is None:
            self._asked = self._clock()

    def pause(self, counts: RequestCounts) -> None:
        """The engine rests (between waves): its time does not count."""
        self.update(counts)
        if self._started is not None:
            self._loaded += self._clock() - self._started
            self._started = None
        self._answered, self._asked = counts.answering_seconds, None

    def update(self, counts: RequestCounts) -> None:
        """Bring the seconds, GPU-hours and cost in ``counts`` up to date; write a slice if the last one is old."""
        running = self._clock() - self._started if self._started is not None else 0.0
        counts.engine_seconds = self._loaded + running
        if self._asked is not None and self._started is not None:
            counts.answering_seconds = self._answered + max(self._clock() - self._asked, 0.0)
        price = self._role.price
        if self._role.devices or (price and price.per_gpu_hour is not None):
            counts.gpu_hours = counts.engine_seconds * self._role.gpus / 3600
        if price:
            counts.currency = price.currency
            counts.cost = cost_of(price, counts.gpu_hours, counts.prompt_tokens, counts.completion_tokens)
        if self._started is not None and self._clock() - self._written_at >= APPEND_S:
            self._write(counts)

    def refuse_if_spent(self, counts: RequestCounts) -> None:
        """Raises LimitError if a limit is reached already. Called before the engine starts."""
        self._day = self._spent_today()
        if words := self.over(counts):
            raise self.error(words)

    def over(self, counts: RequestCounts) -> str | None:
        """The limit that is reached, in words; None while none is."""
        limits = self._limits
        unwritten_cost = counts.cost - self._written.cost
        unwritten_hours = counts.gpu_hours - self._written.gpu_hours
        found = (
            ("max_cost", limits.max_cost, self._spent.cost + counts.cost, True),
            ("max_gpu_hours", limits.max_gpu_hours, self._spent.gpu_hours + counts.gpu_hours, False),
            ("max_cost_per_day", limits.max_cost_per_day, self._day.cost + unwritten_cost, True),
            ("max_gpu_hours_per_day", limits.max_gpu_hours_per_day, self._day.gpu_hours + unwritten_hours, False),
        )
        for name, limit, value, is_cost in found:
            if limit is not None and value >= limit and (counts.to_do or value > limit):
                unit = limits.currency if is_cost else "GPU-hours"
                return f"{value:.2f} {unit} spent, and the limit {name} is {limit:g}"
        return None

    def error(self, words: str) -> LimitError:
        """The error that ends a stage at a limit."""
        return LimitError(
            words,
            where=self._where,
            fix="Raise the limit in the profile (`limits:`) and run again: what was answered is stored and will not be "
            "asked for again",
        )

    def close(self, counts: RequestCounts) -> None:
        """The stage ends, however it ends: write the last slice, add to the sums of the build."""
        self.pause(counts)
        self._write(counts)
        self._spent.cost += counts.cost
        self._spent.gpu_hours += counts.gpu_hours

    def _write(self, counts: RequestCounts) -> None:
        before = self._written
        slice_ = Usage(
            **{
                **{name: getattr(self._template, name) for name in _NAMES},
                "completions": counts.completed - before.completed,
                "failures": counts.failed - before.failed,
                "prompt_tokens": counts.prompt_tokens - before.prompt_tokens,
                "completion_tokens": counts.completion_tokens - before.completion_tokens,
                "engine_seconds": round(counts.engine_seconds - before.engine_seconds, 3),
                "gpu_hours": counts.gpu_hours - before.gpu_hours,
                "cost": counts.cost - before.cost,
                "currency": counts.currency,
            }
        )
        if slice_.engine_seconds or slice_.completions or slice_.failures:
            self._log.append(slice_)
            self._written = RequestCounts(
                completed=counts.completed,
                failed=counts.failed,
                prompt_tokens=counts.prompt_tokens,
                completion_tokens=counts.completion_tokens,
                engine_seconds=counts.engine_seconds,
                gpu_hours=counts.gpu_hours,
                cost=counts.cost,
            )
            self._day = self._spent_today()
        self._written_at = self._clock()

    def _spent_today(self) -> Spent:
        """By all builds over the store within 24 hours. Costs in other currencies than the limits' are left out."""
        if self._limits.max_cost_per_day is None and self._limits.max_gpu_hours_per_day is None:
            return Spent()
        total = Spent()
        for usage in self._log.read(since=self._now() - DAY_S):
            total.gpu_hours += usage.gpu_hours
            if usage.currency == self._limits.currency:
                total.cost += usage.cost
        return total


_NAMES = ("recipe", "profile", "stage", "role", "engine", "weights", "shape", "run_id")


def cost_of(price: Price, gpu_hours: float, prompt_tokens: float, completion_tokens: float) -> float:
    """What work costs, in the currency of ``price``."""
    if price.per_gpu_hour is not None:
        return gpu_hours * price.per_gpu_hour
    per_prompt, per_completion = price.per_million_prompt_tokens or 0.0, price.per_million_completion_tokens or 0.0
    return (prompt_tokens * per_prompt + completion_tokens * per_completion) / MILLION
