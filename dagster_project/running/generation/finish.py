"""From the ledger and the request store to rows: each batch of input rows with all its completions, in order.

Memory: one batch of rows and its completions, and 16 bytes a request for the choice of files; DuckDB joins, sorts and
spills within its own limit.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from assets.schemas import COMPLETED, REQUEST
from dagster_project.running.generation.asks import Batch, batches
from dagster_project.running.generation.state import GenerationRun
from dagster_project.running.histograms import TokenHistogram
from dagster_project.running.request_keys import request_keys
from resources.store import Staging

_READ_ROWS = 65_536

_COMPLETED = """
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
"""


def rows_with_completions(run: GenerationRun, *, waves: int | None = None) -> Iterator[tuple[Batch, pa.Table]]:
    """Each batch with its completions (schema COMPLETED), in the order in which they were asked for.

    ``waves``: only what the first so many waves asked for (default: all).
    """
    ledgers = run.ledgers[:waves]
    with run.workspace.completions_session(run.scratch, request_keys(ledgers)) as session:
        stream = _completed_batches(run, session, ledgers)
        waiting = next(stream, None)
        for batch in batches(run.stage, run.table):
            mine = COMPLETED.empty_table()
            if waiting is not None and waiting[0] == batch.number:
                mine = waiting[1]
                waiting = next(stream, None)
            yield batch, mine


def finish(run: GenerationRun, staging: Staging, facts: dict[str, Any]) -> None:
    """Write rows, rejects and the ledger; put the counts of the version (not of this build) into ``facts``."""
    statuses: dict[str, int] = {}
    tokens = {word: TokenHistogram() for word in ("prompt", "completion")}
    for batch, completed in rows_with_completions(run):
        tables = run.kind.finish(batch.rows, completed, run.stage.settings, run.stage.name)
        for name, table in tables.items():
            staging.writers[name].write(table)
        staging.writers["requests"].write(completed.select(REQUEST.names))
        for counted in completed.column("status").value_counts().to_pylist():
            statuses[counted["values"]] = statuses.get(counted["values"], 0) + counted["counts"]
        for word, histogram in tokens.items():
            histogram.add(completed.column(f"{word}_tokens"))
    facts["requests"] = {
        **dict(sorted(statuses.items())),
        **{f"{word}_tokens": histogram.total for word, histogram in tokens.items()},
    }
    shown = {f"{word} tokens": histogram.bars() for word, histogram in tokens.items() if histogram.count}
    if run.trial is not None:
        for name, table in run.trial.tables.items():
            staging.writers[name].write(table)
        facts |= run.trial.facts
    if shown:
        facts["histograms"] = {**facts.get("histograms", {}), **shown}


def _completed_batches(
    run: GenerationRun, session: duckdb.DuckDBPyConnection, ledgers: Sequence[Path]
) -> Iterator[tuple[int, pa.Table]]:
    """(batch number, COMPLETED rows), batch by batch."""
    relation = session.sql(
        _COMPLETED.format(text="c.text" if run.kind.reads_text else "null::varchar"),
        params={"max_attempts": run.policy.max_attempts, "ledgers": [str(path.resolve()) for path in ledgers]},
    )
    current: int | None = None
    pieces: list[pa.Table] = []
    for batch in relation.to_arrow_reader(_READ_ROWS):
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
