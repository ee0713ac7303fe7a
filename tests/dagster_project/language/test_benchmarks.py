"""The section `benchmarks:`: read by its own kind, listed by ``for_each``, pinned like sources, never a seed too."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

import pytest

from dagster_project.language.lock import read_lock, write_lock
from dagster_project.language.preview import preview
from dagster_project.language.resolved import Recipe
from dagster_project.planning.ahead import requests_ahead
from dagster_project.running.fingerprint import fingerprint_parts
from dagster_project.running.workspace import Workspace
from resources.errors import RecipeError
from resources.sources.source import SourceSpec

Load = Callable[..., Recipe]
R = "demo/recipe.yaml"
P = "demo/profiles/local.yaml"
STAGES = """\
  "test_{b}":
    for_each: {b: benchmarks}
    kind: fake/benchmark
    source: "{b}"
stages:
"""
TWO = (
    (
        R,
        "roles: [teacher]\n",
        "benchmarks:\n  amc: {path: amc.jsonl, rows: 40}\n  aime: {path: aime.jsonl}\nroles: [teacher]\n",
    ),
    (R, "  merged:\n", STAGES.removesuffix("stages:\n") + "  merged:\n"),
)


def wrong(load: Load, *changes: tuple[str, str, str]) -> str:
    with pytest.raises(RecipeError) as raised:
        load(*TWO, *changes)
    return str(raised.value)


def test_benchmarks_and_sources_are_two_lists(load: Load) -> None:
    recipe = load(*TWO)
    assert [s.source for s in recipe.stages.values() if s.kind.name == "fake/benchmark"] == ["amc", "aime"]
    assert [name for name in recipe.stages if name.startswith("from_")] == ["from_red", "from_blue"]
    assert {name: source.is_benchmark for name, source in recipe.sources.items()} == {
        **{"red": False, "blue": False},
        **{"amc": True, "aime": True},
    }


def test_a_profile_puts_another_file_in_the_place_of_a_benchmark(load: Load) -> None:
    recipe = load(*TWO, (P, "roles:\n", "benchmarks:\n  amc: {path: ~/amc.csv}\nroles:\n"))
    assert recipe.sources["amc"].path == Path.home() / "amc.csv"
    assert recipe.sources["amc"].is_benchmark


def test_a_benchmark_is_locked_and_pinned_like_a_source(load: Load, tmp_path: Path) -> None:
    recipe = load(*TWO)
    entry = {"revision": None, "sha256": "b" * 64, "rows": 7}
    write_lock(recipe, tmp_path / "store", {"amc": entry, "blue": entry})
    assert read_lock(recipe, tmp_path / "store") == {"amc": entry, "blue": entry}
    spec = Workspace(recipe, tmp_path / "store").source_spec("amc")
    assert (spec.name, spec.path) == ("amc", recipe.root / "amc.jsonl")
    assert {f.name for f in fields(SourceSpec)} >= {"name", "path", "columns"}


def test_a_preview_reads_benchmarks_whole(load: Load, tmp_path: Path) -> None:
    recipe = load(*TWO)
    assert recipe.sources["amc"].path is not None
    recipe.sources["amc"].path.write_text('{"problem": "p"}\n')
    small = preview(recipe, 2)
    assert requests_ahead(small)["test_amc"].rows == {"amc": 40}
    stage = small.stages["test_amc"]
    parts = [fingerprint_parts(Workspace(r, tmp_path / "store"), stage, {}) for r in (recipe, small)]
    assert parts[0] == parts[1]


SAME = {
    "the same file": ("{path: data/blue.jsonl}", "{path: ./amc.jsonl}"),
    "the same split": ("{path: data/blue.jsonl}", "{hub: Lab/AMC, track: main, split: test}"),
    "all configs": ("{path: data/blue.jsonl}", '{hub: lab/amc, track: main, split: test, config: "*"}'),
}


@pytest.mark.parametrize("case", SAME)
def test_a_seed_is_no_benchmark(load: Load, case: str) -> None:
    changes = [(R, *SAME[case])]
    if "hub" in SAME[case][1]:
        changes += [(R, "{path: amc.jsonl, rows: 40}", "{hub: lab/amc, revision: " + "a" * 40 + ", split: test}")]
    text = wrong(load, *changes)
    assert "recipe.yaml:10: the benchmark 'amc' is the source 'blue' of " in text
    assert "recipe.yaml:8. Give one of them another split or file, or remove it" in text


def test_a_bundled_file_is_the_same_file_by_its_path(load: Load) -> None:
    text = wrong(load, (R, "{path: amc.jsonl, rows: 40}", "{path: demo/seeds.jsonl}"))
    assert "the benchmark 'amc' is the source 'red'" in text


def test_a_profile_cannot_make_a_seed_of_a_benchmark(load: Load) -> None:
    text = wrong(load, (P, "roles:\n", "sources:\n  blue: {path: amc.jsonl}\nroles:\n"))
    assert "recipe.yaml:10: the benchmark 'amc' is the source 'blue' of " in text
    assert "local.yaml:3." in text


@pytest.mark.parametrize(
    "other", ["{hub: lab/amc, track: main, split: train}", "{hub: lab/amc, track: main, config: b, split: test}"]
)
def test_another_split_or_config_is_another_set(load: Load, other: str) -> None:
    load(
        *TWO,
        (R, "{path: data/blue.jsonl}", other),
        (R, "{path: amc.jsonl, rows: 40}", "{hub: lab/amc, track: main, config: a, split: test}"),
    )


BROKEN = {
    "one name for both": (
        ("  aime: {path", "  red: {path"),
        "recipe.yaml:11: 'red' is a benchmark, and a source in line 7. Rename one of them",
    ),
    "a seed kind reads a benchmark": (
        ("source: blue}", "source: aime}"),
        "recipe.yaml:15: 'aime' is a benchmark, and the kind 'fake/seeds' reads sources only. "
        "Use the kind contamination/benchmark",
    ),
    "the kind of benchmarks reads a source": (
        ('source: "{b}"', "source: red"),
        "recipe.yaml:33: 'red' is a source, and the kind 'fake/benchmark' reads benchmarks only. Use a seed kind",
    ),
    "unknown benchmark": (
        ('source: "{b}"', 'source: "{b}x"'),
        "recipe.yaml:33: unknown benchmark 'amcx'. Write 'amc'",
    ),
    "no benchmark": (
        ('    source: "{b}"\n', ""),
        "recipe.yaml:30: stage 'test_amc' reads a benchmark and names none. Add `source: amc`",
    ),
    "unknown key": (("aime: {path", "aime: {pth"), "recipe.yaml:11: unknown key 'pth'"),
    "no list": (
        ("{b: benchmarks}", "{b: benchmark}"),
        "must be 'sources' or 'benchmarks' or a list",
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_broken(load: Load, case: str) -> None:
    change, text = BROKEN[case]
    assert text in wrong(load, (R, *change))


def test_an_unknown_benchmark_of_a_profile(load: Load) -> None:
    text = wrong(load, (P, "roles:\n", "benchmarks:\n  amk: {path: x.csv}\nroles:\n"))
    assert "local.yaml:3: unknown benchmark 'amk'. Write 'amc'" in text
