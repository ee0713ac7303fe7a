"""``mathloom schema``: JSON Schemas of recipe and profile files, for editors; or the columns of a stage."""

from __future__ import annotations

import json

import click

from dagster_project.commands.common import project_of, recipe_of


@click.command()
@click.argument("what", default="recipe")
@click.argument("stage", required=False)
def schema(what: str, stage: str | None) -> None:
    """Print the JSON Schema of 'recipe' or 'profile' files, or the columns of STAGE of the recipe WHAT."""
    from dagster_project.language.words import profile_json_schema, recipe_json_schema

    if stage is None and what in ("recipe", "profile"):
        found = recipe_json_schema() if what == "recipe" else profile_json_schema()
        click.echo(json.dumps(found, indent=1))
        return
    recipe = recipe_of(project_of(None, what), what)
    stages = [recipe.stages[stage]] if stage else list(recipe.stages.values())
    for item in stages:
        for table, columns in item.kind.outputs(item.settings).items():
            for field in columns:
                text = (field.metadata or {}).get(b"description", b"").decode()
                null = "" if field.nullable else " not null"
                click.echo(f"{item.name}.{table}.{field.name}\t{field.type}{null}\t{text}")
