"""The schedule of a recipe: at the time that its profile says, everything that is not up to date is built.

What is to be done is said before a run is asked for, without a lock and without an engine: a night with nothing to do
is a skipped tick with its reason, and no run.
"""

from collections.abc import Sequence
from pathlib import Path

import dagster as dg

from dagster_project.automation.dead_runs import end_dead_runs
from dagster_project.automation.notify import tell
from dagster_project.automation.runs import (
    definition_name,
    due,
    publish_key,
    reloaded,
    run_tags,
    stage_keys,
)
from dagster_project.language.resolved import Recipe
from dagster_project.releasing.built import release_stage
from dagster_project.releasing.record import Recorded, Records
from resources.errors import MathloomError
from resources.store import Environment

PULL_REQUEST = "pull request"
"""State of a record whose release somebody has yet to merge."""


def recipe_schedules(recipe: Recipe, store: Path) -> list[dg.ScheduleDefinition]:
    """The schedule that the profile of ``recipe`` declares with `cron`; none without it.

    It is on from the start: writing it into the profile was the decision. ``store``: where builds live.
    """
    schedule = recipe.schedule
    if schedule.cron is None:
        return []
    keys = stage_keys(recipe)
    if _publishes(recipe):
        keys.append(publish_key(recipe))
    end = " and publishes what changed" if _publishes(recipe) else ""
    return [
        dg.ScheduleDefinition(
            name=definition_name(recipe, "schedule"),
            cron_schedule=schedule.cron,
            execution_timezone=schedule.timezone,
            target=dg.AssetSelection.assets(*keys),
            execution_fn=lambda context: _night(context, recipe, store),
            default_status=dg.DefaultScheduleStatus.RUNNING,
            description=f"Brings {recipe.title} up to date{end}. Skipped when there is nothing to do.",
            metadata={"mathloom/recipe": recipe.name, "mathloom/profile": recipe.profile},
        )
    ]


def _publishes(recipe: Recipe) -> bool:
    return recipe.schedule.publishes and recipe.publishing is not None


def _night(context: dg.ScheduleEvaluationContext, recipe: Recipe, store: Path) -> dg.RunRequest | dg.SkipReason:
    try:
        now = reloaded(recipe)
    except MathloomError as error:  # no run, so no run failure that a sensor could tell
        tell(recipe, str(error), context.log.warning)
        raise
    end_dead_runs(context.instance, [now], store)
    found = due(now, store)
    keys = [dg.AssetKey(now.asset_path(stage)) for stage in found.stages]
    reason = found.reason
    if _publishes(now):
        if not keys and is_published(context.instance, now, store):
            reason += " and published"
        else:
            keys.append(publish_key(now))
    if not keys:
        return dg.SkipReason(f"{now.name} ({now.profile}): {reason}. No engine was started.")
    context.log.info(f"{now.name} ({now.profile}): {reason}")
    publishes = publish_key(now)
    config = {"ops": {publishes.to_python_identifier(): {"config": {"only_rows": True}}}} if publishes in keys else {}
    return dg.RunRequest(asset_selection=keys, tags=run_tags(now, "schedule"), run_config=config)


def is_published(instance: dg.DagsterInstance, recipe: Recipe, store: Path) -> bool:
    """Whether the release that the environment has now was published last, or was looked at and found to be no news."""
    stage = release_stage(recipe).name
    entry = Environment.load(store, recipe.name, recipe.profile).stages.get(stage)
    if entry is None:
        return False
    published = _of_place(recipe, Records(store, recipe.name, recipe.profile).read())
    if published and published[-1].state == PULL_REQUEST:
        return False  # it may be merged by now, and is then to be tagged
    if published and published[-1].version == entry.version:
        return True
    release = dg.AssetKey(recipe.asset_path(stage))
    record = instance.get_latest_data_version_record(publish_key(recipe))
    if record is None or record.asset_materialization is None:
        return False
    taken = (record.asset_materialization.tags or {}).get(f"dagster/input_data_version/{release.to_user_string()}")
    return taken == entry.version[:40]


def _of_place(recipe: Recipe, records: Sequence[Recorded]) -> list[Recorded]:
    """Releases into the place that the profile names."""
    said = recipe.publishing
    if said is None:
        return []
    names = {said.repository} if said.folder is None else {str(said.folder), str(said.folder.resolve())}
    return [record for record in records if record.repository in names]
