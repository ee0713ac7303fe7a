from __future__ import annotations

import time
from pathlib import Path

import pytest

from dagster_project.explorer.access import MAX_ROWS, Reader, SlowError, parquet
from resources.errors import StoreError


@pytest.fixture
def reader(release_folder: Path, tmp_path: Path) -> Reader:
    return Reader([release_folder], tmp_path / "spill")


def test_a_slow_question_is_stopped_and_the_next_one_answered(reader: Reader) -> None:
    start = time.perf_counter()
    with pytest.raises(SlowError, match="took longer than 0.2 s"):
        reader.ask("select sum(a.range * b.range) from range(1000000) a, range(1000000) b", seconds=0.2)
    assert time.perf_counter() - start < 5
    assert reader.number("select 3") == 3


def test_no_question_gives_more_than_the_limit(reader: Reader) -> None:
    assert len(reader.ask("from range(5000)", limit=10)) == 10
    assert len(reader.ask("from range(5000)", limit=10**9)) == MAX_ROWS


def test_only_its_folders_can_be_read(reader: Reader, older_folder: Path, release_folder: Path) -> None:
    assert reader.number(f"select count(*) from {parquet([next((release_folder / 'data').iterdir())])}") > 0
    with pytest.raises(StoreError, match="cannot read or write a file"):
        reader.ask(f"select * from {parquet([next((older_folder / 'data').iterdir())])}")
