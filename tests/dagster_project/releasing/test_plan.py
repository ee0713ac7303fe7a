"""What goes out, under which number and why."""

from __future__ import annotations

from typing import Any

import pytest

from assets.release.decoration import read_stamp
from assets.release.numbering import Number, Step
from resources.errors import ReleaseError
from tests.dagster_project.releasing.place import Place


def test_the_first_release_is_1_0_0_and_has_every_file(place: Place) -> None:
    plan = place.plan()
    assert (plan.kind, str(plan.number), plan.difference) == ("release", "1.0.0", None)
    assert plan.gate.is_open
    assert plan.files is not None
    assert set(plan.files.put) == {*plan.built.files, "README.md", "CHANGELOG.md"}
    assert not plan.files.delete
    stamp = read_stamp(plan.card)
    assert stamp is not None
    assert (stamp.version, stamp.digest, stamp.card) == (Number(1, 0, 0), plan.built.digest, plan.built.card_hash)
    assert place.repository.head() is None


def test_a_card_never_says_where_a_local_folder_lies(place: Place) -> None:
    assert str(place.folder) not in place.plan().card


def test_the_same_data_is_no_new_version(place: Place) -> None:
    place.release()
    head, tags = place.repository.head(), place.repository.tags()
    plan = place.plan()
    assert (plan.kind, plan.files) == ("nothing", None)
    assert place.release().state == "nothing new"
    assert (place.repository.head(), place.repository.tags()) == (head, tags)


def test_a_sentence_of_the_card_is_a_patch(place: Place) -> None:
    place.release()
    place.become("card")
    plan = place.plan()
    assert (plan.computed, str(plan.number)) == (Step.PATCH, "1.0.1")
    assert any("card" in reason for reason in plan.reasons)
    assert plan.files is not None
    assert not any(path.startswith(("data/", "provenance/")) for path in plan.files.put)
    assert place.release().state == "released"
    assert "Another sentence" in place.read("README.md", "v1.0.1")


def test_fewer_rows_are_minor_and_the_changelog_counts_them(place: Place) -> None:
    place.release()
    place.become("rows")
    plan = place.plan(note="Long problems are gone.")
    assert (plan.computed, str(plan.number)) == (Step.MINOR, "1.1.0")
    assert plan.difference is not None
    removed = plan.difference.splits["train"].removed
    assert removed > 0
    assert any(f"{removed} removed" in reason for reason in plan.reasons)
    place.release(note="Long problems are gone.")
    changelog = place.read("CHANGELOG.md")
    assert changelog.index("## v1.1.0") < changelog.index("## v1.0.0")
    assert "Long problems are gone" in changelog
    assert str(removed) in changelog
    assert [str(number) for number in place.tags] == ["1.0.0", "1.1.0"]


def test_a_lost_split_is_major_and_another_step_is_refused(place: Place) -> None:
    place.release()
    place.become("no tiny split")
    plan = place.plan()
    assert (plan.computed, str(plan.number)) == (Step.MAJOR, "2.0.0")
    assert plan.gate.is_open
    assert plan.files is not None
    assert "data/train_tiny-00000-of-00001.parquet" in plan.files.delete
    low = place.plan(step=Step.MINOR)
    assert {v.name for v in low.gate.verdicts if not v.passed} == {"schema", "number"}
    with pytest.raises(ReleaseError, match="train_tiny"):
        place.release(step=Step.MINOR)
    place.release()
    assert "data/train_tiny-00000-of-00001.parquet" not in place.repository.files("v2.0.0")
    assert "data/train_tiny-00000-of-00001.parquet" in place.repository.files("v1.0.0")


@pytest.mark.parametrize(
    ("wish", "number", "is_open"),
    [
        ({"step": Step.MAJOR}, "2.0.0", True),
        ({"step": Step.MINOR}, "1.1.0", True),
        ({"number": Number(1, 0, 5)}, "1.0.5", True),
        ({"number": Number(1, 0, 0)}, "1.0.0", False),
        ({"number": Number(0, 9, 0)}, "0.9.0", False),
    ],
)
def test_numbers_only_rise(place: Place, wish: dict[str, Any], number: str, is_open: bool) -> None:
    place.release()
    place.become("card")
    plan = place.plan(**wish)
    assert (str(plan.number), plan.gate.is_open) == (number, is_open)
    assert [v.name for v in plan.gate.verdicts if not v.passed] == ([] if is_open else ["number"])


def test_the_first_number_can_be_chosen(place: Place) -> None:
    assert str(place.plan(number=Number(3, 1, 0)).number) == "3.1.0"


def test_the_base_is_the_recorded_folder_of_the_store(place: Place) -> None:
    place.release()
    folder = place.plan().built.folder
    place.become("card")
    plan = place.plan()
    assert plan.base is not None
    assert (plan.base.is_local, plan.base.folder) == (True, folder)


def test_without_a_record_the_base_is_downloaded(place: Place) -> None:
    place.release()
    place.records.file.unlink()
    place.become("card")
    plan = place.plan()
    assert plan.base is not None
    assert not plan.base.is_local
    assert plan.computed == Step.PATCH


def test_nothing_built_is_said(place: Place) -> None:
    (place.store / "envs" / "sums" / "scripted.json").unlink()
    with pytest.raises(ReleaseError, match="nothing is built"):
        place.plan()


def test_own_words_and_keys_of_a_hand_edited_card_stay(place: Place) -> None:
    place.release()
    begin = "<!-- own words: begin -->\n"
    card = place.read("README.md")
    assert begin in card
    edited = card.replace(begin, f"{begin}Ask us before you train.\n").replace("---\n", "---\nviewer: false\n", 1)
    place.commit({"README.md": edited.encode(), "images/one.png": b"png"})
    assert place.plan().kind == "nothing"
    place.become("card")
    plan = place.plan()
    assert plan.state.is_edited
    assert [r.level for v in plan.gate.verdicts if v.name == "repository" for r in v.reasons] == ["warn"]
    place.release()
    published = place.read("README.md")
    assert "Ask us before you train." in published
    assert "viewer: false" in published
    assert "Another sentence" in published
    assert "images/one.png" in place.repository.files("v1.0.1")


def test_stale_shards_go_and_files_of_others_stay(place: Place) -> None:
    place.release()
    others = {"LICENSE": b"words", "images/plot.png": b"png"}
    place.commit({"data/train-00001-of-00002.parquet": b"old", "recipe/gone.yaml": b"old", **others})
    plan = place.plan()
    assert plan.kind == "release"
    assert plan.computed == Step.PATCH
    assert plan.files is not None
    assert set(plan.files.delete) == {"data/train-00001-of-00002.parquet", "recipe/gone.yaml"}
    place.release()
    files = place.repository.files("v1.0.1")
    assert others.keys() <= files.keys()
    assert "data/train-00001-of-00002.parquet" not in files
    assert place.plan().kind == "nothing"
