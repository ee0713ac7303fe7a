"""``mathloom ls``: recipes of the project, or the stages of one with the requests they will make. Starts no engine."""

from __future__ import annotations

import click
from rich.table import Table

from dagster_project.automation.words import automation_lines
from dagster_project.commands.common import project_of, recipe_of
from dagster_project.console import out


@click.command()
@click.argument("recipe", required=False)
@click.option("--profile", help="Profile to read.")
def ls(recipe: str | None, profile: str | None) -> None:
    """List recipes, or the stages of RECIPE as a graph: kind, inputs, and requests where they can be known."""
    project = project_of(profile, recipe)
    if recipe is None and len(project.recipes) != 1:
        table = Table(box=None, header_style="bold")
        for name in ("recipe", "profile", "stages", "title"):
            table.add_column(name)
        for item in project.recipes.values():
            table.add_row(item.name, item.profile, str(len(item.stages)), item.title)
        out().print(table)
        return
    _stages(recipe_of(project, recipe))


def _stages(recipe: object) -> None:
    from dagster_project.language.resolved import Recipe
    from dagster_project.planning.ahead import requests_ahead

    assert isinstance(recipe, Recipe)
    ahead = requests_ahead(recipe)
    table = Table(box=None, header_style="bold", title=f"{recipe.name} ({recipe.profile})", title_justify="left")
    for name in ("stage", "kind", "reads", "rows", "requests", "asks"):
        table.add_column(name, justify="right" if name in ("rows", "requests") else "left")
    for stage in recipe.stages.values():
        estimate = ahead[stage.name]
        table.add_row(
            stage.name,
            stage.kind.name,
            ", ".join(str(ref) for refs in stage.inputs.values() for ref in refs) or (stage.source or ""),
            estimate.rows_text,
            estimate.requests_text,
            f"{stage.role} ({recipe.roles[stage.role].engine})" if stage.role else "",
        )
    out().print(table)
    for line in automation_lines(recipe):
        out().print(line, markup=False, soft_wrap=True)
    out().print(
        "Rows and requests: '=' known, '<=' at most (filters above take some away), '?' unknown until built.",
        style="dim",
    )
