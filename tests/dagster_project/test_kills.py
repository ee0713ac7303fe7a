"""Builds that are killed, interrupted, refused by their engine, or fed with hostile text: what is stored stays, once.

Kills are SIGKILL on the whole process at random moments. What must hold afterwards: the same command ends in the bytes
of a build that nobody disturbed over the same request store, and no request is stored twice.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import signal
import struct
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from dagster_project.cli import main
from resources.requests.segments import Folders, list_seals
from resources.requests.store import RequestStore
from resources.store import Environment

NAME = "sums"
REQUESTS = 32
"""Eight problems of the template state two numbers; four samples each."""
COMMAND = (sys.executable, "-m", "dagster_project.cli", "build")
PATIENCE_S = 120
"""Far above the seconds that a build takes: only a hang is as slow."""
SLOW = ("profiles/scripted.yaml", "engine: scripted", "engine: scripted, latency_s: 0.05, max_in_flight: 2")


def run(folder: Path, *arguments: str) -> int:
    before = Path.cwd()
    os.chdir(folder)
    try:
        return main(arguments)
    finally:
        os.chdir(before)


def edit(folder: Path, name: str, old: str, new: str) -> None:
    text = (folder / name).read_text(encoding="utf-8")
    assert old in text, (name, old)
    (folder / name).write_text(text.replace(old, new), encoding="utf-8")


def environment(folder: Path, profile: str = "scripted") -> dict[str, dict[str, str]]:
    return json.loads((folder / ".mathloom" / "envs" / NAME / f"{profile}.json").read_text())["stages"]


def manifest(folder: Path, stage: str) -> dict[str, Any]:
    entry = environment(folder)[stage]
    kind = entry["kind"].replace("/", ".")
    return json.loads((folder / ".mathloom/versions" / kind / entry["version"][:40] / "manifest.json").read_text())


def forget_all_but_requests(folder: Path) -> None:
    for name in ("versions", "fingerprints", "envs", "staging", "releases", "checks"):
        shutil.rmtree(folder / ".mathloom" / name, ignore_errors=True)


def keys_stored(folder: Path) -> list[str]:
    """Every stored completion's key, as often as it lies on the disk."""
    with RequestStore(folder / ".mathloom") as store:
        store.seal()
    seals = list_seals(Folders(folder / ".mathloom" / "requests"))
    tables = [pq.read_table(part, columns=["request_key"]) for seal in seals for part in seal.parts]
    return [str(key) for table in tables for key in table.column("request_key").to_pylist()]


def hold_what_a_kill_must_leave(folder: Path, undisturbed: Path) -> None:
    """After a last, whole build: nothing twice, nothing locked, and the versions of an undisturbed build."""
    if SLOW[2] in (folder / SLOW[0]).read_text(encoding="utf-8"):  # a release holds its recipe, and so its profile
        edit(folder, SLOW[0], SLOW[2], SLOW[1])
        assert run(folder, "build") == 0
    keys = keys_stored(folder)
    assert len(keys) == len(set(keys)) == REQUESTS
    with Environment.load(folder / ".mathloom", NAME, "scripted").lock():
        pass
    # Completions of the scripted engine depend on the request alone, so the undisturbed build stored the same.
    assert {s: e["version"] for s, e in environment(folder).items()} == {
        s: e["version"] for s, e in environment(undisturbed).items()
    }
    assert manifest(folder, "release")["files"] == manifest(undisturbed, "release")["files"]
    for file in manifest(folder, "release")["files"]:
        name = file["path"].removeprefix("files/")
        released = [root / ".mathloom" / "releases" / NAME / "scripted" / name for root in (folder, undisturbed)]
        assert released[0].read_bytes() == released[1].read_bytes()


def start(folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(COMMAND, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def wait_for(folder: Path, pattern: str, child: subprocess.Popen[str]) -> None:
    """Until a file of the store matches ``pattern``, or the child has ended."""
    deadline = time.monotonic() + PATIENCE_S
    while child.poll() is None and not any((folder / ".mathloom").glob(pattern)):
        assert time.monotonic() < deadline
        time.sleep(0.005)


def kill(child: subprocess.Popen[str]) -> None:
    child.kill()
    child.communicate()


# SIGKILL.

MOMENTS = (
    "requests/journals/*.journal",  # the engine answers
    "versions/generation.solve/*/manifest.json",  # answers are read and graded
    "versions/sql.split_prefix/*/manifest.json",  # the release is written
)
"""What there is when a process is killed, for one that goes on after the other."""


def test_three_kills_of_one_build(project: Path, built: Path) -> None:
    forget_all_but_requests(project)
    shutil.rmtree(project / ".mathloom" / "requests")
    edit(project, *SLOW)
    draw = random.Random(3)
    for pattern in MOMENTS:
        child = start(project)
        wait_for(project, pattern, child)
        time.sleep(draw.uniform(0, 0.3))
        kill(child)
    assert run(project, "build") == 0
    hold_what_a_kill_must_leave(project, built)


TALKER = '''
"""Stands in for the worker of the embedded model: answers with a box, by seed alone, one each few milliseconds."""
import random, sys, time
from resources.engines.process.child import leave_with_parent
from resources.engines.process.frames import read_frame, write_frame

def main(parent):
    leave_with_parent(parent)
    out = sys.stdout.buffer
    read_frame(sys.stdin.buffer)
    write_frame(out, {"op": "ready"})
    while (frame := read_frame(sys.stdin.buffer)) is not None:
        if frame["op"] != "ask":
            continue
        time.sleep(0.03)
        draw = random.Random(frame["seed"])
        text = f"Step by step: it is {draw.random()}, so the answer is \\\\boxed{{{draw.randint(1, 3)}}}."
        write_frame(out, {"op": "result", "id": frame["id"], "prompt_tokens": 9, "text": text, "reason": "stop",
                          "tokens": 5})
'''
ARCHITECTURE = (b"general.architecture", b"llama")
TINY_GGUF = (
    b"GGUF"
    + struct.pack("<IQQ", 3, 0, 1)  # version, tensors, entries
    + struct.pack("<Q", len(ARCHITECTURE[0]))
    + ARCHITECTURE[0]
    + struct.pack("<I", 8)  # a text
    + struct.pack("<Q", len(ARCHITECTURE[1]))
    + ARCHITECTURE[1]
)
"""The header of a model without weights, by the GGUF specification."""
TALK = """
import sys
import resources.engines.openvino.engine as engine
engine._WORKER, engine._is_installed = "talker", lambda: True
from dagster_project.cli import main
sys.exit(main(["build"]))
"""


@pytest.fixture
def talking(project: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The project with an engine in a process of its own, and nothing built or stored."""
    shutil.rmtree(project / ".mathloom")
    (project / "talker.py").write_text(TALKER)
    (project / "tiny.gguf").write_bytes(TINY_GGUF)
    weights = f"engine: openvino, path: {project / 'tiny.gguf'}, batch_size: 4"
    edit(project, "profiles/scripted.yaml", "engine: scripted", weights)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(project), *filter(None, [os.environ.get("PYTHONPATH")])]))
    return project


def talk(folder: Path) -> subprocess.Popen[str]:
    command = (sys.executable, "-c", TALK)
    return subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def engines_of(build: subprocess.Popen[str]) -> list[int]:
    """Process ids of the engine of a build."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if b"from talker import main" in path.read_bytes() and f"main({build.pid})".encode() in path.read_bytes():
                found.append(int(path.parent.name))
        except OSError:
            continue  # it ended meanwhile
    return found


def kill_all(pids: list[int]) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


VICTIMS = ("build", "engine", "both")


def kill_one(project: Path, victim: str, moment: str, delay: float) -> str:
    """Start a build, kill at a moment, and wait for its end. Returns what it said."""
    child = talk(project)
    wait_for(project, moment, child)
    time.sleep(delay)
    if victim in ("engine", "both"):
        kill_all(engines_of(child))
    if victim in ("build", "both"):
        child.kill()
    said = child.communicate(timeout=PATIENCE_S)[1]
    assert child.returncode == (0 if victim == "engine" else -signal.SIGKILL) or child.poll() == 0, said
    return said


def undisturbed_copy(project: Path, folder: Path) -> dict[str, Any]:
    """The same build over the same request store, with nobody killed."""
    shutil.copytree(project, folder, symlinks=True)
    forget_all_but_requests(folder)
    child = talk(folder)
    said = child.communicate(timeout=PATIENCE_S)[1]
    assert child.returncode == 0, said
    assert "starting engine" not in said, "everything was stored already"
    return environment(folder)


def hold_after_kills(project: Path, aside: Path) -> None:
    """Nothing twice, nothing lost, no process left, and the bytes of an undisturbed build."""
    last = talk(project)
    said = last.communicate(timeout=PATIENCE_S)[1]
    assert last.returncode == 0, said
    keys = keys_stored(project)
    assert len(keys) == len(set(keys)) == REQUESTS
    other = undisturbed_copy(project, aside)
    assert {s: e["version"] for s, e in environment(project).items()} == {s: e["version"] for s, e in other.items()}
    assert manifest(project, "release")["files"] == manifest(aside, "release")["files"]
    assert engines_of(last) == []
    shutil.rmtree(aside)


def test_kills_of_build_engine_and_both(talking: Path, tmp_path: Path) -> None:
    """One of each in the make test tier; an engine that is killed is started again by the same build."""
    kill_one(talking, "build", "requests/journals/*.journal", 0.3)
    said = kill_one(talking, "engine", "requests/journals/*.journal", 0.1)
    assert "the engine broke and is started again" in said or "completions generated" in said
    shutil.rmtree(talking / ".mathloom" / "requests")
    forget_all_but_requests(talking)
    kill_one(talking, "both", "requests/journals/*.journal", 0.2)
    hold_after_kills(talking, tmp_path / "aside")


@pytest.mark.soak
def test_a_hundred_kills(talking: Path, tmp_path: Path) -> None:
    """Build, engine, or both; while it answers, while a journal becomes a segment, or at any time at all."""
    draw = random.Random(20)
    moments = ("requests/journals/*.journal", "requests/segments/.*", "requests/segments/*", "staging/*", "envs/*/*")
    for number in range(100):
        if number % 5 == 0:
            shutil.rmtree(talking / ".mathloom" / "requests", ignore_errors=True)
        if number % 5 in (0, 2):
            forget_all_but_requests(talking)
        late = draw.uniform(0, 1.5) if draw.random() < 0.5 else draw.uniform(0, 0.02)
        kill_one(talking, draw.choice(VICTIMS), draw.choice(moments), late)
        if number % 5 == 4:
            hold_after_kills(talking, tmp_path / "aside")


def test_what_a_kill_leaves_in_staging_is_cleaned(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    left = project / ".mathloom" / "staging" / ("f" * 32)
    left.mkdir()
    (left / "part-00000.parquet").write_bytes(b"PAR1 half a file")
    assert run(project, "build") == 0
    assert "nothing to do" in capsys.readouterr().err
    assert run(project, "clean") == 0
    assert left.exists()  # it could belong to a build that runs now
    two_days_ago = time.time() - 2 * 24 * 3600
    os.utime(left, (two_days_ago, two_days_ago))
    assert run(project, "clean") == 0
    assert not left.exists()
    assert run(project, "build") == 0


# Ctrl-C.


@pytest.mark.parametrize("presses", [1, pytest.param(2, marks=pytest.mark.soak)])
def test_ctrl_c_while_the_engine_answers(presses: int, project: Path, built: Path) -> None:
    """Once: answers under way are waited for. Twice: at once. Either way they are stored and the exit code is 130."""
    forget_all_but_requests(project)
    shutil.rmtree(project / ".mathloom" / "requests")
    edit(project, *SLOW)
    edit(project, "profiles/scripted.yaml", "latency_s: 0.05", "latency_s: 0.4")
    child = start(project)
    wait_for(project, "requests/journals/*.journal", child)
    time.sleep(0.6)
    for _ in range(presses):
        child.send_signal(signal.SIGINT)
        time.sleep(0.05)
    said = child.communicate(timeout=PATIENCE_S)[1]
    assert child.returncode == 130, said
    assert "Traceback" not in said
    assert said.splitlines()[-1] == ("Interrupted. What was answered is stored; the same command goes on from there.")
    assert ("waiting for answers under way" in said) == (presses == 1)
    assert 0 < len(keys_stored(project)) < REQUESTS
    assert not any((project / ".mathloom" / "staging").iterdir())
    edit(project, "profiles/scripted.yaml", "latency_s: 0.4", "latency_s: 0.001")
    assert run(project, "build", "--select", "+solutions") == 0
    keys = keys_stored(project)
    assert len(keys) == len(set(keys)) == REQUESTS
    assert environment(project)["solutions"]["version"] == environment(built)["solutions"]["version"]


# An engine that fails.


def failing(project: Path, options: str, settings: str = "max_failure_share: 1.0") -> None:
    edit(project, "profiles/scripted.yaml", "engine: scripted", f"engine: scripted, seed: 7, {options}")
    edit(project, "recipe.yaml", "    samples: 4\n", f"    samples: 4\n    {settings}\n")


def test_what_failed_is_asked_again_in_the_next_build(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each build is a process of its own for the engine, which fails the first attempt of some in each."""
    failing(project, "transient_failures: 0.5", "max_failure_share: 1.0\n    max_attempts: 2\n    retries: 0")
    assert run(project, "build", "--select", "solutions") == 0
    first = capsys.readouterr().err
    assert "the next build asks for them again" in first
    done = manifest(project, "solutions")["facts"]["requests"]
    assert 0 < done["failed"] < REQUESTS
    assert done["completed"] + done["failed"] == REQUESTS
    assert run(project, "build", "--select", "solutions") == 0
    capsys.readouterr()
    done = manifest(project, "solutions")["facts"]["requests"]
    assert done.get("failed", 0) == 0
    assert done["rejected"] > 0  # they failed twice: with the engine made anew, its first attempt failed again
    assert run(project, "build", "--select", "solutions") == 0
    assert "nothing to do" in capsys.readouterr().err


def test_what_fails_once_is_asked_again_in_the_same_build(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    failing(project, "transient_failures: 0.5")
    assert run(project, "build", "--select", "solutions") == 0
    assert "the next build" not in capsys.readouterr().err
    assert manifest(project, "solutions")["facts"]["requests"]["completed"] == REQUESTS
    with RequestStore(project / ".mathloom") as store:
        assert store.stats().failures == 0


def test_what_fails_for_good_is_a_reject_at_once(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    failing(project, "permanent_failures: 0.3")
    assert run(project, "build", "--select", "solutions") == 0
    done = manifest(project, "solutions")["facts"]["requests"]
    assert 0 < done["rejected"] < REQUESTS
    assert manifest(project, "solutions")["tables"]["rejects"]["row_count"] == done["rejected"]
    capsys.readouterr()
    assert run(project, "build", "--select", "solutions") == 0
    assert "nothing to do" in capsys.readouterr().err


def test_a_large_share_of_failures_stops_the_stage(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = environment(project)["solutions"]
    stored = len(keys_stored(project))
    failing(project, "lasting_failures: 0.5", "max_failure_share: 0.3\n    max_attempts: 100")
    capsys.readouterr()
    assert run(project, "build") == 1
    line = capsys.readouterr().err.splitlines()[-1]
    assert line.startswith("error: sums/solutions: ")
    assert "requests failed, more than max_failure_share = 0.3; the last reason: scripted lasting failure" in line
    assert "will not be asked for again" in line
    assert environment(project)["solutions"] == before
    answered = len(keys_stored(project)) - stored
    assert 0 < answered < REQUESTS
    edit(project, "recipe.yaml", "max_failure_share: 0.3", "max_failure_share: 1.0")
    edit(project, "profiles/scripted.yaml", "lasting_failures: 0.5", "lasting_failures: 0.0")
    assert run(project, "build", "--select", "solutions") == 0
    keys = keys_stored(project)
    assert len(keys) == len(set(keys)) == stored + REQUESTS
    assert f"{REQUESTS - answered} completions generated" in capsys.readouterr().err


# Hostile text.

HOSTILE = {
    "markup": "<script>alert(1)</script><img src=x onerror=alert(2)> has 6 rows of 8 tulips. How many?",
    "template": "{{ 7*7 }} {% for x in range(10**9) %}{{ x }}{% endfor %} and 2 more. {# 3 #} How many?",
    "terminal": "\x1b[2J\x1b]0;owned\x07 Red \x1b[31m 5 and 6 \x9b31m. How many?",
    "nul": "A\x00B has 4 and 5.\x00 How many?",
    "half a pair": "Lone \ud800 and 7 and \udfff 8. How many?",
    "right to left": "\u202e 3 and 4 \u2066 turned \u200f round. How many?",
    "one long line": "1 and 2 " + "x" * 1_000_000,
    "card": "---\nlicense: evil\n---\n# 5 and 6\n| a | b |\n[x](javascript:alert(1)) ![](http://127.0.0.1/p) 7?",
    "markup of rich": "[red]8 and 9[/red] [link=http://127.0.0.1]x[/link] [/nothing] How many?",
    "markers": "Problem:\n\nSolution:\n 5 \\boxed{1 and 2} How many?",
}


def test_hostile_seeds_hurt_nobody(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = [json.dumps({"problem": text, "expected_answer": text[:200]}) for text in HOSTILE.values()]
    with (project / "seeds.jsonl").open("a", encoding="utf-8") as handle:
        handle.write("\n".join(lines) + "\n")
    edit(project, "recipe.yaml", "max_words: 60", "max_words: 6000")
    edit(project, "profiles/scripted.yaml", "engine: scripted", "engine: scripted, hostile: 0.3")
    assert run(project, "build") == 0
    capsys.readouterr()
    for arguments in (["problems", "-n", "100"], ["problems.rejects"], ["solutions"], ["answers", "-n", "100"]):
        assert run(project, "show", NAME, *arguments) == 0
        said = capsys.readouterr().out
        assert [c for c in said if not c.isprintable() and c != "\n"] == []
    assert run(project, "show", NAME, "problems", "-n", "100", "--json") == 0
    said = capsys.readouterr().out
    assert said.isascii()
    problems = {json.loads(line)["problem"] for line in said.splitlines()}
    assert HOSTILE["template"] in problems
    assert not any("49" in text for text in problems)
    card = (project / ".mathloom" / "releases" / NAME / "scripted" / "README.md").read_text(encoding="utf-8")
    assert "<script" not in card
    assert "<img" not in card
    assert [c for c in card if not c.isprintable() and c != "\n"] == []


# Checks, and very little data.


def test_a_changed_check_runs_again_on_the_stored_rows(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = environment(project)
    edit(project, "recipe.yaml", "row_count_between: {min: 1}", "row_count_between: {min: 2}")
    assert run(project, "build") == 0
    said = capsys.readouterr().err
    assert [line.split()[:2] for line in said.splitlines() if ": " in line][0] == ["graded:", "reused,"]
    assert "2 stages in" in said  # the card says which checks there are
    assert run(project, "build") == 0
    assert "nothing to do" in capsys.readouterr().err
    after = environment(project)
    assert after.pop("release") != before.pop("release")
    assert after == before


def test_a_check_that_fails_on_stored_rows_blocks(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = environment(project)
    edit(project, "recipe.yaml", "row_count_between: {min: 1}", "row_count_between: {min: 1000}")
    for _ in range(2):  # the second time the result is remembered, and blocks as well
        assert run(project, "build") == 1
        said = capsys.readouterr().err
        assert "error: sums/graded (" in said
        assert "violation(s) of `there are at least 1,000 rows`" in said
    assert run(project, "test") == 1
    assert "FAIL  graded: row_count_between (there are at least 1,000 rows)" in capsys.readouterr().out
    assert environment(project) == before


def test_one_seed_row(project: Path) -> None:
    (project / "seeds.jsonl").write_text('{"problem": "Add 2 and 3. How much is it?", "expected_answer": "5"}\n')
    edit(project, "recipe.yaml", "samples: 4", "samples: 1")
    edit(project, "recipe.yaml", "train_tiny: 5", "train_tiny: 1")
    edit(project, "profiles/scripted.yaml", "engine: scripted", "engine: scripted, wrong_answers: 0, missing_boxes: 0")
    assert run(project, "build") == 0
    assert {stage: manifest(project, stage)["tables"]["rows"]["row_count"] for stage in ("solutions", "train")} == {
        "solutions": 1,
        "train": 1,
    }
    release = project / ".mathloom" / "releases" / NAME / "scripted" / "data"
    assert pq.read_table(release / "train-00000-of-00001.parquet").num_rows == 1
    assert pq.read_table(release / "train_tiny-00000-of-00001.parquet").num_rows == 1
