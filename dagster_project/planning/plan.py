"""What a plan says, as plain data: figures with their basis, the stages to build, their requests, the limits.

Nothing is computed and nothing is rendered here; ``to_json`` is what ``mathloom plan --json`` prints.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal

from dagster_project.language.resolved import Price
from dagster_project.running.outcome import State

Basis = Literal["known", "estimated", "unknown"]
"""known: counted. estimated: between ``low`` and ``high``, for the reason that ``source`` gives. unknown: no number."""

Verdict = Literal["fits", "may exceed", "exceeds", "cannot be said"]

FORMAT = 1
"""Raised when a field of the JSON changes its meaning; new fields do not raise it."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One number of a plan. ``high`` None beside a ``low``: nothing bounds it from above."""

    low: float | None
    high: float | None
    basis: Basis
    source: str = ""
    """Where it is from, in a few words; empty where it was simply counted."""

    @property
    def is_known(self) -> bool:
        """Whether it was counted."""
        return self.basis == "known"

    @property
    def least(self) -> float:
        """The low end; 0 for an unknown number."""
        return self.low or 0.0

    @property
    def is_zero(self) -> bool:
        """Whether it is certainly nothing."""
        return self.high == 0

    def to_json(self) -> dict[str, Any]:
        """Numbers without a fraction are whole numbers."""
        return {"low": _plain(self.low), "high": _plain(self.high), "basis": self.basis, "source": self.source}


def known(number: float, source: str = "") -> Figure:
    """A counted number."""
    return Figure(number, number, "known", source)


def estimated(low: float | None, high: float | None, source: str) -> Figure:
    """A number between ``low`` and ``high`` (None: no bound)."""
    return Figure(low, high, "estimated", source)


def unknown(source: str) -> Figure:
    """No number, and why."""
    return Figure(None, None, "unknown", source)


def times(figure: Figure, low: float, high: float | None, source: str) -> Figure:
    """``figure`` times something between ``low`` and ``high``; an estimate, unless ``figure`` is certainly nothing."""
    if figure.is_zero:
        return known(0)
    if figure.low is None:
        return unknown(figure.source)
    return estimated(figure.low * low, None if figure.high is None or high is None else figure.high * high, source)


def total(figures: Sequence[Figure]) -> Figure:
    """The sum. With an unknown part it is at least the rest; with nothing but unknown parts it is unknown."""
    missing = [figure for figure in figures if figure.basis == "unknown"]
    if missing and len(missing) == len(figures):
        return unknown(missing[0].source)
    highs = [figure.high for figure in figures]
    high = None if None in highs else sum(number for number in highs if number is not None)
    basis: Basis = "known" if all(figure.is_known for figure in figures) else "estimated"
    sources = dict.fromkeys(figure.source for figure in figures if figure.source)
    return Figure(sum(figure.least for figure in figures), high, basis, "; ".join(sources))


@dataclass(frozen=True, slots=True)
class Change:
    """A stage that a build would touch, and why."""

    stage: str
    kind: str
    state: State
    reason: str

    def to_json(self) -> dict[str, Any]:
        """Its fields."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


@dataclass(frozen=True, slots=True)
class StagePlan:
    """What a generation stage will ask for, and what that takes."""

    stage: str
    role: str
    engine: str
    rows_in: Figure
    requests: Figure
    """Samples that its rows ask for: to do, to reuse and given up together."""
    to_do: Figure
    reused: Figure
    """In the store already, or asked by an earlier row or stage."""
    given_up: Figure
    """Rejected by earlier builds: not asked again."""
    tokens_in: Figure
    tokens_out: Figure
    seconds: Figure
    gpu_hours: Figure
    cost: Figure
    price: Price | None = None
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Its fields; ``requests`` holds the four counts, ``price`` is null where the profile names none."""
        figures = ("rows_in", "requests", "to_do", "reused", "given_up", "tokens_in", "tokens_out")
        figures += ("seconds", "gpu_hours", "cost")
        price = {field.name: getattr(self.price, field.name) for field in fields(Price)} if self.price else None
        return {
            "stage": self.stage,
            "role": self.role,
            "engine": self.engine,
            **{name: getattr(self, name).to_json() for name in figures},
            "currency": self.price.currency if self.price else None,
            "price": price,
            "notes": list(self.notes),
        }


@dataclass(frozen=True, slots=True)
class Limit:
    """One limit of the profile beside what the plan needs of it."""

    name: str
    limit: float
    unit: str
    spent: float
    """Spent within the last 24 hours; 0 for a limit of one build."""
    needed: Figure
    verdict: Verdict

    def to_json(self) -> dict[str, Any]:
        """Its fields."""
        return {
            "name": self.name,
            "limit": self.limit,
            "unit": self.unit,
            "spent": self.spent,
            "needed": self.needed.to_json(),
            "verdict": self.verdict,
        }


@dataclass(frozen=True, slots=True)
class Plan:
    """What a build would do now."""

    recipe: str
    profile: str
    changes: tuple[Change, ...]
    unchanged: int
    """Selected stages that stay as they are."""
    generation: tuple[StagePlan, ...]
    to_do: Figure
    seconds: Figure
    gpu_hours: Figure
    costs: Mapping[str, Figure]
    """Currency -> what the build costs in it. Stages without a price are in none."""
    limits: tuple[Limit, ...]
    warnings: tuple[str, ...]
    hint: str = ""
    """The command that makes estimates exact without asking anything; empty where there is none."""

    def to_json(self) -> dict[str, Any]:
        """The whole plan. The same store and recipe give the same text."""
        return {
            "format": FORMAT,
            "recipe": self.recipe,
            "profile": self.profile,
            "stages": [change.to_json() for change in self.changes],
            "unchanged": self.unchanged,
            "generation": [stage.to_json() for stage in self.generation],
            "total": {
                "to_do": self.to_do.to_json(),
                "seconds": self.seconds.to_json(),
                "gpu_hours": self.gpu_hours.to_json(),
                "cost": {currency: figure.to_json() for currency, figure in self.costs.items()},
            },
            "limits": [limit.to_json() for limit in self.limits],
            "warnings": list(self.warnings),
            "hint": self.hint,
        }


def _plain(number: float | None) -> float | int | None:
    if number is None:
        return None
    rounded = round(number, 6)
    return int(rounded) if rounded == int(rounded) else rounded
