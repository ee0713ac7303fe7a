"""Tags, commits and files that people make by hand, and releases that were killed before somebody else came."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from assets.release.numbering import Number, Step
from dagster_project.language.resolved import Publishing
from dagster_project.releasing.destination import with_destination
from dagster_project.releasing.publish import publish
from dagster_project.releasing.record import Recorded, Records
from resources.errors import HubError, ReleaseError, StoreError
from resources.hub.folder_repository import FolderRepository
from resources.hub.hub_repository import HubRepository
from resources.hub.repository import MAIN, Change
from resources.hub.stand_in.server import StandIn
from tests.dagster_project.releasing.place import Place
from tests.dagster_project.releasing.test_publish import kill_before_the_tag, merge

TRAIN = "data/train-00000-of-00001.parquet"


def warnings(place: Place) -> list[str]:
    return [reason.what for reason in place.plan().gate.warnings]


def test_a_killed_release_that_somebody_damaged_gets_no_tag(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    kill_before_the_tag(place, monkeypatch)
    place.repository.commit(Change(delete=[TRAIN]), parent=place.repository.head(), message="oops")
    place.become("rows")
    assert any("files are others" in what for what in warnings(place))
    place.release()
    assert {tag: TRAIN in place.repository.files(tag) for tag in place.repository.tags()} == {"v1.0.0": True}


def test_own_words_do_not_keep_a_killed_release_from_its_tag(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    kill_before_the_tag(place, monkeypatch)
    place.commit({"README.md": f"{place.read('README.md')}\nOurs.\n".encode(), "LICENSE": b"words"})
    assert place.plan().kind == "tag"


def test_a_tag_made_by_hand_meanwhile_is_not_the_release(place: Place) -> None:
    place.release()
    place.become("rows")
    plan = place.plan()
    place.repository.tag("v1.1.0", str(place.repository.head()), "by hand")
    with pytest.raises(HubError, match="never moves"):
        publish(plan, place.repository, records=place.records)
    again = place.release()
    assert (again.state, again.tag) == ("released", "v1.2.0")
    assert place.repository.tags()["v1.2.0"] == place.repository.head()


def test_of_two_pull_requests_with_one_number_the_second_gets_the_next(place: Place) -> None:
    place.release()
    place.become("rows")
    place.release(is_pull_request=True)
    place.become("other rows")
    place.release(is_pull_request=True)
    merge(place, "refs/pr/1")
    place.become("rows")
    assert place.release().state == "tagged"
    merge(place, "refs/pr/2")
    place.become("other rows")
    done = place.release()
    assert (done.state, done.tag) == ("released", "v1.2.0")


def test_a_pull_request_that_was_edited_before_its_merge_gets_no_tag(place: Place) -> None:
    place.release()
    place.become("rows")
    place.release(is_pull_request=True)
    merge(place, "refs/pr/1")
    place.repository.commit(Change(put={"recipe/x.yaml": b"edited"}), parent=place.repository.head(), message="edit")
    place.become("other rows")
    assert place.release().tag == "v1.1.0"
    assert "recipe/x.yaml" not in place.repository.files("v1.1.0")


def test_a_pull_request_is_waited_for_though_another_was_opened_since(place: Place) -> None:
    place.release()
    place.become("rows")
    first = place.release(is_pull_request=True)
    place.become("card")
    place.release(is_pull_request=True)
    place.become("rows")
    plan = place.plan(is_pull_request=True)
    assert (plan.kind, plan.pull_request) == ("waiting", first.url)


def test_a_first_release_as_a_pull_request_is_asked_for_once(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_XET", True)
    with StandIn(place.folder / "hub") as hub:
        repository = HubRepository("org/sums", endpoint=hub.endpoint, token=hub.token)
        monkeypatch.setattr(place, "repository", repository)
        assert place.release(is_pull_request=True).state == "pull request"
        assert place.plan(is_pull_request=True).kind == "waiting"


def test_a_link_main_that_is_gone_does_not_begin_the_numbers_anew(place: Place) -> None:
    place.release()
    (place.folder / "out" / MAIN).unlink()
    place.become("rows")
    assert place.release().tag == "v1.1.0"


@pytest.mark.parametrize("card", [b"hello", b"---\n: : {[\n---\n", b"\xff\x00", None])
def test_a_tag_that_is_no_release_is_no_base(place: Place, card: bytes | None) -> None:
    place.release()
    first = place.repository.head()
    files = place.repository.files(MAIN)
    put = {"README.md": card} if card is not None else {}
    gone = [path for path in files if path not in put]
    place.repository.commit(Change(put={"x": b"x", **put}, delete=gone), parent=first, message="by hand")
    place.repository.tag("v1.1.0", str(place.repository.head()), "by hand")
    place.repository.commit(
        Change(put={"README.md": b"new"}), parent=place.repository.head(), message="the card is mended"
    )
    place.become("rows")
    plan = place.plan()
    assert (str(plan.number), plan.computed) == ("1.2.0", Step.MINOR)
    assert plan.base is not None
    assert plan.base.commit == first


def test_releases_follow_the_tags_of_others(place: Place) -> None:
    place.repository.create()
    place.commit({"notes.txt": b"theirs"})
    place.repository.tag("v3.1.4", str(place.repository.head()), "theirs")
    plan = place.plan()
    assert (str(plan.number), plan.computed, plan.gate.is_open) == ("4.0.0", Step.MAJOR, True)


@pytest.mark.parametrize("is_tagged", [False, True])
def test_a_repository_of_somebody_else_does_not_become_ours(place: Place, is_tagged: bool) -> None:
    place.repository.create()
    place.commit({"README.md": b"# Mine\n", "data/mine.parquet": b"rows of mine"})
    if is_tagged:
        place.repository.tag("v0.1.0", str(place.repository.head()), "theirs")
    with pytest.raises(ReleaseError, match="data/mine.parquet"):
        place.release()
    place.repository.commit(Change(delete=["data/mine.parquet"]), parent=place.repository.head(), message="free")
    assert any("README.md will be written" in what for what in warnings(place))
    assert place.release().tag == "v1.0.0"


def test_a_repository_that_lost_its_releases_is_said(place: Place) -> None:
    place.release()
    (place.folder / "out").rename(place.folder / "elsewhere")
    assert any("v1.0.0 was released" in what for what in warnings(place))


def test_no_number_is_written_that_cannot_be_read(place: Place) -> None:
    place.release(number=Number(1, 0, 999_999_999))
    place.become("card")
    with pytest.raises(ReleaseError, match="--step minor"):
        place.release()
    assert place.release(step=Step.MINOR).tag == "v1.1.0"


def test_nothing_is_released_into_the_store(place: Place) -> None:
    place.repository = FolderRepository(place.store / "versions" / "mine")
    with pytest.raises(ReleaseError, match="mathloom clean"):
        place.plan()


@pytest.mark.parametrize("to", ["~nobody-has-this-name/x", "./\udcff"])
def test_what_is_no_folder(place: Place, to: str) -> None:
    with pytest.raises(ReleaseError, match="is no folder"):
        with_destination(place.recipe, to)


def test_a_folder_has_one_name(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place.folder)
    found = {with_destination(place.recipe, to)[1] for to in ("./out", "./x/../out", str(place.folder / "out"))}
    assert found == {Publishing(place.recipe.place, folder=place.folder / "out")}


def recorded(number: int) -> Recorded:
    return Recorded("org/name", f"1.{number}.0", f"{number:040}", "", "d", "c", "v", "released")


def test_records_of_two_at_once_are_both_kept(tmp_path: Path) -> None:
    def add(first: int) -> None:
        for number in range(first, first + 10):
            Records(tmp_path, "sums", "scripted").add(recorded(number))

    threads = [threading.Thread(target=add, args=(100 * i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(Records(tmp_path, "sums", "scripted").read()) == 40


@pytest.mark.parametrize("text", ["[]", '{"format": 1}', '{"format": 1, "releases": [{"x": 1}]}', "{"])
def test_a_record_that_is_none(tmp_path: Path, text: str) -> None:
    records = Records(tmp_path, "sums", "scripted")
    records.file.parent.mkdir(parents=True)
    records.file.write_text(text)
    with pytest.raises(StoreError):
        records.read()
