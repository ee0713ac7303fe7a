"""Questions to DuckDB with a limit and a time-out each: a page must not be able to hang or to fill memory.

One in-memory database that reaches only the folders it was given (see ``resources.sql``); each question runs on a
cursor of its own, so that several people can look at once.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb

from resources.errors import MathloomError
from resources.sql import open_session, sql_errors

SECONDS = 5.0
"""Longest that a question of the page may take. The target is 1 s over 14M rows; a slow disk may need more."""

MAX_ROWS = 1000
"""Most rows that any question gives back: more than that nobody reads, and the page would be slow."""

MEMORY = "1GB"
"""DuckDB's limit for the page. Sorts and groups beyond it spill."""


class SlowError(MathloomError):
    """A question took longer than its time-out, and was stopped."""


class Reader:
    """A closed DuckDB session over some folders. Thread-safe: every question has its own cursor."""

    def __init__(self, folders: Sequence[Path], spill: Path, *, memory: str = MEMORY, threads: int = 2) -> None:
        self._session = open_session(memory_limit=memory, threads=threads, temp=spill, folders=folders)

    def close(self) -> None:
        """Give memory and spill files back."""
        self._session.close()

    def ask(
        self,
        sql: str,
        values: Mapping[str, Any] | None = None,
        *,
        limit: int = MAX_ROWS,
        seconds: float = SECONDS,
    ) -> list[dict[str, Any]]:
        """At most ``limit`` rows of ``sql`` as dictionaries.

        Raises:
            SlowError: It took longer than ``seconds``.
            StoreError: A file cannot be read, or memory and spill space do not suffice.
        """
        cursor = self._session.cursor()
        stop = threading.Timer(seconds, cursor.interrupt)
        stop.daemon = True
        stop.start()
        try:
            with sql_errors("explorer"):
                cursor.execute(sql, dict(values or {}))
                names = [column[0] for column in cursor.description or ()]
                return [dict(zip(names, row, strict=True)) for row in cursor.fetchmany(min(limit, MAX_ROWS))]
        except duckdb.InterruptException as error:
            raise SlowError(
                f"the question took longer than {seconds:g} s and was stopped",
                where="explorer",
                fix="Narrow the search: more words, or a source",
                retryable=True,
            ) from error
        finally:
            stop.cancel()
            cursor.close()

    def number(self, sql: str, values: Mapping[str, Any] | None = None, *, seconds: float = SECONDS) -> int:
        """The one number that ``sql`` gives; 0 for null."""
        [row] = self.ask(sql, values, limit=1, seconds=seconds)
        return int(next(iter(row.values())) or 0)


def files_list(paths: Sequence[Path]) -> str:
    """Paths as a list in SQL, quoted. Only paths that we found ourselves come here, never text of a page."""
    return "[" + ", ".join("'" + str(path.resolve()).replace("'", "''") + "'" for path in paths) + "]"


def parquet(paths: Sequence[Path], *options: str) -> str:
    """A ``read_parquet`` over ``paths``; a folder named like ``run=3`` above them becomes no column."""
    return f"read_parquet({', '.join([files_list(paths), 'hive_partitioning = false', *options])})"
