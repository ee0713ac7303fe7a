"""`mathloom lineage`: of a recipe's build, of a released folder, of a release in a repository."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from dagster_project.cli import main


def said(folder: Path, capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    before = Path.cwd()
    os.chdir(folder)
    try:
        assert main(["lineage", *arguments]) == 0, capsys.readouterr().err
    finally:
        os.chdir(before)
    return capsys.readouterr().out


def test_a_recipe_and_its_folder_and_its_release_say_the_same(
    built: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = built / ".mathloom" / "releases" / "sums" / "scripted"
    words = said(built, capsys, "sums", "--format", "json")
    assert said(tmp_path, capsys, str(folder), "--format", "json") == words
    names = [node["name"] for node in json.loads(words)["stages"]]
    assert names.index("solutions") < names.index("answers") < names.index("train")


def test_events_are_lines_of_json(built: Path, capsys: pytest.CaptureFixture[str]) -> None:
    events = [json.loads(line) for line in said(built, capsys, "sums").splitlines()]
    assert {"solutions", "train"} <= {event["job"]["name"] for event in events}
    assert all(event["eventType"] == "COMPLETE" for event in events)
    assert said(built, capsys, "sums").splitlines() == [json.dumps(event, sort_keys=True) for event in events]


def test_a_chart_has_the_rows_of_the_release(built: Path, capsys: pytest.CaptureFixture[str]) -> None:
    chart = said(built, capsys, "sums", "--format", "mermaid")
    assert chart.startswith("flowchart LR\n")
    assert '["train_tiny<br/>sql/split_prefix<br/>5 rows"]' in chart


def test_a_recipe_that_was_never_built_says_so(built: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = Path.cwd()
    os.chdir(built)
    try:
        assert main(["lineage", "nothing"]) == 2
    finally:
        os.chdir(before)
    assert "no recipe 'nothing'" in capsys.readouterr().err
