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

DRIVER = textwrap.dedent(
    """
    # Forks one process after the other, each with the same work on a copy of the same store. The n-th one ends before
    # its n-th change of the disk, the last one by itself. After each, a fresh process opens the store and looks.
    import json, os, shutil, sys
    from pathlib import Path
    import duckdb, numpy, pyarrow.parquet
    from resources.identity import digest128
    from resources.requests import sealing, writing
    from resources.requests import store as store_module
    from resources.requests.index import as_keys
    from resources.requests.records import Completion, Failure
    from resources.requests.store import RequestStore

    writing.ROW_GROUP_ROWS, sealing.GROUP_BYTES = 4, 1
    EVENTS = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link", "fcntl.flock"}
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

    def write(root, is_last_sealed):
        # An old seal; then two journals of dead processes, which overlap it and each other, with failures.
        for number, values in enumerate([range(0, 5), range(3, 10), range(8, 14)]):
            if number == 2 and not is_last_sealed:
                store_module.has_work = lambda folders: False
            store = RequestStore(root).open()
            for value in values:
                store.record(Completion(key(value), f"{number}:{value}", "stop", "e", "w", stored_at_ns=number + 1))
            store.record(Failure(key(100), "why", "e", "w"))
            if is_last_sealed:
                store.seal()
            store.close()

    def keep(found):
        return numpy.array([row.tobytes() in KEPT for row in found], bool)

    KEPT = {key(value) for value in range(0, 14, 2)}

    def work(root, name, left):
        store = RequestStore(root)
        if name != "seal":
            store.open()
        state.update(armed=True, left=left)
        if name == "seal":
            store.open()
        elif name == "compact":
            store.compact(force=True)
        elif name == "prune":
            store.prune(keep)
        else:
            store.forget_failures()
        store.close()

    def look(root, name):
        # A kill may have left a prune undone: who wanted it runs it again.
        with RequestStore(root) as store, duckdb.connect() as session:
            store.create_views(session)
            first = dict((k.hex, t) for k, t in session.sql("select request_key, text from completions").fetchall())
            if name == "prune":
                store.prune(keep)
            if name == "forget":
                store.forget_failures()
        with RequestStore(root) as store, duckdb.connect() as session:
            store.create_views(session)
            rows = sorted((k.hex, t) for k, t in session.sql("select request_key, text from completions").fetchall())
            assert all(first[k] == text for k, text in rows)
            found = {
                "rows": rows,
                "known": int(store.known([key(value) for value in range(14)]).sum()),
                "attempts": store.failed_attempts([key(100)]).get(key(100), 0),
                "failures": session.sql("select count(*) from failures").fetchall()[0][0],
                "journals": store.stats().journals,
                "tokens": store.stats().completions - sum(u.completions for u in store.usage_by_weights()),
                "litter": [path.name for path in store.folders.segments.glob(".*")],
                "unseen": len(set(store.folders.segments.rglob("*.parquet")) - set(store.paths())),
            }
        (root / "found.json").write_text(json.dumps(found))

    pyarrow.array([1])  # imports pandas where it is installed: once here, not in every child
    sys.addaudithook(on_event)
    base, name, stride = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    if name == "seal":
        writing.SEGMENT_BYTES = 1
    assert in_child(lambda: write(base / "start", name != "seal")) == 0
    step, code = 0, 9
    while code == 9:
        root = base / f"step-{step}"
        shutil.copytree(base / "start", root)
        code = in_child(lambda: work(root, name, step))
        assert code in (0, 9), code
        assert in_child(lambda: look(root, name)) == 0, step
        step += stride
    sys.stdout.write(str(step))
    """
)

ALL = list(range(14))
KILLS: dict[str, tuple[int, list[int], int]] = {
    # work: (changes of the disk that it makes at least, completions at its end, failures at its end)
    "seal": (20, ALL, 3),
    "compact": (25, ALL, 3),
    "prune": (40, ALL[::2], 0),
    "forget": (30, ALL, 0),
}
SAMPLE = {"seal": 5, "compact": 7, "prune": 19, "forget": 19}
"""Every how many changes there is a kill where not all of them are tried."""


@pytest.mark.parametrize(
    ("work", "stride"), [*SAMPLE.items(), *(pytest.param(work, 1, marks=pytest.mark.soak) for work in KILLS)]
)
def test_a_kill_at_any_step_loses_and_doubles_nothing(tmp_path: Path, work: str, stride: int) -> None:
    command = [sys.executable, "-c", DRIVER, str(tmp_path), work, str(stride)]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    least, numbers, failures = KILLS[work]
    steps = range(0, int(result.stdout), stride)
    assert steps[-1] > least, "the process was hardly watched"
    found = [json.loads((tmp_path / f"step-{step}" / "found.json").read_text()) for step in steps]
    assert sorted(int(text.split(":")[1]) for _, text in found[-1]["rows"]) == numbers
    assert all(text.startswith("0:") for _, text in found[-1]["rows"] if int(text.split(":")[1]) < 5)
    assert found[-1] | {"rows": []} == {
        "rows": [],
        "known": len(numbers),
        "attempts": failures,
        "failures": failures,
        "journals": 0,
        "tokens": 0,
        "litter": [],
        "unseen": 0,
    }
    for step, after in zip(steps, found, strict=True):
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
