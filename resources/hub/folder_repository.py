"""A repository in a local folder: one folder for each commit, and links that name them.

::

    FOLDER/main            -> versions/COMMIT
    FOLDER/v1.0.0          -> versions/COMMIT
    FOLDER/pr-1            -> versions/COMMIT, a proposal that main has not got
    FOLDER/versions/COMMIT    all files of that commit, read-only
    FOLDER/.repository        records of the commits, lock, what is being written

``load_dataset("FOLDER/v1.0.0")`` reads one. A version is written aside, forced to disk, and renamed; then one rename
moves the link. A reader who follows a link once sees one version whole. Files with equal bytes are one file on disk.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import re
import shutil
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from resources.errors import HubError
from resources.hub.changes import (
    COMMIT,
    Content,
    Outcome,
    check_tag,
    moved,
    pieces,
    sha256_of,
    size_of,
    work_out,
)
from resources.hub.repository import MAIN, Change, Committed, LocalFile, RemoteFile
from resources.identity import hash_json
from resources.paths import expanded
from resources.store.layout import sync_file, sync_folder

FORMAT = 1
_OWN = ".repository"
_TARGET = re.compile(r"versions/([0-9a-f]{40})")
_PROPOSAL = re.compile(r"pr-([1-9][0-9]{0,8})")
_RESERVED = re.compile(r"main|versions|pr-.*", re.IGNORECASE)
_NO_LINKS = {errno.EXDEV, errno.EPERM, errno.EACCES, errno.EMLINK, errno.ENOTSUP, errno.EINVAL}
"""What a file system says that cannot link these two; then the file is copied."""


class FolderRepository:
    """The versions of one dataset in a local folder. Nothing is made before :meth:`create`."""

    def __init__(self, folder: Path) -> None:
        self.folder = expanded(folder).absolute()
        self.name = str(self.folder)
        self._own = self.folder / _OWN
        self._versions = self.folder / "versions"

    def head(self) -> str | None:
        """Commit of main; None if the folder is not there or has none."""
        with self._errors():
            return self._named(MAIN) if self._is_there() else None

    def tags(self) -> Mapping[str, str]:
        """Tag -> commit."""
        with self._errors():
            return {name: commit for name, commit in self._links().items() if not _RESERVED.fullmatch(name)}

    def files(self, revision: str) -> Mapping[str, RemoteFile]:
        """Every file of a commit, main, tag or ``refs/pr/N``."""
        with self._errors():
            return self._files(self._resolve(revision))

    def read(self, revision: str, path: str) -> bytes | None:
        """A file; None if the revision has none of this name."""
        with self._errors():
            commit = self._resolve(revision)
            return (self._versions / commit / path).read_bytes() if path in self._files(commit) else None

    def download(self, revision: str) -> Path:
        """The folder of the version itself: it never changes."""
        with self._errors():
            return self._versions / self._resolve(revision)

    def create(self) -> None:
        """Make the folder. Raises HubError if it holds something else."""
        with self._errors():
            if self._is_there():
                return
            for folder in (self._own / "staging", self._own / "commits", self._versions):
                folder.mkdir(parents=True, exist_ok=True)
            self._write_json(self._own / "format.json", {"format": FORMAT})
            for folder in (self.folder, self.folder.parent):
                sync_folder(folder)

    def commit(self, change: Change, *, parent: str | None, message: str, is_pull_request: bool = False) -> Committed:
        """One version, and main (or a proposal) names it. ``sent_bytes`` are of files that were not there before."""
        with self._errors(), self._lock():
            self._clean()
            head = self._named(MAIN)
            if parent is not None and self._record(parent) is None:
                raise moved(self.name, parent, head)
            outcome = work_out(change, self._files(parent) if parent else {}, self.files, where=self.name)
            if head != parent:
                if head and self._is_done(head, parent, outcome) and not is_pull_request:
                    return Committed(head)
                raise moved(self.name, parent, head)
            if outcome.is_empty:
                return Committed(self._nothing_new(parent))
            commit, sent = self._write(outcome, parent, message)
            if is_pull_request:
                name = f"pr-{1 + max((int(m[1]) for m in map(_PROPOSAL.fullmatch, self._links()) if m), default=0)}"
                self._link(name, commit)
                return Committed(commit, str(self.folder / name), sent)
            self._link(MAIN, commit)
            return Committed(commit, None, sent)

    def tag(self, name: str, commit: str, message: str) -> None:
        """Let ``name`` link to the version. The message is not kept."""
        check_tag(name, self.name)
        if _RESERVED.fullmatch(name):
            raise HubError(f"{name!r} cannot be a tag of a folder", where=self.name, fix="Name tags like v1.0.0")
        with self._errors(), self._lock():
            there = self._named(name)
            if there is None:
                self._link(name, self._resolve(commit))
            elif there != commit:
                raise HubError(
                    f"the tag {name} names {there[:12]} already, and a tag never moves",
                    where=self.name,
                    fix="Release under the next number",
                )

    def is_public(self) -> bool:
        """Never."""
        return False

    def make_public(self) -> None:
        """Refused: who may read a folder is for its file system to say."""
        raise HubError("a local folder is not published", where=self.name, fix="Publish to a repository of the Hub")

    def url(self, revision: str | None = None) -> str:
        """The folder of a revision."""
        return str(self.folder / (revision or MAIN))

    # Reading.

    def _is_there(self) -> bool:
        """Whether this is a repository; raises HubError if it is something else."""
        found = _read_json(self._own / "format.json")
        if found is not None:
            if found.get("format") != FORMAT:
                raise HubError(
                    f"its format is {found.get('format')!r}; this mathloom knows {FORMAT}",
                    where=self.name,
                    fix="Install the mathloom that wrote it, or name another folder",
                )
            return True
        ours = {_OWN, "versions"} if self._own.exists() else set()  # a kill while it was created
        names = [path.name for path in self.folder.iterdir()] if self.folder.exists() else []
        strange = next((name for name in names if name not in ours), None)
        if strange:
            raise HubError(
                f"the folder holds something else ({strange[:100]!r}) and is no repository",
                where=self.name,
                fix="Name a folder that is empty or not there",
            )
        return False

    def _links(self) -> dict[str, str]:
        """Every link of the folder that names a version."""
        if not self._is_there():
            return {}
        names = sorted(path.name for path in self.folder.iterdir() if path.is_symlink())
        return {name: commit for name in names if (commit := self._named(name))}

    def _named(self, name: str) -> str | None:
        """The commit that a link names; None if there is no such link."""
        link = self.folder / name
        if not link.is_symlink():
            if link.exists():
                raise HubError(f"{name} is no link to a version", where=self.name, fix="Move it out of the folder")
            return None
        match = _TARGET.fullmatch(link.readlink().as_posix())
        if not match or self._record(match[1]) is None:
            raise HubError(f"{name} names no version", where=self.name, fix="Remove the link, and release again")
        return match[1]

    def _resolve(self, revision: str) -> str:
        name = f"pr-{revision[8:]}" if revision.startswith("refs/pr/") else revision
        if COMMIT.fullmatch(name) and self._record(name) is not None:
            return name
        commit = self._links().get(name)
        if commit is None:
            raise HubError(
                f"there is no revision {revision[:100]!r}", where=self.name, fix="Name main, a tag or a commit"
            )
        return commit

    def _record(self, commit: str) -> dict[str, Any] | None:
        return _read_json(self._own / "commits" / f"{commit}.json") if COMMIT.fullmatch(commit) else None

    def _files(self, commit: str) -> dict[str, RemoteFile]:
        record = self._record(commit) or {"files": {}}
        return {path: RemoteFile(path, size, sha256) for path, (size, sha256) in record["files"].items()}

    # Writing, under the lock.

    @contextlib.contextmanager
    def _lock(self) -> Iterator[None]:
        """Hold the folder. The lock goes with its process."""
        if not self._is_there():
            raise HubError("the repository is not there", where=self.name, fix="Create it first")
        with (self._own / "lock").open("a") as handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise HubError(
                    "another process is writing to it", where=self.name, fix="Wait for it and try again", retryable=True
                ) from error
            yield

    def _is_done(self, head: str, parent: str | None, outcome: Outcome) -> bool:
        """Whether main is this very change: an earlier call made it and could not say so."""
        record = self._record(head) or {}
        return record.get("parent") == parent and outcome.matches(self._files(head))

    def _nothing_new(self, parent: str | None) -> str:
        if parent is None:
            raise HubError("the first commit has no files", where=self.name, fix="Release a dataset with rows")
        return parent

    def _write(self, outcome: Outcome, parent: str | None, message: str) -> tuple[str, int]:
        """The version of an outcome, on disk under its name, and the bytes of its new files."""
        hashes = {path: _hash(content) for path, content in sorted(outcome.tree.items())}
        commit = hash_json([parent, list(hashes.items()), message])[:40]
        if self._record(commit) is not None:
            return commit, 0
        stage = self._own / "staging" / uuid.uuid4().hex
        try:
            sent = self._fill(stage, outcome.tree, hashes)
            final = self._versions / commit
            os.rename(stage, final)  # noqa: PTH104 - Path.rename cannot say that the target must not exist either
            sync_folder(self._versions)
        finally:
            shutil.rmtree(stage, ignore_errors=True)
        files = {path: [size_of(outcome.tree[path]), sha256] for path, sha256 in hashes.items()}
        self._write_json(
            self._own / "commits" / f"{commit}.json", {"parent": parent, "message": message, "files": files}
        )
        return commit, sent

    def _fill(self, stage: Path, tree: Mapping[str, Content], hashes: Mapping[str, str]) -> int:
        known = self._known()
        sent = 0
        stage.mkdir(parents=True)
        for path, content in tree.items():
            target = stage / path
            target.parent.mkdir(parents=True, exist_ok=True)
            if (there := known.get(hashes[path])) is not None:
                self._place(target, there, hashes[path])
            elif isinstance(content, LocalFile):
                self._place(target, content.source, hashes[path])
                sent += content.size
            elif isinstance(content, bytes):
                target.write_bytes(content)
                target.chmod(0o444)
                sent += len(content)
            else:
                raise HubError(
                    f"the file {path} of an earlier version is gone", where=self.name, fix="Name a new folder"
                )
            sync_file(target)
            known[hashes[path]] = target
        for folder in (stage, *(p for p in stage.rglob("*") if p.is_dir())):
            sync_folder(folder)
        return sent

    def _place(self, target: Path, source: Path, sha256: str) -> None:
        """``source`` under another name: linked, or copied where it cannot be."""
        try:
            target.hardlink_to(source)
            target.chmod(0o444)
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            target.unlink(missing_ok=True)
            _copy(source, target, sha256, self.name)

    def _known(self) -> dict[str, Path]:
        """SHA-256 -> a file of some version that has these bytes."""
        known: dict[str, Path] = {}
        for record in sorted((self._own / "commits").glob("*.json")):
            folder = self._versions / record.stem
            for path, file in self._files(record.stem).items():
                if (folder / path).is_file():
                    known[str(file.sha256)] = folder / path
        return known

    def _link(self, name: str, commit: str) -> None:
        """Let a name mean a version, from one moment to the next."""
        aside = self._own / "staging" / uuid.uuid4().hex
        try:
            aside.symlink_to(f"versions/{commit}")
            aside.replace(self.folder / name)
        finally:
            aside.unlink(missing_ok=True)
        sync_folder(self.folder)

    def _write_json(self, path: Path, value: Any) -> None:
        aside = self._own / "staging" / uuid.uuid4().hex
        try:
            aside.write_text(json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False) + "\n", encoding="utf-8")
            sync_file(aside)
            aside.replace(path)
        finally:
            aside.unlink(missing_ok=True)
        sync_folder(path.parent)

    def _clean(self) -> None:
        """Remove what killed runs left: staging, and versions that no name leads to."""
        for path in (self._own / "staging").iterdir():
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()
        kept: set[str] = set()
        for commit in self._links().values():
            step: str | None = commit
            while step and step not in kept:
                kept.add(step)
                step = (self._record(step) or {}).get("parent")
        for record in (self._own / "commits").glob("*.json"):  # first the name, then the thing
            if record.stem not in kept:
                record.unlink()
        for folder in self._versions.iterdir():
            if folder.name not in kept:
                shutil.rmtree(folder)

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise _explained(error, self.name) from error


def _hash(content: Content) -> str:
    return str(content.sha256) if isinstance(content, RemoteFile) else sha256_of(content)


def _copy(source: Path, target: Path, sha256: str, where: str) -> None:
    hasher = hashlib.sha256()
    with target.open("xb") as handle:
        for piece in pieces(source):
            hasher.update(piece)
            handle.write(piece)
    if hasher.hexdigest() != sha256:
        raise HubError(
            f"{source.name} has other bytes than its version says", where=where, fix="Build the stage `release` again"
        )
    target.chmod(0o444)


def _read_json(path: Path) -> dict[str, Any] | None:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except ValueError as error:
        raise HubError("not valid JSON", where=str(path), fix="Name a new folder, and release there") from error


def _explained(error: OSError, where: str) -> HubError:
    """What the operating system says, with the remedy."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return HubError(
            "the disk is full; every version that was there before is whole and named as before",
            where=where,
            fix="Free space and run the same command again",
            retryable=True,
        )
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return HubError(
            "no permission to write", where=where, fix="Give the user write permission, or name another folder"
        )
    if error.errno in (errno.ENOTDIR, errno.EEXIST):
        return HubError("a file stands where a folder must be", where=where, fix="Name another folder")
    return HubError(f"{error.strerror or error}", where=where, fix="Mend the file system and run again")
