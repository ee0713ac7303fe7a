"""Pull requests: opened by a commit, read by their reference, merged once, refused where they clash."""

from __future__ import annotations

import pytest
from huggingface_hub import CommitOperationAdd as Add
from huggingface_hub import HfApi
from huggingface_hub.errors import HfHubHTTPError

SET = "org/set"


def propose(api: HfApi, path: str, content: bytes, *, parent: str | None = None) -> int:
    info = api.create_commit(
        SET, [Add(path, content)], commit_message="propose", repo_type="dataset", create_pr=True, parent_commit=parent
    )
    assert info.pr_num is not None
    assert info.pr_revision == f"refs/pr/{info.pr_num}"
    return info.pr_num


def push(api: HfApi, path: str, content: bytes, revision: str = "main") -> str:
    return api.create_commit(
        SET, [Add(path, content)], commit_message="push", repo_type="dataset", revision=revision
    ).oid


def files(api: HfApi, revision: str = "main") -> set[str]:
    return set(api.list_repo_files(SET, repo_type="dataset", revision=revision)) - {".gitattributes"}


def test_a_pull_request_waits_until_it_is_merged(api: HfApi) -> None:
    push(api, "a", b"1")
    number = propose(api, "b", b"2")
    assert (files(api), files(api, f"refs/pr/{number}")) == ({"a"}, {"a", "b"})
    push(api, "c", b"3", f"refs/pr/{number}")
    push(api, "d", b"4")
    refs = api.list_repo_refs(SET, repo_type="dataset", include_pull_requests=True)
    assert [ref.ref for ref in refs.pull_requests or []] == ["refs/pr/1"]
    api.merge_pull_request(SET, number, repo_type="dataset")
    assert files(api) == {"a", "b", "c", "d"}
    details = api.get_discussion_details(SET, number, repo_type="dataset")
    assert (details.status, details.merge_commit_oid) == ("merged", api.dataset_info(SET).sha)
    with pytest.raises(HfHubHTTPError, match="merged"):
        api.merge_pull_request(SET, number, repo_type="dataset")
    with pytest.raises(HfHubHTTPError, match="closed"):
        push(api, "e", b"5", f"refs/pr/{number}")


def test_a_clash_is_not_merged(api: HfApi) -> None:
    base = push(api, "a", b"1")
    push(api, "a", b"2")
    number = propose(api, "a", b"3", parent=base)
    assert api.get_discussion_details(SET, number, repo_type="dataset").conflicting_files == ["a"]
    with pytest.raises(HfHubHTTPError, match="conflict") as error:
        api.merge_pull_request(SET, number, repo_type="dataset")
    assert error.value.response.status_code == 409


def test_an_empty_pull_request_is_a_draft(api: HfApi) -> None:
    talk = api.create_pull_request(SET, "later", repo_type="dataset")
    assert (talk.status, talk.is_pull_request) == ("draft", True)
    push(api, "a", b"1", talk.git_reference or "")
    with pytest.raises(HfHubHTTPError, match="draft"):
        api.merge_pull_request(SET, talk.num, repo_type="dataset")
    api.change_discussion_status(SET, talk.num, "open", repo_type="dataset")
    api.merge_pull_request(SET, talk.num, repo_type="dataset")
    assert files(api) == {"a"}


def test_discussions_are_listed(api: HfApi) -> None:
    api.create_discussion(SET, "a question", repo_type="dataset", description="why")
    number = propose(api, "a", b"1")
    api.change_discussion_status(SET, number, "closed", repo_type="dataset")
    found = [(talk.num, talk.title, talk.status) for talk in api.get_repo_discussions(SET, repo_type="dataset")]
    assert found == [(2, "propose", "closed"), (1, "a question", "open")]
    pulls = api.get_repo_discussions(SET, repo_type="dataset", discussion_type="pull_request")
    assert [talk.num for talk in pulls] == [2]
