"""What the commands share: finding the project, choosing a recipe, opening a workspace."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from dagster_project.console import talk
from dagster_project.language.load import find_project_file, load_project
from dagster_project.language.resolved import Project, Recipe
from dagster_project.running.workspace import Workspace
from resources.errors import RecipeError


def project_of(profile: str | None = None, recipe: str | None = None) -> Project:
    """The project of the current folder. ``profile`` replaces the profile of ``recipe`` (or of all)."""
    file = find_project_file(Path.cwd())
    return load_project(file, profile, only=recipe)


def recipe_of(project: Project, name: str | None) -> Recipe:
    """The named recipe, or the only one. Raises RecipeError with the nearest name."""
    if name is None and len(project.recipes) == 1:
        return next(iter(project.recipes.values()))
    if name is not None and name in project.recipes:
        return project.recipes[name]
    near = difflib.get_close_matches(name or "", project.recipes, n=1)
    raise RecipeError(
        f"no recipe {name!r}" if name else "the project has several recipes",
        where=str(project.file),
        fix=f"Did you mean {near[0]!r}?" if near else f"Name one of: {', '.join(project.recipes)}",
    )


def selected_of(project: Project, recipe: Recipe, expression: str | None) -> list[str]:
    """Names of the stages that ``--select`` names, upstream first; all without it."""
    if not expression:  # without Dagster: a build that has nothing to do ends before it is imported
        return list(recipe.stages)
    from dagster_project.assembly import build_definitions
    from dagster_project.selection import selected_stages

    return selected_stages(recipe, expression, build_definitions(project))


@contextmanager
def workspace_of(recipe: Recipe, project: Project) -> Iterator[Workspace]:
    """A workspace that is closed in the end. Takes no lock."""
    workspace = Workspace(recipe, project.store)
    try:
        yield workspace
    finally:
        workspace.close()


@contextmanager
def watching() -> Iterator[Callable[[str, int], None]]:
    """A line that says how far the counting is, on a terminal; nothing elsewhere."""
    console = talk()
    if not console.is_terminal:
        yield lambda _stage, _count: None
        return
    with console.status("planning") as status:
        yield lambda stage, count: status.update(f"counting requests of {stage}: {count:,}")
