"""The shipped transforms: their unit tests, their contracts, and their definitions computed a second time in Python."""

from __future__ import annotations

import hashlib
import uuid
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.answers.key import canonical_key
from assets.answers.vote import vote
from assets.schemas import (
    ANSWER,
    BENCHMARK,
    CLUSTER,
    EXPECTED,
    GENERATED_PROBLEM,
    JUDGED,
    NEIGHBOUR,
    OVERLAP,
    PAIR,
    PROBLEM,
    SOLUTION,
)
from dagster_project.data_tests import header_checks
from dagster_project.sqlfiles.contract import check
from dagster_project.sqlfiles.kind import load_sql_kind
from dagster_project.sqlfiles.lineage import columns
from dagster_project.sqlfiles.unit_tests import run_rows, run_unit_test
from resources.errors import SqlFileError

FOLDER = Path(__file__).parents[2] / "sql"
FILES = sorted(FOLDER.glob("*.sql"))
UNIT_TESTS = [(path, index) for path in FILES for index in range(len(load_sql_kind(path).file.header.unit_tests))]
UPSTREAM: dict[str, dict[str, Any]] = {
    "distinct_problems": {"problems": [PROBLEM, PROBLEM]},
    "new_problems": {"generated": [GENERATED_PROBLEM, GENERATED_PROBLEM], "known": [PROBLEM]},
    "contamination_pairs": {
        **{"problems": GENERATED_PROBLEM, "benchmarks": [BENCHMARK, BENCHMARK]},
        **{"overlaps": OVERLAP, "neighbours": NEIGHBOUR},
    },
    "decontaminated_problems": {
        **{"problems": GENERATED_PROBLEM, "benchmarks": [BENCHMARK]},
        **{"overlaps": OVERLAP, "neighbours": NEIGHBOUR, "judged": JUDGED},
    },
    "majority_answer": {"answers": ANSWER, "clusters": CLUSTER},
    "graded_solutions": {
        **{"solutions": [SOLUTION, SOLUTION], "answers": [ANSWER, ANSWER], "expected": [EXPECTED]},
        "clusters": [CLUSTER, CLUSTER],
    },
}


@pytest.mark.parametrize(
    ("path", "index"),
    UNIT_TESTS,
    ids=[f"{p.stem}-{load_sql_kind(p).file.header.unit_tests[i].name}" for p, i in UNIT_TESTS],
)
def test_unit_test(path: Path, index: int) -> None:
    result = run_unit_test(load_sql_kind(path), index)
    assert result.passed, f"{result.place}: {result.name}\n{result.diff}"


@pytest.mark.parametrize("path", FILES, ids=[path.stem for path in FILES])
def test_contract_checks_and_lineage(path: Path) -> None:
    kind = load_sql_kind(path)
    schema = check(kind, kind.settings_type(), UPSTREAM.get(path.stem, {}))
    assert schema == kind.outputs(kind.settings_type())["rows"]
    assert header_checks(kind)
    assert len(kind.file.header.unit_tests) >= 2
    assert set(columns(kind)) <= set(schema.names)
    assert columns(kind)[kind.law.row_id] == [(kind.law.input, kind.law.id)]


def test_graded_solutions_keep_the_columns_of_solutions() -> None:
    schema = load_sql_kind(FOLDER / "graded_solutions.sql").outputs(None)["rows"]
    assert [(field.name, field.type) for field in schema][: len(SOLUTION)] == [(f.name, f.type) for f in SOLUTION]


def test_majority_answers_are_expected_answers() -> None:
    schema = load_sql_kind(FOLDER / "majority_answer.sql").outputs(None)["rows"]
    assert [(field.name, field.type) for field in schema][: len(EXPECTED)] == [(f.name, f.type) for f in EXPECTED]


def test_new_problems_keep_the_columns_of_generated_problems() -> None:
    schema = load_sql_kind(FOLDER / "new_problems.sql").outputs(None)["rows"]
    assert [(field.name, field.type) for field in schema] == [(f.name, f.type) for f in GENERATED_PROBLEM]


def test_pairs_are_what_the_judge_reads_and_clean_problems_are_problems() -> None:
    for stem, schema in (("contamination_pairs", PAIR), ("decontaminated_problems", PROBLEM)):
        found = load_sql_kind(FOLDER / f"{stem}.sql").outputs(None)["rows"]
        assert [(field.name, field.type) for field in found] == [(f.name, f.type) for f in schema]


def test_a_problem_that_was_never_compared_stops_the_stage() -> None:
    kind = load_sql_kind(FOLDER / "decontaminated_problems.sql")
    row = {"problem_id": uuid.UUID(int=1), "problem": "x", "problem_source": "new"}
    with pytest.raises(SqlFileError, match="the problem 00000000-0000-0000-0000-000000000001 was not compared"):
        run_rows(kind, kind.settings_type(), {"problems": [row]})


def test_code_versions_are_pinned() -> None:
    """A changed value means that every user's stage of this kind is built again: change it on purpose."""
    assert {path.stem: load_sql_kind(path).code_version for path in FILES} == {
        "contamination_pairs": "6d067f34b7a5c51fa902951c58261a76",
        "decontaminated_problems": "dd058526ff98ec68fb933c785c30090e",
        "distinct_problems": "3e439b3c1bb788f78e767710e37a133c",
        "distinct_solutions": "6686f6414752dba95333613e7ef6eb32",
        "fair_order": "db13f947e010e4d2723fb33b01c42afc",
        "graded_solutions": "d814e5f66b41b9feb1f1d13d0a1bd893",
        "majority_answer": "f83ea94ac50a3705718c44d589dc2bf0",
        "new_problems": "cdb10bab53b7d9274dac9cb5f5179be6",
        "split_prefix": "d9f31bc35be38fa525bb876c0d420454",
    }


def spelled(key: int, spelling: int) -> dict[str, Any]:
    return {"answer": f"{key}{'.0' * spelling}", "answer_key": str(key)}


VOTES = st.lists(
    st.one_of(st.none(), st.tuples(st.integers(0, 3), st.integers(0, 2))).map(
        lambda v: {} if v is None else spelled(*v)
    ),
    min_size=1,
    max_size=12,
)


def majority(votes: list[dict[str, Any]], column: str) -> tuple[str, str, int] | None:
    """Winner's spelling, key and votes, by the words of the header."""
    ballots: dict[str, list[int]] = defaultdict(list)
    for sample, said in enumerate(votes):
        if said:
            ballots[said[column]].append(sample)
    if not ballots:
        return None
    winner = min(ballots, key=lambda ballot: (-len(ballots[ballot]), ballots[ballot][0]))
    spellings: dict[str, list[int]] = defaultdict(list)
    for sample in ballots[winner]:
        spellings[votes[sample]["answer"]].append(sample)
    shown = min(spellings, key=lambda spelling: (-len(spellings[spelling]), spellings[spelling][0]))
    return shown, votes[spellings[shown][0]]["answer_key"], len(ballots[winner])


@settings(max_examples=15, deadline=None)
@given(problems=st.lists(VOTES, max_size=4), mode=st.sampled_from(["semantic", "surface"]))
def test_majority_answer_is_what_its_header_says(problems: list[list[dict[str, Any]]], mode: str) -> None:
    rows = [
        {"problem_id": uuid.UUID(int=number), "sample_index": sample, **vote}
        for number, votes in enumerate(problems)
        for sample, vote in enumerate(votes)
    ]
    kind = load_sql_kind(FOLDER / "majority_answer.sql")
    found = run_rows(kind, kind.settings_type(**{"mode": mode}), {"answers": rows})
    assert len(found) == len(problems)
    for row, votes in zip(found, problems, strict=True):
        wanted = majority(votes, "answer" if mode == "surface" else "answer_key")
        said = (row["expected_answer"], row["expected_key"], row["votes"]) if row["kept"] else None
        assert said == wanted
        assert row["n_valid"] == sum(bool(vote) for vote in votes)
        assert row["members"] == len(votes)


class NoStep:
    """A symbolic step that finds all answers different, but for those of its pairs."""

    def __init__(self, equal: set[frozenset[str]]) -> None:
        self.equal = equal

    def compare(self, pairs: Sequence[tuple[str, str]], /) -> list[Any]:
        return [SimpleNamespace(relation="equal" if frozenset(p) in self.equal else "different") for p in pairs]


ODD = [r"\mystery{a}", r"\mystery{b}"]
SPELLED = ["1", "1.0", "2", "1/3", "0.3333", *ODD]
SAMPLES = st.lists(st.one_of(st.none(), st.sampled_from(SPELLED)), min_size=1, max_size=9)


@settings(max_examples=60, deadline=None)
@given(
    answers=SAMPLES,
    rewards=st.one_of(st.none(), st.lists(st.sampled_from([0.0, 0.1, 0.2, 0.3, 1.0]), min_size=9, max_size=9)),
    equal=st.sets(st.sampled_from([frozenset(p) for p in [(ODD[0], "1"), (ODD[0], ODD[1]), (ODD[1], "1/3")]])),
    more=st.integers(0, 4),
    mode=st.sampled_from(["semantic", "surface"]),
)
def test_majority_answer_is_the_vote_of_each_problem(
    answers: list[str | None], rewards: list[float] | None, equal: set[frozenset[str]], more: int, mode: Any
) -> None:
    weights = None if rewards is None else rewards[: len(answers)]
    wanted = vote(answers, weights, mode=mode, symbolic=NoStep(equal))
    problem = uuid.UUID(int=7)
    rows: list[dict[str, Any]] = []
    for sample, answer in enumerate(answers):
        key = None if answer is None else canonical_key(answer)
        said = {"answer": answer, "answer_key": key.text, "answer_status": key.status} if key else {}
        rows.append({"problem_id": problem, "solution_id": uuid.UUID(int=sample + 1), "sample_index": sample, **said})
    tables = {
        "answers": rows,
        "clusters": [{"problem_id": problem, "answer_key": a.key, "cluster_key": a.to} for a in wanted.attached],
        "weights": [{"solution_id": uuid.UUID(int=i + 1), "weight": w} for i, w in enumerate(weights or [])],
    }
    kind = load_sql_kind(FOLDER / "majority_answer.sql")
    [row] = run_rows(kind, kind.settings_type(**{"mode": mode, "planned_samples": len(answers) + more}), tables)
    if wanted.winner is None:
        assert row["rule"] == "no answer"
        return
    names = ("expected_answer", "votes", "n_valid", "members", "clusters", "is_decided")
    assert tuple(row[name] for name in names) == (
        *(wanted.winner, wanted.votes, wanted.n_valid, wanted.n, len(wanted.clusters), wanted.is_decided(more)),
    )
    assert row["expected_key"] == (wanted.key if mode == "semantic" else canonical_key(wanted.winner).text)
    assert (row["weight"], row["weight_margin"]) == pytest.approx((wanted.weight, wanted.margin))


def fair_order(rows: list[dict[str, Any]], seed: int) -> list[tuple[uuid.UUID, int]]:
    """Ids and rounds in order, from the words of the spec and Python's own md5."""

    def digest(what: str, name: uuid.UUID) -> str:
        return hashlib.md5(f"{seed} {what} {name}".encode()).hexdigest()

    by_problem: dict[uuid.UUID, list[uuid.UUID]] = defaultdict(list)
    for row in rows:
        by_problem[row["problem_id"]].append(row["solution_id"])
    order = []
    for problem, solutions in by_problem.items():
        for k, solution in enumerate(sorted(solutions, key=lambda name: digest("solution", name))):
            order.append((k, digest("problem", problem), solution))
    return [(solution, k) for k, _, solution in sorted(order)]


@settings(max_examples=15, deadline=None)
@given(counts=st.lists(st.integers(1, 5), max_size=6), seed=st.integers(-5, 2**40))
def test_fair_order_is_a_round_robin_by_hash(counts: list[int], seed: int) -> None:
    rows = [
        {"problem_id": uuid.UUID(int=number + 1), "solution_id": uuid.UUID(int=1000 * number + i)}
        for number, count in enumerate(counts)
        for i in range(count)
    ]
    kind = load_sql_kind(FOLDER / "fair_order.sql")
    found = run_rows(kind, kind.settings_type(**{"seed": seed}), {"solutions": rows})
    assert [(row["solution_id"], row["k"]) for row in found] == fair_order(rows, seed)
    assert [row["rank"] for row in found] == list(range(len(rows)))


def test_the_example_of_the_docs_works(tmp_path: Path) -> None:
    text = (FOLDER.parent / "docs" / "sql.md").read_text(encoding="utf-8")
    example = text.split("```sql\n")[1].split("```")[0]
    # As an editor on Windows would save it.
    (tmp_path / "long_solutions.sql").write_bytes(b"\xef\xbb\xbf" + example.replace("\n", "\r\n").encode())
    kind = load_sql_kind(tmp_path / "long_solutions.sql")
    check(kind, kind.settings_type(), {})
    assert [check.name for check in header_checks(kind)] == ["not_null_solution_id", "unique_solution_id"]
    assert run_unit_test(kind, 0).diff == ""
