"""The trial of a stage: rows of the kind's own, asked and finished before any row of the stage is asked about.

A judge that cannot judge is found out for the price of a few requests, and not by what it did to the dataset. Requests
and answers of a trial are stored like all others; none of its rows reaches the stage.
Memory: the rows of the trial, some tens.
"""

from __future__ import annotations

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from assets.kinds import Table
from dagster_project.running.generation.finish import rows_with_completions
from dagster_project.running.generation.state import GenerationRun
from dagster_project.running.generation.waves import ask_in_waves


def run_trial(run: GenerationRun, session: duckdb.DuckDBPyConnection) -> None:
    """Ask about the kind's own rows, if it has some; leave in ``run.trial`` what is kept of it.

    Raises:
        MathloomError: The kind finds the model unfit, or the engine fails.
    """
    rows = run.kind.trial(run.stage.settings) if run.table.row_count else None
    if rows is None:
        return
    scratch = run.scratch / "trial"
    scratch.mkdir()
    path = scratch / "rows.parquet"
    pq.write_table(rows, path)
    table = Table("trial", rows.schema, [path], rows.num_rows)
    trial = GenerationRun(run.workspace, run.stage, table, scratch, run.progress, run.meter, counts=run.counts)
    run.progress.note(run.stage.name, f"a trial first, with {rows.num_rows} rows of the kind's own")
    ask_in_waves(trial, session)
    run.requests.seal()
    parts: dict[str, list[pa.Table]] = {}
    for batch, completed in rows_with_completions(trial):
        for name, made in run.kind.finish(batch.rows, completed, run.stage.settings, run.stage.name).items():
            parts.setdefault(name, []).append(made)
    made = {name: pa.concat_tables(tables) for name, tables in parts.items()}
    run.trial = run.kind.after_trial(rows, made, run.stage.settings, run.where)
