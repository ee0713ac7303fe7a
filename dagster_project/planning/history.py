"""What this store knows from earlier builds: tokens a completion and tokens a second.

The nearest history that exists is used: of the same prompts and sampling on the same weights; else of stages of the
same kind in the same recipe (the stage itself under other settings is one of them), still on these weights. What these
weights answered to anything else tells how fast they are, and little of how long an answer here will be.
Memory: the last slices of each.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from dagster_project.running.workspace import Workspace
from dagster_project.terminal.words import duration, short
from resources.requests.usage import WeightsUsage
from resources.usage import Usage, UsageLog

LAST = 100
"""Slices looked back on, the newest of each kind: 50 minutes of work at a slice each half minute. Speeds of longer ago
are those of another driver, server or batch size."""

TAIL = 0.1
"""Share of the time, at either end, whose speed is left out: a slice that held little but the start of an engine, and
one of unusually short prompts."""


@dataclass(frozen=True, slots=True)
class Tokens:
    """Mean tokens a completion."""

    prompt: float
    completion: float
    source: str


@dataclass(frozen=True, slots=True)
class Speed:
    """Completion tokens a second, the start of the engine included: the slow and the fast slices that were seen."""

    low: float
    high: float
    source: str


class History:
    """The slices of one store that ended in completions, and its figures by weights."""

    def __init__(self, slices: Iterable[Usage], figures: Sequence[WeightsUsage] = (), stored: int = 0) -> None:
        """``stored``: all completions of the store, those too that no figure counts yet."""
        self._figures, self._stored = figures, stored
        self._slices: dict[tuple[str, ...], deque[Usage]] = {}
        for usage in slices:
            if usage.completions > 0:
                weights, shape, engine = usage.weights, usage.shape, usage.engine
                kin = (weights, "stage", usage.recipe, usage.stage)
                for name in ((weights, shape), kin, (weights, engine, ""), (weights, engine, shape)):
                    self._slices.setdefault(name, deque(maxlen=LAST)).append(usage)

    @classmethod
    def of(cls, workspace: Workspace) -> History:
        """That of a store; opens its request store."""
        requests = workspace.requests
        return cls(UsageLog(workspace.root).read(), requests.usage_by_weights(), requests.stats().completions)

    def stored(self, weights: str) -> int:
        """Most completions that the store can have of these weights; of all, if they have no name."""
        if not weights:
            return self._stored
        own = sum(figure.completions for figure in self._figures if figure.weights == weights)
        uncounted = self._stored - sum(figure.completions for figure in self._figures)  # journals of running builds
        return own + max(uncounted, 0)

    def tokens(self, weights: str, shape: str, recipe: str, kin: Collection[str]) -> Tokens | None:
        """What a completion took so far; None if these weights never answered anything alike.

        Args:
            weights: Id of the weights.
            shape: Of the stage: prompts and sampling.
            recipe: Name of the recipe.
            kin: Its stages of the same kind, the stage itself among them.
        """
        same = self._slices.get((weights, shape), ())
        if same:
            return _mean(same, "the same prompts")
        alike = [usage for stage in kin for usage in self._slices.get((weights, "stage", recipe, stage), ())]
        return _mean(alike, f"other prompts or settings of {', '.join(dict.fromkeys(u.stage for u in alike))}")

    def any_tokens(self, weights: str) -> Tokens | None:
        """What a completion of these weights took, whatever was asked; from the request store."""
        figures = [figure for figure in self._figures if figure.weights == weights]
        count = sum(figure.counted for figure in figures)
        if not count:
            return None
        prompt, completion = sum(f.prompt_tokens for f in figures), sum(f.completion_tokens for f in figures)
        return Tokens(prompt / count, completion / count, f"{count:,} completions of these weights")

    def speed(self, weights: str, engine: str, shape: str) -> Speed | None:
        """How fast these weights answered in this engine; None if they never did."""
        for name, words in (((weights, engine, shape), ""), ((weights, engine, ""), ", other prompts")):
            rates = _rates(self._slices.get(name, ()))
            if rates:
                low, high, seconds = _quantile(rates, TAIL), _quantile(rates, 1 - TAIL), sum(time for _, time in rates)
                seen = short(low) if short(low) == short(high) else f"{short(low)} to {short(high)}"
                return Speed(low, high, f"measured: {seen} tokens/s over {duration(seconds)}{words}")
        return None


def _rates(slices: Iterable[Usage]) -> list[tuple[float, float]]:
    """(tokens a second, seconds) of each slice, slowest first."""
    worked = [usage for usage in slices if usage.completion_tokens > 0 and usage.engine_seconds > 0]
    return sorted((usage.completion_tokens / usage.engine_seconds, usage.engine_seconds) for usage in worked)


def _quantile(rates: list[tuple[float, float]], share: float) -> float:
    """The rate that ``share`` of the seconds did not exceed."""
    wanted = share * sum(seconds for _, seconds in rates)
    passed = 0.0
    for rate, seconds in rates:
        passed += seconds
        if passed >= wanted:
            return rate
    return rates[-1][0]


def _mean(slices: Collection[Usage], words: str) -> Tokens | None:
    count = sum(usage.completions for usage in slices)
    if not count:
        return None
    prompt, completion = sum(usage.prompt_tokens for usage in slices), sum(usage.completion_tokens for usage in slices)
    return Tokens(prompt / count, completion / count, f"mean of {count:,} completions of {words}")
