"""Runs a table kind on rows given in the test, through a real session and real files, as the runner does."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from assets.kinds import Job, Table, TableKind
from resources.sql import Part, View, open_session
from resources.store.writing import TableWriter


@dataclass(frozen=True)
class Ran:
    """What a kind wrote: tables by name, its facts, and what it measured."""

    tables: Mapping[str, pa.Table]
    facts: Mapping[str, Any]
    measured: Mapping[str, Any]

    def rows(self, table: str = "rows") -> list[dict[str, Any]]:
        return self.tables[table].to_pylist()


RunKind = Callable[..., Ran]


@pytest.fixture
def run_table_kind(tmp_path: Path) -> RunKind:
    """``run(kind, settings, solutions=table, problems=[table, table])``: lists are ``many`` inputs."""

    def run(kind: TableKind, settings: Any, **inputs: pa.Table | list[pa.Table]) -> Ran:
        views: dict[str, View] = {}
        bound: dict[str, list[Table]] = {}
        for name, given in inputs.items():
            tables = given if isinstance(given, list) else [given]
            paths = [tmp_path / f"{name}-{i}.parquet" for i in range(len(tables))]
            for path, table in zip(paths, tables, strict=True):
                pq.write_table(table, path)
            parts = [Part(f"{name}{i}", [p], t.schema) for i, (p, t) in enumerate(zip(paths, tables, strict=True))]
            views[name] = View(tables[0].schema, parts=parts) if isinstance(given, list) else View(given.schema, paths)
            bound[name] = [Table(p.name, p.schema, p.paths, t.num_rows) for p, t in zip(parts, tables, strict=True)]
        facts: dict[str, Any] = {}
        writers = {
            name: TableWriter(tmp_path / "out" / name, schema, where="recipe/stage")
            for name, schema in kind.outputs(settings).items()
        }
        with open_session(memory_limit="256MB", threads=2, temp=tmp_path / "spill", views=views) as session:
            job = Job("recipe", "stage", settings, bound, session, writers, tmp_path / "files", facts)
            job.cache = tmp_path / "cache"
            kind.run(job)
        for writer in writers.values():
            writer.close()
        tables = {name: pa.concat_tables(pq.read_table(p) for p in writer.paths) for name, writer in writers.items()}
        return Ran(tables, facts, job.measured)

    return run
