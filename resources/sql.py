"""A DuckDB connection per step: in memory, with views over exactly the declared Parquet files and nothing else.

What a stage may read is decided here: after :func:`open_session` the connection reaches only the files of its views
(and the folders it was given), writes only its own spill folder, installs and loads no extension, does not see the
caller's Python variables, and cannot change any of this. What the SQL says is ``dagster_project.sqlfiles``' business.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import duckdb
import pyarrow as pa

from resources.errors import StoreError
from resources.sql_types import is_sql_word, sql_type

PART_COLUMNS = {"part": pa.string(), "part_index": pa.int32()}
"""Columns that a view over several parts adds: name of the part (a stage), and its place in the declared order."""

_CONFIG: dict[str, str | bool | int | float | list[str]] = {
    # Without it UUID arrives as text (36 bytes instead of 16), and the store's schemas would not match.
    "arrow_lossless_conversion": "true",
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "allow_community_extensions": "false",
    "allow_persistent_secrets": "false",
    # Else an undeclared table name in a SQL file could name a Python variable that happens to hold a table.
    "python_enable_replacements": "false",
}

_SCRATCH_LOCK = threading.Lock()


@dataclass(frozen=True, slots=True)
class Part:
    """One stage's table inside a view over several."""

    name: str
    paths: Sequence[Path]
    schema: pa.Schema


@dataclass(frozen=True, slots=True)
class View:
    """What a formal input is bound to: one table (``paths``), or several (``parts``, even when it is only one).

    ``schema`` serves when there are no files at all: the view is then empty, with these columns.
    """

    schema: pa.Schema
    paths: Sequence[Path] = ()
    parts: Sequence[Part] | None = None

    @property
    def files(self) -> tuple[Path, ...]:
        """Every file that it reads."""
        return (*self.paths, *(path for part in self.parts or () for path in part.paths))


def open_session(
    *,
    memory_limit: str,
    threads: int,
    temp: Path,
    views: Mapping[str, View] | None = None,
    folders: Sequence[Path] = (),
) -> duckdb.DuckDBPyConnection:
    """A connection with ``views``, closed to all else. Close it (or use ``with``) when the step ends.

    Args:
        memory_limit: As DuckDB writes it (``2GB``, ``512MiB``); above it, sorts, joins and groups spill to ``temp``.
        threads: Threads of DuckDB; results must not depend on it.
        temp: Folder for what spills. Created at the first spill, emptied by DuckDB at close.
        views: View name -> files. More may be made later by :func:`create_views`, over files of ``folders``.
        folders: Further folders that the connection may read (the request store's segments).

    Raises:
        StoreError: DuckDB refuses a setting, or a file is absent.
    """
    views = views or {}
    config = {**_CONFIG, "memory_limit": memory_limit, "threads": threads, "temp_directory": str(temp)}
    try:
        connection = duckdb.connect(":memory:", config=config)
    except duckdb.Error as error:
        raise StoreError(
            f"DuckDB refuses memory_limit {memory_limit!r} or threads {threads}: {_first_line(error)}",
            where="SQL session",
            fix="Write `memory_limit` like 2GB, and `threads` as a whole number from 1",
        ) from error
    try:
        with sql_errors("SQL session"):
            # Stored times are UTC; the machine's own zone must not change what a cast to text gives.
            connection.execute("set TimeZone = 'UTC'")
            files = [str(path.resolve()) for view in views.values() for path in view.files]
            connection.execute("set allowed_paths = $files", {"files": files})
            connection.execute("set allowed_directories = $folders", {"folders": [str(f.resolve()) for f in folders]})
            connection.execute("set enable_external_access = false")
        create_views(connection, views)
        connection.execute("set lock_configuration = true")
    except BaseException:
        connection.close()
        raise
    return connection


def create_views(connection: duckdb.DuckDBPyConnection, views: Mapping[str, View]) -> None:
    """Add ``views`` to ``connection``. Raises StoreError naming the view whose files cannot be read."""
    for name, view in views.items():
        with sql_errors(f"input {name!r}"):
            if view.parts is None:
                _one_view(connection, name, view.paths, view.schema)
            else:
                _many_view(connection, name, view)


def stub_table(connection: duckdb.DuckDBPyConnection, name: str, schema: pa.Schema, *, many: bool = False) -> None:
    """An empty table with the columns of ``schema`` (and those of the parts, if ``many``)."""
    schema = with_part_columns(schema) if many else schema
    words = {field.name: sql_type(field.type) for field in schema}
    if words and all(is_sql_word(word) for word in words.values()):
        columns = ", ".join(f"{quote_name(column)} {word}" for column, word in words.items())
        connection.execute(f"create table {quote_name(name)} ({columns})")
        return
    # Any other type: DuckDB maps it itself. Not the usual way, because registering imports pandas (200 ms).
    connection.register("__stub", schema.empty_table())
    connection.execute(f"create table {quote_name(name)} as select * from __stub limit 0")  # noqa: S608
    connection.unregister("__stub")


def with_part_columns(schema: pa.Schema) -> pa.Schema:
    """``schema`` as a view over several parts shows it."""
    own = [field for field in schema if field.name not in PART_COLUMNS]
    return pa.schema([*own, *(pa.field(name, kind) for name, kind in PART_COLUMNS.items())])


@contextmanager
def scratch() -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection for questions about SQL that read no rows. What is created in it is gone afterwards.

    One a process, used by one thread at a time: opening one costs 20 ms, a question 1 ms. A fork gets its own.
    """
    with _SCRATCH_LOCK:
        connection = _scratch_of(os.getpid())
        connection.execute("begin transaction")
        try:
            yield connection
        finally:
            connection.execute("rollback")


@cache
def _scratch_of(process: int) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect(":memory:", config={**_CONFIG, "threads": 1})
    connection.execute("set enable_external_access = false")
    return connection


def quote_name(name: str) -> str:
    """An identifier as SQL reads it, whatever characters it holds."""
    return '"' + name.replace('"', '""') + '"'


@contextmanager
def sql_errors(where: str) -> Iterator[None]:
    """Turn DuckDB's errors about the machine (memory, disk, files, settings) into StoreError; others pass."""
    try:
        yield
    except duckdb.OutOfMemoryException as error:
        raise StoreError(
            f"DuckDB ran out of memory or of spill space: {_first_line(error)}",
            where=where,
            fix="Raise `memory_limit` in the profile, or free space where the store lies",
            retryable=True,
        ) from error
    except (duckdb.IOException, duckdb.PermissionException) as error:
        raise StoreError(
            f"DuckDB cannot read or write a file: {_first_line(error)}",
            where=where,
            fix="Check that the store is complete and writable, and that the disk is not full",
        ) from error


def _one_view(connection: duckdb.DuckDBPyConnection, name: str, paths: Sequence[Path], schema: pa.Schema) -> None:
    if not paths:
        stub_table(connection, name, schema)
        return
    absent = [path for path in paths if not path.is_file()]
    if absent:
        raise _broken_input(name, f"the file {absent[0]} is absent")
    try:
        # hive_partitioning: a folder named like `run=3` above the store must not become a column.
        relation = connection.read_parquet([str(path.resolve()) for path in paths], hive_partitioning=False)
        relation.create_view(name, replace=False)
    except duckdb.InvalidInputException as error:
        raise _broken_input(name, f"a file is no Parquet file: {_first_line(error)}") from error


def _broken_input(name: str, what: str) -> StoreError:
    return StoreError(what, where=f"input {name!r}", fix="Build the stage that made it again")


def _many_view(connection: duckdb.DuckDBPyConnection, name: str, view: View) -> None:
    parts = view.parts or ()
    if not parts:
        stub_table(connection, name, view.schema, many=True)
        return
    selects = []
    for index, part in enumerate(parts):
        part_view = f"__{name}_{index}"
        _one_view(connection, part_view, part.paths, part.schema)
        # The columns of the parts are ours: a table that already has such a column (it was a union once) loses it.
        taken = [column for column in PART_COLUMNS if column in part.schema.names]
        star = f"* exclude ({', '.join(taken)})" if taken else "*"
        label = part.name.replace("'", "''")
        selects.append(
            f"select {star}, '{label}' as part, {index}::integer as part_index from {quote_name(part_view)}"  # noqa: S608
        )
    connection.execute(f"create view {quote_name(name)} as {' union all by name '.join(selects)}")


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0][:300]
