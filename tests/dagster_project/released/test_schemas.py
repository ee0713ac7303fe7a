from __future__ import annotations

from typing import Any

import pytest

from dagster_project.released.schemas import schema_changes

COLUMNS = {
    "default": [["problem", "string", "The problem."], ["votes", "int32", "Votes."]],
    "provenance": [["k", "int32", ""]],
}
BUILD = {"columns": COLUMNS, "splits": {"train": 3}}


def changed(**parts: Any) -> list[tuple[str, str, bool]]:
    return [(c.config, c.what, c.is_breaking) for c in schema_changes(BUILD, BUILD | parts)]


def columns(*lines: list[str]) -> dict[str, Any]:
    return COLUMNS | {"default": [list(line) for line in lines]}


def test_nothing_differs() -> None:
    assert changed() == []


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ({"columns": columns(COLUMNS["default"][0])}, ("default", "column votes is gone", True)),
        (
            {"columns": columns(COLUMNS["default"][0], ["votes", "int64", "Votes."])},
            ("default", "column votes: int32 became int64", True),
        ),
        (
            {"columns": columns(COLUMNS["default"][0], ["votes", "int32", "Shares."])},
            ("default", "column votes: its meaning is described otherwise", True),
        ),
        (
            {"columns": columns(*COLUMNS["default"], ["level", "string", "Level."])},
            ("default", "column level is new (string)", False),
        ),
        ({"columns": {"default": COLUMNS["default"]}}, ("provenance", "config provenance is gone", True)),
        ({"columns": COLUMNS | {"report": [["a", "b", ""]]}}, ("report", "config report is new", False)),
        ({"splits": {"test": 1}}, ("default", "split train is gone", True)),
        ({"splits": {"train": 9, "test": 1}}, ("default", "split test is new", False)),
    ],
)
def test_what_differs_and_whether_it_breaks(parts: dict[str, Any], expected: tuple[str, str, bool]) -> None:
    assert expected in changed(**parts)
    assert len(changed(**parts)) == (2 if parts == {"splits": {"test": 1}} else 1)


@pytest.mark.parametrize("columns", [None, [], 3, {"default": 3}, {"default": [3, [], ["x"]]}])
def test_a_record_of_another_shape_says_nothing_and_breaks_nothing(columns: Any) -> None:
    found = schema_changes({"columns": columns, "splits": {"train": 3}}, {"columns": columns, "splits": {"train": 3}})
    assert found == []
