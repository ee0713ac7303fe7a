"""Fixed pseudo-random numbers for variables: what agrees at all of them is one expression (Schwartz 1980, Zippel 1979).

The numbers depend on the name of a variable and nothing else, so a key does too. Half of the points have positive
numbers only, because spellings of one answer may differ where a root leaves the reals.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from hashlib import blake2b

from flint import fmpq

from assets.answers.values.number import Number

POSITIVE = 3
"""Points without a negative number: two polynomials of degree 64 agree by chance at one of them in 1 of 10^4 cases
(10^6 numbers are drawn from), at all of them in 1 of 10^12."""
MIXED = 3
"""Points at which some variables are negative."""
WIDE = 4
"""Points far from zero, where functions allow them: ``|x+10|`` is ``x+10`` at all of the others. None is so far that a
power or a factorial could not be written there: every spelling of a function needs the same points."""
_REACH = (-40, 40, -300, 300)
_BASE = 1_009
_SPAN = 1_000


def points(names: frozenset[str]) -> tuple[Mapping[str, Number], ...]:
    """The points, those with positive numbers first."""
    return tuple({name: _coordinates(name)[at] for name in names} for at in range(POSITIVE + MIXED))


def wide_points(names: frozenset[str]) -> tuple[Mapping[str, Number], ...]:
    """Points far from zero on both sides."""
    return tuple({name: _far(name)[at] for name in names} for at in range(WIDE))


@lru_cache(maxsize=1_024)
def _far(name: str) -> tuple[Number, ...]:
    """The reaches in an order of this name's own, each times a number between a third and three."""
    noise = blake2b(name.encode(), digest_size=WIDE, person=b"far").digest()
    order = sorted(range(WIDE), key=lambda at: (noise[at], at))
    return tuple(abs(_coordinates(name)[at % POSITIVE]) * _REACH[order[at]] for at in range(WIDE))


@lru_cache(maxsize=4_096)
def _coordinates(name: str) -> tuple[Number, ...]:
    """Numbers between a third and three, each with its own numerator and denominator; signs are never all plus."""
    noise = blake2b(name.encode(), digest_size=32).digest()
    found: list[Number] = []
    signs = 1 + noise[24] % (2**MIXED - 1)
    for at in range(POSITIVE + MIXED):
        top = _BASE + int.from_bytes(noise[4 * at : 4 * at + 2]) % _SPAN
        bottom = _BASE - 300 + int.from_bytes(noise[4 * at + 2 : 4 * at + 4]) % _SPAN
        is_negative = at >= POSITIVE and signs >> (at - POSITIVE) & 1
        found.append(fmpq(-top if is_negative else top, bottom))
    return tuple(found)
