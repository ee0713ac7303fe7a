"""The config `contamination` of a release, and what the card says of the comparison with benchmarks."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pytest

from assets.schemas import FIGURE, MATCH, problem_id, table_of
from resources.identity import show_id

World = Any
Release = Callable[..., Any]
HOSTILE = "<img src=x onerror=alert(1)> [a](http://b.example) | `x` \u202e\x1b[31m"


def match(split: str, problem: str, **words: Any) -> dict[str, Any]:
    return {
        "split": split,
        "problem_id": problem_id(problem),
        "problem": problem,
        "problem_source": "augmented_gsm8k",
        "rule": "n-gram",
        "benchmark": "test",
        "benchmark_row": 3,
        "benchmark_id": problem_id("bench"),
        "benchmark_problem": "bench",
        "longest": 13,
        "shared": "a b c",
        "similarity": 0.5,
        "solutions": 0,
    } | words


def figure(name: str, count: int, **words: Any) -> dict[str, Any]:
    return {"figure": name, "count": count} | words


FIGURES = [
    figure("benchmark problems", 1319, benchmark="test"),
    figure("benchmark problems", 40, benchmark=HOSTILE),
    figure("problems compared", 90, problem_source="augmented_gsm8k"),
    figure("problems removed", 2, benchmark="test", problem_source="augmented_gsm8k", outcome="n-gram"),
    figure("problems removed", 1, benchmark=None, problem_source="augmented_gsm8k", outcome=HOSTILE),
    figure("problems that share words", 5, benchmark="test", problem_source="augmented_gsm8k", bound="8"),
    figure("problems that share words", 2, benchmark="test", problem_source="augmented_gsm8k", bound="13"),
    figure("seeds that share words", 7, benchmark="test", problem_source="gsm8k", bound="8"),
    figure("benchmark problems with a neighbour among all", 10, benchmark="test", bound="0.5", share=0.25),
    figure("benchmark problems with a neighbour among the kept", 8, benchmark="test", bound="0.5", share=0.2),
    figure("nearest pairs", 4, bound="0.6", outcome="clean"),
    figure("nearest pairs", 9, bound="0.2", outcome="not judged"),
    figure("calibration pairs", 58, outcome="right"),
    figure("calibration pairs", 2, outcome="no verdict"),
    figure("solutions of removed problems", 0),
]


@pytest.fixture
def compared(world: World) -> World:
    removed = [match("removed", "Removed two?"), match("removed", HOSTILE, benchmark_row=1)]
    world.contamination = {
        "contamination": {
            "report": table_of(MATCH, removed),
            "report.seeds": table_of(MATCH, [match("seeds", "Seed one?", rule="exact match", similarity=None)]),
        },
        "contamination_figures": {"report.figures": table_of(FIGURE, FIGURES)},
    }
    world.context["benchmarks"] = {"test": {"hub": "org/test", "revision": "a" * 40}}
    return world


def test_the_card_names_the_splits_of_the_report_that_there_are(compared: World, release: Release) -> None:
    assert "# splits: removed, seeds\n" in release(compared).card()
    compared.contamination["contamination"].pop("report")
    assert '"contamination")  # splits: seeds\n' in release(compared).card()


def test_a_waiver_is_not_said_where_benchmarks_were_compared(compared: World, release: Release) -> None:
    compared.context["recipe"] = {"release": {"accept": {"contamination": "There were none."}}}
    assert "There were none" not in release(compared).card()


def test_matches_are_a_config_of_the_release(compared: World, release: Release) -> None:
    released = release(compared)
    assert [row["problem"] for row in released.read("contamination", "removed")] == [HOSTILE, "Removed two?"]
    row = released.read("contamination", "seeds")[0]
    assert row["problem_id"] == show_id(problem_id("Seed one?"))
    assert (row["rule"], row["benchmark_row"], row["benchmark_problem"]) == ("exact match", 3, "bench")
    assert "split" not in row
    assert "benchmarks" in json.loads((released.folder / "BUILD.json").read_text())


def test_datasets_loads_it(compared: World, release: Release, tmp_path: Any) -> None:
    import datasets

    folder = str(release(compared, splits="shared", max_shard_bytes=1000).folder)
    found = datasets.load_dataset(folder, "contamination", cache_dir=str(tmp_path / "cache"))
    assert {name: part.num_rows for name, part in found.items()} == {"removed": 2, "seeds": 1}
    assert found["removed"].features["similarity"].dtype == "float64"


def test_the_card_says_what_was_compared_and_removed(compared: World, release: Release) -> None:
    card = release(compared).card()
    section = card.split("## Contamination")[1].split("\n## ")[0]
    assert "90 new problems were compared" in section
    assert "3 were removed" in section
    assert "| `test` | org/test | `aaaaaaaaaaaa` | 1,319 | 2 |" in section
    assert "| new problems | 5 | 0 | 2 | 0 | 0 |" in section
    assert "| seeds | 7 | 0 | 0 | 0 | 0 |" in section
    assert "| `test` | 25.0 %, 20.0 % |" in section
    assert "| 0.6 | 0 | 4 | 0 | 0 |" in section
    assert "tried with 60 pairs whose answer is known. right: 58; no verdict: 2." in section
    assert "load_dataset('ORG/NAME', \"contamination\")" in section
    assert "only where the funnel lists such a stage" not in card


def test_nothing_in_the_card_can_act(compared: World, release: Release) -> None:
    card = release(compared).card()
    for bad in ("<img", "](http", "\x1b", "\u202e"):
        assert bad not in card
    assert "&lt;img src=x" in card


def test_nothing_matched_gives_no_config_and_a_section(compared: World, release: Release) -> None:
    compared.contamination["contamination"] = {"report": MATCH.empty_table()}
    released = release(compared)
    assert {row["config"] for row in released.files} == {"default", "provenance"}
    assert "## Contamination" in released.card()
    assert "lists each of them" not in released.card()


def test_without_a_report_the_release_is_what_it_was(world: World, release: Release) -> None:
    released = release(world)
    assert "## Contamination" not in released.card()
    assert "only where the funnel lists such a stage" in released.card()
    assert "contamination" not in json.loads((released.folder / "BUILD.json").read_text())


def test_rows_in_another_order_give_the_same_bytes(compared: World, release: Release) -> None:
    first = release(compared)
    parts = compared.contamination["contamination"]
    parts["report"] = parts["report"].take(pa.array([1, 0]))
    assert release(compared).files == first.files
