"""Files as users have them: what is read, what is one bad row, and what is no such file at all."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dagster_project.row_files import reading
from dagster_project.row_files.reading import read_rows
from resources.errors import FileError


def test_json_lines_with_a_mark_blank_lines_and_windows_ends(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'\xef\xbb\xbf{"text": "one"}\r\n\r\n{"text": "two"}')
    assert [(row.number, row.line, row.values["text"]) for row in read_rows(path)] == [(0, 1, "one"), (1, 3, "two")]


def test_a_bad_line_does_not_stop_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MAX_ROW_BYTES", 2000)
    lines = [
        b'{"text": "first"}',
        b"{",
        b'"a text"',
        b'{"text": "\xff"}',
        b"[" * 1500,
        b'{"text": "' + b"x" * 3000 + b'"}',
        b'{"n": ' + b"9" * 1900 + b"}",  # Python itself refuses only above 4,300 digits
        b'{"text": "\\ud800 \\u0000"}',
    ]
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"\n".join(lines))
    rows = list(read_rows(path))
    assert [row.number for row in rows] == list(range(8))
    assert [row.line for row in rows if row.fault] == [2, 3, 4, 5, 6]
    faults = [row.fault for row in rows if row.fault]
    for fault, word in zip(
        faults, ("not JSON", "no object", "not UTF-8 (byte 10: 0xff)", "not JSON", "longer"), strict=True
    ):
        assert word in fault
    assert rows[-1].values["text"] == "\ud800 \x00"


def test_gzip_and_parquet_hold_the_same_rows(tmp_path: Path) -> None:
    rows = [{"text": f"{i}", "problem": None} for i in range(600)]
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress("".join(json.dumps(row) + "\n" for row in rows).encode()))
    pq.write_table(
        pa.Table.from_pylist(rows, schema=pa.schema({"text": "string", "problem": "string"})), tmp_path / "a.parquet"
    )
    zipped = list(read_rows(tmp_path / "a.jsonl.gz"))
    assert [row.values for row in zipped] == rows
    assert list(read_rows(tmp_path / "a.parquet")) == zipped
    assert next(iter(read_rows(tmp_path / "a.parquet", {"text"}))).values == {"text": "0"}


def test_a_parquet_row_that_is_no_utf8_does_not_take_the_others_with_it(tmp_path: Path) -> None:
    texts = pa.array([b"one", b"\xff", b"three"], pa.binary())
    pq.write_table(pa.table({"text": texts.view(pa.string())}), tmp_path / "a.parquet")
    rows = list(read_rows(tmp_path / "a.parquet"))
    assert [row.values.get("text") for row in rows] == ["one", None, "three"]
    assert [row.fault for row in rows] == ["", "a column is not UTF-8", ""]


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.csv", b"text\n", "the ending '.csv'"),
        ("a.parquet.gz", b"", "the ending '.parquet.gz'"),
        ("a.jsonl", b'[\n{"text": "a"}]', "one JSON array"),
        ("a.jsonl", "{}".encode("utf-16"), "UTF-16"),
        ("a.jsonl.gz", gzip.compress(b'{"text": "a"}\n' * 1000, mtime=0)[:-20], "damaged"),
        ("a.jsonl.gz", b"no gzip", "damaged"),
        ("a.parquet", b"no parquet", "damaged"),
    ],
)
def test_what_is_no_such_file_at_all_is_an_error(tmp_path: Path, name: str, content: bytes, words: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(FileError, match="(?s)" + words.replace(".", r"\.")) as raised:
        list(read_rows(tmp_path / name))
    assert name in raised.value.where


def test_a_missing_file_and_a_folder(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="no such file"):
        list(read_rows(tmp_path / "a.jsonl"))
    (tmp_path / "b.jsonl").mkdir()
    with pytest.raises(FileError, match="cannot be read: Is a directory"):
        list(read_rows(tmp_path / "b.jsonl"))
