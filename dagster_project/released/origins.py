"""What provenance says of the rows that differ: temp table ``facts``, and ``open``, those that still lack a cause."""

from __future__ import annotations

from collections.abc import Sequence

import duckdb

from assets.release.folder_reading import SOURCES, Release, first_column
from dagster_project.explorer.access import parquet
from dagster_project.released.joined import run
from resources.sql import quote_name

_IDS = ("problem_id", "solution_id", "parent_id", "seed_problem_id")

_FACTS = """
create or replace temp table facts as
select
    u.key,
    u.fate,
    coalesce(n.source, o.source, '') as source,
    coalesce(n.problem_id, o.problem_id) as problem,
    coalesce(n.stage, o.stage) as stage,
    coalesce(n.sample_index, o.sample_index) as sample,
    o.solution_id as old_solution,
    n.solution_id as new_solution,
    coalesce(n.parent_id, o.parent_id) as parent,
    coalesce(n.seed_problem_id, o.seed_problem_id) as seed_problem,
    coalesce(n.seed_source, o.seed_source) as seed_source,
    coalesce(n.solution_text, o.solution_text) as row_id,
from units as u
left join ({old}) as o on o.split = u.old_split and o.line = u.old_line
left join ({new}) as n on n.split = u.new_split and n.line = u.new_line
"""


def read_facts(
    session: duckdb.DuckDBPyConnection, old: Release, new: Release, names: Sequence[str], *, by_origin: bool
) -> None:
    """Make ``facts``: one row for each row of ``units``. ``names``: all splits, by their numbers in ``units``."""
    sides = {}
    for side, release in (("old", old), ("new", new)):
        # Rows of nested splits stand in the first of them: the others are not read again.
        needed = {row[0] for row in run(session, f"select distinct {side}_split from units")}
        selects = [
            _of_split(release, i, split, by_origin)
            for i, split in enumerate(names)
            if i in needed and split in release.data
        ]
        sides[side] = " union all ".join(selects) or _of_nothing()
    run(session, _FACTS.format(**sides))


def _of_split(release: Release, number: int, split: str, by_origin: bool) -> str:
    paths = release.data[split]
    name = first_column(paths, SOURCES)
    source = f"d.{quote_name(name)}::varchar" if name else "null::varchar"
    relation = f"{parquet(paths)} as d"
    columns = {"source": source} | dict.fromkeys(_IDS, "null::uuid")
    columns |= {"stage": "null::varchar", "sample_index": "null::integer", "seed_source": "null::varchar"}
    columns["solution_text"] = f"concat('{split.replace(chr(39), chr(39) * 2)}:', row_number() over () - 1)"
    if by_origin:
        origins = release.provenance[split]
        relation = f"{relation} positional join {parquet(origins)} as p"
        for column in (*_IDS, "stage", "sample_index", "seed_source"):
            if first_column(origins, (column,)):
                kind = "uuid" if column in _IDS else "integer" if column == "sample_index" else "varchar"
                columns[column] = f"try_cast(p.{column} as {kind})"
        if first_column(origins, ("solution_id",)):
            columns["solution_text"] = "p.solution_id::varchar"
    chosen = ", ".join(f"{sql} as {name}" for name, sql in columns.items())
    return f"select {number} as split, row_number() over () - 1 as line, {chosen} from {relation}"


def _of_nothing() -> str:
    ids = ", ".join(f"null::uuid as {name}" for name in _IDS)
    return (
        f"select null::integer as split, null::bigint as line, null::varchar as source, {ids}, null::varchar as stage, "
        "null::integer as sample_index, null::varchar as seed_source, null::varchar as solution_text where false"
    )
