"""Where a command on files works: a hidden folder beside its output, and a DuckDB session that spills into it.

Beside the output because that is where there is room: rows of millions of answers may not fit into a folder for small
temporary files. A kill leaves the folder behind, under a name that says whose it is.
"""

from __future__ import annotations

import os
import shutil
import stat
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pyarrow as pa

from assets.answers.columns import KEYS, KeyPass
from resources.errors import FileError, StoreError
from resources.spool import Spool
from resources.sql import open_session
from resources.store.layout import store_errors

HELD_TABLES = 64
"""Tables of a few hundred keys that are set aside together: each insert has its price."""
TICK_S = 5.0

Say = Callable[[str], None]


@contextmanager
def session_beside(output: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """An empty session within ``MATHLOOM_MEMORY`` (default 2GB), for rows that are set aside. Removed in the end."""
    folder = output.absolute().with_name(f".{output.name}.{uuid.uuid4().hex}.work")
    with store_errors(folder):
        folder.mkdir()
    try:
        with open_session(
            memory_limit=os.environ.get("MATHLOOM_MEMORY", "2GB"), threads=os.cpu_count() or 2, temp=folder
        ) as session:
            yield session
    except StoreError as error:
        if isinstance(error.__cause__, duckdb.OutOfMemoryException):
            fix = "Set MATHLOOM_MEMORY to more (2GB where it is not set), or free space beside the output"
            raise StoreError(error.what, where=str(output), fix=fix, retryable=True) from error
        raise
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def name_answers(session: duckdb.DuckDBPyConnection, source: Spool, query: str, keys: KeyPass, say: Say) -> Spool:
    """The dictionary: a row for each answer that ``query`` over ``source`` gives, with its key and status."""
    named = Spool(session, f"{source.name}_keys", {name: "varchar" for name in KEYS.names})
    tick = ticker(say, "named", "distinct answers")
    held: list[pa.Table] = []
    for table in keys.name(batch.column(0) for batch in source.read(query)):
        held.append(table)
        if len(held) == HELD_TABLES:
            named.add(pa.concat_tables(held))
            held.clear()
            tick(named.row_count)
    named.add(pa.concat_tables([KEYS.empty_table(), *held]))
    return named


class InOrder:
    """Rows of a stream, handed out in the portions in which another stream of the same length comes."""

    def __init__(self, batches: pa.RecordBatchReader) -> None:
        """Take them from ``batches``."""
        self._batches = iter(batches)
        self._held: list[pa.RecordBatch] = []
        self._schema = batches.schema

    def take(self, count: int) -> pa.Table:
        """The next ``count`` rows. Raises EOFError if there are not so many."""
        while sum(batch.num_rows for batch in self._held) < count:
            batch = next(self._batches, None)
            if batch is None:
                raise EOFError(f"{count} rows are wanted and there are fewer")
            self._held.append(batch)
        held = pa.Table.from_batches(self._held, schema=self._schema)
        self._held = held.slice(count).to_batches()
        return held.slice(0, count)

    @property
    def has_more(self) -> bool:
        """Whether rows are left."""
        return bool(self._held) or any(batch.num_rows for batch in self._batches)


def stamp_of(path: Path) -> tuple[int, int]:
    """Size and time of the last change, to see whether a file that is read twice is still the same.

    Raises:
        FileError: It is a pipe or a device, which cannot be read twice.
    """
    try:
        found = path.stat()
    except OSError:
        return 0, 0
    if not stat.S_ISREG(found.st_mode) and not stat.S_ISDIR(found.st_mode):
        raise FileError("it is no regular file, and it is read twice", where=str(path), fix="Write it to a file first")
    return found.st_size, found.st_mtime_ns


def changed(path: Path) -> FileError:
    """The error for a file that another program writes to."""
    return FileError(
        "the file changed while it was read",
        where=str(path),
        fix="Run the same command again when nothing writes to it",
        retryable=True,
    )


def ticker(say: Say, done: str, what: str) -> Callable[[int], None]:
    """Says how far it is, every few seconds."""
    last = time.monotonic()

    def tick(count: int) -> None:
        nonlocal last
        if time.monotonic() - last >= TICK_S:
            last = time.monotonic()
            say(f"{done} {count:,} {what}")

    return tick
