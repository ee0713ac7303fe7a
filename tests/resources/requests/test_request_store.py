"""The request store: first answer wins, nothing is lost, several processes, views, format, damage."""

from __future__ import annotations

import errno
import json
import os
import shutil
import threading
import time
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow.parquet as pq
import pytest

from resources.engines.protocol import EngineResult
from resources.errors import StoreError
from resources.identity import digest128, show_id
from resources.requests import sealing, segments, writing
from resources.requests import store as store_module
from resources.requests.index import Keys, Mask
from resources.requests.records import Completion, Failure, record_of
from resources.requests.sealed import PERMANENT
from resources.requests.segments import COMPLETIONS, FAILURES, keys_path
from resources.requests.store import RequestStore
from resources.requests.usage import WeightsUsage


def key(number: int) -> bytes:
    """Keys spread like hashes."""
    return digest128("test", str(number))


def completion(number: int, text: str = "", **values: Any) -> Completion:
    return Completion(key(number), text or f"answer {number}", "stop", "scripted", "weights", **values)


def failure(number: int, *, is_permanent: bool = False, reason: str = "timed out") -> Failure:
    return Failure(key(number), reason, "scripted", "weights", is_permanent)


def keys(*numbers: int) -> list[bytes]:
    return [key(number) for number in numbers]


def rows(store: RequestStore, query: str) -> list[tuple[Any, ...]]:
    """Rows of ``query`` over the views of ``store``."""
    with duckdb.connect() as session:
        store.create_views(session)
        return session.sql(query).fetchall()


def texts(store: RequestStore) -> dict[str, str]:
    found = rows(store, "select request_key, text from completions")
    assert len({request_key for request_key, _ in found}) == len(found), "a key has two rows"
    return {str(request_key): text for request_key, text in found}


def test_a_completion_is_known_at_once_and_after_a_seal(tmp_path: Path) -> None:
    with RequestStore(tmp_path) as store:
        assert store.record(completion(1))
        assert store.known(keys(1, 2)).tolist() == [True, False]
        assert store.seal()
        assert store.known(keys(1, 2)).tolist() == [True, False]
        assert store.seal() == []
    with RequestStore(tmp_path) as store:
        assert store.known(keys(1, 2)).tolist() == [True, False]
        assert texts(store) == {show_id(key(1)): "answer 1"}


def test_the_first_answer_stays(tmp_path: Path) -> None:
    with RequestStore(tmp_path) as store:
        assert store.record(completion(1, "first"))
        assert not store.record(completion(1, "second"))
        store.seal()
        assert not store.record(completion(1, "third"))
        assert store.record_all([completion(2, "first"), completion(2, "second"), completion(1)]) == 1
        store.seal()
        assert texts(store) == {show_id(key(1)): "first", show_id(key(2)): "first"}


def test_views_show_every_column(tmp_path: Path) -> None:
    hostile = "nul \0 lone \ud800 <script> 'quote' é"
    with RequestStore(tmp_path) as store:
        store.record(completion(1, hostile, reasoning="because \udfff", prompt_tokens=12, completion_tokens=3))
        store.record(record_of(key(2), EngineResult(0, 0, "", finish_reason="length"), engine="e", weights="w"))
        store.record(record_of(key(3), EngineResult(0, 0, failure="boom", is_permanent=True), engine="e", weights="w"))
        store.seal()
        shown = "nul \0 lone \ufffd <script> 'quote' é"
        expected = [
            (key(1), shown, "because \ufffd", digest128("text", shown), "stop", 12, 3, "scripted", "weights"),
            (key(2), "", None, digest128("text", ""), "length", None, None, "e", "w"),
        ]
        found = rows(store, "from completions")
        assert sorted((k.bytes, t, r, h.bytes, *rest) for k, t, r, h, *rest in found) == sorted(expected)
        assert [(k.bytes, *rest) for k, *rest in rows(store, "select * exclude stored_at_ns from failures")] == [
            (key(3), "boom", True, "e", "w")
        ]
        assert {c: t for c, t, *_ in rows(store, "describe completions")}["request_key"] == "UUID"
        (part,) = [path for path in store.paths() if path.name.startswith("completions")]
        raws = {row["text"]: (row["raw"], row["raw_reasoning"]) for row in pq.read_table(part).to_pylist()}
        assert raws == {
            shown: (hostile.encode("utf-8", "surrogatepass"), b"because \xed\xbf\xbf"),
            "": (None, None),
        }


def test_an_empty_store_has_empty_views(tmp_path: Path) -> None:
    with RequestStore(tmp_path) as store:
        assert rows(store, "from completions") == rows(store, "from failures") == []
        columns = [name for name, *_ in rows(store, "describe completions")]
        assert store.known([]).tolist() == []
        assert store.failed_attempts([]) == {}
        assert store.seal() == []
        assert not any((tmp_path / "requests").rglob("*.journal"))
        store.record(completion(1))
        store.seal()
        assert [name for name, *_ in rows(store, "describe completions")] == columns


def test_failed_attempts_add_up_over_builds(tmp_path: Path) -> None:
    for build in range(3):
        with RequestStore(tmp_path) as store:
            assert store.failed_attempts(keys(1, 2, 3)) == ({key(1): build} if build else {})
            store.record(failure(1))
            assert store.failed_attempts(keys(1, 2)) == {key(1): build + 1}
            if build == 1:
                store.seal()
    with RequestStore(tmp_path) as store:
        store.record_all([failure(2), failure(2, is_permanent=True), failure(3)])
        expected = {key(1): 3, key(2): PERMANENT, key(3): 1}
        assert store.failed_attempts(keys(1, 2, 3, 4)) == expected
        store.seal()
        assert store.failed_attempts(keys(4, 3, 2, 1)) == expected
        assert store.known(keys(1, 2, 3)).tolist() == [False] * 3
        assert rows(store, "select count(*) from failures") == [(6,)]


def test_a_failure_of_an_answered_request_is_not_counted(tmp_path: Path) -> None:
    with RequestStore(tmp_path) as store:
        store.record(failure(1))
        store.record(completion(1))
        assert not store.record(failure(1))
        store.seal()
        assert store.failed_attempts(keys(1)) == {key(1): 1}
        assert store.known(keys(1)).all()


def test_another_store_sees_what_is_sealed(tmp_path: Path) -> None:
    with RequestStore(tmp_path) as first, RequestStore(tmp_path) as second:
        first.record_all([completion(1), failure(2)])
        assert second.seal() == [], "a live journal is nobody else's to seal"
        first.seal()
        assert not second.known(keys(1)).any()
        assert second.refresh() == 1
        assert second.known(keys(1)).all()
        assert second.failed_attempts(keys(2)) == {key(2): 1}
        assert texts(second) == texts(first)


def test_what_was_sealed_first_never_changes(tmp_path: Path) -> None:
    with RequestStore(tmp_path) as early, RequestStore(tmp_path) as late:
        early.record_all([completion(1, "recorded first"), completion(3)])
        late.record_all([completion(1, "sealed first"), completion(2)])
        late.seal()
        shown = texts(late)
        early.seal()
        late.refresh()
        for store in (early, late):
            assert texts(store) == shown | {show_id(key(3)): "answer 3"}
            assert store.stats().completions == 3


def test_a_seal_takes_the_oldest_of_several_journals(tmp_path: Path) -> None:
    names = []
    for text, when in (("younger", 20), ("oldest", 10), ("youngest", 30)):
        store = RequestStore(tmp_path)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(store_module, "has_work", lambda folders: False)  # leave the journals of the others
            store.open()
        store.record(completion(1, text, stored_at_ns=when))
        store.close()
        names.append(text)
    with RequestStore(tmp_path) as store:
        assert texts(store) == {show_id(key(1)): "oldest"}


def keep_all(found: Keys) -> Mask:
    return np.ones(len(found), bool)


def copy_seals(source: Path, target: Path) -> None:
    for folder in (source / "requests" / "segments").glob("*"):
        shutil.copytree(folder, target / "requests" / "segments" / folder.name)


def test_of_copied_folders_the_answer_stored_first_counts(tmp_path: Path) -> None:
    for name, text, when in (("a", "second", 2), ("b", "first", 1), ("c", "third", 3)):
        with RequestStore(tmp_path / name) as store:
            store.record_all([completion(1, text, stored_at_ns=when), completion(ord(name))])
            store.seal()
    with RequestStore(tmp_path / "a") as store:
        copy_seals(tmp_path / "b", tmp_path / "a")
        assert store.refresh() == 1
        copy_seals(tmp_path / "c", tmp_path / "a")
        assert store.refresh() == 1
        expected = {show_id(key(1)): "first"} | {show_id(key(ord(n))): f"answer {ord(n)}" for n in "abc"}
        assert texts(store) == expected
        assert store.stats().completions == 4
    with RequestStore(tmp_path / "a") as store:
        assert texts(store) == expected
        assert store.known(keys(1, 97, 98, 99)).all()


def test_views_work_where_only_their_files_may_be_read(tmp_path: Path) -> None:
    for name, text in (("a", "one"), ("b", "two")):
        with RequestStore(tmp_path / name) as store:
            store.record_all([completion(1, text), failure(2)])
            store.seal()
    copy_seals(tmp_path / "b", tmp_path / "a")
    with RequestStore(tmp_path / "a") as store:
        with duckdb.connect() as session:
            session.execute("set allowed_paths = $files", {"files": [str(path) for path in store.paths()]})
            session.execute("set enable_external_access = false")
            store.create_views(session)
            assert session.sql("select text from completions").fetchall() == [("one",)]
            with pytest.raises(duckdb.Error):
                session.sql("select * from read_text('/etc/hostname')").fetchall()
        with (
            duckdb.connect(config={"enable_external_access": False}) as session,
            pytest.raises(StoreError, match="Allow the session"),
        ):
            store.create_views(session)


def test_segments_are_sorted_and_end_at_their_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing, "SEGMENT_BYTES", 1000)
    monkeypatch.setattr(writing, "ROW_GROUP_ROWS", 7)
    with RequestStore(tmp_path) as store:
        store.record_all(completion(number, prompt_tokens=2, completion_tokens=number) for number in range(50))
        store.seal()
        parts = store.paths()
        assert len(parts) >= 3
        stored = []
        for part in parts:
            column = pq.read_table(part, columns=["request_key"]).column(0).combine_chunks().storage.to_pylist()
            assert np.load(keys_path(part)).tobytes() == b"".join(column), "row i of the key file is row i of the part"
            stored += column
        assert stored == sorted(keys(*range(50)))
        stats = store.stats()
        assert (stats.completions, stats.segments, stats.prompt_tokens, stats.completion_tokens) == (
            50,
            len(parts),
            100,
            sum(range(50)),
        )
        assert stats.bytes == sum(part.stat().st_size for part in parts)


def test_format_on_disk_stays_the_same(tmp_path: Path) -> None:
    """What stands here is on users' disks: a change needs a new FORMAT and a migration."""
    assert segments.FORMAT == 2
    assert [(f.name, str(f.type), f.nullable) for f in COMPLETIONS] == [
        ("request_key", "extension<arrow.uuid>", False),
        ("text", "string", False),
        ("reasoning", "string", True),
        ("text_hash", "extension<arrow.uuid>", False),
        ("finish_reason", "string", False),
        ("prompt_tokens", "int32", True),
        ("completion_tokens", "int32", True),
        ("engine", "string", False),
        ("weights", "string", False),
        ("stored_at_ns", "int64", False),
        ("raw", "binary", True),
        ("raw_reasoning", "binary", True),
    ]
    assert [(f.name, str(f.type), f.nullable) for f in FAILURES] == [
        ("request_key", "extension<arrow.uuid>", False),
        ("reason", "string", False),
        ("is_permanent", "bool", False),
        ("engine", "string", False),
        ("weights", "string", False),
        ("stored_at_ns", "int64", False),
    ]
    with RequestStore(tmp_path) as store:
        store.record_all([completion(1), failure(2)])
        (name,) = store.seal()
        assert store.record(completion(3))
        (journal,) = (tmp_path / "requests" / "journals").iterdir()
    folder = tmp_path / "requests" / "segments" / name
    assert sorted(path.name for path in folder.iterdir()) == [
        "completions-00000.keys.npy",
        "completions-00000.parquet",
        "failures.parquet",
        "seal.json",
    ]
    facts = json.loads((folder / "seal.json").read_text())
    assert sorted(facts) == [
        "completion_tokens",
        "completions",
        "failures",
        "format",
        "journals",
        "parts",
        "prompt_tokens",
        "replaces",
        "usage",
    ]
    assert sorted(facts["usage"][0]) == [
        "completion_tokens",
        "completions",
        "counted",
        "engine",
        "failures",
        "first_ns",
        "last_ns",
        "prompt_tokens",
        "text_bytes",
        "weights",
    ]
    assert sorted(facts["parts"][0]) == ["bytes", "name", "rows"]
    assert journal.suffix == ".journal"
    assert json.loads((tmp_path / "requests" / "FORMAT").read_text()) == {"format": 2}


def test_a_newer_format_is_refused(tmp_path: Path) -> None:
    with RequestStore(tmp_path) as store:
        store.record(completion(1))
        store.seal()
    (seal,) = (tmp_path / "requests" / "segments").glob("*/seal.json")
    facts = json.loads(seal.read_text())
    seal.write_text(json.dumps(facts | {"format": 3}))
    with pytest.raises(StoreError, match="segment has format 3"):
        RequestStore(tmp_path).open()
    for value in ('{"format": 3}', '{"format": "1"}', "[]", "{"):
        (tmp_path / "requests" / "FORMAT").write_text(value)
        with pytest.raises(StoreError, match="FORMAT"):
            RequestStore(tmp_path).open()


def fail_with_full_disk(*_: Any, **__: Any) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


SEAL_STEPS: dict[str, tuple[Any, str]] = {
    "folder": (writing.Path, "mkdir"),
    "row group": (pq.ParquetWriter, "write_table"),
    "part": (writing.os, "fsync"),
    "keys": (writing.np, "save"),
    "failures": (writing.SealWriter, "write_failures"),
    "seal.json": (writing, "write_json"),
    "rename": (writing.Path, "rename"),
}


@pytest.mark.parametrize("step", SEAL_STEPS)
def test_a_full_disk_while_sealing_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    store = RequestStore(tmp_path).open()
    store.record_all([completion(1), failure(2)])
    store.flush()
    with monkeypatch.context() as patch:
        place, name = SEAL_STEPS[step]
        patch.setattr(place, name, fail_with_full_disk)
        with pytest.raises(StoreError, match="the disk is full") as caught:
            store.seal()
        assert caught.value.retryable
    assert store.known(keys(1)).all(), "still known: it lies in the journal"
    assert list((tmp_path / "requests").glob("segments/*")) == []
    assert len(store.seal()) == 1
    assert texts(store) == {show_id(key(1)): "answer 1"}
    assert store.failed_attempts(keys(2)) == {key(2): 1}
    store.close()


def test_a_record_that_fails_is_not_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with RequestStore(tmp_path) as store:
        store.record(completion(1))
        with monkeypatch.context() as patch:
            patch.setattr(os, "write", fail_with_full_disk)
            with pytest.raises(StoreError, match="the disk is full"):
                store.record_all([completion(2), failure(3)])
        assert store.known(keys(1, 2)).tolist() == [True, False]
        assert store.failed_attempts(keys(3)) == {}
        assert store.record(completion(2))
        store.seal()
        assert len(texts(store)) == 2


def test_journals_end_at_their_size_and_all_are_sealed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "ROTATE_BYTES", 500)
    monkeypatch.setattr(sealing, "GROUP_BYTES", 1500)
    with RequestStore(tmp_path) as store:
        for number in range(40):
            store.record(completion(number))
        assert store.stats().journals > 4
        assert store.known(keys(*range(40))).all()
        assert len(store.seal()) > 1
        assert store.stats().journals == 0
        assert len(texts(store)) == 40
        assert store.known(keys(*range(40))).all()


def test_a_rotated_journal_sealed_by_another_process_stays_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_module, "ROTATE_BYTES", 1)
    with RequestStore(tmp_path) as store:
        store.record(completion(1))
        with RequestStore(tmp_path) as other:
            assert other.known(keys(1)).all()
        assert store.seal() == []
        assert store.known(keys(1)).all()
        assert len(texts(store)) == 1


def test_litter_of_killed_processes_is_removed(tmp_path: Path) -> None:
    with RequestStore(tmp_path) as store:
        store.record(completion(1))
    folder = tmp_path / "requests"
    (folder / "segments" / ".half").mkdir(parents=True)
    (folder / "segments" / ".half" / "completions-00000.parquet").write_bytes(b"PAR1")
    (folder / "segments" / ".DS_Store").touch()
    for name, age in ((".old.new", 7200), (".young.new", 0)):
        (folder / "journals" / name).touch()
        os.utime(folder / "journals" / name, (time.time() - age, time.time() - age))
    with RequestStore(tmp_path) as store:
        assert len(texts(store)) == 1
    assert sorted(path.name for path in (folder / "journals").iterdir()) == [".young.new"]
    assert not (folder / "segments" / ".half").exists()


def test_a_damaged_journal_is_kept_beside(tmp_path: Path) -> None:
    with RequestStore(tmp_path) as store:
        store.record_all(completion(number) for number in range(3))
    (journal,) = (tmp_path / "requests" / "journals").glob("*.journal")
    data = bytearray(journal.read_bytes())
    data[24 + 8 + 20] ^= 1
    journal.write_bytes(bytes(data))
    with RequestStore(tmp_path) as store:
        assert store.known(keys(0, 1, 2)).tolist() == [False, True, True]
    assert [path.name for path in journal.parent.iterdir()] == [journal.name + ".damaged"]


@pytest.mark.parametrize(
    ("pattern", "content", "message"),
    [
        ("*.keys.npy", b"", "damaged"),
        ("*.keys.npy", b"\x93NUMPY", "damaged"),
        ("*.keys.npy", None, "No such file"),
        ("failures.parquet", b"PAR1", "damaged"),
        ("failures.parquet", None, "No such file"),
        ("seal.json", b"{", "damaged .not valid JSON"),
    ],
    ids=["no keys", "half a key file", "key file gone", "half a file of failures", "failures gone", "half a seal.json"],
)
def test_damage_is_an_error_with_its_place(tmp_path: Path, pattern: str, content: bytes | None, message: str) -> None:
    with RequestStore(tmp_path) as store:
        store.record_all([completion(1), failure(2)])
        store.seal()
    (path,) = (tmp_path / "requests" / "segments").glob(f"*/{pattern}")
    path.unlink() if content is None else path.write_bytes(content)
    with pytest.raises(StoreError, match=message) as caught:
        RequestStore(tmp_path).open()
    assert path.name in caught.value.where


def test_a_key_file_with_missing_keys_is_found(tmp_path: Path) -> None:
    with RequestStore(tmp_path) as store:
        store.record_all([completion(1), completion(2)])
        store.seal()
    (path,) = (tmp_path / "requests" / "segments").glob("*/*.keys.npy")
    keys_on_disk = np.load(path)
    np.save(path, keys_on_disk[:1])
    with pytest.raises(StoreError, match="1 keys for 2 rows"):
        RequestStore(tmp_path).open()
    np.save(path, keys_on_disk[::-1])
    with pytest.raises(StoreError, match="its keys are out of order"):
        RequestStore(tmp_path).open()


def test_a_damaged_segment_is_an_error_of_the_views(tmp_path: Path) -> None:
    with RequestStore(tmp_path) as store:
        store.record(completion(1))
        store.seal()
        store.paths()[0].write_bytes(b"PAR1")
        with duckdb.connect() as session, pytest.raises(StoreError, match="DuckDB cannot read"):
            store.create_views(session)


def test_a_store_that_is_not_open_says_so(tmp_path: Path) -> None:
    store = RequestStore(tmp_path)
    with pytest.raises(StoreError, match="not open"):
        store.known(keys(1))
    with store.open():
        store.open()
        store.record(completion(1))
    store.close()
    with pytest.raises(StoreError, match="not open"):
        store.record(completion(2))
    with store.open():
        assert store.known(keys(1)).all()


def test_a_store_in_no_place_is_a_store_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="file"):
        RequestStore(tmp_path / "file").open()


def test_threads_share_a_store(tmp_path: Path) -> None:
    with RequestStore(tmp_path) as store:
        new: list[int] = []

        def work(thread: int) -> None:
            new.append(sum(store.record(completion(number, f"{thread}")) for number in range(200)))

        threads = [threading.Thread(target=work, args=(thread,)) for thread in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sum(new) == 200
        store.seal()
        assert len(texts(store)) == 200


def test_only_files_that_hold_a_key_are_read(tmp_path: Path) -> None:
    with RequestStore(tmp_path) as store:
        for seal in range(4):
            store.record_all([*(completion(n) for n in range(seal * 10, seal * 10 + 10)), failure(100 + seal)])
            store.seal()
        assert [path.name for path in store.paths([])] == ["failures.parquet"] * 4
        assert len(store.paths(keys(3))) == 1 + 4
        assert len(store.paths(keys(3, 7, 25, 1000))) == 2 + 4
        assert len(store.paths(keys(*range(1000)))) == len(store.paths()) == 4 + 4
        with duckdb.connect() as session:
            store.create_views(session, keys(3, 25))
            found = session.sql("select text from completions").fetchall()
            assert sorted(found) == sorted((f"answer {n}",) for n in [*range(10), *range(20, 30)])
            assert session.sql("select count(*) from failures").fetchall() == [(4,)]
            store.create_views(session, [])
            assert session.sql("from completions").fetchall() == []


def test_keys_that_stand_twice_are_read_from_all_their_files(tmp_path: Path) -> None:
    for name, text, when in (("a", "second", 2), ("b", "first", 1)):
        with RequestStore(tmp_path / name) as store:
            store.record_all([completion(1, text, stored_at_ns=when), completion(ord(name))])
            store.seal()
    copy_seals(tmp_path / "b", tmp_path / "a")
    with RequestStore(tmp_path / "a") as store, duckdb.connect() as session:
        for asked, expected in ((keys(1), {"first", "answer 97", "answer 98"}), (keys(97), {"answer 97"})):
            store.create_views(session, asked)
            assert expected <= {text for (text,) in session.sql("select text from completions").fetchall()}
        with duckdb.connect() as session:
            store.create_views(session, [])
            assert session.sql("from completions").fetchall() == []


def test_figures_by_weights_and_engine(tmp_path: Path) -> None:
    with RequestStore(tmp_path) as store:
        assert store.usage_by_weights() == []
        store.record_all(
            [
                Completion(key(1), "é", "stop", "e", "w", "ab", 10, 2, 5),
                Completion(key(2), "", "stop", "e", "w", None, None, 3, 7),
                Completion(key(3), "x", "stop", "f", "w", None, 1, 1, 6),
                Failure(key(4), "no", "e", "w"),
                Failure(key(4), "no", "e", "v"),
            ]
        )
        store.seal()
        store.record(Completion(key(5), "xyz", "stop", "e", "w", None, 4, 4, 3))
        store.seal()
        expected = [
            WeightsUsage("v", "e", failures=1),
            WeightsUsage("w", "e", 3, 1, 2, 14, 9, 7, 3, 7),
            WeightsUsage("w", "f", 1, 0, 1, 1, 1, 1, 6, 6),
        ]
        assert store.usage_by_weights() == expected
        store.compact(force=True)
        assert store.usage_by_weights() == expected
    with RequestStore(tmp_path) as store:
        assert store.usage_by_weights() == expected


def test_a_store_that_may_not_be_written_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Any, flags: int, *rest: Any, **more: Any) -> int:
        if flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            raise OSError(errno.EROFS, "Read-only file system")
        return opened(path, flags, *rest, **more)

    with RequestStore(tmp_path) as store:
        store.record_all([completion(1), failure(2)])
        store.seal()
    opened = os.open
    monkeypatch.setattr(os, "open", refuse)
    with RequestStore(tmp_path) as store:
        assert store.known(keys(1)).all()
        assert len(texts(store)) == 1
        assert store.failed_attempts(keys(2)) == {key(2): 1}
        assert store.seal() == []
        for write in (
            lambda: store.record(completion(3)),
            lambda: store.prune(keep_all),
        ):
            with pytest.raises(StoreError, match="no permission to write"):
                write()
        assert not store.known(keys(3)).any()


def test_a_store_that_cannot_be_opened_holds_nothing(tmp_path: Path) -> None:
    with RequestStore(tmp_path) as store:
        store.record(completion(1))
        store.seal()
    (path,) = (tmp_path / "requests" / "segments").glob("*/*.keys.npy")
    data = path.read_bytes()
    path.write_bytes(b"")
    broken = RequestStore(tmp_path)
    for _ in range(2):
        with pytest.raises(StoreError, match="damaged"):
            broken.open()
    path.write_bytes(data)
    with RequestStore(tmp_path) as store:
        assert store.prune(keep_all).completions == 0, "nobody else has it open"
    with broken.open():
        assert broken.known(keys(1)).all()


@pytest.mark.parametrize("now", [-5, 0, 2**63 - 1])
def test_odd_clocks_lose_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, now: int) -> None:
    with RequestStore(tmp_path) as store:
        store.record(completion(1))
        store.seal()
        monkeypatch.setattr(store_module.time, "time_ns", lambda: now)
        assert not store.record(completion(1, "later")), "what is sealed stays, whatever the clock says"
        store.record_all([completion(2), failure(3)])
        store.seal()
        store.compact(force=True)
        assert texts(store) == {show_id(key(1)): "answer 1", show_id(key(2)): "answer 2"}
        assert store.failed_attempts(keys(3)) == {key(3): 1}
