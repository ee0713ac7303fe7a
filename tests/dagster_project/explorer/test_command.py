"""What `mathloom explore` says when it cannot show anything, and where it looks."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from dagster_project.cli import EXIT_FAILED, EXIT_USAGE, main
from resources.hub import reading as hub


def error_of(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = EXIT_USAGE) -> str:
    assert main(["explore", *arguments]) == code
    return capsys.readouterr().err


def test_the_index_can_be_made_beforehand(
    release_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["explore", str(release_folder), "--index", str(tmp_path), "--index-only"]) == 0
    [index] = tmp_path.iterdir()
    assert (index / "words.parquet").is_file()
    assert index.name in capsys.readouterr().err


def test_a_dataset_of_the_hub_is_downloaded_by_its_revision(
    release_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    monkeypatch.setattr(hub, "download", lambda *wanted: asked.append(wanted) or release_folder)
    for name in ("org/name@v1.0.0", "org/name"):
        assert main(["explore", name, "--index", str(tmp_path), "--index-only"]) == 0
    assert asked == [("org/name", "v1.0.0"), ("org/name", "main")]
    assert "downloading org/name@v1.0.0" in capsys.readouterr().err


def test_a_folder_without_data_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "data/*.parquet" in error_of(capsys, str(tmp_path))


def test_a_version_to_compare_with_must_be_one(
    release_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "no dataset is here" in error_of(capsys, str(release_folder), "--against", str(tmp_path))


def test_a_recipe_that_is_not_built(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["init", str(tmp_path / "sums")]) == 0
    monkeypatch.chdir(tmp_path / "sums")
    assert "mathloom build sums" in error_of(capsys, "sums", code=EXIT_FAILED)
    assert "Write 'sums'" in error_of(capsys, "summs")


def test_a_taken_port_is_named(release_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from dagster_project.explorer import page

    with socket.socket() as taken, pytest.MonkeyPatch.context() as patch:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]

        class Page:
            def launch(self, **options: object) -> None:
                raise OSError(f"Cannot find empty port in range: {port}")

        patch.setattr(page, "make_page", lambda *_: Page())
        patch.setattr(page, "launch_options", lambda **_: {})
        said = error_of(capsys, str(release_folder), "--index", str(tmp_path), "--port", str(port), code=EXIT_FAILED)
    assert f"port {port} cannot be used" in said
    assert "--port" in said


def test_without_gradio_the_extra_is_named(
    release_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "gradio", None)
    assert "pip install 'mathloom[explorer]'" in error_of(capsys, str(release_folder), "--index", str(tmp_path))
