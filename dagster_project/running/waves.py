"""Running a generation stage: waves of requests, each asked for once, then rows made of what came back.

The stage's rows stream past twice or more, a batch at a time: once per wave to make requests (those in the store are
skipped, the rest go to the engine as it has room), once to finish. Which row asked for what lies in a scratch file, so
memory is one batch, the requests in flight, and the key index of the request store.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from assets.kinds import Ask, GenerationKind, Table
from assets.schemas import COMPLETED, ID, REQUEST, id_array
from dagster_project.language.resolved import Stage
from dagster_project.running.interrupts import Drain, draining
from dagster_project.running.outcome import Progress, RequestCounts
from dagster_project.running.workspace import Workspace
from resources.engines.protocol import Engine, EngineRequest, EngineResult
from resources.errors import EngineError
from resources.requests.key import base_key, sample_keys, seed_base
from resources.requests.records import record_of
from resources.requests.store import RequestStore
from resources.store import Staging

MIN_FOR_SHARE = 20
"""Results before the failure share can stop a stage: a bad start of three requests proves nothing."""
PROGRESS_S = 0.2
"""Seconds between two progress reports."""

LEDGER = pa.schema(
    [
        ("batch", pa.int32()),
        ("row", pa.int64()),  # place of the asking row in its table: rows come out in this order, whatever the batches
        ("position", pa.int64()),
        ("row_id", ID),
        ("slot", pa.string()),
        ("sample_index", pa.int32()),
        ("request_key", ID),
    ]
)


@dataclass(slots=True)
class _Open:
    """A request at the engine: the keys of its samples, by sample index."""

    keys: Mapping[int, bytes]


@dataclass(slots=True)
class _Run:
    """State of one generation stage while it runs."""

    workspace: Workspace
    stage: Stage
    kind: GenerationKind
    table: Table
    scratch: Path
    progress: Progress
    weights: str
    max_attempts: int
    max_failure_share: float
    batch_rows: int
    counts: RequestCounts = field(default_factory=RequestCounts)
    open: dict[int, _Open] = field(default_factory=dict)
    in_flight: set[bytes] = field(default_factory=set)
    numbers: Iterator[int] = field(default_factory=itertools.count)
    ledgers: list[Path] = field(default_factory=list)
    position: Iterator[int] = field(default_factory=itertools.count)
    reported: float = 0.0

    @property
    def requests(self) -> RequestStore:
        return self.workspace.requests

    @property
    def where(self) -> str:
        return f"{self.workspace.recipe.name}/{self.stage.name}"

    def batches(self) -> Iterator[tuple[int, pa.Table]]:
        """Input rows, ``batch_rows`` at a time, numbered."""
        for number, batch in enumerate(self.table.batches(size=self.batch_rows)):
            yield number, pa.Table.from_batches([batch])

    def places(self, rows: pa.Table, start: int) -> dict[bytes, int]:
        """Row id -> place in the stage's table, for one batch that begins at ``start``."""
        ids = rows.column(self.kind.row_id).combine_chunks().storage.to_pylist()
        return {row_id: start + i for i, row_id in reversed(list(enumerate(ids)))}


def run_waves(
    workspace: Workspace,
    stage: Stage,
    inputs: Mapping[str, Sequence[Table]],
    session: duckdb.DuckDBPyConnection,
    staging: Staging,
    scratch: Path,
    progress: Progress,
    facts: dict[str, Any],
) -> RequestCounts:
    """Ask for what is missing, then write rows, rejects and the ledger. Returns what was asked and reused.

    Raises:
        EngineError: The engine cannot start or died, or too large a share of requests failed. What was answered is
            stored and will not be asked for again.
    """
    kind = stage.kind
    assert isinstance(kind, GenerationKind)
    assert stage.role is not None
    settings = stage.settings
    run = _Run(
        workspace,
        stage,
        kind,
        inputs[kind.main_input][0],
        scratch,
        progress,
        weights=workspace.roles.weights_id(stage.role),
        max_attempts=getattr(settings, "max_attempts", 3),
        max_failure_share=getattr(settings, "max_failure_share", 0.05),
        batch_rows=getattr(settings, "batch_rows", 256),
    )
    try:
        for wave in range(kind.waves):
            if not _wave(run, wave, session):
                break
    finally:
        run.requests.flush()
    run.requests.seal()
    _finish(run, session, staging, facts)
    return run.counts


# -- asking ----------------------------------------------------------------------------------------------------------


def _wave(run: _Run, wave: int, session: duckdb.DuckDBPyConnection) -> bool:
    """One wave over the whole stage. False when no row asked for anything."""
    before = run.counts.total
    path = run.scratch / f"ledger-{wave}.parquet"
    with pq.ParquetWriter(path, LEDGER) as ledger:
        missing = _missing(run, _asks(run, wave, session), ledger)
        first = next(missing, None)
        if first is not None:
            assert run.stage.role is not None
            run.progress.note(run.stage.name, f"starting engine for role {run.stage.role!r}")
            engine = run.workspace.roles.started(run.stage.role)
            started = time.monotonic()
            with draining() as drain:
                _answer(run, engine, drain, itertools.chain([first], missing))
            run.counts.engine_seconds += time.monotonic() - started
    run.ledgers.append(path)
    run.progress.requests(run.stage.name, run.counts)
    return run.counts.total > before


def _answer(run: _Run, engine: Engine, drain: Drain, requests: Iterator[EngineRequest]) -> None:
    """Store each result as it comes; after Ctrl-C those under way, as long as ``drain`` waits."""
    is_said = False
    for result in engine.stream(drain.until_asked(requests)):
        if result is not None:
            _store(run, result)
        if drain.is_asked and not is_said:
            is_said = True
            run.progress.note(run.stage.name, "interrupted: waiting for answers under way; Ctrl-C again ends now")
        if drain.is_over:
            return


def _asks(run: _Run, wave: int, session: duckdb.DuckDBPyConnection) -> Iterator[tuple[int, pa.Table, Sequence[Ask]]]:
    if wave == 0:
        for number, rows in run.batches():
            none = COMPLETED.empty_table()
            yield number, rows, run.kind.next_requests(rows, none, run.stage.settings, run.workspace.prompts)
        return
    run.requests.seal()
    for number, rows, completed in _rows_with_completions(run, session):
        yield number, rows, run.kind.next_requests(rows, completed, run.stage.settings, run.workspace.prompts)


def _missing(
    run: _Run, waves: Iterator[tuple[int, pa.Table, Sequence[Ask]]], ledger: pq.ParquetWriter
) -> Iterator[EngineRequest]:
    """Write every asked sample to the ledger; yield what the store does not hold, runs of indices as one request."""
    start = 0
    for batch, rows, asks in waves:
        places = run.places(rows, start)
        start += rows.num_rows
        if not asks:
            continue
        bases = [base_key(run.weights, ask.prompt, ask.sampling, ask.salt) for ask in asks]
        keys = [sample_keys(base, ask.first, ask.count, ask.sampling) for base, ask in zip(bases, asks, strict=True)]
        ledger.write_table(_ledger_rows(run, batch, places, asks, keys))
        flat = [key for row in keys for key in row]
        known = run.requests.known(flat)
        attempts = run.requests.failed_attempts(
            [key for key, is_known in zip(flat, known, strict=True) if not is_known]
        )
        run.counts.total += len(flat)
        wanted = {
            key
            for key, is_known in zip(flat, known, strict=True)
            if not is_known and key not in run.in_flight and attempts.get(key, 0) < run.max_attempts
        }
        run.counts.reused += int(known.sum())
        for ask, base, row in zip(asks, bases, keys, strict=True):
            yield from _requests_of(run, ask, base, row, wanted)


def _requests_of(
    run: _Run, ask: Ask, base: bytes, keys: Sequence[bytes], wanted: set[bytes]
) -> Iterator[EngineRequest]:
    index = 0
    while index < len(keys):
        start = index
        while index < len(keys) and keys[index] in wanted:
            wanted.discard(keys[index])  # the same prompt from a second row is asked once
            run.in_flight.add(keys[index])
            index += 1
        if index > start:
            number = next(run.numbers)
            run.open[number] = _Open({ask.first + i: keys[i] for i in range(start, index)})
            run.counts.asked += index - start
            yield EngineRequest(number, ask.prompt, ask.sampling, seed_base(base), ask.first + start, index - start)
        else:
            index += 1


def _ledger_rows(
    run: _Run, batch: int, places: Mapping[bytes, int], asks: Sequence[Ask], keys: Sequence[Sequence[bytes]]
) -> pa.Table:
    counts = [len(row) for row in keys]
    total = sum(counts)
    return pa.Table.from_arrays(
        [
            pa.array(itertools.repeat(batch, total), pa.int32(), size=total),
            pa.array([places[ask.row_id] for ask, n in zip(asks, counts, strict=True) for _ in range(n)], pa.int64()),
            pa.array(itertools.islice(run.position, total), pa.int64(), size=total),
            id_array([ask.row_id for ask, n in zip(asks, counts, strict=True) for _ in range(n)]),
            pa.array([ask.slot for ask, n in zip(asks, counts, strict=True) for _ in range(n)], pa.string()),
            pa.array([ask.first + i for ask, n in zip(asks, counts, strict=True) for i in range(n)], pa.int32()),
            id_array([key for row in keys for key in row]),
        ],
        schema=LEDGER,
    )


def _store(run: _Run, result: EngineResult) -> None:
    """Journal one result before anything else happens with it."""
    waiting = run.open[result.number]
    key = waiting.keys[result.sample_index]
    assert run.stage.role is not None
    engine = run.workspace.recipe.roles[run.stage.role].engine
    run.requests.record(record_of(key, result, engine=engine, weights=run.weights))
    if result.failure is None:
        run.counts.completed += 1
        run.counts.prompt_tokens += result.prompt_tokens or 0
        run.counts.completion_tokens += result.completion_tokens or 0
    else:
        run.counts.failed += 1
    run.in_flight.discard(key)
    remaining = {i: k for i, k in waiting.keys.items() if i != result.sample_index}
    if remaining:
        waiting.keys = remaining
    else:
        del run.open[result.number]
    _watch(run, result)


def _watch(run: _Run, result: EngineResult) -> None:
    now = time.monotonic()
    if now - run.reported > PROGRESS_S:
        run.reported = now
        run.progress.requests(run.stage.name, run.counts)
    done = run.counts.completed + run.counts.failed
    if result.failure is not None and done >= MIN_FOR_SHARE and run.counts.failed / done > run.max_failure_share:
        raise EngineError(
            f"{run.counts.failed} of {done} requests failed, more than max_failure_share = {run.max_failure_share}; "
            f"the last reason: {result.failure[:200]}",
            where=run.where,
            fix="Mend the cause and run again: the completions so far are stored and will not be asked for again",
            retryable=True,
        )


# -- finishing -------------------------------------------------------------------------------------------------------


def _rows_with_completions(run: _Run, session: duckdb.DuckDBPyConnection) -> Iterator[tuple[int, pa.Table, pa.Table]]:
    """Each batch of rows with all its completions so far, in the order in which they were asked for."""
    with run.workspace.completions_session(run.scratch) as other:
        stream = _completed_batches(run, other)
        waiting = next(stream, None)
        for number, rows in run.batches():
            mine = COMPLETED.empty_table()
            if waiting is not None and waiting[0] == number:
                mine = waiting[1]
                waiting = next(stream, None)
            yield number, rows, mine


def _completed_batches(run: _Run, session: duckdb.DuckDBPyConnection) -> Iterator[tuple[int, pa.Table]]:
    """(batch number, COMPLETED rows), batch by batch. DuckDB joins and sorts (and spills); here is one batch."""
    text = "c.text" if run.kind.reads_text else "null::varchar"
    relation = session.sql(
        f"""
        select l.batch, l.request_key, l.row_id, l.slot, l.sample_index,
            case when c.request_key is not null then 'completed'
                when f.is_permanent or f.attempts >= $max_attempts then 'rejected' else 'failed' end as status,
            case when c.request_key is null then coalesce(f.reason, 'not answered') end as reason,
            {text} as text, c.text_hash, c.finish_reason, c.prompt_tokens, c.completion_tokens
        from read_parquet($ledgers) as l
        left join completions as c using (request_key)
        left join (
            select request_key, count(*) as attempts, bool_or(is_permanent) as is_permanent,
                arg_max(reason, stored_at_ns) as reason
            from failures group by 1
        ) as f using (request_key)
        order by l.row, l.position
        """,  # noqa: S608 - one of two fixed words
        params={"max_attempts": run.max_attempts, "ledgers": [str(p.resolve()) for p in run.ledgers]},
    )
    current: int | None = None
    pieces: list[pa.Table] = []
    for batch in relation.to_arrow_reader(65_536):
        table = pa.Table.from_batches([batch])
        numbers = table.column("batch").to_numpy()
        starts = [0, *(i + 1 for i in range(len(numbers) - 1) if numbers[i] != numbers[i + 1]), len(numbers)]
        for start, end in itertools.pairwise(starts):
            if end == start:
                continue
            number = int(numbers[start])
            if current is not None and number != current:
                yield current, pa.concat_tables(pieces).select(COMPLETED.names)
                pieces = []
            current = number
            pieces.append(table.slice(start, end - start))
    if current is not None:
        yield current, pa.concat_tables(pieces).select(COMPLETED.names)


def _finish(run: _Run, session: duckdb.DuckDBPyConnection, staging: Staging, facts: dict[str, Any]) -> None:
    tokens: dict[str, int] = {"prompt": 0, "completion": 0}
    statuses: dict[str, int] = {}
    for _, rows, completed in _rows_with_completions(run, session):
        tables = run.kind.finish(rows, completed, run.stage.settings, run.stage.name)
        for name, table in tables.items():
            staging.writers[name].write(table)
        staging.writers["requests"].write(completed.select(REQUEST.names))
        for status in completed.column("status").to_pylist():
            statuses[status] = statuses.get(status, 0) + 1
        for word in tokens:
            tokens[word] += sum(n or 0 for n in completed.column(f"{word}_tokens").to_pylist())
    facts["requests"] = {**statuses, "prompt_tokens": tokens["prompt"], "completion_tokens": tokens["completion"]}
    run.counts.failed = statuses.get("failed", 0)
