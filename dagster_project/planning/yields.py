"""How many rows a stage let through in earlier builds of the same recipe: what estimates below unbuilt stages use.

The environment itself comes first (what it has now is the version before the change); where it never had the stage, the
other profiles and previews of the recipe stand in. Reads manifests only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from math import sqrt
from pathlib import Path
from typing import Any

from assets.kinds import GenerationKind
from dagster_project.language.resolved import Recipe, Stage
from dagster_project.running.workspace import Workspace
from resources.errors import StoreError
from resources.store import Environment, Store, Version

Z = 1.96
"""Standard deviations on either side that hold 95 % of a normal distribution."""

_STATUSES = ("completed", "failed", "rejected")


@dataclass(frozen=True, slots=True)
class Yield:
    """Share of what goes in that comes out, and where it was seen."""

    low: float
    high: float
    source: str


def main_input(stage: Stage) -> str:
    """The formal input whose rows a stage works on."""
    return stage.kind.main_input if isinstance(stage.kind, GenerationKind) else stage.kind.law.input


def main_parents(stage: Stage) -> list[str]:
    """Names of the stages bound to the main input, or of all where the kind names none."""
    refs = stage.inputs.get(main_input(stage))
    return [ref.stage for ref in refs] if refs is not None else list(stage.parents)


class Past:
    """One environment's versions of the stages of a recipe."""

    def __init__(self, recipe: Recipe, store: Store, environment: Environment) -> None:
        self.label = environment.profile
        self._recipe, self._store, self._environment = recipe, store, environment
        self._versions: dict[str, Version | None] = {}

    def version(self, name: str) -> Version | None:
        """The version of a stage, if it is of the same kind and still there."""
        if name not in self._versions:
            self._versions[name] = self._read(name)
        return self._versions[name]

    def counts(self, stage: Stage) -> tuple[int, int] | None:
        """(rows out, what they came from): rows in, requests of a generation stage, groups of a vote."""
        version = self.version(stage.name)
        if version is None:
            return None
        if isinstance(stage.kind, GenerationKind) and stage.kind.law.name != "map":
            requests: Mapping[str, Any] = version.facts.get("requests", {})
            return version.row_count(), sum(int(requests.get(status, 0)) for status in _STATUSES)
        if stage.kind.law.name == "group":
            return version.row_count(), sum(self._groups(parent) for parent in main_parents(stage))
        return version.row_count(), _rows_in(version, stage) * stage.kind.law.most(stage.settings)

    def _groups(self, name: str) -> int:
        """Rows that the nearest generation stages above ``name``, itself included, asked for."""
        stage = self._recipe.stages[name]
        version = self.version(name)
        if version is None:
            return 0
        if isinstance(stage.kind, GenerationKind):
            return _rows_in(version, stage)
        return sum(self._groups(parent) for parent in main_parents(stage))

    def _read(self, name: str) -> Version | None:
        entry = self._environment.stages.get(name)
        if entry is None or entry.kind != self._recipe.stages[name].kind.name:
            return None
        try:
            return self._store.version(entry.kind, entry.version)
        except StoreError:
            return None


class Yields:
    """Yields of all stages, from the nearest builds that had them."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self.own = Past(workspace.recipe, workspace.store, workspace.environment)

    def of(self, stage: Stage) -> Yield | None:
        """The yield of ``stage``: 95 % intervals around what was seen, and all of them where several were."""
        own = self._of([self.own], stage)
        return own or self._of(self._others, stage)

    def _of(self, pasts: list[Past], stage: Stage) -> Yield | None:
        ranges, labels = [], []
        for past in pasts:
            counts = past.counts(stage)
            if counts is not None and counts[1] > 0:
                ranges.append(wilson(*counts))
                labels.append(past.label)
        if not ranges:
            return None
        source = f"yields of {', '.join(labels)}"
        return Yield(min(low for low, _ in ranges), max(high for _, high in ranges), source)

    @cached_property
    def _others(self) -> list[Past]:
        workspace = self._workspace
        folder: Path = workspace.environment.file.parent
        names = [path.stem for path in sorted(folder.glob("*.json")) if path != workspace.environment.file]
        recipe = workspace.recipe
        return [Past(recipe, workspace.store, Environment.load(workspace.root, recipe.name, name)) for name in names]


def wilson(successes: int, trials: int) -> tuple[float, float]:
    """95 % interval of a share, after Wilson (1927): wide for a preview of three rows, narrow for a million."""
    share = min(successes / trials, 1.0)
    spread = Z * sqrt(share * (1 - share) / trials + Z**2 / (4 * trials**2))
    middle = share + Z**2 / (2 * trials)
    scale = 1 + Z**2 / trials
    return max((middle - spread) / scale, 0.0), min((middle + spread) / scale, 1.0)


def _rows_in(version: Version, stage: Stage) -> int:
    rows: Mapping[str, int] = version.facts.get("funnel", {}).get("rows_in", {})
    name = main_input(stage)
    return int(rows[name]) if name in rows else sum(int(count) for count in rows.values())
