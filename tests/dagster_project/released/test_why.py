"""Rows of a real build explained: kept, rejected at each stage, contaminated; and what cannot be named."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dagster_project.released.ids import parse_id
from dagster_project.released.shelf import Shelf, shelf_of
from dagster_project.released.why import Explanation, explain
from resources.errors import FileError, ReleaseError
from tests.dagster_project.released.conftest import HOSTILE, Built, Make, Project, Row, uid


@pytest.fixture
def shelf(first: tuple[Project, Built]) -> Shelf:
    project, built = first
    return shelf_of("quickstart", built.release, project.store)


@pytest.fixture
def bare(first: tuple[Project, Built]) -> Shelf:
    """The release alone, as somebody has it who downloaded it."""
    return shelf_of("quickstart", first[1].release, None)


def outcome(found: Explanation) -> tuple[str, str | None]:
    """The last stage, and the rule if it left there."""
    rejected = [step for step in found.path if step["outcome"] == "rejected"]
    return (rejected[0]["stage"], rejected[0]["rule"]) if rejected else (found.path[-1]["stage"], None)


@pytest.mark.slow
def test_a_released_row_goes_from_its_seed_to_its_splits(
    first: tuple[Project, Built], shelf: Shelf, bare: Shelf
) -> None:
    made = {row["problem_id"]: row for row in first[1].rows("generated")}
    seeds = {row["problem_id"]: row["problem"] for row in first[1].rows("seeds")}
    solutions = {row["solution_id"]: row for row in first[1].rows("new_solutions")}
    rows = [row for row in first[1].rows("train") if row["solution_id"] in solutions]
    row = rows[0]
    for where in (shelf, bare):
        found = explain(row["solution_id"], where)
        asked = solutions[row["solution_id"]]
        assert (found.what, found.state) == ("solution", "released")
        assert found.problem["problem"] == made[row["problem_id"]]["problem"]
        assert found.seed["problem"] in seeds.values()
        assert found.seed["source"] == "one_step"
        assert [edge["parent_id"] for edge in found.edges if edge["relation"] != "seed"][0] in seeds
        assert found.asked["request_key"] == asked["request_key"]
        assert (found.asked["stage"], found.asked["sample_index"]) == ("new_solutions", asked["sample_index"])
        assert list(found.asked["prompts"]) == ["solve"]
        assert found.asked["sampling"]["temperature"] == 0.4
        assert found.vote["answer"] == found.vote["expected_answer"]
        assert found.vote["votes"] <= found.vote["n_valid"] <= 4
        assert found.text["solution"]
        assert {"split": "train", "row": row["rank"], "rank": row["rank"], "k": row["k"]} in found.splits
        stages = [step["stage"] for step in found.path]
        assert [s for s in stages if s in ("generated", "clean_problems", "new_solutions", "graded", "checked")] == [
            "generated", "clean_problems", "new_solutions", "graded", "checked",
        ]  # fmt: skip
        assert "seed_solutions" not in stages
        assert all(check["passed"] for check in found.checks)
        assert {check["stage"] for check in found.checks} <= set(stages)
        json.dumps(found.as_json())


@pytest.mark.slow
def test_the_same_row_by_every_name(first: tuple[Project, Built], shelf: Shelf) -> None:
    row = first[1].rows("train")[3]
    solution = row["solution_id"]
    whole = explain(solution, shelf)
    assert explain("train:3", shelf) == whole
    assert explain(whole.asked["request_key"], shelf) == whole
    assert explain(solution.replace("-", "").upper()[:12], shelf) == whole
    problem = explain(row["problem_id"], shelf)
    assert problem.what == "problem"
    assert solution in [one["solution_id"] for one in problem.solutions]
    assert len(problem.solutions) == 4


@pytest.mark.slow
@pytest.mark.parametrize("stage", ["graded", "checked"])
def test_every_rejected_solution_says_its_rule(first: tuple[Project, Built], shelf: Shelf, stage: str) -> None:
    rejects = first[1].rows(stage, "rejects")
    assert rejects, "nothing was rejected: the test says nothing"
    for reject in rejects[:3]:
        found = explain(reject["id"], shelf)
        assert found.state == "rejected"
        assert outcome(found) == (stage, reject["rule"])
        assert found.text["solution"], "the text is in the request store"
        assert found.splits == []


@pytest.mark.slow
def test_a_problem_that_a_benchmark_has_shows_the_benchmark(project_with_matches: tuple[Shelf, Shelf, str]) -> None:
    shelf, bare, problem = project_with_matches
    found = explain(problem, shelf)
    assert found.state == "rejected"
    assert outcome(found) == ("clean_problems", "similar")
    assert found.contamination[0]["benchmark"] == "one_step_test"
    assert found.contamination[0]["benchmark_problem"]
    alone = explain(problem, bare)
    assert alone.state == "rejected"
    assert alone.contamination == found.contamination
    assert alone.problem["problem"] == found.problem["problem"]


@pytest.fixture
def project_with_matches(changing: tuple[Project, Built]) -> tuple[Shelf, Shelf, str]:
    project, _ = changing
    project.edit("recipe.yaml", "max_similarity: 0.9", "max_similarity: 0.3")
    built = project.build()
    [problem, *_] = [r["id"] for r in built.rows("clean_problems", "rejects") if r["rule"] == "similar"]
    return shelf_of("a", built.release, project.store), shelf_of("b", built.release, None), problem


# -- folders written by hand -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "words", ["", "abc", "0123456", "zzzzzzzzzz", "train:", "train:-1", "train:1.5", "'; drop", "a" * 33]
)
def test_words_that_name_nothing_are_refused(words: str) -> None:
    with pytest.raises(FileError, match="names no row"):
        parse_id(words)


def test_what_is_not_there_is_said_with_what_was_searched(release: Make) -> None:
    shelf = Shelf("r", release({"train": [Row("p")]}))
    for words in ("00000000", "train:1", "other:0"):
        with pytest.raises(FileError, match=r"there is no .*searched 1 split\(s\) of the release"):
            explain(words, shelf)


def test_a_beginning_of_several_ids_names_them(release: Make) -> None:
    ids = [f"abcdef01-0000-0000-0000-00000000000{n}" for n in range(2)]
    rows = [Row("p", n, origin={"solution_id": one}) for n, one in enumerate(ids)]
    shelf = Shelf("r", release({"train": rows}))
    with pytest.raises(FileError, match=f"beginning of 2 ids: {ids[0]}.*{ids[1]}"):
        explain("abcdef01", shelf)
    assert explain(ids[1], shelf).asked["sample_index"] == 1


def test_rows_are_numbered_over_all_files_of_a_split(release: Make) -> None:
    rows = [Row(f"p{n}", text=f"t{n}") for n in range(7)]
    shelf = Shelf("r", release({"train": rows, "small": rows[:4]}, files=3))
    for number, row in enumerate(rows):
        found = explain(f"train:{number}", shelf)
        assert (found.problem["problem"], found.text["solution"]) == (row.problem, row.text)
        places = {"train": number} | ({"small": number} if number < 4 else {})
        assert {place["split"]: place["row"] for place in found.splits} == places


def test_a_seed_that_only_its_children_name_is_found_by_them(release: Make) -> None:
    shelf = Shelf("r", release({"train": [Row("child", seed="seed")]}))
    found = explain(uid("problem", "seed"), shelf)
    assert (found.what, found.state) == ("problem", "not released")


def test_hostile_text_is_data(release: Make) -> None:
    row = Row(
        HOSTILE, text=HOSTILE, source=HOSTILE, stage=HOSTILE, origin={"prompts": "{" * 9999, "seed_source": HOSTILE}
    )
    found = explain(
        "train:0", Shelf(HOSTILE, release({"train": [row]}, {"stages": {HOSTILE: 3}, "lineage": {HOSTILE: []}}))
    )
    assert found.problem["problem"] == HOSTILE
    assert found.asked["prompts"] == "{" * 9999


def test_a_folder_without_provenance_has_no_ids(release: Make, tmp_path: Path) -> None:
    shelf = Shelf("r", release({"train": [Row("p")]}, has_provenance=False))
    with pytest.raises(FileError, match="there is no row 0"):
        explain("train:0", shelf)


def test_a_damaged_file_is_an_error_and_no_crash(release: Make) -> None:
    made = release({"train": [Row("p")]})
    made.provenance["train"][0].write_bytes(b"nothing")
    for words in ("train:0", "00000000"):
        with pytest.raises(ReleaseError, match="cannot be read"):
            explain(words, Shelf("r", made))
