"""The pure vote of one problem: winners, ties, decimals, undecided keys, and when no sample can change it any more."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.answers import vote as module
from assets.answers.key import Key, canonical_key
from assets.answers.vote import Vote, vote
from resources.errors import MathloomError

NUMBERS = ["1/2", "0.5", r"\frac12", "1/3", "0.3333", "0.33333", "0.333333", "2", "2.0", "7"]


@dataclass(frozen=True)
class Found:
    relation: str


class Says:
    """A symbolic step that knows some pairs; notes what it was asked."""

    def __init__(self, equal: Sequence[tuple[str, str]] = (), unknown: Sequence[tuple[str, str]] = ()) -> None:
        self.equal = {frozenset(pair) for pair in equal}
        self.unknown = {frozenset(pair) for pair in unknown}
        self.asked: list[tuple[str, str]] = []

    def compare(self, pairs: Sequence[tuple[str, str]], /) -> list[Found]:
        self.asked += pairs
        words = {True: "equal", False: "different"}
        sets = [frozenset(pair) for pair in pairs]
        return [Found("unknown" if pair in self.unknown else words[pair in self.equal]) for pair in sets]


@pytest.fixture
def letters(monkeypatch: pytest.MonkeyPatch) -> None:
    """Capital letters are decided keys, small ones undecided: rules of joining without any mathematics."""

    def key(answer: str, _policy: Any) -> Key:
        return Key(answer, "decided") if answer[0].isupper() else Key(f"raw:{answer}", "undecided")

    monkeypatch.setattr(module, "canonical_key", key)


def shape(found: Vote) -> list[tuple[str, int, list[str]]]:
    return [(c.answer, c.votes, [a.key.removeprefix("raw:") for a in c.attached]) for c in found.clusters]


def test_keys_vote_and_the_most_frequent_spelling_is_shown() -> None:
    found = vote(["7", "0.5", "1/2", "1/2", None, "  "])
    assert (found.winner, found.key) == ("1/2", canonical_key("1/2").text)
    assert (found.votes, found.weight, found.margin, found.n_valid, found.n) == (3, 3.0, 2.0, 4, 6)
    assert found.clusters[0].spellings == (("1/2", 2), ("0.5", 1))
    assert found.is_accepted
    assert found.reason == ""


def test_the_surface_mode_votes_for_spellings() -> None:
    found = vote(["7", "0.5", "1/2", "7", ".5"], mode="surface")
    assert (found.winner, found.key, found.votes, found.margin) == ("7", "7", 2, 1.0)
    assert len(found.clusters) == 4


def test_ties_go_to_the_earliest_sample_of_answers_and_of_spellings() -> None:
    found = vote(["3", "0.5", "1/2", "3"], indices=[3, 1, 2, 4])
    assert (found.winner, found.votes, found.margin) == ("0.5", 2, 0.0)


def test_no_answer_at_all() -> None:
    for answers in ([], [None, "", " \n"]):
        found = vote(answers)
        assert (found.winner, found.key, found.votes, found.margin, found.n_valid) == (None, None, 0, 0.0, 0)
        assert (found.n, found.clusters, found.reason, found.is_accepted) == (len(answers), (), "no answer", False)
        assert not found.is_decided(1)


@pytest.mark.parametrize(
    ("answers", "settings", "is_accepted"),
    [
        (["1", "2"], {"min_votes": 2}, False),
        (["1", "1"], {"min_votes": 2}, True),
        (["1", None, None], {"min_share": 0.5}, False),
        (["1", None], {"min_share": 0.5}, True),
        (["1"] * 7 + [None] * 18, {"min_share": 0.28}, True),  # 0.28 * 25 is above 7
    ],
)
def test_minimum_votes_and_share(answers: list[str | None], settings: dict[str, Any], is_accepted: bool) -> None:
    found = vote(answers, **settings)
    assert found.is_accepted is is_accepted
    assert found.reason == ("" if is_accepted else "low majority")
    assert found.winner == "1"  # a winner that is not accepted is still shown


def test_weights_decide_and_votes_are_counted_beside_them() -> None:
    found = vote(["1", "2", "2"], [5.0, 1.5, 1.0])
    assert (found.winner, found.votes, found.weight, found.margin) == ("1", 1, 5.0, 2.5)
    assert vote(["1", "2"], [0.0, 0.0]).winner == "1"


def test_sums_of_weights_are_sums_of_decimals() -> None:
    """As doubles, 0.1 + 0.2 is above 0.3."""
    assert vote(["2", "1", "1"], [0.3, 0.1, 0.2]).winner == "2"
    assert vote(["1", "2", "1"], [0.1, 0.3, 0.2]).margin == 0.0


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf, -0.5, 1e9])
def test_a_weight_that_is_none_is_an_error_with_its_place(bad: float) -> None:
    with pytest.raises(MathloomError, match="weight 1 is"):
        vote(["1", "2"], [1.0, bad])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"answers": ["1"], "weights": [1.0, 2.0]}, "2 weights for 1 answers"),
        ({"answers": ["1"], "indices": []}, "0 indices for 1 answers"),
        ({"answers": ["1", 2]}, "answer 1 is no text but int"),
        ({"answers": ["1"], "mode": "loud"}, "no mode 'loud'"),
        ({"answers": ["1"], "min_share": 1.5}, "min_share 1.5"),
        ({"answers": ["1"], "min_votes": -1}, "min_votes -1"),
    ],
)
def test_settings_that_make_no_sense(arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(MathloomError, match=words):
        vote(**arguments)


# Decimals.


def test_a_rounded_decimal_joins_the_exact_answer() -> None:
    found = vote(["0.3333", "0.3333", "1/3", "2", "2"])
    assert (found.winner, found.key, found.votes) == ("1/3", canonical_key("1/3").text, 3)
    [attached] = found.attached
    assert (attached.key, attached.to, attached.how, attached.votes) == ("q:3333/10000", "q:1/3", "decimal", 2)
    assert found.clusters[0].spellings == (("0.3333", 2), ("1/3", 1))
    alone = vote(["0.3333", "0.3333", "1/3", "2", "2"], attach_decimals=False)
    assert (alone.winner, alone.attached) == ("0.3333", ())


def test_decimals_of_several_lengths_join_the_same_answer_and_never_each_other() -> None:
    assert shape(vote(["1/3", "0.3333", "0.33333"])) == [("1/3", 3, ["q:3333/10000", "q:33333/100000"])]
    assert len(vote(["0.3333", "0.33333"]).clusters) == 2


def test_a_decimal_is_no_bridge_and_short_ones_stay_alone() -> None:
    assert len(vote(["1/3", "33331/100000", "0.3333"]).clusters) == 3  # both exact answers round to it
    assert len(vote(["1/3", "0.333"]).clusters) == 2
    assert len(vote(["1/3", "0.3334"]).clusters) == 2


def test_all_spellings_of_a_decimal_must_be_roundings() -> None:
    """0.3333 and 0.33330 are one number, and 1/3 rounds to the first only."""
    assert len(vote(["1/3", "0.3333", "0.33330"]).clusters) == 2


# Undecided keys.


@pytest.mark.usefixtures("letters")
def test_undecided_answers_are_compared_with_the_leader_only_if_nothing_else_matters() -> None:
    says = Says(equal=[("A", "x")])
    found = vote(["A", "A", "A", "B", "x", "y"], symbolic=says)
    assert shape(found) == [("A", 4, ["x"]), ("B", 1, []), ("y", 1, [])]
    # B, x and y together have as many votes as A, and A came first.
    assert sorted(says.asked) == [("A", "x"), ("A", "y")]
    assert found.attached[0].how == "symbolic"


@pytest.mark.usefixtures("letters")
def test_clusters_that_could_overtake_the_leader_are_compared() -> None:
    says = Says(equal=[("B", "x"), ("B", "y")])
    found = vote(["B", "A", "A", "x", "y"], symbolic=says)
    assert found.winner == "B"
    assert shape(found)[0] == ("B", 3, ["x", "y"])
    assert ("A", "B") not in says.asked
    assert len(says.asked) == len({frozenset(pair) for pair in says.asked})


@pytest.mark.usefixtures("letters")
def test_unanimous_problems_and_decided_keys_ask_nothing() -> None:
    says = Says()
    vote(["A", "B", "A"], symbolic=says)
    vote(["x", "x"], symbolic=says)
    assert says.asked == []


@pytest.mark.usefixtures("letters")
def test_an_unknown_verdict_joins_nothing_and_is_counted() -> None:
    found = vote(["A", "A", "x"], symbolic=Says(unknown=[("A", "x")]))
    assert (len(found.clusters), found.unknown, found.votes) == (2, 1, 2)


@pytest.mark.usefixtures("letters")
def test_two_decided_keys_never_join_through_an_undecided_one() -> None:
    found = vote(["x", "x", "A", "B"], symbolic=Says(equal=[("x", "A"), ("x", "B")]))
    assert shape(found) == [("A", 3, ["x"]), ("B", 1, [])]
    assert found.key == "A"  # the decided key names both


@pytest.mark.usefixtures("letters")
def test_there_are_no_chains() -> None:
    """That x = y and y = z says nothing of x and z, unless x and z were compared."""
    found = vote(["x", "x", "y", "z", "w"], symbolic=Says(equal=[("x", "y"), ("y", "z"), ("z", "w")]))
    assert shape(found) == [("x", 3, ["y"]), ("z", 2, ["w"])]


# Properties.

ANSWERS = st.lists(st.one_of(st.none(), st.sampled_from(NUMBERS)), max_size=12)


@given(ANSWERS, st.randoms(use_true_random=False), st.booleans())
def test_the_order_of_answers_does_not_matter(answers: list[str | None], rng: random.Random, weighted: bool) -> None:
    weights = [rng.choice([0.1, 0.2, 0.3, 1e-9, 7.0]) for _ in answers] if weighted else None
    rows = list(enumerate(answers))
    expected = vote(answers, weights)
    rng.shuffle(rows)
    shuffled = vote(
        [answer for _, answer in rows],
        [weights[at] for at, _ in rows] if weights else None,
        indices=[at for at, _ in rows],
    )
    assert shuffled == expected


@given(ANSWERS)
def test_votes_add_up(answers: list[str | None]) -> None:
    found = vote(answers)
    assert found.n_valid == sum(c.votes for c in found.clusters) == sum(answer is not None for answer in answers)
    assert [(-c.weight, c.first) for c in found.clusters] == sorted((-c.weight, c.first) for c in found.clusters)
    for cluster in found.clusters:
        assert cluster.votes == sum(votes for _, votes in cluster.spellings)
        assert canonical_key(cluster.answer).text == cluster.key


def outcomes(answers: Sequence[str | None], more: int, pool: Sequence[str | None]) -> set[str | None]:
    """Keys of the winners after all ways in which ``more`` samples can go."""
    return {vote([*answers, *new]).key for new in itertools.combinations_with_replacement(pool, more)}


@given(st.lists(st.sampled_from(["1", "2", "3", None]), max_size=7), st.integers(1, 3))
def test_decided_early_is_exact_without_decimals(answers: list[str | None], more: int) -> None:
    found = vote(answers)
    assert found.is_decided(more) is (outcomes(answers, more, ["1", "2", "3", "4", None]) == {found.key})


@given(st.lists(st.sampled_from(["1/3", "0.3333", "0.33333", "33331/100000", "7"]), max_size=9), st.integers(1, 2))
def test_decided_early_is_never_wrong_with_decimals(answers: list[str | None], more: int) -> None:
    found = vote(answers)
    pool = ["1/3", "33331/100000", "333331/1000000", "0.3333", "0.33333", "7", "8", None]
    if found.is_decided(more):
        assert outcomes(answers, more, pool) == {found.key}


def test_decided_early_needs_fewer_votes_when_the_winner_came_first() -> None:
    assert vote(["1", "1", "2"]).is_decided(1)  # 2 against 2, and 1 came first
    assert not vote(["2", "1", "1"]).is_decided(1)
    assert vote(["2", "1", "1", "1"]).is_decided(1)
    assert vote(["2", "1", "1"]).is_decided(0)


def test_decided_early_with_weights_and_in_the_surface_mode() -> None:
    found = vote(["1", "2"], [3.0, 1.0])
    assert found.is_decided(1)
    assert found.is_decided(1, max_weight=2.0)
    assert not found.is_decided(1, max_weight=2.5)
    assert not vote(["0.3333", "0.3333", "0.3333"]).is_decided(1)  # 1/3 could take them
    assert vote(["0.3333", "0.3333", "0.3333"], mode="surface").is_decided(1)
    assert vote(["0.3333", "0.3333", "0.3333"], attach_decimals=False).is_decided(1)


@pytest.mark.usefixtures("letters")
def test_undecided_answers_keep_a_vote_open_only_where_something_can_move_them() -> None:
    answers = ["A", "A", "A", "A", "x", "x", "x"]
    assert vote(answers).is_decided(1)
    assert not vote([*answers, "B"], symbolic=Says()).is_decided(1)


def test_a_vote_is_a_value() -> None:
    found = vote(["1"])
    assert found == vote(["1"])
    assert hash(found) == hash(replace(found))
