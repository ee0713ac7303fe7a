"""How fast a stage answers now, how long it will take, and how often it may speak. It reads no clock of its own.

Rates are over ``answering_seconds``, the time in which answers could come: neither the start of an engine nor the
counting of a wave makes a model look slow.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from dagster_project.running.outcome import RequestCounts

NOW_S = 30.0
"""Window of the rates. What happened two windows ago counts for an eighth; answers that come in bunches even out."""
LEFT_S = 60.0
LEFT_SHARE = 0.25
"""Window of the time left: a quarter of the time so far, at least LEFT_S. The rate since the beginning would not notice
a second server for hours, that of the last 30 seconds jumps with every long answer."""
STEP_S = 0.25
"""Seconds between two looks at the counts, which may come far more often."""
FIRST_S = 2.0
"""Answering seconds before a time left is worth saying."""


@dataclass(slots=True)
class Window:
    """Rates of counts that only grow, each moment weighted by exp(-age / seconds).

    It starts unbiased: while it is younger than its length it is the plain mean.
    """

    sums: list[float]
    weight: float = 0.0

    def add(self, elapsed: float, grown: list[int], seconds: float) -> None:
        """``grown`` more in the last ``elapsed`` seconds, seen through a window of ``seconds``."""
        kept = math.exp(-elapsed / seconds)
        self.sums = [total * kept + more for total, more in zip(self.sums, grown, strict=True)]
        self.weight = self.weight * kept + elapsed

    def rate(self, place: int) -> float:
        """How many a second; 0 before anything was added."""
        return self.sums[place] / self.weight if self.weight else 0.0


@dataclass(slots=True)
class Rates:
    """Rates of one stage. :meth:`update` may be called with each answer: mostly it compares two numbers."""

    _last: tuple[float, int, int, int] = (0.0, 0, 0, 0)
    _now: Window = field(default_factory=lambda: Window([0.0, 0.0, 0.0]))
    _left: Window = field(default_factory=lambda: Window([0.0]))
    seconds_left: float | None = None
    """None before it can be said; 0 when all that is known to be asked has come back."""

    def update(self, counts: RequestCounts) -> None:
        """See how far it is."""
        seconds = counts.answering_seconds
        elapsed = seconds - self._last[0]
        ended = counts.completed + counts.failed
        remaining = counts.to_do - ended
        if elapsed < STEP_S:
            if remaining <= 0 and ended:
                self.seconds_left = 0.0
            return
        new = (seconds, ended, counts.prompt_tokens, counts.completion_tokens)
        grown = [now - before for now, before in zip(new[1:], self._last[1:], strict=True)]
        self._last = new
        self._now.add(elapsed, [int(n) for n in grown], NOW_S)
        self._left.add(elapsed, [int(grown[0])], max(LEFT_S, LEFT_SHARE * seconds))
        pace = self._left.rate(0)
        if remaining <= 0:
            self.seconds_left = 0.0 if ended else None
        else:
            self.seconds_left = remaining / pace if pace > 0 and seconds >= FIRST_S else None

    @property
    def requests(self) -> float:
        """Answers a second, failed ones too."""
        return self._now.rate(0)

    @property
    def tokens_in(self) -> float:
        """Prompt tokens a second."""
        return self._now.rate(1)

    @property
    def tokens_out(self) -> float:
        """Completion tokens a second."""
        return self._now.rate(2)


@dataclass(slots=True)
class Pace:
    """When a log may be spoken to: each ``every`` seconds, less often in a stage that runs for long.

    At most a line each ``share`` of the time so far, so that a log of hours stays short; at least one each ``at_least``
    seconds, so that who looks at it finds something fresh. 100 hours of a stage are about 1,300 lines.
    """

    started: float
    every: float
    share: float = 0.05
    at_least: float = 300.0
    _last: float = field(init=False)

    def __post_init__(self) -> None:
        self._last = self.started

    def is_due(self, now: float) -> bool:
        """Whether a line may be said now; if so, it counts as said."""
        if now - self._last < max(self.every, min(self.share * (now - self.started), self.at_least)):
            return False
        self._last = now
        return True
