"""Two released versions side by side: counts, and the first rows that came, went, or whose text changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from assets.release.folder_reading import Release
from dagster_project.explorer.access import Reader
from dagster_project.released.joined import CHANGE, has_origins, rows_of, texts_at

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
    by_origin = has_origins(old, new)
    found = reader.ask(
        f"""
        select
            {CHANGE} as change,
            count(*) as n,
            arg_min((o.line, n.line), coalesce(n.line, o.line), {SHOWN}) as lines,
        from ({rows_of(old, split, by_origin=by_origin)}) as o
        full outer join ({rows_of(new, split, by_origin=by_origin)}) as n on n.key = o.key
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


def _with_texts(
    reader: Reader, old: Release, new: Release, split: str, pairs: Sequence[tuple[int | None, int | None]]
) -> list[dict[str, Any]]:
    before = texts_at(reader.ask, old, split, [pair[0] for pair in pairs], limit=MAX_TEXT)
    after = texts_at(reader.ask, new, split, [pair[1] for pair in pairs], limit=MAX_TEXT)
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
