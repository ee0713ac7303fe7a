"""Going back to an older release, and what a schedule does afterwards."""

from __future__ import annotations

import pytest

from assets.release.decoration import read_stamp
from assets.release.numbering import Number
from dagster_project.releasing.revert import make_revert_plan, revert
from resources.errors import HubError, ReleaseError
from resources.hub.repository import MAIN
from tests.dagster_project.releasing.place import Place
from tests.dagster_project.releasing.test_publish import kill_before_the_tag, merge


def go_back(place: Place, tag: str = "v1.0.0") -> None:
    revert(make_revert_plan(place.repository, tag), place.repository, records=place.records, say=lambda _: None)


@pytest.fixture
def twice(place: Place) -> Place:
    """Released as 1.0.0 and 1.1.0."""
    place.release()
    place.become("rows")
    place.release()
    return place


def test_a_revert_is_a_minor_release_with_the_old_files(twice: Place) -> None:
    plan = make_revert_plan(twice.repository, "v1.0.0")
    assert set(plan.change.put) == {"README.md", "CHANGELOG.md"}
    go_back(twice)
    assert [str(number) for number in twice.tags] == ["1.0.0", "1.1.0", "1.2.0"]
    now, then = twice.repository.files("v1.2.0"), twice.repository.files("v1.0.0")
    texts = {"README.md", "CHANGELOG.md"}
    assert {p: f.sha256 for p, f in now.items() if p not in texts} == {
        p: f.sha256 for p, f in then.items() if p not in texts
    }
    stamp = read_stamp(twice.read("README.md"))
    assert stamp is not None
    assert (stamp.version, stamp.reverts, stamp.restores) == (Number(1, 2, 0), Number(1, 1, 0), Number(1, 0, 0))
    assert "v1.1.0" in twice.read("CHANGELOG.md").split("## v1.1.0")[0]


def test_what_was_withdrawn_is_not_published_again_by_itself(twice: Place) -> None:
    go_back(twice)
    plan = twice.plan()
    assert [v.name for v in plan.gate.verdicts if not v.passed] == ["repository"]
    assert "--again" in plan.gate.reasons[0].fix
    with pytest.raises(ReleaseError, match="took back v1.1.0"):
        twice.release()
    assert twice.release(is_again=True).tag == "v1.3.0"


def test_an_older_withdrawn_release_is_known_too(twice: Place) -> None:
    twice.become("rows and card")
    twice.release()
    twice.become("rows")
    go_back(twice)
    assert [v.name for v in twice.plan().gate.verdicts if not v.passed] == ["repository"]


def test_other_content_goes_out_after_a_revert(twice: Place) -> None:
    go_back(twice)
    twice.become("other rows")
    assert twice.release().tag == "v1.3.0"


def test_the_restored_content_is_nothing_new(twice: Place) -> None:
    twice.become("first")
    go_back(twice)
    assert twice.plan().kind == "nothing"


def test_the_author_s_words_stay(twice: Place) -> None:
    begin = "<!-- own words: begin -->\n"
    twice.commit({"README.md": twice.read("README.md").replace(begin, f"{begin}Ours.\n").encode()})
    go_back(twice)
    assert "Ours." in twice.read("README.md", MAIN)


def test_a_revert_that_was_killed_before_its_tag_is_given_again(twice: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    def cut(*_: object) -> None:
        raise HubError("cut", where="test", fix="none")

    with monkeypatch.context() as patch:
        patch.setattr(twice.repository, "tag", cut)
        with pytest.raises(HubError, match="cut"):
            go_back(twice)
    head = twice.repository.head()
    go_back(twice)
    assert twice.repository.tags()["v1.2.0"] == twice.repository.head() == head
    assert twice.records.read()[-1].number == "1.2.0"


def test_a_release_without_its_tag_gets_it_before_it_is_reverted(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    place.release()
    place.become("rows")
    kill_before_the_tag(place, monkeypatch)
    go_back(place)
    assert [str(number) for number in place.tags] == ["1.0.0", "1.1.0", "1.2.0"]


def test_a_revert_as_a_pull_request_is_tagged_when_it_is_merged(twice: Place) -> None:
    plan = make_revert_plan(twice.repository, "v1.0.0")
    asked = revert(plan, twice.repository, is_pull_request=True, records=twice.records, say=lambda _: None)
    assert asked.state == twice.records.read()[-1].state == "pull request"
    assert [str(number) for number in twice.tags] == ["1.0.0", "1.1.0"]
    merge(twice, "refs/pr/1")
    go_back(twice)
    assert twice.repository.tags()["v1.2.0"] == twice.repository.head()


def test_reverts_can_be_reverted(twice: Place) -> None:
    go_back(twice)
    go_back(twice, "v1.1.0")
    assert [str(number) for number in twice.tags] == ["1.0.0", "1.1.0", "1.2.0", "1.3.0"]
    assert twice.plan().kind == "nothing"
    twice.become("first")
    assert not twice.plan().gate.is_open


def test_a_card_of_an_old_tag_that_nobody_can_read_does_not_stop_releases(twice: Place) -> None:
    bad = {"README.md": b"---\n: : {[\n---\n"}
    good = twice.read("README.md").encode()
    twice.commit(bad)
    twice.repository.tag("v1.1.5", str(twice.repository.head()), "by hand")
    twice.commit({"README.md": good})
    go_back(twice)
    twice.become("other rows")
    assert twice.plan().gate.is_open


@pytest.mark.parametrize(
    ("tag", "words"), [("v1.0.3", "Did you mean v1.0.0"), ("main", "no release"), ("v1.1.0", "already")]
)
def test_refusals(twice: Place, tag: str, words: str) -> None:
    with pytest.raises(ReleaseError, match=words):
        make_revert_plan(twice.repository, tag)


def test_nothing_to_go_back_to(place: Place) -> None:
    with pytest.raises(ReleaseError, match="no release"):
        make_revert_plan(place.repository, "v1.0.0")


def test_clean_keeps_the_versions_of_what_was_restored(twice: Place) -> None:
    first = twice.records.read()[0]
    go_back(twice)
    assert twice.records.read()[-1].versions == first.versions


@pytest.mark.parametrize(
    "note", ["hf_" + "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6", "see /home/me/x", "the value k9Zt-not-for-you"]
)
def test_a_note_with_a_secret_or_a_path_goes_nowhere(twice: Place, note: str) -> None:
    head = twice.repository.head()
    with pytest.raises(ReleaseError, match="the note holds") as caught:
        make_revert_plan(twice.repository, "v1.0.0", note=note, secrets=["k9Zt-not-for-you"])
    assert note not in str(caught.value)
    assert twice.repository.head() == head
