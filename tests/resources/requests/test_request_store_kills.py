"""Kills: of a sealing process at each of its steps, and of writers with SIGKILL at random moments."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import duckdb
import pytest

from resources.requests.store import RequestStore

SEAL_DRIVER = textwrap.dedent(
    """
    # Forks one sealer after the other; the n-th ends before its n-th change of the disk, the last one ends by itself.
    import json, os, shutil, sys
    from pathlib import Path
    import duckdb, numpy, pyarrow.parquet
    from resources.identity import digest128
    from resources.requests import sealing, writing
    from resources.requests import store as store_module
    from resources.requests.records import Completion, Failure
    from resources.requests.store import RequestStore

    writing.SEGMENT_BYTES, writing.ROW_GROUP_ROWS, sealing.GROUP_BYTES = 1, 4, 1
    EVENTS = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "fcntl.flock"}
    state = {"armed": False, "left": 0}

    def on_event(event, arguments):
        # Before each change of the disk: reads in between see the same disk.
        is_change = event in EVENTS or (event == "open" and arguments[2] & (os.O_WRONLY | os.O_RDWR))
        if state["armed"] and is_change:
            state["left"] -= 1
            if state["left"] < 0:
                os._exit(9)

    def in_child(work):
        pid = os.fork()
        if pid == 0:
            try:
                code = work()
            except BaseException as error:
                sys.stderr.write(repr(error))
                code = 1
            os._exit(code or 0)
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

    def key(number):
        return digest128("test", str(number))

    def write(root):
        # An old seal; then two journals of dead processes, which overlap it and each other, with failures.
        for number, values in enumerate([range(0, 5), range(3, 10), range(8, 14)]):
            if number == 2:  # do not seal the journal before
                store_module.has_work = lambda folders: False
            store = RequestStore(root).open()
            for value in values:
                store.record(Completion(key(value), f"{number}:{value}", "stop", "e", "w", stored_at_ns=number + 1))
            store.record(Failure(key(100), "why", "e", "w"))
            store.close()

    def seal(root, left):
        state.update(armed=True, left=left)
        RequestStore(root).open().close()

    def look(root):
        with RequestStore(root) as store, duckdb.connect() as session:
            store.create_views(session)
            rows = sorted((k.hex, t) for k, t in session.sql("select request_key, text from completions").fetchall())
            found = {
                "rows": rows,
                "known": bool(store.known([key(value) for value in range(14)]).all()),
                "attempts": store.failed_attempts([key(100)])[key(100)],
                "failures": session.sql("select count(*) from failures").fetchall()[0][0],
                "journals": store.stats().journals,
                "litter": [path.name for path in store.folders.segments.glob(".*")],
            }
        (root / "found.json").write_text(json.dumps(found))

    pyarrow.array([1])  # imports pandas where it is installed: once here, not in every child
    sys.addaudithook(on_event)
    base = Path(sys.argv[1])
    assert in_child(lambda: write(base / "start")) == 0
    step, code = 0, 9
    while code == 9:
        root = base / f"step-{step}"
        shutil.copytree(base / "start", root)
        code = in_child(lambda: seal(root, step))
        assert code in (0, 9), code
        assert in_child(lambda: look(root)) == 0, step
        step += 1
    sys.stdout.write(str(step))
    """
)


def test_a_kill_at_any_step_of_a_seal_loses_and_doubles_nothing(tmp_path: Path) -> None:
    result = subprocess.run([sys.executable, "-c", SEAL_DRIVER, str(tmp_path)], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    steps = int(result.stdout)
    assert steps > 20, "the sealer was hardly watched"
    found = [json.loads((tmp_path / f"step-{step}" / "found.json").read_text()) for step in range(steps)]
    assert sorted(int(text.split(":")[1]) for _, text in found[-1]["rows"]) == list(range(14))
    assert all(text.startswith("0:") for _, text in found[-1]["rows"] if int(text.split(":")[1]) < 5)
    assert found[-1] | {"rows": []} == {
        "rows": [],
        "known": True,
        "attempts": 3,
        "failures": 3,
        "journals": 0,
        "litter": [],
    }
    for step, after in enumerate(found):
        assert after == found[-1], f"killed at step {step}"


WRITER = textwrap.dedent(
    """
    # Answers requests in a random order; says of each one that it is stored, and seals now and then.
    import os, random, sys
    from pathlib import Path
    from resources.identity import digest128
    from resources.requests.records import Completion, Failure
    from resources.requests.store import RequestStore

    root, name, count, seed = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    random.seed(seed)
    with RequestStore(root) as store:
        numbers = random.sample(range(count), count)
        keys = {number: digest128("test", str(number)) for number in numbers}
        missing = [n for n, known in zip(numbers, store.known(list(keys.values())), strict=True) if not known]
        os.write(1, f"open {len(missing)}\\n".encode())
        for number in missing:
            store.record(Completion(keys[number], f"{name}:{number}:" + "x" * random.randrange(3000), "stop", "e", "w"))
            os.write(1, f"{number}\\n".encode())
            if random.random() < 0.01:
                store.seal()
        store.seal()
    os.write(1, b"end\\n")
    """
)


def start(root: Path, name: str, seed: int, count: int) -> subprocess.Popen[bytes]:
    with (root / f"{name}-{seed}.log").open("wb") as log:
        return subprocess.Popen([sys.executable, "-c", WRITER, str(root), name, str(count), str(seed)], stdout=log)


def stored(root: Path, name: str, seed: int) -> list[str]:
    """What the writer said was stored. Its log is whole: each line is one write."""
    return [line for line in (root / f"{name}-{seed}.log").read_text().splitlines() if line.isdigit()]


@pytest.mark.parametrize(("kills", "count"), [(3, 1500), pytest.param(100, 40_000, marks=pytest.mark.soak)])
def test_killed_writers_lose_and_double_nothing(tmp_path: Path, kills: int, count: int) -> None:
    """Two processes write one store; one of them is killed again and again, and its successor asks for the rest."""
    chance = random.Random(kills)
    other = start(tmp_path, "other", 0, count)
    said: set[str] = set()
    for number in range(kills):
        victim = start(tmp_path, "victim", number, count)
        log = tmp_path / f"victim-{number}.log"
        while not log.stat().st_size and victim.poll() is None:
            time.sleep(0.005)
        time.sleep(chance.random() * 0.1)
        victim.send_signal(signal.SIGKILL)
        victim.wait()
        said |= set(stored(tmp_path, "victim", number))
    assert other.wait(timeout=300) == 0
    said |= set(stored(tmp_path, "other", 0))
    with RequestStore(tmp_path) as store, duckdb.connect() as session:
        store.create_views(session)
        before = session.sql("select request_key, text from completions").fetchall()
        numbers = [text.split(":")[1] for _, text in before]
        assert len({key for key, _ in before}) == len(numbers) == len(set(numbers)), "an answer appears twice"
        assert set(numbers) >= said, "an answer that was said to be stored is lost"
        assert not list(tmp_path.glob("requests/**/*.damaged"))
        assert store.stats().journals == 0
    last = start(tmp_path, "last", kills, count)
    assert last.wait(timeout=300) == 0
    assert len(stored(tmp_path, "last", kills)) == count - len(before), "asked for more than what was missing"
    with RequestStore(tmp_path) as store, duckdb.connect() as session:
        store.create_views(session)
        after = dict(session.sql("select request_key, text from completions").fetchall())
        assert len(after) == count
        assert {key: after[key] for key, _ in before} == dict(before), "a stored answer changed"


def test_a_sealer_waits_for_the_other(tmp_path: Path) -> None:
    """Two processes that open a store with dead journals at the same moment seal each journal once."""
    for name in ("one", "two"):
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path), name, "200", "1"], stdout=subprocess.PIPE
        )
        assert writer.stdout is not None
        for line in writer.stdout:
            if line == b"100\n":
                break
        writer.kill()
        writer.wait()
        writer.stdout.close()
    openers = [start(tmp_path, name, 1, 200) for name in ("three", "four")]
    assert [opener.wait(timeout=300) for opener in openers] == [0, 0]
    with RequestStore(tmp_path) as store, duckdb.connect() as session:
        store.create_views(session)
        (counts,) = session.sql("select count(*), count(distinct request_key) from completions").fetchall()
        assert counts == (200, 200)
    assert not any((tmp_path / "requests" / "journals").iterdir())
