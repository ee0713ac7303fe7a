"""Two released versions side by side: rows that came, rows that went, and rows whose text changed.

A row is the same in both if problem, stage and sample are the same; it changed if its text or expected answer is
another. Without provenance a row is its problem and its text: a changed text is then a row that went and one that came.
The join holds hashes and no text, 32 bytes a row; texts are read for the rows that are shown.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from assets.release.folder_reading import Release
from dagster_project.explorer.access import Reader, parquet
from dagster_project.explorer.indexing import SOLUTIONS, first_column

SECONDS = 120.0
"""Longest comparison. It is asked for with a button, and joins all rows of both."""

SHOWN = 30
"""Rows of each kind that are shown."""

MAX_TEXT = 4000


@dataclass(frozen=True, slots=True)
class Compared:
    """Counts by change (added, removed, changed, same), and the first rows of each but the last."""

    split: str
    counts: Mapping[str, int]
    rows: Mapping[str, Sequence[dict[str, Any]]]


def compare(reader: Reader, old: Release, new: Release, split: str) -> Compared:
    """What happened to ``split`` from ``old`` to ``new``; a split that one of them lacks is empty there."""
    found = reader.ask(
        f"""
        select
            case
                when o.key is null then 'added'
                when n.key is null then 'removed'
                when n.content <> o.content then 'changed'
                else 'same'
            end as change,
            count(*) as n,
            arg_min((o.line, n.line), coalesce(n.line, o.line), {SHOWN}) as lines,
        from ({_rows(old, split)}) as o
        full outer join ({_rows(new, split)}) as n on n.key = o.key
        group by change
        """,
        seconds=SECONDS,
    )
    counts = {row["change"]: int(row["n"]) for row in found}
    lines = {row["change"]: [tuple(pair) for pair in row["lines"]] for row in found if row["change"] != "same"}
    return Compared(
        split,
        {change: counts.get(change, 0) for change in ("added", "removed", "changed", "same")},
        {change: _with_texts(reader, old, new, split, pairs) for change, pairs in lines.items()},
    )


def _rows(release: Release, split: str) -> str:
    """Key (16 bytes), content (a hash) and line of the rows of one split: that is all that the join holds."""
    if split not in release.data:
        return "select null::uuid as key, null::ubigint as content, null::bigint as line where false"
    paths = release.data[split]
    expected = first_column(paths, ("expected_answer",))
    expected = f"d.{expected}" if expected else "''"
    if split in release.provenance:
        key = "concat_ws(' ', p.problem_id, p.stage, p.sample_index)"
        content = f"hash(p.text_hash, {expected})"
        relation = f"{parquet(paths)} as d positional join {parquet(release.provenance[split])} as p"
    else:
        solution = first_column(paths, SOLUTIONS)
        text = f"d.{solution}" if solution else "''"
        key = f"concat(d.problem, chr(0), {text})"
        content, relation = f"hash({expected})", f"{parquet(paths)} as d"
    return f"select md5({key})::uuid as key, {content} as content, row_number() over () - 1 as line from {relation}"


def _with_texts(
    reader: Reader, old: Release, new: Release, split: str, pairs: Sequence[tuple[int | None, int | None]]
) -> list[dict[str, Any]]:
    before = _texts(reader, old, split, [pair[0] for pair in pairs if pair[0] is not None])
    after = _texts(reader, new, split, [pair[1] for pair in pairs if pair[1] is not None])
    found = []
    for old_line, new_line in pairs:
        was, now = before.get(old_line, {}), after.get(new_line, {})
        shown = now or was
        found.append(
            {
                "problem": shown.get("problem"),
                "source": shown.get("source"),
                "old": was.get("text"),
                "new": now.get("text"),
                "old_answer": was.get("expected"),
                "new_answer": now.get("expected"),
            }
        )
    return found


def _texts(
    reader: Reader, release: Release, split: str, lines: Sequence[int | None]
) -> dict[int | None, dict[str, Any]]:
    """Rows of a split by number: only the files, and in them the pages, that hold them."""
    found: dict[int | None, dict[str, Any]] = {}
    wanted = sorted(line for line in lines if line is not None)
    first = 0
    for path in release.data.get(split, ()):
        count = reader.number(f"select count(*) from {parquet([path])}")
        here = [line - first for line in wanted if first <= line < first + count]
        if here:
            solution = first_column([path], SOLUTIONS) or "null"
            source = first_column([path], ("problem_source", "source")) or "null"
            expected = first_column([path], ("expected_answer",)) or "null"
            rows = reader.ask(
                f"select file_row_number as line, left(problem, {MAX_TEXT}) as problem, {source} as source, "
                f"left({solution}, {MAX_TEXT}) as text, {expected} as expected from {parquet([path])} "
                f"where file_row_number in ({', '.join(str(line) for line in here)})"
            )
            found |= {row["line"] + first: row for row in rows}
        first += count
    return found
