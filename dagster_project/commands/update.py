"""``mathloom update``: resolve the sources of a recipe anew and write recipe.lock."""

from __future__ import annotations

import click

from dagster_project.commands.common import project_of, recipe_of
from dagster_project.console import out


@click.command()
@click.argument("recipe", required=False)
@click.option("--profile", help="Profile whose sources are resolved.")
def update(recipe: str | None, profile: str | None) -> None:
    """Pin every source of RECIPE to its present commit and content, in recipe.lock."""
    from dagster_project.language.lock import write_lock
    from dagster_project.running.workspace import Workspace
    from resources.sources.source import pin

    project = project_of(profile, recipe)
    chosen = recipe_of(project, recipe)
    workspace = Workspace(chosen, project.store)
    pins = {name: pin(workspace.source_spec(name)).lock_entry() for name in chosen.sources}
    file = write_lock(chosen, project.store, pins)
    for name, found in pins.items():
        out().print(f"{name}: {found}", markup=False, soft_wrap=True)
    out().print(f"written: {file}", markup=False, soft_wrap=True)
