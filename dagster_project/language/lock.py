"""recipe.lock: what each tracked source held when it was last looked at. Looking is done in ``resources.sources``.

The file stands beside recipe.yaml, one section a profile, since profiles may put other sources in place. For a recipe
that came with an installed mathloom, or whose folder cannot be written, it is ``<store>/locks/<recipe>.lock``; entries
there go before those beside the recipe. An entry says what it was resolved from: it is passed over when the recipe has
named another repository, branch or file since.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dagster_project.language.resolved import Recipe, Source
from resources.errors import MathloomError, RecipeError
from resources.store.layout import read_json, write_json

FORMAT = 1
"""Raised when the file's form changes; older forms are read, a newer one is refused."""

_INSTALLED = {"site-packages", "dist-packages"}
"""Folders that hold installed packages: nobody's place to write."""


def lock_file(recipe: Recipe, root: Path) -> Path:
    """Where ``mathloom update`` writes the lock of ``recipe``; ``root`` is the store."""
    folder = recipe.folder.resolve()
    if _INSTALLED & set(folder.parts) or not os.access(folder, os.W_OK):
        return root / "locks" / f"{recipe.name}.lock"
    return recipe.folder / "recipe.lock"


def read_lock(recipe: Recipe, root: Path) -> dict[str, dict[str, Any]]:
    """Source -> what it held (``revision``, ``sha256``, ``rows``), for the profile of ``recipe``.

    Raises:
        RecipeError: A lock file is broken or of a newer format.
    """
    files = dict.fromkeys([recipe.folder / "recipe.lock", lock_file(recipe, root)])
    found: dict[str, dict[str, Any]] = {}
    for file in files:
        for name, entry in _read(file).get(recipe.profile, {}).items():
            source = recipe.sources.get(name)
            if source is not None and entry.get("of") == _origin(source):
                found[name] = {key: value for key, value in entry.items() if key != "of"}
    return found


def write_lock(recipe: Recipe, root: Path, entries: Mapping[str, Mapping[str, Any]]) -> Path:
    """Set the entries of ``recipe`` under its profile, whole and atomically; other profiles stay. Returns the file."""
    file = lock_file(recipe, root)
    profiles = dict(_read(file))
    profiles[recipe.profile] = {
        name: {**entry, "of": _origin(recipe.sources[name])} for name, entry in sorted(entries.items())
    }
    write_json(file, {"format": FORMAT, "profiles": profiles})
    return file


def lock_of(recipe: Recipe, root: Path) -> dict[str, Any] | None:
    """What a lock file of ``recipe`` under its profile alone would hold; None if it has nothing locked.

    A release carries it: entries of other profiles say nothing of it and would change it.
    """
    entries = read_lock(recipe, root)
    if not entries:
        return None
    section = {name: {**entry, "of": _origin(recipe.sources[name])} for name, entry in sorted(entries.items())}
    return {"format": FORMAT, "profiles": {recipe.profile: section}}


def _origin(source: Source) -> dict[str, Any]:
    """What an entry was resolved from; of a local file only the name, since a lock is shared between machines."""
    if source.hub:
        return {
            "hub": source.hub,
            "config": source.config,
            "split": source.split,
            "at": source.revision or source.track,
        }
    return {"bundled": source.bundled} if source.bundled else {"path": source.path.name if source.path else None}


def _read(file: Path) -> Mapping[str, Mapping[str, Mapping[str, Any]]]:
    """Profile -> source -> entry; empty without a file."""
    try:
        value = read_json(file)
    except MathloomError as error:
        raise _broken(file, error.what) from error
    except UnicodeDecodeError as error:
        raise _broken(file, "the lock is not UTF-8 text") from error
    if value is None:
        return {}
    if not isinstance(value, dict) or value.get("format") != FORMAT:
        said = value.get("format") if isinstance(value, dict) else value
        raise _broken(file, f"the lock has format {said!r}, and this mathloom reads {FORMAT}")
    profiles = value.get("profiles")
    if not isinstance(profiles, dict) or not _is_nested(profiles, depth=3):
        raise _broken(file, "the lock is no mapping of profiles to sources")
    return profiles


def _is_nested(value: Any, depth: int) -> bool:
    if not isinstance(value, dict):
        return False
    return depth == 1 or all(_is_nested(inner, depth - 1) for inner in value.values())


def _broken(file: Path, what: str) -> RecipeError:
    return RecipeError(what, where=f"{file}:1", fix="Delete the file and run `mathloom update`")
