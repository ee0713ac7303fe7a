"""The release that the next one is compared with: its folder from the store, or downloaded."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from assets.release.numbering import Number
from dagster_project.releasing.record import Records
from dagster_project.releasing.state import RepositoryState
from dagster_project.running.workspace import Workspace
from resources.errors import StoreError
from resources.hub.repository import Repository


@dataclass(frozen=True, slots=True)
class Base:
    """The newest release of a repository."""

    number: Number
    commit: str
    folder: Path
    is_local: bool
    """Whether the store still has it; else it was downloaded."""


def find_base(workspace: Workspace, repository: Repository, state: RepositoryState) -> Base | None:
    """The newest release; None before the first. Raises HubError if it must be downloaded and cannot."""
    number = state.newest
    if number is None:
        return None
    commit = state.revision(number)
    folder = _recorded(workspace, repository.name, commit)
    if folder is not None:
        return Base(number, commit, folder, is_local=True)
    return Base(number, commit, repository.download(commit), is_local=False)


def _recorded(workspace: Workspace, repository: str, commit: str) -> Path | None:
    """The folder that was published as ``commit``, if it was from here and no `clean --releases` removed it."""
    records = Records(workspace.root, workspace.recipe.name, workspace.environment_name)
    for release in reversed(records.of(repository)):
        if release.commit == commit and release.version:
            kind = next(
                (kind for kind, version in release.versions.values() if version == release.version), "release/folder"
            )
            try:
                return workspace.store.version(kind, release.version).files_folder
            except StoreError:
                return None
    return None
