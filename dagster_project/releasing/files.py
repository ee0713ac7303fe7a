"""Which files of a repository a release writes, keeps and removes. Files of others stay."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from dagster_project.releasing.built import BUILD_FILE, CARD, CHANGELOG, BuiltFolder
from resources.hub.changes import same
from resources.hub.repository import Change, LocalFile, RemoteFile

OUR_FOLDERS = ("data/", "provenance/", "contamination/", "recipe/", "plots/")
OUR_FILES = frozenset({BUILD_FILE, CARD, CHANGELOG})


@dataclass(frozen=True, slots=True)
class FilePlan:
    """What one commit does to the files, by path."""

    put: Mapping[str, LocalFile | bytes]
    """New, or with another content than now."""
    keep: Mapping[str, int]
    """Ours, with the same content as now -> bytes. Not sent again."""
    delete: Mapping[str, int]
    """Ours, and no part of this release -> bytes."""

    @property
    def put_bytes(self) -> int:
        """Bytes to send, if the place has none of them."""
        return sum(file.size if isinstance(file, LocalFile) else len(file) for file in self.put.values())

    @property
    def change(self) -> Change:
        """The commit."""
        return Change(put=self.put, delete=sorted(self.delete))


def is_ours(path: str) -> bool:
    """Whether a release may write, replace or remove a file of a repository."""
    return path in OUR_FILES or path.startswith(OUR_FOLDERS)


def plan_files(built: BuiltFolder, texts: Mapping[str, bytes], remote: Mapping[str, RemoteFile]) -> FilePlan:
    """Files of one release. ``texts``: card and changelog, as they go out."""
    wanted: dict[str, LocalFile | bytes] = {**built.files, **texts}
    keep = {path: remote[path].size for path, file in wanted.items() if is_there(file, remote.get(path))}
    delete = {path: file.size for path, file in remote.items() if is_ours(path) and path not in wanted}
    return FilePlan({path: file for path, file in wanted.items() if path not in keep}, keep, delete)


def is_there(local: LocalFile | bytes, remote: RemoteFile | None) -> bool:
    """Whether a place has this content already."""
    return remote is not None and same(remote, local)


def has_same_files(built: BuiltFolder, remote: Mapping[str, RemoteFile]) -> bool:
    """Whether a revision holds exactly the files of ``built``, card and changelog aside."""
    ours = {path for path in remote if is_ours(path)} - {CARD, CHANGELOG}
    return ours == set(built.files) and all(is_there(file, remote.get(path)) for path, file in built.files.items())
