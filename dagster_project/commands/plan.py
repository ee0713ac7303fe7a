"""``mathloom plan``: what a build would do, ask and cost. Starts no engine and needs no network."""

from __future__ import annotations

import json

import click

from dagster_project.commands.common import project_of, recipe_of, selected_of, watching, workspace_of
from dagster_project.console import out, talk
from dagster_project.language.resolved import Project, Recipe


@click.command()
@click.argument("recipe", required=False)
@click.option("--profile", help="Profile to plan under (default: the one in mathloom.toml).")
@click.option("--select", "expression", help="Stages to build: names, '+name', 'name+', or any Dagster selection.")
@click.option("--json", "as_json", is_flag=True, help="The plan as one JSON object.")
@click.option("--record", is_flag=True, help="Also show it in the Dagster UI: an observation of each generation stage.")
def plan(recipe: str | None, profile: str | None, expression: str | None, as_json: bool, record: bool) -> None:
    """Say what a build of RECIPE would do: stages with the reason, requests, tokens, time, cost, limits.

    Exit code 0, also when a limit would be exceeded: `mathloom build` is what refuses.
    """
    from dagster_project.planning.make import make_plan
    from dagster_project.planning.table import WIDTH, render

    project = project_of(profile, recipe)
    chosen = recipe_of(project, recipe)
    selected = selected_of(project, chosen, expression)
    with workspace_of(chosen, project) as workspace, watching() as tick:
        found = make_plan(workspace, selected, tick=tick)
    if as_json:
        click.echo(json.dumps(found.to_json(), indent=1, ensure_ascii=True))
    else:
        console = out()
        console.print(render(found), width=None if console.is_terminal else WIDTH)
    if record:
        _record(project, chosen, found)


def _record(project: Project, recipe: Recipe, found: object) -> None:
    from dagster_project.planning.plan import Plan
    from dagster_project.planning.record import record_plan

    assert isinstance(found, Plan)
    count = record_plan(project.store, recipe, found)
    talk().print(f"recorded: {count} observation(s), one a generation stage to build. See them: mathloom ui")
