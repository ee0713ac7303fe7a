"""Worker processes: a piece that hangs, swells, breaks out or dies costs only itself, and nothing is left behind."""

import ast
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from resources.errors import MathloomError
from resources.workers import Outcome, WorkerPool
from resources.workers.pool import NOT_TRIED, ZYGOTE_DIED

TARGET = """
import os, signal, sys, threading, time

CANARY = {canary!r}

def work(text):
    op, _, rest = text.partition(" ")
    if op == "echo":
        return rest
    if op == "sleep":
        time.sleep(float(rest))
        return "slept"
    if op == "spin":
        while True:
            pass
    if op == "swell":
        hoard = []
        while True:
            hoard.append(b"x" * 10_000_000)
    if op == "raise":
        raise ValueError("no")
    if op == "recurse":
        return work(text)
    if op == "segv":
        signal.raise_signal(signal.SIGSEGV)
    if op == "long":
        return "x" * 2_000_000
    if op == "thread":
        threading.Thread(target=time.sleep, args=(30,), daemon=True).start()
        return "left something running"
    if op == "facts":
        return repr(globals()[rest]())
    if op == "try":
        try:
            TRIES[rest]()
        except BaseException as error:
            return "swallowed " + repr(error)
        return "done"
    raise AssertionError(text)

def _open(mode):
    return lambda: open(CANARY, mode).close()

def _socket():
    import socket
    socket.socket()

def _connect():
    import socket
    socket.create_connection(("127.0.0.1", 9), timeout=1)

def _spawn():
    import subprocess
    subprocess.run(["touch", CANARY])

def _sqlite():
    import sqlite3
    sqlite3.connect(CANARY)

def _ctypes():
    import ctypes
    ctypes.CDLL(None)

TRIES = {{
    "write": _open("w"),
    "append": _open("a"),
    "read": lambda: open("/etc/hosts").read(),
    "read environment": lambda: open(f"/proc/{{os.getppid()}}/environ", "rb").read(),
    "low-level open": lambda: os.open(CANARY, os.O_CREAT | os.O_WRONLY),
    "make a folder": lambda: os.mkdir(CANARY),
    "remove": lambda: os.remove(CANARY + ".kept"),
    "look around": lambda: os.listdir("/"),
    "socket": _socket,
    "connect": _connect,
    "spawn": _spawn,
    "system": lambda: os.system("touch " + CANARY),
    "fork": lambda: os.fork(),
    "kill": lambda: os.kill(os.getppid(), signal.SIGTERM),
    "eval": lambda: eval("open(CANARY, 'w')"),
    "exec": lambda: exec("import os"),
    "sqlite": _sqlite,
    "ctypes": _ctypes,
}}

def environment():
    return dict(os.environ)

def pid():
    return os.getpid()

def folder():
    return os.readlink("/proc/self/cwd")

def limits():
    import resource
    return [resource.getrlimit(getattr(resource, name))[0] for name in ("RLIMIT_CORE", "RLIMIT_FSIZE", "RLIMIT_AS")]

def descriptors():
    return [d for d in range(64) if _is_open(d)]

def _is_open(descriptor):
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True

def import_late():
    import colorsys
    return colorsys.rgb_to_hsv(0, 0, 0)
"""

LIMIT_BYTES = 256 << 20


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("workers")
    (folder / "hostile_target.py").write_text(TARGET.format(canary=str(folder / "canary")))
    (folder / "canary.kept").write_text("kept")
    (folder / "failing_target.py").write_text("raise RuntimeError('no such grammar')")
    sys.path.append(str(folder))
    yield folder
    sys.path.remove(str(folder))


def make(**options: object) -> WorkerPool:
    return WorkerPool("hostile_target:work", **{"workers": 2, "memory_bytes": LIMIT_BYTES, **options})  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def pool(folder: Path) -> Iterator[WorkerPool]:
    with make() as made:
        yield made


def ask(pool: WorkerPool, *pieces: str) -> list[Outcome]:
    found = dict(pool.map(pieces))
    assert sorted(found) == list(range(len(pieces)))
    return [found[index] for index in range(len(pieces))]


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait_gone(pid: int, seconds: float = 5.0) -> bool:
    end = time.monotonic() + seconds
    while is_running(pid) and time.monotonic() < end:
        time.sleep(0.02)
    return not is_running(pid)


def test_every_piece_has_one_outcome_under_its_index(pool: WorkerPool) -> None:
    pieces = [f"echo {number} \ud800 é \x00" for number in range(500)]
    assert [found.answer for found in ask(pool, *pieces)] == [piece[5:] for piece in pieces]
    assert ask(pool) == []


def test_long_pieces_pass(pool: WorkerPool) -> None:
    texts = ["x" * 900_000, "y" * 300_000]
    assert [found.answer for found in ask(pool, *(f"echo {text}" for text in texts))] == texts


@pytest.mark.parametrize("op", ["sleep 60", "spin"])
def test_late_piece_is_killed_and_only_it(pool: WorkerPool, op: str) -> None:
    start = time.monotonic()
    before, late, *after = ask(pool, "echo a", op, *["echo b"] * 20)
    assert time.monotonic() - start < 2.0
    assert late.status == "timed_out"
    # By its CPU time, or on a busy machine by the clock.
    assert late.ms >= 890.0 or (not op.startswith("sleep") and late.cpu_ms >= 480.0), late
    assert (late.cpu_ms < 250.0) == op.startswith("sleep")
    assert [found.answer for found in (before, *after)] == ["a"] + ["b"] * 20


def test_memory_is_bounded(pool: WorkerPool) -> None:
    swollen, fine = ask(pool, "swell", "echo a")
    assert swollen.status in {"crashed", "timed_out"}
    assert fine.answer == "a"
    [limits] = ask(pool, "facts limits")
    assert limits.answer == str([0, 0, LIMIT_BYTES])


@pytest.mark.parametrize(
    ("op", "detail"),
    [("raise", "exit 1"), ("recurse", "exit 1"), ("segv", "signal 11"), ("long", "signal 9"), ("thread", "exit 1")],
)
def test_crash_loses_only_its_piece(pool: WorkerPool, op: str, detail: str) -> None:
    found = ask(pool, "echo a", op, "echo b", "echo c")
    assert [outcome.answer for outcome in found] == ["a", None, "b", "c"]
    assert (found[1].status, found[1].detail) == ("crashed", detail)


TRIES = """write,append,read,read environment,low-level open,make a folder,remove,look around,socket,connect,spawn,
system,fork,kill,eval,exec,sqlite,ctypes"""


@pytest.mark.parametrize("what", [what.strip() for what in TRIES.split(",")])
def test_what_a_worker_must_not_do_ends_it(pool: WorkerPool, folder: Path, what: str) -> None:
    [found] = ask(pool, f"try {what}")
    assert (found.status, found.detail) == ("crashed", "refused")
    assert not (folder / "canary").exists()
    assert (folder / "canary.kept").read_text() == "kept"


def test_worker_has_no_secrets_and_no_place(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    with make(workers=1) as pool:
        environment, place, descriptors, late = ask(
            pool, "facts environment", "facts folder", "facts descriptors", "facts import_late"
        )
        assert pool.network in {"namespace", "hook"}
    python = {"PYTHONHASHSEED", "PYTHONHOME", "PYTHONNOUSERSITE", "PYTHONSAFEPATH"}
    system = {"LC_ALL", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "TMPDIR", "TZ"}
    assert set(ast.literal_eval(environment.answer or "")) <= python | system
    assert "secret" not in str(environment.answer)
    assert str(place.answer).endswith("(deleted)'")
    assert descriptors.answer == "[0, 1, 2, 3, 4]"
    assert late.status == "answered"


def test_worker_makes_room_for_a_fresh_one(folder: Path) -> None:
    with make(workers=1, pieces_per_worker=3) as pool:
        pids = [found.answer for found in ask(pool, *["facts pid"] * 7)]
    assert [pids.count(pid) for pid in dict.fromkeys(pids)] == [3, 3, 1]


def test_start_does_not_count_as_time_of_a_piece(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "slow_target.py").write_text("import time\ntime.sleep(0.4)\ndef work(text):\n    return text\n")
    with WorkerPool("slow_target:work", workers=1, seconds=0.1) as pool:
        assert dict(pool.map(["a"], budget_s=0.1))[0].answer == "a"
        assert pool.load_ms >= 400.0


def test_target_that_cannot_be_loaded_is_an_error(folder: Path) -> None:
    pool = WorkerPool("failing_target:work", workers=1)
    with pytest.raises(MathloomError, match="resources/workers: .*failing_target:work: RuntimeError: no such grammar"):
        list(pool.map(["a"]))
    assert pool.pid is None


def test_a_zygote_that_is_killed_while_it_loads_is_started_again(folder: Path, tmp_path: Path) -> None:
    """Once; a second death is an error that says so."""
    source = "import os, pathlib, signal\nfile = pathlib.Path({!r})\ncount = len(file.read_text())\n"
    source += "file.write_text('x' * (count - 1))\nif count:\n    os.kill(os.getpid(), signal.SIGKILL)\n"
    source += "def work(text):\n    return text\n"
    for deaths in (1, 2):
        (tmp_path / f"count{deaths}").write_text("x" * deaths)
        (folder / f"dies{deaths}.py").write_text(source.format(str(tmp_path / f"count{deaths}")))
    with WorkerPool("dies1:work", workers=1) as pool:
        assert ask(pool, "a")[0].answer == "a"
    with WorkerPool("dies2:work", workers=1) as pool, pytest.raises(MathloomError, match="died 2 times in a row"):
        pool.start()


def test_warm_up_is_done_once_before_the_fork(folder: Path) -> None:
    (folder / "warm_target.py").write_text("seen = []\ndef work(text):\n    seen.append(text)\n    return str(seen)\n")
    with WorkerPool("warm_target:work", workers=2, warm_up=("one", "two"), pieces_per_worker=1) as pool:
        assert [found.answer for found in ask(pool, "a", "b", "c")] == [f"['one', 'two', '{x}']" for x in "abc"]


def test_budget_ends_what_is_not_begun(pool: WorkerPool) -> None:
    start = time.monotonic()
    found = [outcome for _, outcome in sorted(pool.map(["sleep 0.3"] * 200, budget_s=0.5))]
    assert time.monotonic() - start < 3.0
    assert {outcome.status for outcome in found} == {"answered", "not_tried"}
    assert found[-1] == NOT_TRIED
    assert ask(pool, "echo a")[0].answer == "a"
    assert [outcome for _, outcome in pool.map(["echo a"], budget_s=0.0)] == [NOT_TRIED]


def test_map_that_is_left_early_leaves_no_work(pool: WorkerPool) -> None:
    for _, outcome in pool.map(["echo a", *["sleep 0.45"] * 50]):
        assert outcome.answer == "a"
        break
    start = time.monotonic()
    assert [found.answer for found in ask(pool, "echo b", "echo c")] == ["b", "c"]
    assert time.monotonic() - start < 0.4


def test_interrupt_leaves_the_pool_usable(pool: WorkerPool) -> None:
    timer = threading.Timer(0.2, signal.raise_signal, [signal.SIGINT])
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        list(pool.map(["sleep 0.8"] * 50))
    timer.join()
    assert ask(pool, "echo a")[0].answer == "a"


def test_threads_share_a_pool(pool: WorkerPool) -> None:
    answers: dict[int, list[str | None]] = {}

    def run(number: int) -> None:
        answers[number] = [found.answer for found in ask(pool, *[f"echo {number}"] * 50)]

    threads = [threading.Thread(target=run, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert answers == {number: [str(number)] * 50 for number in range(4)}


def test_death_of_the_zygote_is_survived(folder: Path) -> None:
    with make() as pool:
        worker = int(str(ask(pool, "facts pid")[0].answer))
        first = pool.pid
        assert first is not None
        timer = threading.Timer(0.2, os.kill, [first, signal.SIGKILL])
        timer.start()
        found = ask(pool, *["sleep 0.4"] * 4, *["echo a"] * 10)
        timer.join()
        assert [outcome.answer for outcome in found] == ["slept"] * 4 + ["a"] * 10, "they are innocent"
        assert pool.pid != first
        assert wait_gone(worker)


def test_pieces_of_two_zygotes_that_died_are_lost(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Should a piece be able to kill the zygote, it costs itself and what was under way, not the build."""
    with make(workers=1) as pool:
        start, starts = pool.start, [2, 1]

        def doomed() -> None:
            is_new = pool.pid is None
            start()
            if is_new and starts and starts.pop():
                threading.Timer(0.2, os.kill, [pool.pid or 0, signal.SIGKILL]).start()

        monkeypatch.setattr(pool, "start", doomed)
        found = ask(pool, *["sleep 0.4"] * 2, *["echo a"] * 3)
        assert [outcome.detail for outcome in found[:2]] == [ZYGOTE_DIED] * 2
        assert not found[0].is_of_piece
        assert [outcome.answer for outcome in found[2:]] == ["a"] * 3


def test_a_stopped_worker_is_late(folder: Path) -> None:
    with make(workers=1) as pool:
        worker = int(str(ask(pool, "facts pid")[0].answer))
        os.kill(worker, signal.SIGSTOP)
        assert [outcome.status for outcome in ask(pool, "echo a", "echo b")] == ["timed_out", "answered"]
        assert wait_gone(worker)


def test_zygote_that_dies_again_and_again_is_an_error(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with make(workers=1) as pool:
        start = pool.start

        def doomed() -> None:
            start()
            os.kill(pool.pid or 0, signal.SIGKILL)

        monkeypatch.setattr(pool, "start", doomed)
        with pytest.raises(MathloomError, match="died 3 times in a row") as caught:
            list(pool.map(["echo a"] * 100))
        assert caught.value.retryable


def test_close_ends_all_processes(folder: Path) -> None:
    pool = make()
    worker = int(str(ask(pool, "facts pid")[0].answer))
    zygote = pool.pid
    assert zygote is not None
    start = time.monotonic()
    pool.close()
    pool.close()
    assert time.monotonic() - start < 1.0
    assert wait_gone(worker)
    assert wait_gone(zygote)
    assert ask(pool, "echo again")[0].answer == "again"
    pool.close()


def test_forgotten_pool_ends_its_processes(folder: Path) -> None:
    pool = make()
    ask(pool, "echo a")
    zygote = pool.pid
    assert zygote is not None
    del pool
    assert wait_gone(zygote)


PARENT = """
import sys, time
sys.path.append({folder!r})
from resources.workers import WorkerPool
pool = WorkerPool("hostile_target:work", workers=2, seconds=60.0)
workers = {{found.answer for _, found in pool.map(["facts pid"] * 8)}}
sys.stdout.write(f"{{pool.pid}} {{' '.join(sorted(workers))}}\\n")
sys.stdout.flush()
{then}
"""


def start_parent(folder: Path, then: str) -> tuple[subprocess.Popen[str], list[int]]:
    script = PARENT.format(folder=str(folder), then=then)
    root = str(Path(__file__).resolve().parents[3])
    parent = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, cwd=root)
    assert parent.stdout is not None
    return parent, [int(pid) for pid in parent.stdout.readline().split()]


@pytest.mark.parametrize("then", ["time.sleep(60)", "list(pool.map(['spin'] * 4))"])
def test_killed_parent_leaves_nothing(folder: Path, then: str) -> None:
    parent, pids = start_parent(folder, then)
    assert len(pids) >= 2
    assert all(is_running(pid) for pid in pids)
    parent.kill()
    parent.communicate()
    assert all(wait_gone(pid) for pid in pids)


def test_parent_that_ends_or_is_interrupted_leaves_nothing(folder: Path) -> None:
    parent, pids = start_parent(folder, "")
    assert parent.wait(10) == 0
    assert all(wait_gone(pid) for pid in pids)
    parent.communicate()


@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")  # Python 3.12 warns of forks
def test_forked_child_has_workers_of_its_own(pool: WorkerPool) -> None:
    ask(pool, "echo a")
    zygote = pool.pid
    child = os.fork()
    if child == 0:
        is_own = pool.pid is None and ask(pool, "echo b")[0].answer == "b" and pool.pid != zygote
        pool.close()
        os._exit(0 if is_own else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert pool.pid == zygote
    assert ask(pool, "echo c")[0].answer == "c"
