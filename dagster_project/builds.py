"""The Dagster resource that holds a run's workspaces: opened at the first stage, locked, closed when the run ends."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

import dagster as dg
from pydantic import Field

from dagster_project.automation.runs import PUBLISH, STARTED_BY
from dagster_project.automation.unattended import PATIENCE_S, enter_when_free, hold
from dagster_project.language.resolved import Recipe, Role
from dagster_project.run_log import LogProgress
from dagster_project.running.outcome import Progress
from dagster_project.running.roles import Roles
from dagster_project.running.workspace import Workspace
from resources.errors import MathloomError


class Builds:
    """The workspaces of one run, and who watches it."""

    def __init__(
        self,
        store: Path,
        recipes: Mapping[str, Recipe],
        stack: ExitStack,
        *,
        progress: Progress | None,
        force: bool,
        patience: float = 0.0,
        say: Callable[[str], None] = lambda _text: None,
        unattended: Callable[[Recipe], Sequence[str]] | None = None,
    ) -> None:
        self.force = force
        """Whether stages are built again even if the store has their versions."""
        self._store = store
        self._recipes = recipes
        self._stack = stack
        self._progress = progress
        self._patience = patience
        self._say = say
        self._unattended = unattended
        self._open: dict[str, Workspace] = {}
        self._refused: dict[str, MathloomError] = {}

    def workspace(self, recipe: str) -> Workspace:
        """The workspace of ``recipe``, locked for this run.

        Raises:
            BusyError: Another build holds it.
            MathloomError: Of a run that nobody watches: what it needs cannot be held. Every stage hears the same.
        """
        if recipe in self._refused:
            raise self._refused[recipe]
        if recipe not in self._open:
            before = Workspace(self._recipes[recipe], self._store)
            enter_when_free(self._stack, before.environment.lock, self._say, patience=self._patience)
            workspace = Workspace(self._recipes[recipe], self._store)  # what another build left meanwhile
            self._stack.callback(workspace.close)
            workspace.environment.forget(set(workspace.recipe.stages))
            self._open[recipe] = workspace
            self._hold(workspace)
        return self._open[recipe]

    def _hold(self, workspace: Workspace) -> None:
        if self._unattended is None:
            return
        try:
            hold(workspace, self._unattended(workspace.recipe))
        except MathloomError as error:
            self._refused[workspace.recipe.name] = error
            raise

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
    def builds(context: dg.InitResourceContext) -> Iterator[Builds]:
        run = context.run if progress is None else None  # of a build in a terminal all that follows is done before
        with ExitStack() as stack:  # closes every workspace when the run ends, however it ends
            yield Builds(
                store,
                recipes,
                stack,
                progress=progress,
                force=force,
                patience=PATIENCE_S if run else 0.0,
                say=context.log.info if context.log else lambda _text: None,
                unattended=_selected(run) if run and STARTED_BY in run.tags else None,
            )

    return builds


def _selected(run: dg.DagsterRun) -> Callable[[Recipe], Sequence[str]]:
    """What ``run`` was asked for: stages of a recipe, upstream first, and its release. All stages if it names none."""
    asked = run.asset_selection
    return lambda recipe: (
        [name for name in [*recipe.stages, PUBLISH] if dg.AssetKey(recipe.asset_path(name)) in asked]
        if asked
        else list(recipe.stages)
    )


class EngineRole(dg.ConfigurableResource):
    """The model that plays one role of a recipe, as its profile configures it.

    A run takes engine and options from here, so what the launchpad changes holds for that run. The engine itself is
    made by the run's workspace, at the first missing request.
    """

    recipe: str = Field(description="The recipe that declares the role.")
    profile: str = Field(description="The profile that gives it an engine.")
    role: str = Field(description="The role's name.")
    engine: str = Field(description="Which engine answers its requests.")
    options: dict[str, Any] = Field(default_factory=dict, description="The engine's options, as the profile says them.")
    devices: list[str] = Field(default_factory=list, description="Devices of this machine that the engine fills.")
    price: dict[str, Any] = Field(default_factory=dict, description="What it costs, with source and date.")
    api_key: str | None = Field(
        None, description="The key of a server, taken from the environment variable that `api_key_env` names."
    )

    def configure(self, roles: Roles) -> None:
        """Tell the engines of a run what this resource says."""
        name = self.options.get(KEY_OPTION)
        roles.configure(self.role, self.engine, self.options, {name: self.api_key} if name and self.api_key else {})


KEY_OPTION = "api_key_env"
"""Option of an engine that names the environment variable of its key."""


def engine_role(recipe: Recipe, role: Role, environment: Mapping[str, str]) -> EngineRole:
    """The resource of ``role``. Its key is an EnvVar where ``environment`` has the variable.

    Elsewhere it is left out, since Dagster refuses to begin a run whose EnvVar is absent, and a run that finds all its
    answers in the store needs no key; the engine's own check says what is missing when one is needed.
    """
    key = role.options.get(KEY_OPTION)
    price = {name: value for name, value in asdict(role.price).items() if value is not None} if role.price else {}
    return EngineRole(
        recipe=recipe.name,
        profile=recipe.profile,
        role=role.name,
        engine=role.engine,
        options=dict(role.options),
        devices=list(role.devices),
        price=price,
        api_key=dg.EnvVar(key) if isinstance(key, str) and key in environment else None,
    )
