from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from dagster_project.cli import EXIT_USAGE, main
from dagster_project.released.named import find_release
from dagster_project.releasing.record import Recorded, Records
from resources.errors import FileError
from tests.dagster_project.released.conftest import NAME, PROFILE, Built, Make, Project, Row


def test_two_folders_outside_of_every_project(
    release: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    old = release({"train": [Row("p"), Row("q")]}).folder
    new = release({"train": [Row("p"), Row("r"), Row("s")]}).folder
    assert main(["diff", str(old), str(new)]) == 0
    said = capsys.readouterr().out
    row = next(line for line in said.splitlines() if line.startswith("train "))
    assert row.split()[:7] == ["train", "2", "3", "2", "1", "0", "1"]
    assert "told from the two releases alone" in said
    assert main(["diff", str(old), str(new), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["splits"]["train"] == {"old": 2, "new": 3, "added": 2, "removed": 1, "changed": 0, "same": 1}
    assert found["has_changed_rows"] is True
    assert found["is_exact"] is False
    assert len(found["samples"]) == 3


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["diff", "{old}"], "mathloom.toml"),
        (["diff", "{old}", "nothing-here"], "no release is here"),
        (["diff", "v1.0.0", "{old}"], "v1.0.0 is a tag"),
        (["diff", "{old}", "{old}", "--recipe", "x"], "mathloom.toml"),
    ],
)
def test_what_names_no_release(
    release: Make,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    words: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    old = release({"train": [Row("p")]}).folder
    assert main([word.format(old=old) for word in arguments]) == EXIT_USAGE
    assert words in capsys.readouterr().err


@pytest.mark.slow
def test_a_tag_that_was_released_from_here_is_read_from_the_store(first: tuple[Project, Built]) -> None:
    project, built = first
    version = built.versions["release"]
    record = Recorded(
        repository="someone/data", number="1.2.0", commit="c", parent="", digest="d", card="e",
        version=version.version, state="released", versions={"release": [version.kind, version.version]},
    )  # fmt: skip
    Records(project.store.root, NAME, PROFILE).add(record)
    for words in ("someone/data@v1.2.0", "hf://datasets/someone/data@v1.2.0", "v1.2.0"):
        named = find_release(words, None, project.store)
        assert named.release.folder == built.release.folder.resolve()
    with pytest.raises(FileError, match="v1.3.0 is a tag, and no recipe is named"):
        find_release("v1.3.0", None, project.store)
    Records(project.store.root, NAME, "other").add(replace(record, repository="someone/other"))
    with pytest.raises(FileError, match="v1.2.0 is a tag of several repositories: someone/data, someone/other"):
        find_release("v1.2.0", None, project.store)


@pytest.mark.slow
def test_against_the_current_build(
    first: tuple[Project, Built], release: Make, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    project, built = first
    monkeypatch.chdir(project.folder)
    assert main(["diff", str(built.release.folder)]) == 0
    said = capsys.readouterr().out
    assert "quickstart (scripted)" in said
    assert "Why rows differ" not in said
    assert main(["diff", str(release({"train": [Row("p")]}).folder), "--recipe", NAME, "--split", "train"]) == 0
    assert "train_tiny" not in capsys.readouterr().out.partition("Figures")[0]
