"""The vote of one problem: which answer most of its samples agree on. The reference for ``sql/majority_answer``.

Pure and deterministic: with sample indices the result does not depend on the order of the answers. What votes for the
same thing is settled in three steps, each only where the one before leaves a question:

1. Answers with equal keys are one ballot (``surface``: with equal texts, and nothing else happens).
2. A ballot that is spelled only as decimals of at least four significant digits joins the one exact ballot of the
   problem that rounds to all its spellings. Two such ballots, or none: it stays alone. It is never a bridge.
3. Ballots with undecided keys are compared by the symbolic step, only where it can matter: with the ballot that leads,
   and with every ballot whose possible partners would together overtake it. A ballot joins the one that it was compared
   with, never a third through it, and two ballots with decided keys never join.

Memory and time: a few objects a distinct spelling of one problem.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from assets.answers.ballots import MAX_WEIGHT, UNITS, Ballot, Comparer, Group, How, join_decimals, settle
from assets.answers.key import Status, canonical_key
from assets.answers.policy import DEFAULT, Policy
from resources.errors import MathloomError

Mode = Literal["semantic", "surface"]

NO_ANSWER = "no answer"
LOW_MAJORITY = "low majority"

_NEVER = sys.maxsize
"""A sample index after all others."""


@dataclass(frozen=True, slots=True)
class Attached:
    """A ballot that counts for a cluster whose key it does not have."""

    key: str
    to: str
    """Key of the cluster."""
    how: How
    votes: int


@dataclass(frozen=True, slots=True)
class Cluster:
    """What counts as one answer. ``votes`` and ``weight`` include what is attached; ``key`` and ``answer`` do not."""

    key: str
    answer: str
    """Its most frequent spelling; of several the one with the earliest sample."""
    votes: int
    weight: float
    first: int
    """Earliest sample index, of what is attached too."""
    spellings: tuple[tuple[str, int], ...]
    """Every spelling with its votes, the most frequent first, of what is attached too."""
    attached: tuple[Attached, ...]


@dataclass(frozen=True, slots=True)
class Vote:
    """The outcome of one problem. Without any answer ``winner`` and ``key`` are None and all numbers but ``n`` 0."""

    winner: str | None
    """Representative spelling of the first cluster."""
    key: str | None
    votes: int
    weight: float
    margin: float
    """Weight of the winner less that of the second cluster; votes where there are no weights."""
    n_valid: int
    n: int
    """All samples, those without an answer too."""
    clusters: tuple[Cluster, ...]
    """The most weight first; ties: the earliest sample first."""
    attached: tuple[Attached, ...]
    unknown: int
    """Pairs that the symbolic step left open: a winner may lack their votes."""
    reason: str
    """Why the winner is not accepted: ``no answer`` or ``low majority``; empty if it is."""
    _fixed: tuple[tuple[int, int, str], ...] = field(repr=False)
    """Weight in units, earliest sample and key of each ballot with a decided, exact key, without what is attached."""
    _movable: tuple[int, int] = field(repr=False)
    """Weight and earliest sample of all other ballots: a new sample can move them from one cluster to another."""

    @property
    def is_accepted(self) -> bool:
        """Whether there is a winner with enough votes."""
        return not self.reason

    def is_decided(self, more: int, *, max_weight: float = 1.0) -> bool:
        r"""Whether no outcome of ``more`` further samples can change the winner's key.

        Further samples come after the present ones and weigh at most ``max_weight`` each. With w and f the weight and
        earliest sample of the winner's own ballot, S and g those of all movable ballots (undecided, or written as
        decimals only: a new sample can attach or release them), the winner stays if for every other ballot with weight
        v and earliest sample e, and for a new one (v = 0, e after all samples)::

            v + S + more * max_weight < w,  or  = w  and  f < min(e, g)

        Without movable ballots this is exact: False means that there is an outcome with another winner. With them it
        is on the safe side. A winner that is itself movable is never decided.
        """
        if more <= 0:
            return True
        own = next(((weight, first) for weight, first, key in self._fixed if key == self.key), None)
        if own is None:
            return False
        movable, earliest = self._movable
        coming = round(more * max_weight * UNITS)
        others = [(weight, first) for weight, first, key in self._fixed if key != self.key]
        return all(
            (weight + movable + coming, -min(first, earliest)) < (own[0], -own[1])
            for weight, first in [*others, (0, _NEVER)]
        )


def vote(
    answers: Sequence[str | None],
    weights: Sequence[float] | None = None,
    policy: Policy = DEFAULT,
    *,
    indices: Sequence[int] | None = None,
    mode: Mode = "semantic",
    min_votes: int = 0,
    min_share: float = 0.0,
    attach_decimals: bool = True,
    symbolic: Comparer | None = None,
) -> Vote:
    """The answer that most samples of one problem agree on.

    Args:
        answers: One a sample; None or blank where a sample has no answer: it does not vote, yet it counts in ``n``.
        weights: One a sample (a reward), from 0 to below 1,000,000,000, of which nine decimals count; without them
            each sample weighs 1.
        policy: Which spellings count as the same answer.
        indices: Sample indices that settle ties; without them the places in ``answers``.
        mode: ``semantic`` counts keys, ``surface`` raw texts.
        min_votes: Fewest votes of a winner that is accepted.
        min_share: Smallest share of its votes among all samples, from 0 to 1.
        attach_decimals: Whether rounded decimals join exact answers.
        symbolic: Settles undecided keys; without it they are equal only if spelled the same.

    Raises:
        MathloomError: A weight is negative, no number or too large, lengths differ, or a setting is out of its range.
    """
    _check(answers, weights, indices, mode, min_votes, min_share)
    ballots = _ballots(answers, weights, policy, indices, mode)
    groups = [Group(ballot) for ballot in ballots]
    unknown = 0
    if mode == "semantic":
        groups = join_decimals(groups, policy) if attach_decimals else groups
        groups, unknown = settle(groups, symbolic) if symbolic is not None else (groups, 0)
    groups = sorted(groups, key=Group.rank)
    clusters = tuple(_cluster(group) for group in groups)
    first = clusters[0] if clusters else None
    votes, weight = (first.votes, first.weight) if first else (0, 0.0)
    if first is None:
        reason = NO_ANSWER
    else:
        reason = LOW_MAJORITY if votes < min_votes or votes / len(answers) < min_share else ""
    movable = {
        ballot.key
        for ballot in ballots
        if mode == "semantic"
        and (ballot.is_decimal(policy) if ballot.status == "decided" else symbolic is not None)
        and (attach_decimals or ballot.status != "decided")
    }
    return Vote(
        winner=first.answer if first else None,
        key=first.key if first else None,
        votes=votes,
        weight=weight,
        margin=(groups[0].units - (groups[1].units if len(groups) > 1 else 0)) / UNITS if groups else 0.0,
        n_valid=sum(ballot.votes for ballot in ballots),
        n=len(answers),
        clusters=clusters,
        attached=tuple(attached for cluster in clusters for attached in cluster.attached),
        unknown=unknown,
        reason=reason,
        _fixed=tuple(sorted((b.units, b.first, b.key) for b in ballots if b.key not in movable)),
        _movable=_together([b for b in ballots if b.key in movable]),
    )


def _ballots(
    answers: Sequence[str | None],
    weights: Sequence[float] | None,
    policy: Policy,
    indices: Sequence[int] | None,
    mode: Mode,
) -> list[Ballot]:
    found: dict[str, Ballot] = {}
    by_spelling: dict[str, Ballot] = {}
    for at, answer in enumerate(answers):
        if answer is None or not answer.strip():
            continue
        ballot = by_spelling.get(answer)
        if ballot is None:
            text, status = _name(answer, policy, mode)
            ballot = by_spelling[answer] = found.setdefault(text, Ballot(text, status))
        units = UNITS if weights is None else round(weights[at] * UNITS)
        ballot.add(answer, units, at if indices is None else indices[at])
    return list(found.values())


def _name(answer: str, policy: Policy, mode: Mode) -> tuple[str, Status]:
    if mode == "surface":
        return answer, "decided"
    key = canonical_key(answer, policy)
    return key.text, key.status


def _together(ballots: Sequence[Ballot]) -> tuple[int, int]:
    return sum(ballot.units for ballot in ballots), min((ballot.first for ballot in ballots), default=_NEVER)


def _cluster(group: Group) -> Cluster:
    spelled: dict[str, tuple[int, int]] = {}
    for ballot in group.ballots:  # a spelling has one key, so no spelling comes twice
        spelled |= {text: (-votes, first) for text, (votes, first) in ballot.spelled.items()}
    joined = sorted(group.joined, key=lambda one: (-one[0].votes, one[0].first, one[0].key))
    return Cluster(
        key=group.home.key,
        answer=group.home.answer,
        votes=group.votes,
        weight=group.units / UNITS,
        first=group.first,
        spellings=tuple((text, -spelled[text][0]) for text in sorted(spelled, key=lambda text: (*spelled[text], text))),
        attached=tuple(Attached(ballot.key, group.home.key, how, ballot.votes) for ballot, how in joined),
    )


def _check(
    answers: Sequence[str | None],
    weights: Sequence[float] | None,
    indices: Sequence[int] | None,
    mode: str,
    min_votes: int,
    min_share: float,
) -> None:
    sized: Mapping[str, Sequence[Any] | None] = {"weights": weights, "indices": indices}
    for name, values in sized.items():
        if values is not None and len(values) != len(answers):
            raise _wrong(f"{len(values)} {name} for {len(answers)} answers", f"Give one of the {name} an answer")
    for at, answer in enumerate(answers):
        if answer is not None and not isinstance(answer, str):
            raise _wrong(f"answer {at} is no text but {type(answer).__name__}", "Give strings, or None")
    for at, weight in enumerate(weights or ()):
        if not 0 <= weight < MAX_WEIGHT:
            raise _wrong(f"weight {at} is {weight}", f"Give weights from 0 to below {MAX_WEIGHT:,}")
    if mode not in ("semantic", "surface"):
        raise _wrong(f"there is no mode {mode!r}", "Write semantic or surface")
    if min_votes < 0 or not 0 <= min_share <= 1:
        raise _wrong(f"min_votes {min_votes} or min_share {min_share}", "Give votes from 0 and a share from 0 to 1")


def _wrong(what: str, fix: str) -> MathloomError:
    return MathloomError(what, where="vote", fix=fix)
