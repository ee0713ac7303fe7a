"""``mathloom vote``, end to end: what the pure vote finds for each problem, over whole files."""

from __future__ import annotations

import json
import math
import os
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from assets.answers.ballots import UNITS
from assets.answers.key import canonical_key
from assets.answers.vote import Vote, vote
from dagster_project.answer_files.voting import VoteWishes, vote_file
from dagster_project.cli import main
from dagster_project.row_files.reading import read_rows

Rows = Sequence[dict[str, Any]]
Run = Callable[..., list[dict[str, Any]]]

ROOT = Path(__file__).resolve().parents[3]
ROWS: Rows = [
    {"problem_id": "b", "answer": "0.5"},
    {"problem_id": "a", "answer": "2"},
    {"problem_id": "b", "answer": "3"},
    {"problem_id": "b", "answer": "1/2"},
    {"problem_id": "a", "answer": None},
    {"problem_id": "c", "answer": " "},
    {"problem_id": "b", "answer": "1/2"},
]


def put(path: Path, rows: Rows) -> Path:
    if path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(list(rows)), path)
    else:
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def read(path: Path) -> list[dict[str, Any]]:
    return [dict(row.values) for row in read_rows(path)]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Votes over rows, or over a file; returns the rows of the output."""

    def voted(rows: Rows | Path, *arguments: str, output: str = "out.jsonl", code: int = 0) -> list[dict[str, Any]]:
        path = rows if isinstance(rows, Path) else put(tmp_path / "in.jsonl", rows)
        command = ["vote", str(path), "--output", str(tmp_path / output), "--no-symbolic", "--force", *arguments]
        assert main(command) == code
        assert not [p.name for p in tmp_path.iterdir() if p.name.startswith(".")]
        return read(tmp_path / output) if code == 0 else []

    return voted


def test_one_row_a_problem_in_the_order_of_their_first_samples(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    rows = run(ROWS)
    assert rows[0] == {
        "problem_id": "b",
        "winner": "1/2",
        "votes": 3,
        "margin": 2,
        "n_valid": 4,
        "clusters": 2,
        "n": 4,
        "key": "q:1/2",
        "accepted": True,
        "reason": None,
    }
    assert [(row["problem_id"], row["winner"], row["votes"], row["n"]) for row in rows[1:]] == [
        ("a", "2", 1, 2),
        ("c", None, 0, 1),
    ]
    assert (rows[2]["accepted"], rows[2]["reason"]) == (False, "no answer")
    said = capsys.readouterr()
    assert said.out == ""
    for words in ("3 problems from 7 samples in", "accepted             2  66.7 %", "2 samples have no answer"):
        assert words in said.err


@pytest.mark.parametrize("source", ["in.jsonl", "in.parquet"])
@pytest.mark.parametrize("output", ["out.jsonl", "out.jsonl.gz", "out.parquet"])
def test_every_format_gives_the_same(run: Run, tmp_path: Path, source: str, output: str) -> None:
    expected = run(ROWS, "--planned-samples", "5")
    assert run(put(tmp_path / source, ROWS), "--planned-samples", "5", output=output) == expected


def test_settings_reach_the_vote(run: Run) -> None:
    assert [row["winner"] for row in run(ROWS, "--mode", "surface")] == ["1/2", "2", None]
    assert run(ROWS, "--mode", "surface")[0]["votes"] == 2
    assert [row["reason"] for row in run(ROWS, "--min-votes", "2")] == [None, "low majority", "no answer"]
    assert [row["accepted"] for row in run(ROWS, "--min-share", "0.5")] == [True, True, False]
    assert [row["accepted"] for row in run(ROWS, "--min-share", "0.51")] == [True, False, False]
    assert [row["is_decided"] for row in run(ROWS, "--planned-samples", "4")] == [True, False, False]


def test_solutions_are_read_where_there_are_no_answers(run: Run) -> None:
    rows = [{"problem_id": 1, "text": r"so \boxed{4}"}, {"problem_id": 1, "text": "The answer is 5."}]
    assert [(row["winner"], row["n_valid"]) for row in run(rows)] == [("4", 1)]
    assert [(row["winner"], row["n_valid"]) for row in run(rows, "--extract", "line")] == [("5", 1)]
    both = [row | {"answer": "6"} for row in rows]
    assert run(both)[0]["winner"] == "6"
    assert run(both, "--text", "text")[0]["winner"] == "4"
    run(both, "--text", "text", "--answer", "answer", code=2)


def test_weights(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [{"problem_id": 1, "answer": a, "weight": w} for a, w in (("2", 0.3), ("1", 0.1), ("1", 0.2), ("3", 0))]
    [row] = run(rows)
    assert (row["winner"], row["votes"], row["weight"], row["margin"]) == ("2", 1, 0.3, 0.0)
    assert "weights from column 'weight'" in capsys.readouterr().err
    rows = [{"problem_id": 1, "answer": "1", "reward": 2}, {"problem_id": 1, "answer": "2", "reward": 2.5}]
    [row] = run(rows, "--weight", "reward")
    assert (row["winner"], row["margin"]) == ("2", 0.5)
    assert run(rows)[0]["winner"] == "1"


@pytest.mark.parametrize("source", ["in.jsonl", "in.parquet"])
@pytest.mark.parametrize("bad", [math.nan, math.inf, -1.0, None, 1e9])
def test_a_weight_that_is_none_is_an_error_with_its_line(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str], source: str, bad: float | None
) -> None:
    rows = [{"problem_id": 1, "answer": "1", "weight": 1.0}, {"problem_id": 1, "answer": "2", "weight": bad}]
    run(put(tmp_path / source, rows), code=2)
    assert re.search(rf"{source}:2: 'weight' is (nan|inf|-1\.0|missing or null|1000000000\.0)", capsys.readouterr().err)


def test_problems_keep_the_type_of_their_ids(run: Run, tmp_path: Path) -> None:
    ids: list[Any] = [1, "1", 1.5, True, "\ud800", "é", "1"]
    rows = run([{"problem_id": name, "answer": "1"} for name in ids])
    assert [row["problem_id"] for row in rows] == ids[:6]
    assert [type(row["problem_id"]) for row in rows[:2]] == [int, str]
    mixed = run(tmp_path / "in.jsonl", output="out.parquet")
    assert [row["problem_id"] for row in mixed] == ["1", '"1"', "1.5", "true", r'"\ud800"', r'"\u00e9"']
    run([{"problem_id": -7, "answer": "1"}], output="out.parquet")
    assert pq.read_schema(tmp_path / "out.parquet").field("problem_id").type == pa.int64()
    run([{"problem_id": "é", "answer": "1"}], output="out.parquet")
    assert pq.read_table(tmp_path / "out.parquet")["problem_id"].to_pylist() == ["é"]


@pytest.mark.parametrize(
    "ids",
    [
        pa.array([3, 1, 3], pa.uint16()),
        pa.array([b"a" * 16, b"b" * 16, b"a" * 16], pa.uuid()),
        pa.array(["x", "y", "x"]).dictionary_encode(),
        pa.array(["x", "y", "x"], pa.large_string()),
        pa.array([5, 6, 5], pa.timestamp("ms", "Europe/Paris")),
        pa.array([b"\xff", b"", b"\xff"]),
    ],
)
def test_ids_of_parquet_keep_their_types(run: Run, tmp_path: Path, ids: pa.Array) -> None:
    pq.write_table(pa.table({"problem_id": ids, "answer": ["1", "2", "1"]}), tmp_path / "in.parquet")
    rows = run(tmp_path / "in.parquet", output="out.parquet")
    assert [row["votes"] for row in rows] == [2, 1]
    is_text = isinstance(ids, pa.DictionaryArray | pa.LargeStringArray)
    kind = pa.string() if is_text else ids.type
    assert pq.read_schema(tmp_path / "out.parquet").field("problem_id").type == kind
    assert [row["problem_id"] for row in rows] == ids.slice(0, 2).to_pylist()


def test_bad_rows_do_not_vote(run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = ['{"problem_id": 1, "answer": "1"}', "{", '{"problem_id": null, "answer": "2"}', '{"answer": "2"}']
    lines += ['{"problem_id": [1], "answer": "2"}', '{"problem_id": 1, "answer": ["2"]}', '{"problem_id": 1}']
    (tmp_path / "in.jsonl").write_text("\n".join(lines))
    [row] = run(tmp_path / "in.jsonl")
    assert (row["winner"], row["n"]) == ("1", 2)
    said = capsys.readouterr().err
    assert "5 bad rows, left out of the vote:" in said
    assert "in.jsonl:2: the line is not JSON" in said


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "there are no rows"),
        (
            '{"problem": 1, "answer": "1"}',
            "no column 'problem_id' (columns: 'answer', 'problem'). Did you mean 'problem'?",
        ),
        ('{"problem_id": 1, "solution": "1"}', "no column 'answer' (columns: 'problem_id', 'solution')"),
        ('{"problem_id": null, "answer": "1"}', "no row can vote"),
        ("nonsense", "no row can vote"),
    ],
)
def test_files_that_cannot_vote(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str, words: str
) -> None:
    (tmp_path / "bad.jsonl").write_text(content)
    run(tmp_path / "bad.jsonl", code=2)
    said = capsys.readouterr().err
    assert words in said
    assert "bad.jsonl" in said


def test_hostile_answers(run: Run, tmp_path: Path) -> None:
    texts = ["{" * 1_000_000, "a\x00b", "a\x00c", "\ud800", "\ud801", "'; drop table answers; --"]
    rows = run([{"problem_id": text, "answer": text} for text in texts])
    assert [(row["problem_id"], row["votes"]) for row in rows] == [(text, 1) for text in texts]
    [row] = run([{"problem_id": 0, "answer": text} for text in texts])
    assert (row["clusters"], row["votes"]) == (len(texts), 1)
    with (tmp_path / "nested.jsonl").open("w") as file:
        file.write('{"problem_id": 1, "answer": "1", "x": ' + "[" * 900 + "]" * 900 + "}")
    assert run(tmp_path / "nested.jsonl")[0]["winner"] == "1"


def test_the_summary_as_json_and_by_a_process_of_its_own(tmp_path: Path) -> None:
    path = put(tmp_path / "in.jsonl", ROWS)
    command = [sys.executable, "-m", "dagster_project.cli", "vote", str(path), "--output", "out.jsonl", "--json"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    child = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert child.returncode == 0, child.stderr
    told = json.loads(child.stdout)
    assert (told["problems"], told["rows"], told["silent"], told["distinct"], told["undecided"]) == (3, 7, 2, 4, 0)
    assert len(read(tmp_path / "out.jsonl")) == 3


# The same as the pure vote, problem by problem.


class Inside:
    """A symbolic step that says equal where the braces hold the same answer."""

    class Found:
        def __init__(self, relation: str) -> None:
            self.relation = relation

    def compare(self, pairs: Sequence[tuple[str, str]], /) -> list[Inside.Found]:
        return [Inside.Found("equal" if self._core(a) == self._core(b) else "different") for a, b in pairs]

    @staticmethod
    def _core(text: str) -> str:
        found = re.fullmatch(r"\\[a-z]+\{(.*)\}", text)
        return canonical_key(found[1] if found else text).text


POOL = ["1/2", "0.5", "1/3", "0.3333", "0.33333", "0.33330", "33331/100000", "2", "2.0", "7", r"\pi", "3.1416", None]
OPEN = [r"\foo{2}", r"\fooo{2}", r"\foo{7}", r"\foo{1/2}", r"\fooo{1/2}", r"\foo{z}", r"\fooo{z}"]
SAMPLES = st.lists(
    st.tuples(st.integers(0, 3), st.sampled_from([*POOL, *OPEN]), st.sampled_from([0.0, 0.1, 0.2, 0.3, 1.0, 2.5])),
    min_size=1,
    max_size=40,
)


def expected_of(found: Vote, *, is_weighted: bool) -> dict[str, Any]:
    row = {
        "winner": found.winner,
        "votes": found.votes,
        "margin": found.margin if is_weighted else round(found.margin),
        "n_valid": found.n_valid,
        "clusters": len(found.clusters),
        "n": found.n,
        "key": found.key,
        "accepted": found.is_accepted,
        "reason": found.reason or None,
    }
    return row | ({"weight": found.weight} if is_weighted else {})


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    samples=SAMPLES,
    is_weighted=st.booleans(),
    mode=st.sampled_from(["semantic", "semantic", "surface"]),
    attach=st.booleans(),
    has_step=st.booleans(),
    planned=st.integers(1, 16),
)
def test_every_problem_has_the_vote_that_the_pure_function_finds(
    tmp_path: Path, samples: list[Any], is_weighted: bool, mode: Any, attach: bool, has_step: bool, planned: int
) -> None:
    rows = [
        {"problem_id": problem, "answer": answer} | ({"weight": weight} if is_weighted else {})
        for problem, answer, weight in samples
    ]
    step = Inside() if has_step and mode == "semantic" else None
    limits = {"min_votes": 2, "min_share": 0.25}
    wishes = VoteWishes(
        mode=mode, attach_decimals=attach, planned_samples=planned, max_weight=2.5 if is_weighted else 1.0, **limits
    )
    path = put(tmp_path / "in.jsonl", rows)
    vote_file(path, tmp_path / "out.jsonl", wishes, step, force=True, say=lambda _: None)
    expected, decided = [], []
    for problem in dict.fromkeys(problem for problem, _, _ in samples):
        mine = [(at, answer, weight) for at, (one, answer, weight) in enumerate(samples) if one == problem]
        found = vote(
            [answer for _, answer, _ in mine],
            [weight for _, _, weight in mine] if is_weighted else None,
            indices=[at for at, _, _ in mine],
            mode=mode,
            attach_decimals=attach,
            symbolic=step,
            **limits,
        )
        expected.append({"problem_id": problem} | expected_of(found, is_weighted=is_weighted))
        decided.append(found.is_decided(planned - len(mine), max_weight=wishes.max_weight))
    rows = read(tmp_path / "out.jsonl")
    said = [row.pop("is_decided") for row in rows]
    assert rows == expected
    if mode == "surface":
        assert said == decided
    else:  # whatever looks like a decimal counts as one, and undecided answers are never sure: on the safe side
        assert [one and not other for one, other in zip(said, decided, strict=True)] == [False] * len(rows)
    assert UNITS == 10**9  # the SQL counts in decimals of nine places


@pytest.mark.parametrize(
    "kind", [pa.decimal128(10, 2), pa.float16(), pa.large_string(), pa.dictionary(pa.int8(), pa.string()), pa.uint64()]
)
def test_ids_of_unusual_types_keep_them(run: Run, tmp_path: Path, kind: pa.DataType) -> None:
    ids = pa.array(["2", "1", "2"]).cast(kind)
    pq.write_table(pa.table({"problem_id": ids, "answer": ["5", "6", "5"]}), tmp_path / "in.parquet")
    found = run(tmp_path / "in.parquet", output="out.parquet")
    assert [(float(row["problem_id"]), row["winner"]) for row in found] == [(2.0, "5"), (1.0, "6")]


@pytest.mark.parametrize("kind", [pa.decimal256(50, 2), pa.duration("s")])
def test_ids_that_the_engine_does_not_know_are_an_error(
    run: Run, tmp_path: Path, kind: pa.DataType, capsys: pytest.CaptureFixture[str]
) -> None:
    pq.write_table(pa.table({"problem_id": pa.array([1, 2]).cast(kind), "answer": ["5", "6"]}), tmp_path / "in.parquet")
    run(tmp_path / "in.parquet", code=2)
    assert "Give a column of ids" in capsys.readouterr().err
