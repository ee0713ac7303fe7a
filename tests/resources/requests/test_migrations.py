"""Formats: a store of format 1, written here byte by byte, is brought up to date; a newer one is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from resources.errors import StoreError
from resources.identity import digest128
from resources.requests import migrations, segments
from resources.requests.segments import COMPLETIONS, FAILURES
from resources.requests.store import RequestStore
from resources.requests.usage import WeightsUsage


def key(number: int) -> bytes:
    return digest128("test", str(number))


def write_format_1(root: Path, name: str, numbers: range, *, failures: int) -> Path:
    """A seal as mathloom wrote it under format 1."""
    folder = root / "requests" / "segments" / name
    folder.mkdir(parents=True)
    rows = sorted(
        (
            {
                "request_key": key(n),
                "text": f"é {n}",
                "reasoning": "why" if n % 2 else None,
                "text_hash": digest128("text", f"é {n}"),
                "finish_reason": "stop",
                "prompt_tokens": 10,
                "completion_tokens": None if n == 3 else 2,
                "engine": "scripted",
                "weights": "w" if n < 5 else "v",
                "stored_at_ns": 1000 + n,
                "raw": None,
                "raw_reasoning": None,
            }
            for n in numbers
        ),
        key=lambda row: row["request_key"],
    )
    part = folder / "completions-00000.parquet"
    pq.write_table(table(COMPLETIONS, rows), part, compression="zstd")
    keys = np.frombuffer(b"".join(row["request_key"] for row in rows), np.uint8).reshape(-1, 16)
    np.save(folder / "completions-00000.keys.npy", keys)
    failed = [
        {
            "request_key": key(100),
            "reason": "timed out",
            "is_permanent": False,
            "engine": "scripted",
            "weights": "w",
            "stored_at_ns": n,
        }
        for n in range(failures)
    ]
    if failed:
        pq.write_table(table(FAILURES, failed), folder / "failures.parquet", compression="zstd")
    facts = {
        "completion_tokens": sum(row["completion_tokens"] or 0 for row in rows),
        "completions": len(rows),
        "failures": failures,
        "format": 1,
        "journals": ["gone.journal"],
        "parts": [{"bytes": part.stat().st_size, "name": part.name, "rows": len(rows)}],
        "prompt_tokens": 10 * len(rows),
        "replaces": [],
    }
    (folder / "seal.json").write_text(json.dumps(facts, indent=1, sort_keys=True) + "\n")
    return folder


def table(schema: pa.Schema, rows: list[dict[str, Any]]) -> pa.Table:
    columns = []
    for field in schema:
        values = [row[field.name] for row in rows]
        is_id = field.type == pa.uuid()
        column = pa.array(values, pa.binary(16) if is_id else field.type)
        columns.append(pa.ExtensionArray.from_storage(pa.uuid(), column) if is_id else column)
    return pa.Table.from_arrays(columns, schema=schema)


def old_store(root: Path) -> None:
    write_format_1(root, "20260101-000000-aaaaaaaaaaaa", range(0, 4), failures=2)
    write_format_1(root, "20260101-000001-bbbbbbbbbbbb", range(4, 8), failures=0)
    (root / "requests" / "FORMAT").write_text('{\n "format": 1\n}\n')


EXPECTED = [
    WeightsUsage("v", "scripted", 3, 0, 3, 30, 6, 18, 1005, 1007),
    WeightsUsage("w", "scripted", 5, 2, 4, 50, 8, 26, 1000, 1004),
]


def check(root: Path) -> None:
    with RequestStore(root) as store, duckdb.connect() as session:
        assert store.known([key(n) for n in range(9)]).tolist() == [True] * 8 + [False]
        assert store.failed_attempts([key(100)]) == {key(100): 2}
        assert store.usage_by_weights() == EXPECTED
        store.create_views(session)
        texts = session.sql("select text from completions order by text").fetchall()
        assert texts == [(f"é {n}",) for n in range(8)]
    assert json.loads((root / "requests" / "FORMAT").read_text()) == {"format": 2}
    for seal in (root / "requests" / "segments").glob("*/seal.json"):
        assert json.loads(seal.read_text())["format"] == 2


def test_a_store_of_format_1_is_migrated_in_place(tmp_path: Path) -> None:
    old_store(tmp_path)
    parts = {path: path.read_bytes() for path in tmp_path.rglob("*.parquet")}
    check(tmp_path)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*.parquet")} == parts, "only seal.json is written anew"
    check(tmp_path)
    with RequestStore(tmp_path) as store:
        store.compact(force=True)
        assert store.usage_by_weights() == EXPECTED, "what was migrated is what a writer counts"
    check(tmp_path)


@pytest.mark.parametrize("writes", [0, 1, 2])
def test_a_migration_that_is_killed_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, writes: int) -> None:
    class Killed(BaseException):
        pass

    def write(path: Path, value: Any) -> None:
        nonlocal left
        if left == 0:
            raise Killed
        left -= 1
        write_json(path, value)

    old_store(tmp_path)
    left, write_json = writes, migrations.write_json
    with monkeypatch.context() as patch:
        patch.setattr(migrations, "write_json", write)
        with pytest.raises(Killed):
            RequestStore(tmp_path).open()
    assert json.loads((tmp_path / "requests" / "FORMAT").read_text()) == {"format": 1}
    check(tmp_path)


def test_a_folder_copied_in_from_an_older_store_is_migrated(tmp_path: Path) -> None:
    with RequestStore(tmp_path) as store:
        write_format_1(tmp_path, "20260101-000000-aaaaaaaaaaaa", range(0, 4), failures=2)
        with pytest.raises(StoreError, match=r"format 1; .* Open the store again"):
            store.refresh()
    write_format_1(tmp_path, "20260101-000001-bbbbbbbbbbbb", range(4, 8), failures=0)
    check(tmp_path)


def test_damage_stops_a_migration_with_its_place(tmp_path: Path) -> None:
    old_store(tmp_path)
    part = next(tmp_path.rglob("*.parquet"))
    part.write_bytes(b"PAR1")
    with pytest.raises(StoreError, match="the file is damaged") as caught:
        RequestStore(tmp_path).open()
    assert caught.value.where == str(part)


def test_steps_follow_each_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old_store(tmp_path)
    steps = []

    def step(folder: Path, facts: dict[str, Any]) -> dict[str, Any]:
        steps.append((folder.name[-12:-10], facts["format"]))
        return facts

    monkeypatch.setattr(migrations, "MIGRATIONS", {**migrations.MIGRATIONS, 2: step, 3: step})
    for module in (migrations, segments):
        monkeypatch.setattr(module, "FORMAT", 4)
    for _ in range(2):
        RequestStore(tmp_path).open().close()
    assert steps == [("aa", 2), ("aa", 3), ("bb", 2), ("bb", 3)]
    assert json.loads((tmp_path / "requests" / "FORMAT").read_text()) == {"format": 4}
    monkeypatch.undo()
    with pytest.raises(StoreError, match="request store has format 4; this mathloom reads 2"):
        RequestStore(tmp_path).open()
    (tmp_path / "requests" / "FORMAT").write_text('{"format": 2}')
    with pytest.raises(StoreError, match=r"segment has format 4; .* Install the mathloom"):
        RequestStore(tmp_path).open()
