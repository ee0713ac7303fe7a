"""A repository on the Hub: what goes over the wire, what is said when it refuses, and how long it is waited for."""

from __future__ import annotations

import dataclasses
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest

from resources.errors import HubError, SeedError
from resources.hub import hub_repository
from resources.hub.connection import Patience, load
from resources.hub.hub_repository import HubRepository
from resources.hub.reading import resolve_commit
from resources.hub.repository import Change, LocalFile
from resources.hub.sending import operations, uses_xet
from resources.hub.stand_in.faults import Fault
from resources.hub.stand_in.server import StandIn
from resources.hub.stand_in.strictness import Limits
from resources.identity import hash_file

Local = Callable[[str, bytes], LocalFile]
Open = Callable[[], HubRepository]
ROWS = b"PAR1\0rows"


def quick(**given: object) -> Patience:
    return dataclasses.replace(Patience(attempts=3, wait_s=0, answer_s=0.2, sleep=lambda _: None), **given)  # type: ignore[arg-type]


def routes(hub: StandIn) -> list[str]:
    return [call.route for call in hub.calls]


# What goes over the wire.


def test_a_release_is_few_calls(hub: StandIn, on_hub: Open, local: Local) -> None:
    repository = on_hub()
    repository.create()
    change = Change(put={"README.md": b"one", "a.parquet": local("a", ROWS), "b.parquet": local("b", ROWS + b"b")})
    hub.forget_calls()
    commit = repository.commit(change, parent=None, message="one").commit
    repository.tag("v1.0.0", commit, "one")
    assert [route for route in routes(hub) if route not in ("lfs-upload", "lfs-verify")] == [
        *("refs", "tree"),  # where main is, and that there is nothing yet
        *("validate-yaml", "preupload", "lfs-batch", "commit"),
        "tree",  # that the commit has what was sent
        *("refs", "tag"),
    ]


def test_what_is_there_is_not_even_asked_for(hub: StandIn, on_hub: Open, local: Local) -> None:
    repository = on_hub()
    repository.create()
    change = Change(put={"README.md": b"one", "a.parquet": local("a", ROWS)})
    first = repository.commit(change, parent=None, message="one").commit
    hub.forget_calls()
    repository.commit(change, parent=first, message="again")
    assert set(routes(hub)) == {"refs", "tree"}
    assert {call.method for call in hub.calls} == {"GET"}


def test_bytes_are_counted_as_they_are_sent(hub: StandIn, on_hub: Open, local: Local) -> None:
    """A large file whose upload is cut goes twice; what arrived is not sent again."""
    repository = on_hub()
    repository.create()
    large = local("a", b"PAR1\0" + bytes(1_000_000))
    hub.faults.arm(Fault("commit", 1, "cut_before"))
    hub.forget_calls()
    done = repository.commit(Change(put={"README.md": b"one", "a.parquet": large}), parent=None, message="one")
    assert done.sent_bytes == large.size + 2 * len(b"one")
    hub.faults.arm(Fault("lfs-upload", 1, "status_500"))
    hub.forget_calls()
    other = local("b", b"PAR1\0" + bytes(900_000))
    again = repository.commit(Change(put={"b.parquet": other}), parent=done.commit, message="two")
    uploads = [call.bytes_in for call in hub.calls if call.route == "lfs-upload"]
    assert again.sent_bytes == sum(uploads) == 2 * other.size


def test_a_file_with_another_hash_does_not_get_in(hub: StandIn, on_hub: Open, local: Local) -> None:
    repository = on_hub()
    repository.create()
    first = repository.commit(Change(put={"README.md": b"one"}), parent=None, message="one").commit
    rows = local("a", ROWS)
    rows.source.write_bytes(ROWS[::-1])
    with pytest.raises(HubError):
        repository.commit(Change(put={"a.parquet": rows}), parent=first, message="two")
    assert repository.head() == first


def test_the_hubs_own_file_is_hidden_and_stays(hub: StandIn, on_hub: Open) -> None:
    repository = on_hub()
    repository.create()
    assert repository.head() is not None
    assert repository.files("main") == {}
    repository.commit(Change(put={"README.md": b"one"}), parent=None, message="one")
    assert repository.files("main").keys() == {"README.md"}
    assert repository.read("main", ".gitattributes")


def test_a_commit_that_lacks_a_file_is_found_out(on_hub: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    """The client leaves out files that a `.gitignore` of the repository names, and calls that a success."""
    repository = on_hub()
    repository.create()
    monkeypatch.setattr(hub_repository, "operations", lambda *given: operations(*given)[:1])
    with pytest.raises(HubError, match="has other files than were sent") as caught:
        repository.commit(Change(put={"README.md": b"one", "recipe/recipe.yaml": b"x"}), parent=None, message="one")
    assert not caught.value.retryable
    assert ".gitignore" in caught.value.fix


def test_visibility(on_hub: Open) -> None:
    repository = on_hub()
    repository.create()
    assert not repository.is_public()
    repository.make_public()
    assert repository.is_public()
    repository.create()
    assert repository.is_public(), "a repository that is there keeps its settings"


def test_a_proposal_has_a_page(hub: StandIn, on_hub: Open) -> None:
    repository = on_hub()
    repository.create()
    first = repository.commit(Change(put={"README.md": b"one"}), parent=None, message="one").commit
    hub.faults.arm(Fault("commit", 1, "cut_after"))
    done = repository.commit(Change(put={"README.md": b"two"}), parent=first, message="two", is_pull_request=True)
    assert done.pull_request == f"{hub.endpoint}/datasets/org/set/discussions/1"


def test_a_download_that_is_cut_goes_on_and_is_kept(hub: StandIn, on_hub: Open, local: Local) -> None:
    repository = on_hub()
    repository.create()
    put: dict[str, LocalFile | bytes] = {"a.parquet": local("a", ROWS), "run.py": b"import this"}
    commit = repository.commit(Change(put=put), parent=None, message="one").commit
    hub.faults.arm(Fault("resolve", 2, "cut_during"))
    folder = repository.download("main")
    assert {p.name: p.read_bytes() for p in folder.rglob("*") if p.is_file()} == {"a.parquet": ROWS}
    hub.forget_calls()
    assert repository.download(commit) == folder
    assert routes(hub) == []


def test_a_large_file_is_never_in_memory(hub: StandIn, on_hub: Open, tmp_path: Path) -> None:
    repository = on_hub()
    repository.create()
    path, size = tmp_path / "large.parquet", 96 << 20
    with path.open("wb") as handle:
        handle.truncate(size)
    large = LocalFile(path, size, hash_file(path))
    tracemalloc.start()
    try:
        done = repository.commit(Change(put={"large.parquet": large}), parent=None, message="one")
        _, sending = tracemalloc.get_traced_memory()
        folder = repository.download(done.commit)
        _, reading = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert done.sent_bytes == size == (folder / "large.parquet").stat().st_size
    assert sending < 16 << 20, "the client and the stand-in hold pieces"
    assert reading < 64 << 20, "the client reads some pieces of 10 MB"


# Somebody else at the same time.


class _Overtaken(HubRepository):
    """Somebody else commits after we have looked."""

    def _send(self, plan):  # noqa: ANN001, ANN202
        other = HubRepository(self.name, endpoint=self.endpoint, token=self.token, patience=self.patience)
        other.commit(Change(put={"README.md": b"theirs"}), parent=other.head(), message="theirs")
        return super()._send(plan)


@pytest.mark.parametrize("is_pull_request", [False, True])
def test_the_hub_itself_checks_the_parent(hub: StandIn, on_hub: Open, is_pull_request: bool) -> None:
    repository = on_hub()
    repository.create()
    first = repository.commit(Change(put={"README.md": b"one"}), parent=None, message="one").commit
    overtaken = _Overtaken("org/set", endpoint=hub.endpoint, token=hub.token, patience=quick())
    change = Change(put={"a.md": b"ours"})
    if is_pull_request:
        done = overtaken.commit(change, parent=first, message="ours", is_pull_request=True)
        assert repository.files(done.commit).keys() == {"README.md", "a.md"}
    else:
        with pytest.raises(HubError, match="the branch has moved") as caught:
            overtaken.commit(change, parent=first, message="ours")
        assert not caught.value.retryable
    assert repository.read("main", "README.md") == b"theirs"
    assert repository.files("main").keys() == {"README.md"}


# Refusals.


@pytest.fixture
def two_people(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):  # noqa: ANN201
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_XET", True)
    tokens = {"hf_writerwriter": "ann:write:org", "hf_readerreader": "ben:read:org", "hf_strangerstranger": "eve:write"}
    with StandIn(tmp_path / "hub", tokens=tokens, limits=Limits(commits_per_hour=3)) as server:
        yield server


@pytest.mark.parametrize(
    ("token", "what", "fix"),
    [
        ("hf_readerreader", "the token may not do this", "scope has write access to datasets of org"),
        ("hf_strangerstranger", "is not there, or not for this token", "HF_TOKEN"),
        ("hf_unknownunknown", "does not accept the token", "Set HF_TOKEN to a valid token"),
    ],
)
def test_who_may_not_write_is_told_what_to_set(two_people: StandIn, token: str, what: str, fix: str) -> None:
    owner = HubRepository("org/set", endpoint=two_people.endpoint, token="hf_writerwriter", patience=quick())
    owner.create()
    first = owner.commit(Change(put={"README.md": b"one"}), parent=None, message="one").commit
    repository = HubRepository("org/set", endpoint=two_people.endpoint, token=token, patience=quick())
    two_people.forget_calls()
    with pytest.raises(HubError) as caught:
        repository.commit(Change(put={"README.md": b"two"}), parent=first, message="two")
    assert what in caught.value.what
    assert fix in caught.value.fix
    assert token not in str(caught.value)
    assert not caught.value.retryable
    assert len([call for call in two_people.calls if call.status and call.status >= 400]) == 1, "asked once"
    assert owner.head() == first


def test_too_many_commits_are_not_waited_for_an_hour(two_people: StandIn) -> None:
    slept: list[float] = []
    repository = HubRepository(
        "org/set", endpoint=two_people.endpoint, token="hf_writerwriter", patience=quick(sleep=slept.append)
    )
    repository.create()
    done: list[str] = []
    with pytest.raises(HubError, match="takes no more requests for now") as caught:
        _commit_without_end(repository, done)
    assert caught.value.retryable
    assert sum(slept) <= 2 * quick().longest_wait_s
    assert repository.head() == done[-1]


def _commit_without_end(repository: HubRepository, done: list[str]) -> None:
    for number in range(9):
        change = Change(put={"README.md": b"%d" % number})
        done.append(repository.commit(change, parent=done[-1] if done else None, message="more").commit)


def test_a_card_that_the_hub_does_not_take_is_told(hub: StandIn, on_hub: Open) -> None:
    repository = on_hub()
    repository.create()
    hub.forget_calls()
    with pytest.raises(HubError, match=r"Invalid metadata in README\.md") as caught:
        repository.commit(Change(put={"README.md": b"---\nlicense: [\n---\n"}), parent=None, message="one")
    assert not caught.value.retryable
    assert routes(hub) == ["refs", "tree", "validate-yaml"]


def test_xet_can_be_switched_off_after_the_import(hub: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_XET", False)
    assert uses_xet(load("huggingface_hub", "org/set"))
    monkeypatch.setenv("HF_HUB_DISABLE_XET", "1")
    assert not uses_xet(load("huggingface_hub", "org/set"))


@pytest.mark.parametrize("how", ["status_500", "status_429", "cut_before", "timeout"])
def test_a_hub_that_stays_away_is_given_up(hub: StandIn, on_hub: Open, how: str) -> None:
    repository = on_hub()
    repository.create()
    slept: list[float] = []
    patience = quick(wait_s=1, sleep=slept.append, answer_s=0.1)
    repository = HubRepository("org/set", endpoint=hub.endpoint, token=hub.token, patience=patience)
    hub.faults.arm(*(Fault("*", number, how) for number in range(1, 9)))
    hub.forget_calls()
    began = time.monotonic()
    with pytest.raises(HubError) as caught:
        repository.commit(Change(put={"README.md": b"one"}), parent=None, message="one")
    assert time.monotonic() - began < 3
    assert caught.value.retryable
    assert len(hub.calls) == patience.attempts
    assert slept == ([0, 0] if how == "status_429" else [1, 2])


def test_nothing_listens() -> None:
    repository = HubRepository("org/set", endpoint="http://127.0.0.1:9", token="x", patience=quick())
    with pytest.raises(HubError, match=r"branches and tags cannot be read: no answer \(ConnectError\)") as caught:
        repository.head()
    assert caught.value.retryable


def test_afterwards_other_users_of_the_client_get_its_own_errors(hub: StandIn, on_hub: Open) -> None:
    on_hub().create()
    library = load("huggingface_hub", "org/set")
    hub.faults.arm(Fault("info", 1, "status_500"))
    with pytest.raises(library.errors.HfHubHTTPError):
        library.HfApi(endpoint=hub.endpoint, token=hub.token).dataset_info("org/set")


def test_reading_a_seed_source_does_not_hang_either(
    hub: StandIn, on_hub: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_hub().create()
    monkeypatch.setattr("resources.hub.connection.ANSWER_S", 0.2)
    monkeypatch.setenv("HF_TOKEN", hub.token)
    hub.faults.arm(Fault("revision", 1, "timeout"))
    with pytest.raises(SeedError, match="branch 'main' cannot be read") as caught:
        resolve_commit("org/set", endpoint=hub.endpoint)
    assert caught.value.retryable
    assert resolve_commit("org/set", endpoint=hub.endpoint) == on_hub().head()


def test_a_large_file_is_refused_as_a_small_one(
    hub: StandIn, on_hub: Open, local: Local, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository = on_hub()
    repository.create()
    repository.commit(Change(put={"a.parquet": local("a", bytes(2000))}), parent=None, message="one")
    monkeypatch.setattr("resources.hub.hub_repository._MOST_BYTES", 1000)
    with pytest.raises(HubError, match="has more than 1000 bytes") as caught:
        repository.read("main", "a.parquet")
    assert not caught.value.retryable
