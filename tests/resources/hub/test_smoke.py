"""The trial of a Hub: it says ok for one that keeps its promises, names the one that is broken, and leaves nothing."""

from __future__ import annotations

from typing import Any

import pytest
from click.testing import CliRunner

from resources.hub.connection import Patience
from resources.hub.hub_repository import HubRepository
from resources.hub.repository import Change
from resources.hub.smoke import smoke, smoke_steps
from resources.hub.stand_in import writing
from resources.hub.stand_in.faults import Fault
from resources.hub.stand_in.server import StandIn

QUICK = Patience(attempts=2, wait_s=0, answer_s=2, sleep=lambda _: None)


def test_a_new_repository_is_tried_and_gone_again(hub: StandIn) -> None:
    lines = smoke("org/trial", endpoint=hub.endpoint, token=hub.token)
    assert len(lines) == 11
    assert {line.split()[0] for line in lines} == {"ok"}
    assert "so Xet is not tested" in "\n".join(lines)
    assert lines[-1] == "ok    cleaned: org/trial is gone again"
    assert HubRepository("org/trial", endpoint=hub.endpoint, token=hub.token).head() is None


def test_a_repository_that_is_there_is_as_before(hub: StandIn, on_hub: Any) -> None:
    repository = on_hub()
    repository.create()
    repository.commit(Change(put={"README.md": b"mine"}), parent=None, message="mine")
    lines = smoke("org/set", endpoint=hub.endpoint, token=hub.token)
    assert {line.split()[0] for line in lines} == {"ok"}
    assert repository.files("main").keys() == {"README.md"}
    assert repository.tags() == {}


def test_a_public_repository_is_not_written_to(hub: StandIn, on_hub: Any) -> None:
    repository = on_hub()
    repository.create()
    repository.make_public()
    head = repository.head()
    lines = smoke("org/set", endpoint=hub.endpoint, token=hub.token)
    assert [line.split()[0] for line in lines] == ["ok", "FAIL", "-"]
    assert "it is public" in lines[1]
    assert repository.head() == head


def test_a_hub_that_forgets_the_parent_is_found_out(hub: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    def head(repository: Any, state: Any, revision: str, *_: object) -> Any:
        return repository.resolve(revision, state)

    monkeypatch.setattr(writing, "_parent", head)
    steps = list(smoke_steps("org/trial", endpoint=hub.endpoint, token=hub.token, patience=QUICK))
    assert [text for word, text in steps if word == "FAIL"] == [
        "Hub: the Hub took a commit on a parent that is not the head of main. "
        "Releases rest on this: report it with the versions that doctor shows"
    ]
    assert steps[-1] == ("ok", "cleaned: org/trial is gone again")


def test_what_cannot_be_removed_is_told(hub: StandIn) -> None:
    hub.faults.arm(*(Fault("delete", number, "status_500") for number in (1, 2)))
    steps = list(smoke_steps("org/trial", endpoint=hub.endpoint, token=hub.token, patience=QUICK))
    assert steps[-1][0] == "FAIL"
    assert "not everything was removed" in steps[-1][1]


def test_who_stops_reading_has_it_cleaned(hub: StandIn) -> None:
    steps = smoke_steps("org/trial", endpoint=hub.endpoint, token=hub.token, patience=QUICK)
    for _ in range(4):
        next(steps)
    steps.close()  # type: ignore[attr-defined]
    assert HubRepository("org/trial", endpoint=hub.endpoint, token=hub.token).head() is None


def test_doctor_tells_it_and_fails_with_it(hub: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    from dagster_project.commands import doctor

    monkeypatch.setattr(doctor, "_checks", lambda: iter([("ok", "fine")]))
    monkeypatch.setenv("HF_ENDPOINT", hub.endpoint)
    monkeypatch.setenv("HF_TOKEN", hub.token)
    said = CliRunner().invoke(doctor.doctor, ["--hub-smoke", "org/trial"])
    assert said.exit_code == 0
    assert "ok    both files are read back by the tag, byte for byte" in said.output
    monkeypatch.setenv("HF_TOKEN", "hf_unknownunknown")
    said = CliRunner().invoke(doctor.doctor, ["--hub-smoke", "org/trial"])
    assert said.exit_code == 1
    assert "FAIL  hub:org/trial: the token cannot be checked" in said.output
    assert "hf_unknownunknown" not in said.output
