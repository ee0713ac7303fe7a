"""What the real client publishes is there: whole, under its branch or tag, and only once."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest
from huggingface_hub import CommitOperationAdd as Add
from huggingface_hub import CommitOperationCopy as Copy
from huggingface_hub import CommitOperationDelete as Delete
from huggingface_hub import HfApi
from huggingface_hub.errors import EntryNotFoundError, HfHubHTTPError, RepositoryNotFoundError, RevisionNotFoundError
from huggingface_hub.hf_api import RepoFile

from resources.hub.stand_in.server import StandIn

SET = "org/set"
ALWAYS = ".gitattributes"
CARD = b"---\nlicense: mit\n---\n# Card\n"
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=")
"""The client sends files in a way that its own library deprecates."""


def publish(api: HfApi, files: dict[str, bytes], *, parent: str | None = None, branch: str = "main") -> str:
    operations = [Add(path, content) for path, content in files.items()]
    return api.create_commit(
        SET, operations, commit_message="publish", repo_type="dataset", revision=branch, parent_commit=parent
    ).oid


def content(api: HfApi, tmp_path: Path, path: str, revision: str = "main") -> bytes:
    found = api.hf_hub_download(SET, path, repo_type="dataset", revision=revision, cache_dir=tmp_path / "cache")
    return Path(found).read_bytes()


def files(api: HfApi, revision: str = "main") -> list[str]:
    return [path for path in api.list_repo_files(SET, repo_type="dataset", revision=revision) if path != ALWAYS]


def status(error: pytest.ExceptionInfo[HfHubHTTPError]) -> int:
    return error.value.response.status_code


def test_a_repository_is_created_once(api: HfApi) -> None:
    assert api.dataset_info(SET).private is True
    with pytest.raises(HfHubHTTPError) as error:
        api.create_repo(SET, repo_type="dataset")
    assert status(error) == 409
    assert api.create_repo(SET, repo_type="dataset", exist_ok=True).repo_id == SET


def test_small_and_large_files_come_back(api: HfApi, hub: StandIn, tmp_path: Path) -> None:
    large = tmp_path / "x.parquet"
    large.write_bytes(os.urandom(3_000_000))
    operations = [Add("README.md", CARD), Add("data/x.parquet", str(large))]
    head = api.create_commit(SET, operations, commit_message="both", repo_type="dataset").oid
    assert content(api, tmp_path, "README.md") == CARD
    assert content(api, tmp_path, "data/x.parquet", head) == large.read_bytes()
    [info] = api.get_paths_info(SET, ["data/x.parquet", "absent"], repo_type="dataset", expand=True)
    assert isinstance(info, RepoFile)
    assert info.lfs is not None
    assert info.size == 3_000_000
    assert info.last_commit is not None
    assert info.last_commit.oid == head
    assert [call.bytes_in for call in hub.calls if call.route == "lfs-upload"] == [3_000_000]


def test_a_commit_on_a_parent_that_moved_is_refused(api: HfApi) -> None:
    first = publish(api, {"a": b"1"})
    second = publish(api, {"a": b"2"}, parent=first)
    with pytest.raises(HfHubHTTPError) as error:
        publish(api, {"a": b"3"}, parent=first)
    assert status(error) == 412
    assert api.dataset_info(SET).sha == second
    assert api.dataset_info(SET, revision=first).sha == first
    publish(api, {"a": b"4"}, parent=second[:7])


def test_of_two_commits_on_one_parent_one_wins(api: HfApi) -> None:
    parent = api.dataset_info(SET).sha
    results: list[str | int] = []
    start = threading.Barrier(8)

    def race(number: int) -> None:
        start.wait()
        try:
            results.append(publish(api, {"winner": str(number).encode()}, parent=parent))
        except HfHubHTTPError as error:
            results.append(error.response.status_code)

    threads = [threading.Thread(target=race, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results.count(412) == 7
    assert api.dataset_info(SET).sha in results


def test_a_reader_in_the_same_moment_sees_whole_commits(api: HfApi) -> None:
    is_over = threading.Event()
    sizes: list[list[int]] = []

    def read() -> None:
        while not is_over.is_set():
            found = api.get_paths_info(SET, ["a", "b"], repo_type="dataset")
            sizes.append([item.size for item in found if isinstance(item, RepoFile)])

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    for number in range(1, 30):
        publish(api, {"a": b"x" * number, "b": b"x" * number})
    is_over.set()
    for reader in readers:
        reader.join()
    assert all(len(set(pair)) <= 1 and len(pair) in (0, 2) for pair in sizes)
    assert len({tuple(pair) for pair in sizes}) > 2, "readers looked between commits"


def test_what_is_there_is_not_sent_again(api: HfApi, hub: StandIn) -> None:
    first = publish(api, {"data/x.parquet": b"PAR1", "README.md": CARD})
    hub.forget_calls()
    assert publish(api, {"data/x.parquet": b"PAR1", "README.md": CARD}) == first
    assert {"commit", "lfs-upload"} & {call.route for call in hub.calls} == set()
    publish(api, {"data/other.parquet": b"PAR1"})
    assert [call.route for call in hub.calls if call.route in ("lfs-upload", "commit")] == ["commit"]


def test_files_are_deleted_and_copied(api: HfApi, tmp_path: Path) -> None:
    publish(api, {"data/x.parquet": b"PAR1", "data/deep/y.txt": b"y", "z.txt": b"z"})
    api.create_tag(SET, tag="v1.0.0", repo_type="dataset")
    delete = [Delete("data/"), Delete("z.txt")]
    api.create_commit(SET, delete, commit_message="clear", repo_type="dataset")
    assert files(api) == []
    back = [Copy(path, path, src_revision="v1.0.0") for path in ("data/x.parquet", "z.txt")]
    api.create_commit(SET, back, commit_message="revert", repo_type="dataset")
    assert files(api) == ["data/x.parquet", "z.txt"]
    assert content(api, tmp_path, "data/x.parquet") == b"PAR1"
    with pytest.raises(EntryNotFoundError, match="A file with this name doesn't exist"):
        api.create_commit(SET, [Delete("absent")], commit_message="no", repo_type="dataset")


def test_a_tag_never_moves(api: HfApi, tmp_path: Path) -> None:
    first = publish(api, {"a": b"1"})
    api.create_tag(SET, tag="v1.0.0", revision=first, repo_type="dataset", tag_message="one")
    publish(api, {"a": b"2"})
    api.create_tag(SET, tag="v1.0.0", repo_type="dataset", exist_ok=True)
    with pytest.raises(HfHubHTTPError) as error:
        api.create_tag(SET, tag="v1.0.0", repo_type="dataset")
    assert status(error) == 409
    assert [tag.target_commit for tag in api.list_repo_refs(SET, repo_type="dataset").tags] == [first]
    assert content(api, tmp_path, "a", "v1.0.0") == b"1"
    api.delete_tag(SET, tag="v1.0.0", repo_type="dataset")
    with pytest.raises(RevisionNotFoundError):
        api.delete_tag(SET, tag="v1.0.0", repo_type="dataset")


def test_branches_go_their_own_way(api: HfApi) -> None:
    first = publish(api, {"a": b"1"})
    api.create_branch(SET, branch="side", repo_type="dataset")
    with pytest.raises(HfHubHTTPError) as error:
        api.create_branch(SET, branch="side", repo_type="dataset")
    assert status(error) == 409
    publish(api, {"b": b"2"}, branch="side")
    assert (files(api), files(api, "side")) == (["a"], ["a", "b"])
    assert api.dataset_info(SET).sha == first
    with pytest.raises(RevisionNotFoundError):
        publish(api, {"b": b"2"}, branch="absent")
    api.delete_branch(SET, branch="side", repo_type="dataset")
    with pytest.raises(HfHubHTTPError):
        api.delete_branch(SET, branch="main", repo_type="dataset")
    assert [branch.name for branch in api.list_repo_refs(SET, repo_type="dataset").branches] == ["main"]


def test_nobody_commits_to_a_tag_or_a_commit(api: HfApi) -> None:
    first = publish(api, {"a": b"1"})
    api.create_tag(SET, tag="v1.0.0", repo_type="dataset")
    for revision in ("v1.0.0", first):
        with pytest.raises(RevisionNotFoundError):
            publish(api, {"a": b"2"}, branch=revision)


def test_history_and_trees_come_in_pages(api: HfApi, hub: StandIn) -> None:
    for number in range(55):
        publish(api, {f"folder/{number:02}": str(number).encode()})
    titles = [commit.title for commit in api.list_repo_commits(SET, repo_type="dataset")]
    assert titles == ["publish"] * 55 + ["initial commit"]
    one = [item.path for item in api.list_repo_tree(SET, repo_type="dataset")]
    assert one == [ALWAYS, "folder"]
    hub.forget_calls()
    folder = f"/api/datasets/{SET}/tree/main/folder?limit=20"
    pages, address = 0, hub.endpoint + folder
    seen: list[str] = []
    while address:
        answer = get(address, hub.token)
        seen += [item["path"] for item in answer.json()]
        address, pages = answer.links.get("next", {}).get("url", ""), pages + 1
    assert (pages, seen) == (3, [f"folder/{number:02}" for number in range(55)])


def get(address: str, token: str):  # noqa: ANN201 - a response of the client's own library
    from huggingface_hub.utils import get_session

    return get_session().get(address, headers={"Authorization": f"Bearer {token}"})


def test_a_deleted_repository_is_gone_and_can_come_again(api: HfApi) -> None:
    publish(api, {"data/x.parquet": b"PAR1"})
    api.delete_repo(SET, repo_type="dataset")
    with pytest.raises(RepositoryNotFoundError):
        api.dataset_info(SET)
    with pytest.raises(RepositoryNotFoundError):
        api.delete_repo(SET, repo_type="dataset")
    api.create_repo(SET, repo_type="dataset")
    assert files(api) == []
