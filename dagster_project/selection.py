"""``--select``: Dagster's selection syntax, where a bare stage name means that stage of the recipe."""

import re

import dagster as dg

from dagster_project.language.faults import suggest
from dagster_project.language.resolved import Recipe
from resources.errors import RecipeError

_WORD = re.compile(r"(?<![:\w\"/-])([A-Za-z_][\w-]*)(?![\w:(\"/*-])")
_QUOTED = re.compile(r'"[^"]*"')
_RESERVED = {"and", "or", "not"}


def selected_stages(recipe: Recipe, expression: str | None, definitions: dg.Definitions) -> list[str]:
    """Names of the selected stages, upstream first. None selects all.

    Raises:
        RecipeError: The expression does not parse, names no stage, or selects nothing.
    """
    if not expression:
        return list(recipe.stages)

    def key_of(match: re.Match[str]) -> str:
        word = match.group(1)
        return f'key:"{"/".join(recipe.asset_path(word))}"' if word in recipe.stages else word

    for word in _WORD.findall(_QUOTED.sub('""', expression)):
        if word not in recipe.stages and word not in _RESERVED:
            raise RecipeError(
                f"unknown stage {word!r} in the selection {expression!r}",
                where=f"--select of {recipe.name}",
                fix=suggest(word, recipe.stages, "stages"),
            )
    translated = _WORD.sub(lambda m: m.group(0) if m.group(1) in _RESERVED else key_of(m), expression)
    try:
        chosen = dg.AssetSelection.from_string(translated).resolve(definitions.resolve_asset_graph())
    except Exception as error:  # the parser of Dagster raises its own kinds, all of which mean the same here
        raise _unknown(recipe, expression, str(error).splitlines()[0][:120]) from error
    names = {key.path[-1] for key in chosen if recipe.name in key.path}
    if not names:
        raise _unknown(recipe, expression, "it selects nothing")
    return [name for name in recipe.stages if name in names]


def _unknown(recipe: Recipe, expression: str, why: str) -> RecipeError:
    return RecipeError(
        f"the selection {expression!r} cannot be used: {why}",
        where=f"--select of {recipe.name}",
        fix=f"Name stages ({', '.join(recipe.stages)}), with + for those above or below: '+votes', 'votes+'",
    )
