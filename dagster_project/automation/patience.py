"""Work with an end: Dagster kills a look that takes a minute, so each has seconds, and what takes longer goes on aside.

The threads are daemons: they keep no process alive. They hold no lock and write nothing.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

Answer = TypeVar("Answer")


class TooLongError(Exception):
    """There is no answer yet."""


class Job(Generic[Answer]):
    """One call in a thread of its own."""

    def __init__(self, call: Callable[[], Answer]) -> None:
        self._call = call
        self._answers: list[Answer] = []
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._run, daemon=True, name="mathloom-look")
        self._thread.start()

    def _run(self) -> None:
        try:
            self._answers.append(self._call())
        except Exception as error:  # whatever it is: it is raised where the answer is wanted
            self._error = error

    def answer(self, seconds: float) -> Answer:
        """What the call gave or raised. Raises TooLongError if it has not ended within ``seconds``."""
        self._thread.join(max(0.0, seconds))
        if self._thread.is_alive():
            raise TooLongError
        if self._error is not None:
            raise self._error
        return self._answers[0]


def within(seconds: float, call: Callable[[], Answer]) -> Answer:
    """What ``call`` gives or raises. Raises TooLongError if that takes longer; it then goes on, and nobody looks."""
    return Job(call).answer(seconds)


class Aside(Generic[Answer]):
    """Calls that may outlast a look, one for each name: the next look finds the answer of the last one's."""

    def __init__(self) -> None:
        self._jobs: dict[Hashable, tuple[Hashable, Job[Answer]]] = {}

    def ask(self, name: Hashable, about: Hashable, call: Callable[[], Answer], seconds: float) -> Answer:
        """The answer of ``call``, begun now or at an earlier look at the same name and thing.

        Args:
            name: What is asked about: a file, say.
            about: Its state: an answer about another state is thrown away.
            call: Who answers.
            seconds: How long to wait for it.

        Raises:
            TooLongError: It is still at work; ask again.
        """
        known = self._jobs.get(name)
        job = known[1] if known and known[0] == about else Job(call)
        self._jobs[name] = (about, job)
        try:
            found = job.answer(seconds)
        except TooLongError:
            raise
        except Exception:
            self._jobs.pop(name, None)
            raise
        self._jobs.pop(name, None)  # two looks may ask at once
        return found
