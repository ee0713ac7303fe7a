"""Stages that ask no model follow their inputs at once, where the profile says `automate`.

Dagster's own `eager` builds when an input was materialised, even to the same rows, and not when a stage's own code
changed. Here data and code decide: what is rebuilt to equal rows stops the wave. What asks a model or publishes is
never started this way.
"""

from typing import Any

import dagster as dg

from dagster_project.automation.runs import definition_name, run_tags
from dagster_project.language.resolved import Recipe, Stage

INTERVAL_S = 30
"""Seconds between two looks at the inputs."""


def automation_condition(stage: Stage) -> dg.AutomationCondition | None:
    """When ``stage`` is built by itself; None: never, because it asks a model."""
    if not is_cheap(stage):
        return None
    condition = dg.AutomationCondition
    changed: Any = (  # conditions of assets and of checks have one type only while Dagster runs
        condition.code_version_changed()
        | condition.newly_missing()
        | condition.any_deps_match(condition.data_version_changed() | condition.will_be_requested())
    )
    return (
        changed.since_last_handled()
        & ~condition.any_deps_missing()
        & ~condition.any_deps_in_progress()
        & ~condition.in_progress()
        & condition.all_deps_blocking_checks_passed()
    ).with_label("code or input data changed")


def is_cheap(stage: Stage) -> bool:
    """Whether ``stage`` asks no model."""
    return stage.role is None and not stage.is_generation


def automation_sensors(recipe: Recipe) -> list[dg.AutomationConditionSensorDefinition]:
    """Who looks at the conditions of ``recipe``; none unless its profile says `automate`.

    Dagster's own sensor of this kind is off until somebody switches it on.
    """
    cheap = [stage.name for stage in recipe.stages.values() if is_cheap(stage)]
    if not recipe.schedule.automates or not cheap:
        return []
    return [
        dg.AutomationConditionSensorDefinition(
            name=definition_name(recipe, "inputs"),
            target=dg.AssetSelection.assets(*[dg.AssetKey(recipe.asset_path(name)) for name in cheap]),
            default_status=dg.DefaultSensorStatus.RUNNING,
            minimum_interval_seconds=INTERVAL_S,
            run_tags=run_tags(recipe, "inputs"),
            description=f"Builds stages of {recipe.title} that ask no model as soon as their inputs change.",
        )
    ]
