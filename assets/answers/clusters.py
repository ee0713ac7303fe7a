"""Which keys of one problem are the same answer, over whole columns: rounded decimals, then the symbolic step.

Gives what :func:`assets.answers.vote.vote` gives for one problem, for all problems at once. Relations are SQL in a
DuckDB session, which spills; Python sees only the spellings of possible decimals, the pairs that matter (each once,
however many problems ask for it) and the pairs found equal. A pure key vote would need none of this: here is what keys
alone cannot decide, and nothing here ever joins two different decided keys but for a rounded decimal and its number.

Where the right answer is known (``known``), keys are compared with it alone; else with each other, as a vote needs.

No Dagster. The session has the relations ``answers`` (problem_id, sample_index, answer, answer_key, answer_status, and
solution_id if there are weights), and ``known`` (problem_id, expected_answer, expected_key) and ``weights``
(solution_id, weight) where they are announced.
"""

from __future__ import annotations

import itertools
import operator
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Literal, Protocol

import duckdb
import pyarrow as pa

from assets.answers import clusters_sql as sql
from assets.answers.policy import DEFAULT, Policy
from resources.spool import Spool
from resources.sql import sql_errors

SLICE = 2_048
"""Most pairs that the symbolic step is given at once, and problems that are joined at once: at most 8 MB of text."""

_TABLES = ("spelled", "keys", "near", "decimal_keys", "candidates", "groups", "reached", "pairs", "questions")
_MOVES = {"problem_id": "uuid", "answer_key": "varchar", "cluster_key": "varchar", "how": "varchar"}
_VERDICTS = {"low": "varchar", "high": "varchar", "relation": "varchar"}

Tier = Literal["decimals", "symbolic"]


class Relation(Protocol):
    """One verdict."""

    @property
    def relation(self) -> str:
        """equal, different or unknown."""
        ...


class Comparer(Protocol):
    """The symbolic step: settles pairs of answers of which at least one has an undecided key."""

    def compare(self, pairs: Sequence[tuple[str, str]], /) -> Iterable[Relation]:
        """One verdict a pair, in their order."""
        ...


@dataclass(slots=True)
class Report:
    """What was found and what it took, over all problems."""

    questions: int = 0
    """Distinct pairs that can matter."""
    relations: Counter[str] = field(default_factory=Counter)
    """Their verdicts. Without a symbolic step there are none."""
    seconds: dict[str, float] = field(default_factory=dict)
    """By tier, by the clock: counting, decimals, symbolic."""


class Clusters:
    """The keys of all problems, and which of them join. Steps in order: count, attach_decimals, compare, read, close.

    Memory: DuckDB's limit, a slice of pairs, and the verdicts of one problem.
    """

    def __init__(
        self,
        session: duckdb.DuckDBPyConnection,
        policy: Policy = DEFAULT,
        *,
        has_known: bool = False,
        has_weights: bool = False,
    ) -> None:
        """Count the keys of every problem.

        Args:
            session: Where the relations are; tables ``cl_...`` are made in it and dropped by :meth:`close`.
            policy: That of the keys.
            has_known: Compare with the relation ``known``, not among the answers.
            has_weights: Rank by the weights of the relation ``weights`` (0 where a solution has none), not by votes, as
                ``sql/majority_answer`` does: an empty relation is none, a weight that is none is an error.
        """
        self.report = Report()
        self._session = session
        self._policy = policy
        self._has_known = has_known
        self._moves = Spool(session, "cl_moves", _MOVES)
        self._verdicts = Spool(session, "cl_verdicts", _VERDICTS)
        began = time.monotonic()
        self._run(sql.SPELLED.format(**(sql.WEIGHTED if has_weights else sql.UNWEIGHTED)))
        self._run(sql.KEYS)
        self._took("counting", began)

    def attach_decimals(self) -> None:
        """Let each key that is only written as rounded decimals join the one exact key that rounds to all of them."""
        from assets.answers.decimals import rounds_to, written_decimal

        began = time.monotonic()
        self._run(sql.NEAR.format(exact=sql.EXACT_OF_GOLD if self._has_known else sql.EXACT_OF_VOTES))
        written = Spool(self._session, "cl_decimals", {"answer": "varchar", "decimal": "varchar"})
        for batch in written.read(sql.SPELLINGS_TO_READ):
            read = [written_decimal(answer, self._policy) for answer in batch.column("answer").to_pylist()]
            texts = pa.array([None if found is None else str(found) for found in read], pa.string())
            written.add(pa.table({"answer": batch.column("answer"), "decimal": texts}))
        self._run(sql.DECIMAL_KEYS)
        self._run(sql.CANDIDATES)
        fitting = Spool(self._session, "cl_rounds", {"exact_key": "varchar", "decimal": "varchar", "fits": "boolean"})
        for batch in fitting.read(sql.CASES):
            cases = zip(*(column.to_pylist() for column in batch.columns), strict=True)
            fits = pa.array([rounds_to(key, Decimal(text)) for key, text in cases], pa.bool_())
            fitting.add(pa.table([*batch.columns, fits], names=["exact_key", "decimal", "fits"]))
        self._run(sql.DECIMAL_MOVES)
        written.close()
        fitting.close()
        self._took("decimals", began)

    def compare(self, symbolic: Comparer | None) -> None:
        """Find the pairs that matter, ask ``symbolic`` for the most consequential first, and join what is equal.

        Each pair is asked for once, in the shortest spelling of its keys. A budget of time is the business of
        ``symbolic``: what it finds no time for is unknown. None leaves all pairs unknown, and counts them.
        """
        began = time.monotonic()
        self._find_pairs()
        if symbolic is not None:
            self._ask(symbolic)
            self._join()
        self._took("symbolic", began)

    def moves(self) -> pa.RecordBatchReader:
        """Keys that joined another: problem_id, answer_key, cluster_key, how; sorted."""
        return self._moves.read(sql.MOVES)

    def rows(self) -> pa.RecordBatchReader:
        """One row a problem with its counts (``assets.schemas.CLUSTERED``); sorted."""
        with sql_errors("clusters of answers"):
            # Not a cursor: `answers` may be a temporary view of this very connection.
            return self._session.sql(sql.ROWS).to_arrow_reader(8192)

    def close(self) -> None:
        """Give the memory back."""
        for name in _TABLES:
            self._run(f"drop table if exists cl_{name}")
        self._moves.close()
        self._verdicts.close()

    def _find_pairs(self) -> None:
        given = self._has_known
        self._run(
            sql.GROUPS.format(open=sql.OPEN_OF_GOLD if given else sql.OPEN_OF_VOTES, given=sql.GIVEN if given else "")
        )
        self._run(sql.REACHED.format(contest="false" if given else "true"))
        self._run(sql.PAIRS)
        self._run(sql.QUESTIONS.format(given=sql.GIVEN_SPELLINGS if given else ""))
        self.report.questions = int(self._session.execute("select count(*) from cl_questions").fetchall()[0][0])

    def _ask(self, symbolic: Comparer) -> None:
        with self._verdicts.read(sql.IN_ORDER, SLICE) as questions:
            for batch in questions:
                pairs = zip(*(batch.column(f"answer_{side}").to_pylist() for side in ("low", "high")), strict=True)
                found = [verdict.relation for verdict in symbolic.compare(list(pairs))]
                self.report.relations.update(found)
                columns = [batch.column("low"), batch.column("high"), pa.array(found, pa.string())]
                self._verdicts.add(pa.table(columns, names=list(_VERDICTS)))

    def _join(self) -> None:
        equal = self._verdicts.read(sql.EQUAL_PAIRS)
        rows = (row for batch in equal for row in batch.to_pylist())
        for problems in _some(itertools.groupby(rows, operator.itemgetter("problem_id")), SLICE):
            moved = [(problem, key, home) for problem, pairs in problems for key, home in join_equal(pairs)]
            columns = [list(column) for column in zip(*moved, strict=True)]
            ids = pa.ExtensionArray.from_storage(pa.uuid(), pa.array([_bytes(i) for i in columns[0]], pa.binary(16)))
            texts = [pa.array(column, pa.string()) for column in (*columns[1:], ["symbolic"] * len(moved))]
            self._moves.add(pa.table([ids, *texts], names=list(_MOVES)))

    def _run(self, statement: str) -> None:
        with sql_errors("clusters of answers"):
            self._session.execute(statement)

    def _took(self, tier: str, began: float) -> None:
        self.report.seconds[tier] = self.report.seconds.get(tier, 0.0) + time.monotonic() - began


def join_equal(pairs: Sequence[Any]) -> list[tuple[str, str]]:
    """Keys of one problem that join another, and which, from its pairs with the verdict equal.

    A star, never a chain: the leader takes first, then groups with decided keys, then the others, each in its place;
    who was taken neither takes nor is taken, and a group that holds a decided key takes none with another. Of a decided
    and an undecided key the decided one names both.

    Args:
        pairs: Mappings with place_a < place_b, key_a, key_b, is_decided_a, is_decided_b. Place 1 leads.
    """
    keys: dict[int, str] = {}
    is_decided: dict[int, bool] = {}
    equal: set[tuple[int, int]] = set()
    for pair in pairs:
        equal.add((pair["place_a"], pair["place_b"]))
        for side in "ab":
            keys[pair[f"place_{side}"]] = pair[f"key_{side}"]
            is_decided[pair[f"place_{side}"]] = pair[f"is_decided_{side}"]
    partners: dict[int, list[int]] = {place: [] for place in keys}
    for a, b in sorted(equal):
        partners[a].append(b)
        partners[b].append(a)
    homes: dict[int, list[int]] = {}
    taken: set[int] = set()
    named = dict(keys)
    for centre in sorted(keys, key=lambda place: (place != 1, not is_decided[place], place)):
        if centre in taken:
            continue
        for other in sorted(partners[centre]):
            if other in taken or other in homes or (is_decided[centre] and is_decided[other]):
                continue
            homes.setdefault(centre, []).append(other)
            taken.add(other)
            if is_decided[other]:
                is_decided[centre], named[centre] = True, keys[other]
    return sorted(
        (keys[place], named[centre])
        for centre, others in homes.items()
        for place in (centre, *others)
        if keys[place] != named[centre]
    )


def _some(problems: Iterator[tuple[Any, Iterable[Any]]], size: int) -> Iterator[list[tuple[Any, list[Any]]]]:
    """``size`` groups at a time, each read whole."""
    while some := [(problem, list(pairs)) for problem, pairs in itertools.islice(problems, size)]:
        yield some


def _bytes(value: Any) -> bytes:
    return value if isinstance(value, bytes) else value.bytes
