"""``mathloom show``: the first rows of a stage, its funnel, its rejects; or the summary of a release."""

from __future__ import annotations

import json

import click
from rich.table import Table

from dagster_project.commands.common import project_of, recipe_of, workspace_of
from dagster_project.console import out
from dagster_project.language.faults import suggest
from resources.errors import RecipeError


@click.command()
@click.argument("recipe")
@click.argument("stage")
@click.option("--profile", help="Profile to look at.")
@click.option("-n", "--rows", default=5, show_default=True, type=click.IntRange(1, 1000), help="Rows shown.")
@click.option("--table", "name", help="rows (default), rejects, edges, requests, decisions; or write STAGE.rejects.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line, values uncut.")
def show(recipe: str, stage: str, profile: str | None, rows: int, name: str | None, as_json: bool) -> None:
    """Show the first rows of STAGE of RECIPE, and why rows left there."""
    from dagster_project.metadata import plain_rows, sample_rows

    project = project_of(profile, recipe)
    chosen = recipe_of(project, recipe)
    stage, _, table = stage.partition(".")
    name = name or table or "rows"
    where = f"mathloom show {recipe}"
    if stage not in chosen.stages:
        raise RecipeError(f"unknown stage {stage!r}", where=where, fix=suggest(stage, chosen.stages, "stages"))
    tables = chosen.stages[stage].kind.outputs(chosen.stages[stage].settings)
    if name not in tables:
        raise RecipeError(f"{stage!r} has no table {name!r}", where=where, fix=suggest(name, tables, "tables"))
    with workspace_of(chosen, project) as workspace:
        entry = workspace.entry(stage, reader=stage)
        version = workspace.store.version(entry.kind, entry.version)
    if as_json:
        for row in plain_rows(version, rows, name):
            click.echo(json.dumps(row, ensure_ascii=True, default=str))
        return
    console = out()
    console.print(f"{recipe}/{stage}  {version.kind}  {version.version[:12]}", markup=False)
    console.print(f"tables: {', '.join(f'{t} ({version.row_count(t):,})' for t in version.tables)}", markup=False)
    for rule, n in version.facts.get("funnel", {}).get("rejected", {}).items():
        console.print(f"rejected: {n:,} {rule}", markup=False)
    for i, row in enumerate(sample_rows(version, rows, name)):
        grid = Table(box=None, show_header=False, pad_edge=False, title=f"{name} {i}", title_justify="left")
        grid.add_column(style="bold")
        grid.add_column(overflow="fold")
        for column, value in row.items():
            grid.add_row(column, value.replace("[", "\\["))
        console.print(grid)
