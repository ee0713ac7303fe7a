"""The folder that the stage ``release`` built, with the hashes of its files: what a release publishes.

Hashes come from the manifest of the version. Nothing is read but the card and the build record.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from assets.release.decoration import card_hash, release_digest
from dagster_project.language.resolved import Recipe, Stage
from dagster_project.running.workspace import Workspace
from resources.errors import ReleaseError, StoreError
from resources.hub.repository import LocalFile
from resources.store import Version

CARD = "README.md"
BUILD_FILE = "BUILD.json"
CHANGELOG = "CHANGELOG.md"

_INSIDE = "files/"
"""Where the files of a version lie, as its manifest writes it."""


@dataclass(frozen=True, slots=True)
class BuiltFolder:
    """One version of the stage ``release``. It never changes."""

    stage: Stage
    version: Version
    files: Mapping[str, LocalFile]
    """Every file but the card, by its path in the repository."""
    card: str
    """The card as it was built: without a number, a changelog or a stamp."""
    card_hash: str
    digest: str
    build: Mapping[str, Any]
    """BUILD.json."""

    @property
    def folder(self) -> Path:
        """Where it lies."""
        return self.version.files_folder

    @property
    def rows(self) -> dict[str, int]:
        """Split -> rows."""
        return {str(name): int(count) for name, count in (self.version.facts.get("rows") or {}).items()}


def release_stage(recipe: Recipe) -> Stage:
    """The stage that writes the dataset. Raises ReleaseError if the recipe has none."""
    found = [stage for stage in recipe.stages.values() if stage.kind.law.name == "release"]
    if not found:
        raise ReleaseError(
            f"the recipe {recipe.name!r} releases nothing",
            where=str(recipe.place),
            fix="Add the section `release:`: docs/recipe_language.md",
        )
    return found[-1]


def read_built(workspace: Workspace) -> BuiltFolder:
    """What the environment has now. Raises ReleaseError if the dataset was never built, or is gone."""
    recipe = workspace.recipe
    stage = release_stage(recipe)
    entry = workspace.environment.stages.get(stage.name)
    fix = f"Build it first: mathloom build {recipe.name} --profile {recipe.profile}"
    where = f"{recipe.name}/{stage.name}"
    if entry is None:
        raise ReleaseError(f"nothing is built under the profile {recipe.profile!r}", where=where, fix=fix)
    try:
        return read_version(stage, workspace.store.version(entry.kind, entry.version))
    except (OSError, StoreError, ValueError) as error:
        raise ReleaseError(f"the built dataset cannot be read ({error})", where=where, fix=fix) from error


def read_version(stage: Stage, version: Version) -> BuiltFolder:
    """One version of the release stage."""
    files = {}
    for file in version.manifest["files"]:
        path = str(file["path"]).removeprefix(_INSIDE)
        if path != CARD:
            files[path] = LocalFile(version.folder / file["path"], int(file["bytes"]), str(file["sha256"]))
    card = (version.files_folder / CARD).read_text(encoding="utf-8")
    build = json.loads((version.files_folder / BUILD_FILE).read_text(encoding="utf-8"))
    return BuiltFolder(
        stage=stage,
        version=version,
        files=files,
        card=card,
        card_hash=card_hash(card),
        digest=release_digest({path: file.sha256 for path, file in files.items()}),
        build=build,
    )
