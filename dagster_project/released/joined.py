"""Rows of two releases joined: which came, went, changed, and which only moved to another split.

A row is the same in both if problem, stage and sample are the same; it changed if its text or expected answer is
another. Without provenance a row is its problem and its text: a changed text is then a row that went and one that came.
The join holds hashes and no text, 32 bytes a row, and spills; texts are read for the rows that are shown.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from assets.release.difference import Rows
from assets.release.folder_reading import EXPECTED_ANSWERS, SOLUTIONS, SOURCES, Release, first_column
from dagster_project.explorer.access import parquet
from resources.errors import ReleaseError
from resources.sql import quote_name

Ask = Callable[[str], Sequence[dict[str, Any]]]
"""Rows of a question in SQL."""

_NAMING = ("problem_id", "stage", "sample_index", "text_hash")

_NO_ROWS = "select null::uuid as key, null::ubigint as content, null::bigint as line where false"

CHANGE = """
case
    when o.key is null then 'added'
    when n.key is null then 'removed'
    when n.content <> o.content then 'changed'
    else 'same'
end
"""

_JOIN = """
(select key, content, line from {old} where split = {split}) as o
full outer join (select key, content, line from {new} where split = {split}) as n on n.key = o.key
"""

_UNITS = """
create or replace temp table units as
select
    c.key,
    o.first[1] as old_split,
    o.first[2] as old_line,
    n.first[1] as new_split,
    n.first[2] as new_line,
    case
        when o.key is null then 'added'
        when n.key is null then 'removed'
        when o.first[3] = n.first[3] then 'moved'
        else 'changed'
    end as fate,
from (select distinct key from changes) as c
left join (
    select key, min((split, line, content)) as first from old_rows where key in (select key from changes) group by key
) as o on o.key = c.key
left join (
    select key, min((split, line, content)) as first from new_rows where key in (select key from changes) group by key
) as n on n.key = c.key
"""
"""Changed rows, each once whatever splits it is in, with the first place of either side."""


@contextmanager
def readable(where: str) -> Iterator[None]:
    """Turn what DuckDB and pyarrow say of files that are no Parquet, or lack columns, into ReleaseError."""
    try:
        yield
    except (duckdb.Error, pa.ArrowException, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise  # of the disk, which the command line explains
        raise ReleaseError(
            f"a file of it cannot be read: {' '.join(str(error).split())[:300]}",
            where=where,
            fix="Download the release again, or build its stages again; the folder must be whole",
        ) from error


def run(session: duckdb.DuckDBPyConnection, sql: str, values: Mapping[str, Any] | None = None) -> list[tuple[Any, ...]]:
    """All rows of a statement. DuckDB refuses the next one while a result is not read to its end."""
    return session.execute(sql, dict(values or {})).fetchall()


def number(session: duckdb.DuckDBPyConnection, sql: str) -> int:
    """The one number that a question gives."""
    return int(run(session, sql)[0][0])


def has_origins(old: Release, new: Release) -> bool:
    """Whether rows can be told apart by their provenance: both must have it, with the columns that name a row."""
    return all(
        release.provenance and all(first_column(paths, (c,)) for paths in release.provenance.values() for c in _NAMING)
        for release in (old, new)
    )


def rows_of(release: Release, split: str, *, by_origin: bool) -> str:
    """SQL: key (16 bytes), content (a hash) and line, from 0, of the rows of one split; none if there is no such."""
    if split not in release.data:
        return _NO_ROWS
    paths = release.data[split]
    expected = _column(paths, ("expected_answer",))
    if by_origin:
        _check_aligned(release, split)
        key = "concat_ws(' ', p.problem_id, p.stage, p.sample_index)"
        content = f"hash(p.text_hash, {expected or chr(39) * 2})"
        relation = beside_origins(release, split)
    else:
        text = _column(paths, SOLUTIONS) or "''"
        key = f"concat({_column(paths, ('problem',)) or chr(39) * 2}, chr(0), {text})"
        content = f"hash({expected or chr(39) * 2})"
        relation = f"{parquet(paths)} as d"
    return f"select md5({key})::uuid as key, {content} as content, row_number() over () - 1 as line from {relation}"


def beside_origins(release: Release, split: str) -> str:
    """SQL of the rows of a split (``d``) beside their provenance (``p``)."""
    return f"{parquet(release.data[split])} as d positional join {parquet(release.provenance[split])} as p"


def join_releases(
    session: duckdb.DuckDBPyConnection, old: Release, new: Release, splits: Sequence[str]
) -> dict[str, Rows]:
    """Counts by split, of ``splits``; leaves the tables ``changes`` and ``units`` in the session.

    ``changes``: one row for each split (its number in ``splits``) and changed row: split, kind, key, both lines.
    ``units``: see above. Splits beyond ``splits`` are looked at too: a row that stays in one of them has only moved.
    """
    by_origin = has_origins(old, new)
    names = [*splits, *(s for s in [*new.data, *old.data] if s not in splits)]
    names = list(dict.fromkeys(names))
    for side, release in (("old_rows", old), ("new_rows", new)):
        selects = [
            f"select {i} as split, * from ({rows_of(release, s, by_origin=by_origin)})" for i, s in enumerate(names)
        ]
        run(session, f"create or replace temp table {side} as {' union all '.join(selects)}")
    counts = _counted(session, splits)
    if counts is None:
        _number_copies(session)
        counts = _counted(session, splits)
    if counts is None:
        raise ReleaseError(
            "the rows of both cannot be told apart",
            where=f"{old.folder} and {new.folder}",
            fix="Report this with both BUILD.json files",
        )
    run(
        session,
        "create or replace temp table changes "
        "(split integer, kind varchar, key uuid, old_line bigint, new_line bigint)",
    )
    for number, split in enumerate(splits):
        rows = counts[split]
        if rows.added or rows.removed or rows.changed:
            run(
                session,
                f"insert into changes select {number}, {CHANGE} as kind, coalesce(o.key, n.key), o.line, n.line "
                f"from {_JOIN.format(split=number, old='old_rows', new='new_rows')} where kind <> 'same'",
            )
    run(session, _UNITS)
    return counts


def texts_at(
    ask: Ask, release: Release, split: str, lines: Sequence[int | None], *, limit: int
) -> dict[int | None, dict[str, Any]]:
    """Rows of a split by number, texts cut to ``limit``: only the files, and in them the pages, that hold them.

    Each has line, problem, source, text, expected.
    """
    found: dict[int | None, dict[str, Any]] = {}
    wanted = sorted({line for line in lines if line is not None})
    first = 0
    for path in release.data.get(split, ()):
        count = pq.read_metadata(path).num_rows
        here = [line - first for line in wanted if first <= line < first + count]
        if here:
            columns = {
                "problem": f"left({_plain([path], ('problem',))}, {limit})",
                "source": _plain([path], SOURCES),
                "text": f"left({_plain([path], SOLUTIONS)}, {limit})",
                "expected": _plain([path], EXPECTED_ANSWERS[:1]),
            }
            chosen = ", ".join(f"{sql} as {name}" for name, sql in columns.items())
            rows = ask(
                f"select file_row_number as line, {chosen} from {parquet([path])} "
                f"where file_row_number in ({', '.join(str(line) for line in here)})"
            )
            found |= {row["line"] + first: row for row in rows}
        first += count
    return found


def asker(session: duckdb.DuckDBPyConnection) -> Ask:
    """Questions to a session, rows as dictionaries."""

    def ask(sql: str) -> list[dict[str, Any]]:
        result = session.execute(sql)
        names = [column[0] for column in result.description or ()]
        return [dict(zip(names, row, strict=True)) for row in result.fetchall()]

    return ask


def count_of(paths: Sequence[Path]) -> int:
    """Rows of Parquet files, from their ends."""
    return sum(pq.read_metadata(path).num_rows for path in paths)


def _counted(session: duckdb.DuckDBPyConnection, splits: Sequence[str]) -> dict[str, Rows] | None:
    """Counts of every split; None if a key stands for several rows."""
    found = {}
    totals = [dict(run(session, f"select split, count(*) from {t} group by split")) for t in ("old_rows", "new_rows")]
    for number, split in enumerate(splits):
        join = _JOIN.format(split=number, old="old_rows", new="new_rows")
        by_kind = dict(run(session, f"select {CHANGE} as kind, count(*) from {join} group by kind"))
        added, removed, changed, same = (int(by_kind.get(k, 0)) for k in ("added", "removed", "changed", "same"))
        old, new = (int(total.get(number, 0)) for total in totals)
        if (removed + changed + same, added + changed + same) != (old, new):
            return None
        found[split] = Rows(old=old, new=new, added=added, removed=removed, changed=changed, same=same)
    return found


def _number_copies(session: duckdb.DuckDBPyConnection) -> None:
    """Give copies of a row keys of their own, in the same order on both sides."""
    for side in ("old_rows", "new_rows"):
        copy = "row_number() over (partition by split, key order by content, line)"
        run(
            session,
            f"create or replace temp table {side} as "
            "select split, if(copy = 1, key, md5(key || ' ' || copy)::uuid) as key, content, line "
            f"from (select *, {copy} as copy from {side})",
        )


def _check_aligned(release: Release, split: str) -> None:
    rows, origins = count_of(release.data[split]), count_of(release.provenance[split])
    if rows != origins:
        raise ReleaseError(
            f"the split {split!r} has {rows:,} rows and {origins:,} rows of provenance",
            where=str(release.folder),
            fix="Download the dataset again; the folder must be whole",
        )


def _column(paths: Sequence[Path], names: Sequence[str]) -> str | None:
    name = first_column(paths, names)
    return f"d.{quote_name(name)}::varchar" if name else None


def _plain(paths: Sequence[Path], names: Sequence[str]) -> str:
    name = first_column(paths, names)
    return f"{quote_name(name)}::varchar" if name else "null::varchar"
