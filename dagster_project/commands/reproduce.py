"""``mathloom reproduce``: check a release out as a project, say what a build of it would take, and build it again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from dagster_project.commands.common import watching, workspace_of
from dagster_project.console import out, talk
from dagster_project.language.files import read_toml
from dagster_project.language.load import PROJECT_FILE, find_project_file, load_project
from dagster_project.terminal.words import cell
from resources.errors import RecipeError, ReleaseError
from resources.paths import expanded

if TYPE_CHECKING:
    from dagster_project.language.resolved import Project, Recipe
    from dagster_project.releasing.checkout import Checkout

_SHOWN = 400
"""Characters of a line that a release says."""


@click.command()
@click.argument("what", metavar="ORG/NAME@TAG|FOLDER")
@click.argument("folder", required=False, type=click.Path(path_type=Path))
@click.option("--build", "is_built", is_flag=True, help="Build it, and compare every file with the release.")
@click.option(
    "--store",
    type=click.Path(path_type=Path, file_okay=False),
    help="Store whose completions are used (default: of the project in this folder, if there is one).",
)
@click.option("--trust", is_flag=True, help="Run what the recipe brings: Python, servers that it names, their keys.")
def reproduce(what: str, folder: Path | None, is_built: bool, store: Path | None, trust: bool) -> None:
    """Check out the recipe of a release into FOLDER (default: NAME-TAG) and say what it would rebuild.

    WHAT is hf://datasets/ORG/NAME@TAG, ORG/NAME@TAG, or a released folder. Every file is held against BUILD.json first.
    With --build the dataset is built there: with the same completions it has the same bytes.
    """
    from dagster_project.releasing.checkout import check_out, find_released
    from dagster_project.releasing.reproduce import lend_requests
    from resources.hub.opened import open_repository

    at_hand = store or _store_here()
    checkout = check_out(find_released(what, open_repository), folder)
    _say_checkout(checkout, at_hand)
    if at_hand is not None:
        lend_requests(checkout, at_hand)
    if checkout.code and not trust:
        _say_code(checkout)
        if is_built:
            raise _untrusted(checkout, f"the recipe brings Python ({', '.join(checkout.code)})")
        return
    project = load_project(checkout.project_file)
    recipe = project.recipes[checkout.recipe]
    risks = _say_state(checkout, project, recipe)
    _say_completions(checkout, is_built=is_built)
    if not is_built:
        command = f"mathloom build {checkout.recipe}"
        out().print(f"Build it: cd {checkout.folder} && {command}", markup=False, soft_wrap=True)
        return
    if risks and not trust:
        raise _untrusted(checkout, f"its profile names what would be called: {risks[0]}")
    _build(checkout, project, recipe)


def _untrusted(checkout: Checkout, what: str) -> ReleaseError:
    fix = f"Read {checkout.folder}, then say --trust if you trust whoever published it"
    return ReleaseError(f"{what}, and nobody said that it may run", where=checkout.released.name, fix=fix)


def _store_here() -> Path | None:
    """The store of the project in this folder or above it, if it has completions."""
    try:
        file = find_project_file(Path.cwd())
    except RecipeError:
        return None
    section = read_toml(file).value.get("project") or {}
    words = section.get("store", ".mathloom") if isinstance(section, dict) else ".mathloom"
    store = file.parent / expanded(str(words))
    return store if (store / "requests").is_dir() else None


def _line(text: str) -> None:
    """A line of data; names and words in it can be anybody's."""
    out().print(cell(text, _SHOWN), markup=False, soft_wrap=True)


def _say_checkout(checkout: Checkout, store: Path | None) -> None:
    from dagster_project.releasing.words import size

    files, data = checkout.build["recipe"]["files"], checkout.build["files"]
    sizes = size(sum(checkout.released.sizes.get(path, 0) for path in data))
    _line(f"{checkout.released.name}: {checkout.recipe} ({checkout.profile})")
    _line(f"verified    {len(data)} data files ({sizes}) and {len(files)} of the recipe have BUILD.json's sha256")
    _line(f"project     {checkout.folder / PROJECT_FILE}")
    _line(f"completions {store / 'requests' if store else 'no request store at hand: name one with --store'}")


def _say_code(checkout: Checkout) -> None:
    _line(f"code        the recipe brings Python: {', '.join(checkout.code)}. It runs as soon as the recipe is loaded.")
    _line("            Nothing of it has run. What would be rebuilt can only be said after that.")
    _line("            Read it, then give the same command with --trust.")


def _say_state(checkout: Checkout, project: Project, recipe: Recipe) -> list[str]:
    """Versions, sources, engines and the plan. Returns what only a person can allow."""
    from dagster_project.planning.make import make_plan
    from dagster_project.planning.table import WIDTH, render
    from dagster_project.releasing.reproduce import dangers, differences, sources

    found = list(differences(checkout, recipe))
    _line(f"code        {'mathloom and all kinds are those of the release' if not found else 'differs:'}")
    for words in found:
        _line(f"            {words}")
    with workspace_of(recipe, project) as workspace, watching() as tick:
        for state in sources(checkout, workspace):
            sign = "" if state.is_at_hand else "MISSING: "
            _line(f"source      {state.name}: {sign}{state.place} (sha256 {state.sha256}): {state.words}")
        risks = dangers(recipe)
        for risk in risks:
            _line(f"trust       {risk}")
        plan = make_plan(workspace, list(recipe.stages), tick=tick)
    console = out()
    console.print(render(plan), width=None if console.is_terminal else WIDTH)
    return risks


def _say_completions(checkout: Checkout, *, is_built: bool) -> None:
    """Which completions of the released rows are at hand, where looking costs no download."""
    from dagster_project.releasing.reproduce import completions

    released = checkout.released
    if not (checkout.store / "requests").is_dir() or not (released.is_local or is_built):
        return
    found = completions(released.folder(), checkout.store)
    if found is not None:
        missing = found.wanted - found.stored
        words = "none is missing" if not missing else f"{missing:,} are missing and would be asked"
        _line(f"completions that the released rows came from: {found.stored:,} of {found.wanted:,} are stored, {words}")


def _build(checkout: Checkout, project: Project, recipe: Recipe) -> None:
    from dagster_project.commands.build import run_build
    from dagster_project.releasing.reproduce import compare

    talk().print(f"building in {checkout.folder}", markup=False, soft_wrap=True)
    run_build(project, recipe, None, instance_store=project.store)
    found = compare(checkout)
    if found.is_same:
        _line(f"the same bytes: all {found.files} files of {checkout.released.name}")
        return
    stage = f"; the first stage that differs is {found.stage!r}" if found.stage else ""
    raise ReleaseError(
        f"{len(found.differing)} of {found.files} files differ from the release, first {found.differing[0]!r}{stage}",
        where=checkout.released.name,
        fix="Mend what the list above calls different or missing. Bytes of Parquet depend on pyarrow's version too",
    )
