"""The files that a release was made with: a small project that ``mathloom build`` can run again.

One recipe under one profile: its own words, prompts, pieces, SQL and kinds that the recipe uses, and bundled rows.
Pieces, SQL and kinds that mathloom has are not among them: the version of mathloom names those. Files that a source
names by ``path:`` lie outside and stay there; recipe.lock has their hashes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from dagster_project.language.files import read_yaml
from dagster_project.language.load import PIECES, PROJECT_FILE, PROMPTS, RECIPE_FILE
from dagster_project.language.lock import lock_of
from dagster_project.language.profile import FOLDER
from dagster_project.language.resolved import Recipe
from dagster_project.registry import BUILT_IN, LOCAL_FILE
from resources.identity import hash_file

ROOT = "recipe"
"""Their folder inside a release."""

Place = Path | bytes
"""Where a file is read: on this machine, or its bytes if it was written for the release."""


def recipe_files(recipe: Recipe, store: Path) -> dict[str, Place]:
    """Path inside a release -> where to read it; ``store`` is the root that may hold the lock.

    Raises:
        RecipeError: A profile, piece or lock cannot be read.
    """
    inside = f"{ROOT}/{recipe.name}"
    found: dict[str, Place] = {f"{ROOT}/{PROJECT_FILE}": _project(recipe)}
    for path in _paths(recipe):
        file = recipe.folder / path
        if file.is_file() and file.resolve().is_relative_to(recipe.folder.resolve()):
            found[f"{inside}/{path}"] = file
    lock = lock_of(recipe, store)
    if lock is not None:
        text = json.dumps(lock, indent=2, sort_keys=True, ensure_ascii=False)
        found[f"{inside}/recipe.lock"] = f"{text}\n".encode()
    return dict(sorted(found.items()))


def hashes(files: Mapping[str, Place]) -> dict[str, str]:
    """Path -> SHA-256 of the bytes."""
    return {path: _hash(place) for path, place in files.items()}


def _hash(place: Place) -> str:
    return hashlib.sha256(place).hexdigest() if isinstance(place, bytes) else hash_file(place)


def _project(recipe: Recipe) -> bytes:
    """A project file for this recipe alone; builds go where every project's go by default."""
    return f'[recipes.{recipe.name}]\nfolder = "{recipe.name}"\nprofile = "{recipe.profile}"\n'.encode()


def _paths(recipe: Recipe) -> Iterator[str]:
    """Paths inside the recipe's folder that it can use; those of mathloom's own files are not there."""
    yield RECIPE_FILE
    yield from (f"{FOLDER}/{name}.yaml" for name in _profiles(recipe))
    yield from (f"{PROMPTS}/{name}.yaml" for stage in recipe.stages.values() for name in stage.prompts)
    yield from (f"{PIECES}/{name}.yaml" for name in _pieces(recipe))
    kinds = {stage.kind.name for stage in recipe.stages.values()}
    yield from (f"{name}.sql" for name in sorted(kinds) if name.startswith("sql/"))
    if any(name not in BUILT_IN and not name.startswith("sql/") for name in kinds):
        yield LOCAL_FILE
    yield from (source.bundled for source in recipe.sources.values() if source.bundled)


def _profiles(recipe: Recipe) -> Iterator[str]:
    """The profile and what it extends, nearest first. That no profile extends itself was seen when it was loaded."""
    name: Any = recipe.profile
    seen: set[str] = set()
    while isinstance(name, str) and name not in seen:
        seen.add(name)
        yield name
        file = recipe.folder / FOLDER / f"{name}.yaml"
        name = read_yaml(file).value.get("extends") if file.is_file() else None


def _pieces(recipe: Recipe) -> list[str]:
    """Own pieces that the recipe uses, and those that they use."""
    found: dict[str, None] = {}
    waiting = list(_uses(read_yaml(recipe.folder / RECIPE_FILE).value))
    while waiting:
        name = waiting.pop(0)
        file = recipe.folder / PIECES / f"{name}.yaml"
        if name not in found and file.is_file():
            found[name] = None
            waiting.extend(_uses(read_yaml(file).value))
    return list(found)


def _uses(document: Mapping[str, Any]) -> Iterable[str]:
    stages: Mapping[str, Any] = document.get("stages") or {}
    return [str(words["use"]) for words in stages.values() if isinstance(words, Mapping) and words.get("use")]
