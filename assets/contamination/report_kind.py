"""``contamination/report``: what was found and what became of it, as tables that are released with the dataset.

Reads what the other stages of this station decided and decides nothing. Memory: DuckDB's, which spills.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

import duckdb
import pyarrow as pa

from assets.contamination import report
from assets.contamination.calibration import CALIBRATED
from assets.kinds import Input, Job, Law, Settings, TableKind, Writer
from assets.schemas import BENCHMARK, FIGURE, ID, JUDGED, MATCH, NEIGHBOUR, OVERLAP, PROBLEM, REJECT
from resources.sql import sql_errors

_BATCH = 8192
_TEXTS = pa.schema([PROBLEM.field(name) for name in ("problem_id", "problem", "problem_source")])
_SOLVED = pa.schema([pa.field("problem_id", ID)])


class Report(TableKind):
    """Each removed problem once, with the benchmark problem; seeds that share words; counts."""

    name = "contamination/report"
    version = 1
    description = "Tells which problems a benchmark has too, how that was found, and how often."
    inputs: ClassVar[Mapping[str, Input]] = {
        "removed": Input(REJECT, "Rejects of the stage that decided."),
        "problems": Input(_TEXTS, "The problems that were compared."),
        "benchmarks": Input(BENCHMARK, "Benchmark problems.", many=True),
        "overlaps": Input(OVERLAP, "What words each problem shares with benchmarks."),
        "neighbours": Input(NEIGHBOUR, "The nearest benchmark problems.", optional=True),
        "judged": Input(JUDGED, "Verdicts.", optional=True),
        "calibration": Input(CALIBRATED, "What the judge said of our own pairs.", optional=True),
        "seeds": Input(_TEXTS, "Seeds, which are compared and stay.", optional=True),
        "seed_overlaps": Input(OVERLAP, "What words each seed shares with benchmarks.", optional=True),
        "solutions": Input(_SOLVED, "Solutions that exist already.", many=True, optional=True),
    }
    law = Law("map", input="removed", id="id", out_id="problem_id")

    def outputs(self, settings: Settings) -> Mapping[str, pa.Schema]:
        """Removed problems; seeds; counts."""
        return {"rows": MATCH, "seeds": MATCH, "figures": FIGURE}

    def run(self, job: Job) -> None:
        """Join by ids, then write the three tables."""
        with sql_errors(f"{job.recipe}/{job.stage}"):
            for statement in report.PREPARE:
                job.session.execute(statement)
            _write(job.session.sql(report.MATCHES), MATCH, job.writers["rows"])
            _write(job.session.sql(report.SEED_MATCHES), MATCH, job.writers["seeds"])
            figures = pa.concat_tables([_figure(job.session, *query) for query in report.FIGURES])
        job.writers["figures"].write(figures)
        job.facts["contamination"] = summary(figures.to_pylist())


def summary(figures: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """The few numbers that a person wants to see first, in words. ``figures``: rows of FIGURE."""
    found = {name: _sum(figures, name) for name in (report.BENCHMARK_PROBLEMS, report.COMPARED, report.REMOVED)}
    for row in _of(figures, report.REMOVED):
        for words in (f"removed by {row['outcome']}", f"removed, in {row['benchmark']}"):
            found[words] = found.get(words, 0) + row["count"]
    for size in (*map(str, report.SIZES), "exact"):
        for name in (report.SHARE_WORDS, report.SEEDS_SHARE_WORDS):
            words = f"{name}: {size if size == 'exact' else f'{size} in a row'}"
            found[words] = sum(row["count"] for row in _of(figures, name) if row["bound"] == size)
    for row in _of(figures, report.PAIRS):
        if row["outcome"] != "not judged":
            words = f"pairs judged {row['outcome']}"
            found[words] = found.get(words, 0) + row["count"]
    found[report.SOLUTIONS] = _sum(figures, report.SOLUTIONS)
    return found


def _of(figures: Sequence[Mapping[str, Any]], name: str) -> Iterator[Mapping[str, Any]]:
    return (row for row in figures if row["figure"] == name)


def _sum(figures: Sequence[Mapping[str, Any]], name: str) -> int:
    return sum(row["count"] for row in _of(figures, name))


def _figure(session: duckdb.DuckDBPyConnection, name: str, query: str, params: Mapping[str, object]) -> pa.Table:
    found = session.sql(query, params={"figure": name, **params}).to_arrow_table()
    return pa.table([found.column(field.name).cast(field.type) for field in FIGURE], schema=FIGURE)


def _write(relation: duckdb.DuckDBPyRelation, schema: pa.Schema, writer: Writer) -> None:
    for batch in relation.to_arrow_reader(_BATCH):
        writer.write(pa.table([batch.column(field.name).cast(field.type) for field in schema], schema=schema))
