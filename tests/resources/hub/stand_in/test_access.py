"""Who may see and change what, in the statuses and codes that the real Hub uses."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from huggingface_hub import CommitOperationAdd as Add
from huggingface_hub import HfApi
from huggingface_hub.errors import HfHubHTTPError, RepositoryNotFoundError

from resources.errors import HubError
from resources.hub.stand_in.access import read_accounts
from resources.hub.stand_in.server import StandIn

pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=")
"""The client sends files in a way that its own library deprecates."""

TOKENS = {"hf_owner": "ann:write:org", "hf_reader": "ben:read:org", "hf_other": "eve:write"}


@pytest.fixture
def people(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, HfApi]]:
    """A client for each token, one without, and the private repository org/set."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_XET", True)
    with StandIn(tmp_path, tokens=TOKENS) as hub:
        found = {text.partition(":")[0]: HfApi(endpoint=hub.endpoint, token=token) for token, text in TOKENS.items()}
        found["nobody"] = HfApi(endpoint=hub.endpoint, token=False)
        found["ann"].create_repo("org/set", repo_type="dataset", private=True)
        yield found
        assert hub.failures == []


def attempt(api: HfApi) -> int:
    """Status of a commit."""
    try:
        api.create_commit("org/set", [Add("a", b"1")], commit_message="x", repo_type="dataset")
    except HfHubHTTPError as error:
        return error.response.status_code
    return 200


def test_a_private_repository_is_for_its_owners(people: dict[str, HfApi]) -> None:
    assert people["ben"].dataset_info("org/set").private is True
    for name, status in (("eve", 404), ("nobody", 401)):
        with pytest.raises(RepositoryNotFoundError) as error:
            people[name].dataset_info("org/set")
        assert error.value.response.status_code == status
        assert people[name].file_exists("org/set", ".gitattributes", repo_type="dataset") is False
    assert {name: attempt(api) for name, api in people.items()} == {"ann": 200, "ben": 403, "eve": 404, "nobody": 401}


def test_a_public_repository_can_be_read_by_all_and_written_by_its_owners(people: dict[str, HfApi]) -> None:
    with pytest.raises(HfHubHTTPError):
        people["ben"].update_repo_settings("org/set", repo_type="dataset", private=False)
    people["ann"].update_repo_settings("org/set", repo_type="dataset", private=False)
    assert [api.dataset_info("org/set").private for api in people.values()] == [False] * 4
    assert {name: attempt(api) for name, api in people.items()} == {"ann": 200, "ben": 403, "eve": 403, "nobody": 401}
    proposal = people["eve"].create_commit(
        "org/set", [Add("b.parquet", b"PAR1")], commit_message="x", repo_type="dataset", create_pr=True
    )
    assert proposal.pr_num == 1
    with pytest.raises(HfHubHTTPError):
        people["eve"].merge_pull_request("org/set", 1, repo_type="dataset")
    people["ann"].update_repo_settings("org/set", repo_type="dataset", private=True)
    assert people["nobody"].repo_exists("org/set", repo_type="dataset") is False


def test_other_peoples_namespaces(people: dict[str, HfApi]) -> None:
    for call in (people["eve"].create_repo, people["ben"].create_repo):
        with pytest.raises(HfHubHTTPError) as error:
            call("org/mine", repo_type="dataset")
        assert error.value.response.status_code == 403
    assert people["eve"].create_repo("mine", repo_type="dataset").repo_id == "eve/mine"
    with pytest.raises(HfHubHTTPError):
        people["eve"].delete_repo("org/set", repo_type="dataset")


def test_who_am_i(people: dict[str, HfApi]) -> None:
    answer = people["ben"].whoami()
    assert (answer["name"], answer["auth"]["accessToken"]["role"]) == ("ben", "read")
    assert [org["name"] for org in answer["orgs"]] == ["org"]
    with pytest.raises(HfHubHTTPError, match="Invalid user token"):
        people["ben"].whoami(token="hf_wrong")


def test_a_wrong_token_is_told_apart_from_an_absent_repository(people: dict[str, HfApi]) -> None:
    with pytest.raises(HfHubHTTPError) as error:
        people["ann"].dataset_info("org/set", token="hf_wrong")
    assert not isinstance(error.value, RepositoryNotFoundError)


def test_the_token_is_new_each_time(tmp_path: Path) -> None:
    assert len({StandIn(tmp_path).token for _ in range(3)}) == 3
    assert StandIn(tmp_path, tokens=TOKENS).token == "hf_owner"


@pytest.mark.parametrize("text", ["", "ann", "ann:admin", "ann:write:a:b", ":read"])
def test_an_account_that_cannot_be_read(text: str) -> None:
    with pytest.raises(HubError) as error:
        read_accounts({"hf_secret": text})
    assert "hf_secret" not in str(error.value)
