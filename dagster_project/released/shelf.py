"""Where a row can be looked up: a released folder, the tables of the stages that made it, or both.

Every question is a key lookup in Parquet: columns of ids are scanned, texts are read for single rows.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as pq

from assets.release.folder_reading import Release, first_column
from dagster_project.explorer.access import parquet
from dagster_project.explorer.places import StageTable
from dagster_project.released.joined import readable, texts_at
from dagster_project.released.making import Made, stages_of
from resources.errors import StoreError
from resources.requests.segments import Folders, list_seals
from resources.sql import open_session, sql_errors
from resources.store import Store, Version

MAX_TEXT = 100_000
"""Longest text that is read, in characters."""

MAX_FOUND = 50
"""Rows of one table that a question gives back."""


@dataclass(frozen=True, slots=True)
class Shelf:
    """What may be looked at. ``tables`` are upstream first, ``stages`` is what the release says of its making."""

    name: str
    release: Release | None = None
    tables: Sequence[StageTable] = ()
    stages: Mapping[str, Made] = field(default_factory=dict)
    requests: Path | None = None
    """Folder of the request store, for texts that were not released."""

    def searched(self) -> str:
        """What was looked at, in words, for errors."""
        words = [f"{len(self.release.data)} split(s) of the release"] if self.release else []
        stages = {table.stage for table in self.tables}
        return " and ".join([*words, *([f"the tables of {len(stages)} stages"] if stages else [])]) or "nothing"


def shelf_of(name: str, release: Release, store: Store | None) -> Shelf:
    """A release, with those of its stages that the store still has."""
    stages = stages_of(release)
    tables: list[StageTable] = []
    for made in stages.values() if store else ():
        if store and made.kind and made.version:
            try:
                version = store.version(made.kind, made.version)
            except StoreError:
                continue
            tables += tables_of(made.name, version)
    return Shelf(name, release, tables, stages, _requests(store) if tables else None)


def shelf_of_stages(name: str, versions: Mapping[str, Version], store: Store) -> Shelf:
    """Stages of a recipe of which no release is built yet."""
    stages = {stage: Made(stage, kind=version.kind, version=version.version) for stage, version in versions.items()}
    tables = [table for stage, version in versions.items() for table in tables_of(stage, version)]
    return Shelf(name, None, tables, stages, _requests(store))


def tables_of(stage: str, version: Version) -> list[StageTable]:
    """Its tables; files that are gone are left out."""
    found = []
    for table in version.tables:
        paths = [path for path in version.paths(table) if path.is_file()]
        if paths:
            found.append(StageTable(stage, table, paths, pq.read_schema(paths[0]).names))
    return found


def _requests(store: Store | None) -> Path | None:
    folder = store.root / "requests" if store else None
    return folder if folder and folder.is_dir() else None


class Look:
    """Questions about single rows of a shelf."""

    def __init__(self, session: duckdb.DuckDBPyConnection, shelf: Shelf) -> None:
        self._session = session
        self.shelf = shelf
        self._known: dict[tuple[str, str], list[dict[str, Any]]] = {}

    def ask(self, sql: str, values: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
        """At most :data:`MAX_FOUND` rows."""
        with readable(self.shelf.name), sql_errors(f"mathloom why: {self.shelf.name}"):
            result = self._session.execute(f"select * from ({sql}) limit {MAX_FOUND}", dict(values or {}))
            names = [column[0] for column in result.description or ()]
            return [dict(zip(names, (_plain(v) for v in row), strict=True)) for row in result.fetchall()]

    def rows(self, table: StageTable, column: str, ids: Sequence[str]) -> list[dict[str, Any]]:
        """Rows of a stage's table with one of ``ids`` in ``column``."""
        wanted = ", ".join(f"'{uuid.UUID(one)}'::uuid" for one in ids)
        return self.ask(f"select * from {parquet(table.paths)} where {column} in ({wanted})") if ids else []

    def of_shape(self, *shapes: str) -> list[StageTable]:
        """Tables of stages of these shapes, upstream first."""
        return [table for table in self.shelf.tables if table.shape in shapes]

    def origins(self, column: str, value: str) -> list[dict[str, Any]]:
        """Rows of the release's provenance with ``value`` in ``column``, with ``split`` and ``row`` (from 0)."""
        if (column, value) not in self._known:
            self._known[column, value] = self._origins(column, value)
        return self._known[column, value]

    def _origins(self, column: str, value: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        release = self.shelf.release
        for split, paths in release.provenance.items() if release else ():
            if not first_column(paths, (column,)):
                continue
            relation = parquet(paths, "filename = true", "file_row_number = true")
            counts = [pq.read_metadata(path).num_rows for path in paths]
            places = {str(path.resolve()): number for number, path in enumerate(paths)}
            for row in self.ask(f"select * from {relation} where {column} = $value", {"value": value}):
                line = row.pop("file_row_number") + sum(counts[: places[row.pop("filename")]])
                found.append({"split": split, "row": line, **row})
        return found

    def origin_at(self, split: str, row: int) -> dict[str, Any] | None:
        """The provenance of one row of a split; None if the split has no such row or no provenance."""
        release = self.shelf.release
        for path in release.provenance.get(split, ()) if release else ():
            count = pq.read_metadata(path).num_rows
            if row < count:
                rows = self.ask(f"select * from {parquet([path])} where file_row_number = $row", {"row": row})
                return rows[0] if rows else None
            row -= count
        return None

    def released(self, split: str, row: int) -> dict[str, Any]:
        """Problem, source, text and expected answer of one row of the data; empty if there is none."""
        release = self.shelf.release
        return texts_at(self.ask, release, split, [row], limit=MAX_TEXT).get(row, {}) if release else {}

    def completion(self, request_key: str) -> str | None:
        """The text of a completion. A journal that is not sealed yet is not read: a build may be writing it."""
        folder = self.shelf.requests
        parts = [part for seal in list_seals(Folders(folder)) for part in seal.parts] if folder else []
        if not parts:
            return None
        rows = self.ask(
            f"select left(text, {MAX_TEXT}) as text from {parquet(parts)} where request_key = $key::uuid",
            {"key": request_key},
        )
        return rows[0]["text"] if rows else None

    def matches(self, problem: str) -> list[dict[str, Any]]:
        """What the contamination report says of a problem: of the release, else of the stages."""
        release = self.shelf.release
        released = release.report.get("matches", ()) if release else ()
        paths = list(released) or [path for table in self.of_shape("matches") for path in table.paths]
        if not paths:
            return []
        relation = parquet(paths, "union_by_name = true", "filename = true")
        rows = self.ask(f"select * from {relation} where problem_id::varchar = $id", {"id": problem})
        # A release has a file for each split of the report, and no column that says it.
        return [{"split": Path(row.pop("filename")).name.partition("-")[0]} | row for row in rows]


@contextmanager
def looking(shelf: Shelf, memory_limit: str) -> Iterator[Look]:
    """A session over exactly the files of ``shelf``."""
    folders = {path.parent for table in shelf.tables for path in table.paths}
    folders |= {shelf.release.folder} if shelf.release else set()
    folders |= {shelf.requests} if shelf.requests else set()
    spill = Path(tempfile.mkdtemp(prefix="mathloom-why-"))
    try:
        with open_session(
            memory_limit=memory_limit, threads=os.cpu_count() or 2, temp=spill, folders=sorted(folders)
        ) as session:
            yield Look(session, shelf)
    finally:
        shutil.rmtree(spill, ignore_errors=True)


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, uuid.UUID) else value
