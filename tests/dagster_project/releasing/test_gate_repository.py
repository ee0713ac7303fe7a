"""Questions about schema and number, without a project: what a change asks of the next number."""

from __future__ import annotations

import pytest

from assets.release.difference import Difference, SchemaChange
from assets.release.numbering import Number, Step
from dagster_project.releasing.gate_repository import ask_number, ask_schema
from dagster_project.releasing.state import RepositoryState

RELEASED = RepositoryState("org/set", "b" * 40, {"v1.0.0": "a" * 40, "v1.1.0": "b" * 40})
NOTHING = RepositoryState("org/set", None)


def difference(*, is_breaking: bool) -> Difference:
    changes = [
        SchemaChange("default", "column votes is new (int32)", False),
        *([SchemaChange("default", "split train_1M is gone", True)] if is_breaking else []),
    ]
    return Difference("v1.1.0", "this build", {}, schema=changes)


@pytest.mark.parametrize(
    ("number", "is_breaking", "refusals"),
    [
        (Number(1, 2, 0), True, 1),
        (Number(1, 1, 1), True, 1),
        (Number(2, 0, 0), True, 0),
        (Number(1, 2, 0), False, 0),
    ],
)
def test_what_breaks_readers_needs_a_major_number(number: Number, is_breaking: bool, refusals: int) -> None:
    found = list(ask_schema(RELEASED, difference(is_breaking=is_breaking), number))
    assert len(found) == refusals
    assert all("split train_1M is gone" in reason.what and "--step major" in reason.fix for reason in found)


def test_a_first_release_breaks_nobody() -> None:
    assert list(ask_schema(NOTHING, None, Number(1, 0, 0))) == []
    assert list(ask_schema(NOTHING, difference(is_breaking=True), Number(1, 0, 0))) == []


@pytest.mark.parametrize(
    ("state", "number", "computed", "said"),
    [
        (NOTHING, Number(1, 0, 0), Step.NONE, None),
        (NOTHING, Number(3, 1, 4), Step.NONE, None),
        (NOTHING, Number(0, 9, 0), Step.NONE, "v0.9.0 is below the first release, v1.0.0"),
        (RELEASED, Number(1, 2, 0), Step.MINOR, None),
        (RELEASED, Number(5, 0, 0), Step.PATCH, None),
        (RELEASED, Number(1, 1, 0), Step.PATCH, "the tag v1.1.0 is there already"),
        (RELEASED, Number(1, 0, 0), Step.PATCH, "the tag v1.0.0 is there already"),
        (RELEASED, Number(1, 0, 5), Step.PATCH, "v1.0.5 is lower than v1.1.0"),
        (RELEASED, Number(1, 1, 1), Step.MINOR, "the change is minor, and v1.1.1 is a patch step after v1.1.0"),
        (RELEASED, Number(1, 2, 0), Step.MAJOR, "the change is major, and v1.2.0 is a minor step after v1.1.0"),
        (RELEASED, Number(1, 2, 1_000_000_000), Step.MINOR, "larger than a number of a release can be"),
    ],
)
def test_numbers_rise_and_say_enough(state: RepositoryState, number: Number, computed: Step, said: str | None) -> None:
    found = list(ask_number(state, number, computed))
    assert [reason.level for reason in found] == ([] if said is None else ["refuse"])
    assert said is None or said in found[0].what


def test_the_remedy_is_the_number_that_the_change_needs() -> None:
    [reason] = ask_number(RELEASED, Number(1, 1, 1), Step.MINOR)
    assert "name a higher one: v1.2.0" in reason.fix
