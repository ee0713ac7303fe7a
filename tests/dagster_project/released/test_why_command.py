from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from dagster_project.cli import EXIT_USAGE, main
from dagster_project.released.tables import difference_parts
from dagster_project.released.why import explain
from dagster_project.released.why_words import explanation_lines
from tests.dagster_project.released.conftest import HOSTILE, Built, Make, Project, Row


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder outside of every project."""
    monkeypatch.chdir(tmp_path)


@pytest.mark.usefixtures("elsewhere")
def test_a_folder_needs_no_project(release: Make, capsys: pytest.CaptureFixture[str]) -> None:
    folder = release({"train": [Row("What is 1?", text="It is 1.")]}).folder
    assert main(["why", "train:0", str(folder)]) == 0
    said = capsys.readouterr().out
    for words in ("released", "What is 1?", "It is 1.", "train:0", "solutions"):
        assert words in said
    assert main(["why", "train:0", str(folder), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["problem"]["problem"] == "What is 1?"


@pytest.mark.usefixtures("elsewhere")
def test_text_is_cut_and_printable(release: Make, capsys: pytest.CaptureFixture[str]) -> None:
    folder = release({"train": [Row(HOSTILE, text=HOSTILE + "x" * 5000 + "END", source=HOSTILE)]}).folder
    assert main(["why", "train:0", str(folder)]) == 0
    said = capsys.readouterr().out
    assert "END" not in said
    assert main(["why", "train:0", str(folder), "--full"]) == 0
    full = capsys.readouterr().out
    assert "END" in full
    assert "[bold]x[/bold]" in full, "markup of rich is text"
    for output in (said, full):
        assert not set(output) & set("\x1b\x00\u202e")


@pytest.mark.usefixtures("elsewhere")
@pytest.mark.parametrize("arguments", [["why", "xyz", "{folder}"], ["why", "00000000", "{folder}"], ["why", "train:0"]])
def test_what_cannot_be_named_is_a_mistake_of_use(
    release: Make, arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    folder = release({"train": [Row("p")]}).folder
    assert main([word.format(folder=folder) for word in arguments]) == EXIT_USAGE
    assert capsys.readouterr().err.startswith("error: ")


@pytest.mark.slow
def test_the_only_recipe_is_meant_where_none_is_named(
    first: tuple[Project, Built], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    project, built = first
    monkeypatch.chdir(project.folder)
    reject = built.rows("graded", "rejects")[0]
    for where in ([], ["quickstart"], [os.path.relpath(built.release.folder, project.folder)]):
        assert main(["why", reject["id"], *where]) == 0
        said = capsys.readouterr().out
        assert f"rejected  {reject['rule']}" in said
    assert main(["why", reject["id"], "quickstar"]) == EXIT_USAGE
    assert "quickstart" in capsys.readouterr().err


def test_no_word_of_a_row_reaches_the_terminal_raw(release: Make) -> None:
    from dagster_project.released.difference import compare
    from dagster_project.released.shelf import Shelf

    row = Row(HOSTILE, text=HOSTILE, answer=HOSTILE, source=HOSTILE, stage=HOSTILE)
    old, new = release({"train": [Row("p")]}), release({"train": [Row("p"), row]}, {"sources": {HOSTILE: {}}})
    lines = explanation_lines(explain("train:1", Shelf(HOSTILE, new)))
    text = "".join(line.plain for line in lines)
    assert not set(text) & set("\x1b\x00\u202e")
    difference = compare(old, new, names=(HOSTILE, HOSTILE), store=None, memory_limit="500MB")
    from rich.console import Console

    console = Console(record=True, width=200)
    for part in difference_parts(difference):
        console.print(part, markup=False)
    assert not set(console.export_text()) & set("\x1b\x00\u202e")
