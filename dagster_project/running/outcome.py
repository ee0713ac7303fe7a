"""What running a stage tells: plain data for the summary, the UI and the log."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from dagster_project.running.throughput import Point
from resources.errors import MathloomError
from resources.store import Version

State = Literal["current", "unchecked", "stored", "changed", "retry", "unknown"]
"""current: the environment has it. unchecked: it has it, and its checks as they are now failed on it or never ran.
stored: the store has it, only promotion is left. changed: must be built.
retry: built, with failed requests to ask again. unknown: a stage above is not built, so it cannot be said."""


@dataclass(slots=True)
class RequestCounts:
    """Requests of one stage in one build.

    A wave is counted whole before its first request goes out, so ``total``, ``reused``, ``given_up`` and ``to_do`` are
    exact from then on (a later wave adds to them): done = reused + given_up + completed + failed, of total.
    """

    total: int = 0
    """Samples that rows asked for; the same request from two rows counts twice."""
    reused: int = 0
    """Of them, in the store already, or asked by an earlier row."""
    given_up: int = 0
    """Of them, rejected in earlier builds (max_attempts, or a failure that nothing mends): not asked again."""
    to_do: int = 0
    """Of them, to be asked in this build."""
    asked: int = 0
    """Went to the engine so far, repetitions not counted."""
    completed: int = 0
    failed: int = 0
    retried: int = 0
    """Answers that failed and were asked again in this build."""
    restarts: int = 0
    """Times that a broken engine was started anew."""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    """Of completions of this build."""
    engine_seconds: float = 0.0
    """Wall seconds with the engine loaded, its start included."""
    answering_seconds: float = 0.0
    """Wall seconds from the first request until now: what rates are measured over."""
    gpu_hours: float = 0.0
    cost: float = 0.0
    """What this stage cost in this build so far, in ``currency``."""
    currency: str = ""
    """Empty: the role has no price."""

    @property
    def done(self) -> int:
        """Samples that need nothing more in this build."""
        return self.reused + self.given_up + self.completed + self.failed

    @property
    def seconds_left(self) -> float | None:
        """At the rate so far; None before anything came back."""
        ended = self.completed + self.failed
        return self.answering_seconds * (self.to_do - ended) / ended if ended else None

    @property
    def expected_cost(self) -> float | None:
        """Cost of the whole stage at the rate so far; None before anything came back, or without a price."""
        ended = self.completed + self.failed
        return self.cost * max(self.to_do, ended) / ended if ended and self.currency else None


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One check or law on one version. ``violations`` counts rows that must not exist."""

    name: str
    passed: bool
    blocking: bool
    description: str
    violations: int = 0
    sample: Sequence[Mapping[str, Any]] = ()


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one stage ended."""

    stage: str
    kind: str
    state: Literal["built", "reused"]
    version: Version
    fingerprint: str
    funnel: Mapping[str, Any]
    """rows_in per input, rows_out, rejected per rule."""
    checks: Sequence[CheckResult]
    requests: RequestCounts = field(default_factory=RequestCounts)
    pending: int = 0
    throughput: Sequence[Point] = ()
    """Requests and tokens a second over the time of this build; empty where no request was asked."""
    seconds: float = 0.0
    peak_mb: float | None = None
    """Highest resident memory of this process while the stage ran, in MB; None where the system cannot say."""
    measured: Mapping[str, Any] = field(default_factory=dict)
    """What the kind itself measured (``Job.measured``); empty where the stage was reused."""


class Progress(Protocol):
    """Who watches a build. Called often from the running thread: must return quickly."""

    def stage_started(self, stage: str, kind: str) -> None:
        """A stage begins."""
        ...

    def requests(self, stage: str, counts: RequestCounts) -> None:
        """How far its requests are."""
        ...

    def note(self, stage: str, text: str) -> None:
        """A few words on what it does now."""
        ...

    def stage_ended(self, outcome: Outcome) -> None:
        """It is up to date."""
        ...

    def stage_failed(self, stage: str, error: MathloomError) -> None:
        """It is not, and this is why."""
        ...


class Silence:
    """A Progress that says nothing."""

    def stage_started(self, stage: str, kind: str) -> None:
        """Nothing."""

    def requests(self, stage: str, counts: RequestCounts) -> None:
        """Nothing."""

    def note(self, stage: str, text: str) -> None:
        """Nothing."""

    def stage_ended(self, outcome: Outcome) -> None:
        """Nothing."""

    def stage_failed(self, stage: str, error: MathloomError) -> None:
        """Nothing."""
