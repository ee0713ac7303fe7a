"""The released folder that a person named: a tag, a dataset of the Hub, a folder, or what a recipe has built.

What was released from here is read from the store; only what is not here is downloaded.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from assets.release.folder_reading import Release, is_release, read_release
from assets.release.numbering import Number
from dagster_project.language.resolved import Recipe
from dagster_project.releasing.built import release_stage
from dagster_project.releasing.checkout import find_released
from dagster_project.releasing.record import Recorded, Records
from resources.errors import FileError, StoreError
from resources.paths import expanded
from resources.store import Environment, Store

_PREFIX = "hf://datasets/"


@dataclass(frozen=True, slots=True)
class Named:
    """A release, and what to call it."""

    name: str
    release: Release


def built_release(recipe: Recipe, store: Store) -> Named:
    """What ``recipe`` has built under its profile. Raises StoreError if it was never built."""
    entry = Environment.load(store.root, recipe.name, recipe.profile).stages.get(release_stage(recipe).name)
    if entry is None:
        raise StoreError(
            f"no release of it is built under the profile {recipe.profile!r}",
            where=recipe.name,
            fix=f"Build it first: mathloom build {recipe.name} --profile {recipe.profile}",
        )
    folder = store.version(entry.kind, entry.version).files_folder
    return Named(f"{recipe.name} ({recipe.profile})", read_release(folder))


def find_release(what: str, recipe: Recipe | None, store: Store | None) -> Named:
    """The release that ``what`` names.

    Args:
        what: A tag (``v1.0.0``) of the repository of ``recipe``, ``ORG/NAME[@TAG]`` with or without
            ``hf://datasets/``, a released folder, or ``FOLDER@TAG`` of a local repository.
        recipe: Whose ``publish:`` a tag belongs to.
        store: Where releases that were made here are looked for first.

    Raises:
        FileError: It names nothing, or a tag without a recipe that publishes.
        HubError: It must be downloaded and cannot.
    """
    from resources.hub.opened import open_repository

    if is_release(expanded(what)):
        return Named(what, read_release(expanded(what)))
    words = _of_recipe(what, recipe, store) if Number.of_tag(what) else what.removeprefix(_PREFIX)
    repository, _, tag = words.rpartition("@")
    kept = _recorded(store, repository, tag) if store is not None and repository else None
    if kept is None:
        kept = find_released(words, open_repository).folder()
    return Named(what, read_release(kept))


def _of_recipe(tag: str, recipe: Recipe | None, store: Store | None) -> str:
    """``ORG/NAME@TAG`` of the repository that the recipe's profile names, or that releases of this tag went to."""
    publishing = recipe.publishing if recipe is not None else None
    if publishing is not None:
        return f"{publishing.folder or publishing.repository}@{tag}"
    known = _repositories_of(tag, recipe, store) if store is not None else []
    if len(known) == 1:
        return f"{known[0]}@{tag}"
    if known:
        what = f"{tag} is a tag of several repositories: {', '.join(known)}"
        raise FileError(what, where=tag, fix=f"Write the repository too: {known[0]}@{tag}")
    whose = f"{recipe.name} ({recipe.profile})" if recipe is not None else "no recipe is named that"
    raise FileError(
        f"{tag} is a tag, and {whose} says no repository that it could be of",
        where=tag,
        fix="Write `publish:` into the profile, name the recipe with --recipe, or write ORG/NAME@TAG",
    )


def _repositories_of(tag: str, recipe: Recipe | None, store: Store) -> list[str]:
    """Repositories that got a release of this number from here."""
    number = str(Number.of_tag(tag))
    files = Records(store.root, recipe.name, recipe.profile).read() if recipe else _records(store)
    return sorted({release.repository for release in files if release.number.removeprefix("v") == number})


def _recorded(store: Store, repository: str, tag: str) -> Path | None:
    """The folder of the store that was released under ``tag``: tags never move."""
    number = Number.of_tag(tag)
    for release in _records(store) if number else ():
        is_it = (release.repository, release.number.removeprefix("v")) == (repository, str(number))
        if is_it and release.version and release.state != "pull request":
            kinds = [kind for kind, version in release.versions.values() if version == release.version]
            try:
                return store.version(kinds[0] if kinds else "release/folder", release.version).files_folder
            except StoreError:
                return None
    return None


def _records(store: Store) -> Iterator[Recorded]:
    for file in sorted((store.root / "releases").glob("*/*.json")):
        yield from Records(store.root, file.parent.name, file.stem).read()
