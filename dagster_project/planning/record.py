"""The plan in the Dagster UI: metadata of one generation stage, and observations that need no run."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import dagster as dg

from dagster_project.dagster_home import instance_errors, open_instance
from dagster_project.language.resolved import Recipe
from dagster_project.planning.plan import Plan

_FIGURES = {
    "to_do": "requests to do",
    "reused": "requests to reuse",
    "tokens_in": "tokens in",
    "tokens_out": "tokens out",
    "seconds": "seconds",
    "gpu_hours": "GPU-hours",
    "cost": "cost",
}


def plan_metadata(stage: Mapping[str, Any]) -> dict[str, Any]:
    """Metadata of one stage's plan (``StagePlan.to_json``, ``stage_plan``): a line a figure, and all of it as JSON.

    The UI draws a chart of what is a number; so the high ends stand there as numbers, and the rest as JSON.
    """
    shown: dict[str, Any] = {}
    for name, words in _FIGURES.items():
        high = stage[name]["high"]
        if high is not None:
            unit = f" ({stage['currency']})" if name == "cost" and stage["currency"] else ""
            shown[f"plan: {words}{unit}"] = float(high)
    return {**shown, "plan": dg.MetadataValue.json(dict(stage))}


def record_plan(store: Path, recipe: Recipe, plan: Plan) -> int:
    """Write one observation a generation stage of ``plan``. Returns how many."""
    if not plan.generation:
        return 0
    with instance_errors(store), open_instance(store) as instance:
        for stage in plan.generation:
            instance.report_runless_asset_event(
                dg.AssetObservation(
                    asset_key=dg.AssetKey(recipe.asset_path(stage.stage)),
                    description=f"Plan of {recipe.name} ({recipe.profile}), before a build.",
                    metadata=plan_metadata(stage.to_json()),
                )
            )
    return len(plan.generation)
