"""Compaction: what is merged, that it loses and doubles nothing, and that no reader loses a file."""

from __future__ import annotations

import errno
import json
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from resources.errors import StoreError
from resources.identity import digest128, show_id
from resources.requests import compaction, reading, writing
from resources.requests.compaction import Compacted, choose, row_groups
from resources.requests.records import Completion, Failure
from resources.requests.segments import Folders, Seal, keys_path, list_seals, scan
from resources.requests.store import RequestStore
from resources.store.layout import write_json


def key(number: int) -> bytes:
    return digest128("test", str(number))


def completion(number: int, text: str = "", **values: Any) -> Completion:
    return Completion(key(number), text or f"answer {number}", "stop", "scripted", "weights", **values)


def fill(root: Path, seals: int, rows: int = 10) -> dict[str, str]:
    """Make ``seals`` small seals; returns what the view must show."""
    expected = {}
    with RequestStore(root) as store:
        for seal in range(seals):
            numbers = range(seal * rows, (seal + 1) * rows)
            store.record_all(completion(number, completion_tokens=1) for number in numbers)
            store.record(Failure(key(10**6), f"attempt {seal}", "scripted", "weights"))
            store.seal()
            expected |= {show_id(key(number)): f"answer {number}" for number in numbers}
    return expected


def texts(store: RequestStore) -> dict[str, str]:
    with duckdb.connect() as session:
        store.create_views(session)
        found = session.sql("select request_key, text from completions").fetchall()
    assert len({request_key for request_key, _ in found}) == len(found), "a key has two rows"
    return {str(request_key): text for request_key, text in found}


def folders_of(root: Path) -> list[str]:
    return sorted(path.name for path in (root / "requests" / "segments").iterdir())


@pytest.fixture(autouse=True)
def _few_small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compaction, "MAX_SMALL", 4)


# What is chosen.


def seal_of(size: int, name: str = "") -> Seal:
    return Seal(Path(name or str(size)), {"parts": [{"name": "p", "rows": 1, "bytes": size}], "failures": 0})


def sizes(seals: list[Seal]) -> list[int]:
    return [seal.bytes for seal in seals]


FULL = writing.SEGMENT_BYTES


@pytest.mark.parametrize(
    ("stored", "lazily", "by_force"),
    [
        ([], [], []),
        ([5], [], []),
        ([5, 5, 5, 5], [], [5, 5, 5, 5]),
        ([5, 5, 5, 5, 5], [5, 5, 5, 5, 5], [5, 5, 5, 5, 5]),
        ([1000, 5, 5, 5, 5], [5, 5, 5, 5], [5, 5, 5, 5]),
        ([5, 5, 1000, 5, 5, 5], [5, 5, 5], [5, 5, 5]),
        ([FULL, 5, FULL, 5, FULL, 5, 5, 5], [5, 5, 5, 5, 5], [5, 5, 5, 5, 5]),
        ([1, 10, 100, 1000, 10000], [], [1, 10, 100, 1000, 10000]),
        ([FULL - 1, 1], [], [FULL - 1, 1]),
        ([FULL] * 20, [], []),
        ([0, 0, 0, 0, 0], [0, 0, 0, 0, 0], [0, 0, 0, 0, 0]),
        ([FULL // 2] * 6, [FULL // 2] * 2, [FULL // 2] * 2),
    ],
)
def test_what_is_merged(stored: list[int], lazily: list[int], by_force: list[int]) -> None:
    seals = [seal_of(size) for size in stored]
    assert sizes(choose(seals, force=False)) == lazily
    assert sizes(choose(seals, force=True)) == by_force


@given(st.lists(st.integers(1, FULL), min_size=1, max_size=300))
def test_few_seals_are_left_and_no_byte_is_written_often(arriving: list[int]) -> None:
    """Each seal that arrives is compacted as a store does it. A merge at least doubles the seal of every byte."""
    compaction.MAX_SMALL = 16
    stored: list[Seal] = []
    written = 0
    for number, size in enumerate(arriving):
        stored.append(seal_of(size, str(number)))
        while chosen := choose(stored, force=False):
            total = sum(sizes(chosen))
            assert 2 * max(sizes(chosen)) <= total + 1 + len(chosen)
            assert total < 2 * FULL
            written += total
            at = stored.index(chosen[0])
            stored = [seal for seal in stored if seal not in chosen]
            stored.insert(at, seal_of(total, f"{number} of {len(chosen)}"))
        assert len([seal for seal in stored if seal.bytes < FULL]) <= 60
    assert written <= sum(arriving) * (FULL // min(arriving)).bit_length()


# What a compaction does.


def test_many_small_seals_become_one(tmp_path: Path) -> None:
    expected = fill(tmp_path, 3)
    with RequestStore(tmp_path) as store:
        before = store.stats()
        assert store.compact() == Compacted(), "three seals are few"
        done = store.compact(force=True)
        assert (done.merged, done.made, done.bytes_before) == (3, 1, before.bytes)
        assert store.compact(force=True) == Compacted()
        after = store.stats()
        assert (after.seals, after.segments, after.bytes) == (1, 1, done.bytes_after)
        assert (after.completions, after.failures, after.completion_tokens) == (30, 3, 30)
        assert texts(store) == expected
        assert store.known([key(number) for number in range(31)]).tolist() == [True] * 30 + [False]
        assert store.failed_attempts([key(10**6)]) == {key(10**6): 3}
    (name,) = folders_of(tmp_path)
    part = tmp_path / "requests" / "segments" / name / "completions-00000.parquet"
    column = pq.read_table(part, columns=["request_key"]).column(0).combine_chunks().storage.to_pylist()
    assert column == sorted(column)
    assert np.load(keys_path(part)).tobytes() == b"".join(column)
    with RequestStore(tmp_path) as store:
        assert texts(store) == expected
        with duckdb.connect() as session:
            store.create_views(session)
            reasons = session.sql("select reason from failures order by stored_at_ns").fetchall()
        assert [reason for (reason,) in reasons] == ["attempt 0", "attempt 1", "attempt 2"]


def test_sealing_compacts_by_itself(tmp_path: Path) -> None:
    expected = fill(tmp_path, 25)
    seals = list_seals(Folders(tmp_path / "requests"))
    assert len(seals) <= 8
    assert [seal.name for seal in seals] == sorted(seal.name for seal in seals)
    with RequestStore(tmp_path) as store:
        assert texts(store) == expected
        assert store.failed_attempts([key(10**6)]) == {key(10**6): 25}
        assert store.usage_by_weights()[0].completions == 250
    assert len(folders_of(tmp_path)) == len(seals), "what was replaced is gone when nobody has the store open"


def test_every_column_survives(tmp_path: Path) -> None:
    hostile = "nul \0 lone \ud800 <b> é"
    with RequestStore(tmp_path) as store:
        store.record(completion(1, hostile, reasoning="why \udfff", prompt_tokens=1, stored_at_ns=7))
        store.seal()
        store.record(Completion(key(2), "", "length", "e", "w", None, None, 2, 8))
        store.seal()
        rows = [row for path in store.paths() for row in pq.read_table(path).to_pylist()]
        assert store.compact(force=True).merged == 2
        (path,) = store.paths()
        assert pq.read_table(path).to_pylist() == sorted(rows, key=lambda row: row["request_key"].bytes)
        assert pq.read_schema(path).equals(writing.COMPLETIONS)


def test_large_parts_in_small_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Many row groups and parts on both sides; texts of all sizes."""
    monkeypatch.setattr(writing, "SEGMENT_BYTES", 20_000)
    monkeypatch.setattr(writing, "ROW_GROUP_BYTES", 5_000)
    monkeypatch.setattr(writing, "ROW_GROUP_ROWS", 50)
    monkeypatch.setattr(reading, "BATCH_BYTES", 500)
    chance = random.Random(3)
    expected = {}
    with RequestStore(tmp_path) as store:
        for seal in range(4):
            for number in range(seal, 1200, 4):
                text = "".join(chance.choices("abcdefgh", k=chance.choice([0, 3, 30, 300])))
                store.record(completion(number, text or "-"))
                expected[show_id(key(number))] = text or "-"
            store.seal()
        monkeypatch.setattr(writing, "SEGMENT_BYTES", 40_000)
        compaction.merge(list_seals(store.folders), store.folders)
        store.refresh()
        stored: list[bytes] = []
        assert store.stats().segments > 1
        for part in store.paths():
            for batch in pq.ParquetFile(part).iter_batches(columns=["request_key"]):
                stored += batch.column(0).storage.to_pylist()
        assert stored == sorted(key(number) for number in range(1200))
        assert texts(store) == expected


def tables(*lengths: int) -> Iterator[pa.Table]:
    for length in lengths:
        yield pa.table({"text": ["x" * 100] * length})


@pytest.mark.parametrize("lengths", [(), (0,), (1,), (1000,), (60, 60, 60), (1, 2, 300, 1)])
def test_row_groups_are_bounded_and_keep_all_rows(monkeypatch: pytest.MonkeyPatch, lengths: tuple[int, ...]) -> None:
    monkeypatch.setattr(writing, "ROW_GROUP_ROWS", 100)
    monkeypatch.setattr(writing, "ROW_GROUP_BYTES", 8000)
    made = list(row_groups(tables(*lengths)))
    assert sum(map(len, made)) == sum(lengths)
    assert all(0 < len(table) <= 100 and table.nbytes < 12_000 for table in made)
    assert len(made) <= sum(lengths) // 50 + 2


# Two answers to one request: only copied folders hold such.


def test_of_copied_folders_the_answer_stored_first_stays(tmp_path: Path) -> None:
    for name, text, when in (("a", "second", 2), ("b", "first", 1), ("c", "third", 3)):
        with RequestStore(tmp_path / name) as store:
            store.record_all([completion(1, text, stored_at_ns=when), completion(ord(name))])
            store.seal()
    for name in "bc":
        (folder,) = (tmp_path / name / "requests" / "segments").iterdir()
        shutil.copytree(folder, tmp_path / "a" / "requests" / "segments" / folder.name)
    with RequestStore(tmp_path / "a") as store:
        before = texts(store)
        assert before[show_id(key(1))] == "first"
        assert store.compact(force=True).merged == 3
        assert texts(store) == before
        assert len(store._sealed.twice()) == 0
        assert store.usage_by_weights()[0].completions == store.stats().completions == 4


# Readers, other processes, deletion.


def test_a_reader_keeps_its_files_until_it_closes(tmp_path: Path) -> None:
    expected = fill(tmp_path, 3)
    reader, store = RequestStore(tmp_path).open(), RequestStore(tmp_path).open()
    with duckdb.connect() as session:
        reader.create_views(session)
        assert store.compact(force=True).merged == 3
        store.close()
        RequestStore(tmp_path).open().close()
        assert len(folders_of(tmp_path)) == 4, "the reader may still need the three"
        assert len(session.sql("from completions").fetchall()) == 30
        assert reader.known([key(0)]).all()
        assert reader.refresh() == 1
        assert texts(reader) == expected
        assert reader.failed_attempts([key(10**6)]) == {key(10**6): 3}
    reader.close()
    assert len(folders_of(tmp_path)) == 1, "the last one out deletes them"


def test_own_views_hold_through_seals_that_compact(tmp_path: Path) -> None:
    fill(tmp_path, 3)
    with RequestStore(tmp_path) as store, duckdb.connect() as session:
        store.create_views(session)
        for number in range(1000, 1010):
            store.record(completion(number))
            store.seal()
        assert store.stats().seals < 10, "it was compacted"
        assert len(session.sql("from completions").fetchall()) == 30


def test_a_compaction_of_a_compaction_deletes_all_that_is_replaced(tmp_path: Path) -> None:
    expected = fill(tmp_path, 3)
    reader = RequestStore(tmp_path).open()
    with RequestStore(tmp_path) as store:
        store.compact(force=True)
        store.record(completion(100))
        store.seal()
        store.compact(force=True)
        expected[show_id(key(100))] = "answer 100"
        assert len(scan(store.folders)[1]) == 5
        assert texts(store) == expected
        late = RequestStore(tmp_path).open()  # has loaded none of what was replaced
        assert texts(late) == expected
        late.close()
    assert reader.refresh() == 1
    assert texts(reader) == expected
    reader.close()
    (name,) = folders_of(tmp_path)
    facts = json.loads((tmp_path / "requests" / "segments" / name / "seal.json").read_text())
    assert facts["replaces"] == [], "a copy of an old folder that is brought back is no litter"


def test_a_compaction_carries_the_journals_that_are_still_to_be_deleted(tmp_path: Path) -> None:
    """A sealer was killed between its rename and the deletion of the journal: nothing of it may be counted twice."""
    fill(tmp_path, 2)
    with RequestStore(tmp_path) as store:
        store.record(Failure(key(500), "why", "e", "w"))
    (journal,) = (tmp_path / "requests" / "journals").iterdir()
    data = journal.read_bytes()
    with RequestStore(tmp_path) as store:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("resources.requests.store.tidy", lambda folders: None)
            journal.write_bytes(data)
            assert store.compact(force=True).merged == 3
        assert journal.exists()
    with RequestStore(tmp_path) as store:
        assert store.failed_attempts([key(500)]) == {key(500): 1}
        assert not journal.exists()


def test_two_processes_compact_and_write_at_once(tmp_path: Path) -> None:
    fill(tmp_path, 6)
    script = """
import sys
from pathlib import Path
from resources.identity import digest128
from resources.requests import compaction
from resources.requests.records import Completion
from resources.requests.store import RequestStore
compaction.MAX_SMALL = 2
first = int(sys.argv[2])
with RequestStore(Path(sys.argv[1])) as store:
    for number in range(first, first + 12):
        store.record(Completion(digest128("test", str(number)), f"answer {number}", "stop", "e", "w"))
        store.seal()
        store.compact(force=number % 5 == 0)
        assert store.known([digest128("test", str(n)) for n in [*range(60), *range(first, number + 1)]]).all()
"""
    processes = [
        subprocess.Popen([sys.executable, "-c", script, str(tmp_path), str(first)], stderr=subprocess.PIPE)
        for first in (1000, 2000)
    ]
    for process in processes:
        assert process.stderr is not None
        assert process.stderr.read() == b""
        process.stderr.close()
        assert process.wait(timeout=120) == 0
    numbers = [*range(60), *range(1000, 1012), *range(2000, 2012)]
    with RequestStore(tmp_path) as store:
        assert texts(store) == {show_id(key(number)): f"answer {number}" for number in numbers}
        assert store.failed_attempts([key(10**6)]) == {key(10**6): 6}
    assert len(folders_of(tmp_path)) <= 5


# A full disk, damage.


def fail_with_full_disk(*_: Any, **__: Any) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


STEPS: dict[str, tuple[Any, str]] = {
    "folder": (writing.Path, "mkdir"),
    "row group": (pq.ParquetWriter, "write_table"),
    "part": (writing.os, "fsync"),
    "keys": (writing.np, "save"),
    "failures": (writing.SealWriter, "write_failures"),
    "seal.json": (writing, "write_json"),
    "rename": (writing.Path, "rename"),
}


@pytest.mark.parametrize("step", STEPS)
def test_a_full_disk_leaves_the_store_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    expected = fill(tmp_path, 3)
    before = folders_of(tmp_path)
    with RequestStore(tmp_path) as store:
        with monkeypatch.context() as patch:
            patch.setattr(*STEPS[step], fail_with_full_disk)
            with pytest.raises(StoreError, match="the disk is full") as caught:
                store.compact(force=True)
            assert caught.value.retryable
        assert folders_of(tmp_path) == before
        assert texts(store) == expected
        assert store.compact(force=True).merged == 3
        assert texts(store) == expected


def test_a_seal_stands_where_its_compaction_finds_no_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(tmp_path, 4)
    with RequestStore(tmp_path) as store:
        store.record(completion(1000))
        with monkeypatch.context() as patch:
            patch.setattr(compaction, "merge", lambda *_: (_ for _ in ()).throw(StoreError("full", where="", fix="")))
            assert len(store.seal()) == 1
        assert len(texts(store)) == 41


def test_the_kernel_cuts_a_segment_short(tmp_path: Path) -> None:
    """RLIMIT_FSIZE: a real short write inside Arrow, in a seal and in a compaction."""
    script = """
import os, resource, signal, sys
from pathlib import Path
from resources.errors import StoreError
from resources.requests.records import Completion
from resources.requests.store import RequestStore
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
def limit(size):
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
said = []
with RequestStore(Path(sys.argv[1])) as store:
    for seal in range(2):
        for _ in range(100):
            store.record(Completion(os.urandom(16), os.urandom(1000).hex(), "stop", "e", "w"))
        limit(60_000)
        try:
            store.seal()
        except StoreError as error:
            said.append(str(error))
        limit(resource.RLIM_INFINITY)
        store.seal()
    limit(150_000)
    try:
        store.compact(force=True)
    except StoreError as error:
        said.append(str(error))
    limit(resource.RLIM_INFINITY)
    assert store.stats().completions == 200
    assert store.compact(force=True).merged == 2
assert len(said) == 3 and all("the disk is full" in text for text in said), said
"""
    result = subprocess.run([sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True)
    assert (result.returncode, result.stderr) == (0, "")
    assert len(folders_of(tmp_path)) == 1


def test_damage_is_an_error_of_the_compaction_and_changes_nothing(tmp_path: Path) -> None:
    fill(tmp_path, 3)
    for content in (b"PAR1", b"PAR1" + os.urandom(500) + b"PAR1"):
        with RequestStore(tmp_path) as store:
            before = folders_of(tmp_path)
            part = [path for path in store.paths() if path.name.startswith("completions")][1]
            data = part.read_bytes()
            part.write_bytes(content)
            with pytest.raises(StoreError, match="the file is damaged") as caught:
                store.compact(force=True)
            assert caught.value.where == str(part)
            part.write_bytes(data)
            assert folders_of(tmp_path) == before


def test_a_seal_without_rows_is_nothing_to_merge(tmp_path: Path) -> None:
    folders = Folders(tmp_path / "requests")
    with RequestStore(tmp_path) as store:
        for number in range(2):
            store.record(Failure(key(number), "why", "e", "w"))
            store.seal()
        assert store.compact(force=True).merged == 2
        assert [seal.facts["parts"] for seal in list_seals(folders)] == [[]]
        assert store.failed_attempts([key(0), key(1)]) == {key(0): 1, key(1): 1}
        assert texts(store) == {}
    write_json(folders.segments / "odd" / "seal.json", [])
    with pytest.raises(StoreError, match="no JSON object"):
        RequestStore(tmp_path).open()
