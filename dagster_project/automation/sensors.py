"""The sensor of a recipe: now and then a look at tracked datasets and local files, and a run when one has changed."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import dagster as dg

from dagster_project.automation.dead_runs import end_dead_runs
from dagster_project.automation.looking import Look, Memory, look
from dagster_project.automation.runs import definition_name, due, reloaded, run_tags, stage_keys
from dagster_project.language.lock import read_lock, write_lock
from dagster_project.language.resolved import Recipe
from resources.errors import MathloomError
from resources.identity import hash_json

DUE_S = 10.0
"""Seconds of a look for the question which stages are to be built."""


def recipe_sensors(recipe: Recipe, store: Path) -> list[dg.SensorDefinition]:
    """The sensor that the profile of ``recipe`` declares with `watch_minutes`; none without it.

    It is on from the start: writing it into the profile was the decision. ``store``: where builds live.
    """
    minutes = recipe.schedule.watch_minutes
    if minutes is None:
        return []
    return [
        dg.SensorDefinition(
            name=definition_name(recipe, "sources"),
            target=dg.AssetSelection.assets(*stage_keys(recipe)),
            evaluation_fn=lambda context: _tick(context, recipe, store),
            minimum_interval_seconds=minutes * 60,
            default_status=dg.DefaultSensorStatus.RUNNING,
            description=f"Looks at the sources of {recipe.title} and builds what a change in them touches.",
            metadata={"mathloom/recipe": recipe.name, "mathloom/profile": recipe.profile},
        )
    ]


def _tick(context: dg.SensorEvaluationContext, recipe: Recipe, store: Path) -> dg.SensorResult:
    memory = read_memory(context.cursor)
    try:
        now = reloaded(recipe)
        end_dead_runs(context.instance, [now], store)
        found = look(now, store, memory)
        if found.to_lock:
            entries = read_lock(now, store) | {name: pin.lock_entry() for name, pin in found.to_lock.items()}
            file = write_lock(now, store, entries)
            context.log.info(f"written: {file} ({', '.join(found.to_lock)})")
    except MathloomError as error:  # the next look finds it mended, or not
        return dg.SensorResult(skip_reason=f"{recipe.name} ({recipe.profile}): {error}", cursor=write_memory(memory))
    words = f"{now.name} ({now.profile}): {_said(found)}"
    if not found.moved:
        memory.asked = ""
        return dg.SensorResult(skip_reason=f"{words}. Nothing to do.", cursor=write_memory(memory))
    return _request(context, now, store, found, memory, words)


def _request(
    context: dg.SensorEvaluationContext, recipe: Recipe, store: Path, found: Look, memory: Memory, words: str
) -> dg.SensorResult:
    content = hash_json({name: [pin.revision, pin.sha256] for name, pin in sorted(found.moved.items())})[:16]
    if content == memory.asked:
        return dg.SensorResult(
            skip_reason=f"{words}. A run was asked for; if it failed, the schedule or a person tries again.",
            cursor=write_memory(memory),
        )
    to_do = due(recipe, store, DUE_S)
    if not to_do.stages:
        return dg.SensorResult(skip_reason=f"{words}. {to_do.reason}.", cursor=write_memory(memory))
    memory.asked, memory.count = content, memory.count + 1
    context.log.info(f"{words}. {to_do.reason}")
    request = dg.RunRequest(
        run_key=f"{content}-{memory.count}",
        asset_selection=[dg.AssetKey(recipe.asset_path(stage)) for stage in to_do.stages],
        tags=run_tags(recipe, "sources"),
    )
    return dg.SensorResult(run_requests=[request], cursor=write_memory(memory))


def _said(found: Look) -> str:
    return "; ".join(f"{name}: {words}" for name, words in found.said.items()) or "no source"


# -- the cursor ------------------------------------------------------------------------------------------------------


def read_memory(cursor: str | None) -> Memory:
    """What the last look left; empty if there was none or it is not ours."""
    try:
        value: dict[str, Any] = json.loads(cursor or "{}")
        files = {str(k): (int(v[0]), int(v[1]), str(v[2]), v[3]) for k, v in value.get("files", {}).items()}
        seen = {str(k): (int(v[0]), int(v[1])) for k, v in value.get("seen", {}).items()}
        return Memory(files, seen, str(value.get("asked", "")), int(value.get("count", 0)))
    except (ValueError, TypeError, AttributeError, IndexError):
        return Memory()


def write_memory(memory: Memory) -> str:
    """The cursor for the next look."""
    return json.dumps(asdict(memory), sort_keys=True)
