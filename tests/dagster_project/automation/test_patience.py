"""Calls with an end."""

from __future__ import annotations

import threading

import pytest

from dagster_project.automation.patience import Aside, TooLongError, within


def test_an_answer_in_time_and_an_error_in_time() -> None:
    assert within(5, lambda: 7) == 7
    with pytest.raises(ZeroDivisionError):
        within(5, lambda: 1 // 0)


def test_what_takes_longer_is_left_alone() -> None:
    gate = threading.Event()
    with pytest.raises(TooLongError):
        within(0.01, gate.wait)
    gate.set()


def test_the_next_look_finds_the_answer_of_the_last_one() -> None:
    gate, calls = threading.Event(), []

    def slow() -> str:
        calls.append(1)
        gate.wait()
        return "read"

    aside: Aside[str] = Aside()
    with pytest.raises(TooLongError):
        aside.ask("file", 1, slow, 0.01)
    with pytest.raises(TooLongError):
        aside.ask("file", 1, slow, 0.01)
    gate.set()
    assert aside.ask("file", 1, slow, 5) == "read"
    assert len(calls) == 1
    assert aside.ask("file", 1, slow, 5) == "read"
    assert len(calls) == 2, "an answer is given once"


def test_an_answer_about_an_older_state_is_thrown_away() -> None:
    gate = threading.Event()
    aside: Aside[str] = Aside()
    with pytest.raises(TooLongError):
        aside.ask("file", 1, lambda: f"old {gate.wait()}", 0.01)
    gate.set()
    assert aside.ask("file", 2, lambda: "new", 5) == "new"


def test_an_error_is_raised_once_and_asked_again() -> None:
    aside: Aside[int] = Aside()
    with pytest.raises(ZeroDivisionError):
        aside.ask("file", 1, lambda: 1 // 0, 5)
    assert aside.ask("file", 1, lambda: 3, 5) == 3
