"""Writes files of rows: JSON Lines (gzip too) and Parquet, by the ending. A file is whole or not there.

Rows go to a file beside it, which takes its name when all are written; a kill leaves a hidden file and never half of
the one that was asked for. The same rows give the same bytes. Memory: what is given at once.
"""

from __future__ import annotations

import base64
import gzip
import json
import os
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Protocol, cast

import pyarrow as pa
import pyarrow.parquet as pq

from dagster_project.row_files.reading import is_parquet
from resources.errors import FileError
from resources.store.layout import store_errors, sync_file, sync_folder

ENDINGS = (".jsonl", ".jsonl.gz", ".parquet")


class RowWriter(Protocol):
    """Where rows go. Columns of a Parquet file are those of its schema, in its order."""

    def write_rows(self, rows: Sequence[dict[str, Any]]) -> None:
        """Append rows."""
        ...

    def write_table(self, table: pa.Table) -> None:
        """Append the rows of a table."""
        ...


def check_target(path: Path, *, force: bool) -> None:
    """Raises FileError if the file cannot be written."""
    if not path.name.lower().endswith(ENDINGS) or path.name.lower() in ENDINGS:
        raise FileError(
            f"the ending {''.join(path.suffixes) or path.name!r} is none that is written",
            where=str(path),
            fix=f"End the name with one of: {', '.join(ENDINGS)}",
        )
    if path.is_dir() or (path.exists() and not force):
        raise FileError("it exists", where=str(path), fix="Name another file, or add --force to replace it")
    if not path.absolute().parent.is_dir():
        raise FileError("there is no such folder", where=str(path.parent), fix="Make it first")


@contextmanager
def writing(path: Path, schema: pa.Schema | None = None) -> Iterator[RowWriter]:
    """A writer of ``path``; the file appears under its name when the block ends without an error.

    Args:
        path: As :func:`check_target` allows.
        schema: Columns of a Parquet file; JSON Lines need none.

    Raises:
        StoreError: The disk is full or broken.
    """
    aside = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    with store_errors(path):
        try:
            with aside.open("xb") as handle, _writer(handle, path, schema) as writer:
                yield writer
            sync_file(aside)
            os.replace(aside, path)  # noqa: PTH105 - says what it does
            sync_folder(path.absolute().parent)
        finally:
            aside.unlink(missing_ok=True)


@contextmanager
def _writer(handle: IO[bytes], path: Path, schema: pa.Schema | None) -> Iterator[RowWriter]:
    if is_parquet(path):
        assert schema is not None
        with pq.ParquetWriter(handle, schema, compression="zstd") as writer:
            yield _Parquet(writer, schema)
    elif path.name.lower().endswith(".gz"):
        # No name and no time: the same rows give the same bytes.
        with gzip.GzipFile("", "wb", compresslevel=6, fileobj=handle, mtime=0) as packed:
            yield _Lines(cast(IO[bytes], packed))
    else:
        yield _Lines(handle)


class _Parquet:
    def __init__(self, writer: pq.ParquetWriter, schema: pa.Schema) -> None:
        self._writer = writer
        self._schema = schema

    def write_rows(self, rows: Sequence[dict[str, Any]]) -> None:
        self._writer.write_table(pa.Table.from_pylist(list(rows), schema=self._schema))

    def write_table(self, table: pa.Table) -> None:
        self._writer.write_table(table.select(self._schema.names).cast(self._schema))


class _Lines:
    def __init__(self, handle: IO[bytes]) -> None:
        self._handle = handle

    def write_rows(self, rows: Sequence[dict[str, Any]]) -> None:
        self._handle.write(b"".join(_line(row) for row in rows))

    def write_table(self, table: pa.Table) -> None:
        try:
            rows = table.to_pylist()
        except UnicodeDecodeError:  # Parquet files can call bytes text that are none
            rows = _escaped(table).to_pylist()
        self.write_rows(rows)


def _escaped(table: pa.Table) -> pa.Table:
    r"""The table with escapes like ``\xff`` for bytes of its text columns that are no UTF-8."""
    for at, field in enumerate(table.schema):
        if pa.types.is_string(field.type) or pa.types.is_large_string(field.type):
            texts = table.column(at).cast(pa.large_binary()).to_pylist()
            clean = [None if data is None else data.decode("utf-8", "backslashreplace") for data in texts]
            table = table.set_column(at, field.name, pa.array(clean, pa.large_string()))
    return table


def _line(row: dict[str, Any]) -> bytes:
    try:
        return json.dumps(row, ensure_ascii=False, default=_plain).encode() + b"\n"
    except UnicodeEncodeError:  # half of a surrogate pair: JSON has it as an escape, UTF-8 has it not
        return json.dumps(row, default=_plain).encode() + b"\n"


def _plain(value: Any) -> Any:
    """What Parquet knows and JSON does not: bytes as text or base64, times in ISO 8601, all else as Python shows it."""
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            return base64.b64encode(value).decode()
    return value.isoformat() if hasattr(value, "isoformat") else str(value)
