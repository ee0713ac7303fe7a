"""What a change comes to: which paths it may name, what of it is there already, and whether a revision is its outcome.

Both kinds of repository share this, so that they refuse the same things and skip the same files.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from resources.errors import HubError
from resources.hub.repository import Change, LocalFile, RemoteFile

Content = LocalFile | bytes | RemoteFile
"""One file of an outcome: to be sent, or there already."""
Files = Mapping[str, RemoteFile]

COMMIT = re.compile(r"[0-9a-f]{40}")
TAG = re.compile(r"(?!.*\.\.)(?!.*\.lock$)[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
"""What both git and a file system take as a name."""
_BAD_PART = re.compile(r"|\.|\.\.|\.git.*|\.cache|\.repository")
"""Parts of a path that are empty, climb, or belong to the repository itself (``.gitattributes`` is the Hub's own)."""
_CONTROL = re.compile(r"[\x00-\x1f\x7f\\]")
_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Outcome:
    """A change against its parent: what is left to do, and every file afterwards."""

    put: Mapping[str, LocalFile | bytes]
    copy: Mapping[str, tuple[str, str]]
    delete: Sequence[str]
    tree: Mapping[str, Content]

    @property
    def is_empty(self) -> bool:
        """Whether the parent is this already."""
        return not (self.put or self.copy or self.delete)

    def matches(self, files: Files) -> bool:
        """Whether a revision with these files is the outcome. Reads local files whose place knows only git's hash."""
        return files.keys() == self.tree.keys() and all(same(files[path], self.tree[path]) for path in files)


def work_out(change: Change, parent: Files, files_of: Callable[[str], Files], *, where: str) -> Outcome:
    """What ``change`` does to a parent with these files.

    Args:
        change: What is asked.
        parent: Files of the parent; none for the first commit.
        files_of: Files of another revision, for what is copied from there.
        where: The repository, for errors.

    Raises:
        HubError: A path is not allowed, is named twice, or is nowhere to be copied from.
    """
    _check_paths(change, where)
    copied = _copied(change, files_of, where)
    tree: dict[str, Content] = {**parent, **copied, **change.put}
    for path in change.delete:
        tree.pop(path, None)
    _check_tree(tree, where)
    return Outcome(
        put={p: c for p, c in change.put.items() if not _has(parent, p, c)},
        copy={p: s for p, s in change.copy.items() if not _has(parent, p, copied[p])},
        delete=sorted(path for path in change.delete if path in parent),
        tree=tree,
    )


def same(remote: RemoteFile, content: Content) -> bool:
    """Whether both have the same bytes, by whichever hash the place knows."""
    if isinstance(content, RemoteFile):
        if remote.sha256 and content.sha256:
            return remote.sha256 == content.sha256
        return remote.blob_id is not None and remote.blob_id == content.blob_id and remote.size == content.size
    if remote.size != size_of(content):
        return False
    if remote.sha256:
        return remote.sha256 == sha256_of(content)
    return remote.blob_id == blob_id(content)


def size_of(content: Content) -> int:
    """Bytes of a file."""
    return len(content) if isinstance(content, bytes) else content.size


def sha256_of(content: LocalFile | bytes) -> str:
    """Hex SHA-256 of what is to be sent."""
    return hashlib.sha256(content).hexdigest() if isinstance(content, bytes) else content.sha256


def blob_id(content: LocalFile | bytes) -> str:
    """Git's name for the bytes. Reads a local file in pieces."""
    hasher = hashlib.sha1(b"blob %d\0" % size_of(content), usedforsecurity=False)
    for piece in [content] if isinstance(content, bytes) else pieces(content.source):
        hasher.update(piece)
    return hasher.hexdigest()


def pieces(source: Path) -> Iterator[bytes]:
    """The bytes of a file, 1 MiB at a time."""
    with source.open("rb") as handle:
        while piece := handle.read(_CHUNK):
            yield piece


def check_tag(name: str, where: str) -> None:
    """Refuse a name that git or a file system would not take."""
    if not TAG.fullmatch(name):
        raise HubError(f"{name[:100]!r} cannot be a tag", where=where, fix="Name tags like v1.0.0")


def moved(where: str, parent: str | None, head: str | None) -> HubError:
    """The error for a branch that is not where it was when the change was planned."""
    return HubError(
        f"the branch has moved: the change was made for {_short(parent)} and main is now {_short(head)}",
        where=where,
        fix="Look at what was published meanwhile, and run the same command again: it plans anew",
    )


def _short(commit: str | None) -> str:
    return commit[:12] if commit else "an empty repository"


def _has(files: Files, path: str, content: Content) -> bool:
    return path in files and same(files[path], content)


def _copied(change: Change, files_of: Callable[[str], Files], where: str) -> dict[str, RemoteFile]:
    """The files that are copied, with their size and hash at the source. One look at each revision."""
    revisions = {revision: files_of(revision) for revision in sorted({r for r, _ in change.copy.values()})}
    found: dict[str, RemoteFile] = {}
    for path, (revision, source) in change.copy.items():
        file = revisions[revision].get(source)
        if file is None:
            raise HubError(f"{revision} has no file {source!r}", where=where, fix="Copy from a revision that has it")
        found[path] = RemoteFile(path, file.size, file.sha256, file.blob_id)
    return found


def _check_paths(change: Change, where: str) -> None:
    named = [*change.put, *change.copy, *change.delete]
    for path in named:
        if _CONTROL.search(path) or any(_BAD_PART.fullmatch(part) for part in path.split("/")):
            raise HubError(f"the path {path[:200]!r} is not allowed", where=where, fix="Use plain relative paths")
    if len(set(named)) < len(named):
        twice = sorted({path for path in named if named.count(path) > 1})
        raise HubError(f"named twice in one change: {', '.join(twice)[:200]}", where=where, fix="Name each path once")
    for path, content in change.put.items():
        if isinstance(content, LocalFile):
            _check_local(path, content, where)


def _check_local(path: str, file: LocalFile, where: str) -> None:
    try:
        size = file.source.stat().st_size
    except OSError:
        size = None
    if size != file.size:
        found = "is not there any more" if size is None else f"has {size} bytes, and {file.size} were expected"
        raise HubError(f"the file for {path} {found}", where=where, fix="Build the stage `release` again")


def _check_tree(tree: Mapping[str, Content], where: str) -> None:
    folders = {path[:i] for path in tree for i, letter in enumerate(path) if letter == "/"}
    if both := sorted(folders & tree.keys()):
        raise HubError(f"{both[0]!r} would be a file and a folder", where=where, fix="Delete one of them")
