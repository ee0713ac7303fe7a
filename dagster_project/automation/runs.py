"""Runs that nobody started by hand: their names and tags, the recipe as its files say it now, and what is to be done.

A code location holds the recipe that it has loaded. Whoever looks by itself reads the files again, so that a setting
changed since is seen, and so that other stages than Dagster knows are an error and no silent omission.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import dagster as dg

from dagster_project.automation.patience import TooLongError, within
from dagster_project.language.load import load_recipe
from dagster_project.language.resolved import Recipe
from dagster_project.planning.walk import walk
from dagster_project.running.workspace import Workspace
from resources.errors import MathloomError, RecipeError

ENVIRONMENT = "mathloom/environment"
"""Run tag: recipe and profile. `dagster.yaml` lets runs with the same value wait for each other."""

STARTED_BY = "mathloom/started_by"
"""Run tag of runs that nobody started by hand: schedule, sources or inputs."""

LOOK_S = 30.0
"""Seconds for the question what is to be done. It hashes local sources; Dagster kills a tick after 60."""

PUBLISH = "publish"
"""Last part of the key of the asset that publishes."""


def environment_tags(recipe: Recipe) -> dict[str, str]:
    """Tags of every run of ``recipe`` under its profile."""
    return {ENVIRONMENT: f"{recipe.name}/{recipe.profile}"}


def run_tags(recipe: Recipe, started_by: str) -> dict[str, str]:
    """Tags of a run that nobody started by hand."""
    return {**environment_tags(recipe), STARTED_BY: started_by}


def is_run_of(run: dg.DagsterRun, recipe: Recipe) -> bool:
    """Whether ``run`` builds something of ``recipe`` under its profile: by its tag, else by its assets or job."""
    if ENVIRONMENT in run.tags:
        return run.tags[ENVIRONMENT] == environment_tags(recipe)[ENVIRONMENT]
    path = recipe.asset_path("")[:-1]
    return any(key.path[:-1] == path for key in run.asset_selection or ()) or run.job_name == group_name(recipe)


def group_name(recipe: Recipe) -> str:
    """Name of its job and of its group of assets."""
    return recipe.name.replace("-", "_")


def definition_name(recipe: Recipe, what: str) -> str:
    """A name of Dagster: letters, digits and ``_``; another profile has another."""
    return f"{recipe.name}__{recipe.profile}__{what}".replace("-", "_")


def stage_keys(recipe: Recipe) -> list[dg.AssetKey]:
    """The assets of all stages, upstream first."""
    return [dg.AssetKey(recipe.asset_path(stage)) for stage in recipe.stages]


def publish_key(recipe: Recipe) -> dg.AssetKey:
    """The asset that publishes; it exists if the profile says where."""
    return dg.AssetKey(recipe.asset_path(PUBLISH))


def reloaded(recipe: Recipe) -> Recipe:
    """``recipe`` as its files say it now.

    Raises:
        RecipeError: It is broken, or it has other stages than this code location has loaded.
    """
    now = load_recipe(recipe.folder, recipe.profile, name=recipe.name, root=recipe.root, where=recipe.place)
    if set(now.stages) != set(recipe.stages):
        others = sorted(set(now.stages) ^ set(recipe.stages))
        raise RecipeError(
            f"the recipe has other stages than Dagster has loaded ({', '.join(others[:3])})",
            where=str(now.place),
            fix="Reload the code location in the UI (Deployment), or start `mathloom ui` anew",
        )
    return replace(now, key_prefix=recipe.key_prefix)


@dataclass(frozen=True, slots=True)
class Due:
    """What a build would touch now. ``stages``: upstream first. ``reason``: in words."""

    stages: tuple[str, ...]
    reason: str


def due(recipe: Recipe, store: Path, seconds: float = LOOK_S) -> Due:
    """Which stages are to be built, found without a lock and without an engine.

    Where that cannot be said (the store is broken, or a source is so large that it takes too long), all are: the run
    finds out, and says what is wrong where a failure is seen.
    """
    try:
        return within(seconds, lambda: _due(recipe, store))
    except TooLongError:
        return Due(tuple(recipe.stages), f"what is to be done could not be said within {seconds:g} s")
    except MathloomError as error:
        return Due(tuple(recipe.stages), f"what is to be done cannot be said: {error}")


def _due(recipe: Recipe, store: Path) -> Due:
    workspace = Workspace(recipe, store)
    try:
        steps = walk(workspace, list(recipe.stages))
    finally:
        workspace.close()
    wanted = {name: step.reason for name, step in steps.items() if step.is_to_build}
    if not wanted:
        return Due((), f"all {len(steps)} stages are up to date")
    first = next(iter(wanted))
    return Due(tuple(wanted), f"{len(wanted)} of {len(steps)} stages to build; {first}: {wanted[first]}")
