"""``contamination/benchmark`` and ``contamination/ngrams`` through real sessions and files: rows, rejects, golden."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from assets.contamination.kinds import PROBLEMS, Benchmark, BenchmarkSettings, Ngrams
from assets.kinds import Job, Settings
from assets.schemas import BENCHMARK, OVERLAP, REJECT, problem_id, table_of
from resources.errors import SeedError
from resources.sources.source import SourceSpec
from resources.store.writing import TableWriter

TEST = "Ada has 12 apples and gives half of them to Ben, who eats 3. How many apples does Ben have left?"
OTHER = r"What is the greatest integer $n \leq 1{,}000$ with $\dfrac{n}{2} < 77$?"


def read(tmp_path: Path, *rows: Any, settings: BenchmarkSettings | None = None, **context: Any) -> dict[str, Any]:
    """Tables and facts of a benchmark of these rows; text is a line as it stands."""
    path = tmp_path / "test.jsonl"
    path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))
    kind, chosen = Benchmark(), settings or BenchmarkSettings()
    writers = {name: TableWriter(tmp_path / name, s, where="r/s") for name, s in kind.outputs(chosen).items()}
    context = {"source": SourceSpec("exam", path=path), **context}
    session: Any = None
    job = Job("r", "s", chosen, {}, session, writers, tmp_path, {}, context)
    kind.run(job)
    for writer in writers.values():
        writer.close()
    tables = {
        name: pa.concat_tables(pq.read_table(p) for p in w.paths) if w.paths else None for name, w in writers.items()
    }
    return {**tables, "facts": job.facts}


def test_problems_of_any_benchmark(tmp_path: Path) -> None:
    rows = [
        {"question": " a? ", "answer": "#### 1"},
        {"problem": "b", "question": "c"},
        {"problem": "", "question": "d"},
    ]
    found = read(
        tmp_path, *rows, {"problem": None, "question": "é"}, {"question": "e\u0301"}, {"answer": "x"}, "no json"
    )
    assert found["rows"].schema.equals(BENCHMARK)
    assert found["rejects"].schema.equals(REJECT)
    assert found["rows"].select(["problem", "benchmark", "row"]).to_pylist() == [
        {"problem": "a?", "benchmark": "exam", "row": 0},
        {"problem": "b", "benchmark": "exam", "row": 1},
        {"problem": "d", "benchmark": "exam", "row": 2},
        {"problem": "é", "benchmark": "exam", "row": 3},
    ]
    assert found["rows"]["benchmark_id"][0].as_py().bytes == problem_id("a?")
    assert [r["rule"] for r in found["rejects"].to_pylist()] == ["duplicate", "missing field", "malformed"]
    assert found["facts"] == {
        "read": 7,
        "kept": 4,
        "rejects": {"duplicate": 1, "malformed": 1, "missing field": 1},
    }


def test_a_named_column_is_the_only_one(tmp_path: Path) -> None:
    found = read(tmp_path, {"body": "a", "problem": "b"}, settings=BenchmarkSettings(problem="body"))
    assert found["rows"]["problem"].to_pylist() == ["a"]
    both = read(tmp_path, {"body": "a"}, {"text": "b"}, settings=BenchmarkSettings(problem=["text", "body"]))
    assert both["rows"]["problem"].to_pylist() == ["a", "b"]


def test_a_preview_reads_the_whole_benchmark(tmp_path: Path) -> None:
    assert read(tmp_path, {"problem": "a"}, {"problem": "b"}, preview_rows=1)["facts"]["kept"] == 2


def test_a_benchmark_without_problems_is_an_error_with_a_remedy(tmp_path: Path) -> None:
    with pytest.raises(SeedError, match="the benchmark has no problem: 1 rows read") as raised:
        read(tmp_path, {"body": "a"})
    assert raised.value.fix == "Name the column that has it: `problem: COLUMN` in the stage"


def problems(*texts: str) -> pa.Table:
    return table_of(PROBLEMS, [{"problem_id": problem_id(text), "problem": text} for text in texts])


def benchmark(name: str, *texts: str) -> pa.Table:
    rows = [{"benchmark_id": problem_id(t), "problem": t, "benchmark": name, "row": i} for i, t in enumerate(texts)]
    return table_of(BENCHMARK, rows)


GIVEN = (
    TEST.upper(),
    TEST.replace("12", "14"),
    r"what is the greatest integer \(n \le 1000\) with \(\frac n2 > 77\)?",
    "Something else entirely.",
    "What is 1 + 1?",
    "",
)


def run(run_table_kind: Any) -> Any:
    sets = [benchmark("gsm", TEST, "What is $1+1$?"), benchmark("math", OTHER)]
    return run_table_kind(Ngrams(), Settings(), problems=problems(*GIVEN), benchmarks=sets)


def test_each_problem_has_one_row_that_names_what_it_shares(run_table_kind: Any) -> None:
    ran = run(run_table_kind)
    assert ran.tables["rows"].schema.equals(OVERLAP)
    rows = ran.rows()
    assert [row["problem_id"].bytes for row in rows] == [problem_id(text) for text in GIVEN]
    assert [(row["is_exact"], row["longest"], row["benchmark"]) for row in rows] == [
        (True, 13, "gsm"),
        (False, 13, "gsm"),
        (False, 10, "math"),
        (False, 0, None),
        (True, 0, "gsm"),
        (False, 0, None),
    ]
    assert rows[1]["benchmark_id"].bytes == problem_id(TEST)
    assert rows[1]["shared"] == "apples and gives half of them to ben who eats 3 how many apples does ben have left"
    assert rows[2]["shared"] == "what is the greatest integer n <= 1000 with frac n 2"
    assert rows[3]["shared"] is None
    assert ran.facts["contamination"] == {
        "problems": 6,
        "benchmark_problems": 3,
        "benchmark_problems_without_ngrams": 1,
        "shared": {
            "gsm": {"10-gram": 2, "13-gram": 2, "8-gram": 2, "exact": 2},
            "math": {"10-gram": 1, "8-gram": 1},
        },
    }


def test_no_problems_and_no_benchmarks(run_table_kind: Any) -> None:
    empty = run_table_kind(Ngrams(), Settings(), problems=problems(), benchmarks=[benchmark("gsm", TEST)])
    assert empty.rows() == []


def test_nothing_to_compare_with_is_nothing_shared(run_table_kind: Any) -> None:
    ran = run_table_kind(Ngrams(), Settings(), problems=problems(TEST), benchmarks=[benchmark("gsm")])
    assert [(row["longest"], row["benchmark_id"]) for row in ran.rows()] == [(0, None)]


def digest(rows: list[dict[str, Any]]) -> str:
    return hashlib.sha256(json.dumps(rows, default=str, sort_keys=True).encode()).hexdigest()[:16]


def test_golden(run_table_kind: Any, tmp_path: Path) -> None:
    """Rows of given input: when this fails, raise ``version`` of the kind and put the new value here."""
    assert (Ngrams.version, digest(run(run_table_kind).rows())) == (1, "ea4c53e966b92bd4")
    found = read(tmp_path, {"question": TEST}, {"problem": OTHER}, {"x": 1})
    tables = [found[name].to_pylist() for name in ("rows", "rejects")]
    assert (Benchmark.version, digest(tables)) == (1, "21f2b9038bde2e44")
