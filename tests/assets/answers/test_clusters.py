"""Clusters over whole columns: the same as the vote of each problem alone, and no pair left out that could matter."""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.answers import ballots
from assets.answers.clusters import Clusters, Comparer, join_equal
from assets.answers.clusters_sql import CONTEST
from assets.answers.key import canonical_key
from assets.answers.vote import vote
from resources.sql import open_session

Row = dict[str, Any]
ODD = [rf"\mystery{{{name}}}" for name in "abcdef"]
"""Answers whose keys are undecided."""


class Truth:
    """A symbolic step that knows which answers are equal: those of one class. Remembers what it was asked."""

    def __init__(self, *classes: Sequence[str], unknown: Sequence[str] = ()) -> None:
        self.class_of = {answer: number for number, answers in enumerate(classes) for answer in answers}
        self.unknown = set(unknown)
        self.asked: list[tuple[str, str]] = []

    def compare(self, pairs: Sequence[tuple[str, str]], /) -> list[Any]:
        self.asked += pairs
        return [SimpleNamespace(relation=self.relation(*pair)) for pair in pairs]

    def relation(self, a: str, b: str) -> str:
        if {a, b} & self.unknown:
            return "unknown"
        return "equal" if self.class_of.get(a, a) == self.class_of.get(b, b) else "different"


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[duckdb.DuckDBPyConnection]:
    spill: Path = tmp_path_factory.mktemp("spill")
    with open_session(memory_limit="256MB", threads=2, temp=spill) as connection:
        connection.execute(
            "create table answers (solution_id uuid, problem_id uuid, sample_index integer,"
            " answer varchar, answer_key varchar, answer_status varchar)"
        )
        connection.execute("create table known (problem_id uuid, expected_answer varchar, expected_key varchar)")
        connection.execute("create table weights (solution_id uuid, weight double)")
        yield connection


Ran = SimpleNamespace


@pytest.fixture(scope="module")
def run(session: duckdb.DuckDBPyConnection) -> Callable[..., Ran]:
    def run(
        problems: Sequence[Sequence[str | None]],
        symbolic: Comparer | None = None,
        *,
        known: Sequence[str | None] | None = None,
        weights: Sequence[Sequence[float]] | None = None,
    ) -> Ran:
        for table in ("answers", "known", "weights"):
            session.execute(f"delete from {table}")  # noqa: S608
        for number, answers in enumerate(problems):
            for sample, answer in enumerate(answers):
                key = None if answer is None else canonical_key(answer)
                solution = uuid.UUID(int=number * 1000 + sample)
                said = (answer, key.text, key.status) if key else (None, None, "no box")
                session.execute(
                    "insert into answers values (?, ?, ?, ?, ?, ?)", [solution, uuid.UUID(int=number), sample, *said]
                )
                if weights is not None:
                    session.execute("insert into weights values (?, ?)", [solution, weights[number][sample]])
        for number, answer in enumerate(known or ()):
            if answer is not None:
                row = [uuid.UUID(int=number), answer, canonical_key(answer).text]
                session.execute("insert into known values (?, ?, ?)", row)
        clusters = Clusters(session, has_known=known is not None, has_weights=weights is not None)
        clusters.attach_decimals()
        clusters.compare(symbolic)
        moves = clusters.moves().read_all().to_pylist()
        rows = clusters.rows().read_all().to_pylist()
        report = clusters.report
        clusters.close()
        left = [name for (name,) in session.execute("select table_name from duckdb_tables()").fetchall()]
        assert sorted(left) == ["answers", "known", "weights"]
        found: list[dict[str, tuple[str, str]]] = [{} for _ in problems]
        for move in moves:
            number = uuid.UUID(bytes=bytes(getattr(move["problem_id"], "bytes", move["problem_id"]))).int
            found[number][move["answer_key"]] = (move["cluster_key"], move["how"])
        return Ran(moves=found, rows=rows, report=report)

    return run


def key(answer: str) -> str:
    return canonical_key(answer).text


def test_the_odd_answers_are_undecided() -> None:
    assert {canonical_key(answer).status for answer in ODD} == {"undecided"}


DECIMALS: list[tuple[str, list[str | None], dict[str, str]]] = [
    ("joins the number it stands for", ["1/3", "0.3333", "0.33333"], {"0.3333": "1/3", "0.33333": "1/3"}),
    ("too few digits", ["1/3", "0.333"], {}),
    ("another number", ["1/3", "0.3334"], {}),
    ("two numbers round to it", ["1/3", "33331/100000", "0.3333"], {}),
    ("one key, two spellings, only one fits", ["1/3", "0.3333", "0.33330"], {}),
    ("a number that is written exactly too is exact", ["1/3", "0.3333", "3333/10000"], {}),
    ("decimals alone are no home", ["0.33333", "0.3333"], {}),
    ("half even and half up", ["12345/100000", "0.1234", "0.1235"], {"0.1234": "0.12345", "0.1235": "0.12345"}),
    (
        "many digits",
        ["10/81", "0.123456790123", "0.12345679", "0.1235"],
        {
            "0.123456790123": "10/81",
            "0.12345679": "10/81",
            "0.1235": "10/81",
        },
    ),
    ("digits of a unit and of thousands", ["100000/81", r"1,234.567901\text{ cm}"], {"1234.567901": "100000/81"}),
    ("negative, and none", ["-1/3", "-0.3333", None], {"-0.3333": "-1/3"}),
]


@pytest.mark.parametrize(("answers", "moves"), [case[1:] for case in DECIMALS], ids=[case[0] for case in DECIMALS])
def test_decimals(run: Callable[..., Ran], answers: list[str | None], moves: dict[str, str]) -> None:
    ran = run([answers])
    assert ran.moves == [{key(a): (key(b), "decimal") for a, b in moves.items()}]
    assert ran.rows[0]["decimals"] == len(moves)
    assert ran.rows[0]["clusters"] == ran.rows[0]["keys"] - len(moves)


def test_decimals_join_what_is_expected_and_nothing_else(run: Callable[..., Ran]) -> None:
    problem = ["0.3333", "33331/100000", "0.6667", "2/3"]
    assert run([problem], known=["1/3"]).moves == [{key("0.3333"): (key("1/3"), "decimal")}]
    assert run([problem], known=["0.3333"]).moves == [{}]
    assert run([problem], known=[None]).moves == [{}]


def test_counts_of_a_problem(run: Callable[..., Ran]) -> None:
    ran = run([["1/3", "0.3333", ODD[0], ODD[1], None], [None], ["7", "7.0"]], Truth([ODD[0], "1/3"], unknown=[ODD[1]]))
    names = ("members", "n_valid", "keys", "clusters", "undecided", "decimals", "symbolic", "pairs", "unknown")
    rows = [tuple(row[name] for name in names) for row in ran.rows]
    assert rows == [(5, 4, 4, 2, 2, 1, 1, 2, 1), (1, 0, 0, 0, 0, 0, 0, 0, 0), (2, 2, 1, 1, 0, 0, 0, 0, 0)]
    assert [row["surface_agrees"] for row in ran.rows] == [True, None, True]
    assert ran.report.questions == 2
    assert ran.report.relations == {"equal": 1, "unknown": 1}
    assert set(ran.report.seconds) == {"counting", "decimals", "symbolic"}


def test_a_vote_of_raw_texts_can_have_another_winner(run: Callable[..., Ran]) -> None:
    [row] = run([["7", "7", "1/2", "0.5", r"\frac12"]]).rows
    assert row["surface_agrees"] is False


def test_what_is_undecided_is_compared_with_what_is_expected(run: Callable[..., Ran]) -> None:
    symbolic = Truth([ODD[0], "5"], [ODD[1], ODD[2]])
    ran = run([[ODD[0], ODD[1], ODD[2], "5", "6"], [ODD[0], "6"]], symbolic, known=["5", None])
    assert ran.moves == [{key(ODD[0]): ("q:5", "symbolic")}, {}]
    assert sorted(tuple(sorted(pair)) for pair in symbolic.asked) == [("5", odd) for odd in ODD[:3]]
    # An undecided expected answer: decided keys are compared too, and name both; a second one stays out.
    ran = run([["5", "5", "6"]], Truth([ODD[0], "5", "6"]), known=[ODD[0]])
    assert ran.moves == [{key(ODD[0]): ("q:5", "symbolic")}]


def test_the_most_consequential_pairs_come_first(run: Callable[..., Ran]) -> None:
    class Tired(Truth):
        """Has no time after two pairs."""

        def relation(self, a: str, b: str) -> str:
            return super().relation(a, b) if (a, b) in self.asked[:2] else "unknown"

    problems = [["1"] * 5 + [ODD[0]], ["1"] * 9 + [ODD[1]] * 3, ["2"] * 9 + [ODD[2]] * 2, ["1"] * 4 + [ODD[0]]]
    symbolic = Tired(["1", ODD[1]])
    ran = run(problems, symbolic)
    wanted = [{"1", ODD[1]}, {"1", ODD[0]}, {"2", ODD[2]}]  # three votes; one vote in two problems; two votes
    assert [set(pair) for pair in symbolic.asked] == wanted
    assert [row["unknown"] for row in ran.rows] == [0, 0, 1, 0]
    assert (ran.report.questions, ran.report.relations) == (3, {"different": 1, "equal": 1, "unknown": 1})


def test_without_a_symbolic_step_pairs_are_counted(run: Callable[..., Ran]) -> None:
    ran = run([["1", "1", ODD[0]], ["1"]])
    assert ([row["unknown"] for row in ran.rows], ran.moves) == ([1, 0], [{}, {}])
    assert (ran.report.questions, ran.report.relations) == (1, {})


def test_weights_choose_the_leader(run: Callable[..., Ran]) -> None:
    symbolic = Truth()
    run([["2", "1", "1", ODD[0]]], symbolic)
    assert [set(pair) for pair in symbolic.asked] == [{"1", ODD[0]}, {"2", ODD[0]}]
    symbolic = Truth()
    run([["2", "1", "1", ODD[0]]], symbolic, weights=[[0.9, 0.1, 0.1, 0.2]])
    assert [set(pair) for pair in symbolic.asked] == [{"2", ODD[0]}]


ANSWERS = ["1", "1.0", "2", "1/3", "0.3333", "0.33333", "33331/100000", *ODD]
PROBLEMS = st.lists(st.lists(st.one_of(st.none(), st.sampled_from(ANSWERS)), min_size=1, max_size=12), max_size=4)
CLASSES = st.lists(st.sets(st.sampled_from(["1", "2", "1/3", *ODD]), max_size=4).map(sorted), max_size=3)


@settings(max_examples=100)
@given(problems=PROBLEMS, classes=CLASSES, unknown=st.sets(st.sampled_from(ODD), max_size=2), data=st.data())
def test_columns_do_what_the_vote_of_each_problem_does(
    run: Callable[..., Ran], problems: list[list[str | None]], classes: Any, unknown: set[str], data: Any
) -> None:
    symbolic = Truth(*classes, unknown=sorted(unknown))
    ran = run(problems, symbolic)
    for answers, moves, row in zip(problems, ran.moves, ran.rows, strict=True):
        wanted = vote(answers, symbolic=symbolic)
        assert {key: to for key, (to, _) in moves.items()} == {a.key: a.to for a in wanted.attached}
        assert {key: how for key, (_, how) in moves.items()} == {a.key: a.how for a in wanted.attached}
        assert (row["clusters"], row["unknown"], row["n_valid"]) == (
            len(wanted.clusters),
            wanted.unknown,
            wanted.n_valid,
        )
        surface = vote(answers, mode="surface")
        if surface.winner is None:
            assert row["surface_agrees"] is None
        else:
            assert row["surface_agrees"] == (surface.winner in dict(wanted.clusters[0].spellings))


def winner(votes: Sequence[tuple[str, int]], homes: dict[str, str]) -> tuple[str, frozenset[str]]:
    """Key and members of the winning cluster; ``votes`` in the order of first samples."""
    first = {name: place for place, (name, _) in enumerate(votes)}
    members: dict[str, list[str]] = {}
    for name, _ in votes:
        members.setdefault(homes.get(name, name), []).append(name)
    weight = dict(votes)
    best = min(members, key=lambda k: (-sum(weight[m] for m in members[k]), min(first[m] for m in members[k])))
    return best, frozenset(members[best])


VERDICTS = st.sampled_from(["equal", "different", "unknown"])


class Whim:
    """A step that says anything, equal both ways but not transitive; the same of the same pair."""

    def __init__(self, data: Any) -> None:
        self._data = data
        self._said: dict[frozenset[str], str] = {}

    def compare(self, pairs: Sequence[tuple[str, str]], /) -> list[Any]:
        return [SimpleNamespace(relation=self.relation(frozenset(pair))) for pair in pairs]

    def relation(self, pair: frozenset[str]) -> str:
        if pair not in self._said:
            self._said[pair] = self._data.draw(VERDICTS)
        return self._said[pair]


@settings(max_examples=300)
@given(answers=st.lists(st.sampled_from(["1", "2", "3", *ODD[:4]]), min_size=2, max_size=10), data=st.data())
def test_verdicts_that_contradict_each_other_change_no_winner_by_a_pair_left_out(answers: list[str], data: Any) -> None:
    """The proof beside PAIRS holds whatever the verdicts: against a vote that asks for every pair."""
    whim = Whim(data)
    lazy = vote(answers, symbolic=whim)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ballots, "_winners", lambda ranked: [True] * len(ranked))
        whole = vote(answers, symbolic=whim)
    assert (lazy.key, lazy.votes, lazy.clusters[0]) == (whole.key, whole.votes, whole.clusters[0])


def test_no_pair_is_left_out_that_could_change_the_winner(run: Callable[..., Ran]) -> None:
    """Brute force over small problems: all ways to be equal, against a step that is asked for every pair."""
    names = ["1", "2", ODD[0], ODD[1], ODD[2]]
    cases: list[tuple[list[tuple[str, int]], dict[str, int]]] = []
    for counts in (
        (3, 2, 1, 1, 1),
        (2, 2, 1, 1, 1),
        (1, 1, 3, 2, 1),
        (1, 2, 2, 1, 2),
        (4, 1, 1, 1, 1),
        (2, 1, 2, 0, 1),
    ):
        votes = [(name, count) for name, count in zip(names, counts, strict=True) if count]
        for order in (votes, votes[::-1], votes[2:] + votes[:2]):
            for classes in itertools.product(range(3), repeat=3):  # 0: like "1", 1: like "2", 2: a class of their own
                cases.append((order, {"1": 0, "2": 1, **dict(zip(names[2:], classes, strict=True))}))
    for classes_of in sorted({tuple(sorted(c.items())) for _, c in cases}):
        some = [votes for votes, c in cases if tuple(sorted(c.items())) == classes_of]
        classes = [[name for name, number in classes_of if number == n] for n in range(3)]
        problems = [[name for name, count in votes for _ in range(count)] for votes in some]
        # Samples of one answer stand together, so the order of answers is that of their first samples.
        ran = run(problems, Truth(*classes))
        home = {name: c[0] for c in classes for name in c}
        for votes, moves in zip(some, ran.moves, strict=True):
            answers = {key(name): name for name, _ in votes}
            lazy = {answers[a]: answers[b] for a, (b, _) in moves.items()}
            present = {name for name, _ in votes}
            whole = {
                name: min(present & {m for m in home if home[m] == home[name]}, key=names.index) for name in present
            }
            assert winner(votes, lazy)[1] == winner(votes, whole)[1], (votes, classes, lazy)


def test_thousands_of_undecided_answers_make_no_millions_of_pairs(run: Callable[..., Ran]) -> None:
    """Pairs with the leader, and those between the first places; what is left out is unknown, as the vote counts it."""
    answers = [rf"\mystery{{{number}}}" for number in range(600)]
    symbolic = Truth(answers[:2], [*answers[40:42]], ["1", answers[500]])
    ran = run([["1", "1", *answers], ["7", "7", *answers]], symbolic)
    asked = {tuple(sorted(pair)) for pair in symbolic.asked}
    assert len(asked) == 2 * 600 + (CONTEST - 1) * (CONTEST - 2) // 2
    wanted = vote(["1", "1", *answers], symbolic=symbolic)
    assert ran.moves[0] == {key(answers[1]): (key(answers[0]), "symbolic"), key(answers[500]): (key("1"), "symbolic")}
    assert {a.key: (a.to, a.how) for a in wanted.attached} == ran.moves[0]
    assert ran.rows[0]["pairs"] == 600 * 599 // 2 + 600
    assert ran.rows[0]["unknown"] == wanted.unknown == 600 * 599 // 2 - (CONTEST - 1) * (CONTEST - 2) // 2


def test_thousands_of_near_decimals_are_not_compared_with_each_other(
    run: Callable[..., Ran], session: duckdb.DuckDBPyConnection
) -> None:
    decimals = [f"1.00{number:05}" for number in range(1_000)]
    exact = [f"{10**10 + 1_000 * number + 1}/{10**10}" for number in range(5, 9)]
    near: list[int] = []

    class Watch(Truth):
        def compare(self, pairs: Sequence[tuple[str, str]], /) -> list[Any]:
            near.extend(session.execute("select count(*) from cl_near").fetchall()[0])
            return super().compare(pairs)

    ran = run([[*decimals, *exact, ODD[0]]], Watch())
    assert near
    assert near[0] < 30 * 1_000
    assert {a.key: (a.to, a.how) for a in vote([*decimals, *exact]).attached} == ran.moves[0]
    assert len(ran.moves[0]) == 4


def test_all_answers_of_a_large_problem_equal_the_leader(run: Callable[..., Ran]) -> None:
    answers = [rf"\mystery{{{number}}}" for number in range(2_000)]
    equal = [pair(1, place) for place in range(2, 2_001)]
    assert join_equal(equal) == sorted((f"k{place}", "k1") for place in range(2, 2_001))
    assert vote(answers, symbolic=Truth(answers)).votes == 2_000


@pytest.mark.parametrize("weight", [-0.5, 1e9, float("inf"), float("nan")])
def test_a_weight_that_is_none_is_an_error(run: Callable[..., Ran], weight: float) -> None:
    with pytest.raises(duckdb.Error, match="a weight is"):  # a build says it as an error of its stage
        run([["1", "2"]], weights=[[1.0, weight]])


def test_an_empty_relation_of_weights_weighs_nothing(
    run: Callable[..., Ran], session: duckdb.DuckDBPyConnection
) -> None:
    """As in sql/majority_answer: else the leader here would not be the winner there."""
    run([["1", "2", "2", "2", ODD[0]]])
    symbolic = Truth()
    clusters = Clusters(session, has_weights=True)
    session.execute("delete from weights")
    clusters.compare(symbolic)
    clusters.close()
    assert [set(pair) for pair in symbolic.asked] == [{"2", ODD[0]}]


def pair(a: int, b: int, decided: str = "") -> Row:
    return {
        **{"place_a": a, "place_b": b, "key_a": f"k{a}", "key_b": f"k{b}"},
        **{"is_decided_a": str(a) in decided, "is_decided_b": str(b) in decided},
    }


@pytest.mark.parametrize(
    ("pairs", "moves"),
    [
        ([pair(1, 2), pair(2, 3)], [("k2", "k1")]),
        ([pair(1, 3), pair(2, 3, "2")], [("k3", "k1")]),
        ([pair(2, 3), pair(3, 4, "4")], [("k3", "k4")]),
        ([pair(1, 2, "2"), pair(1, 3, "3"), pair(1, 4)], [("k1", "k2"), ("k4", "k2")]),
        ([pair(2, 3), pair(2, 4), pair(3, 4)], [("k3", "k2"), ("k4", "k2")]),
        ([], []),
    ],
    ids=["no chain", "the leader first", "then decided keys", "one decided key names all", "a star", "nothing"],
)
def test_stars(pairs: list[Row], moves: list[tuple[str, str]]) -> None:
    assert join_equal(pairs) == moves
