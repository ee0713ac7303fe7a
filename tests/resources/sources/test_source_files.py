"""Reading seed files: every format, every broken row as a reject, every broken file as one error with a remedy."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from resources.errors import SeedError
from resources.sources.files import read_file
from resources.sources.rows import MAX_ROW_BYTES

NEEDED = ("problem", "expected_answer")
GOOD = b'{"problem": "1 + 1?", "expected_answer": "2"}'


def _write(tmp_path: Path, name: str, content: bytes) -> Path:
    path = tmp_path / name
    path.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    return path


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.jsonl", GOOD + b"\n" + GOOD),
        ("a.jsonl.gz", GOOD + b"\n" + GOOD + b"\n"),
        ("a.json.gz", GOOD + b"\n" + GOOD + b"\n"),
        ("bom.jsonl", b"\xef\xbb\xbf" + GOOD + b"\n" + GOOD),
        ("crlf.jsonl", GOOD + b"\r\n" + GOOD + b"\r\n"),
        ("blank.jsonl", b"\n  \n" + GOOD + b"\n\n\r\n" + GOOD + b"\n\n"),
        ("a.csv", b"problem,expected_answer\n1 + 1?,2\n1 + 1?,2\n"),
        ("a.csv.gz", b"problem,expected_answer\n1 + 1?,2\n1 + 1?,2\n"),
        ("bom.csv", b"\xef\xbb\xbfproblem,expected_answer\r\n1 + 1?,2\r\n\r\n1 + 1?,2\r\n"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_text_formats_give_the_same_rows(tmp_path: Path, name: str, content: bytes) -> None:
    rows = list(read_file(_write(tmp_path, name, content), NEEDED, NEEDED))
    assert [(row.number, row.fault) for row in rows] == [(0, None), (1, None)]
    assert all(row.values == {"problem": "1 + 1?", "expected_answer": "2"} for row in rows)


def test_parquet_reads_wanted_columns_only(tmp_path: Path) -> None:
    table = pa.table({"problem": ["a", None], "expected_answer": ["1", "2"], "picture": [b"x" * 10, b"y"]})
    pq.write_table(table, tmp_path / "a.parquet")
    rows = list(read_file(tmp_path / "a.parquet", NEEDED, (*NEEDED, "level")))
    assert [row.values for row in rows] == [
        {"problem": "a", "expected_answer": "1"},
        {"problem": None, "expected_answer": "2"},
    ]


def test_parquet_with_text_that_is_no_unicode_loses_only_that_row(tmp_path: Path) -> None:
    bad = pa.Array.from_buffers(pa.string(), 2, [None, *pa.array([b"ok", b"\xff\xfe"]).buffers()[1:]])
    pq.write_table(pa.table({"problem": bad, "expected_answer": ["1", "2"]}), tmp_path / "a.parquet")
    rows = list(read_file(tmp_path / "a.parquet", NEEDED, NEEDED))
    assert rows[0].fault is None
    assert rows[1].fault is not None
    assert rows[1].fault.rule == "encoding"


@pytest.mark.parametrize(
    ("line", "rule"),
    [
        (b'{"problem": ', "malformed"),
        (b"[1, 2]", "malformed"),
        (b'"text"', "malformed"),
        (b"null", "malformed"),
        (b"[" * 100_000, "malformed"),
        (b'{"problem": ' + b"1" * 5000 + b"}", "malformed"),
        (b'{"problem": "\xff"}', "encoding"),
        (b'{"problem": "' + b"x" * MAX_ROW_BYTES + b'"}', "too long"),
        (b"x" * (3 * MAX_ROW_BYTES), "too long"),
    ],
    ids=["cut", "array", "text", "null", "deep", "huge number", "latin", "long", "three limits long"],
)
def test_a_bad_line_is_a_fault_and_the_next_line_is_read(tmp_path: Path, line: bytes, rule: str) -> None:
    rows = list(read_file(_write(tmp_path, "a.jsonl", b"\n".join([GOOD, line, GOOD])), NEEDED, NEEDED))
    assert [row.fault and row.fault.rule for row in rows] == [None, rule, None]
    assert rows[1].place == "line 2"
    assert rows[2].number == 2


def test_a_line_of_exactly_the_limit_is_read(tmp_path: Path) -> None:
    line = json.dumps({"problem": "x" * (MAX_ROW_BYTES - 15)}).encode()
    assert len(line) == MAX_ROW_BYTES
    rows = list(read_file(_write(tmp_path, "a.jsonl", line + b"\n" + GOOD + b"\n"), (), ()))
    assert [row.fault for row in rows] == [None, None]


@pytest.mark.parametrize(
    ("line", "rule"),
    [
        (b"only one field", "malformed"),
        (b"one,two,three", "malformed"),
        (b'"a"b,c', "malformed"),
        (b"x" * (MAX_ROW_BYTES + 1), "too long"),
        (b'"' + b"x" * 200_000 + b'",1', "malformed"),
    ],
    ids=["too few", "too many", "bad quotes", "long line", "long field"],
)
def test_a_bad_csv_row_is_a_fault_and_the_next_row_is_read(tmp_path: Path, line: bytes, rule: str) -> None:
    content = b"problem,expected_answer\na,1\n" + line + b"\nb,2\n"
    rows = list(read_file(_write(tmp_path, "a.csv", content), NEEDED, NEEDED))
    assert [row.fault and row.fault.rule for row in rows] == [None, rule, None]
    assert rows[1].place == "line 3"
    assert rows[2].values == {"problem": "b", "expected_answer": "2"}


def test_a_csv_quote_that_never_closes_cannot_fill_memory(tmp_path: Path) -> None:
    content = b'problem,expected_answer\n"open,1\n' + b"some text,2\n" * 50_000
    rows = list(read_file(_write(tmp_path, "a.csv", content), NEEDED, NEEDED))
    assert rows[0].fault is not None
    assert rows[0].fault.rule == "malformed"
    assert sum(row.fault is None for row in rows) > 30_000


def test_csv_fields_may_hold_line_breaks(tmp_path: Path) -> None:
    path = _write(tmp_path, "a.csv", b'problem,expected_answer\n"two\nlines",1\nb,2\n')
    rows = list(read_file(path, NEEDED, NEEDED))
    assert rows[0].values["problem"] == "two\nlines"
    assert [row.place for row in rows] == ["line 2", "line 4"]


@pytest.mark.parametrize(
    ("name", "content", "what"),
    [
        ("a.txt", b"x", "the ending '.txt' is none"),
        ("a.parquet.gz", b"x", "the ending '.parquet.gz' is none"),
        ("plain", b"x", "'plain' is none"),
        ("a.parquet", b"no parquet", "the file is damaged"),
        ("array.json", b"[\n{}\n]", "one JSON array"),
        ("wide.jsonl", "{}".encode("utf-16"), "UTF-16"),
        ("a.csv", b"problem,answer\n1,2\n", "no row has the column 'expected_answer' (columns there: answer, problem)"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_wrong_file_is_one_error_that_names_it(tmp_path: Path, name: str, content: bytes, what: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(SeedError) as caught:
        list(read_file(path, NEEDED, NEEDED))
    assert what in caught.value.what
    assert str(path) in caught.value.where
    assert "\n" not in str(caught.value)


def test_a_cut_gzip_file_is_damaged(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl.gz"
    path.write_bytes(gzip.compress((GOOD + b"\n") * 1000)[:-20])
    with pytest.raises(SeedError, match="damaged"):
        list(read_file(path, NEEDED, NEEDED))


def test_plain_text_under_a_gzip_name_is_damaged(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl.gz").write_bytes(GOOD)
    with pytest.raises(SeedError, match="damaged"):
        list(read_file(tmp_path / "a.jsonl.gz", NEEDED, NEEDED))


@pytest.mark.parametrize("name", ["absent.jsonl", "absent.parquet", "absent.csv"])
def test_an_absent_file_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(SeedError, match=r"there is no such file\. Correct the path"):
        list(read_file(tmp_path / name, NEEDED, NEEDED))


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").mkdir()
    with pytest.raises(SeedError, match="cannot be read"):
        list(read_file(tmp_path / "a.jsonl", NEEDED, NEEDED))
