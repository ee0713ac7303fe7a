"""The child process: its death is noticed and named, it never outlives its parent, and nothing is left behind."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from resources.engines.process.child import Child
from resources.errors import EngineError

BEHAVIOURS = """
import os, signal, sys, threading, time
from resources.engines.process.child import leave_with_parent
from resources.engines.process.frames import read_frame, write_frame

def main(parent):
    leave_with_parent(parent)
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    while (frame := read_frame(sys.stdin.buffer)) is not None:
        op = frame["op"]
        if op == "echo":
            write_frame(out, frame)
        elif op == "pid":
            write_frame(out, {"pid": os.getpid(), "session": os.getsid(0), "path": sys.path})
        elif op == "print":
            print("a library talks to itself", flush=True)
            write_frame(out, {"op": "printed"})
        elif op == "kill":
            print("my last words", file=sys.stderr, flush=True)
            os.kill(os.getpid(), signal.SIGKILL)
        elif op == "exit":
            sys.exit(frame["code"])
        elif op == "tear":
            out.write(b"torn"); out.flush(); os._exit(0)
        elif op == "hang":
            write_frame(out, {"op": "hanging"})
            time.sleep(3600)
        elif op == "litter":
            if os.fork() == 0:  # holds the ends of all pipes, as a worker that is forked does
                write_frame(out, {"pid": os.getpid()})
                time.sleep(3600)
            time.sleep(3600)
"""


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "behaviours.py").write_text(BEHAVIOURS)
    return {**os.environ, "PYTHONPATH": str(tmp_path)}


@pytest.fixture
def child(env: dict[str, str]) -> Iterator[Child]:
    started = Child("behaviours", where="here", env=env)
    yield started
    started.stop()


def is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def wait_gone(pid: int, seconds: float) -> bool:
    end = time.monotonic() + seconds
    while is_running(pid):
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


def test_answers_in_frames_in_a_session_of_its_own(child: Child) -> None:
    child.send({"op": "echo", "text": "\ud800 \x00 é"})
    assert child.receive()["text"] == "\ud800 \x00 é"
    child.send({"op": "pid"})
    told = child.receive()
    assert told["pid"] == child.pid == told["session"]
    assert "" not in told["path"]


def test_a_library_that_prints_tears_no_frame(child: Child) -> None:
    child.send({"op": "print"})
    assert child.receive() == {"op": "printed"}


DEATHS = [
    ({"op": "kill"}, ["was ended by SIGKILL", "my last words"]),
    ({"op": "exit", "code": 3}, ["ended with exit code 3"]),
    ({"op": "tear"}, ["ended with exit code 0"]),
]


@pytest.mark.parametrize(("frame", "says"), DEATHS, ids=[str(frame["op"]) for frame, _ in DEATHS])
def test_death_is_an_error_that_can_be_tried_again(child: Child, frame: dict[str, object], says: list[str]) -> None:
    child.send(frame)
    for _ in range(2):  # asked again, it says the same and does not wait for ever
        with pytest.raises(EngineError) as caught:
            child.receive()
        assert caught.value.retryable
        assert all(part in str(caught.value) for part in says)
    with pytest.raises(EngineError):
        child.send({"op": "echo", "text": "x" * 1_000_000})


def test_module_that_fails_to_import_shows_its_error(env: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "failing.py").write_text("raise RuntimeError('no such model here')")
    child = Child("failing", where="here", env=env)
    with pytest.raises(EngineError, match="here: the engine's process ended with exit code 1.*no such model here"):
        child.receive()
    child.stop()


def test_process_that_cannot_start_is_an_error(env: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(subprocess, "Popen", refuse)
    with pytest.raises(
        EngineError, match="here: cannot start the engine's process: Resource temporarily.*ulimit"
    ) as caught:
        Child("behaviours", where="here", env=env)
    assert caught.value.retryable


def test_stop_is_idempotent_and_leaves_no_process(child: Child) -> None:
    child.send({"op": "echo"})
    child.receive()
    child.stop()
    child.stop()
    assert not is_running(child.pid)
    with pytest.raises(EngineError):
        child.send({"op": "echo"})


def test_stop_ends_a_child_that_hangs_and_its_helpers(child: Child, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("resources.engines.process.child._GOODBYE_S", 0.2)
    child.send({"op": "litter"})
    helper = child.receive()["pid"]
    assert is_running(helper)
    child.stop()
    assert wait_gone(child.pid, 2)
    assert wait_gone(helper, 2)


def test_silence_ends_in_none(child: Child) -> None:
    child.send({"op": "echo"})
    assert child.receive(5.0) == {"op": "echo"}
    started = time.monotonic()
    assert child.receive(0.3) is None
    assert child.receive(0.0) is None
    assert 0.3 <= time.monotonic() - started < 2


def test_helpers_of_a_killed_child_are_ended_and_its_death_is_seen(env: dict[str, str]) -> None:
    child = Child("behaviours", where="here", env=env, is_guarded=True)
    child.send({"op": "litter"})
    helper = child.receive()["pid"]
    os.kill(child.pid, signal.SIGKILL)
    with pytest.raises(EngineError, match="was ended by SIGKILL"):
        child.receive()
    assert wait_gone(helper, 2)
    child.stop()


def test_guard_ends_with_the_child(env: dict[str, str]) -> None:
    child = Child("behaviours", where="here", env=env, is_guarded=True)
    assert child._guard
    guard = child._guard.pid
    assert is_running(guard)
    child.stop()
    assert not is_running(guard)


def test_another_interpreter_sees_resources_and_not_our_packages(env: dict[str, str], tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "other")], check=True)
    (tmp_path / "looker.py").write_text(
        "import importlib.util as u, sys\n"
        "from resources.engines.process.frames import write_frame\n"
        "def main(parent):\n"
        "    write_frame(sys.stdout.buffer, {'prefix': sys.prefix, 'sees': bool(u.find_spec('duckdb'))})\n"
    )
    child = Child("looker", where="here", env=env, python=str(tmp_path / "other/bin/python"))
    assert child.receive() == {"prefix": str(tmp_path / "other"), "sees": False}
    child.stop()


def test_interpreter_that_is_not_there_is_an_error(env: dict[str, str], tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="cannot run the interpreter.*Give `python`") as caught:
        Child("behaviours", where="here", env=env, python=str(tmp_path / "absent"))
    assert not caught.value.retryable


def test_stop_does_not_wait_for_a_pipe_that_nobody_reads(child: Child, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("resources.engines.process.child._GOODBYE_S", 0.2)
    child.send({"op": "hang"})
    child.receive()
    sender = threading.Thread(target=_send_into_full_pipe, args=(child,), daemon=True)
    sender.start()
    time.sleep(0.1)
    started = time.monotonic()
    child.stop()
    sender.join(2)
    assert time.monotonic() - started < 3
    assert not sender.is_alive()


def _send_into_full_pipe(child: Child) -> None:
    try:
        child.send({"op": "echo", "text": "x" * 1_000_000})
    except EngineError:
        return


PARENT = """
import sys, time; from resources.engines.process.child import Child
child = Child("behaviours", where="here", is_guarded=True)
child.send({"op": "litter"}); print(child.pid, child.receive()["pid"], child._guard.pid, flush=True)
"""


@pytest.mark.parametrize("way", ["killed", "exits", "interrupted", "killed with its child"])
def test_child_its_helpers_and_its_guard_end_with_the_parent(env: dict[str, str], way: str) -> None:
    code = PARENT + ("sys.exit(0)" if way == "exits" else "time.sleep(3600)")
    root = str(Path(__file__).resolve().parents[3])
    parent_env = {**env, "PYTHONPATH": env["PYTHONPATH"] + os.pathsep + root}
    with subprocess.Popen(
        [sys.executable, "-c", code], env=parent_env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as parent:
        assert parent.stdout
        pids = [int(word) for word in parent.stdout.readline().split()]
        assert len(pids) == 3
        if way == "interrupted":
            parent.send_signal(signal.SIGINT)
        elif way != "exits":
            parent.kill()
        if way == "killed with its child":
            os.kill(pids[0], signal.SIGKILL)
        parent.wait(10)
    left = [pid for pid in pids if not wait_gone(pid, 5)]
    assert left == []
