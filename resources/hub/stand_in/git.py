"""Git's own names for content: blobs, trees, commits, and the pointer file of a large object.

The Hub shows these in trees and entity tags, and clients compare them with what they compute from local files.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Entry:
    """A file of a commit. ``oid`` is git's; ``sha256`` only of a large file, ``size`` is always that of the content."""

    oid: str
    size: int
    sha256: str | None
    commit: str
    """The commit that last changed it."""

    def is_same(self, other: Entry | None) -> bool:
        """Whether the content is the same."""
        return other is not None and self.oid == other.oid

    def to_json(self) -> list[Any]:
        """For the commit's file on disk."""
        return [self.oid, self.size, self.sha256, self.commit]


def blob_oid(content: bytes) -> str:
    """Name of a file's content."""
    return _oid("blob", content)


def pointer(sha256: str, size: int) -> bytes:
    """What git itself stores in the place of a large file."""
    return f"version https://git-lfs.github.com/spec/v1\noid sha256:{sha256}\nsize {size}\n".encode()


def tree_oids(files: Mapping[str, Entry]) -> dict[str, str]:
    """Name of every folder of a commit by path; the root is the empty path."""
    children: dict[str, dict[str, tuple[str, str]]] = {"": {}}
    for path, entry in files.items():
        folder, _, name = path.rpartition("/")
        _make_folder(children, folder)
        children[folder][name] = ("100644", entry.oid)
    oids: dict[str, str] = {}
    for folder in sorted(children, key=lambda path: path.count("/") if path else -1, reverse=True):
        oids[folder] = _tree_oid(children[folder])
        if folder:
            above, _, name = folder.rpartition("/")
            children[above][name] = ("40000", oids[folder])
    return oids


def _make_folder(children: dict[str, dict[str, tuple[str, str]]], folder: str) -> None:
    while folder not in children:
        children[folder] = {}
        folder = folder.rpartition("/")[0]


def _tree_oid(children: Mapping[str, tuple[str, str]]) -> str:
    def order(name: str) -> bytes:
        return (name + "/" if children[name][0] == "40000" else name).encode()

    lines = (f"{children[name][0]} {name}".encode() + b"\0" + bytes.fromhex(children[name][1]) for name in children)
    by_order = sorted(zip(map(order, children), lines, strict=True))
    return _oid("tree", b"".join(line for _, line in by_order))


def commit_oid(tree: str, parents: Sequence[str], author: str, time: int, message: str) -> str:
    """Name of a commit."""
    who = f"{author} <{author}@users.noreply.invalid> {time} +0000"
    lines = [f"tree {tree}", *(f"parent {parent}" for parent in parents), f"author {who}", f"committer {who}"]
    return _oid("commit", ("\n".join(lines) + f"\n\n{message}\n").encode("utf-8", "replace"))


def _oid(kind: str, content: bytes) -> str:
    digest = hashlib.sha1(f"{kind} {len(content)}\0".encode(), usedforsecurity=False)
    digest.update(content)
    return digest.hexdigest()
