"""The verdict cache: kept across instances and processes, small, and never in the way."""

import logging
import os
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from assets.answers.policy import DEFAULT, Policy
from assets.answers.symbolic import cache as module
from assets.answers.symbolic.cache import Found, Relation, VerdictCache, pair_id
from resources.errors import StoreError


def identity(number: int) -> bytes:
    return pair_id(f"a{number}", "b", DEFAULT)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "verdicts.sqlite"


def test_a_verdict_is_found_by_the_next_instance(file: Path) -> None:
    first = VerdictCache(file)
    assert first.get(identity(1)) is None
    relations: list[Relation] = ["equal", "different", "unknown"]
    for number, relation in enumerate(relations):
        first.put(identity(number), Found(relation, 0))
    first.put(identity(3), Found("unknown", 500))
    first.close()
    first.close()
    second = VerdictCache(file)
    assert [second.get(identity(number)) for number in range(5)] == [
        *(Found(relation, 0) for relation in relations), Found("unknown", 500), None,
    ]  # fmt: skip
    second.close()
    assert file.stat().st_size < 20_000


def test_time_decides_whether_a_time_out_is_asked_again() -> None:
    assert Found("unknown", 500).settles(500)
    assert Found("unknown", 500).settles(200)
    assert not Found("unknown", 500).settles(1_000)
    assert Found("unknown", 0).settles(10**9)


def test_a_better_verdict_replaces_a_time_out_and_never_the_other_way_round() -> None:
    cache = VerdictCache()
    for found, kept in [
        (Found("unknown", 500), Found("unknown", 500)),
        (Found("unknown", 200), Found("unknown", 500)),
        (Found("unknown", 900), Found("unknown", 900)),
        (Found("equal", 0), Found("equal", 0)),
        (Found("unknown", 5_000), Found("equal", 0)),
        (Found("different", 0), Found("equal", 0)),
    ]:
        cache.put(identity(1), found)
        assert cache.get(identity(1)) == kept


def test_a_pair_is_named_by_texts_policy_and_versions(monkeypatch: pytest.MonkeyPatch) -> None:
    names = {
        pair_id("a", "b", DEFAULT), pair_id("a", "c", DEFAULT), pair_id("ab", "", DEFAULT),
        pair_id("a", "b", Policy(strip_units=False)), pair_id("a", "\ud800", DEFAULT),
    }  # fmt: skip
    assert len(names) == 5
    assert pair_id("b", "a", DEFAULT) == pair_id("a", "b", DEFAULT)
    assert "sympy 1." in module.engine_version()
    monkeypatch.setattr(module, "engine_version", lambda: "another")
    assert pair_id("a", "b", DEFAULT) not in names


@pytest.mark.parametrize("content", [b"no database", b"SQLite format 3\x00" + b"\xff" * 4_000, b"\x00" * 8_192])
def test_a_broken_file_is_set_aside(file: Path, caplog: pytest.LogCaptureFixture, content: bytes) -> None:
    file.parent.mkdir()
    file.write_bytes(content)
    cache = VerdictCache(file)
    with caplog.at_level(logging.WARNING):
        cache.put(identity(1), Found("equal", 0))
    assert cache.get(identity(1)) == Found("equal", 0)
    cache.close()
    [aside] = file.parent.glob("*.broken-*")
    assert aside.read_bytes() == content
    assert [aside.name in line for line in caplog.messages] == [True]
    assert "verdicts are collected anew" in caplog.text


def test_a_file_that_breaks_while_it_is_open_is_set_aside(file: Path) -> None:
    cache = VerdictCache(file)
    for number in range(2_000):
        cache.put(identity(number), Found("equal", 0))
    cache.close()
    with file.open("r+b") as handle:
        handle.seek(4_096)
        handle.write(b"\xff" * (file.stat().st_size - 4_096))
    for number in range(2_000):
        cache.put(identity(number), Found("equal", 0))
    assert cache.get(identity(1)) == Found("equal", 0)
    cache.close()
    assert len(list(file.parent.glob("*.broken-*"))) == 1


def test_a_broken_file_that_cannot_be_moved_is_left(
    file: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(_: Path) -> Any:
        raise StoreError("no permission to write", where=str(file), fix="Give it")

    file.parent.mkdir()
    file.write_bytes(b"no database" * 1_000)
    monkeypatch.setattr(module, "exclusive", refuse)
    cache = VerdictCache(file)
    assert cache.get(b"x" * 16) is None
    cache.put(b"x" * 16, Found("equal", 0))
    assert "cannot be moved away" in caplog.text
    assert file.read_bytes().startswith(b"no database")


def test_another_table_under_the_name_is_set_aside(file: Path) -> None:
    file.parent.mkdir()
    with sqlite3.connect(file) as other:
        other.execute("create table verdicts (something text)")
    other.close()
    cache = VerdictCache(file)
    cache.put(identity(1), Found("equal", 0))
    assert cache.get(identity(1)) == Found("equal", 0)
    cache.close()


def test_where_nothing_can_be_written_the_step_goes_on(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_text("no folder")
    cache = VerdictCache(tmp_path / "file" / "verdicts.sqlite")
    for _ in range(3):
        cache.put(identity(1), Found("equal", 0))
        assert cache.get(identity(1)) is None
    assert len(caplog.messages) == 1
    folder = VerdictCache(tmp_path)
    folder.put(identity(1), Found("equal", 0))
    assert folder.get(identity(1)) is None


def test_a_busy_file_is_waited_for_and_then_left_alone(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_BUSY_S", 0.05)
    cache = VerdictCache(file)
    cache.put(identity(1), Found("equal", 0))
    other = sqlite3.connect(file, isolation_level=None)
    other.execute("begin exclusive")
    cache.put(identity(2), Found("equal", 0))
    other.execute("rollback")
    other.close()
    assert (cache.get(identity(1)), cache.get(identity(2))) == (Found("equal", 0), None)
    cache.put(identity(2), Found("equal", 0))
    assert cache.get(identity(2)) == Found("equal", 0)
    cache.close()


def test_growth_is_bounded_and_the_oldest_go(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = VerdictCache(file, max_rows=100)
    day = 20_000
    monkeypatch.setattr(module, "_today", lambda: day)
    for number in range(90):
        cache.put(identity(number), Found("equal", 0))
    day += 1
    assert cache.get(identity(5)) == Found("equal", 0)  # asked for, so it is young again
    for number in range(90, 160):
        cache.put(identity(number), Found("equal", 0))
    cache.close()
    again = VerdictCache(file)
    kept = [number for number in range(160) if again.get(identity(number)) is not None]
    assert len(kept) == 80
    assert 5 in kept
    assert set(range(90, 160)) <= set(kept)
    again.close()


WRITER = """
import sys
from pathlib import Path
from assets.answers.policy import DEFAULT
from assets.answers.symbolic.cache import Found, VerdictCache, pair_id
cache = VerdictCache(Path(sys.argv[1]))
first, last = int(sys.argv[2]), int(sys.argv[3])
sys.stdout.write("ready\\n"); sys.stdout.flush()
for number in range(first, last):
    cache.put(pair_id(f"a{number}", "b", DEFAULT), Found("equal", 0))
    sys.stdout.write(f"{number}\\n"); sys.stdout.flush()
"""


def start_writer(file: Path, first: int, last: int) -> subprocess.Popen[str]:
    root = str(Path(__file__).resolve().parents[4])
    command = [sys.executable, "-c", WRITER, str(file), str(first), str(last)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=root)


def test_two_processes_write_at_once(file: Path) -> None:
    writers = [start_writer(file, first, first + 400) for first in (0, 400)]
    for writer in writers:
        writer.communicate(timeout=30)
        assert writer.returncode == 0
    cache = VerdictCache(file)
    assert [number for number in range(800) if cache.get(identity(number)) is None] == []
    cache.close()


def test_a_kill_loses_nothing_that_was_written(file: Path) -> None:
    writer = start_writer(file, 0, 1_000_000)
    assert writer.stdout is not None
    last = [writer.stdout.readline() for _ in range(200)][-1]
    writer.kill()
    writer.communicate()
    cache = VerdictCache(file)
    assert [number for number in range(int(last) + 1) if cache.get(identity(number)) is None] == []
    cache.close()


@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")  # Python 3.12 warns of forks
def test_a_forked_child_opens_its_own(file: Path) -> None:
    cache = VerdictCache(file)
    cache.put(identity(1), Found("equal", 0))
    child = os.fork()
    if child == 0:
        is_found = cache.get(identity(1)) == Found("equal", 0)
        cache.put(identity(2), Found("different", 0))
        cache.close()
        os._exit(0 if is_found else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert cache.get(identity(2)) == Found("different", 0)
    cache.close()
