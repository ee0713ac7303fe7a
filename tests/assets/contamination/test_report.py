"""The report over a small comparison: who matched what, seeds that stay, and every count."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pyarrow as pa
import pytest

from assets.contamination.calibration import CALIBRATED
from assets.contamination.report_kind import Report
from assets.kinds import Settings
from assets.schemas import BENCHMARK, JUDGED, NEIGHBOUR, OVERLAP, PROBLEM, REJECT, SOLUTION, problem_id, table_of
from resources.identity import digest128, hash_json

HOSTILE = '<script>alert("x")</script> ![a](http://b) | `c`'
NAMES = ("copy", "shares words", "near", "judged", "silent", HOSTILE)
BENCH = {name: problem_id(f"bench {name}") for name in "abc"}


def new(name: str) -> bytes:
    return problem_id(f"new {name}")


def problems() -> pa.Table:
    rows = [
        {"problem_id": new(name), "problem": f"new {name}", "problem_source": f"augmented_{'ab'[i % 2]}"}
        for i, name in enumerate(NAMES)
    ]
    return table_of(PROBLEM, rows)


def benchmarks() -> list[pa.Table]:
    def rows(benchmark: str, names: str) -> pa.Table:
        return table_of(
            BENCHMARK,
            [
                {"benchmark_id": BENCH[name], "problem": f"bench {name}", "benchmark": benchmark, "row": 10 + i}
                for i, name in enumerate(names)
            ],
        )

    return [rows("test", "abc"), rows("olympiad", "c")]


def overlap(problem: bytes, name: str | None, longest: int, *, is_exact: bool = False) -> dict[str, Any]:
    found = {"benchmark_id": BENCH[name], "benchmark": "test", "shared": "some words"} if name else {}
    return {"problem_id": problem, "is_exact": is_exact, "longest": longest} | found


def neighbour(problem: bytes, names: str, similarities: Sequence[float]) -> dict[str, Any]:
    return {
        "problem_id": problem,
        "benchmark_ids": [BENCH[name] for name in names],
        "benchmarks": ["test"] * len(names),
        "similarities": list(similarities),
    }


def neighbours(rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    """``table_of`` knows no lists of ids."""
    flat = pa.array([i for row in rows for i in row["benchmark_ids"]], pa.binary(16))
    ends = [0]
    for row in rows:
        ends.append(ends[-1] + len(row["benchmark_ids"]))
    ids = pa.ListArray.from_arrays(pa.array(ends, pa.int32()), pa.ExtensionArray.from_storage(pa.uuid(), flat))
    plain = table_of(
        pa.schema([NEIGHBOUR.field(name) for name in ("problem_id", "benchmarks", "similarities")]),
        [{key: row[key] for key in ("problem_id", "benchmarks", "similarities")} for row in rows],
    )
    columns = {name: plain.column(name) for name in plain.column_names} | {"benchmark_ids": ids}
    return pa.table([columns[field.name] for field in NEIGHBOUR], schema=NEIGHBOUR)


def said(problem: bytes, name: str, forward: str, backward: str, verdict: str) -> dict[str, Any]:
    return {
        "pair_id": digest128("pair", problem, name),
        "problem_id": problem,
        "benchmark_id": BENCH[name],
        "verdict_forward": forward,
        "verdict_backward": backward,
        "verdict": verdict,
    }


def reject(name: str, rule: str) -> dict[str, Any]:
    return {"id": new(name), "rule": rule, "reason": "because"}


def world() -> dict[str, Any]:
    return {
        "removed": table_of(
            REJECT,
            [
                reject("copy", "exact match"),
                reject("shares words", "n-gram"),
                reject("near", "similar"),
                reject("judged", "judged contaminated"),
                reject("silent", "no verdict"),
            ],
        ),
        "problems": problems(),
        "benchmarks": benchmarks(),
        "overlaps": table_of(
            OVERLAP,
            [
                overlap(new("copy"), "a", 30, is_exact=True),
                overlap(new("shares words"), "b", 13),
                overlap(new("near"), "a", 8),
                *(overlap(new(name), None, 0) for name in NAMES[3:]),
            ],
        ),
        "neighbours": neighbours(
            [
                neighbour(new("copy"), "a", [1.0]),
                neighbour(new("shares words"), "ab", [0.7, 0.65]),
                neighbour(new("near"), "b", [0.95]),
                neighbour(new("judged"), "cab", [0.75, 0.5, 0.3]),
                neighbour(new("silent"), "b", [0.6]),
                neighbour(new(HOSTILE), "c", [0.1]),
            ]
        ),
        "judged": table_of(
            JUDGED,
            [
                said(new("judged"), "c", "false", "none", "no verdict"),
                said(new("judged"), "a", "false", "true", "contaminated"),
                said(new("silent"), "b", "none", "none", "no verdict"),
                said(new("shares words"), "a", "false", "false", "clean"),
            ],
        ),
        "calibration": CALIBRATED.empty_table(),
        "seeds": table_of(
            PROBLEM,
            [{"problem_id": problem_id(f"seed {n}"), "problem": f"seed {n}", "problem_source": "s"} for n in range(3)],
        ),
        "seed_overlaps": table_of(
            OVERLAP,
            [
                overlap(problem_id("seed 0"), "a", 30),
                overlap(problem_id("seed 1"), "b", 0, is_exact=True),
                overlap(problem_id("seed 2"), None, 0),
            ],
        ),
        "solutions": [SOLUTION.empty_table()],
    }


@pytest.fixture
def ran(run_table_kind: Callable[..., Any]) -> Any:
    return run_table_kind(Report(), Settings(), **world())


def test_each_removed_problem_stands_beside_its_benchmark_problem(ran: Any) -> None:
    names = ("problem", "rule", "benchmark", "benchmark_row", "benchmark_problem", "similarity", "verdict_backward")
    found = {row["problem"]: tuple(row[name] for name in names[1:]) for row in ran.rows()}
    assert found == {
        "new copy": ("exact match", "test", 10, "bench a", 1.0, None),
        "new shares words": ("n-gram", "test", 11, "bench b", pytest.approx(0.65), None),
        "new near": ("similar", "test", 11, "bench b", pytest.approx(0.95), None),
        "new judged": ("judged contaminated", "test", 10, "bench a", 0.5, "true"),
        "new silent": ("no verdict", "test", 11, "bench b", pytest.approx(0.6), "none"),
    }
    rows = ran.rows()
    assert [row["benchmark_row"] for row in rows] == sorted(row["benchmark_row"] for row in rows)
    assert {(row["split"], row["solutions"]) for row in rows} == {("removed", 0)}
    assert next(row["shared"] for row in rows if row["rule"] == "n-gram") == "some words"


def test_seeds_are_reported_and_stay(ran: Any) -> None:
    found = [(row["split"], row["problem"], row["rule"], row["benchmark_problem"]) for row in ran.rows("seeds")]
    assert found == [("seeds", "seed 0", "n-gram", "bench a"), ("seeds", "seed 1", "exact match", "bench b")]


def figures(ran: Any, name: str, *columns: str) -> list[tuple[Any, ...]]:
    return [tuple(row[column] for column in columns) for row in ran.rows("figures") if row["figure"] == name]


def test_counts_by_benchmark_source_and_size(ran: Any) -> None:
    assert figures(ran, "benchmark problems", "benchmark", "count") == [("test", 3), ("olympiad", 1)]
    assert figures(ran, "problems compared", "problem_source", "count") == [("augmented_a", 3), ("augmented_b", 3)]
    removed = figures(ran, "problems removed", "benchmark", "problem_source", "outcome", "count")
    assert ("test", "augmented_a", "exact match", 1) in removed
    assert sum(row[-1] for row in removed) == 5
    words = figures(ran, "problems that share words", "benchmark", "problem_source", "bound", "count")
    assert words == [
        ("test", "augmented_a", "8", 2),
        ("test", "augmented_a", "10", 1),
        ("test", "augmented_a", "13", 1),
        ("test", "augmented_a", "30", 1),
        ("test", "augmented_a", "exact", 1),
        ("test", "augmented_b", "8", 1),
        ("test", "augmented_b", "10", 1),
        ("test", "augmented_b", "13", 1),
    ]
    seeds = figures(ran, "seeds that share words", "bound", "count")
    assert seeds == [("8", 1), ("10", 1), ("13", 1), ("30", 1), ("exact", 1)]


def test_the_share_of_a_benchmark_with_a_neighbour_before_and_after(ran: Any) -> None:
    before = figures(ran, "benchmark problems with a neighbour among all", "benchmark", "bound", "count")
    after = figures(ran, "benchmark problems with a neighbour among the kept", "benchmark", "bound", "count", "share")
    assert [row[1:] for row in before if row[0] == "test"] == [
        ("0.5", 3),
        ("0.6", 3),
        ("0.7", 3),
        ("0.8", 2),
        ("0.9", 2),
    ]
    assert [row[1:] for row in before if row[0] == "olympiad"][2:] == [("0.7", 1), ("0.8", 0), ("0.9", 0)]
    assert {row[2:] for row in after} == {(0, 0.0)}


def test_pairs_by_similarity_and_verdict(ran: Any) -> None:
    assert figures(ran, "nearest pairs", "bound", "outcome", "count") == [
        ("0.9", "not judged", 2),
        ("0.7", "clean", 1),
        ("0.7", "no verdict", 1),
        ("0.6", "no verdict", 1),
        ("0.6", "not judged", 1),
        ("0.5", "contaminated", 1),
        ("0.3", "not judged", 1),
        ("0.1", "not judged", 1),
    ]


def test_facts_for_the_ui(ran: Any) -> None:
    found = ran.facts["contamination"]
    assert (found["problems compared"], found["problems removed"], found["removed by no verdict"]) == (6, 5, 1)
    assert (found["pairs judged contaminated"], found["seeds that share words: 13 in a row"]) == (1, 1)


def test_solutions_of_removed_problems_are_counted(run_table_kind: Callable[..., Any]) -> None:
    solved = [
        {"solution_id": digest128("s", str(i)), "problem_id": new(name), "request_key": digest128("r", str(i))}
        | {"text_hash": digest128("t", str(i)), "problem_source": "x", "sample_index": i}
        | {"finish_reason": "stop", "stage": "solved"}
        for i, name in enumerate(["copy", "copy", HOSTILE])
    ]
    ran = run_table_kind(Report(), Settings(), **world() | {"solutions": [table_of(SOLUTION, solved)]})
    assert {row["problem"]: row["solutions"] for row in ran.rows() if row["solutions"]} == {"new copy": 2}
    assert ran.facts["contamination"]["solutions of removed problems"] == 2


def test_without_neighbours_and_a_judge(run_table_kind: Callable[..., Any]) -> None:
    given = world()
    given["removed"] = given["removed"].slice(0, 2)
    given |= {"neighbours": neighbours([]), "judged": JUDGED.empty_table()}
    ran = run_table_kind(Report(), Settings(), **given)
    assert [(row["rule"], row["similarity"]) for row in ran.rows()] == [("exact match", None), ("n-gram", None)]
    assert not figures(ran, "benchmark problems with a neighbour among all", "bound")


def test_golden(ran: Any) -> None:
    """A changed hash means changed rows: raise the version of the kind."""
    tables = {name: [{k: str(v) for k, v in row.items()} for row in ran.rows(name)] for name in ran.tables}
    assert (Report.version, hash_json(tables)[:16]) == (1, "09d4a6ff2d96e370")
