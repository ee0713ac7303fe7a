"""The Dagster resource that holds a run's workspaces: opened at the first stage, locked, closed when the run ends."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import dagster as dg
from pydantic import Field

from dagster_project.language.resolved import Recipe
from dagster_project.run_log import LogProgress
from dagster_project.running.outcome import Progress
from dagster_project.running.workspace import Workspace


class Builds:
    """The workspaces of one run, and who watches it."""

    def __init__(
        self, store: Path, recipes: Mapping[str, Recipe], stack: ExitStack, *, progress: Progress | None, force: bool
    ) -> None:
        self.force = force
        """Whether stages are built again even if the store has their versions."""
        self._store = store
        self._recipes = recipes
        self._stack = stack
        self._progress = progress
        self._open: dict[str, Workspace] = {}

    def workspace(self, recipe: str) -> Workspace:
        """The workspace of ``recipe``, locked for this run. Raises BusyError if another build holds it."""
        if recipe not in self._open:
            workspace = Workspace(self._recipes[recipe], self._store)
            self._stack.enter_context(workspace.environment.lock())
            self._stack.callback(workspace.close)
            workspace.environment.forget(set(workspace.recipe.stages))
            self._open[recipe] = workspace
        return self._open[recipe]

    def progress(self, log: Any) -> Progress:
        """Who watches: the given one, or the run's log."""
        return self._progress or LogProgress(log)


def builds_resource(
    store: Path, recipes: Mapping[str, Recipe], *, progress: Progress | None = None, force: bool = False
) -> dg.ResourceDefinition:
    """The resource ``builds``.

    Not a ConfigurableResource: those are made anew from their config in every run, and a recipe is no config.
    """

    @dg.resource(description=f"Workspaces of a run over the store {store.name}: locks, request store, engines.")
    def builds(_context: dg.InitResourceContext) -> Iterator[Builds]:
        with ExitStack() as stack:  # closes every workspace when the run ends, however it ends
            yield Builds(store, recipes, stack, progress=progress, force=force)

    return builds


class EngineRole(dg.ConfigurableResource):
    """One role of a recipe, as its profile configures it; shown in the UI beside the assets that use it."""

    recipe: str = Field(description="The recipe that declares the role.")
    profile: str = Field(description="The profile that gives it an engine.")
    role: str = Field(description="The role's name.")
    engine: str = Field(description="Which engine answers its requests.")
    options: dict[str, Any] = Field(default_factory=dict, description="The engine's options, as the profile says them.")
