"""The dictionary: canonical keys of whole columns, each distinct spelling named once, on all cores.

Few strings are named in this process. Many go in chunks to worker processes (:mod:`resources.workers`), which hold
nothing but the chunk they work on: a string that kills or hangs a worker costs that worker, and gets the undecided key
of its own text. Rows, order and keys do not depend on the number of processes. No Dagster, no DuckDB.

Memory: a few chunks (at most 128 KB of text each) and their keys, whatever the length of the column.
"""

from __future__ import annotations

import heapq
import itertools
import json
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from functools import lru_cache
from typing import Any

import pyarrow as pa
import pyarrow.compute

from assets.answers.key import canonical_key
from assets.answers.policy import DEFAULT, Policy
from resources.workers import WorkerPool
from resources.workers.pool import processors

pc: Any = pyarrow.compute
"""Arrow makes its functions when it is imported, so that no type checker knows them."""

FEW = 20_000
"""Up to so many strings are named in this process: that takes as long as workers need to start."""
CHUNK_STRINGS = 512
CHUNK_CHARACTERS = 131_072
"""Of a chunk: some ten milliseconds of work, and keys far below the 1 MB that a worker may answer."""
CHUNK_S = 30.0
"""A chunk that takes longer (a thousand times its usual time) holds a string that hangs."""
STRING_S = 2.0
"""Longest time of one string of such a chunk; no known string takes a twentieth of it."""
SLOWEST = 5
"""Strings that the report names."""

KEYS = pa.schema([("answer", pa.string()), ("answer_key", pa.string()), ("status", pa.string())])
"""What a dictionary holds: grain ``answer``."""

_STATUSES = pa.array(["undecided", "decided"])
_TARGET = "assets.answers.columns:name_piece"


class KeyPass:
    """Names strings of one policy, and says what it took. Not for several threads."""

    def __init__(self, policy: Policy = DEFAULT, *, processes: int | None = None, target: str = _TARGET) -> None:
        """Nothing is started before it is needed.

        Args:
            policy: Which spellings count as the same answer.
            processes: Workers; 1 names everything in this process. None: one a core, if there are many strings.
            target: The function that workers call (tests put a fragile one here).
        """
        self.policy = policy
        self.seconds = 0.0
        """Of naming alone, summed over processes, by the clock."""
        self.strings = 0
        self.failed = 0
        """Strings on which the key failed (a bug or a hang): they are undecided."""
        self._processes = processes
        self._target = target
        self._slowest: list[tuple[float, str]] = []

    @property
    def slowest(self) -> list[tuple[float, str]]:
        """The strings that took longest: milliseconds and text, the slowest first."""
        return sorted(self._slowest, reverse=True)

    def name(self, columns: Iterable[pa.Array]) -> Iterator[pa.Table]:
        """A table of KEYS for each few hundred strings, in their order. Nulls are left out; copies are not."""
        chunks = _chunks(columns)
        if self._processes is None:
            first = list(_up_to(FEW, chunks))
            is_few = sum(map(len, first)) < FEW
            processes = 1 if is_few else processors()
            chunks = itertools.chain(first, chunks)
        else:
            processes = self._processes
        if processes == 1:
            yield from (self._table(chunk, name_strings(chunk.to_pylist(), self.policy)) for chunk in chunks)
        else:
            yield from self._in_workers(chunks, processes)

    def _in_workers(self, chunks: Iterator[pa.Array], processes: int) -> Iterator[pa.Table]:
        under_way: dict[int, pa.Array] = {}
        done: dict[int, pa.Table] = {}
        turn = 0

        def pieces() -> Iterator[str]:
            for index, chunk in enumerate(chunks):
                under_way[index] = chunk
                yield self._piece(chunk.to_pylist())

        with WorkerPool(self._target, workers=processes, seconds=CHUNK_S) as pool:
            for index, outcome in pool.map(pieces()):
                chunk = under_way.pop(index)
                named = _read(outcome.answer) if outcome.answer is not None else self._one_by_one(chunk)
                done[index] = self._table(chunk, named)
                while turn in done:
                    yield done.pop(turn)
                    turn += 1

    def _one_by_one(self, chunk: pa.Array) -> Named:
        """Names the strings of a chunk that ended its worker, each in a piece of its own."""
        answers: list[str] = chunk.to_pylist()
        found: dict[int, Named] = {}
        with WorkerPool(self._target, seconds=STRING_S) as pool:
            for index, outcome in pool.map(self._piece([answer]) for answer in answers):
                raw = ([_raw(answers[index])], "0", [(outcome.ms, 0)], outcome.ms / 1000, 1)
                found[index] = raw if outcome.answer is None else _read(outcome.answer)
        ordered = [found[index] for index in range(len(answers))]
        slow = [(named[2][0][0], index) for index, named in enumerate(ordered)]
        return (
            [named[0][0] for named in ordered],
            "".join(named[1] for named in ordered),
            heapq.nlargest(SLOWEST, slow),
            sum(named[3] for named in ordered),
            sum(named[4] for named in ordered),
        )

    def _piece(self, answers: Sequence[str]) -> str:
        return json.dumps([asdict(self.policy), answers], ensure_ascii=False, separators=(",", ":"))

    def _table(self, chunk: pa.Array, named: Named) -> pa.Table:
        keys, decided, slow, seconds, failed = named
        self.strings += len(keys)
        self.seconds += seconds
        self.failed += failed
        told = [(ms, chunk[index].as_py()) for ms, index in slow]
        self._slowest = heapq.nlargest(SLOWEST, [*self._slowest, *told])
        places = pa.array([int(flag) for flag in decided], pa.int8())
        return pa.table([chunk, pa.array(keys, pa.string()), _STATUSES.take(places)], schema=KEYS)


def name_column(
    answers: pa.Array | pa.ChunkedArray, policy: Policy = DEFAULT, *, processes: int | None = None
) -> pa.Table:
    """Keys of the distinct strings of a column, in the order in which they first appear: schema KEYS, nulls left out.

    Args:
        answers: Strings, as they stood in their boxes.
        policy: Which spellings count as the same answer.
        processes: Worker processes; the result does not depend on it. 1 uses none, None as many as there are cores if
            there are more than 20,000 strings.
    """
    distinct = pc.unique(answers)
    tables = list(KeyPass(policy, processes=processes).name([distinct]))
    return pa.concat_tables(tables) if tables else KEYS.empty_table()


Named = tuple[list[str], str, list[tuple[float, int]], float, int]
"""Keys, a digit each (1: decided), milliseconds and place of the slowest, seconds, failed strings."""


def name_strings(answers: Sequence[str], policy: Policy) -> Named:
    """Keys of ``answers``, in this process."""
    keys: list[str] = []
    decided: list[str] = []
    times: list[float] = []
    failed = 0
    began = before = time.perf_counter()
    for answer in answers:
        try:
            key = canonical_key(answer, policy)
            keys.append(key.text)
            decided.append("1" if key.status == "decided" else "0")
        except Exception:  # of a bug in a key: one string must not cost the build its hours of generation
            failed += 1
            keys.append(_raw(answer))
            decided.append("0")
        now = time.perf_counter()
        times.append(now - before)
        before = now
    slow = heapq.nlargest(SLOWEST, ((1000.0 * seconds, index) for index, seconds in enumerate(times)))
    return keys, "".join(decided), slow, before - began, failed


def name_piece(piece: str) -> str:
    """In a worker process: the strings of one piece, named."""
    policy, answers = json.loads(piece)
    return json.dumps(name_strings(answers, _policy(json.dumps(policy))), separators=(",", ":"))


@lru_cache(1)
def _policy(text: str) -> Policy:
    return Policy(**json.loads(text))


def _read(answer: str) -> Named:
    keys, decided, slow, seconds, failed = json.loads(answer)
    return keys, decided, [(ms, index) for ms, index in slow], seconds, failed


def _raw(answer: str) -> str:
    """The undecided key of a string that could not be named: its own text, white space apart."""
    return "raw:" + " ".join(answer.split())


def _chunks(columns: Iterable[pa.Array]) -> Iterator[pa.Array]:
    """Slices without nulls, of at most CHUNK_STRINGS strings and about CHUNK_CHARACTERS bytes."""
    for column in columns:
        column = column.drop_null()
        start = 0
        while start < len(column):
            size = min(CHUNK_STRINGS, len(column) - start)
            while size > 1 and _bytes(column.slice(start, size)) > CHUNK_CHARACTERS:
                size //= 2
            yield column.slice(start, size)
            start += size


def _bytes(strings: pa.Array) -> int:
    return pc.sum(pc.binary_length(strings)).as_py() or 0


def _up_to(count: int, chunks: Iterator[pa.Array]) -> Iterator[pa.Array]:
    """Chunks until they hold ``count`` strings; the iterator is left where it stands."""
    while count > 0 and (chunk := next(chunks, None)) is not None:
        count -= len(chunk)
        yield chunk
