"""The index, and what is found with it: on a release alone, and on a whole scripted build."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from assets.release.folder_reading import read_release
from dagster_project.commands.explore import _place
from dagster_project.explorer.access import Reader
from dagster_project.explorer.compared import compare
from dagster_project.explorer.found import PAGE, Wishes, find
from dagster_project.explorer.indexing import open_index
from dagster_project.explorer.nearest import benchmarks, beside, findings
from dagster_project.explorer.opened import open_problem
from dagster_project.explorer.places import place_of_folder
from tests.dagster_project.explorer.conftest import HOSTILE, PROBLEMS, Opened, opened


def problems(where: Opened, wishes: Wishes) -> list[str]:
    return [row["problem"] for row in find(where.reader, where.index, wishes).rows]


def test_facts(released: Opened) -> None:
    facts = released.index.facts
    assert facts["problems"] == 5
    assert facts["rows"] == facts["released"] == 10
    assert facts["splits"] == ["train", "train_small"]
    assert facts["sources"] == ["augmented_fruit", "fruit"]
    assert facts["length"] == "tokens"


def test_problems_stand_in_the_order_of_the_release(released: Opened) -> None:
    assert problems(released, Wishes()) == [text[:600] for text in PROBLEMS]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("apple", [0, 4]),
        ("APPLE cost", [0]),  # the last word may be the beginning of one
        ("cost apple", []),
        ("baskets 4", [1, 2]),
        ("4 pears baskets", [1]),
        ("basket how ", []),  # a finished word must be there whole
        ("frac", [0, 3]),
        ("' or 1=1 --", []),
        ("script broken", [3]),
        ("10000000-0000-0000-0000-000000000002", [2]),
        ("00000000-0000-0000-0000-000000000006", [1]),
        ("20000000-0000-0000-0000-000000000008", [3]),
        ("99999999-0000-0000-0000-000000000008", []),
        ("\N{GREEK SMALL LETTER PI}", []),
        ("$$$", [0, 1, 2, 3, 4]),
    ],
)
def test_search(released: Opened, text: str, found: list[int]) -> None:
    assert problems(released, Wishes(text=text)) == [PROBLEMS[i][:600] for i in found]


@pytest.mark.parametrize(
    ("wishes", "found"),
    [
        (Wishes(source="fruit"), [(1, None)]),
        (Wishes(least_votes=3), [(3, None), (4, None)]),
        (Wishes(least_votes=1, most_votes=2), [(1, None), (2, None)]),
        (Wishes(split="train_small"), [(0, 1), (1, 1), (2, 1), (3, 1), (4, 1)]),
        (Wishes(split="none"), []),
        (Wishes(shortest=18), [(3, 1), (4, 1)]),
        (Wishes(shortest=12, longest=12), [(2, 1)]),
        (Wishes(status="released", text="apple"), [(0, 2), (4, 2)]),
        (Wishes(status="rejected"), []),
        (Wishes(rule="' or 1=1"), []),
    ],
)
def test_filters(released: Opened, wishes: Wishes, found: list[tuple[int, int | None]]) -> None:
    rows = find(released.reader, released.index, wishes).rows
    assert [(PROBLEMS.index(row["problem"]), row["matching"]) for row in rows] == found


def test_pages_end_where_rows_do(released: Opened) -> None:
    found = find(released.reader, released.index, Wishes(page=10**6))
    assert (found.count, found.page, found.pages, len(found.rows)) == (5, 0, 1, 5)
    assert PAGE > 5


def test_the_index_is_found_again_and_made_once(released: Opened, tmp_path: Path) -> None:
    said: list[str] = []
    first = open_index(released.place, tmp_path, say=said.append)
    assert said
    before = {path.name: path.stat().st_mtime_ns for path in first.folder.iterdir()}
    said.clear()
    again = open_index(released.place, tmp_path, say=said.append)
    assert not said
    assert before == {path.name: path.stat().st_mtime_ns for path in again.folder.iterdir()}
    assert [path.name for path in tmp_path.iterdir()] == [first.folder.name]  # nothing half-made is left


def test_two_indexes_of_the_same_content_are_the_same_bytes(released: Opened, tmp_path: Path) -> None:
    one, two = (open_index(released.place, tmp_path / name, threads=n) for n, name in ((1, "a"), (2, "b")))
    for path in one.folder.iterdir():
        assert path.read_bytes() == (two.folder / path.name).read_bytes(), path.name


def test_an_opened_problem_has_its_samples_with_text_and_origin(released: Opened) -> None:
    found = open_problem(released.reader, released.place, released.index, 2)
    assert found is not None
    assert [(s["sample_index"], s["text"], s["length"]) for s in found.samples] == [
        (0, r"Solution 2 of \(1 + 2\) \boxed{12}", 12),
        (1, r"Solution 7 of \(1 + 7\) \boxed{12}", 17),
    ]
    assert [(s["relation"], s.get("parent"), s.get("source_row")) for s in found.lineage] == [("seed", PROBLEMS[1], 7)]
    assert found.settings["new_solutions"]["sampling"] == {"temperature": 0.7}
    assert open_problem(released.reader, released.place, released.index, 99) is None


def test_samples_come_in_pages(released: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dagster_project.explorer.opened.SAMPLES", 1)
    pages = [open_problem(released.reader, released.place, released.index, 0, page) for page in (0, 1, 2)]
    assert [[s["sample_index"] for s in page.samples] for page in pages if page] == [[0], [1], []]


def test_nearest_by_words_seeds_beside_the_rest(released: Opened) -> None:
    found = beside(released.reader, released.place, released.index, "How many pears lie in 3 baskets of 4 pears?")
    assert [row["problem"] for row in found.seeds] == [PROBLEMS[1]]
    assert found.dataset[0]["problem"] == PROBLEMS[2]
    assert 0 < found.dataset[0]["similarity"] < found.seeds[0]["similarity"] < 1


def test_a_release_names_its_benchmark_problems_by_its_report(released: Opened) -> None:
    [row] = benchmarks(released.reader, released.place, released.index)
    assert row["benchmark"] == "school"
    found = beside(released.reader, released.place, released.index, row["problem"], row["benchmark_id"])
    assert [line["rule"] for line in found.findings] == ["n-gram"]
    assert len(findings(released.reader, released.place)) == 1


@pytest.mark.parametrize("text", ["", "zzz", "\\", "'; drop", "1.5", "x" * 10**5])
def test_nearest_takes_any_text(released: Opened, text: str) -> None:
    assert beside(released.reader, released.place, released.index, text).dataset in ([], ())


def test_versions(released: Opened, older_folder: Path) -> None:
    release = released.place.release
    assert release is not None
    found = compare(released.reader, read_release(older_folder), release, "train")
    assert found.counts == {"added": 1, "removed": 0, "changed": 1, "same": 8}
    [changed] = found.rows["changed"]
    assert (changed["old"], changed["new"]) == ("Another text.", r"Solution 0 of \(1 + 0\) \boxed{12}")
    [added] = found.rows["added"]
    assert (added["old"], added["new"]) == (None, r"Solution 9 of \(1 + 9\) \boxed{12}")
    back = compare(released.reader, release, read_release(older_folder), "train")
    assert back.counts == {"added": 0, "removed": 1, "changed": 1, "same": 8}
    assert compare(released.reader, release, release, "none").counts["same"] == 0


def test_versions_without_provenance_only_come_and_go(released: Opened, older_folder: Path) -> None:
    release = released.place.release
    assert release is not None
    old, new = (replace(one, provenance={}) for one in (read_release(older_folder), release))
    assert compare(released.reader, old, new, "train").counts == {"added": 2, "removed": 1, "changed": 0, "same": 8}


def test_a_foreign_dataset_needs_only_problems(copied: Path, tmp_path: Path) -> None:
    for gone in ("provenance/train-00000-of-00002.parquet", "BUILD.json"):
        (copied / gone).unlink()
    for path in (copied / "provenance").iterdir():
        path.unlink()
    found = opened(place_of_folder(copied), tmp_path / "index")
    assert found.index.facts["length"] == "characters"
    assert found.index.facts["rows"] == 15  # a row of each split: nothing says which are the same
    problem = open_problem(found.reader, found.place, found.index, 3)
    assert problem is not None
    assert problem.problem["problem"] == HOSTILE
    assert [s["text"][:10] for s in problem.samples] == ["Solution 3", "Solution 8", "Solution 3"]
    assert problem.lineage == []
    found.reader.close()


# A whole build: the stages too.


@pytest.fixture(scope="module")
def staged(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Opened]:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(built)
        place, _ = _place("sums", None, [])
    found = opened(place, tmp_path_factory.mktemp("staged"))
    yield found
    found.reader.close()


def test_a_build_shows_what_was_rejected_and_why(staged: Opened) -> None:
    facts = staged.index.facts
    assert {"incorrect", "too few numbers"} <= set(facts["rules"])
    rejected = find(staged.reader, staged.index, Wishes(rule="incorrect"))
    assert 0 < rejected.count < facts["problems"]
    row = rejected.rows[0]
    assert row["n_rows"] - row["n_released"] >= row["matching"] > 0
    found = open_problem(staged.reader, staged.place, staged.index, row["doc"])
    assert found is not None
    wrong = [sample for sample in found.samples if sample["rule"] == "incorrect"]
    assert len(wrong) == row["matching"]
    for sample in wrong:
        assert sample["left_at"] == "graded"
        assert sample["reason"]
        assert sample["text_from"] == "request store"
        assert sample["text"]
    assert all(s["text_from"] == "release" for s in found.samples if s["status"] == "released")


def test_a_rejected_problem_is_listed_with_its_rule(staged: Opened) -> None:
    [row] = find(staged.reader, staged.index, Wishes(rule="too few numbers")).rows
    assert (row["rule"], row["n_rows"]) == ("too few numbers", 0)
    found = open_problem(staged.reader, staged.place, staged.index, row["doc"])
    assert found is not None
    assert [(s["status"], s["left_at"]) for s in found.samples] == [("rejected", "with_numbers")]


def test_lineage_and_settings_of_a_build(staged: Opened) -> None:
    found = open_problem(staged.reader, staged.place, staged.index, 0)
    assert found is not None
    assert [(step["relation"], step["source"]) for step in found.lineage] == [("seed", "seeds")]
    assert found.settings["solutions"]["settings"]["temperature"] == 0.7


def test_every_sample_of_a_build_is_in_the_index(staged: Opened) -> None:
    rows = staged.reader.ask(f"select status, count(*) as n from {staged.index.table('rows')} group by 1")
    counts = {row["status"]: row["n"] for row in rows}
    assert counts["released"] + counts["rejected"] == 8 * 4 + 1
    assert counts["released"] == staged.index.facts["released"]


def test_the_explorer_knows_no_dagster() -> None:

    code = (
        "import sys, dagster_project.explorer.page, dagster_project.explorer.compared; print('dagster' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_a_reader_closes(released: Opened, tmp_path: Path) -> None:
    Reader([released.index.folder], tmp_path).close()
