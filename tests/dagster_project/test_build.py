"""Whole builds on the scripted engine, in a folder of the user's own: what runs, what is reused, what a kill leaves."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from dagster_project.cli import main
from resources.requests.store import RequestStore

NAME = "sums"


def run(folder: Path, *arguments: str, capsys: pytest.CaptureFixture[str] | None = None) -> str:
    """Run one command in ``folder``; returns what it said. Fails the test if the command does."""
    before = Path.cwd()
    os.chdir(folder)
    try:
        code = main(arguments)
    finally:
        os.chdir(before)
    said = "".join(capsys.readouterr()) if capsys else ""
    assert code == 0, said
    return said


def environment(folder: Path, profile: str = "scripted") -> dict[str, dict[str, str]]:
    return json.loads((folder / ".mathloom" / "envs" / NAME / f"{profile}.json").read_text())["stages"]


def release_hashes(folder: Path, profile: str = "scripted") -> dict[str, str]:
    entry = environment(folder, profile)["release"]
    where = folder / ".mathloom" / "versions" / "release.folder" / entry["version"][:40] / "manifest.json"
    return {file["path"]: file["sha256"] for file in json.loads(where.read_text())["files"]}


def stored(folder: Path) -> int:
    with RequestStore(folder / ".mathloom") as store:
        store.seal()
        return store.stats().completions


def edit(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


def test_a_build_ends_in_a_dataset(built: Path) -> None:
    release = built / ".mathloom" / "releases" / NAME / "scripted"
    train = pq.read_table(release / "data" / "train-00000-of-00001.parquet")
    assert train.column_names == ["problem", "generated_solution", "expected_answer", "problem_source"]
    assert train.num_rows > 5
    assert pq.read_table(release / "data" / "train_tiny-00000-of-00001.parquet").num_rows == 5
    card = (release / "README.md").read_text()
    assert card.startswith("---\n")
    assert str(built) not in card


def test_times_are_of_a_run_and_of_no_version(built: Path) -> None:
    entry = environment(built)["answers"]
    store = built / ".mathloom"
    run = json.loads((store / "fingerprints" / f"{entry['fingerprint']}.json").read_text())["run"]
    assert {"seconds: extract", "seconds: keys", "slowest answers"} <= set(run["measured"])
    manifest = (store / "versions" / "answers.extract" / entry["version"][:40] / "manifest.json").read_text()
    assert "by_status" in manifest
    assert "seconds" not in manifest


def test_a_second_build_has_nothing_to_do(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = environment(project)
    said = run(project, "build", capsys=capsys)
    assert "nothing to do" in said
    assert environment(project) == before


def test_a_changed_filter_asks_no_request(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = stored(project)
    versions = environment(project)
    edit(project / "recipe.yaml", "min_solution_characters: 20", "min_solution_characters: 30")
    said = run(project, "build", capsys=capsys)
    assert stored(project) == before
    assert "0 completions generated" in said
    assert environment(project)["answers"] == versions["answers"]
    assert environment(project)["checked"]["fingerprint"] != versions["checked"]["fingerprint"]


def test_more_samples_ask_only_for_the_new_ones(project: Path) -> None:
    before = stored(project)
    problems = pq.read_metadata(
        next((project / ".mathloom/versions/sql.short_problems").glob("*/part-00000.parquet"))
    ).num_rows
    edit(project / "recipe.yaml", "samples: 4", "samples: 7")
    run(project, "build")
    assert stored(project) - before == 3 * problems


def test_reversed_seeds_ask_no_request(project: Path) -> None:
    before = stored(project)
    seeds = project / "seeds.jsonl"
    seeds.write_text("".join(reversed(seeds.read_text().splitlines(keepends=True))))
    run(project, "build")
    assert stored(project) == before


def test_a_new_seed_asks_exactly_its_requests(project: Path) -> None:
    before = stored(project)
    with (project / "seeds.jsonl").open("a") as handle:
        handle.write(
            '{"problem": "A train has 11 wagons with 30 seats each. How many seats?", "expected_answer": "330"}\n'
        )
    run(project, "build")
    assert stored(project) - before == 4


def test_going_back_promotes_the_stored_versions(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = environment(project)
    edit(project / "recipe.yaml", "max_words: 60", "max_words: 12")
    run(project, "build")
    assert environment(project)["short"] != before["short"]
    edit(project / "recipe.yaml", "max_words: 12", "max_words: 60")
    said = run(project, "build", capsys=capsys)
    assert environment(project) == before
    assert "0 completions generated" in said


def test_preview_is_an_environment_of_its_own_and_its_completions_are_reused(tmp_path: Path) -> None:
    folder = tmp_path / NAME
    run(tmp_path, "init", str(folder))
    run(folder, "preview", "-n", "2")
    asked = stored(folder)
    assert asked == 4  # two problems, at most two samples each
    assert set(environment(folder, "scripted.preview")) >= {"problems", "solutions", "release"}
    run(folder, "build")
    assert stored(folder) == 8 * 4  # eight problems state two numbers; nothing was asked twice


def test_a_kill_in_the_middle_loses_nothing_stored_and_changes_no_byte(project: Path, tmp_path: Path) -> None:
    """Killed with SIGKILL while the engine answers; the next build ends in the bytes of one that was never killed."""
    edit(
        project / "profiles" / "scripted.yaml",
        "{engine: scripted}",
        "{engine: scripted, latency_s: 1.0, latency_spread_s: 0.9}",
    )
    shutil.rmtree(project / ".mathloom")
    command = [sys.executable, "-m", "dagster_project.cli", "build"]
    child = subprocess.Popen(command, cwd=project, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    journals = project / ".mathloom" / "requests" / "journals"
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not any(f.stat().st_size > 2000 for f in journals.glob("*.journal")):
        time.sleep(0.02)
    child.send_signal(signal.SIGKILL)
    child.wait()
    kept = stored(project)
    assert 0 < kept < 32
    run(project, "build")
    assert stored(project) == 32
    again = tmp_path / "again" / NAME
    shutil.copytree(project, again, symlinks=True)
    for folder in ("versions", "fingerprints", "envs"):
        shutil.rmtree(again / ".mathloom" / folder)
    run(again, "build")
    assert release_hashes(again) == release_hashes(project)
    assert {s: e["version"] for s, e in environment(again).items()} == {
        s: e["version"] for s, e in environment(project).items()
    }


def test_two_builds_at_once_one_is_refused(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from resources.store import Environment

    edit(project / "recipe.yaml", "max_words: 60", "max_words: 20")
    with Environment.load(project / ".mathloom", NAME, "scripted").lock():
        before = Path.cwd()
        os.chdir(project)
        try:
            assert main(["build"]) == 1
        finally:
            os.chdir(before)
    said = capsys.readouterr().err
    assert "another build of this recipe and profile is running" in said


def test_a_failing_check_keeps_the_old_version(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = environment(project)
    edit(project / "recipe.yaml", "max_words: 60", "max_words: 15")
    edit(project / "recipe.yaml", "row_count_between: {min: 1}", "row_count_between: {min: 1000}")
    folder = Path.cwd()
    os.chdir(project)
    try:
        assert main(["build"]) == 1
    finally:
        os.chdir(folder)
    said = capsys.readouterr().err
    assert "blocking check(s) failed" in said
    assert environment(project)["graded"] == before["graded"]
    assert environment(project)["short"] != before["short"]


def test_select_builds_only_what_is_named(tmp_path: Path) -> None:
    folder = tmp_path / NAME
    run(tmp_path, "init", str(folder))
    run(folder, "build", "--select", "+short")
    assert set(environment(folder)) == {"problems", "with_numbers", "short"}
    run(folder, "build", "--select", "solutions or answers")
    assert set(environment(folder)) == {"problems", "with_numbers", "short", "solutions", "answers"}


@pytest.mark.parametrize("verb", ["ls", "status", "test", "doctor", "schema"])
def test_the_other_verbs_say_something(project: Path, verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    said = run(project, verb, capsys=capsys)
    assert len(said.splitlines()) > 3


def test_show_prints_rows_and_reasons(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = run(project, "show", NAME, "with_numbers", capsys=capsys)
    assert "1 too few numbers" in said
    lines = run(project, "show", NAME, "problems", "-n", "3", "--json", capsys=capsys).splitlines()
    assert len(lines) == 3
    assert set(json.loads(lines[0])) >= {"problem_id", "problem", "expected_answer"}


def test_clean_removes_what_no_environment_names(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    edit(project / "recipe.yaml", "max_words: 60", "max_words: 12")
    run(project, "build")
    assert "would remove" in run(project, "clean", "--dry-run", capsys=capsys)
    run(project, "clean")
    assert "nothing to do" in run(project, "build", capsys=capsys)
    assert stored(project) == 32
