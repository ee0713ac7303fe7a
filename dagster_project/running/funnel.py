"""Counting what a stage did: rows in, rows out, rejects by rule; and histograms. One scan each, in DuckDB."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import duckdb

from dagster_project.language.resolved import Stage

BINS = 20
"""Most bars of a histogram: enough to see a shape in the UI."""


def measure(
    session: duckdb.DuckDBPyConnection, stage: Stage, written: Mapping[str, tuple[list[Path], int]]
) -> dict[str, Any]:
    """Rows in per formal input, rows out, and rejects per rule (most first)."""
    rows_in = {formal: _count(session, formal) for formal, refs in stage.inputs.items() if refs}
    rejected: dict[str, int] = {}
    if "rejects" in written:
        query = "select rule, count(*) from out_rejects group by 1 order by 2 desc, 1"
        rejected = {str(rule): int(n) for rule, n in session.sql(query).fetchall()}
    return {"main": stage.kind.law.input, "rows_in": rows_in, "rows_out": written["rows"][1], "rejected": rejected}


def _count(session: duckdb.DuckDBPyConnection, view: str) -> int:
    row = session.sql(f'select count(*) from "{view}"').fetchall()[0]  # noqa: S608 - a declared formal input
    return int(row[0])


def histogram(session: duckdb.DuckDBPyConnection, column: str) -> list[list[Any]]:
    """[label, count] pairs of a column of the output: one bar a value while there are few, equal ranges otherwise."""
    name = '"' + column.replace('"', '""') + '"'
    values = f"select {name} as v from out_rows where {name} is not null"  # noqa: S608 - a column of the contract
    few = session.sql(f"select v, count(*) from ({values}) group by 1 order by 1 limit {BINS + 1}").fetchall()  # noqa: S608
    if len(few) <= BINS:
        return [[str(v), int(n)] for v, n in few]
    low, high = session.sql(f"select min(v)::double, max(v)::double from ({values})").fetchall()[0]  # noqa: S608
    width = (high - low) / BINS
    query = f"""
        select least(floor((v - $low) / $width), $last)::int as bin, count(*)
        from ({values}) group by 1 order by 1
    """  # noqa: S608
    counts = dict(session.sql(query, params={"low": low, "width": width, "last": BINS - 1}).fetchall())
    return [[f"{low + i * width:.0f}", int(counts.get(i, 0))] for i in range(BINS)]
