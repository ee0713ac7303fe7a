"""Ctrl-C while a model answers: nothing new is asked, what is under way may still end; a second one ends it at once.

Only for streams of an engine. Everywhere else Ctrl-C is what Python (or Dagster, inside a step) makes of it.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

DRAIN_S = 15.0
"""Longest wait for answers under way: a batch of the embedded model ends in about ten seconds on two cores."""


class Drain:
    """Whether Ctrl-C was pressed, and how long answers are still waited for."""

    def __init__(self) -> None:
        self.deadline: float | None = None

    def begin(self) -> None:
        """Ask for nothing more from now on, for another reason than Ctrl-C."""
        if self.deadline is None:
            self.deadline = time.monotonic() + DRAIN_S

    @property
    def is_asked(self) -> bool:
        """Whether to ask for nothing more."""
        return self.deadline is not None

    @property
    def is_over(self) -> bool:
        """Whether to wait no longer."""
        return self.deadline is not None and time.monotonic() > self.deadline


@contextmanager
def draining() -> Iterator[Drain]:
    """Hold back the first SIGINT or SIGTERM until the block ends, and deliver it then. The second passes at once.

    It is delivered also where the block ends with an error, which would end one stage only.

    Off the main thread, where no handler can be set, nothing is held back.
    """
    drain = Drain()
    if threading.current_thread() is not threading.main_thread():
        yield drain
        return
    found = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    before = {number: handler for number, handler in found.items() if handler is not None}  # None: set by C code
    pressed: list[int] = []

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def hold(number: int, _frame: object) -> None:
        pressed.append(number)
        drain.begin()
        restore()

    for number in before:
        signal.signal(number, hold)
    try:
        yield drain
    except Exception:
        restore()
        if pressed:
            signal.raise_signal(pressed[0])
        raise
    finally:
        restore()
    if pressed:
        signal.raise_signal(pressed[0])
