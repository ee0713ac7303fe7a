"""``mathloom lineage``: what a dataset was made from, for other programs and for documents."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import click

from assets.release.folder_reading import is_release, read_release
from dagster_project.commands.common import project_of, recipe_of, workspace_of
from resources.paths import expanded


@click.command()
@click.argument("what", metavar="RECIPE|FOLDER|ORG/NAME@TAG")
@click.option("--profile", help="Profile whose build is meant, of a recipe.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["openlineage", "mermaid", "json"]),
    default="openlineage",
    show_default=True,
    help="openlineage: one event a stage, as JSON lines. mermaid: a chart. json: sources, stages and edges.",
)
def lineage(what: str, profile: str | None, form: str) -> None:
    """Say how a dataset was made: of RECIPE's build, of a released FOLDER, or of a release of the Hub.

    Everything is read from its BUILD.json; the dataset itself is not downloaded.
    """
    build = _build(what, profile)
    if form == "openlineage":
        from assets.release.openlineage import events

        for event in events(build):
            click.echo(json.dumps(event, ensure_ascii=True, sort_keys=True))
        return
    from assets.release.graph import graph_of, mermaid

    graph = graph_of(build)
    click.echo(mermaid(graph) if form == "mermaid" else json.dumps(graph.to_json(), indent=1, ensure_ascii=True))


def _build(what: str, profile: str | None) -> Mapping[str, Any]:
    """BUILD.json of what a person named. A folder that holds a dataset counts before a recipe."""
    if is_release(expanded(what)):
        return read_release(expanded(what)).build
    if "/" in what or what.startswith(("~", ".")):
        from dagster_project.releasing.checkout import find_released, read_build
        from resources.hub.opened import open_repository

        return read_build(find_released(what, open_repository))
    from dagster_project.releasing.built import read_built

    project = project_of(profile, what)
    with workspace_of(recipe_of(project, what), project) as workspace:
        return read_built(workspace).build
