"""One commit and one tag: what a kill leaves, what two at once do, pull requests, the record."""

from __future__ import annotations

import json

import pytest

from assets.release.numbering import Number
from dagster_project.releasing.publish import publish
from resources.errors import HubError, ReleaseError, StoreError
from resources.hub.repository import MAIN, Change
from resources.store import Store
from resources.store.cleaning import clean
from tests.dagster_project.releasing.place import Place


def kill_before_the_tag(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    def cut(*_: object) -> None:
        raise HubError("cut", where="test", fix="none")

    with monkeypatch.context() as patch:
        patch.setattr(place.repository, "tag", cut)
        with pytest.raises(HubError, match="cut"):
            place.release()


def test_a_release_is_one_commit_and_one_tag(place: Place) -> None:
    published = place.release()
    assert (published.state, published.tag) == ("released", "v1.0.0")
    assert place.repository.tags() == {"v1.0.0": place.repository.head()}
    assert published.sent_bytes > 0
    assert place.release().sent_bytes == 0


def test_a_kill_between_commit_and_tag_is_mended_by_the_next_run(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    kill_before_the_tag(place, monkeypatch)
    head = place.repository.head()
    assert place.repository.tags() == {}
    plan = place.plan()
    assert (plan.kind, str(plan.number)) == ("tag", "1.0.0")
    assert place.release().state == "tagged"
    assert place.repository.tags() == {"v1.0.0": head}
    assert [release.state for release in place.records.read()] == ["tagged"]


def test_a_killed_release_is_tagged_before_another_follows(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    kill_before_the_tag(place, monkeypatch)
    head = place.repository.head()
    place.become("rows")
    plan = place.plan()
    assert (plan.finishes, str(plan.number)) == (Number(1, 0, 0), "1.1.0")
    place.release()
    assert [str(number) for number in place.tags] == ["1.0.0", "1.1.0"]
    assert place.repository.tags()["v1.0.0"] == head


def test_of_two_at_once_one_wins_and_the_other_looks_again(place: Place) -> None:
    place.release()
    place.become("rows")
    first, second = place.plan(), place.plan(note="the slower one")
    assert publish(first, place.repository).state == "released"
    with pytest.raises(HubError):
        publish(second, place.repository)
    assert [str(number) for number in place.tags] == ["1.0.0", "1.1.0"]
    assert "slower" not in place.read("CHANGELOG.md")
    assert place.plan().kind == "nothing"


def test_a_shut_gate_sends_nothing(place: Place) -> None:
    place.edit("  licence: CC0-1.0\n  inputs", "  inputs")
    with pytest.raises(ReleaseError, match="reason"):
        place.release()
    assert place.repository.head() is None
    assert place.records.read() == []


def test_a_pull_request_waits_and_its_merge_is_tagged(place: Place) -> None:
    place.release()
    place.become("rows")
    asked = place.release(is_pull_request=True)
    assert asked.state == "pull request"
    assert asked.url.endswith("pr-1")
    assert [str(number) for number in place.tags] == ["1.0.0"]
    waiting = place.plan(is_pull_request=True)
    assert (waiting.kind, waiting.pull_request) == ("waiting", asked.url)
    assert place.release(is_pull_request=True).state == "nothing new"
    assert place.plan(is_pull_request=True, is_again=True).kind == "release"
    merge(place, "refs/pr/1")
    plan = place.plan(is_pull_request=True)
    assert (plan.kind, str(plan.number)) == ("tag", "1.1.0")
    assert place.release(is_pull_request=True).state == "tagged"
    assert place.repository.tags()["v1.1.0"] == place.repository.head()


def merge(place: Place, revision: str) -> None:
    repository = place.repository
    wanted, have = repository.files(revision), repository.files(MAIN)
    copy = {path: (revision, path) for path in wanted}
    gone = [path for path in have if path not in wanted]
    repository.commit(Change(copy=copy, delete=gone), parent=repository.head(), message="Merge")


def test_the_record_names_every_version_and_clean_keeps_them(place: Place) -> None:
    place.release()
    old = place.plan().built.version
    place.become("rows")
    place.release()
    place.become("card")
    [first, second] = place.records.read()
    assert (first.number, second.number) == ("1.0.0", "1.1.0")
    assert {"problems", "solutions", "release"} <= set(first.versions)
    store = Store(place.store)
    clean(store)
    assert all(store.version(kind, version) for kind, version in [*first.versions.values(), *second.versions.values()])
    clean(store, releases=1)
    assert not old.folder.exists()
    assert all(store.version(kind, version) for kind, version in second.versions.values())
    assert place.plan().base is not None


def test_a_record_that_was_lost_is_made_up_for(place: Place) -> None:
    place.release()
    place.records.file.unlink()
    assert place.release().state == "nothing new"
    [release] = place.records.read()
    assert (release.number, release.commit) == ("1.0.0", place.repository.tags()["v1.0.0"])


def test_a_full_disk_at_the_record_does_not_hide_the_release(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise StoreError("the disk is full", where="record", fix="Free space", retryable=True)

    with monkeypatch.context() as patch:
        patch.setattr("dagster_project.releasing.record.write_json", full)
        with pytest.raises(StoreError, match=r"v1\.0\.0 is out .* the disk is full"):
            place.release()
    assert place.release().state == "nothing new"
    assert [release.number for release in place.records.read()] == ["1.0.0"]


def test_the_record_is_no_link_to_the_folder(place: Place) -> None:
    place.release()
    folder = place.store / "releases" / "sums"
    assert (folder / "scripted").is_symlink()
    assert json.loads((folder / "scripted.json").read_text())["format"] == 1
