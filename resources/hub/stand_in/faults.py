"""Faults on order: the nth call of a route is cut, refused, or never answered.

Each call has the name of its route (:mod:`resources.hub.stand_in.routes`). A test first runs without faults, turns the
calls it saw into faults with :func:`every_fault`, and repeats the run under each of them. A fault happens once.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from resources.errors import HubError

CUT_BEFORE = "cut_before"
CUT_DURING = "cut_during"
CUT_AFTER = "cut_after"
TIMEOUT = "timeout"
STATUS = {"status_412": 412, "status_429": 429, "status_500": 500}
"""Faults that are an answer; nothing is done."""
HOWS = (CUT_BEFORE, CUT_DURING, CUT_AFTER, *STATUS, TIMEOUT)
"""All ways a call can fail."""
ANY = "*"
"""Stands for every route."""


@dataclass(frozen=True, slots=True)
class Fault:
    """The ``nth`` call (from 1) of ``route`` fails: see :data:`HOWS` and docs/hub_stand_in.md."""

    route: str
    nth: int
    how: str

    def __post_init__(self) -> None:
        if self.how not in HOWS or self.nth < 1:
            raise HubError(
                f"no such fault: {self.how!r} at call {self.nth}",
                where="Hub stand-in",
                fix=f"Use one of {', '.join(HOWS)} and count calls from 1",
            )


@dataclass(slots=True)
class Call:
    """One call that arrived. ``status`` is None until an answer is sent, and stays None if there is none."""

    method: str
    route: str
    path: str
    """Without the query, which can hold a signature."""
    nth: int
    """The place among the calls of its route since counting began."""
    status: int | None = None
    bytes_in: int = 0
    bytes_out: int = 0
    fault: Fault | None = None


class Faults:
    """Which faults are still to come, and the count of calls by route. Safe for threads."""

    def __init__(self, faults: Iterable[Fault] = ()) -> None:
        self._lock = threading.Lock()
        self._waiting = list(faults)
        self._fired: list[Fault] = []
        self._counts: Counter[str] = Counter()

    def arm(self, *faults: Fault) -> None:
        """Forget what was armed, and count calls from 1 again."""
        with self._lock:
            self._waiting = list(faults)
            self._fired = []
            self._counts = Counter()

    @property
    def fired(self) -> Sequence[Fault]:
        """Faults that have happened since they were armed."""
        with self._lock:
            return tuple(self._fired)

    def arrive(self, route: str) -> tuple[int, Fault | None]:
        """Count one call: its number on this route, and the fault that it meets."""
        with self._lock:
            self._counts.update((route, ANY))
            for fault in self._waiting:
                if fault.route in (route, ANY) and self._counts[fault.route] == fault.nth:
                    self._waiting.remove(fault)
                    self._fired.append(fault)
                    return self._counts[route], fault
            return self._counts[route], None


def every_fault(calls: Iterable[Call], hows: Sequence[str] = HOWS) -> list[Fault]:
    """One fault for each call that was seen, in each way."""
    return [Fault(call.route, call.nth, how) for call in calls for how in hows]
