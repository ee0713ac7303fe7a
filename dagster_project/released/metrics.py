"""Figures of a release beside those of another: of the largest split, from its provenance."""

from __future__ import annotations

from collections.abc import Mapping

import duckdb

from assets.release.difference import Metric
from assets.release.folder_reading import Release, first_column
from dagster_project.explorer.access import parquet
from dagster_project.released.joined import count_of, run

_FIGURES: Mapping[str, tuple[tuple[str, ...], str]] = {
    "unique problems": (("problem_id",), "count(distinct problem_id)"),
    "mean share of votes": (("votes", "n_valid"), "avg(votes / nullif(n_valid, 0))"),
    "rows with a majority of votes": (
        ("votes", "n_valid"),
        "count(*) filter (2 * votes > n_valid) / nullif(count(votes), 0)",
    ),
    "mean tokens": (("tokens",), "avg(tokens)"),
    "95 % of rows have at most tokens": (("tokens",), "quantile_disc(tokens, 0.95)"),
    "rows trimmed": (("is_trimmed",), "avg(is_trimmed::integer)"),
}
"""Name -> columns that it needs, and its SQL. Shares are 0 to 1; rows without votes (seeds) have no share."""


def compare_metrics(session: duckdb.DuckDBPyConnection, old: Release, new: Release) -> list[Metric]:
    """Rows of every split, then the figures of the largest split of each."""
    found = [
        Metric(f"rows of {split}", *(_rows(release, split) for release in (old, new)))
        for split in dict.fromkeys([*new.data, *old.data])
    ]
    before, after = (_figures(session, release) for release in (old, new))
    figures = [Metric(name, before.get(name), after.get(name)) for name in _FIGURES]
    return found + [metric for metric in figures if metric.old is not None or metric.new is not None]


def largest_split(release: Release) -> str:
    """Of equal ones the first."""
    return max(release.data, key=lambda split: count_of(release.data[split]))


def _rows(release: Release, split: str) -> float | None:
    return float(count_of(release.data[split])) if split in release.data else None


def _figures(session: duckdb.DuckDBPyConnection, release: Release) -> dict[str, float | None]:
    origins = release.provenance.get(largest_split(release))
    if not origins:
        return {}
    wanted = {n: sql for n, (columns, sql) in _FIGURES.items() if all(first_column(origins, (c,)) for c in columns)}
    if not wanted:
        return {}
    [row] = run(session, f"select {', '.join(wanted.values())} from {parquet(origins)}")
    return {name: None if value is None else float(value) for name, value in zip(wanted, row, strict=True)}
