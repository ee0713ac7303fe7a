"""The two streams of the command line."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios

import pytest

from dagster_project.console import PLAIN_WIDTH, out, talk


def test_data_goes_to_stdout_and_talk_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    out().print("data [1, 2]", markup=False)
    talk().print("words", markup=False)
    assert capsys.readouterr() == ("data [1, 2]\n", "words\n")


def test_where_there_is_no_terminal_lines_are_long() -> None:
    assert out().width == talk().width == PLAIN_WIDTH


def test_a_build_outlives_who_listened() -> None:
    """Standard error is a pipe that nobody reads any more: `mathloom build 2>&1 | head -1`, or a connection cut."""
    code = """
import os, sys
from dagster_project.console import talk
reading, writing = os.pipe()
os.dup2(writing, 2)
os.close(reading)
console = talk()
for _ in range(3):
    console.print("x" * 100_000)
print("still here")
"""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout == "still here\n"


def test_a_terminal_stays_one_while_dagster_captures_stderr() -> None:
    """Dagster points descriptor 2 to a pipe while a step runs; bars went dark then, for as long as models answered."""
    code = """
import os, time
from dagster_project.console import talk
from dagster_project.running.outcome import RequestCounts
from dagster_project.terminal.progress import progress_for
with progress_for(talk()) as progress:
    _reading, writing = os.pipe()
    for descriptor in (0, 1, 2):
        os.dup2(writing, descriptor)
    progress.stage_started("solutions", "generation/solve")
    for done in range(60):
        progress.requests("solutions", RequestCounts(total=60, to_do=60, completed=done, answering_seconds=done / 50))
        time.sleep(0.01)
"""
    mine, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 90, 0, 0))
    unset = ("COLUMNS", "LINES", "NO_COLOR")
    environment = {name: value for name, value in os.environ.items() if name not in unset} | {"TERM": "xterm-256color"}
    child = subprocess.Popen([sys.executable, "-c", code], stdin=theirs, stdout=theirs, stderr=theirs, env=environment)
    os.close(theirs)
    shown = b""
    with contextlib.suppress(OSError):  # Linux says that the last one has closed the terminal by EIO
        while piece := os.read(mine, 65_536):
            shown += piece
    os.close(mine)
    assert child.wait() == 0, shown.decode()
    frames = re.findall(r"solutions[^\r\n]*", re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown.decode()))
    assert len(frames) >= 3, shown.decode()
    assert all(len(frame) <= 90 for frame in frames)
    assert max(len(frame) for frame in frames) > 60
