"""What a card is made from, as plain data, and how the lines of a release's context are read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from assets.release.layout import ConfigFiles

Bars = Sequence[tuple[str, int]]
"""(label, count) of a plot, in order."""


@dataclass(frozen=True, slots=True)
class Composition:
    """Of one split: problem source -> (distinct questions, pairs)."""

    split: str
    counts: Mapping[str, tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Cost:
    """Requests of one stage, and tokens of those that were answered. ``price`` is in ``currency``; None: not known."""

    stage: str
    model: str
    requests: int
    completed: int
    failed: int
    prompt_tokens: int
    completion_tokens: int
    price: float | None = None
    currency: str = ""


@dataclass(frozen=True, slots=True)
class CardFacts:
    """What the card is made from. ``recipe``, ``lineage``, ``funnel``, ``sources`` ... as in the stage's context."""

    configs: Sequence[ConfigFiles]
    is_shared: bool
    splits: Mapping[str, int]
    composition: Sequence[Composition]
    recipe: Mapping[str, Any] = field(default_factory=dict)
    lineage: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    models: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Role -> model, weights, licence, price."""
    funnel: Sequence[Mapping[str, Any]] = ()
    sources: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    example: Mapping[str, str | None] = field(default_factory=dict)
    benchmarks: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    figures: Sequence[Mapping[str, Any]] = ()
    """Counts of the comparison with benchmarks (schema FIGURE)."""
    checks: Mapping[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)
    """Stage -> results of its law and its checks."""
    costs: Sequence[Cost] = ()
    votes: Bars = ()
    """Share of the votes that the expected answer got -> released problems with a vote."""
    lengths: Bars = ()
    """Length of the released text -> rows."""
    length_unit: str = ""
    """Tokens, or Characters."""

    @property
    def repository(self) -> str:
        """The name that `load_dataset` takes; publishing puts the real one in place."""
        return str(self.release.get("repository") or "ORG/NAME")

    @property
    def release(self) -> Mapping[str, Any]:
        """The release section of the recipe."""
        return self.recipe.get("release") or {}

    @property
    def title(self) -> str:
        """The dataset's name for people."""
        return str(self.release.get("title") or self.recipe.get("title") or self.recipe.get("name") or "Dataset")


def rejected(line: Mapping[str, Any]) -> dict[str, int]:
    """Rule -> rows removed, of one line of the funnel."""
    return dict(line.get("rejected") or line.get("rules") or {})


def rows_in(line: Mapping[str, Any]) -> int | None:
    """Rows that a stage read: of its main input, or of all inputs where no one is the main one."""
    counts = line.get("rows_in")
    if not isinstance(counts, Mapping):
        return counts
    if not counts:
        return None
    return counts.get(line.get("main"), sum(counts.values()))


def prompts_of(line: Mapping[str, Any]) -> dict[str, Any]:
    """Prompt -> hash, of one stage's lineage."""
    return dict(line.get("prompts") or line.get("prompt") or {})


def sampling_of(line: Mapping[str, Any]) -> Any:
    """Sampling and other settings, of one stage's lineage."""
    return line.get("settings") or line.get("sampling") or {}


def costs_of(
    facts: Mapping[str, Mapping[str, Any]],
    lineage: Mapping[str, Mapping[str, Any]],
    models: Mapping[str, Mapping[str, Any]],
) -> list[Cost]:
    """What each stage asked for, from the facts of its version: of content alone, whoever paid for it and when.

    Money is counted only for models with a price by the token.
    """
    found = []
    for stage, line in lineage.items():
        counts: Mapping[str, int] = (facts.get(stage) or {}).get("requests") or {}
        if not counts:
            continue
        model = models.get(str(line.get("role"))) or {}
        tokens = (counts.get("prompt_tokens", 0), counts.get("completion_tokens", 0))
        failed = counts.get("failed", 0) + counts.get("rejected", 0)
        completed = counts.get("completed", 0)
        shown = str(line.get("model") or line.get("weights") or "unknown")
        found.append(Cost(stage, shown, completed + failed, completed, failed, *tokens, *_money(model, *tokens)))
    return found


def _money(model: Mapping[str, Any], tokens_in: int, tokens_out: int) -> tuple[float | None, str]:
    price = model.get("price")
    if not price:
        return None, ""
    rates = float(price["per_million_prompt_tokens"]), float(price["per_million_completion_tokens"])
    return round((tokens_in * rates[0] + tokens_out * rates[1]) / 1e6, 6), str(price["currency"])
