"""The request store as DuckDB sees it: temporary views over the sealed segments, one row a key.

* ``completions``: request_key UUID, text, reasoning, text_hash UUID, finish_reason, prompt_tokens, completion_tokens,
  engine, weights.
* ``failures``: request_key UUID, reason, is_permanent, engine, weights, stored_at_ns; one row an attempt.

Sealing never stores a key twice; only folders copied in from another store can. Of such keys the answer stored first
counts (then the one in the first file by name), found over those keys alone: no window ever runs over texts.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import duckdb
import pyarrow as pa

from resources.errors import StoreError
from resources.requests.index import Keys
from resources.requests.segments import COMPLETIONS, FAILURES, UUID, Seal

COLUMNS = (
    "request_key",
    "text",
    "reasoning",
    "text_hash",
    "finish_reason",
    "prompt_tokens",
    "completion_tokens",
    "engine",
    "weights",
)
_SELECTED = ", ".join(COLUMNS)

_ROWS = "request_store_rows"
_TWICE = "request_store_twice"
_LOSERS = "request_store_losers"

_MAKE_LOSERS = """
create or replace temp table request_store_losers as
select request_key, filename
from (
    select
        r.request_key,
        r.filename,
        row_number() over (partition by r.request_key order by r.stored_at_ns, r.filename) as place,
    from request_store_rows as r
    semi join request_store_twice as t on r.request_key = t.request_key
)
where place > 1
"""

_WITHOUT_LOSERS = """
select * from request_store_rows as r
anti join request_store_losers as l on r.request_key = l.request_key and r.filename = l.filename
"""


def create(session: duckdb.DuckDBPyConnection, seals: Sequence[Seal], parts: Sequence[Path], duplicates: Keys) -> None:
    """Make both views in ``session``.

    Args:
        session: Where they are made.
        seals: All seals of the store.
        parts: Those of their files of completions that are to be read.
        duplicates: Keys that stand in more than one seal.

    Raises:
        StoreError: A file is damaged, or the session may not read it.
    """
    try:
        _create_completions(session, parts, duplicates)
        failures = [str(seal.failures) for seal in seals if seal.failures is not None]
        rows = session.read_parquet(failures) if failures else _empty(session, FAILURES)
        rows.project(", ".join(FAILURES.names)).create_view("failures", replace=True)
    except duckdb.Error as error:
        raise StoreError(
            f"DuckDB cannot read the segments ({str(error).splitlines()[0]})",
            where="request store",
            fix="Allow the session to read RequestStore.paths(), or restore a damaged file from a backup",
        ) from error


def _create_completions(session: duckdb.DuckDBPyConnection, parts: Sequence[Path], duplicates: Keys) -> None:
    files = [str(part) for part in parts]
    rows = session.read_parquet(files, filename=bool(len(duplicates))) if files else _empty(session, COMPLETIONS)
    if files and len(duplicates):
        rows = _without_losers(session, rows, duplicates)
    rows.project(_SELECTED).create_view("completions", replace=True)


def _without_losers(
    session: duckdb.DuckDBPyConnection, rows: duckdb.DuckDBPyRelation, duplicates: Keys
) -> duckdb.DuckDBPyRelation:
    rows.create_view(_ROWS, replace=True)
    storage = pa.FixedSizeBinaryArray.from_buffers(pa.binary(16), len(duplicates), [None, pa.py_buffer(duplicates)])
    table = pa.table({"request_key": pa.ExtensionArray.from_storage(UUID, storage)})
    session.register(_TWICE, table)
    try:
        session.execute(_MAKE_LOSERS)
    finally:
        session.unregister(_TWICE)
    return session.sql(_WITHOUT_LOSERS)


def _empty(session: duckdb.DuckDBPyConnection, schema: pa.Schema) -> duckdb.DuckDBPyRelation:
    """A relation of ``schema`` without rows and without a file behind it."""
    names = {"string": "varchar", "int32": "integer", "int64": "bigint", "bool": "boolean", "binary": "blob"}
    columns = [f"null::{'uuid' if f.type == UUID else names[str(f.type)]} as {f.name}" for f in schema]
    return session.sql("select 1 as one where false").project(", ".join(columns))
