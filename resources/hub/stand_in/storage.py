"""Repositories on disk: commits, branches, tags, discussions, and which commit each of them names.

    root/LOCK                                   held while a server uses the folder
    root/datasets/ORG/NAME/state.json           branches, tags, discussions, visibility
                          /commits/COMMIT.json  the files of a commit, and its parents
                          /blobs, /lfs          contents (objects.py)

Contents and commits are written first and never changed; one rename of ``state.json`` makes a change visible. A kill
at any moment leaves the old state or the new one.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import threading
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from resources.errors import HubError
from resources.hub.stand_in.git import Entry, blob_oid, commit_oid, tree_oids
from resources.hub.stand_in.messages import Refusal
from resources.hub.stand_in.objects import Objects
from resources.hub.stand_in.strictness import COMMIT, check_name


@dataclass(frozen=True, slots=True)
class Commit:
    """A commit: what it holds and where it came from. ``time`` is in seconds since 1970."""

    id: str
    parents: Sequence[str]
    author: str
    time: int
    title: str
    description: str
    files: Mapping[str, Entry]

    @property
    def message(self) -> str:
        """Title and description as git holds them."""
        return f"{self.title}\n\n{self.description}" if self.description else self.title


@dataclass(slots=True)
class State:
    """All of a repository that can change. Discussions are kept by :mod:`resources.hub.stand_in.discussions`."""

    private: bool
    author: str
    created: float
    modified: float
    branches: dict[str, str] = field(default_factory=dict)
    tags: dict[str, dict[str, str]] = field(default_factory=dict)
    """Name -> ``{"commit", "message"}``."""
    discussions: list[dict[str, Any]] = field(default_factory=list)
    """Number n is at place n - 1."""
    recent_commits: list[float] = field(default_factory=list)
    """Times of the commits of the last hour."""


class Repository:
    """One repository on disk. :meth:`change` is the only way to change its state."""

    def __init__(self, folder: Path, name: str, lock: threading.RLock) -> None:
        self.folder = folder
        self.name = name
        self.objects = Objects(folder)
        self._lock = lock

    def state(self) -> State:
        """The state now. Raises Refusal 404 if the repository went away."""
        try:
            return State(**json.loads((self.folder / "state.json").read_text(encoding="utf-8")))
        except (FileNotFoundError, NotADirectoryError):
            raise absent() from None

    @contextlib.contextmanager
    def change(self) -> Iterator[State]:
        """The state, to be changed; it is written when the block ends without an error. One at a time."""
        with self._lock:
            state = self.state()
            yield state
            write_json(self.folder / "state.json", _as_json(state))

    def commit(self, id: str) -> Commit:
        """A commit by its whole name. Raises Refusal 404."""
        try:
            text = (self.folder / "commits" / f"{id}.json").read_text(encoding="utf-8")
        except (FileNotFoundError, NotADirectoryError):
            raise unknown_revision(id) from None
        found = json.loads(text)
        files = {path: Entry(*entry) for path, entry in found.pop("files").items()}
        return Commit(id=id, files=files, **found)

    def resolve(self, revision: str, state: State | None = None) -> Commit:
        """The commit that a branch, tag, pull request or whole commit name stands for. Raises Refusal 404."""
        return self.commit(find_revision(state or self.state(), revision) or revision_or_refusal(revision))

    def write_commit(
        self,
        files: Mapping[str, Entry],
        *,
        parents: Sequence[str],
        author: str,
        time: int,
        title: str,
        description: str = "",
    ) -> Commit:
        """Write a commit that nothing names yet. Entries of files that it changes have an empty ``commit``."""
        message = f"{title}\n\n{description}" if description else title
        id = commit_oid(tree_oids(files)[""], parents, author, time, message)
        dated = {path: entry if entry.commit else _dated(entry, id) for path, entry in sorted(files.items())}
        commit = Commit(id, list(parents), author, time, title, description, dated)
        write_json(
            self.folder / "commits" / f"{id}.json",
            {
                "parents": list(parents),
                "author": author,
                "time": time,
                "title": title,
                "description": description,
                "files": {path: entry.to_json() for path, entry in dated.items()},
            },
        )
        return commit

    def history(self, commit: Commit) -> Iterator[Commit]:
        """A commit and its first parents, newest first."""
        while True:
            yield commit
            if not commit.parents:
                return
            commit = self.commit(commit.parents[0])


class Storage:
    """All repositories under ``root``. One server at a time uses a folder; what a killed one left aside is removed.

    Raises:
        HubError: Another server holds the folder, or it cannot be written.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._lock = threading.RLock()
        self._handle = _hold(root)
        shutil.rmtree(root / "aside", ignore_errors=True)
        for folder in root.glob("datasets/*/*/incoming"):
            shutil.rmtree(folder, ignore_errors=True)

    def close(self) -> None:
        """Let another server use the folder."""
        self._handle.close()

    def find(self, namespace: str, name: str) -> Repository | None:
        """A repository, if it is there."""
        try:
            folder = self._folder(namespace, name)
        except Refusal:
            return None
        return Repository(folder, f"{namespace}/{name}", self._lock) if (folder / "state.json").exists() else None

    def create(self, namespace: str, name: str, state: State, files: Mapping[str, bytes]) -> Repository:
        """Make a repository whose first commit has ``files``. Raises Refusal 409 if it is there."""
        folder = self._folder(namespace, name)
        aside = Repository(self._root / "aside" / uuid.uuid4().hex, f"{namespace}/{name}", self._lock)
        entries = {path: Entry(blob_oid(content), len(content), None, "") for path, content in files.items()}
        for path, content in files.items():
            aside.objects.put_small(entries[path].oid, content)
        first = aside.write_commit(
            entries, parents=(), author=state.author, time=int(state.created), title="initial commit"
        )
        state.branches["main"] = first.id
        write_json(aside.folder / "state.json", _as_json(state))
        with self._lock:
            if self.find(namespace, name):
                shutil.rmtree(aside.folder)
                raise Refusal(409, "You already created this dataset repo")
            # An upload into a repository that was deleted meanwhile can leave a folder without a state.
            shutil.rmtree(folder, ignore_errors=True)
            folder.parent.mkdir(parents=True, exist_ok=True)
            os.rename(aside.folder, folder)  # noqa: PTH104 - says what it does
        return Repository(folder, f"{namespace}/{name}", self._lock)

    def delete(self, repository: Repository) -> None:
        """Remove a repository with all it holds."""
        aside = self._root / "aside" / uuid.uuid4().hex
        aside.parent.mkdir(parents=True, exist_ok=True)
        with self._lock:
            try:
                os.rename(repository.folder, aside)  # noqa: PTH104 - says what it does
            except FileNotFoundError:
                raise absent() from None
        shutil.rmtree(aside, ignore_errors=True)

    def _folder(self, namespace: str, name: str) -> Path:
        return self._root / "datasets" / check_name(namespace) / check_name(name)


def absent() -> Refusal:
    """The refusal for a repository that is not there, or that the asker may not know of."""
    return Refusal(404, "Repository not found", code="RepoNotFound")


def unknown_revision(revision: str) -> Refusal:
    """The refusal for a branch, tag or commit that is not there."""
    return Refusal(404, f"Invalid rev id: {revision[:80]}", code="RevisionNotFound")


def revision_or_refusal(revision: str) -> str:
    """``revision`` if it can be a whole commit name."""
    if not COMMIT.fullmatch(revision):
        raise unknown_revision(revision)
    return revision


def find_revision(state: State, revision: str) -> str | None:
    """The commit that a name of a branch, tag or pull request stands for."""
    if revision.startswith("refs/pr/"):
        number = revision.removeprefix("refs/pr/")
        index = int(number) - 1 if number.isascii() and number.isdigit() and len(number) < 9 else -1
        return state.discussions[index].get("head") if 0 <= index < len(state.discussions) else None
    branch = state.branches.get(revision.removeprefix("refs/heads/"))
    tag = state.tags.get(revision.removeprefix("refs/tags/"))
    if revision.startswith("refs/tags/"):
        return tag["commit"] if tag else None
    return branch or (tag["commit"] if tag else None)


def write_json(path: Path, value: Any) -> None:
    """Replace ``path`` in one step. A kill leaves the old content or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        aside.write_text(json.dumps(value, ensure_ascii=True), encoding="utf-8")
        os.replace(aside, path)  # noqa: PTH105 - says what it does
    finally:
        aside.unlink(missing_ok=True)


def _as_json(state: State) -> dict[str, Any]:
    return {name: getattr(state, name) for name in State.__slots__}  # type: ignore[attr-defined]


def _dated(entry: Entry, commit: str) -> Entry:
    return Entry(entry.oid, entry.size, entry.sha256, commit)


def _hold(root: Path) -> IO[str]:
    try:
        root.mkdir(parents=True, exist_ok=True)
        handle = (root / "LOCK").open("w")
    except OSError as error:
        raise HubError(
            f"the folder cannot be written: {error.strerror}",
            where=f"Hub stand-in in {root}",
            fix="Choose another folder",
        ) from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        handle.close()
        raise HubError(
            "another stand-in uses this folder",
            where=f"Hub stand-in in {root}",
            fix="Stop it, or choose another folder",
        ) from None
    return handle
