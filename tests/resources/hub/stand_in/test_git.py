"""Names of blobs, trees and commits are git's: checked against git itself, where it is installed."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from resources.hub.stand_in.git import Entry, blob_oid, commit_oid, pointer, tree_oids

FILES = {"README.md": b"# x\n", "a/b/c.txt": b"1", "a/b.txt": b"2", "a.b": b"3", "a-b": b"4", "ä/ö": b"5"}


def test_known_names() -> None:
    assert blob_oid(b"") == "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"
    assert tree_oids({})[""] == "4b825dc642cb6eb9a060e54bf8d69288fbee4904"


def test_a_pointer_is_that_of_git_lfs() -> None:
    sha256 = hashlib.sha256(b"x").hexdigest()
    expected = f"version https://git-lfs.github.com/spec/v1\noid sha256:{sha256}\nsize 1\n"
    assert pointer(sha256, 1).decode() == expected


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
def test_git_gives_the_same_names(tmp_path: Path) -> None:
    for path, content in FILES.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(content)
    dated = {f"GIT_{who}_{what}": value for who in ("AUTHOR", "COMMITTER") for what, value in (
        ("NAME", "ann"), ("EMAIL", "ann@users.noreply.invalid"), ("DATE", "1700000000 +0000")
    )}  # fmt: skip
    environment = {**os.environ, **dated, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}

    def git(*arguments: str) -> str:
        return subprocess.run(
            ["git", *arguments], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
        ).stdout.strip()

    git("init", "-q")
    git("add", ".")
    git("commit", "-q", "-m", "first\n\nwhy")
    entries = {path: Entry(blob_oid(content), len(content), None, "") for path, content in FILES.items()}
    trees = tree_oids(entries)
    assert trees["a"] == git("rev-parse", "HEAD:a")
    assert trees[""] == git("rev-parse", "HEAD^{tree}")
    assert commit_oid(trees[""], (), "ann", 1_700_000_000, "first\n\nwhy") == git("rev-parse", "HEAD")
