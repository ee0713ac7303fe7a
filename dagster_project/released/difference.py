"""What differs between two releases: rows by split, source and cause, figures, examples, schema, and the making.

One DuckDB session with a memory limit; rows are joined as hashes, and texts are read for the examples only.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from assets.release.difference import Difference, Kind, Line, Rows, Sample
from assets.release.folder_reading import Release
from dagster_project.explorer.access import parquet
from dagster_project.released.causes import find_causes
from dagster_project.released.guesses import guess_causes
from dagster_project.released.joined import asker, has_origins, join_releases, readable, run, texts_at
from dagster_project.released.making import Made, stages_of, with_settings
from dagster_project.released.metrics import compare_metrics
from dagster_project.released.origins import read_facts
from dagster_project.released.parts import Part, parts_of
from dagster_project.released.recipes import recipe_changes
from dagster_project.released.schemas import schema_changes
from resources.errors import ReleaseError
from resources.sql import open_session, sql_errors
from resources.store import Store

SAMPLES = 3
"""Examples of each kind of change."""

MAX_TEXT = 2000
"""Longest text of an example, in characters."""

_LINES = """
select
    c.split, c.kind, f.source, if(f.fate = 'moved', 'split', x.cause) as cause,
    if(f.fate = 'moved' or x.cause = 'split', d.detail, x.detail) as detail, count(*) as n,
from changes as c
inner join facts as f on f.key = c.key
left join causes as x on x.key = c.key
left join split_words as d on d.split = c.split
group by all
order by all
"""

_SAMPLES = """
select
    c.kind,
    arg_min(
        {
            'key': c.key::varchar, 'split': c.split, 'old': c.old_line, 'new': c.new_line, 'row_id': f.row_id,
            'source': f.source, 'cause': if(f.fate = 'moved', 'split', x.cause),
            'detail': if(f.fate = 'moved' or x.cause = 'split', d.detail, x.detail)
        },
        (c.key, c.split),
        $most
    ) as found,
from changes as c
inner join facts as f on f.key = c.key
left join causes as x on x.key = c.key
left join split_words as d on d.split = c.split
group by c.kind
order by c.kind
"""


def compare(
    old: Release,
    new: Release,
    *,
    names: tuple[str, str],
    store: Store | None,
    memory_limit: str,
    split: str | None = None,
) -> Difference:
    """What happened from ``old`` to ``new``.

    Args:
        old: The earlier release.
        new: The later one.
        names: What a person calls them.
        store: Where the stages of both may still lie: causes are then exact. None: told from the releases alone.
        memory_limit: Of DuckDB, as it writes it (``2GB``); what does not fit spills.
        split: Compare this one only.

    Raises:
        ReleaseError: Neither has ``split``, or a folder is not whole.
        StoreError: A file cannot be read, or memory and spill space do not suffice.
    """
    splits = _splits(old, new, split, names)
    before, after = stages_of(old), stages_of(new)
    parts = None
    if store is not None:
        before, after = with_settings(store, before, after)
        if has_origins(old, new) and before and after:
            parts = parts_of(store, before, after, sorted({*old.data, *new.data}))
    folders = [*old.folders, *new.folders, *([store.root / "versions"] if store else [])]
    where = f"{names[0]} and {names[1]}"
    with readable(where), _session(memory_limit, folders, store) as session, sql_errors(where):
        counts = join_releases(session, old, new, splits)
        _find(session, old, new, splits, parts, (before, after))
        _split_words(session, old, new, splits, counts)
        return Difference(
            old=names[0],
            new=names[1],
            splits=counts,
            lines=_lines(session, splits),
            metrics=compare_metrics(session, old, new),
            samples=_samples(session, old, new, splits),
            schema=schema_changes(old.build, new.build),
            recipe=recipe_changes(old.build, new.build, before, after),
            is_exact=parts is not None or not any(r.added or r.removed or r.changed for r in counts.values()),
            other_configs=_other_configs(session, old, new),
        )


def _splits(old: Release, new: Release, split: str | None, names: tuple[str, str]) -> list[str]:
    """Splits of both, the largest first: its examples are shown."""
    both = list(dict.fromkeys([*new.data, *old.data]))
    if split is None:
        return both
    if split not in both:
        raise ReleaseError(
            f"neither has the split {split!r}",
            where=f"{names[0]} and {names[1]}",
            fix=f"Name one of: {', '.join(both)}",
        )
    return [split]


@contextmanager
def _session(memory_limit: str, folders: Sequence[Path], store: Store | None) -> Iterator[duckdb.DuckDBPyConnection]:
    """Spills into the store, whose disk is the large one, and removes it."""
    aside = store.root / "staging" if store else None
    if aside is not None:
        aside.mkdir(parents=True, exist_ok=True)
    spill = Path(tempfile.mkdtemp(prefix="difference-", dir=aside))
    try:
        with open_session(
            memory_limit=memory_limit, threads=os.cpu_count() or 2, temp=spill, folders=folders
        ) as session:
            yield session
    finally:
        shutil.rmtree(spill, ignore_errors=True)


def _find(
    session: duckdb.DuckDBPyConnection,
    old: Release,
    new: Release,
    splits: Sequence[str],
    parts: Sequence[Part] | None,
    stages: tuple[Mapping[str, Made], Mapping[str, Made]],
) -> None:
    by_origin = has_origins(old, new)
    numbered = list(dict.fromkeys([*splits, *new.data, *old.data]))
    read_facts(session, old, new, numbered, by_origin=by_origin)
    if parts is None:
        guess_causes(session, old, new, stages, by_origin=by_origin)
        return
    before, after = stages
    same = [name for name, made in after.items() if name in before and made.is_same(before[name])]
    find_causes(session, parts, same, sorted({*before, *after}))


def _split_words(
    session: duckdb.DuckDBPyConnection, old: Release, new: Release, splits: Sequence[str], counts: Mapping[str, Rows]
) -> None:
    """Why a row can be in a split of one and not in that of the other, though both have the row."""
    rows = []
    for number, split in enumerate(splits):
        if split not in old.data or split not in new.data:
            words = f"{split}: the split is {'new' if split in new.data else 'gone'}"
        elif counts[split].old != counts[split].new:
            words = f"{split}: {counts[split].old} rows became {counts[split].new}"
        else:
            words = f"{split}: place in the order"
        rows.append({"split": number, "detail": words})
    schema = pa.schema([("split", pa.int32()), ("detail", pa.string())])
    session.register("split_words", pa.Table.from_pylist(rows, schema=schema))


def _lines(session: duckdb.DuckDBPyConnection, splits: Sequence[str]) -> list[Line]:
    return [
        Line(splits[int(number)], kind, source, cause or "unknown", detail or "", n)
        for number, kind, source, cause, detail, n in run(session, _LINES)
    ]


def _samples(session: duckdb.DuckDBPyConnection, old: Release, new: Release, splits: Sequence[str]) -> list[Sample]:
    """The first of each kind in the order of their keys, which are hashes."""
    found: list[Sample] = []
    for kind, rows in run(session, _SAMPLES, {"most": SAMPLES * max(1, len(splits))}):
        by_key: dict[str, dict[str, Any]] = {}
        for row in rows:
            by_key.setdefault(row["key"], row)
        found += [_sample(session, kind, row, splits, old, new) for row in list(by_key.values())[:SAMPLES]]
    return found


def _sample(
    session: duckdb.DuckDBPyConnection,
    kind: Kind,
    row: dict[str, Any],
    splits: Sequence[str],
    old: Release,
    new: Release,
) -> Sample:
    ask = asker(session)
    number: int = row["split"]
    split = splits[number]
    was = texts_at(ask, old, split, [row["old"]], limit=MAX_TEXT).get(row["old"], {})
    now = texts_at(ask, new, split, [row["new"]], limit=MAX_TEXT).get(row["new"], {})
    return Sample(
        split=split,
        kind=kind,
        row_id=row["row_id"] or "",
        source=row["source"],
        cause=row["cause"] or "unknown",
        detail=row["detail"] or "",
        problem=(now or was).get("problem") or "",
        old=was.get("text"),
        new=now.get("text"),
    )


def _other_configs(session: duckdb.DuckDBPyConnection, old: Release, new: Release) -> dict[str, Rows]:
    """The contamination report as a set of rows; nothing if neither has one."""
    paths = [[path for files in release.report.values() for path in files] for release in (old, new)]
    if not any(paths):
        return {}
    sets = [f"select distinct md5(to_json(t)::varchar)::uuid as key from {_whole(found)} as t" for found in paths]
    [row] = run(
        session,
        f"select count(o.key), count(n.key), count(*) filter (o.key = n.key) "
        f"from ({sets[0]}) as o full outer join ({sets[1]}) as n on n.key = o.key",
    )
    before, after, same = (int(n) for n in row)
    counts = Rows(old=before, new=after, added=after - same, removed=before - same, changed=0, same=same)
    return {"contamination": counts}


def _whole(paths: Sequence[Path]) -> str:
    return parquet(paths, "union_by_name = true") if paths else "(select 1 where false)"
