"""A repository in a folder: links, shared disk, kills, full disks. What every repository promises: test_promises.py."""

from __future__ import annotations

import errno
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from resources.errors import HubError
from resources.hub.folder_repository import FolderRepository
from resources.hub.repository import Change, LocalFile
from resources.identity import hash_file

Local = Callable[[str, bytes], LocalFile]


@pytest.fixture
def repository(tmp_path: Path) -> FolderRepository:
    """An empty one."""
    repository = FolderRepository(tmp_path / "set")
    repository.create()
    return repository


def tree(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def committed(repository: FolderRepository, put: dict[str, LocalFile | bytes], parent: str | None = None) -> str:
    return repository.commit(Change(put=put), parent=parent, message="a version").commit


# What lies where.


def test_load_dataset_reads_a_tag_and_main(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets

    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    repository = FolderRepository(tmp_path / "set")
    repository.create()
    parent = None
    for number, word in enumerate(("old", "new")):
        file = tmp_path / f"{word}.parquet"
        pq.write_table(pa.table({"problem": [word]}), file)
        put = {"data/train-00000-of-00001.parquet": LocalFile(file, file.stat().st_size, hash_file(file))}
        parent = committed(repository, dict(put), parent)
        repository.tag(f"v1.{number}.0", parent, "")
    for name, word in (("v1.0.0", "old"), ("main", "new"), ("v1.1.0", "new")):
        rows = datasets.load_dataset(f"{repository.name}/{name}", split="train", streaming=True)
        assert [row["problem"] for row in rows] == [word]


def test_links_are_relative_so_that_the_folder_can_be_moved(repository: FolderRepository, tmp_path: Path) -> None:
    commit = committed(repository, {"README.md": b"card"})
    repository.tag("v1.0.0", commit, "")
    moved = FolderRepository(Path(shutil.move(repository.folder, tmp_path / "moved")))
    assert moved.tags() == {"v1.0.0": commit}
    assert (moved.folder / "v1.0.0" / "README.md").read_bytes() == b"card"


def test_equal_content_is_on_disk_once_and_read_only(repository: FolderRepository, local: Local) -> None:
    rows = local("rows.parquet", b"rows")
    first = committed(repository, {"data/a.parquet": rows, "README.md": b"one"})
    second = committed(repository, {"data/b.parquet": rows, "README.md": b"two", "COPY.md": b"one"}, first)
    versions = repository.folder / "versions"
    inodes = {path.stat().st_ino for path in versions.rglob("*.parquet")}
    assert inodes == {rows.source.stat().st_ino}
    assert (versions / first / "README.md").samefile(versions / second / "COPY.md")
    assert {path.stat().st_mode & 0o222 for path in versions.rglob("*") if path.is_file()} == {0}


@pytest.mark.parametrize("number", [errno.EXDEV, errno.EPERM, errno.EMLINK])
def test_where_nothing_can_be_linked_files_are_copied(
    repository: FolderRepository, local: Local, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(number, "no")

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    rows = local("rows.parquet", b"rows")
    commit = committed(repository, {"a.parquet": rows})
    assert repository.read(commit, "a.parquet") == b"rows"
    assert not (repository.folder / "main" / "a.parquet").samefile(rows.source)
    assert rows.source.stat().st_mode & 0o200, "the source is not ours to change"


def test_a_copy_with_other_bytes_is_refused(
    repository: FolderRepository, local: Local, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EXDEV, "no")

    rows = local("rows.parquet", b"rows")
    rows.source.write_bytes(b"ROWS")
    monkeypatch.setattr(Path, "hardlink_to", refuse)
    with pytest.raises(HubError, match=r"rows\.parquet has other bytes"):
        committed(repository, {"a.parquet": rows})
    assert repository.head() is None
    assert list((repository.folder / "versions").iterdir()) == []


# What it refuses.


@pytest.mark.parametrize("name", ["notes.txt", "main", "versions", ".git"])
def test_a_folder_with_something_else_is_refused(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "other"
    (folder / name).mkdir(parents=True)
    repository = FolderRepository(folder)
    for action in (repository.create, repository.head, repository.tags):
        with pytest.raises(HubError, match="holds something else"):
            action()
    assert [path.name for path in folder.iterdir()] == [name]


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(HubError, match="a file stands where a folder must be"):
        FolderRepository(tmp_path / "file").create()


def test_a_newer_format_is_refused(repository: FolderRepository) -> None:
    (repository.folder / ".repository" / "format.json").write_text('{"format": 9}')
    with pytest.raises(HubError, match="its format is 9"):
        repository.head()


@pytest.mark.parametrize("name", ["main", "Versions", "pr-7", ".repository", "a/b", "..", "x.lock", ""])
def test_some_names_cannot_be_tags(repository: FolderRepository, name: str) -> None:
    commit = committed(repository, {"README.md": b"card"})
    with pytest.raises(HubError, match="cannot be a tag"):
        repository.tag(name, commit, "")


def test_a_link_that_leads_elsewhere_is_not_followed(repository: FolderRepository, tmp_path: Path) -> None:
    (tmp_path / "secret").mkdir()
    (repository.folder / "v1.0.0").symlink_to(tmp_path / "secret")
    with pytest.raises(HubError, match=r"v1\.0\.0 names no version"):
        repository.tags()


def test_two_writers_at_once(repository: FolderRepository) -> None:
    import fcntl

    with (repository.folder / ".repository" / "lock").open("a") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        with pytest.raises(HubError, match="another process is writing") as caught:
            committed(repository, {"README.md": b"card"})
        assert caught.value.retryable
    committed(repository, {"README.md": b"card"})


def test_it_is_never_public(repository: FolderRepository) -> None:
    assert not repository.is_public()
    with pytest.raises(HubError, match="not published"):
        repository.make_public()


# Full disks and kills.


@pytest.mark.parametrize("call", ["write_bytes", "hardlink_to", "mkdir", "symlink_to", "replace", "write_text"])
def test_a_full_disk_changes_nothing_that_is_visible(
    repository: FolderRepository, local: Local, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    first = committed(repository, {"README.md": b"one", "a.parquet": local("a", b"a")})
    change = Change(put={"README.md": b"two", "data/b.parquet": local("b", b"b")})

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, call, full)
        with pytest.raises(HubError, match="the disk is full") as caught:
            repository.commit(change, parent=first, message="two")
    assert caught.value.retryable
    assert repository.head() == first
    assert tree(repository.folder / "main") == {"README.md": b"one", "a.parquet": b"a"}
    second = repository.commit(change, parent=first, message="two").commit
    assert sorted(path.name for path in (repository.folder / "versions").iterdir()) == sorted([first, second])
    assert list((repository.folder / ".repository" / "staging").iterdir()) == []


KILLED = """
import os, sys
from pathlib import Path
from resources.hub.folder_repository import FolderRepository
from resources.hub.repository import Change

left = int(sys.argv[2])

def counted(module, name):
    call = getattr(module, name)
    def dying(*arguments, **options):
        global left
        if left == 0:
            os._exit(9)
        left -= 1
        return call(*arguments, **options)
    setattr(module, name, dying)

repository = FolderRepository(Path(sys.argv[1]))
for name in ("rename", "replace", "symlink", "link", "fsync", "mkdir", "unlink", "chmod"):
    counted(os, name)
repository.create()
head = repository.head()
old = repository.read(head, "README.md") if head else None
if old != b"two":
    head = repository.commit(Change(put={"README.md": b"two", "data/b.txt": b"b"}), parent=head, message="two").commit
repository.tag("v2.0.0", head, "")
"""


def _killed(folder: Path, after: int) -> bool:
    """Whether the release was killed by that call."""
    done = subprocess.run([sys.executable, "-c", KILLED, str(folder), str(after)], capture_output=True, text=True)
    assert done.returncode in (0, 9), done.stderr
    return done.returncode == 9


def _check_killed(folder: Path, after: int) -> bool:
    repository = FolderRepository(folder)
    repository.create()
    first = committed(repository, {"README.md": b"one", "a.txt": b"a"})
    was_killed = _killed(folder, after)
    one, two = {"README.md": b"one", "a.txt": b"a"}, {"README.md": b"two", "a.txt": b"a", "data/b.txt": b"b"}
    assert tree(folder / "main") in (one, two)
    assert (repository.head() == first) is (tree(folder / "main") == one)
    if "v2.0.0" in repository.tags():
        assert tree(folder / "v2.0.0") == two
    assert not _killed(folder, -1)
    head = str(repository.head())
    assert tree(folder / "main") == tree(folder / "v2.0.0") == two
    assert sorted(path.name for path in (folder / "versions").iterdir()) == sorted([first, head])
    return was_killed


@pytest.mark.parametrize("after", [3, 9, 15, 21])
def test_a_kill_leaves_the_old_or_the_new(tmp_path: Path, after: int) -> None:
    assert _check_killed(tmp_path / "set", after)


@pytest.mark.soak
def test_every_kill_leaves_the_old_or_the_new(tmp_path: Path) -> None:
    after = 0
    while _check_killed(tmp_path / str(after), after):
        after += 1
    assert after > 20


@pytest.mark.soak
def test_every_kill_of_a_first_release_leaves_nothing_or_all(tmp_path: Path) -> None:
    after = 0
    while _killed(tmp_path / str(after), after):
        folder = tmp_path / str(after)
        assert tree(folder / "main") in ({}, {"README.md": b"two", "data/b.txt": b"b"})
        assert not _killed(folder, -1)
        assert tree(folder / "v2.0.0") == {"README.md": b"two", "data/b.txt": b"b"}
        after += 1
    assert after > 20


def test_what_killed_runs_left_goes(repository: FolderRepository) -> None:
    left = repository.folder / ".repository" / "staging" / "killed"
    orphan = repository.folder / "versions" / ("0" * 40)
    for folder in (left, orphan):
        folder.mkdir()
        (folder / "half.parquet").write_bytes(b"half")
    (left.parent / "link").symlink_to("versions/x")
    commit = committed(repository, {"README.md": b"card"})
    assert list(left.parent.iterdir()) == []
    assert [path.name for path in orphan.parent.iterdir()] == [commit]
