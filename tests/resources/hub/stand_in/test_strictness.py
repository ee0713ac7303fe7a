"""What the Hub refuses is refused, with the status and the words from which the clients make their errors."""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Callable
from typing import Any

import pytest
from huggingface_hub import CommitOperationAdd as Add
from huggingface_hub import HfApi
from huggingface_hub.errors import HfHubHTTPError

from resources.hub.stand_in.messages import Refusal
from resources.hub.stand_in.server import StandIn
from resources.hub.stand_in.strictness import check_name, check_path, check_ref

SET = "org/set"
Commit = Callable[..., tuple[int, dict[str, str], Any]]
Ask = Callable[..., tuple[int, dict[str, str], Any]]


def small(path: str, content: bytes = b"x") -> tuple[str, dict[str, str]]:
    return "file", {"path": path, "content": base64.b64encode(content).decode(), "encoding": "base64"}


HOSTILE = [
    *("", "/etc/passwd", "..", "../x", "a/../../x", "a/..", ".", "./a", "a//b", "a/", "a\0b", "a\nb", "a\\b"),
    *(".git/config", "a/.GIT/hooks/post-commit", ".cache/x", "x" * 256, "a/" * 600 + "b", "\ud800"),
]


@pytest.mark.parametrize("path", HOSTILE, ids=ascii)
def test_hostile_paths_reach_no_repository(commit: Commit, ask: Ask, api: HfApi, path: str) -> None:
    head = api.dataset_info(SET).sha
    assert commit(small(path))[0] == 400
    assert commit(small("good"), ("deletedFolder", {"path": f"{path}/"}))[0] in (400, 404)
    body = {"files": [{"path": path, "size": 1, "sample": ""}]}
    assert ask("POST", f"/api/datasets/{SET}/preupload/main", body)[0] == 400
    assert api.dataset_info(SET).sha == head


@pytest.mark.parametrize("path", ["..%2f..%2fstate.json", "%2e%2e/%2e%2e/state.json", "a%00b", "%ff", "../state.json"])
def test_hostile_paths_read_nothing(ask: Ask, api: HfApi, path: str) -> None:
    status, _, answer = ask("GET", f"/datasets/{SET}/resolve/main/{path}")
    assert status == 404
    assert b"branches" not in str(answer).encode()
    assert ask("GET", f"/datasets/{SET}/resolve/..%2f..%2fx/README.md")[0] == 404


@pytest.mark.parametrize(
    "name", ["", ".", "..", "a--b", "-a", "a.", "a..b", "a/b", "x.git", "x" * 97, "a b", "ä", "a\0"]
)
def test_names_of_repositories(ask: Ask, name: str) -> None:
    with pytest.raises(Refusal):
        check_name(name)
    assert ask("POST", "/api/repos/create", {"name": name, "organization": "org", "type": "dataset"})[0] == 400


@pytest.mark.parametrize("name", ["v1.0.0", "a/b", "2024-01"])
def test_good_names_of_tags(name: str) -> None:
    assert check_ref(name, "tag") == name


@pytest.mark.parametrize(
    "name",
    ["", "a b", "a..b", "-a", "a/", "/a", "a.lock", "a~1", "a^", "a:b", "a\x7f", "@", "refs/x", "HEAD", "0" * 40],
)
def test_bad_names_of_tags(ask: Ask, api: HfApi, name: str) -> None:
    assert ask("POST", f"/api/datasets/{SET}/tag/main", {"tag": name})[0] == 400


@pytest.mark.parametrize("path", ["README.md", "data/train-00000-of-00001.parquet", "ä/ö.txt", ".gitattributes", "a b"])
def test_good_paths(path: str) -> None:
    assert check_path(path) == path


def test_a_file_cannot_be_a_folder(commit: Commit) -> None:
    assert commit(small("a"), small("a/b"))[0] == 400
    assert commit(small("a/b"))[0] == 200
    assert commit(small("a"))[0] == 400


def test_a_pointer_needs_its_object(commit: Commit, ask: Ask) -> None:
    sha256 = hashlib.sha256(b"never sent").hexdigest()
    status, _, answer = commit(("lfsFile", {"path": "x.parquet", "algo": "sha256", "oid": sha256, "size": 10}))
    assert status == 400
    assert "LFS pointer" in answer["error"]
    assert commit(("lfsFile", {"path": "x.parquet", "algo": "sha256", "oid": "../../state.json"}))[0] in (400, 422)


def test_an_object_must_be_what_was_announced(hub: StandIn, ask: Ask, api: HfApi) -> None:
    content = os.urandom(1000)
    sha256 = hashlib.sha256(content).hexdigest()
    batch = {"operation": "upload", "transfers": ["basic"], "objects": [{"oid": sha256, "size": 1000}]}
    _, _, answer = ask("POST", f"/datasets/{SET}.git/info/lfs/objects/batch", batch)
    actions = answer["objects"][0]["actions"]
    address = actions["upload"]["href"].removeprefix(hub.endpoint)
    verify = actions["verify"]["href"].removeprefix(hub.endpoint)
    for wrong in (content[:-1], content + b"x", content[::-1]):
        assert ask("PUT", address, wrong, token=None)[0] == 400
        assert ask("POST", verify, {"oid": sha256, "size": 1000})[0] == 404
    assert ask("PUT", address[:-1] + ("0" if address[-1] != "0" else "1"), content)[0] == 403
    assert ask("PUT", address.replace("size=1000", "size=1001"), content)[0] == 403
    assert ask("PUT", address, content, token=None)[0] == 200
    assert ask("POST", verify, {"oid": sha256, "size": 1000})[0] == 200
    _, _, again = ask("POST", f"/datasets/{SET}.git/info/lfs/objects/batch", batch)
    assert again["objects"] == [{"oid": sha256, "size": 1000}]


def test_an_object_can_come_in_chunks(hub: StandIn, ask: Ask, api: HfApi) -> None:
    content = os.urandom(5000)
    sha256 = hashlib.sha256(content).hexdigest()
    batch = {"operation": "upload", "objects": [{"oid": sha256, "size": 5000}]}
    _, _, answer = ask("POST", f"/datasets/{SET}.git/info/lfs/objects/batch", batch)
    from huggingface_hub.utils import get_session

    pieces = (content[start : start + 700] for start in range(0, 5000, 700))
    assert get_session().put(answer["objects"][0]["actions"]["upload"]["href"], content=pieces).status_code == 200


@pytest.mark.parametrize("transfers", [["xet"], ["multipart"], []])
def test_only_the_basic_transfer(ask: Ask, api: HfApi, transfers: list[str]) -> None:
    batch = {"operation": "upload", "transfers": transfers, "objects": []}
    assert ask("POST", f"/datasets/{SET}.git/info/lfs/objects/batch", batch)[0] == 422


@pytest.mark.parametrize(
    ("path", "size", "sample", "mode"),
    [
        ("data/x.parquet", 10, b"PAR1", "lfs"),
        ("x.bin", 10, b"text", "lfs"),
        ("notes", 10, b"a\0b", "lfs"),
        ("long.jsonl", 10 * 1024 * 1024 + 1, b"{}", "lfs"),
        ("long.jsonl", 10 * 1024 * 1024, b"{}", "regular"),
        ("README.md", 10, b"# x", "regular"),
    ],
)
def test_how_a_file_must_be_sent(ask: Ask, api: HfApi, path: str, size: int, sample: bytes, mode: str) -> None:
    body = {"files": [{"path": path, "size": size, "sample": base64.b64encode(sample).decode()}]}
    _, _, answer = ask("POST", f"/api/datasets/{SET}/preupload/main", body)
    assert answer["files"] == [{"path": path, "uploadMode": mode, "shouldIgnore": False, "oid": None}]


def test_large_and_binary_files_are_no_text(commit: Commit) -> None:
    status, _, answer = commit(small("big.txt", b"x" * (10 * 1024 * 1024 + 1)))
    assert (status, "rejected" in answer["error"]) == (400, True)
    assert commit(small("tiny", b"a\0b"))[0] == 400
    assert commit(small("fits.txt", b"x" * 10 * 1024 * 1024))[0] == 200


@pytest.mark.parametrize(
    "body",
    [b"", b"nonsense", b"[]", b'{"key": "file"}', b'{"key": "header", "value": {}}', b"[" * 100_000],
    ids=["empty", "no JSON", "no object", "no header", "no summary", "deep"],
)
def test_broken_commits(ask: Ask, api: HfApi, hub: StandIn, body: bytes) -> None:
    assert ask("POST", f"/api/datasets/{SET}/commit/main", body)[0] == 400


@pytest.mark.parametrize(
    "operation",
    [
        ("copyFile", {"path": "a"}),
        ("file", {"path": "a"}),
        ("file", {"path": "a", "content": "%", "encoding": "base64"}),
    ],
)
def test_broken_operations(commit: Commit, operation: tuple[str, Any]) -> None:
    assert commit(operation)[0] == 400


def test_an_hour_has_room_for_so_many_commits(api: HfApi, hub: StandIn, commit: Commit) -> None:
    for number in range(128):
        assert commit(small("a", str(number).encode()))[0] == 200
    status, headers, _ = commit(small("a", b"one more"))
    assert status == 429
    assert 3590 < int(headers["retry-after"]) <= 3601


def test_an_unknown_endpoint_says_so(ask: Ask, api: HfApi, hub: StandIn) -> None:
    status, _, answer = ask("GET", f"/api/datasets/{SET}/xet-write-token/main")
    assert (status, "no endpoint" in answer["error"]) == (404, True)
    assert hub.calls[-1].route == "unknown"


@pytest.mark.parametrize(
    ("head", "fault"),
    [
        ("license: mit\nlanguage: [en, de]\ntags: [math]\nsize_categories: [n<1K]", None),
        ("license: other\nlicense_name: own\nlanguage: en", None),
        ("configs:\n- config_name: default\n  data_files:\n  - {split: train, path: data/*}", None),
        ("license: none-such", "license"),
        ("license: [mit, 3]", "license"),
        ("language: 7", "language"),
        ("language: English", "language"),
        ("language: [en, no]", "language"),
        ("tags: math", "tags"),
        ("tags: [1]", "tags"),
        ("size_categories: many", "size_categories"),
        ("configs: {}", "configs"),
        ("configs:\n- {config_name: a}\n- {config_name: a}", "configs"),
        ("configs:\n- {config_name: a, data_files: [{split: train}]}", "configs"),
        ("license: mit\nlicense: mit", "duplicated"),
        ("a: &a [1]\nb: [*a, *a]", "aliases"),
        ("a: [1", "cannot be read"),
        ("- a", "mapping"),
        ("[" * 2000, "cannot be read"),
    ],
)
def test_the_head_of_a_card(ask: Ask, commit: Commit, head: str, fault: str | None) -> None:
    card = f"---\n{head}\n---\n# Card\n"
    status, _, answer = ask("POST", "/api/validate-yaml", {"content": card, "repoType": "dataset"})
    messages = [error["message"] for error in answer["errors"]]
    assert (status, bool(messages)) == ((400, True) if fault else (200, False))
    assert fault is None or fault in messages[0]
    assert commit(small("README.md", card.encode()))[0] == status


def test_the_client_words_a_broken_card(api: HfApi) -> None:
    with pytest.raises(ValueError, match="license"):
        api.create_commit(SET, [Add("README.md", b"---\nlicense: x\n---\n")], commit_message="x", repo_type="dataset")
    with pytest.warns(UserWarning, match="empty or missing yaml"):
        api.create_commit(SET, [Add("README.md", b"# no head")], commit_message="x", repo_type="dataset")


def test_only_datasets(hub: StandIn) -> None:
    with pytest.raises(HfHubHTTPError, match="dataset repositories only"):
        HfApi(endpoint=hub.endpoint, token=hub.token).create_repo("org/model")
