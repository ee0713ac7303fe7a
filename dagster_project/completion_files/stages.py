"""A stage as files of completions meet it: its rows, what it asks for, and how to say that it must be built again."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pyarrow.dataset as ds

from assets.kinds import Table
from dagster_project.language.faults import suggest
from dagster_project.language.resolved import Recipe, Ref, Stage
from dagster_project.running.generation.asks import generation_kind
from dagster_project.running.workspace import Workspace
from resources.errors import RecipeError, StoreError
from resources.requests.index import Keys, Mask, as_keys
from resources.store.layout import store_errors

LEDGER = "requests"
"""The table of a generation stage's version that names every request that its rows asked for."""


def generation_stage(recipe: Recipe, name: str) -> Stage:
    """The stage called ``name``. Raises RecipeError if there is none, or if it asks no model."""
    where = f"{recipe.name} ({recipe.profile})"
    if name not in recipe.stages:
        raise RecipeError(f"unknown stage {name!r}", where=where, fix=suggest(name, recipe.stages, "stages"))
    stage = recipe.stages[name]
    if not stage.is_generation:
        asking = [s.name for s in recipe.stages.values() if s.is_generation]
        raise RecipeError(
            f"the stage {name!r} asks no model, so there are no completions of it",
            where=where,
            fix=f"Name one of: {', '.join(asking)}" if asking else "Name a stage of another recipe",
        )
    return stage


def generation_stages(workspace: Workspace, names: Sequence[str], say: Callable[[str], None]) -> list[Stage]:
    """The named stages, or all that ask a model and whose rows are built; ``say`` is told of the others.

    Raises:
        RecipeError: A name is no such stage, or no stage of the recipe asks a model.
        StoreError: Of no stage the rows are built.
    """
    recipe = workspace.recipe
    if names:
        return [generation_stage(recipe, name) for name in dict.fromkeys(names)]
    asking = [stage for stage in recipe.stages.values() if stage.is_generation]
    if not asking:
        where = f"{recipe.name} ({recipe.profile})"
        raise RecipeError("no stage asks a model", where=where, fix="Name another recipe")
    known = [stage for stage in asking if not _unbuilt(workspace, stage)]
    if not known:
        rows_of(workspace, asking[0])  # says what to build
    for stage in asking:
        if stage not in known:
            say(f"{stage.name}: left out, its rows are not built under the profile {recipe.profile!r}")
    return known


def rows_of(workspace: Workspace, stage: Stage) -> Table:
    """The rows that ask: the stage's main input, as it is built now.

    Raises:
        StoreError: A stage above was never built; ``fix`` is the command that builds it.
    """
    recipe = workspace.recipe
    if missing := _unbuilt(workspace, stage):
        raise StoreError(
            f"its requests are not known yet: the rows of {missing!r} are not built under the profile "
            f"{recipe.profile!r}",
            where=f"{recipe.name}/{stage.name}",
            fix=f"Build them first: mathloom build {recipe.name} --profile {recipe.profile} --select '+{missing}'",
        )
    ref = _main_input(stage)
    entry = workspace.environment.stages[ref.stage]
    version = workspace.store.version(entry.kind, entry.version)
    return Table(str(ref), version.schema(ref.table), version.paths(ref.table), version.row_count(ref.table))


def _unbuilt(workspace: Workspace, stage: Stage) -> str | None:
    """The stage above that gives the rows and was never built; None if they are there."""
    ref = _main_input(stage)
    return None if ref.stage in workspace.environment.stages else ref.stage


def _main_input(stage: Stage) -> Ref:
    return stage.inputs[generation_kind(stage).main_input][0]


@contextmanager
def scratch_of(workspace: Workspace) -> Iterator[Path]:
    """A folder beside the store, removed in the end. One that a kill leaves behind goes with ``mathloom clean``."""
    folder = (workspace.root / "staging" / f"scratch-{uuid.uuid4().hex}").resolve()
    with store_errors(folder):
        folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def rejected_keys(workspace: Workspace, stage: Stage) -> Iterator[Keys]:
    """Keys of the requests without an answer in the version that the environment has, a batch at a time."""
    entry = workspace.environment.stages.get(stage.name)
    known = workspace.store.find(entry.fingerprint) if entry else None
    if known is None:
        return
    table = ds.dataset([str(path) for path in known[0].paths(LEDGER)], format="parquet")
    for batch in table.to_batches(columns=["request_key"], filter=ds.field("status") != "completed"):
        if batch.num_rows:
            yield as_keys(batch.column("request_key"))


def build_again(workspace: Workspace, stage: Stage, is_new: Callable[[Keys], Mask]) -> int:
    """Let the next build work on the stage again, if it gave up requests that can be answered now.

    Such requests are rejects of the version that the environment has, which is up to date by its fingerprint.

    Args:
        workspace: Its environment is locked by the caller.
        stage: A generation stage.
        is_new: Which of some request keys can be answered now, or asked again.

    Returns:
        How many of the version's rejected requests are among them.
    """
    count = sum(int(is_new(keys).sum()) for keys in rejected_keys(workspace, stage))
    entry = workspace.environment.stages.get(stage.name)
    known = workspace.store.find(entry.fingerprint) if entry else None
    if known is not None and count and not known[1].pending:
        workspace.store.remember(replace(known[1], pending=count))
    return count
