"""``mathloom explore``: a local web page over a recipe's data, or over any released folder."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from assets.release.folder_reading import is_release, read_release, recipe_name
from dagster_project.console import talk
from dagster_project.explorer.places import Place, StageTable, place_of_folder
from resources.errors import MathloomError, StoreError
from resources.hub import reading as hub

if TYPE_CHECKING:
    from dagster_project.running.workspace import Workspace
    from resources.store import Version

_HUB_NAME = re.compile(r"[\w.-]+/[\w.-]+(@[\w./-]+)?")
"""A dataset of the Hub, with or without a tag, branch or commit."""


@click.command()
@click.argument("what", metavar="RECIPE|FOLDER|ORG/NAME[@REVISION]")
@click.option("--profile", help="Profile to look at.")
@click.option("--port", default=7860, show_default=True, help="Port on the loopback interface.")
@click.option(
    "--against", multiple=True, type=click.Path(path_type=Path), help="Released folder to compare with; repeatable."
)
@click.option("--index", "folder", type=click.Path(path_type=Path), help="Where the index lies (default: a cache).")
@click.option("--index-only", is_flag=True, help="Make the index and stop.")
def explore(
    what: str, profile: str | None, port: int, against: Sequence[Path], folder: Path | None, index_only: bool
) -> None:
    """Look at the data of RECIPE, of a released FOLDER, or of a dataset of the Hub, in a browser. Stop it with Ctrl-C.

    The first time an index is made, which later calls find again. The page loads nothing from elsewhere.
    """
    from dagster_project.explorer.indexing import open_index
    from dagster_project.explorer.page import serve

    place, cache = _place(what, profile, against)
    index = open_index(place, folder or cache, say=lambda line: talk().print(line, markup=False, soft_wrap=True))
    if index_only:
        talk().print(f"index: {index.folder}", markup=False, soft_wrap=True)
        return
    serve(place, index, port=port, say=lambda line: talk().print(line, markup=False, soft_wrap=True))


def _place(what: str, profile: str | None, against: Sequence[Path]) -> tuple[Place, Path]:
    """What to look at, and the folder of its indexes. A folder that holds a dataset counts before a recipe."""
    folder = Path(what)
    if is_release(folder) or (folder.is_dir() and os.sep in what):
        return place_of_folder(folder, against), _cache()
    if _HUB_NAME.fullmatch(what):
        name, _, revision = what.partition("@")
        talk().print(f"downloading {what}", markup=False, soft_wrap=True)
        return place_of_folder(hub.download(name, revision or "main"), against), _cache()
    return _place_of_recipe(what, profile, against)


def _cache() -> Path:
    """Where indexes of datasets lie that belong to no project."""
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return home / "mathloom" / "explorer"


def _place_of_recipe(name: str, profile: str | None, against: Sequence[Path]) -> tuple[Place, Path]:
    from dagster_project.commands.common import project_of, recipe_of, workspace_of

    project = project_of(profile, name)
    chosen = recipe_of(project, name)
    with workspace_of(chosen, project) as workspace:
        versions = dict(_versions(workspace))
        if not versions:
            raise StoreError(
                f"nothing of it is built under the profile {chosen.profile!r}",
                where=f"mathloom explore {name}",
                fix=f"Build it first: mathloom build {name} --profile {chosen.profile}",
            )
        released = [version.files_folder for version in versions.values() if is_release(version.files_folder)]
        others = {str(path): read_release(path).folder for path in against}
        return (
            Place(
                name=f"{chosen.name} ({chosen.profile})",
                release=read_release(released[-1]) if released else None,
                tables=[table for stage, version in versions.items() for table in _tables(stage, version)],
                requests=_requests(project.store),
                funnel=[_funnel(workspace, stage, version) for stage, version in versions.items()],
                lineage=_lineage(workspace, versions, released),
                others={**_older(workspace, released), **others},
            ),
            project.store / "cache" / "explorer",
        )


def _versions(workspace: Workspace) -> Iterator[tuple[str, Version]]:
    """Stages of the recipe that are built, upstream first."""
    for stage in workspace.recipe.stages:
        if stage in workspace.environment.stages:
            entry = workspace.entry(stage, reader=stage)
            yield stage, workspace.store.version(entry.kind, entry.version)


def _tables(stage: str, version: Version) -> Iterator[StageTable]:
    for table in version.tables:
        if paths := version.paths(table):
            yield StageTable(stage, table, paths, version.schema(table).names)


def _requests(store: Path) -> Path | None:
    folder = store / "requests"
    return folder if folder.is_dir() else None


def _funnel(workspace: Workspace, stage: str, version: Version) -> dict[str, Any]:
    return {"stage": stage, "kind": workspace.recipe.stages[stage].kind.name, **version.facts.get("funnel", {})}


def _lineage(
    workspace: Workspace, versions: Mapping[str, Version], released: Sequence[Path]
) -> Mapping[str, Mapping[str, Any]]:
    """Who was asked and how, by stage: as the release says, else as the recipe says now."""
    if released:
        return read_release(released[-1]).build.get("lineage") or {}
    asked = [stage for stage in versions if workspace.recipe.stages[stage].is_generation]
    return {stage: dict(_made_with(workspace, stage)) for stage in asked}


def _made_with(workspace: Workspace, name: str) -> Iterator[tuple[str, Any]]:
    stage = workspace.recipe.stages[name]
    yield "role", stage.role
    yield "settings", stage.settings.identity()
    if stage.role:
        # An engine that is not installed here must not keep the page from opening.
        with contextlib.suppress(MathloomError):
            yield "model", workspace.roles.describe(stage.role).get("model")
            yield "weights", workspace.roles.weights_id(stage.role)


def _older(workspace: Workspace, released: Sequence[Path]) -> dict[str, Path]:
    """Other released folders of the same recipe in this store, newest first."""
    folders = (workspace.root / "versions").glob("release.*/*/files")
    found = sorted((f for f in folders if is_release(f)), key=lambda f: f.stat().st_mtime, reverse=True)
    current = {folder.resolve() for folder in released}
    mine = [f for f in found if f.resolve() not in current and _recipe(f) == workspace.recipe.name]
    return {f"version {folder.parent.name[:12]}": folder for folder in mine}


def _recipe(folder: Path) -> str | None:
    return recipe_name(read_release(folder).build)
