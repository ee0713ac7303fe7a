"""The SQL session: what it sees, and what it must not reach."""

from __future__ import annotations

import uuid
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from resources.errors import StoreError
from resources.sql import Part, View, create_views, open_session, quote_name

SCHEMA = pa.schema([pa.field("id", pa.uuid(), nullable=False), pa.field("n", pa.int32()), pa.field("ok", pa.bool_())])
WIDER = SCHEMA.append(pa.field("votes", pa.int32()))


def write(path: Path, count: int, schema: pa.Schema = SCHEMA) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    raw = pa.array([uuid.UUID(int=i).bytes for i in range(count)], pa.binary(16))
    ids = pa.ExtensionArray.from_storage(pa.uuid(), raw)
    columns = [ids, pa.array(range(count), pa.int32()), pa.array([True] * count, pa.bool_())]
    if "votes" in schema.names:
        columns.append(pa.array([7] * count, pa.int32()))
    pq.write_table(pa.table(columns, schema=schema), path)
    return path


def session(tmp_path: Path, **options: object) -> duckdb.DuckDBPyConnection:
    return open_session(memory_limit="200MB", threads=1, temp=tmp_path / "spill", **options)  # type: ignore[arg-type]


def test_ids_stay_uuid_and_booleans_are_booleans(tmp_path: Path) -> None:
    path = write(tmp_path / "a.parquet", 3)
    with session(tmp_path, views={"rows": View(SCHEMA, [path])}) as connection:
        reader = connection.sql("select * from rows order by id").to_arrow_reader(2)
        table = reader.read_all()
    assert table.schema.field("id").type == pa.uuid()
    assert table.column("n").to_pylist() == [0, 1, 2]


def test_many_parts_union_by_name_with_their_places(tmp_path: Path) -> None:
    first, second = write(tmp_path / "a.parquet", 1), write(tmp_path / "b.parquet", 2, WIDER)
    view = View(SCHEMA, parts=[Part("se'eds", [first], SCHEMA), Part("none", [], SCHEMA), Part("new", [second], WIDER)])
    with session(tmp_path, views={"all_rows": view}) as connection:
        found = connection.sql("select n, votes, part, part_index from all_rows order by part_index, n").fetchall()
    assert found == [(0, None, "se'eds", 0), (0, 7, "new", 2), (1, 7, "new", 2)]


def test_part_columns_of_the_files_give_way(tmp_path: Path) -> None:
    schema = pa.schema([pa.field("n", pa.int32()), pa.field("part", pa.string())])
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"n": [1], "part": ["old"]}, schema=schema), path)
    with session(tmp_path, views={"v": View(schema, parts=[Part("new", [path], schema)])}) as connection:
        assert connection.sql("select n, part, part_index from v").fetchall() == [(1, "new", 0)]


@pytest.mark.parametrize("view", [View(SCHEMA), View(SCHEMA, parts=[]), View(SCHEMA, parts=[Part("p", [], SCHEMA)])])
def test_empty_views_have_types(tmp_path: Path, view: View) -> None:
    with session(tmp_path, views={"v": view}) as connection:
        types = {row[0]: row[1] for row in connection.sql("describe v").fetchall()}
        assert connection.sql("select count(*) from v").fetchall() == [(0,)]
    assert {"id": "UUID", "n": "INTEGER", "ok": "BOOLEAN"}.items() <= types.items()
    assert ("part_index" in types) == (view.parts is not None)


@pytest.mark.parametrize("folder", ["x[1]", "run=7", "a*b", "it's", "q?", "ünï code"])
def test_paths_are_taken_literally(tmp_path: Path, folder: str) -> None:
    path = write(tmp_path / folder / "p.parquet", 2)
    with session(tmp_path, views={"v": View(SCHEMA, [path])}) as connection:
        assert connection.sql("select * from v").columns == ["id", "n", "ok"]
        assert connection.sql("select count(*) from v").fetchall() == [(2,)]


@pytest.mark.parametrize(
    "query",
    [
        "select * from read_parquet('{other}')",
        "select * from '{other}'",
        "select * from read_text('{other}')",
        "select * from glob('{folder}/*')",
        "copy (select 1) to '{folder}/out.csv'",
        "attach '{folder}/x.db'",
        "install httpfs",
        "load httpfs",
        "set memory_limit = '8GB'",
        "set enable_external_access = true",
        "select * from caller_table",
    ],
)
def test_nothing_else_is_reached(tmp_path: Path, query: str) -> None:
    caller_table = pa.table({"a": [1]})
    other = write(tmp_path / "other.parquet", 1)
    with (
        session(tmp_path, views={"v": View(SCHEMA, [write(tmp_path / "a.parquet", 1)])}) as connection,
        pytest.raises(duckdb.Error),
    ):
        connection.sql(query.format(other=other, folder=tmp_path)).fetchall()
    assert caller_table.num_rows == 1
    assert not (tmp_path / "out.csv").exists()
    assert not (tmp_path / "x.db").exists()


def test_views_over_allowed_folders_can_come_later(tmp_path: Path) -> None:
    path = write(tmp_path / "segments" / "a.parquet", 2)
    with session(tmp_path, folders=[tmp_path / "segments"]) as connection:
        create_views(connection, {"completions": View(SCHEMA, [path])})
        assert connection.sql("select count(*) from completions").fetchall() == [(2,)]


def test_sorts_spill_below_the_memory_limit(tmp_path: Path) -> None:
    with open_session(memory_limit="40MB", threads=1, temp=tmp_path / "spill") as connection:
        reader = connection.sql("select md5(i::varchar) as h from range(1500000) t(i) order by h").to_arrow_reader(5000)
        first = next(iter(reader))
        assert first.column(0)[0].as_py().startswith("0000")
        assert any((tmp_path / "spill").iterdir())


@pytest.mark.parametrize(
    ("memory_limit", "threads", "words"),
    [("4GBB", 1, "4GBB"), ("1GB", 0, "threads 0")],
)
def test_wrong_settings_are_named(tmp_path: Path, memory_limit: str, threads: int, words: str) -> None:
    with pytest.raises(StoreError, match=words):
        open_session(memory_limit=memory_limit, threads=threads, temp=tmp_path)


def test_absent_and_broken_files_name_the_input(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"input 'v': the file .*gone.parquet is absent"):
        session(tmp_path, views={"v": View(SCHEMA, [tmp_path / "gone.parquet"])})
    broken = tmp_path / "broken.parquet"
    broken.write_text("not parquet at all")
    with pytest.raises(StoreError, match="input 'v': a file is no Parquet file"):
        session(tmp_path, views={"v": View(SCHEMA, [broken])})


def test_quote_name_keeps_quotes_inside() -> None:
    name = 'a"b; drop'
    with duckdb.connect(":memory:") as connection:
        assert connection.sql(f"select 1 as {quote_name(name)}").columns == [name]
