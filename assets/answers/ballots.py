"""Which ballots of one problem count as the same answer: rounded decimals, and verdicts of the symbolic step.

The rules of :mod:`assets.answers.vote` on mutable objects that live for one vote. Ballots are made of samples with one
key, groups of ballots; only groups join, and only as the rules say.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from fractions import Fraction
from typing import Any, Literal, Protocol

from assets.answers.clusters_sql import CONTEST
from assets.answers.key import Status
from assets.answers.policy import Policy

How = Literal["decimal", "symbolic"]

UNITS = 10**9
"""Weights are whole numbers of billionths: their sums do not depend on the order, and 0.1 + 0.2 is 0.3. The SQL of
votes counts in decimals of nine places, so both find the same winner."""
MAX_WEIGHT = 10**9
"""Above every weight: a decimal of 18 digits has no room for more."""


class Comparer(Protocol):
    """What settles undecided keys: pairs of answers in, one object with a ``relation`` a pair out, in their order."""

    def compare(self, pairs: Sequence[tuple[str, str]], /) -> Iterable[Any]:
        """``relation`` is equal, different or unknown."""
        ...


class Ballot:
    """All samples of a problem with one key."""

    def __init__(self, key: str, status: Status) -> None:
        """Make it without samples."""
        self.key = key
        self.status = status
        self.spelled: dict[str, list[int]] = {}
        """Spelling -> votes, earliest sample."""
        self.votes = 0
        """Samples."""
        self.units = 0
        """Weight of its samples, in units."""

    def add(self, answer: str, units: int, index: int) -> None:
        """Count one sample, spelled ``answer``."""
        found = self.spelled.setdefault(answer, [0, index])
        found[0] += 1
        found[1] = min(found[1], index)
        self.votes += 1
        self.units += units

    @property
    def first(self) -> int:
        """Earliest sample index."""
        return min(first for _, first in self.spelled.values())

    @property
    def answer(self) -> str:
        """The most frequent spelling; of several the one with the earliest sample."""
        return min(self.spelled, key=lambda text: (-self.spelled[text][0], self.spelled[text][1], text))

    def is_decimal(self, policy: Policy) -> bool:
        """Whether nobody spelled it in another way than as a decimal with enough digits to be a rounded number."""
        from assets.answers.decimals import written_decimal

        return self.status == "decided" and all(written_decimal(text, policy) is not None for text in self.spelled)


class Group:
    """Ballots that count as one answer, around the ``home`` that gives the key."""

    def __init__(self, home: Ballot) -> None:
        """Make it of one ballot."""
        self.home = home
        self.joined: list[tuple[Ballot, How]] = []

    @property
    def ballots(self) -> list[Ballot]:
        """The home and all that joined it."""
        return [self.home, *(ballot for ballot, _ in self.joined)]

    @property
    def is_decided(self) -> bool:
        """Whether it has a decided key; then no other with one may join it."""
        return self.home.status == "decided"

    @property
    def votes(self) -> int:
        """Samples of all its ballots."""
        return sum(ballot.votes for ballot in self.ballots)

    @property
    def units(self) -> int:
        """Weight of all its ballots, in units."""
        return sum(ballot.units for ballot in self.ballots)

    @property
    def first(self) -> int:
        """Earliest sample index of all its ballots."""
        return min(ballot.first for ballot in self.ballots)

    def rank(self) -> tuple[int, int, str]:
        """The most weight first, then the earliest sample. Keys settle what equal indices would leave open."""
        return -self.units, self.first, self.home.key

    def take(self, other: Group, how: How) -> None:
        """Let ``other`` count for this one. Of a decided and an undecided key the decided one names both."""
        if other.is_decided and not self.is_decided:
            self.joined += [(self.home, how), *other.joined]
            self.home = other.home
        else:
            self.joined += [(other.home, how), *other.joined]


def join_decimals(groups: Sequence[Group], policy: Policy) -> list[Group]:
    """Let each group that is spelled only as decimals join the one exact group that rounds to all its spellings.

    A decimal with more digits says more: of ``0.3333`` and ``0.33330``, which are one number, 1/3 rounds to the first
    only, so a group of both stays alone.
    """
    if len(groups) < 2:
        return list(groups)
    from assets.answers.decimals import number_of_key, rounds_to, written_decimal

    rounded = [group for group in groups if group.home.is_decimal(policy)]
    are_rounded = set(map(id, rounded))
    exact = [group for group in groups if group.is_decided and id(group) not in are_rounded]
    numbers = [(value, at) for at, group in enumerate(exact) if (value := number_of_key(group.home.key)) is not None]
    numbers.sort()
    joined: set[int] = set()
    for group in rounded:
        decimals = [found for text in group.home.spelled if (found := written_decimal(text, policy)) is not None]
        # A unit of the last digit around it: what rounds to it is half as far at most.
        unit = Fraction(10) ** int(decimals[0].as_tuple().exponent)
        near = slice(
            bisect_left(numbers, (Fraction(decimals[0]) - unit, 0)),
            bisect_left(numbers, (Fraction(decimals[0]) + unit, 0)),
        )
        homes = [
            exact[at] for _, at in numbers[near] if all(rounds_to(exact[at].home.key, decimal) for decimal in decimals)
        ]
        if len(homes) == 1:
            homes[0].take(group, "decimal")
            joined.add(id(group))
    return [group for group in groups if id(group) not in joined]


def settle(groups: Sequence[Group], symbolic: Comparer) -> tuple[list[Group], int]:
    """Compare what can matter, then join.

    Returns the groups that are left, and the number of pairs without a verdict: unknown ones, and those beyond CONTEST.
    """
    ranked = sorted(groups, key=Group.rank)
    pairs, left_out = _pairs_that_matter(ranked)
    if not pairs:
        return ranked, 0
    answers = [group.home.answer for group in ranked]
    relations = [found.relation for found in symbolic.compare([(answers[a], answers[b]) for a, b in pairs])]
    equal = [pair for pair, relation in zip(pairs, relations, strict=True) if relation == "equal"]
    return _join(ranked, equal), relations.count("unknown") + left_out


def _pairs_that_matter(ranked: Sequence[Group]) -> tuple[list[tuple[int, int]], int]:
    """Places of the pairs to compare, the higher rank first, and how many are left out because there are so many."""
    can_win = _winners(ranked)
    pairs = [
        (a, b)
        for a in range(min(len(ranked), CONTEST))
        for b in range(a + 1, len(ranked) if a == 0 else min(len(ranked), CONTEST))
        if (can_win[a] or can_win[b]) and not (ranked[a].is_decided and ranked[b].is_decided)
    ]
    undecided = [not group.is_decided for group in ranked]
    idle = [is_open for is_open, can in zip(undecided, can_win, strict=True) if not can]
    return pairs, _open_pairs(undecided) - _open_pairs(idle) - len(pairs)


def _winners(ranked: Sequence[Group]) -> list[bool]:
    """Which groups could win: the first, and those that beat it if all undecided ones join them (``clusters_sql``)."""
    if len(ranked) < 2:
        return [True] * len(ranked)
    undecided = [group for group in ranked[1:] if not group.is_decided]
    units = sum(group.units for group in undecided)
    first = min((group.first for group in undecided), default=None)
    bar = ranked[0].rank()[:2]
    found = [True]
    for group in ranked[1:]:
        if group.is_decided:
            beats = (-group.units - units, group.first if first is None else min(group.first, first)) < bar
        else:
            beats = first is not None and (-units, first) < bar
        found.append(beats)
    return found


def _open_pairs(undecided: Sequence[bool]) -> int:
    """Pairs of these groups of which at least one is undecided."""
    count = sum(undecided)
    return count * (count - 1) // 2 + count * (len(undecided) - count)


def _join(ranked: list[Group], equal: Sequence[tuple[int, int]]) -> list[Group]:
    """The leader takes first, then decided keys, then undecided ones; what was taken neither takes nor is taken."""
    partners: dict[int, list[int]] = {at: [] for at in range(len(ranked))}
    for a, b in sorted(equal):
        partners[a].append(b)
        partners[b].append(a)
    order = sorted(range(len(ranked)), key=lambda at: (at != 0, not ranked[at].is_decided, at))
    centres: set[int] = set()
    taken: set[int] = set()
    for centre in order:
        if centre in taken:
            continue
        for other in sorted(partners[centre]):
            if other in taken or other in centres or (ranked[centre].is_decided and ranked[other].is_decided):
                continue
            ranked[centre].take(ranked[other], "symbolic")
            centres.add(centre)
            taken.add(other)
    return [group for at, group in enumerate(ranked) if at not in taken]
