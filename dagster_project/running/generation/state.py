"""What the steps of one run of a generation stage share: its settings, its counts, what is at the engine now."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from assets.kinds import GenerationKind, Table, Trial
from dagster_project.language.resolved import Role, Stage
from dagster_project.running.generation.asks import generation_kind, weights_id
from dagster_project.running.outcome import Progress, RequestCounts
from dagster_project.running.spending import Meter
from dagster_project.running.throughput import Throughput
from dagster_project.running.workspace import Workspace
from resources.engines.protocol import EngineRequest
from resources.requests.store import RequestStore


@dataclass(frozen=True, slots=True)
class Policy:
    """What happens to requests that fail: settings of the stage, with the defaults of the generation station."""

    retries: int = 1
    max_attempts: int = 3
    max_failure_share: float = 0.05

    @classmethod
    def of(cls, stage: Stage) -> Policy:
        """Those of ``stage``; a kind need not have such settings."""
        said = {name: getattr(stage.settings, name, None) for name in cls.__slots__}
        return cls(**{name: value for name, value in said.items() if value is not None})


@dataclass(frozen=True, slots=True)
class Wanted:
    """A request that shall go to the engine, and the keys of its samples in their order."""

    request: EngineRequest
    keys: Sequence[bytes]


@dataclass(slots=True)
class Open:
    """A request at the engine: what was asked, and the keys of the samples that have not come back, by sample index."""

    request: EngineRequest
    keys: dict[int, bytes]


@dataclass(slots=True)
class GenerationRun:
    """One generation stage while it runs."""

    workspace: Workspace
    stage: Stage
    table: Table
    scratch: Path
    progress: Progress
    meter: Meter
    kind: GenerationKind = field(init=False)
    role: Role = field(init=False)
    weights: str = field(init=False)
    policy: Policy = field(init=False)
    counts: RequestCounts = field(default_factory=RequestCounts)
    ledgers: list[Path] = field(default_factory=list)
    """One a wave."""
    open: dict[int, Open] = field(default_factory=dict)
    """By the number of the request."""
    in_flight: set[bytes] = field(default_factory=set)
    throughput: Throughput = field(default_factory=Throughput)
    trial: Trial | None = None
    """What the stage keeps of its trial, once that is over."""
    failed_here: dict[bytes, int] = field(default_factory=dict)
    """Requests that failed in this build -> how often. Few: above a share of them the stage stops."""
    numbers: Iterator[int] = field(default_factory=itertools.count)
    position: Iterator[int] = field(default_factory=itertools.count)

    def __post_init__(self) -> None:
        assert self.stage.role is not None
        self.kind = generation_kind(self.stage)
        self.role = self.workspace.roles.said(self.stage.role)
        self.weights = weights_id(self.workspace, self.stage)
        self.policy = Policy.of(self.stage)

    def asking(self, wanted: Wanted) -> EngineRequest:
        """Remember that ``wanted`` goes to the engine now."""
        request = wanted.request
        self.open[request.number] = Open(request, {request.first + i: key for i, key in enumerate(wanted.keys)})
        self.in_flight.update(wanted.keys)
        return request

    def single(self, request: EngineRequest, index: int, key: bytes) -> Wanted:
        """One sample of ``request`` as a request of its own."""
        return Wanted(replace(request, number=next(self.numbers), first=index, count=1), (key,))

    def take_unanswered(self) -> list[Wanted]:
        """What is at the engine and has not come back, a request a sample; nothing counts as open after it."""
        found = [self.single(o.request, index, key) for o in self.open.values() for index, key in o.keys.items()]
        self.open.clear()
        return found

    @property
    def requests(self) -> RequestStore:
        """The store, open."""
        return self.workspace.requests

    @property
    def where(self) -> str:
        """The stage, for errors."""
        return f"{self.workspace.recipe.name}/{self.stage.name}"
