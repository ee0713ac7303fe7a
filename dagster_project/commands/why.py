"""``mathloom why``: where a row comes from and why it is in the dataset, or which rule took it out."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from assets.release.folder_reading import is_release
from assets.release.numbering import Number
from dagster_project.commands.common import project_of, recipe_of
from dagster_project.commands.diff import memory_limit, surroundings
from dagster_project.console import out
from resources.errors import StoreError
from resources.store import Environment, Store

if TYPE_CHECKING:
    from dagster_project.language.resolved import Recipe
    from dagster_project.released.shelf import Shelf


@click.command()
@click.argument("row_id", metavar="ID")
@click.argument("where", metavar="[WHERE]", required=False)
@click.option("--profile", help="Profile of the recipe.")
@click.option("--full", is_flag=True, help="Texts and lists uncut.")
@click.option("--json", "as_json", is_flag=True, help="Everything as one JSON object.")
def why(row_id: str, where: str | None, profile: str | None, full: bool, as_json: bool) -> None:
    """Say why the row ID is in the dataset, or why it is not.

    ID is a solution_id, problem_id or request_key, at least 8 digits of one, or split:row (train:0). WHERE is a recipe
    (default: the only one), a released folder, ORG/NAME@TAG, or a tag of the only recipe. Rejected rows are known where
    the stages are in the store.
    """
    from dagster_project.released.why import explain
    from dagster_project.released.why_words import explanation_lines

    found = explain(row_id, _shelf(where, profile), memory_limit=memory_limit())
    if as_json:
        click.echo(json.dumps(found.as_json(), ensure_ascii=True, default=str))
        return
    console = out()
    for line in explanation_lines(found, is_full=full):
        console.print(line, markup=False, soft_wrap=True)


def _shelf(where: str | None, profile: str | None) -> Shelf:
    """A name alone is a recipe of this project; anything else is a release."""
    from dagster_project.released.named import find_release
    from dagster_project.released.shelf import shelf_of

    is_name = where is None or not (Number.of_tag(where) or "/" in where or "@" in where or is_release(Path(where)))
    if is_name:
        project = project_of(profile, where)
        store = Store(project.store)
        built = [r for r in project.recipes.values() if Environment.load(store.root, r.name, r.profile).stages]
        recipe = built[0] if where is None and len(built) == 1 else recipe_of(project, where)
        return _of_recipe(recipe, store)
    recipe, store = surroundings(None, profile, is_needed=False)
    named = find_release(str(where), recipe, store)
    return shelf_of(named.name, named.release, store)


def _of_recipe(recipe: Recipe, store: Store) -> Shelf:
    """What it has built now: the release with its stages; before there is one, the stages that are there."""
    from dagster_project.released.named import built_release
    from dagster_project.released.shelf import shelf_of, shelf_of_stages

    with contextlib.suppress(StoreError):
        named = built_release(recipe, store)
        return shelf_of(named.name, named.release, store)
    entries = Environment.load(store.root, recipe.name, recipe.profile).stages
    versions = {n: store.version(entries[n].kind, entries[n].version) for n in recipe.stages if n in entries}
    if not versions:
        raise StoreError(
            f"nothing of it is built under the profile {recipe.profile!r}",
            where=recipe.name,
            fix=f"Build it first: mathloom build {recipe.name} --profile {recipe.profile}",
        )
    return shelf_of_stages(f"{recipe.name} ({recipe.profile})", versions, store)
