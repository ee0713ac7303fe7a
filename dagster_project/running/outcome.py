"""What running a stage tells: plain data for the summary, the UI and the log."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from resources.errors import MathloomError
from resources.store import Version

State = Literal["current", "unchecked", "stored", "changed", "retry", "unknown"]
"""current: the environment has it. unchecked: it has it, and its checks as they are now failed on it or never ran.
stored: the store has it, only promotion is left. changed: must be built.
retry: built, with failed requests to ask again. unknown: a stage above is not built, so it cannot be said."""


@dataclass(slots=True)
class RequestCounts:
    """Requests of one stage in one build. ``asked`` went to the engine; ``reused`` were in the store."""

    total: int = 0
    reused: int = 0
    asked: int = 0
    completed: int = 0
    failed: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    engine_seconds: float = 0.0


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
    seconds: float = 0.0
    peak_mb: float | None = None
    """Highest resident memory of this process while the stage ran, in MB; None where the system cannot say."""


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
