"""Releases in Dagster's history: the run that publishes, started by a command, and the event of a revert."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import dagster as dg

from dagster_project.automation.runs import environment_tags, publish_key
from dagster_project.dagster_home import instance_errors, open_instance
from dagster_project.language.resolved import Recipe
from dagster_project.releasing.asset import external_key
from resources.errors import MathloomError

if TYPE_CHECKING:
    from dagster_project.releasing.publish import Published
    from dagster_project.releasing.revert import RevertPlan


def run_publish(definitions: dg.Definitions, recipe: Recipe, store: Path) -> None:
    """Run the asset ``publish`` alone. What fails in it is told by its plan's holder.

    Raises:
        KeyboardInterrupt: After Ctrl-C.
        MathloomError: The run could not begin, or ended for a reason that the asset could not name.
    """
    job = definitions.resolve_implicit_global_asset_job_def()
    try:
        with instance_errors(store), open_instance(store) as instance:
            result = job.execute_in_process(
                instance=instance,
                asset_selection=[publish_key(recipe)],
                raise_on_error=False,
                tags=environment_tags(recipe),
                run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
            )
    except dg.DagsterExecutionInterruptedError as error:
        raise KeyboardInterrupt from error
    if result.success:
        return
    errors = [getattr(event.event_specific_data, "error", None) for event in result.all_events if event.is_failure]
    found = [error for error in errors if error is not None]
    if any(error.cls_name in ("DagsterExecutionInterruptedError", "KeyboardInterrupt") for error in found):
        raise KeyboardInterrupt
    if found and not any("Failure" in (error.cls_name or "") for error in found):
        words = " ".join(found[0].message.split())[:400]
        raise MathloomError(words, where=f"Dagster's run of {recipe.name}", fix="Read its log: mathloom ui, then Runs")


def report_revert(store: Path, recipe: Recipe, plan: "RevertPlan", done: "Published") -> None:
    """Show a revert on the asset and on the published dataset. It is no run: nothing was built."""
    with instance_errors(store), open_instance(store) as instance:
        for event in _events(recipe, plan, done):
            instance.report_runless_asset_event(event)


def _events(recipe: Recipe, plan: "RevertPlan", done: "Published") -> Iterator[dg.AssetMaterialization]:
    external = external_key(recipe.publishing) if recipe.publishing else None
    shown = {
        "state": "reverted",
        "repository": plan.repository,
        "tag": done.tag,
        "commit": done.commit,
        "reverts": plan.reverts.tag,
        "restores": plan.restores.tag,
        "bytes sent": done.sent_bytes,
        "changelog": dg.MetadataValue.md(plan.entry),
        "mathloom/digest": plan.stamp.digest,
    }
    for key in [publish_key(recipe), *([external] if external else [])]:
        yield dg.AssetMaterialization(asset_key=key, metadata=shown, tags={"dagster/data_version": plan.stamp.digest})
