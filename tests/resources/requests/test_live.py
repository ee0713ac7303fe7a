"""What other running processes have recorded: seen without a seal, copied by whoever relies on it, stored once."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from resources.identity import digest128
from resources.requests import journal as journal_module
from resources.requests import store as store_module
from resources.requests.journal import JournalReader
from resources.requests.records import Completion, Failure
from resources.requests.store import RequestStore


def key(number: int) -> bytes:
    return digest128("test", str(number))


def keys(*numbers: int) -> list[bytes]:
    return [key(number) for number in numbers]


def completion(number: int, text: str = "") -> Completion:
    return Completion(key(number), text or f"answer {number}", "stop", "e", "w")


def texts(store: RequestStore) -> list[str]:
    with duckdb.connect() as session:
        store.create_views(session)
        found = session.sql("select request_key, text from completions order by text").fetchall()
    assert len({request_key for request_key, _ in found}) == len(found), "a key has two rows"
    return [text for _, text in found]


def test_a_refresh_sees_what_others_have_recorded(tmp_path: Path) -> None:
    with RequestStore(tmp_path) as writer, RequestStore(tmp_path) as reader:
        for round_ in range(3):
            writer.record_all([completion(round_), Failure(key(100), "why", "e", "w")])
            assert not reader.known(keys(round_)).any()
            assert reader.refresh() == 0
            assert reader.known(keys(0, 1, 2)).tolist() == [n <= round_ for n in range(3)]
        assert reader.failed_attempts(keys(100)) == {}, "failures count when they are sealed"
        with RequestStore(tmp_path) as late:
            assert late.known(keys(0, 1, 2)).all()


def test_who_relies_on_a_record_copies_it(tmp_path: Path) -> None:
    with RequestStore(tmp_path) as writer, RequestStore(tmp_path) as reader:
        writer.record_all([completion(0), completion(1), Failure(key(100), "why", "e", "w")])
        reader.refresh()
        writer.record(completion(2))
        assert len(reader.seal()) == 1
        assert texts(reader) == ["answer 0", "answer 1"], "what known() said; not what came later"
        assert reader.seal() == []
        assert len(writer.seal()) == 1
        assert texts(writer) == ["answer 0", "answer 1", "answer 2"]
        assert writer.stats().completions == 3
        assert writer.failed_attempts(keys(100)) == {key(100): 1}
    assert not any((tmp_path / "requests" / "journals").iterdir())


def test_the_first_sealed_answer_stays(tmp_path: Path) -> None:
    with RequestStore(tmp_path) as first, RequestStore(tmp_path) as second:
        first.record(completion(0, "first"))
        second.refresh()
        assert second.record(completion(0, "second")), "what lies in another's journal is not on the disk yet"
        second.seal()
        shown = texts(second)
        first.seal()
        assert texts(first) == shown == ["second"]


def test_the_writer_may_be_killed_or_seal_meanwhile(tmp_path: Path) -> None:
    reader = RequestStore(tmp_path).open()
    script = """
import os, sys
from pathlib import Path
from resources.identity import digest128
from resources.requests.records import Completion
from resources.requests.store import RequestStore
store = RequestStore(Path(sys.argv[1])).open()
store.record(Completion(digest128("test", sys.argv[2]), "answer " + sys.argv[2], "stop", "e", "w"))
os.write(1, b"recorded")
sys.stdin.read()
if sys.argv[3] == "seal":
    store.seal()
    store.close()
os._exit(9)
"""
    for number, end in ((0, "kill"), (1, "seal")):
        process = subprocess.Popen(
            [sys.executable, "-c", script, str(tmp_path), str(number), end],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert process.stdout is not None
        assert process.stdout.read(8) == b"recorded"
        reader.refresh()
        assert reader.known(keys(number)).all()
        process.communicate(b"")
        assert process.returncode == 9
        assert reader.known(keys(number)).all()
        reader.seal()
        assert f"answer {number}" in texts(reader)
    assert reader.stats().completions == 2
    reader.close()


def test_own_rotated_journals_are_not_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "ROTATE_BYTES", 1)
    with RequestStore(tmp_path) as store:
        for number in range(3):
            store.record(completion(number))
            store.refresh()
        assert len(store.seal()) == 1
        assert texts(store) == ["answer 0", "answer 1", "answer 2"]


def test_a_half_written_record_counts_when_it_is_whole(tmp_path: Path) -> None:
    with RequestStore(tmp_path) as writer, RequestStore(tmp_path) as reader:
        writer.record_all([completion(0), completion(1)])
        (path,) = (tmp_path / "requests" / "journals").iterdir()
        data = path.read_bytes()
        for cut in range(1, 40):
            os.truncate(path, len(data) - cut)
            reader.refresh()
            assert reader.known(keys(0, 1)).tolist() == [True, False]
        path.write_bytes(data)
        reader.refresh()
        assert reader.known(keys(0, 1)).all()


def test_a_journal_that_is_cut_while_it_is_read_is_no_crash(tmp_path: Path) -> None:
    """A writer whose disk is full cuts its file back: a memory map of what is gone would kill the reader."""
    with RequestStore(tmp_path) as writer:
        writer.record_all([completion(number, "x" * 5000) for number in range(500)])
        (path,) = (tmp_path / "requests" / "journals").iterdir()
        reader = JournalReader(os.open(path, os.O_RDONLY), path)
        frames = reader.frames()
        for _ in range(3):
            next(frames)
        os.truncate(path, 2_000_000)
        assert 300 < len(list(frames)) < 450
        reader.close()


def test_records_larger_than_the_window(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal_module, "_WINDOW_BYTES", 64)
    with RequestStore(tmp_path) as writer, RequestStore(tmp_path) as reader:
        writer.record_all([completion(number, "x" * (number * 37)) for number in range(1, 60)])
        reader.refresh()
        reader.seal()
        assert sorted(map(len, texts(reader))) == [number * 37 for number in range(1, 60)]
