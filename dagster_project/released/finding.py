"""From what a person typed to one id of one row: looked for in the release and in the stages."""

from __future__ import annotations

import re
from collections.abc import Iterator

from assets.release.folder_reading import first_column
from dagster_project.explorer.access import parquet
from dagster_project.released.ids import Wanted
from dagster_project.released.shelf import Look
from resources.errors import FileError

_KEYS = ("solution_id", "problem_id", "request_key")
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)


def resolve(look: Look, wanted: Wanted) -> dict[str, str]:
    """Column -> id of the row: a solution before a problem. Of a place: of the row that stands there."""
    if wanted.is_place:
        origin = look.origin_at(wanted.split, wanted.row)
        if origin is None:
            raise not_found(look, wanted)
        return {"solution_id": str(origin["solution_id"])}
    found: dict[str, set[str]] = {}
    for column, value in (*_released_ids(look, wanted), *_staged_ids(look, wanted)):
        found.setdefault(value, set()).add(column)
        if wanted.is_whole:  # no other row can have it, and a large release need not be read to its end
            break
    if not found:
        raise not_found(look, wanted)
    if len(found) > 1:
        listed = ", ".join(f"{value} ({min(columns)})" for value, columns in sorted(found.items())[:5])
        raise FileError(
            f"{wanted.words!r} is the beginning of {len(found)} ids: {listed}",
            where=look.shelf.name,
            fix="Give more digits",
        )
    [(value, columns)] = found.items()
    return {column: value for column in columns}


def not_found(look: Look, wanted: Wanted) -> FileError:
    """The error that says where was looked."""
    what = f"row {wanted.row} of split {wanted.split!r}" if wanted.is_place else f"{wanted.words!r}"
    return FileError(
        f"there is no {what}: searched {look.shelf.searched()}",
        where=look.shelf.name,
        fix="Ids stand in the config `provenance`, and in `mathloom show RECIPE STAGE --json`; rows count from 0",
    )


def _released_ids(look: Look, wanted: Wanted) -> Iterator[tuple[str, str]]:
    release = look.shelf.release
    if release is None:
        return
    if wanted.is_whole:  # these answers are needed again
        for column in _KEYS:
            yield from ((column, wanted.low) for _ in look.origins(column, wanted.low))
    values = {"low": wanted.low, "high": wanted.high}
    origins = list({path: None for files in release.provenance.values() for path in files})
    for paths, columns in (
        (origins, (*_KEYS, "seed_problem_id", "parent_id")),
        (list(release.report.get("matches", ())), ("problem_id",)),
    ):
        for column in (column for column in columns if paths and first_column(paths, (column,))):
            sql = (
                f"select distinct {column}::varchar as id from {parquet(paths)} "
                f"where {column}::varchar between $low and $high"
            )
            name = column if column in _KEYS else "problem_id"
            yield from ((name, row["id"]) for row in look.ask(sql, values) if _UUID.fullmatch(str(row["id"])))


def _staged_ids(look: Look, wanted: Wanted) -> Iterator[tuple[str, str]]:
    values = {"low": wanted.low, "high": wanted.high}
    for table in look.shelf.tables:
        names = [name for name in (*_KEYS, "id") if name in table.columns]
        for name in names if table.shape not in ("benchmarks", "figures", "pairs") else ():
            sql = (
                f"select distinct {name}::varchar as id from {parquet(table.paths)} "
                f"where {name} between $low::uuid and $high::uuid"
            )
            yield from ((name, row["id"]) for row in look.ask(sql, values))
