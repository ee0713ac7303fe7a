"""``answers/clusters`` over real sessions and files: rows, counts, and verdicts that are kept for the next build."""

from __future__ import annotations

import hashlib
import json
import uuid
from typing import Any

import pyarrow as pa

from assets.answers.cluster_kind import CACHE_FILE, WEIGHT, ClusterSettings, FindClusters
from assets.answers.key import canonical_key
from assets.schemas import ANSWER, CLUSTER, CLUSTERED, EXPECTED, problem_id, solution_id, table_of
from resources.identity import digest128

TWO = r"\mystery{a}"
PROBLEMS: list[list[str | None]] = [
    ["1/3", "1/3", "0.3333", None],
    ["2", "2", TWO],
    [None],
    ["7", "7.0", "8"],
]


def name(number: int) -> uuid.UUID:
    return uuid.UUID(bytes=problem_id(f"problem {number}"))


NO_STEP = ClusterSettings(symbolic_seconds=0)


def answers(problems: list[list[str | None]]) -> pa.Table:
    rows = []
    for number, given in enumerate(problems):
        problem = problem_id(f"problem {number}")
        for sample, answer in enumerate(given):
            key = None if answer is None else canonical_key(answer)
            rows.append(
                {
                    "solution_id": solution_id(problem, digest128("request", str(sample))),
                    "problem_id": problem,
                    "sample_index": sample,
                    "answer": answer,
                    "answer_key": key and key.text,
                    "answer_status": key.status if key else "no box",
                }
            )
    return table_of(ANSWER, rows)


def known(given: list[str]) -> pa.Table:
    rows = [
        {"problem_id": problem_id(f"problem {i}"), "expected_answer": a, "expected_key": canonical_key(a).text}
        for i, a in enumerate(given)
    ]
    return table_of(EXPECTED, rows)


def test_rows_of_problems_and_keys_that_moved(run_table_kind: Any) -> None:
    ran = run_table_kind(FindClusters(), NO_STEP, answers=answers(PROBLEMS))
    assert ran.tables["rows"].schema.equals(CLUSTERED)
    assert ran.tables["clusters"].schema.equals(CLUSTER)
    ids = [row["problem_id"] for row in ran.rows()]
    assert ids == sorted(name(i) for i in range(4))
    by_id = {row["problem_id"]: row for row in ran.rows()}
    rows = [by_id[name(i)] for i in range(4)]
    assert [row["members"] for row in rows] == [4, 3, 1, 3]
    assert [row["clusters"] for row in rows] == [1, 2, 0, 2]
    assert [row["unknown"] for row in rows] == [0, 1, 0, 0]
    [move] = ran.rows("clusters")
    assert move == {
        "problem_id": name(0),
        "answer_key": canonical_key("0.3333").text,
        "cluster_key": "q:1/3",
        "how": "decimal",
    }
    assert ran.facts["answers"] == {
        **{"problems": 4, "keys": 6, "clusters": 5, "undecided": 1, "decimals": 1, "symbolic": 0},
        **{"pairs": 1, "unknown": 1, "distinct_pairs": 1, "votes": 3, "votes_like_raw_texts": 3},
    }
    assert {"seconds: counting", "seconds: decimals", "seconds: symbolic"} <= set(ran.measured)


def test_decimals_can_be_left_alone(run_table_kind: Any) -> None:
    settings = ClusterSettings(symbolic_seconds=0, attach_decimals=False)
    assert run_table_kind(FindClusters(), settings, answers=answers(PROBLEMS)).rows("clusters") == []


def test_what_is_expected_is_what_keys_are_compared_with(run_table_kind: Any) -> None:
    given = answers([["0.3333", "1/4", TWO], ["1/3", "0.3333"]])
    ran = run_table_kind(FindClusters(), NO_STEP, answers=given, known=known(["1/3", "2"]))
    assert [(row["problem_id"], row["cluster_key"]) for row in ran.rows("clusters")] == [(name(0), "q:1/3")]
    assert ran.facts["answers"]["pairs"] == 1


def test_weights_are_read_where_they_are_bound(run_table_kind: Any) -> None:
    given = answers([["1", "1", "2", TWO]])
    ids = given["solution_id"].to_pylist()
    rewards = [{"solution_id": i, "weight": w} for i, w in zip(ids, [0.1, 0.1, 0.9, 0.3], strict=True)]
    weights = table_of(WEIGHT, rewards)
    ran = run_table_kind(FindClusters(), NO_STEP, answers=given, weights=weights)
    assert ran.facts["answers"]["pairs"] == 1, "with 2 alone: 1 cannot overtake"


def test_nothing_in_nothing_out(run_table_kind: Any) -> None:
    ran = run_table_kind(FindClusters(), NO_STEP, answers=answers([]))
    assert (ran.tables["rows"].num_rows, ran.tables["clusters"].num_rows) == (0, 0)


def test_the_real_step_joins_what_keys_leave_open_and_remembers(run_table_kind: Any, tmp_path: Any) -> None:
    integral = r"\int_0^1 2x\,dx"
    assert canonical_key(integral).status == "undecided"
    given = answers([["1", "1", integral], ["2", "2", integral]])
    first = run_table_kind(FindClusters(), ClusterSettings(), answers=given)
    moved = {row["problem_id"]: row["cluster_key"] for row in first.rows("clusters")}
    assert set(moved) <= {name(0)}, "never joined to 2"
    assert (tmp_path / "cache" / CACHE_FILE).is_file()
    again = run_table_kind(FindClusters(), ClusterSettings(), answers=given)
    assert all(again.tables[table].equals(first.tables[table]) for table in ("rows", "clusters"))
    assert again.measured.get("pairs, cache: unknown", 0) + again.measured.get("pairs, cache: different", 0) >= 1


def test_golden_rows(run_table_kind: Any) -> None:
    """Another hash: raise ``version`` of the kind, then write the new hash here."""
    ran = run_table_kind(FindClusters(), NO_STEP, answers=answers(PROBLEMS))
    rows = [*ran.rows(), *ran.rows("clusters")]
    shown = [{k: v.hex() if isinstance(v, bytes) else v for k, v in row.items()} for row in rows]
    digest = hashlib.sha256(json.dumps(shown, default=str).encode()).hexdigest()[:16]
    assert (FindClusters.version, digest) == (2, "21e0521fd337a759")
