"""Decontamination as a build does it: a judge tried out first, asked again, failing closed; and a released report."""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from dagster_project.cli import main
from resources.identity import show_id
from resources.requests.store import RequestStore

pytestmark = pytest.mark.slow  # each test is a build or two

PROMPT = """
mode: chat
messages:
  - role: user
    content: |-
      First problem:
      {{ first }}

      Second problem:
      {{ second }}

      Are they the same? True or False.
"""
RECIPE = """
recipe: clean
title: clean
owners: ["team:data"]
sources:
  mine: {bundled: mine.jsonl}
benchmarks:
  exam: {bundled: exam.jsonl}
roles: [judge]
stages:
  all: {kind: seeds/problems, source: mine}
  exam: {kind: contamination/benchmark, source: exam}
  clean:
    use: decontaminate_judged
    with: {candidates: all, seeds: all, benchmarks: exam}
    set: {pairs: {most: 2}}
"""
PETS = ("cats", "dogs", "owls", "cows", "hens", "rats", "pigs", "goats", "geese", "ducks")
COUNT = 60


def texts() -> list[str]:
    return [f"A farm has {n + 3} {PETS[n % 10]} and buys {2 * n + 5} more. How many are there?" for n in range(COUNT)]


def exam() -> list[str]:
    """Every sixth is the same story as a problem in another order, the others have other numbers."""
    stories = "There are {a} {pet} on a farm, and it buys {b} more. How many has the farm?"
    return [
        stories.format(a=n + 3 if n % 6 == 0 else n + 200, pet=PETS[n % 10], b=2 * n + 5) for n in range(COUNT - 1)
    ] + [texts()[-1].upper()]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "prompts").mkdir()
    (tmp_path / "profiles").mkdir()
    (tmp_path / "prompts/judge.yaml").write_text(PROMPT)
    (tmp_path / "recipe.yaml").write_text(RECIPE)
    (tmp_path / "mathloom.toml").write_text('[recipes.clean]\nfolder = "."\nprofile = "here"\n')
    rows = [json.dumps({"problem": text, "expected_answer": "1"}) for text in texts()]
    (tmp_path / "mine.jsonl").write_text("\n".join(rows))
    (tmp_path / "exam.jsonl").write_text("\n".join(json.dumps({"question": text}) for text in exam()))
    return tmp_path


def build(folder: Path, judge: str, settings: str = "", *, code: int = 0) -> None:
    profile = f"profile: here\nroles:\n  judge: {{engine: scripted, {judge}}}\n{settings}"
    (folder / "profiles/here.yaml").write_text(profile)
    before = Path.cwd()
    os.chdir(folder)
    try:
        assert main(["build"]) == code
    finally:
        os.chdir(before)


def read(folder: Path, stage: str, table: str = "") -> list[dict[str, Any]]:
    entry = json.loads((folder / ".mathloom/envs/clean/here.json").read_text())["stages"][stage]
    version = folder / ".mathloom/versions" / entry["kind"].replace("/", ".") / entry["version"][:40]
    return pq.read_table(version / table / "part-00000.parquet").to_pylist()


def completions(folder: Path) -> int:
    with RequestStore(folder / ".mathloom") as store:
        store.seal()
        return store.stats().completions


def test_a_judge_that_is_asked_again_and_what_it_removes(folder: Path) -> None:
    build(folder, "missing_verdicts: 0.2, wrong_verdicts: 0")
    asked = Counter(row["slot"] for row in read(folder, "clean_judged", "requests"))
    pairs = read(folder, "clean_pairs")
    assert asked["forward"] == asked["backward"] == len(pairs)
    assert 0 < asked["forward again"] < len(pairs) / 2
    assert {row["row_id"] for row in read(folder, "clean_judged", "requests")} == {row["pair_id"] for row in pairs}
    calibrated = read(folder, "clean_judged", "calibration")
    assert len(calibrated) == 60
    rules = {row["rule"]: row for row in read(folder, "clean_problems", "rejects")}
    assert set(rules) >= {"exact match", "judged contaminated"}
    assert rules["exact match"]["detail"] == f"exam row {COUNT - 1}"
    assert re.fullmatch(
        r"exam row \d+, said (true|false|none) and (true|false|none)", rules["judged contaminated"]["detail"]
    )
    kept = {row["problem_id"] for row in read(folder, "clean_problems")}
    removed = read(folder, "clean_report")
    assert len(kept) + len(removed) == COUNT
    same = {text for n, text in enumerate(texts()) if n % 6 == 0} | {texts()[-1]}
    assert {row["problem"] for row in removed} >= same
    found = {row["problem"]: row for row in removed if row["rule"] == "judged contaminated"}
    assert all(re.findall(r"\d+", row["benchmark_problem"]) == re.findall(r"\d+", text) for text, row in found.items())
    figures = {(row["figure"], row["outcome"]): row["count"] for row in read(folder, "clean_report", "figures")}
    assert sum(count for (figure, _), count in figures.items() if figure == "calibration pairs") == 60


def test_nothing_is_asked_twice_and_other_batches_give_the_same_rows(folder: Path) -> None:
    judge = "missing_verdicts: 0.2, wrong_verdicts: 0"
    build(folder, judge)
    before, versions = completions(folder), read(folder, "clean_judged", "requests")
    for gone in ("versions", "fingerprints", "envs"):
        (folder / ".mathloom" / gone).rename(folder / f"old-{gone}")
    build(folder, judge, "settings:\n  clean_judged: {batch_rows: 7}\n")
    assert completions(folder) == before
    assert read(folder, "clean_judged", "requests") == versions


def test_a_judge_without_verdicts_stops_its_stage_and_is_asked_about_no_pair(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    build(folder, "missing_verdicts: 1.0", "settings:\n  clean_judged: {ask_again: 1}\n", code=1)
    said = " ".join("".join(capsys.readouterr()).split())
    assert "the model cannot judge: 60 of 60 pairs of our own have no verdict" in said
    assert completions(folder) == 60 * 2 * 2, "both orders, once again"
    stages = json.loads((folder / ".mathloom/envs/clean/here.json").read_text())["stages"]
    assert "clean_pairs" in stages
    assert not {"clean_judged", "clean_problems"} & set(stages)


@pytest.mark.parametrize("is_closed", [True, False])
def test_without_a_verdict_a_problem_leaves_unless_the_recipe_says_otherwise(folder: Path, is_closed: bool) -> None:
    settings = "settings:\n  clean_judged: {ask_again: 0}\n  clean_problems: {fails_closed: %s}\n"
    build(folder, "missing_verdicts: 0.08", settings % str(is_closed).lower())
    verdicts = read(folder, "clean_judged")
    bad = {row["problem_id"] for row in verdicts if row["verdict"] == "contaminated"}
    silent = {row["problem_id"] for row in verdicts if row["verdict"] == "no verdict"} - bad
    assert silent
    left = {row["id"] for row in read(folder, "clean_problems", "rejects") if row["rule"] == "no verdict"}
    assert left == (silent if is_closed else set())


def test_requests_that_fail_for_good_have_no_verdict(folder: Path) -> None:
    settings = "settings:\n  clean_judged: {max_failure_share: 1.0, ask_again: 0}\n"
    build(folder, "missing_verdicts: 0, permanent_failures: 0.08", settings)
    failed = {row["row_id"] for row in read(folder, "clean_judged", "requests") if row["status"] == "rejected"}
    assert failed
    for row in read(folder, "clean_judged"):
        assert (row["verdict"] == "clean") <= (row["pair_id"] not in failed)


def test_many_failures_stop_the_stage(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    build(folder, "lasting_failures: 0.5", code=1)
    assert "max_failure_share" in "".join(capsys.readouterr())


def test_no_pairs_need_no_judge(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    build(folder, "missing_verdicts: 1.0", "settings:\n  clean_pairs: {most: 0}\n")
    assert completions(folder) == 0
    assert not read(folder, "clean_judged")
    assert [row["rule"] for row in read(folder, "clean_problems", "rejects")] == ["exact match"]
    assert "starting engine" not in "".join(capsys.readouterr())


def test_the_quickstart_removes_something_and_releases_the_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mathloom.toml").write_text('[recipes.quickstart]\nprofile = "scripted"\n')
    assert main(["build"]) == 0
    release = tmp_path / ".mathloom/releases/quickstart/scripted"
    removed = pq.read_table(release / "contamination/removed-00000-of-00001.parquet").to_pylist()
    assert {row["rule"] for row in removed} == {"exact match", "n-gram", "similar"}
    assert all(row["benchmark_problem"] and row["benchmark"] == "one_step_test" for row in removed)
    seeds = pq.read_table(release / "contamination/seeds-00000-of-00001.parquet").to_pylist()
    assert seeds
    train = pq.read_table(release / "data/train-00000-of-00001.parquet").column("problem").to_pylist()
    assert not {row["problem"] for row in removed} & set(train)
    assert f"{len(removed)} were removed" in (release / "README.md").read_text()
    store = tmp_path / ".mathloom"
    entry = json.loads((store / "envs/quickstart/scripted.json").read_text())["stages"]["new_solutions"]
    ledger = pq.read_table(store / "versions/generation.solve" / entry["version"][:40] / "requests/part-00000.parquet")
    asked = {show_id(row.bytes) for row in ledger.column("row_id").to_pylist()}
    assert not asked & {row["problem_id"] for row in removed}, "what leaves is not solved"
