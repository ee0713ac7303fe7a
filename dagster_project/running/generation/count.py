"""Counting a wave before its first request goes out: which samples are stored, given up, or still to be asked.

Every asked sample is written to the wave's ledger, so the total is exact when the engine starts, limits can be held
against it, and a stage that has all its answers never starts one.
Memory: one batch; which batches have work (a bit each); DuckDB counts distinct keys within its own limit.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from assets.schemas import ID, id_array
from dagster_project.running.generation.asks import KeyedAsks
from dagster_project.running.generation.state import GenerationRun, Wanted
from resources.engines.protocol import EngineRequest
from resources.requests.key import seed_base

LEDGER = pa.schema(
    [
        ("batch", pa.int32()),
        ("row", pa.int64()),  # place of the asking row in its table: rows come out in this order, whatever the batches
        ("position", pa.int64()),
        ("row_id", ID),
        ("slot", pa.string()),
        ("sample_index", pa.int32()),
        ("request_key", ID),
        ("is_to_do", pa.bool_()),
    ]
)


@dataclass(frozen=True, slots=True)
class Wave:
    """One wave, counted."""

    number: int
    ledger: Path
    asks: int
    """Samples that its rows asked for."""
    to_do: int
    """Distinct requests to ask."""
    batches: frozenset[int]
    """Batches that hold such requests: the others are not even rendered again."""


def count_wave(run: GenerationRun, number: int, asked: Iterable[KeyedAsks], session: duckdb.DuckDBPyConnection) -> Wave:
    """Write the ledger of wave ``number`` and add it to the counts of the run."""
    path = run.scratch / f"ledger-{number}.parquet"
    total = stored = given_up = missing = 0
    batches: set[int] = set()
    with pq.ParquetWriter(path, LEDGER) as ledger:
        for part in asked:
            keys = part.flat_keys
            to_do, is_given_up = _missing(run, keys)
            ledger.write_table(_ledger_rows(run, part, to_do))
            total += len(keys)
            given_up += is_given_up
            missing += int(to_do.sum())
            stored += len(keys) - is_given_up - int(to_do.sum())
            if to_do.any():
                batches.add(part.batch.number)
    run.ledgers.append(path)
    distinct = _distinct(session, path) if missing else 0
    run.counts.total += total
    run.counts.given_up += given_up
    run.counts.to_do += distinct
    run.counts.reused += stored + missing - distinct  # what a second row asks for again is answered once
    return Wave(number, path, total, distinct, frozenset(batches))


def requests_to_do(run: GenerationRun, wave: Wave, asked: Iterable[KeyedAsks]) -> Iterator[Wanted]:
    """The requests of ``wave`` that are still missing when they are pulled; runs of indices as one request each."""
    for part in asked:
        if part.batch.number not in wave.batches:
            continue
        keys = part.flat_keys
        to_do, _ = _missing(run, keys)
        wanted = {key for key, is_wanted in zip(keys, to_do, strict=True) if is_wanted} - run.in_flight
        for ask, base, row in zip(part.asks, part.bases, part.keys, strict=True):
            for first, last in _runs(row, wanted):
                number = next(run.numbers)
                start, count = ask.first + first, last - first
                request = EngineRequest(number, ask.prompt, ask.sampling, seed_base(base), start, count)
                yield Wanted(request, row[first:last])


def _missing(run: GenerationRun, keys: Sequence[bytes]) -> tuple[np.ndarray, int]:
    """Which of ``keys`` are to be asked, and how many are given up."""
    to_do = ~run.requests.known(keys)
    if not to_do.any():
        return to_do, 0
    attempts = run.requests.failed_attempts([key for key, is_missing in zip(keys, to_do, strict=True) if is_missing])
    given_up = 0
    for at in np.flatnonzero(to_do).tolist() if attempts or run.failed_here else ():
        key = keys[at]
        if key in run.failed_here:  # failed in an earlier wave of this build: the next build asks again
            to_do[at] = False
        elif attempts.get(key, 0) >= run.policy.max_attempts:
            to_do[at] = False
            given_up += 1
    return to_do, given_up


def _runs(keys: Sequence[bytes], wanted: set[bytes]) -> Iterator[tuple[int, int]]:
    """Runs [first, last) of places whose keys are wanted; each key once, also when a later row has it too."""
    index = 0
    while index < len(keys):
        first = index
        while index < len(keys) and keys[index] in wanted:
            wanted.discard(keys[index])
            index += 1
        if index > first:
            yield first, index
        else:
            index += 1


def _distinct(session: duckdb.DuckDBPyConnection, path: Path) -> int:
    relation = session.sql(
        "select count(distinct request_key) from read_parquet($path) where is_to_do",
        params={"path": str(path.resolve())},
    )
    return int(relation.fetchall()[0][0])


def _ledger_rows(run: GenerationRun, part: KeyedAsks, to_do: np.ndarray) -> pa.Table:
    counts = [len(keys) for keys in part.keys]
    total = sum(counts)
    ids = part.batch.rows.column(run.kind.row_id).combine_chunks().storage.to_pylist()
    places = {row_id: part.batch.start + i for i, row_id in reversed(list(enumerate(ids)))}
    each = list(zip(part.asks, counts, strict=True))
    return pa.Table.from_arrays(
        [
            pa.array(itertools.repeat(part.batch.number, total), pa.int32(), size=total),
            pa.array([places[ask.row_id] for ask, n in each for _ in range(n)], pa.int64()),
            pa.array(itertools.islice(run.position, total), pa.int64(), size=total),
            id_array([ask.row_id for ask, n in each for _ in range(n)]),
            pa.array([ask.slot for ask, n in each for _ in range(n)], pa.string()),
            pa.array([ask.first + i for ask, n in each for i in range(n)], pa.int32()),
            id_array(part.flat_keys),
            pa.array(to_do),
        ],
        schema=LEDGER,
    )
