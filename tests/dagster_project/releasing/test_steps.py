"""How far a change goes: each cause of a step alone, and which of several wins."""

from __future__ import annotations

from typing import Any

import pytest

from assets.release.difference import Difference, Rows, SchemaChange
from assets.release.numbering import Step
from dagster_project.releasing.steps import rewritten, step_of

SAME = Rows(5, 5, 0, 0, 0, 5)
MORE = Rows(5, 6, 1, 0, 0, 5)
GONE = SchemaChange("default", "column answer is gone", is_breaking=True)
NEW = SchemaChange("default", "split small is new", is_breaking=False)


def step(difference: Difference, **said: Any) -> tuple[Step, tuple[str, ...]]:
    words: dict[str, Any] = {"has_new_files": False, "has_new_card": False, "is_edited": False} | said
    found = step_of(difference, **words)
    return found.step, found.reasons


def of(**said: Any) -> Difference:
    words: dict[str, Any] = {"splits": {"train": SAME}} | said
    return Difference("v1.0.0", "built", **words)


@pytest.mark.parametrize(
    ("difference", "said", "due"),
    [
        (of(), {}, Step.NONE),
        (of(), {"has_new_card": True}, Step.PATCH),
        (of(), {"has_new_files": True}, Step.PATCH),
        (of(), {"is_edited": True}, Step.PATCH),
        (of(), {"has_new_files": True, "new_data": ["provenance/train.parquet"]}, Step.MINOR),
        (of(splits={"train": MORE}), {"has_new_files": True}, Step.MINOR),
        (of(other_configs={"contamination": MORE}), {"has_new_files": True}, Step.MINOR),
        (of(schema=[NEW]), {"has_new_files": True}, Step.MINOR),
        (of(schema=[GONE]), {"has_new_files": True}, Step.MAJOR),
        (of(schema=[NEW, GONE], splits={"train": MORE}), {"has_new_files": True, "has_new_card": True}, Step.MAJOR),
    ],
)
def test_steps(difference: Difference, said: dict[str, Any], due: Step) -> None:
    found, reasons = step(difference, **said)
    assert found is due
    assert reasons


def test_reasons_say_the_most_important_first() -> None:
    _, reasons = step(of(schema=[GONE], splits={"train": MORE}), has_new_files=True, has_new_card=True)
    assert reasons == ("default: column answer is gone", "rows of train: 1 added", "the card says something else")


def test_an_order_that_is_another_is_other_data() -> None:
    _, reasons = step(of(), has_new_files=True, new_data=["data/a.parquet", "provenance/a.parquet"])
    assert reasons[0] == "the same rows in another order or of another origin: data/a.parquet and 1 more"


def test_which_data_files_differ() -> None:
    old = {"files": {"a": {"rows": 1, "sha256": "1"}, "b": {"rows": 1, "sha256": "2"}, "c": {"rows": 1, "sha256": "3"}}}
    new = {"files": {"a": {"rows": 1, "sha256": "1"}, "b": {"rows": 1, "sha256": "9"}, "d": {"rows": 1, "sha256": "4"}}}
    assert rewritten(old, new) == ["b", "c", "d"]
    assert rewritten(old, old) == []


@pytest.mark.parametrize("files", [None, [], "text", {"a": 1}, 7])
def test_a_record_that_is_somebody_elses_has_no_files(files: Any) -> None:
    assert rewritten({"files": files}, {"files": {"a": {"sha256": "1"}}}) == ["a"]
