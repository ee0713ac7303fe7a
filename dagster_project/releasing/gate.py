"""The gate: all reasons why a release may not go out, at once, each with what is wrong and how to mend it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from resources.errors import MathloomError, ReleaseError

Level = Literal["refuse", "warn"]


@dataclass(frozen=True, slots=True)
class Reason:
    """One thing that is not as it must be. ``warn`` is said and lets the release pass."""

    level: Level
    what: str
    fix: str
    where: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}. {self.fix}"


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer to one question of the gate."""

    name: str
    title: str
    reasons: tuple[Reason, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether nothing in it stops the release."""
        return all(reason.level != "refuse" for reason in self.reasons)


QUESTIONS = {
    "whole": "The dataset is built whole, not as a preview.",
    "current": "No stage is stale, and no failed request waits.",
    "checks": "Every blocking check holds for the versions that are released.",
    "funnel": "No row appears or vanishes between the stages.",
    "contamination": "The dataset is compared with benchmarks.",
    "licences": "The licence is declared and compatible with those of seeds and models.",
    "sources": "Every tracked source has a lock.",
    "secrets": "No file holds a secret or a path of this machine.",
    "schema": "Code that reads the last release reads this one, or the step is major.",
    "number": "The number is new, and its step is no smaller than the change.",
    "repository": "The repository is what the last release left, and did not withdraw this content.",
}
"""Name -> what holds when it is green: the checks that the UI shows, in this order."""


@dataclass(frozen=True, slots=True)
class Gate:
    """The answers to the questions that were asked, in the order of :data:`QUESTIONS`."""

    verdicts: Sequence[Verdict]

    @property
    def is_open(self) -> bool:
        """Whether the release may go out."""
        return all(verdict.passed for verdict in self.verdicts)

    @property
    def reasons(self) -> list[Reason]:
        """Everything that stops it."""
        return [reason for verdict in self.verdicts for reason in verdict.reasons if reason.level == "refuse"]

    @property
    def warnings(self) -> list[Reason]:
        """What is said and stops nothing."""
        return [reason for verdict in self.verdicts for reason in verdict.reasons if reason.level == "warn"]

    def refusal(self, where: str) -> ReleaseError:
        """The error that lists every reason, and each remedy once. Only of a shut gate."""
        reasons = self.reasons
        listed = "; ".join(f"({i}) {r.where}: {r.what}" for i, r in enumerate(reasons, 1))
        numbers: dict[str, list[str]] = {}
        for i, reason in enumerate(reasons, 1):
            numbers.setdefault(reason.fix, []).append(str(i))
        fixes = ". ".join(f"({', '.join(of)}) {fix}" for fix, of in numbers.items())
        what = f"the release may not go out for {len(reasons)} reason(s): {listed}"
        return ReleaseError(what, where=where, fix=fixes)


def verdict(name: str, ask: Callable[[], Iterable[Reason]]) -> Verdict:
    """Ask one question. A question that cannot be answered is a reason to refuse, like any other."""
    try:
        return Verdict(name, QUESTIONS[name], tuple(ask()))
    except MathloomError as error:
        return Verdict(name, QUESTIONS[name], (Reason("refuse", error.what, error.fix, error.where),))


def check_name(question: str) -> str:
    """The check of the asset that shows one question."""
    return f"gate_{question}"
