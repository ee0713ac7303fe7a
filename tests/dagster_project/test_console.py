"""The two streams of the command line."""

from __future__ import annotations

import subprocess
import sys

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
