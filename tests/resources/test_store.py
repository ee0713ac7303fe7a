"""The store: content decides names, nothing half-written is ever visible, one build at a time."""

from __future__ import annotations

import errno
import multiprocessing
import os
import stat
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resources.errors import BusyError, StoreError
from resources.store import Built, Entry, Environment, Store
from resources.store.cleaning import clean
from resources.store.layout import write_json
from resources.store.writing import ROW_GROUP_ROWS, TableWriter

SCHEMA = pa.schema([pa.field("n", pa.int64(), nullable=False), pa.field("text", pa.string())])


def rows(count: int, start: int = 0) -> pa.Table:
    numbers = range(start, start + count)
    return pa.table({"n": list(numbers), "text": [f"row {n}" for n in numbers]}, schema=SCHEMA)


def commit(store: Store, table: pa.Table, facts: dict[str, object] | None = None, step: int = 1000) -> str:
    with store.stage("sql/x", {"rows": SCHEMA}, where="test") as staging:
        for start in range(0, table.num_rows, step):
            staging.writers["rows"].write(table.slice(start, step))
        staging.close()
        return staging.commit(facts or {}).version


def test_same_rows_in_other_pieces_are_the_same_version(tmp_path: Path) -> None:
    table = rows(ROW_GROUP_ROWS + 17)
    versions = {commit(Store(tmp_path / str(step)), table, step=step) for step in (999, 70_000, 10**6)}
    assert len(versions) == 1


@pytest.mark.parametrize("change", ["row", "order", "facts"])
def test_another_content_is_another_version(tmp_path: Path, change: str) -> None:
    store = Store(tmp_path)
    before = commit(store, rows(3))
    if change == "row":
        after = commit(store, rows(3, start=1))
    elif change == "order":
        after = commit(store, rows(3).take([2, 1, 0]))
    else:
        after = commit(store, rows(3), {"read": 3})
    assert after != before


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(0, 300), max_size=8))
def test_what_is_written_is_read_back(sizes: list[int]) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        written: list[int] = []
        with TableWriter(Path(folder), SCHEMA, where="test") as writer:
            for size in sizes:
                writer.write(rows(size, len(written)))
                written += range(len(written), len(written) + size)
        read = [n for path in writer.paths for n in pq.read_table(path).column("n").to_pylist()]
        assert read == written
        assert writer.row_count == len(written)


def test_an_empty_table_keeps_its_schema(tmp_path: Path) -> None:
    store = Store(tmp_path)
    version = store.version("sql/x", commit(store, rows(0)))
    assert version.row_count() == 0
    assert version.schema().equals(SCHEMA)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        pytest.param(pa.table({"n": [1]}), "lacks the column 'text'", id="absent column"),
        pytest.param(
            pa.table({"n": pa.array([None], pa.int64()), "text": ["a"]}), "null value(s) in the column 'n'", id="null"
        ),
        pytest.param(pa.table({"n": ["a"], "text": ["a"]}), "is string, declared as int64", id="type"),
    ],
)
def test_a_batch_that_breaks_the_schema_is_refused(tmp_path: Path, table: pa.Table, message: str) -> None:
    with pytest.raises(StoreError, match="column") as caught, TableWriter(tmp_path, SCHEMA, where="r/s") as writer:
        writer.write(table)
    assert message in str(caught.value)
    assert caught.value.where == "r/s"


def test_leaving_staging_without_commit_leaves_nothing(tmp_path: Path) -> None:
    store = Store(tmp_path)

    def killed() -> None:
        with store.stage("sql/x", {"rows": SCHEMA}, where="t") as staging:
            staging.writers["rows"].write(rows(10))
            raise RuntimeError("boom")

    with pytest.raises(RuntimeError, match="boom"):
        killed()
    assert list((tmp_path / "staging").iterdir()) == []
    assert not (tmp_path / "versions").exists()


def test_a_version_without_manifest_is_no_version_and_is_replaced(tmp_path: Path) -> None:
    store = Store(tmp_path)
    version = commit(store, rows(5))
    manifest = store.folder("sql/x", version) / "manifest.json"
    manifest.unlink()  # as a kill between the rename and the manifest leaves it
    with pytest.raises(StoreError, match="not in the store"):
        store.version("sql/x", version)
    assert commit(store, rows(5)) == version
    assert store.version("sql/x", version).row_count() == 5


def test_a_fingerprint_finds_its_version_until_it_is_gone(tmp_path: Path) -> None:
    store = Store(tmp_path)
    version = commit(store, rows(2))
    store.remember(Built("f" * 64, "sql/x", version, {"code": "1"}))
    found = store.find("f" * 64)
    assert found is not None
    assert (found[0].version, found[1].parts) == (version, {"code": "1"})
    (store.folder("sql/x", version) / "manifest.json").unlink()
    assert store.find("f" * 64) is None


def test_a_full_disk_is_named_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(tmp_path)

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(pq.ParquetWriter, "write_table", full)
    with pytest.raises(StoreError, match="the disk is full") as caught:
        commit(store, rows(5))
    assert "mathloom clean" in caught.value.fix
    assert list((tmp_path / "staging").iterdir()) == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_no_permission_is_named(tmp_path: Path) -> None:
    tmp_path.chmod(stat.S_IRUSR | stat.S_IXUSR)
    with pytest.raises(StoreError, match="no permission"):
        Store(tmp_path / "store")


def test_no_permission_is_named_for_root_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "mkdir", refused)
    with pytest.raises(StoreError, match="no permission") as caught:
        Store(tmp_path / "store")
    assert "mathloom.toml" in caught.value.fix


def test_a_newer_store_is_refused(tmp_path: Path) -> None:
    write_json(tmp_path / "FORMAT", {"format": 99})
    with pytest.raises(StoreError, match="format 99"):
        Store(tmp_path)


def test_an_environment_survives_a_reload_and_forgets_removed_stages(tmp_path: Path) -> None:
    environment = Environment.load(tmp_path, "r", "p")
    environment.promote("a", Entry("sql/x", "1" * 64, "f"))
    environment.promote("b", Entry("sql/x", "2" * 64, "g"))
    again = Environment.load(tmp_path, "r", "p")
    assert again.stages == environment.stages
    again.forget({"b"})
    assert set(Environment.load(tmp_path, "r", "p").stages) == {"b"}


def _hold(root: Path, ready: object, release: object) -> None:
    with Environment.load(root, "r", "p").lock():
        ready.set()  # type: ignore[attr-defined]
        release.wait(20)  # type: ignore[attr-defined]


def test_a_second_build_is_refused_and_a_killed_one_leaves_no_lock(tmp_path: Path) -> None:
    spawn = multiprocessing.get_context("spawn")
    ready, release = spawn.Event(), spawn.Event()
    holder = spawn.Process(target=_hold, args=(tmp_path, ready, release))
    holder.start()
    assert ready.wait(20)
    environment = Environment.load(tmp_path, "r", "p")
    with pytest.raises(BusyError, match=str(holder.pid)), environment.lock():
        pass
    holder.kill()
    holder.join()
    with environment.lock():
        assert environment.file.with_suffix(".lock").read_text() == str(os.getpid())


def test_clean_keeps_what_an_environment_names(tmp_path: Path) -> None:
    store = Store(tmp_path)
    kept, gone = commit(store, rows(2)), commit(store, rows(3))
    store.remember(Built("a" * 64, "sql/x", kept))
    store.remember(Built("b" * 64, "sql/x", gone))
    Environment.load(tmp_path, "r", "p").promote("s", Entry("sql/x", kept, "a" * 64))
    assert clean(store, is_dry_run=True).versions == 1
    assert store.find("b" * 64) is not None
    cleaned = clean(store)
    assert (cleaned.versions, cleaned.fingerprints) == (1, 1)
    assert store.find("a" * 64) is not None
    assert store.find("b" * 64) is None
