"""``mathloom diff``: what differs between two releases, or a release and the current build, and why."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from dagster_project.commands.common import project_of, recipe_of
from dagster_project.console import out, talk
from dagster_project.language.load import find_project_file
from resources.errors import MathloomError, RecipeError

if TYPE_CHECKING:
    from dagster_project.language.resolved import Recipe
    from resources.store import Store


@click.command()
@click.argument("old", metavar="OLD")
@click.argument("new", metavar="[NEW]", required=False)
@click.option("--recipe", "name", help="Recipe whose tags are meant, or whose build is the new side.")
@click.option("--profile", help="Profile of that recipe.")
@click.option("--split", help="Compare this split only.")
@click.option("--json", "as_json", is_flag=True, help="Everything as one JSON object, texts up to 2,000 characters.")
def diff(old: str, new: str | None, name: str | None, profile: str | None, split: str | None, as_json: bool) -> None:
    """Say which rows came, went and changed from OLD to NEW, and for which cause.

    OLD and NEW are tags of the recipe's repository (v1.0.0), ORG/NAME@TAG, hf://datasets/ORG/NAME@TAG, or released
    folders. Without NEW: what the recipe has built now. Releases that were made here are read from the store.
    """
    from dagster_project.released.difference import compare
    from dagster_project.released.named import built_release, find_release
    from dagster_project.released.tables import difference_parts

    recipe, store = surroundings(name, profile, is_needed=new is None)
    with talk().status("comparing"):
        before = find_release(old, recipe, store)
        if new is None:
            if recipe is None or store is None:
                raise RecipeError("no recipe is named", where="mathloom diff", fix="Name NEW, or --recipe")
            after = built_release(recipe, store)
        else:
            after = find_release(new, recipe, store)
        found = compare(
            before.release,
            after.release,
            names=(before.name, after.name),
            store=store,
            memory_limit=memory_limit(),
            split=split,
        )
    if as_json:
        click.echo(json.dumps({**asdict(found), "has_changed_rows": found.has_changed_rows}, ensure_ascii=True))
        return
    console = out()
    for part in difference_parts(found):
        console.print(part, markup=False, soft_wrap=False)


def surroundings(name: str | None, profile: str | None, *, is_needed: bool) -> tuple[Recipe | None, Store | None]:
    """The recipe and the store at hand. Folders and datasets of the Hub are compared outside of projects too.

    Raises:
        RecipeError: There is no project or no such recipe, and one is needed or was named.
    """
    from resources.store import Store

    try:
        find_project_file(Path.cwd())
    except RecipeError:
        if is_needed or name or profile:
            raise
        return None, None
    try:
        project = project_of(profile, name)
    except MathloomError:
        if is_needed or name or profile:
            raise
        return None, None
    store = Store(project.store)
    publishing = [recipe for recipe in project.recipes.values() if recipe.publishing]
    if name is None and len(project.recipes) > 1 and len(publishing) == 1:
        return publishing[0], store
    if name is None and len(project.recipes) != 1 and not is_needed:
        return None, store
    return recipe_of(project, name), store


def memory_limit() -> str:
    """DuckDB's memory limit; ``MATHLOOM_MEMORY`` overrides, as for builds."""
    return os.environ.get("MATHLOOM_MEMORY", "2GB")
