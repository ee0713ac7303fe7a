"""Which rows of the files answer which requests: a join in DuckDB, then request keys, and what the store has already.

Nothing is stored here. The result is a Parquet file of (row, request key) in the order of the rows, so that the files
are read a second time from front to back. Memory: DuckDB's own limit, and one batch of ids.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from assets.schemas import ID, id_array
from dagster_project.completion_files.binding import Targets
from dagster_project.completion_files.columns import Match
from dagster_project.completion_files.naming import CompletionFile
from dagster_project.completion_files.rejects import Rejects
from resources.errors import FileError
from resources.requests.key import sample_key
from resources.requests.store import RequestStore
from resources.sql import sql_errors

PLAN = pa.schema([("n", pa.int64()), ("request_key", ID)])
READ_ROWS = 65_536

REASONS = {
    "key": "its request key is none of this stage's (other weights, prompt or sampling)",
    "problem": "no row of the stage has this problem",
    "prompt": "the stage sends no such prompt",
    "position": "the stage asks for nothing at this place (fewer rows, or a problem too long to be asked)",
}
AMBIGUOUS = "the stage asks with several prompts here: match by key or prompt"
OTHER_KEY = "its request key is another one than its row and sample have under these weights, prompts and settings"
REPEATED = "a row above answers the same request"

_BOUND = """
create temp table bound as
select match, count(distinct base) as bases, min(ask) as ask
from read_parquet($targets)
group by match
"""

_FOUND = """
create temp table found as
select
    s.n,
    s.file,
    s.line,
    s.request_key,
    b.bases,
    t.ask,
    t.base,
    t.sampling,
    t.first,
    t.samples,
    (s.checked <> t.checked) as is_other_problem,
    case
        when t.is_greedy then 0
        when t.sample_index is not null then t.sample_index
        when s.sample_index is not null then s.sample_index
        else $first_sample - 1 + row_number() over (partition by t.base, s.sample_index is null order by s.n)
    end as sample_index,
from read_parquet($samples) as s
left join bound as b on s.match = b.match
left join read_parquet($targets) as t on b.ask = t.ask and b.match = t.match and b.bases = 1
"""

_PLANNED = """
select
    n,
    file,
    line,
    request_key,
    base,
    sampling,
    sample_index,
    sample_index between first and first + samples - 1 as is_asked,
    case
        when bases is null then 'unmatched'
        when bases > 1 then 'ambiguous'
        when $limit is not null and sample_index >= $limit then 'beyond'
        when row_number() over (partition by base, sample_index, request_key order by n) > 1 then 'repeated'
        else 'bound'
    end as status,
from found
order by n
"""

_MISSING = """
select coalesce(sum(missing), 0)
from (select base, max(missing) as missing from read_parquet($targets) where sample_index is null group by base)
"""


@dataclass(slots=True)
class Counts:
    """Rows of the files by what becomes of them. All but ``to_ask`` add up to the rows that are completions."""

    bound: int = 0
    """Answer a request that no row above answers."""
    new: int = 0
    """Of them, not in the store yet."""
    already_stored: int = 0
    """Of them, in the store already: the first answer stays."""
    extra: int = 0
    """Of the new ones, beyond the samples that the stage asks for now: there when it asks for more."""
    beyond: int = 0
    """At or above the limit of --samples."""
    unmatched: int = 0
    repeated: int = 0
    to_ask: int = 0
    """Requests of the stage that have no answer, when the new ones are stored."""


@dataclass(frozen=True, slots=True)
class Bindings:
    """The Parquet files of both sides, and what is known of them."""

    targets: Targets
    targets_path: Path
    samples_path: Path
    files: Sequence[CompletionFile]
    match: Match
    first_sample: int = 0
    limit: int | None = None


def plan(
    session: duckdb.DuckDBPyConnection, bindings: Bindings, store: RequestStore, rejects: Rejects, path: Path
) -> Counts:
    """Bind rows to requests and write those that are new to ``path``, a file of :data:`PLAN`.

    Raises:
        FileError: Rows are matched by place, and one names another problem than the stage has there.
    """
    counts = Counts()
    with sql_errors("import of completions"):
        session.execute(_BOUND, {"targets": str(bindings.targets_path)})
        places = {"targets": str(bindings.targets_path), "samples": str(bindings.samples_path)}
        session.execute(_FOUND, {**places, "first_sample": bindings.first_sample})
        _check_problems(session, bindings)
        counts.to_ask = int(session.execute(_MISSING, {"targets": places["targets"]}).fetchall()[0][0])
        with pq.ParquetWriter(path, PLAN) as writer:
            for rows in _planned(session, bindings.limit):
                _sort_out(rows, bindings, store, rejects, counts, writer)
    counts.to_ask -= counts.new - counts.extra
    return counts


def _check_problems(session: duckdb.DuckDBPyConnection, bindings: Bindings) -> None:
    found = session.sql("select file, line from found where is_other_problem order by n limit 1").fetchall()
    if found:
        file, line = found[0]
        raise FileError(
            "the row names another problem than the stage has at its place, so line i is not row i",
            where=f"{bindings.files[file].path}:{line}",
            fix="Match by problem: --match problem",
        )


def _planned(session: duckdb.DuckDBPyConnection, limit: int | None) -> Iterator[list[dict[str, Any]]]:
    for batch in session.sql(_PLANNED, params={"limit": limit}).to_arrow_reader(READ_ROWS):
        columns = {
            name: (column.storage if isinstance(column, pa.ExtensionArray) else column).to_pylist()
            for name, column in zip(batch.schema.names, batch.columns, strict=True)
        }
        yield [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]


def _sort_out(
    rows: list[dict[str, Any]],
    bindings: Bindings,
    store: RequestStore,
    rejects: Rejects,
    counts: Counts,
    writer: pq.ParquetWriter,
) -> None:
    """One batch: reasons for what is not bound, request keys for what is, and which of them are new."""
    samplings = bindings.targets.samplings
    bound = []
    for row in rows:
        path = bindings.files[row["file"]].path
        match row["status"]:
            case "beyond":
                counts.beyond += 1
            case "repeated":
                counts.repeated += 1
                rejects.add("repeated", path, row["line"], REPEATED)
            case "bound":
                key = sample_key(row["base"], row["sample_index"], samplings[row["sampling"]])
                if row["request_key"] in (None, key):
                    bound.append((row["n"], key, row["is_asked"]))
                else:
                    counts.unmatched += 1
                    rejects.add("unmatched", path, row["line"], OTHER_KEY)
            case status:
                counts.unmatched += 1
                reason = AMBIGUOUS if status == "ambiguous" else REASONS[bindings.match]
                rejects.add("unmatched", path, row["line"], reason)
    known = store.known([key for _, key, _ in bound])
    new = [found for found, is_known in zip(bound, known, strict=True) if not is_known]
    counts.bound += len(bound)
    counts.already_stored += len(bound) - len(new)
    counts.new += len(new)
    counts.extra += sum(not is_asked for _, _, is_asked in new)
    numbers = pa.array([n for n, _, _ in new], pa.int64())
    writer.write_table(pa.Table.from_arrays([numbers, id_array([key for _, key, _ in new])], schema=PLAN))
