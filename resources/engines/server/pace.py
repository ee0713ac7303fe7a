"""How many samples an endpoint gets at once: additive increase, multiplicative decrease, as TCP shares a line.

It starts low and doubles in each round trip until the server shows that it has enough (429, a time-out, answers that
take most of the time-out); then it halves, and grows by one a round trip. There is no clock here: a round trip is what
was sent after the last decrease, so that one burst of refusals halves once.
"""

from __future__ import annotations

FIRST = 8
"""Samples at once at the beginning: what a small CPU server works on without a queue."""

SLOW = 0.5
"""Share of the time-out above which an answer no longer lets the limit grow."""

TOO_SLOW = 0.8
"""Share of the time-out above which an answer counts as a time-out: the next one could be."""


class Pace:
    """The limit of one endpoint, in samples."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._limit = float(min(FIRST, most))
        self._knee = float(most)
        """Up to here the limit doubles in a round trip, above it grows by one: half of what was too much."""
        self._round = 0
        self.in_flight = 0

    @property
    def limit(self) -> int:
        """Samples that may be at work at once."""
        return int(self._limit)

    def has_room(self, size: int) -> bool:
        """Whether ``size`` more fit. One request always fits, also if it is larger than the limit."""
        return self.in_flight == 0 or self.in_flight + size <= self.limit

    def take(self, size: int) -> int:
        """Count ``size`` samples as sent. Returns the round, to be given to :meth:`answered` or :meth:`congested`."""
        self.in_flight += size
        return self._round

    def give(self, size: int) -> None:
        """They came back, in whatever way."""
        self.in_flight -= size

    def answered(self, round_: int, size: int, share: float) -> None:
        """``size`` samples were answered, in ``share`` of the time-out. Called before :meth:`give`.

        The limit grows only while it is made use of, or it would say nothing about the server.
        """
        if share > TOO_SLOW:
            self.congested(round_)
        elif share <= SLOW and round_ == self._round and 2 * self.in_flight > self.limit:
            step = size if self._limit < self._knee else size / self._limit
            self._limit = min(self._limit + step, float(self._most))

    def congested(self, round_: int) -> None:
        """The server had too much: halve, once for all that was sent before."""
        if round_ == self._round:
            self._round += 1
            self._limit = self._knee = max(self._limit / 2, 1.0)

    def restart(self) -> None:
        """The server is new: begin low again."""
        self._round += 1
        self._limit = min(float(FIRST), self._limit, float(self._most))
