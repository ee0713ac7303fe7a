"""``build_definitions``: the only place that makes Dagster ``Definitions``. Reads no environment and no file."""

from collections.abc import Mapping
from types import MappingProxyType

import dagster as dg

from dagster_project.automation.conditions import automation_sensors
from dagster_project.automation.notify import failure_sensors
from dagster_project.automation.runs import environment_tags, stage_keys
from dagster_project.automation.schedules import recipe_schedules
from dagster_project.automation.sensors import recipe_sensors
from dagster_project.builds import builds_resource
from dagster_project.graph import recipe_assets, role_resources
from dagster_project.language.resolved import Project, Recipe
from dagster_project.releasing.asset import Prepared, publishing_assets
from dagster_project.running.outcome import Progress


def build_definitions(
    project: Project,
    *,
    progress: Progress | None = None,
    force: bool = False,
    environment: Mapping[str, str] = MappingProxyType({}),
    releases: Mapping[str, Prepared] = MappingProxyType({}),
) -> dg.Definitions:
    """All recipes of ``project`` as assets, checks and jobs, with what their profiles let happen by itself.

    Args:
        project: What :func:`dagster_project.language.load.load_project` gave.
        progress: Who watches builds; None writes to the run's log.
        force: Build stages again even if the store has their versions.
        environment: Where the keys of servers are; those that it holds become EnvVars of their roles' resources.
        releases: Recipe -> a release that a command has planned already.
    """
    recipes: dict[str, Recipe] = dict(project.recipes)
    resources: dict[str, object] = {"builds": builds_resource(project.store, recipes, progress=progress, force=force)}
    assets: list[dg.AssetsDefinition | dg.AssetSpec] = []
    jobs = []
    schedules: list[dg.ScheduleDefinition] = []
    sensors: list[dg.SensorDefinition] = failure_sensors(list(recipes.values()))
    for recipe in recipes.values():
        assets += recipe_assets(recipe)
        resources |= role_resources(recipe, environment)
        group = recipe.name.replace("-", "_")
        jobs.append(
            dg.define_asset_job(
                name=group,
                selection=dg.AssetSelection.assets(*stage_keys(recipe)),  # and not what publishes
                description=f"Build {recipe.title}.",
                tags=environment_tags(recipe),
            )
        )
        schedules += recipe_schedules(recipe, project.store)
        sensors += [*recipe_sensors(recipe, project.store), *automation_sensors(recipe)]
    assets += publishing_assets(list(recipes.values()), releases)
    return dg.Definitions(
        assets=assets,
        resources=resources,
        jobs=jobs,
        schedules=schedules,
        sensors=sensors,
        executor=dg.in_process_executor,
    )
