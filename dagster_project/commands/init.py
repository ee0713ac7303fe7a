"""``mathloom init``: a folder of the user's own: recipe, prompts, SQL and a Python kind that build at once."""

from __future__ import annotations

import re
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

import click

from dagster_project.console import out
from resources.errors import RecipeError
from resources.store.layout import store_errors

_NAME = re.compile(r"[a-z][a-z0-9_-]{0,63}")


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
def init(folder: Path) -> None:
    """Make FOLDER with a dataset of your own that builds right away. Its name becomes the recipe's name."""
    name = folder.resolve().name
    if not _NAME.fullmatch(name):
        raise RecipeError(
            f"{name!r} cannot name a recipe",
            where=str(folder),
            fix="Use small letters, digits, - and _, beginning with a letter (64 at most)",
        )
    if folder.exists() and any(folder.iterdir()):
        raise RecipeError("the folder is not empty", where=str(folder), fix="Name a new folder, or empty this one")
    with store_errors(folder):
        _copy(files("dagster_project").joinpath("templates", "dataset"), folder, name)
    out().print(f"Made {folder}. Next: cd {folder} && mathloom build", markup=False, soft_wrap=True)


def _copy(source: Traversable, target: Path, name: str) -> None:
    target.mkdir(parents=True, exist_ok=True)
    for item in source.iterdir():
        if item.name == "__pycache__":
            continue
        if item.is_dir():
            _copy(item, target / item.name, name)
        else:
            renamed = ".gitignore" if item.name == "gitignore" else item.name
            (target / renamed).write_text(item.read_text(encoding="utf-8").replace("@NAME@", name), encoding="utf-8")
