"""``mathloom grade``, end to end: rows in their order with verdicts, whatever the rows hold."""

from __future__ import annotations

import gzip
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dagster_project.answer_files import chunks, grading
from dagster_project.answer_files.chunks import read_chunks
from dagster_project.cli import main
from dagster_project.row_files.reading import read_rows

Rows = Sequence[dict[str, Any]]
Grade = Callable[..., list[dict[str, Any]]]

ROOT = Path(__file__).resolve().parents[3]
ROWS: Rows = [
    {"id": 1, "gold": "1/2", "pred": "0.5", "note": "é"},
    {"id": 2, "gold": "1/2", "pred": "1/2"},
    {"id": 3, "gold": "1/3", "pred": "0.3333"},
    {"id": 4, "gold": "0.3333", "pred": "1/3"},
    {"id": 5, "gold": "2", "pred": "3"},
    {"id": 6, "gold": "2", "pred": None},
    {"id": 7, "gold": "2", "pred": "  "},
    {"id": 8, "gold": r"\foo{a} +", "pred": r"\bar b ="},
    {"id": 9, "gold": r"\foo{a} +", "pred": r"\foo{a}  +"},
    {"id": 10, "gold": None, "pred": "2"},
]
VERDICTS = [
    ("equal", "key", None),
    ("equal", "text", None),
    ("equal", "decimal", None),
    ("different", "key", None),
    ("different", "key", None),
    ("different", None, "no answer"),
    ("different", None, "no answer"),
    ("unknown", "key", None),
    ("equal", "key", None),
    (None, None, "no gold: 'gold' is missing, null or empty"),
]


def put(path: Path, rows: Rows) -> Path:
    if path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(list(rows)), path)
        return path
    data = "".join(json.dumps(row) + "\n" for row in rows).encode()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


def read(path: Path) -> list[dict[str, Any]]:
    rows = list(read_rows(path))
    assert not [row for row in rows if row.fault]
    return [dict(row.values) for row in rows]


@pytest.fixture
def grade(tmp_path: Path) -> Grade:
    """Grades rows, or a file; returns the rows of the output."""

    def run(given: Rows | Path, *arguments: str, output: str = "out.jsonl", code: int = 0) -> list[dict[str, Any]]:
        path = given if isinstance(given, Path) else put(tmp_path / "in.jsonl", given)
        command = ["grade", str(path), "--output", str(tmp_path / output), "--no-symbolic", "--force", *arguments]
        assert main(command) == code
        assert not [p.name for p in tmp_path.iterdir() if p.name.startswith(".")]
        return read(tmp_path / output) if code == 0 else []

    return run


def verdicts(rows: Rows) -> list[tuple[Any, Any, Any]]:
    return [(row["verdict"], row["tier"], row["reason"]) for row in rows]


def test_rows_come_back_in_order_with_verdicts(grade: Grade, capsys: pytest.CaptureFixture[str]) -> None:
    rows = grade(ROWS)
    assert verdicts(rows) == VERDICTS
    assert [{k: row[k] for k in given} for row, given in zip(rows, ROWS, strict=True)] == ROWS
    assert list(rows[0]) == ["id", "gold", "pred", "note", "verdict", "tier", "reason", "key_gold", "key_pred", "ms"]
    assert (rows[0]["key_gold"], rows[0]["key_pred"], rows[0]["ms"]) == ("q:1/2", "q:1/2", 0.0)
    assert (rows[5]["key_gold"], rows[5]["key_pred"], rows[9]["ms"]) == ("q:2", None, None)
    said = capsys.readouterr()
    assert said.out == ""
    for words in (
        "9 of 10 rows graded in",
        "equal                4  44.4 %",
        "different            4  44.4 %",
        "unknown              1  11.1 %",
        "settled by: key 5, decimal 1, text 1",
        "2 rows have no prediction: different",
        "9 distinct answers named in",
        "1 bad rows, kept without a verdict:",
        "in.jsonl:10: no gold",
    ):
        assert words in said.err


@pytest.mark.parametrize("source", ["in.jsonl", "in.jsonl.gz", "in.parquet"])
@pytest.mark.parametrize("output", ["out.jsonl", "out.jsonl.gz", "out.parquet"])
def test_every_format_gives_the_same(grade: Grade, tmp_path: Path, source: str, output: str) -> None:
    given = [{"id": 0, "gold": "", "pred": "", "note": None} | row for row in ROWS]
    rows = grade(put(tmp_path / source, given), output=output)
    assert verdicts(rows) == VERDICTS
    assert [{k: row[k] for k in one} for row, one in zip(rows, given, strict=True)] == given


def test_more_rows_than_a_chunk_stay_in_order(grade: Grade, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunks, "CHUNK_ROWS", 7)
    monkeypatch.setattr(grading, "PAIRS_AT_ONCE", 3)
    given = [{"gold": str(i % 13), "pred": f"{i % 11}.0", "i": i} for i in range(500)]
    for source in ("in.jsonl", "in.parquet"):
        rows = grade(put(tmp_path / source, given))
        assert [(row["i"], row["verdict"] == "equal") for row in rows] == [(i, i % 13 == i % 11) for i in range(500)]


def test_columns_by_other_names_and_a_second_grading(grade: Grade, tmp_path: Path) -> None:
    grade([{"expected": "2", "got": "2", "verdict": "mine", "z": 1}], "--gold", "expected", "--pred", "got")
    graded = tmp_path / "out.jsonl"
    again = grade(graded, "--gold", "expected", "--pred", "got", output="out.jsonl")  # onto itself
    assert again == [
        {"expected": "2", "got": "2", "z": 1, "verdict": "equal", "tier": "text", "reason": None}
        | {"key_gold": "q:2", "key_pred": "q:2", "ms": 0.0}
    ]


def test_whole_texts(grade: Grade) -> None:
    given = [
        {"gold": r"so \boxed{4}", "pred": r"\boxed{3} no, \boxed{4.0}"},
        {"gold": r"\boxed{4}", "pred": "The answer is 4."},
        {"gold": r"\boxed{4}", "pred": r"\boxed{4"},
        {"gold": r"\boxed{4}", "pred": r"\boxed{}"},
        {"gold": "4", "pred": r"\boxed{4}"},
    ]
    rows = grade(given, "--extract", "boxed", "--extract-gold", "boxed")
    assert [(row["verdict"], row["reason"]) for row in rows] == [
        ("equal", None),
        ("different", "no box"),
        ("different", "open box"),
        ("different", "empty box"),
        (None, "no gold: no box"),
    ]
    [row] = grade([given[1] | {"gold": "4"}], "--extract", "line")
    assert (row["verdict"], row["key_pred"]) == ("equal", "q:4")


def test_decimals_stay_apart_when_told(grade: Grade) -> None:
    assert grade([ROWS[2]], "--no-attach-decimals")[0]["verdict"] == "different"


def test_the_policy_can_be_changed(grade: Grade) -> None:
    row = {"gold": "5", "pred": r"5\text{ cm}"}
    assert grade([row])[0]["verdict"] == "equal"
    assert grade([row], "--policy", "strip_units=false")[0]["verdict"] != "equal"


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("strip_unit=true", "Did you mean 'strip_units'?"),
        ("version=2", "--policy has no option 'version'"),
        ("strip_units=5", "true or false, not '5'"),
    ],
)
def test_policies_that_there_are_not(grade: Grade, capsys: pytest.CaptureFixture[str], said: str, words: str) -> None:
    grade(ROWS, "--policy", said, code=2)
    assert words in capsys.readouterr().err


def test_the_summary_as_json(grade: Grade, capsys: pytest.CaptureFixture[str]) -> None:
    grade(ROWS, "--json")
    told = json.loads(capsys.readouterr().out)
    assert told["verdicts"] == {"bad": 1, "different": 4, "equal": 4, "unknown": 1}
    assert (told["rows"], told["silent"], told["undecided"]) == (10, 2, 3)


# Hostile rows.


def test_numbers_are_taken_as_they_are_written(grade: Grade, tmp_path: Path) -> None:
    lines = [
        '{"gold": 7, "pred": 7.0}',
        '{"gold": 1.50, "pred": "3/2"}',
        '{"gold": 12345678901234567890123, "pred": 1}',
    ]
    lines.append('{"gold": "1/3", "pred": 0.3333}')
    path = tmp_path / "in.jsonl"
    path.write_text("\n".join(lines))
    rows = grade(path)
    assert [row["verdict"] for row in rows[:4]] == ["equal", "equal", "different", "equal"]
    assert rows[2]["key_gold"] == "q:12345678901234567890123"
    typed = grade(path, output="out.parquet")
    assert [row["verdict"] for row in typed] == [row["verdict"] for row in rows]
    assert typed[1]["gold"] == "1.5"


def test_bad_rows_are_kept_with_their_reasons(grade: Grade, tmp_path: Path) -> None:
    lines = [b'{"gold": "2", "pred": "2"}', b'{"gold": "2"', b"[1]", b'{"gold": ["2"], "pred": "2"}', b'{"x": 1}']
    lines += [b'{"gold": "2", "pred": {"a": [1, {"b": null}]}}', b'{"gold": true, "pred": "1"}', b'{"gold": "\xff"}']
    path = tmp_path / "in.jsonl"
    path.write_bytes(b"\n".join(lines))
    for output in ("out.jsonl", "out.parquet"):
        rows = grade(path, output=output)
        assert [row["verdict"] for row in rows] == ["equal", *[None] * 7]
        reasons = ("not JSON", "no object (list)", "'gold' is no text but a list", "no gold", "'pred' is no text but")
        for row, words in zip(rows[1:], (*reasons, "'gold' is no text but a truth value", "not UTF-8"), strict=True):
            assert words in row["reason"]
    assert rows[5]["pred"] == '{"a": [1, {"b": null}]}'  # in Parquet, what is no value is JSON text


def test_hostile_text(grade: Grade, capsys: pytest.CaptureFixture[str]) -> None:
    texts = [
        "{" * 1_000_000,
        "9" * 100_000,
        "a\x00b",
        "\ud800",
        "\x1b[31mred\x1b[0m",
        "'; drop table graded; --",
    ]
    rows = grade([{"gold": text, "pred": text} for text in texts] + [{"gold": "a\x00c", "pred": "a\x00b"}])
    assert [row["verdict"] for row in rows[:-1]] == ["equal"] * len(texts)
    assert rows[-1]["verdict"] != "equal"
    assert [row["gold"] for row in rows[:-1]] == texts
    grade([{"gold": {"\x1b[31m": 1}, "pred": "\x1b[31m"}, {"gold": "1", "pred": "1"}], "--gold", "gold")
    assert "\x1b" not in capsys.readouterr().err


def test_two_halves_of_surrogate_pairs_are_two_answers(grade: Grade, tmp_path: Path) -> None:
    given = [{"gold": "\ud800", "pred": "\ud801"}]
    assert grade(given)[0]["verdict"] != "equal"
    assert grade(tmp_path / "in.jsonl", output="out.parquet")[0]["gold"] == "\\ud800"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "there are no rows"),
        ("\n\n", "there are no rows"),
        ('{"golf": "1", "pred": "1"}', "there is no column 'gold' (columns: 'golf', 'pred'). Did you mean 'golf'?"),
        ('{"gold": "1", "x": "1"}', "there is no column 'pred' (columns: 'gold', 'x')"),
        ('{"gold": [], "pred": 1}', "no row can be graded"),
        ("nonsense", "no row can be graded"),
        ('[\n{"gold": 1}]', "one JSON array"),
    ],
)
def test_files_that_cannot_be_graded(
    grade: Grade, tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str, words: str
) -> None:
    path = tmp_path / "bad.jsonl"
    path.write_text(content)
    grade(path, code=2)
    said = capsys.readouterr().err
    assert words in said
    assert "bad.jsonl" in said
    assert not (tmp_path / "out.jsonl").exists()


def test_one_row_is_a_file(grade: Grade) -> None:
    assert len(grade([ROWS[0]])) == 1


def test_an_output_is_replaced_only_when_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = put(tmp_path / "in.jsonl", ROWS)
    (tmp_path / "out.jsonl").write_text("mine")
    command = ["grade", str(path), "--no-symbolic", "--output"]
    assert main([*command, str(tmp_path / "out.jsonl")]) == 2
    assert "it exists. Name another file, or add --force" in capsys.readouterr().err
    assert main([*command, str(tmp_path / "out.csv")]) == 2
    assert main([*command, str(tmp_path / "no" / "out.jsonl")]) == 2
    assert (tmp_path / "out.jsonl").read_text() == "mine"


def test_a_file_that_changes_meanwhile_is_an_error(
    grade: Grade, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = put(tmp_path / "in.jsonl", ROWS)
    before = grading.name_answers

    def changing(*arguments: Any) -> Any:
        put(path, [*ROWS, *ROWS])
        return before(*arguments)

    monkeypatch.setattr(grading, "name_answers", changing)
    grade(path, code=2)
    assert "changed while it was read" in capsys.readouterr().err


@pytest.mark.parametrize("count", [1, 3_000])
def test_a_file_that_changes_while_it_is_written_out_is_an_error(
    grade: Grade, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], count: int
) -> None:
    path = put(tmp_path / "in.jsonl", list(ROWS) * 300)
    before = grading.InOrder

    def changing(*arguments: Any) -> Any:
        put(path, list(ROWS)[:1] * count)
        return before(*arguments)

    monkeypatch.setattr(grading, "InOrder", changing)
    grade(path, code=2)
    assert "changed while it was read" in capsys.readouterr().err
    assert not (tmp_path / "out.jsonl").exists()


def test_a_pipe_is_refused_at_once(grade: Grade, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    os.mkfifo(tmp_path / "pipe.jsonl")
    grade(tmp_path / "pipe.jsonl", code=2)
    assert "it is no regular file" in capsys.readouterr().err


def test_memory_that_is_too_small_names_the_variable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MATHLOOM_MEMORY", "12MB")
    rows = [{"gold": f"{number}" * 20, "pred": f"{number}"} for number in range(40_000)]
    path = put(tmp_path / "in.jsonl", rows)
    assert main(["grade", str(path), "--output", str(tmp_path / "out.jsonl"), "--no-symbolic"]) == 1
    assert "Set MATHLOOM_MEMORY to more" in capsys.readouterr().err


# Parquet.


def test_small_row_groups_are_read_together(tmp_path: Path) -> None:
    table = pa.table({"gold": [str(number) for number in range(10_000)], "pred": ["1"] * 10_000})
    pq.write_table(table, tmp_path / "in.parquet", row_group_size=100)
    chunks = list(read_chunks(tmp_path / "in.parquet"))
    assert len(chunks) <= 5
    assert [text for chunk in chunks for text in chunk.texts("gold").values.to_pylist()] == table["gold"].to_pylist()
    assert [chunk.first for chunk in chunks] == [sum(map(len, chunks[:at])) for at in range(len(chunks))]


def test_two_columns_of_one_name_are_an_error(grade: Grade, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    texts = pa.array(["1"])
    pq.write_table(pa.Table.from_arrays([texts, texts, texts], ["gold", "pred", "pred"]), tmp_path / "in.parquet")
    grade(tmp_path / "in.parquet", code=2)
    assert "two columns have the name 'pred'" in capsys.readouterr().err


def test_types_of_parquet_stay(grade: Grade, tmp_path: Path) -> None:
    table = pa.table(
        {
            "gold": pa.array(["1", "2", None]).dictionary_encode(),
            "pred": pa.array([1.0, 3.0, 1.0]),
            "when": pa.array([date(2020, 1, 2), None, None]),
            "big": pa.array(["a", "b", None], pa.large_string()),
            "nested": pa.array([[{"a": 1}], [], None]),
            "exact": pa.array([Decimal("1.50"), None, None]),
            "broken": pa.array([b"\xff", b"a", None]).view(pa.string()),
        }
    )
    pq.write_table(table, tmp_path / "in.parquet")
    assert main(["grade", str(tmp_path / "in.parquet"), "--output", str(tmp_path / "x.parquet"), "--no-symbolic"]) == 0
    found = pq.read_table(tmp_path / "x.parquet")
    assert found.schema.names[:7] == table.schema.names
    for name in ("when", "big", "nested", "exact"):
        assert found[name].combine_chunks().equals(table[name].combine_chunks())
    assert found["broken"].combine_chunks().view(pa.binary()).to_pylist() == [b"\xff", b"a", None]
    assert found["verdict"].to_pylist() == ["equal", "different", None]
    rows = grade(tmp_path / "in.parquet")
    assert rows[0]["when"] == "2020-01-02"
    assert rows[0]["nested"] == [{"a": 1}]
    assert [row["broken"] for row in rows] == ["\\xff", "a", None]


def test_answers_that_are_no_utf8_and_columns_of_no_text(
    grade: Grade, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "in.parquet"
    broken = pa.array([b"\xff", b"1"]).view(pa.string())
    pq.write_table(pa.table({"gold": ["1", "1"], "pred": broken}), path)
    assert [(row["verdict"], row["reason"]) for row in grade(path)] == [(None, "'pred' is not UTF-8"), ("equal", None)]
    pq.write_table(pa.table({"gold": ["1"], "pred": [[1]]}), path)
    grade(path, code=2)
    assert "the column 'pred' is list<" in capsys.readouterr().err
    pq.write_table(pa.table({"gold": ["1"]}).slice(0, 0), path)
    grade(path, code=2)
    assert "there are no rows" in capsys.readouterr().err


# The symbolic step.


def test_what_keys_leave_open_is_compared_once_and_remembered(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [{"gold": r"\sum_{k=1}^{n} k", "pred": r"\frac{n(n+1)}{2}"}] * 3
    rows += [{"gold": r"\sum_{k=1}^{n} k", "pred": r"\frac{n(n+1)}{3}"}, {"gold": "2", "pred": "2"}]
    command = ["grade", str(put(tmp_path / "in.jsonl", rows)), "--processes", "1", "--cache", str(tmp_path / "cache")]
    assert main([*command, "--output", str(tmp_path / "a.jsonl")]) == 0
    first = read(tmp_path / "a.jsonl")
    assert [row["verdict"] for row in first] == ["equal", "equal", "equal", "different", "equal"]
    assert [row["tier"] for row in first] == [*["symbolic"] * 4, "text"]
    assert first[0]["ms"] > 0
    assert first[0]["ms"] == first[2]["ms"]
    assert "slow pair: " in capsys.readouterr().err
    assert main([*command, "--output", str(tmp_path / "b.jsonl")]) == 0
    again = read(tmp_path / "b.jsonl")
    assert [(row["verdict"], row["tier"]) for row in again[:4]] == [(row["verdict"], "cache") for row in first[:4]]


def test_without_a_budget_nothing_is_compared(tmp_path: Path) -> None:
    rows = [{"gold": r"\sum_{k=1}^{n} k", "pred": r"\frac{n(n+1)}{2}"}]
    command = ["grade", str(put(tmp_path / "in.jsonl", rows)), "--output", str(tmp_path / "a.jsonl"), "--budget", "0"]
    assert main(command) == 0
    assert [(row["verdict"], row["tier"]) for row in read(tmp_path / "a.jsonl")] == [("unknown", "key")]


# As a process.


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGINT, 130), (signal.SIGKILL, -signal.SIGKILL)])
def test_a_kill_leaves_the_old_output(tmp_path: Path, sent: signal.Signals, code: int) -> None:
    fifo, output = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    os.mkfifo(fifo)
    output.write_text("old")
    command = [sys.executable, "-m", "dagster_project.cli", "vote", str(fifo), "--output", str(output), "--force"]
    child = subprocess.Popen([*command, "--no-symbolic"], cwd=ROOT, stderr=subprocess.PIPE, text=True)
    with child, fifo.open("w") as writer:  # opens when the command reads
        writer.write('{"problem_id": "1", "answer": "1"}\n')
        writer.flush()
        child.send_signal(sent)
        said = child.communicate(timeout=20)[1]
        assert child.returncode == code
    assert output.read_text() == "old"
    if sent is signal.SIGINT:
        assert said.strip() == "Interrupted. The output is written whole or not at all."
        assert sorted(path.name for path in tmp_path.iterdir()) == ["in.jsonl", "out.jsonl"]


def test_a_process_of_its_own_without_a_project(tmp_path: Path) -> None:
    path = put(tmp_path / "in.jsonl", ROWS)
    command = [sys.executable, "-m", "dagster_project.cli", "grade", str(path), "--output", "out.parquet"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    start = time.monotonic()
    child = subprocess.run(
        [*command, "--no-symbolic"], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert child.returncode == 0, child.stderr
    assert "9 of 10 rows graded" in child.stderr
    assert child.stdout == ""
    assert verdicts(read(tmp_path / "out.parquet")) == VERDICTS
    assert time.monotonic() - start < 20
