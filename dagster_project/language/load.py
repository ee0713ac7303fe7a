"""The door of the language: from a path to resolved recipes. Every fault of every file is reported at once.

Reads files; touches no network, no store and no engine.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import assets.recipes
from dagster_project.language.bind import bind
from dagster_project.language.contracts import check_contracts
from dagster_project.language.drafts import Draft, Located, Scope
from dagster_project.language.expand import Expander
from dagster_project.language.faults import Faults, suggest
from dagster_project.language.files import Document, read_toml, read_yaml
from dagster_project.language.mistakes import check_words
from dagster_project.language.profile import (
    Engines,
    Profile,
    check_limits,
    profile_names,
    read_profile,
    resolve_roles,
)
from dagster_project.language.resolved import Place, Project, Recipe, Source, Stage
from dagster_project.language.sections import (
    RELEASE,
    add_checks,
    card_words,
    release_draft,
    release_kind,
    rows_of,
    split_drafts,
)
from dagster_project.language.settle import FindKind, Known, apply_profile, card_settings, settle
from dagster_project.language.sources import resolve_sources
from dagster_project.language.words import ProjectWords, RecipeEntry, RecipeWords
from dagster_project.registry import REGISTRY
from resources.engines.catalog import ENGINES, options_type
from resources.errors import MathloomError, RecipeError
from resources.paths import expanded

PROJECT_FILE = "mathloom.toml"
RECIPE_FILE = "recipe.yaml"
PROMPTS = "prompts"
PIECES = "pieces"
SHIPPED = Path(assets.recipes.__file__).resolve().parent
"""Recipes that mathloom has; their shared pieces lie in ``_pieces``."""


def check_prompt(path: Path, variables: Iterable[str]) -> None:
    """Raises RecipeError if the prompt file is wrong, or needs a variable besides ``variables``."""
    from assets.generation.prompts import PromptFile

    PromptFile.load(path).check_variables(variables)


@dataclass(frozen=True, slots=True)
class Rooms:
    """What the language asks of the other rooms of the house. Tests put their own kinds and engines in place."""

    find: FindKind = REGISTRY.find
    engines: Engines = field(default_factory=lambda: Engines(ENGINES, options_type))
    shipped: Path = SHIPPED


_ROOMS = Rooms()


def find_project_file(start: Path) -> Path:
    """The nearest ``mathloom.toml`` at or above the folder ``start``. Raises RecipeError if there is none."""
    folder = start.resolve()
    for place in (folder, *folder.parents):
        if (place / PROJECT_FILE).is_file():
            return place / PROJECT_FILE
    raise RecipeError(
        f"there is no {PROJECT_FILE} in this folder or above it",
        where=str(folder),
        fix="Go to a project's folder, or make one: mathloom init my-dataset",
    )


def shipped_recipes(shipped: Path = SHIPPED) -> list[str]:
    """Names of the recipes that mathloom has."""
    return sorted(path.parent.name for path in shipped.glob(f"*/{RECIPE_FILE}"))


def load_project(
    file: Path, profile_override: str | None = None, *, only: str | None = None, rooms: Rooms = _ROOMS
) -> Project:
    """The recipes of a project file, resolved.

    Args:
        file: A ``mathloom.toml``.
        profile_override: Takes the place of every recipe's profile. Without ``only``, recipes that have no such profile
            are left out; it is an error if none has it.
        only: Load this recipe alone, so that faults of others do not stop it.
        rooms: Where kinds and engines are found.

    Raises:
        RecipeError: Something is wrong; :class:`RecipeErrors` if several things are.
    """
    faults = Faults()
    document = read_toml(file)
    words = check_words(ProjectWords, document, faults)
    faults.stop_if_any()
    if words is None:  # stop_if_any has raised
        raise AssertionError
    if only is not None and only not in words.recipes:
        what = f"no recipe {only!r} in the project"
        raise RecipeError(what, where=str(document.place("recipes")), fix=suggest(only, words.recipes, "recipes"))
    chosen = {name: entry for name, entry in words.recipes.items() if only in (None, name)}
    root = file.resolve().parent
    folders = {name: _folder(name, entry, document, root, rooms, faults) for name, entry in chosen.items()}
    if profile_override is not None and only is None:
        folders = _with_profile(folders, profile_override, document, faults)
    _check_names(list(words.recipes), document, faults)
    recipes: dict[str, Recipe] = {}
    for name, folder in folders.items():
        if folder is None:
            continue
        place = document.place("recipes", name) if profile_override else document.place("recipes", name, "profile")
        try:
            usual = chosen[name].profile
            profile = profile_override or usual
            recipe = load_recipe(folder, profile, name=name, root=root, where=place, rooms=rooms)
            recipes[name] = replace(recipe, key_prefix=() if profile == usual else (profile,))
        except MathloomError as error:
            faults.take(error)
    faults.stop_if_any()
    store = root / expanded(words.project.store)
    return Project(file=file, store=store, recipes=recipes)


def _folder(name: str, entry: RecipeEntry, document: Document, root: Path, rooms: Rooms, faults: Faults) -> Path | None:
    folder = root / expanded(entry.folder) if entry.folder is not None else rooms.shipped / name
    if (folder / RECIPE_FILE).is_file():
        return folder
    if entry.folder is not None:
        what = f"the folder {entry.folder!r} has no {RECIPE_FILE}"
        faults.add(what, document.place("recipes", name, "folder"), f"Name the folder of a {RECIPE_FILE}")
    else:
        fix = f"{suggest(name, shipped_recipes(rooms.shipped), 'recipes')}, or say its `folder`"
        faults.add(f"mathloom has no recipe {name!r}", document.place("recipes", name), fix)
    return None


def _check_names(names: Sequence[str], document: Document, faults: Faults) -> None:
    """Groups and jobs of Dagster have no ``-``: two recipes must differ in more than that."""
    seen: dict[str, str] = {}
    for name in names:
        other = seen.setdefault(name.replace("-", "_"), name)
        if other != name:
            what = f"the recipes {other!r} and {name!r} differ only in - and _"
            faults.add(what, document.place("recipes", name), "Rename one of them")


def _with_profile(
    folders: Mapping[str, Path | None], profile: str, document: Document, faults: Faults
) -> dict[str, Path | None]:
    having = {name: folder for name, folder in folders.items() if folder and profile in profile_names(folder)}
    if not having:
        known = sorted({word for folder in folders.values() if folder for word in profile_names(folder)})
        faults.add(
            f"no recipe has the profile {profile!r}", document.place("recipes"), suggest(profile, known, "profiles")
        )
    return dict(having)


def load_recipe(
    folder: Path,
    profile: str = "local",
    *,
    name: str | None = None,
    root: Path | None = None,
    where: Place | str | None = None,
    rooms: Rooms = _ROOMS,
) -> Recipe:
    """One recipe under one profile.

    Args:
        folder: Folder of ``recipe.yaml``.
        profile: A file of its ``profiles/``.
        name: What the project calls it; must be the name that the recipe gives itself.
        root: Folder to which the paths of sources are relative (default: ``folder``).
        where: Who names the profile, for the error if there is none.
        rooms: Where kinds and engines are found.

    Raises:
        RecipeError: Something is wrong; :class:`RecipeErrors` if several things are.
    """
    faults = Faults()
    document = read_yaml(folder / RECIPE_FILE)
    words = check_words(RecipeWords, document, faults)
    chosen = read_profile(folder, profile, where or str(folder), faults)
    faults.stop_if_any()
    if words is None or chosen is None:  # stop_if_any has raised
        raise AssertionError
    if name is not None and words.recipe != name:
        what = f"the recipe is named {words.recipe!r}, and the project calls it {name!r}"
        faults.add(what, document.place("recipe"), f"Write `recipe: {name}`, or change the project file")
    sources = resolve_sources(document, chosen, root or folder, faults)
    roles = resolve_roles(chosen, words.roles, rooms.engines, faults)
    check_limits(chosen, roles, faults)
    schedule = chosen.resolved_schedule(faults)
    sizes = _split_sizes(document, chosen, faults)
    stages = _Loading(document, chosen, sizes, rooms, faults).stages(list(words.roles), sources)
    faults.stop_if_any()
    return Recipe(
        name=words.recipe,
        profile=profile,
        folder=folder,
        place=document.place("recipe"),
        title=words.title or words.recipe,
        description=" ".join(words.description.split()),
        owners=tuple(words.owners),
        sources=sources,
        roles=roles,
        stages=stages,
        release=card_words(document),
        splits={split: rows_of(size.value) for split, size in sizes.items()},
        prompts_folder=folder / PROMPTS,
        root=root or folder,
        limits=chosen.resolved_limits(),
        publishing=chosen.publishing(root or folder),
        schedule=schedule,
    )


def _split_sizes(document: Document, profile: Profile, faults: Faults) -> dict[str, Located]:
    """Split -> size: the profile's, else the recipe's."""
    whole = Located(document.value, document, ())
    section = document.value.get("splits") or {}
    declared = {name: whole.part("splits", "sizes", name) for name in section.get("sizes") or {}}
    for name, written in profile.splits.items():
        if name in declared:
            declared[name] = written
        else:
            faults.add(f"unknown split {name!r}", written.place, suggest(name, declared, "splits of the recipe"))
    return declared


class _Loading:
    """The way from a checked document to stages."""

    def __init__(
        self, document: Document, profile: Profile, sizes: Mapping[str, Located], rooms: Rooms, faults: Faults
    ) -> None:
        self._document = document
        self._folder = document.path.parent
        self._profile = profile
        self._sizes = sizes
        self._rooms = rooms
        self._faults = faults

    def stages(self, roles: Sequence[str], sources: Mapping[str, Source]) -> dict[str, Stage]:
        """All stages, bound and checked, as far as their faults allow."""
        known = Known(self._folder, roles, sources, self._folder / PROMPTS, check_prompt)
        drafts = self._drafts(sources)
        apply_profile(drafts, self._profile, self._faults)
        settled = [s for d in drafts if (s := settle(d, self._rooms.find, known, self._faults)) is not None]
        bound, bindings = bind(settled, self._faults)
        if not self._faults:
            check_contracts(bound, bindings, self._faults)
        return bound

    def _drafts(self, sources: Mapping[str, Source]) -> list[Draft]:
        document, faults, scope = self._document, self._faults, Scope()
        pieces = [self._folder / PIECES, self._rooms.shipped / "_pieces"]
        drafts = Expander(faults, sources, pieces).stages(document, scope)
        if self._sizes:
            drafts += split_drafts(document, self._sizes, scope, faults)
        if document.value.get(RELEASE) is not None:
            kind = release_kind(document)
            settings = card_settings(self._rooms.find, kind, self._folder, str(document.place(RELEASE)))
            release = release_draft(document, settings, scope, faults)
            drafts += [release] if release else []
        add_checks(document, drafts, scope, faults)
        return drafts
