"""Bytes of files: entity tags, ranges, and the codes of what is not there."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import pytest
from huggingface_hub import CommitOperationAdd as Add
from huggingface_hub import HfApi, HfFileSystem

from resources.hub.stand_in.git import blob_oid
from resources.hub.stand_in.server import StandIn

pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=")
SET = "org/set"
DATA = bytes(range(100))
Ask = Callable[..., tuple[int, dict[str, str], Any]]


@pytest.fixture
def commit_id(api: HfApi) -> str:
    """A commit with a large and a small file of 100 bytes."""
    operations = [Add("data/x.parquet", DATA), Add("data/a b.txt", b"y" * 100)]
    return api.create_commit(SET, operations, commit_message="x", repo_type="dataset").oid


def test_entity_tags(ask: Ask, commit_id: str) -> None:
    sha256 = hashlib.sha256(DATA).hexdigest()
    status, headers, body = ask("HEAD", f"/datasets/{SET}/resolve/main/data/x.parquet")
    assert (status, body, headers["content-length"], headers["x-repo-commit"]) == (200, b"", "100", commit_id)
    assert (headers["x-linked-etag"], headers["x-linked-size"]) == (f'"{sha256}"', "100")
    _, headers, _ = ask("HEAD", f"/datasets/{SET}/resolve/main/data/a%20b.txt")
    assert headers["etag"] == f'"{blob_oid(b"y" * 100)}"'
    assert "x-linked-etag" not in headers


@pytest.mark.parametrize(
    ("asked", "expected", "stated"),
    [
        ("bytes=0-9", DATA[:10], "bytes 0-9/100"),
        ("bytes=90-", DATA[90:], "bytes 90-99/100"),
        ("bytes=90-1000", DATA[90:], "bytes 90-99/100"),
        ("bytes=-5", DATA[-5:], "bytes 95-99/100"),
        ("bytes=-1000", DATA, "bytes 0-99/100"),
        ("bytes=99-99", DATA[99:], "bytes 99-99/100"),
    ],
)
def test_ranges(ask: Ask, commit_id: str, asked: str, expected: bytes, stated: str) -> None:
    status, headers, body = ask("GET", f"/datasets/{SET}/resolve/main/data/x.parquet", Range=asked)
    assert (status, headers["content-range"], body) == (206, stated, expected)


@pytest.mark.parametrize(
    ("asked", "status"), [("bytes=100-", 416), ("bytes=9-3", 416), ("bytes=-", 200), ("x=1-2", 200)]
)
def test_ranges_that_are_none(ask: Ask, commit_id: str, asked: str, status: int) -> None:
    assert ask("GET", f"/datasets/{SET}/resolve/main/data/x.parquet", Range=asked)[0] == status


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("datasets/org/none/resolve/main/x", "RepoNotFound"),
        ("datasets/org/set/resolve/none/x", "RevisionNotFound"),
        ("datasets/org/set/resolve/main/x", "EntryNotFound"),
        ("datasets/org/set/resolve/main/data", "EntryNotFound"),
        ("datasets/org/set/resolve/refs%2Fpr%2F1/x", "RevisionNotFound"),
        ("datasets/org/set/resolve/refs%2Fpr%2F-1/x", "RevisionNotFound"),
        ("api/datasets/org/none", "RepoNotFound"),
        ("api/datasets/squad", "RepoNotFound"),
        ("api/datasets/org/set/revision/v9", "RevisionNotFound"),
        ("api/datasets/org/set/tree/main/none", "EntryNotFound"),
        ("api/datasets/org/set/refs/none", None),
    ],
)
def test_codes_of_what_is_not_there(ask: Ask, commit_id: str, path: str, code: str | None) -> None:
    status, headers, _ = ask("GET", f"/{path}")
    assert (status, headers.get("x-error-code")) == (404, code)


def test_the_file_system_of_the_client(hub: StandIn, commit_id: str) -> None:
    files = HfFileSystem(endpoint=hub.endpoint, token=hub.token, skip_instance_cache=True)
    root = f"datasets/{SET}@{commit_id}"
    assert [path.rpartition("/")[2] for path in files.glob(f"{root}/data/*")] == ["a b.txt", "x.parquet"]
    with files.open(f"{root}/data/x.parquet", "rb", block_size=10) as handle:
        handle.seek(50)
        assert handle.read(7) == DATA[50:57]


@pytest.mark.parametrize("page", ["limit=1", "limit=1&cursor=data", "limit=0", "limit=x", "cursor=zzz"])
def test_odd_pages(ask: Ask, commit_id: str, page: str) -> None:
    assert ask("GET", f"/api/datasets/{SET}/tree/main?recursive=true&{page}")[0] == 200
