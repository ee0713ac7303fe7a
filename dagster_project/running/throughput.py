"""Requests and tokens a second over the time of one stage: of a run, not of a version, so it stays out of its facts."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

MAX_POINTS = 120
"""Most points: one for each few pixels of the chart, and a few kilobytes in the event log."""
FIRST_STEP_S = 1.0
"""Least seconds between two points of a short run. It doubles whenever there are too many points."""


@dataclass(frozen=True, slots=True)
class Point:
    """Rates of the time since the point before, or since the beginning."""

    seconds: float
    """Where that time ends."""
    requests_per_s: float
    tokens_per_s: float


class Throughput:
    """What was completed when. A run of any length has at most MAX_POINTS points, at even distances."""

    def __init__(self) -> None:
        self._marks: list[tuple[float, int, int]] = [(0.0, 0, 0)]
        self._last: tuple[float, int, int] = (0.0, 0, 0)
        self._step = FIRST_STEP_S

    def add(self, seconds: float, completed: int, tokens_out: int) -> None:
        """Say how far it is: counts since the beginning, at ``seconds`` since then. May be called at any pace."""
        if seconds < self._last[0]:
            return  # a clock that went back says nothing about rates
        self._last = (seconds, completed, tokens_out)
        if seconds - self._marks[-1][0] < self._step:
            return
        self._marks.append(self._last)
        if len(self._marks) > MAX_POINTS:  # with the beginning and what came last, points stay within their number
            self._marks = self._marks[::2]
            self._step *= 2

    def points(self) -> Sequence[Point]:
        """Rates between the moments that were kept; the last one is the moment said last."""
        marks = [*self._marks]
        if self._last[0] > marks[-1][0]:
            marks.append(self._last)
        elif self._last[0] == marks[-1][0]:
            marks[-1] = self._last
        return [
            Point(now, (done - done_before) / (now - before), (tokens - tokens_before) / (now - before))
            for (before, done_before, tokens_before), (now, done, tokens) in itertools.pairwise(marks)
        ]
