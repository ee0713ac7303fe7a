"""Waiting for another build of the same environment."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from dagster_project.automation.unattended import enter_when_free
from resources.errors import BusyError


class Door:
    """A lock that somebody else holds for some tries."""

    def __init__(self, held: int) -> None:
        self.held, self.entered, self.left = held, 0, 0

    @contextmanager
    def lock(self) -> Iterator[None]:
        if self.held:
            self.held -= 1
            raise BusyError("another build is running (process 7)", where="sums (x)", fix="Wait", retryable=True)
        self.entered += 1
        yield
        self.left += 1


def test_a_free_door_is_entered_without_a_word() -> None:
    door, said = Door(0), list[str]()
    with ExitStack() as stack:
        enter_when_free(stack, door.lock, said.append)
        assert (door.entered, door.left) == (1, 0)
    assert door.left == 1
    assert said == []


def test_a_run_says_once_what_it_waits_for() -> None:
    door, said = Door(3), list[str]()
    with ExitStack() as stack:
        enter_when_free(stack, door.lock, said.append, patience=5, pause=0.001)
    assert door.entered == 1
    (line,) = said
    assert line.startswith("sums (x): another build is running (process 7); this run waits")


def test_patience_ends() -> None:
    door = Door(10**9)
    with ExitStack() as stack, pytest.raises(BusyError):
        enter_when_free(stack, door.lock, lambda _: None, patience=0.05, pause=0.01)
    with ExitStack() as stack, pytest.raises(BusyError):
        enter_when_free(stack, door.lock, pytest.fail, patience=0, pause=0.01)
