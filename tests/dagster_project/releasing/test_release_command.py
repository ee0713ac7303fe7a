"""``mathloom release``: what it says, what it sends, and its exit codes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from assets.release.numbering import Number
from dagster_project.language.resolved import Publishing
from dagster_project.releasing.destination import open_destination, with_destination
from resources.errors import HubError, ReleaseError, StoreError
from resources.hub.stand_in.server import StandIn, stand_in_environment
from tests.dagster_project.releasing.place import ACCEPT, Place

CLI = "import sys; from dagster_project.cli import main; sys.exit(main())"


def test_plan_then_release_then_where_it_is(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    assert place.run("release", "--to", "./out") == 0
    said = capsys.readouterr().err
    for words in ("v1.0.0 (first release)", "send 14", "green", "Released: v1.0.0", "load_dataset("):
        assert words in said
    place.become("rows")
    assert place.run("release", "--to", "./out", "--yes") == 0
    said = capsys.readouterr().err
    assert "v1.0.0 -> v1.1.0 (minor)" in said
    assert "filter: short" in said
    assert place.run("release", "--to", "./out") == 0
    assert "nothing new: v1.1.0" in capsys.readouterr().err
    assert [str(number) for number in place.tags] == ["1.0.0", "1.1.0"]
    assert (place.store / "dagster").is_dir()


def test_a_dry_run_sends_nothing(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    assert place.run("release", "sums", "--to", "./out", "--dry-run") == 0
    assert not (place.folder / "out").exists()
    assert place.records.read() == []
    assert not (place.store / "dagster").exists()
    place.edit(ACCEPT, "")
    assert place.run("release", "--to", "./out", "--dry-run") == 1
    said = capsys.readouterr().err
    assert "RED" in said
    assert "may not go out for 2 reason(s)" in said


def test_a_history_that_cannot_be_written_hides_no_release(
    place: Place, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(*arguments: Any) -> None:
        run_publish(*arguments)
        raise StoreError("the disk is full", where="dagster", fix="Free space")

    from dagster_project.releasing.history import run_publish

    monkeypatch.setattr("dagster_project.releasing.history.run_publish", run)
    assert place.run("release", "--to", "./out") == 0
    said = capsys.readouterr().err
    assert "It is released, and Dagster's history does not say so" in said
    assert "Released: v1.0.0" in said


def test_a_rehearsal_in_a_folder_leaves_no_history(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    assert place.run("release", "--rehearse", "try") == 0
    assert "Released: v1.0.0" in capsys.readouterr().err
    assert (place.folder / "try" / "v1.0.0" / "data").is_dir()
    assert place.records.read() == []
    assert not (place.store / "dagster").exists()


def test_revert_by_command(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    place.release()
    place.become("rows")
    place.release()
    assert place.run("release", "revert", "v1.0.0", "--to", "./out", "--dry-run") == 0
    assert len(place.tags) == 2
    assert place.run("release", "revert", "v1.0.0", "sums", "--to", "./out", "--yes") == 0
    assert place.tags[-1] == Number(1, 2, 0)
    assert "a revert" in capsys.readouterr().err
    assert place.run("release", "revert", "v9.9.9", "--to", "./out") == 1


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ([], 1, "--rehearse-hub"),
        (["--to", "somewhere"], 1, "neither a repository nor a folder"),
        (["--to", "./out", "--pull-request"], 1, "no pull requests"),
        (["--to", "a/b", "--rehearse", "x"], 2, "exclude each other"),
        (["--step", "major", "--version", "2.0.0"], 2, "exclude each other"),
        (["--serve"], 2, "--rehearse-hub"),
        (["--version", "one"], 1, "no number"),
        (["public", "--to", "./out", "--yes"], 1, "a local folder is not published"),
        (["revert"], 2, "release revert"),
        (["nothing"], 2, "no recipe"),
    ],
)
def test_usage(place: Place, capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, words: str) -> None:
    assert place.run("release", *arguments) == code
    assert words in capsys.readouterr().err


def test_without_a_token_nothing_is_asked(place: Place, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("huggingface_hub.get_token", lambda: None)
    monkeypatch.delenv("HF_TOKEN", raising=False)
    with pytest.raises(HubError, match="no token"):
        open_destination(Publishing(place.recipe.place, repository="org/name"))


def test_to_goes_before_the_profile(place: Place) -> None:
    recipe, publishing = with_destination(place.publishing(), "org/name")
    assert (publishing.repository, publishing.folder) == ("org/name", None)
    assert recipe.publishing == publishing
    _, publishing = with_destination(place.publishing(), None)
    assert publishing.folder == place.folder / "out"
    with pytest.raises(ReleaseError, match="nobody says"):
        with_destination(place.recipe, None)


def command(place: Place, environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", CLI, *arguments],
        cwd=place.folder,
        env={**os.environ, **environment, "HF_HOME": str(place.folder / "hf")},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_whole_life_on_a_hub(place: Place) -> None:
    with StandIn(place.folder / "hub") as hub:
        environment = stand_in_environment(hub)
        done = command(place, environment, "release", "--to", "org/sums")
        assert done.returncode == 0, done.stderr
        assert "It is private" in done.stderr
        assert hub.token not in done.stderr
        hub.forget_calls()
        again = command(place, environment, "release", "--to", "org/sums")
        assert "nothing new: v1.0.0" in again.stderr
        assert all(call.method in ("GET", "HEAD") for call in hub.calls)
        place.become("rows")
        asked = command(place, environment, "release", "--to", "org/sums", "--pull-request")
        assert "as a pull request" in asked.stderr, asked.stderr
        assert "Merge it:" in asked.stderr
        opened = command(place, environment, "release", "public", "--to", "org/sums", "--yes")
        assert "is public" in opened.stderr, opened.stderr
    assert [release.state for release in place.records.read()] == ["released", "pull request"]
    assert_the_ui_knows(place)


def assert_the_ui_knows(place: Place) -> None:
    from dagster import AssetKey

    from dagster_project.dagster_home import open_instance

    with open_instance(place.store) as instance:
        event = instance.get_latest_materialization_event(AssetKey(["hub", "org", "sums"]))
        assert event is not None
        assert event.asset_materialization is not None
        assert event.asset_materialization.metadata["tag"].value == "v1.0.0"
        event = instance.get_latest_materialization_event(AssetKey(["sums", "publish"]))
        assert event is not None
        assert event.asset_materialization is not None
        assert event.asset_materialization.metadata["state"].value == "pull request"


def test_a_rehearsal_on_a_hub_of_ones_own(place: Place) -> None:
    done = command(place, {}, "release", "sums", "--rehearse-hub")
    assert done.returncode == 0, done.stderr
    rows = place.plan().built.rows
    assert f"train {rows['train']:,}, train_tiny {rows['train_tiny']:,} rows" in done.stderr
    assert (place.store / "rehearsal_hub").is_dir()
    assert place.records.read() == []
    assert not (place.store / "dagster").exists()


def test_a_rehearsal_serves_until_ctrl_c(place: Place) -> None:
    arguments = [sys.executable, "-c", CLI, "release", "sums", "--rehearse-hub", "--serve"]
    with subprocess.Popen(arguments, cwd=place.folder, stderr=subprocess.PIPE, text=True) as child:
        assert child.stderr is not None
        shown = []
        while not any(line.startswith("python ") for line in shown):
            line = child.stderr.readline()
            assert line, shown
            shown.append(line)
        child.send_signal(signal.SIGINT)
        rest = child.stderr.read()
    assert child.returncode == 0
    assert "Stopped." in rest
    export, load = shown[-2:]
    assert export.startswith("export HF_ENDPOINT=http://127.0.0.1:")
    assert "load_dataset('rehearsal/sums', revision='v1.0.0')" in load
