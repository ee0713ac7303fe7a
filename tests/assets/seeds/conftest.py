"""Runs a seed kind on a source, with tables kept in memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from assets.kinds import Job, Settings, TableKind
from assets.seeds.kinds import Problems
from resources.sources.source import SourceSpec


@dataclass
class Outcome:
    """What a run wrote, as rows with ids as bytes, and its facts."""

    tables: dict[str, list[pa.Table]] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)

    def rows(self, table: str = "rows") -> list[dict[str, Any]]:
        """All rows of one table."""
        return [row for part in self.tables[table] for row in part.to_pylist()]

    def rules(self) -> list[str]:
        """Rule of each reject, in order."""
        return [row["rule"] for row in self.rows("rejects")]


class _Writer:
    def __init__(self, kept: list[pa.Table], schema: pa.Schema) -> None:
        self._kept = kept
        self._schema = schema

    def write(self, rows: pa.Table | pa.RecordBatch) -> None:
        """Refuse what the store would refuse."""
        assert rows.schema.equals(self._schema)
        assert isinstance(rows, pa.Table)
        rows.validate(full=True)
        self._kept.append(rows)


RunSeeds = Callable[..., Outcome]


@pytest.fixture
def run_seeds(tmp_path: Path) -> RunSeeds:
    """Call it with a source (or a path), a kind, and context values."""

    def run(source: SourceSpec | Path, kind: TableKind | None = None, **context: Any) -> Outcome:
        kind = kind or Problems()
        spec = source if isinstance(source, SourceSpec) else SourceSpec("mine", path=source)
        outcome = Outcome({name: [] for name in kind.outputs(Settings())})
        writers = {n: _Writer(outcome.tables[n], schema) for n, schema in kind.outputs(Settings()).items()}
        with duckdb.connect() as session:
            job = Job("r", "s", Settings(), {}, session, writers, tmp_path, outcome.facts, {"source": spec} | context)
            kind.run(job)
        return outcome

    return run
