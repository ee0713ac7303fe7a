"""Files that are written: whole or not there, the same rows in every format, and whatever text they hold."""

from __future__ import annotations

import gzip
import json
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dagster_project.row_files.reading import read_rows
from dagster_project.row_files.writing import check_target, writing
from resources.errors import FileError

SCHEMA = pa.schema({"text": pa.string(), "n": pa.int64()})
ROWS: list[dict[str, Any]] = [{"text": 'a \x00 "b" \u2028', "n": 1}, {"text": None, "n": None}]


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz", "a.parquet"])
def test_rows_and_tables_come_back_in_order(tmp_path: Path, name: str) -> None:
    with writing(tmp_path / name, SCHEMA) as target:
        target.write_rows(ROWS)
        target.write_table(pa.Table.from_pylist(ROWS[:1], schema=SCHEMA))
        assert not (tmp_path / name).exists()
    assert [row.values for row in read_rows(tmp_path / name)] == [*ROWS, ROWS[0]]
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz", "a.parquet"])
def test_an_error_on_the_way_leaves_the_old_file(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"old")

    def fail() -> None:
        with writing(tmp_path / name, SCHEMA) as target:
            target.write_rows(ROWS)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert (tmp_path / name).read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_half_of_a_surrogate_pair_stays_an_escape(tmp_path: Path) -> None:
    with writing(tmp_path / "a.jsonl") as target:
        target.write_rows([{"text": "\ud800é"}, {"text": "é"}])
    assert (tmp_path / "a.jsonl").read_bytes() == b'{"text": "\\ud800\\u00e9"}\n{"text": "\xc3\xa9"}\n'


def test_what_json_does_not_know_is_written_as_text(tmp_path: Path) -> None:
    columns = {
        "when": pa.array([date(2020, 2, 3)]),
        "exact": pa.array([Decimal("1.50")]),
        "text": pa.array([b"x"]),
        "bytes": pa.array([b"\xff"]),
    }
    with writing(tmp_path / "a.jsonl.gz") as target:
        target.write_table(pa.table(columns))
    line = gzip.decompress((tmp_path / "a.jsonl.gz").read_bytes())
    assert json.loads(line) == {"when": "2020-02-03", "exact": "1.50", "text": "x", "bytes": "/w=="}


def test_a_parquet_file_has_the_columns_of_its_schema(tmp_path: Path) -> None:
    with writing(tmp_path / "a.parquet", SCHEMA) as target:
        target.write_table(pa.table({"n": pa.array([1], pa.int32()), "text": pa.array(["x"], pa.large_string())}))
    assert pq.read_schema(tmp_path / "a.parquet").equals(SCHEMA)


@pytest.mark.parametrize(
    ("name", "words"), [("a.csv", "the ending '.csv'"), ("old.jsonl", "it exists"), ("no/a.jsonl", "no such folder")]
)
def test_files_that_cannot_be_written(tmp_path: Path, name: str, words: str) -> None:
    (tmp_path / "old.jsonl").write_text("mine")
    with pytest.raises(FileError, match=words):
        check_target(tmp_path / name, force=False)
    check_target(tmp_path / "old.jsonl", force=True)
