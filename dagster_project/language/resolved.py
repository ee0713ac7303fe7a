"""What a recipe is after loading: plain frozen data that the graph, the plan and the command line read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from assets.kinds import GenerationKind, Kind, Settings


@dataclass(frozen=True, slots=True)
class Place:
    """A line of a file, for errors and for code links in the UI."""

    path: Path
    line: int

    def __str__(self) -> str:
        return f"{self.path}:{self.line}"


@dataclass(frozen=True, slots=True)
class Ref:
    """One table of one stage: ``solutions`` is ``Ref("solutions", "rows")``, ``solutions.rejects`` its rejects."""

    stage: str
    table: str = "rows"

    def __str__(self) -> str:
        return self.stage if self.table == "rows" else f"{self.stage}.{self.table}"


@dataclass(frozen=True, slots=True)
class Source:
    """Where seed rows, or the rows of a benchmark, come from. Exactly one of ``hub``, ``path``, ``bundled`` is set."""

    name: str
    place: Place
    hub: str | None = None
    """Dataset repository, ``org/name``."""
    config: str | None = None
    """Hub config name; ``*`` reads all configs in sorted order."""
    split: str = "train"
    revision: str | None = None
    """Fixed commit."""
    track: str | None = None
    """Branch that ``mathloom update`` resolves into recipe.lock."""
    path: Path | None = None
    """Local .jsonl, .json.gz, .parquet or .csv; relative paths are relative to the project file."""
    bundled: str | None = None
    """File inside the recipe's folder."""
    licence: str | None = None
    rows: int | None = None
    """Declared number of rows: what `mathloom ls` counts with before anything is downloaded."""
    columns: Mapping[str, str] = field(default_factory=dict)
    """Renames: wanted column -> column of the file."""
    is_benchmark: bool = False
    """Declared under `benchmarks:`: what the dataset must not hold."""


@dataclass(frozen=True, slots=True)
class Price:
    """What an engine costs: ``per_gpu_hour``, or both prices by the token; and how one knows."""

    source: str
    date: str
    """YYYY-MM-DD."""
    currency: str = "USD"
    per_gpu_hour: float | None = None
    gpus: int | None = None
    per_million_prompt_tokens: float | None = None
    per_million_completion_tokens: float | None = None


@dataclass(frozen=True, slots=True)
class Role:
    """A model with an engine. ``engine`` names a class of ``resources.engines.catalog``; ``options`` are its words."""

    name: str
    place: Place
    engine: str
    options: Mapping[str, Any]
    devices: tuple[str, ...] = ()
    """Devices of this machine that the engine fills; none: the profile does not say."""
    price: Price | None = None
    tokens_per_second: float | None = None
    """Declared speed (tokens out), for a plan without measurements."""
    licence: str | None = None
    """Licence of the weights, or the terms of the service: what may be done with the texts it writes."""

    @property
    def gpus(self) -> int:
        """GPUs that are counted while the engine runs: those that are paid, else the devices, else 1."""
        return (self.price.gpus if self.price and self.price.gpus else None) or len(self.devices) or 1


@dataclass(frozen=True, slots=True)
class Limits:
    """What builds may spend; None is no limit. A day is the last 24 hours over the whole store."""

    max_cost: float | None = None
    max_gpu_hours: float | None = None
    max_cost_per_day: float | None = None
    max_gpu_hours_per_day: float | None = None
    currency: str = "USD"


@dataclass(frozen=True, slots=True)
class Publishing:
    """Where the profile publishes its releases: exactly one of ``repository`` (on the Hub) and ``folder`` is set."""

    place: Place
    repository: str | None = None
    folder: Path | None = None
    is_pull_request: bool = False
    """Whether a release is a pull request that somebody merges."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """When Dagster's daemon does by itself what a person would start."""

    cron: str | None = None
    """When the whole recipe is brought up to date; None: never."""
    timezone: str = "UTC"
    publishes: bool = False
    """Whether a scheduled build ends in a release, if the gate is open and rows changed."""
    watch_minutes: int | None = None
    """How often tracked sources and local files are looked at; None: never."""
    automates: bool = False
    """Whether stages that ask no model follow their inputs at once."""
    notify_env: str | None = None
    """Environment variable with the address that failures are posted to."""


@dataclass(frozen=True, slots=True)
class Check:
    """A data test of one stage. ``arguments`` as written; ``blocking`` unless its severity is ``warn``."""

    name: str
    test: str
    """not_null, unique, accepted_values, relationships, row_count_between, expression, no_overlap, max_share."""
    arguments: Mapping[str, Any]
    blocking: bool
    place: Place


@dataclass(frozen=True, slots=True)
class Stage:
    """A node of a recipe; one asset."""

    name: str
    kind: Kind
    settings: Settings
    inputs: Mapping[str, tuple[Ref, ...]]
    """Formal input -> the tables bound to it (several only where the kind says ``many``)."""
    place: Place
    description: str = ""
    role: str | None = None
    source: str | None = None
    checks: tuple[Check, ...] = ()
    prompts: tuple[str, ...] = ()
    """Prompt files that its settings name."""

    @property
    def parents(self) -> tuple[str, ...]:
        """Names of the stages it reads, in order, each once."""
        return tuple(dict.fromkeys(ref.stage for refs in self.inputs.values() for ref in refs))

    @property
    def is_generation(self) -> bool:
        """Whether it asks a model."""
        return isinstance(self.kind, GenerationKind)


@dataclass(frozen=True, slots=True)
class Recipe:
    """One recipe under one profile. ``stages`` are in topological order (ties: as written)."""

    name: str
    profile: str
    folder: Path
    place: Place
    title: str
    description: str
    owners: tuple[str, ...]
    sources: Mapping[str, Source]
    """Sources, then benchmarks: one name is one of them."""
    roles: Mapping[str, Role]
    stages: Mapping[str, Stage]
    release: Mapping[str, Any]
    """The release section as written (licence, title, citation ...), for the card."""
    splits: Mapping[str, int | None]
    """Split -> rows wanted; None is all."""
    prompts_folder: Path
    root: Path
    """Where relative paths of sources and engines begin: the folder of the project file."""
    key_prefix: tuple[str, ...] = ()
    """Put before its asset keys: the profile, unless it is the one that the project file names. Two profiles of a
    recipe are two environments, and one must not show up as the other in the UI."""
    limits: Limits = Limits()
    """What builds may spend, as the profile says; ``build --max-cost`` makes it narrower."""
    publishing: Publishing | None = None
    """Where releases go; None: nowhere unless a command says it."""
    schedule: Schedule = Schedule()
    preview_rows: int | None = None
    """Set by ``preview -n``: rows kept at every source, and most samples a row."""

    def asset_path(self, stage: str) -> list[str]:
        """The asset key of a stage, as Dagster writes it."""
        return [*self.key_prefix, self.name, stage]


@dataclass(frozen=True, slots=True)
class Project:
    """``mathloom.toml``: which recipes there are and where builds live."""

    file: Path
    store: Path
    """Root of store, requests, locks and Dagster home; default ``.mathloom`` beside the project file."""
    recipes: Mapping[str, Recipe]
