"""The release that the next one is compared with: its folder from the store, or downloaded.

Anybody who may write can make a tag that looks like a release. The base is the newest whose card says that it is one.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from assets.release.numbering import Number
from dagster_project.releasing.record import Records
from dagster_project.releasing.state import RepositoryState, read_release_stamp
from dagster_project.running.workspace import Workspace
from resources.errors import StoreError
from resources.hub.repository import Repository

MOST_TAGS = 100
"""Tags whose cards are looked at, newest first."""


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
    number = state.untagged or _newest(repository, state)
    if number is None:
        return None
    commit = state.revision(number)
    folder = _recorded(workspace, repository.name, commit)
    if folder is not None:
        return Base(number, commit, folder, is_local=True)
    return Base(number, commit, repository.download(commit), is_local=False)


def _newest(repository: Repository, state: RepositoryState) -> Number | None:
    """The highest tag whose card has the stamp of this number."""
    numbers = sorted((number for tag in state.tags if (number := Number.of_tag(tag))), reverse=True)
    for number in numbers[:MOST_TAGS]:
        stamp = read_release_stamp(repository, state.revision(number))
        if stamp is not None and stamp.version == number:
            return number
    return None


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
