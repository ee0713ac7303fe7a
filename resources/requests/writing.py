"""Writing seals: a hidden folder takes row groups and failures, and one rename shows all of it.

Lives here: how big parts and row groups are, and the commit. What goes in is the business of ``sealing`` (journals) and
``compaction`` (older seals). Every user holds the lock of ``Folders.lock``.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import time
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import pyarrow as pa

from resources.identity import ID_BYTES
from resources.requests.index import Keys, as_keys
from resources.requests.segments import (
    COMPLETIONS,
    FAILURES,
    FAILURES_FILE,
    FORMAT,
    SEAL_FILE,
    UUID,
    Folders,
    Seal,
    keys_path,
)
from resources.requests.usage import WeightsUsage, added, as_facts, counted_completions, counted_failures, of_facts
from resources.store.layout import store_errors, sync_file, sync_folder, write_json

SEGMENT_BYTES = 128 << 20
"""Size at which a segment ends (DESIGN: about 128 MB): 20M completions of 2 kB are some hundred files."""
ROW_GROUP_BYTES = 16 << 20
"""Text in one row group: what a reader of one completion must decompress, and what a writer holds in memory."""
ROW_GROUP_ROWS = 65_536

_OPTIONS: dict[str, Any] = {
    "compression": "zstd",
    "use_dictionary": ["finish_reason", "engine", "weights"],
    "write_statistics": ["request_key", "stored_at_ns"],
}
"""Texts differ from row to row: no dictionary, and no smallest and largest text in the footer."""


def seal_name(like: str = "") -> str:
    """A new name. It begins with the time, or with the time of the seal ``like``: names are in the order of age."""
    stamp = like.rpartition("-")[0] or time.strftime("%Y%m%d-%H%M%S", time.gmtime())
    return f"{stamp}-{uuid.uuid4().hex[:12]}"


class SealWriter:
    """One new seal: nothing of it is visible before :meth:`commit`, and without that nothing stays.

    Raises:
        StoreError: The disk is full or broken; the store is as it was.
    """

    def __init__(self, folders: Folders, name: str) -> None:
        self.name = name
        self._folders = folders
        self._aside = folders.segments / f".{name}"
        self._usage: list[WeightsUsage] = []
        self._parts = _PartWriter(self._aside)
        self._failures = _TableFile(self._aside / FAILURES_FILE, FAILURES, {"compression": "zstd"})
        self._errors = store_errors(folders.segments)

    def __enter__(self) -> Self:
        with store_errors(self._folders.segments):
            self._aside.mkdir(parents=True)
        self._errors.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._parts.close()
        self._failures.close()
        shutil.rmtree(self._aside, ignore_errors=True)
        self._errors.__exit__(kind, error, trace)

    def write(self, table: pa.Table) -> None:
        """One row group of completions, whose keys follow those of the one before."""
        self._parts.write(table)
        self._usage = added([*self._usage, *counted_completions(table)])

    def adopt(self, seal: Seal) -> None:
        """Take over all completions of ``seal`` as they are, by links to its files. Nothing was written before."""
        for part in seal.parts:
            for path in (part, keys_path(part)):
                _link(path, self._aside / path.name)
        self._parts.parts = [dict(part) for part in seal.facts["parts"]]
        self._usage = [replace(usage, failures=0) for usage in of_facts(seal.facts) if usage.completions]

    def write_failures(self, table: pa.Table) -> None:
        """Failed attempts, in the order of their keys."""
        self._failures.write(table)
        self._usage = added([*self._usage, *counted_failures(table)])

    @property
    def bytes(self) -> int:
        """Size of its completions on disk, at the end."""
        return sum(part["bytes"] for part in self._parts.parts)

    def commit(self, *, journals: Iterable[str] = (), replaces: Iterable[str] = ()) -> None:
        """Show the seal, durably.

        Args:
            journals: Names of journals that it holds: from now on they are litter.
            replaces: Names of seals that it takes the place of.
        """
        self._parts.end_part()
        self._failures.end()
        facts = {
            "format": FORMAT,
            "parts": self._parts.parts,
            "completions": sum(part["rows"] for part in self._parts.parts),
            "failures": self._failures.rows,
            "prompt_tokens": sum(usage.prompt_tokens for usage in self._usage),
            "completion_tokens": sum(usage.completion_tokens for usage in self._usage),
            "usage": as_facts(self._usage),
            "journals": sorted(journals),
            "replaces": sorted(replaces),
        }
        write_json(self._aside / SEAL_FILE, facts)
        self._aside.rename(self._folders.segments / self.name)
        sync_folder(self._folders.segments)


class _TableFile:
    """A Parquet file that is made when the first row group comes."""

    def __init__(self, path: Path, schema: pa.Schema, options: dict[str, Any]) -> None:
        self.path = path
        self.rows = 0
        self._schema = schema
        self._options = options
        self._handle: Any = None
        self._file: Any = None

    def write(self, table: pa.Table) -> None:
        """One row group."""
        import pyarrow.parquet as pq

        if self._file is None:
            self._handle = self.path.open("wb")
            self._file = pq.ParquetWriter(self._handle, self._schema, **self._options)
        self._file.write_table(table, row_group_size=ROW_GROUP_ROWS)
        self.rows += len(table)

    @property
    def size(self) -> int:
        """Bytes so far."""
        return 0 if self._handle is None else self._handle.tell()

    def end(self) -> None:
        """Put the file, if there is one, on the disk."""
        if self._file is not None:
            self._file.close()
            self._file = None
            self._handle.flush()
            os.fsync(self._handle.fileno())
        self.close()

    def close(self) -> None:
        """Free the handle of a file that ended or is given up. Idempotent."""
        with contextlib.suppress(OSError, ValueError):  # a full disk says again what it said before
            if self._file is not None:
                self._file.close()
        with contextlib.suppress(OSError):
            if self._handle is not None:
                self._handle.close()
        self._file = self._handle = None


class _PartWriter:
    """Writes row groups into parts of about :data:`SEGMENT_BYTES`, and the keys of each beside it."""

    def __init__(self, folder: Path) -> None:
        self.parts: list[dict[str, Any]] = []
        self._folder = folder
        self._keys: list[Keys] = []
        self._file = self._next()

    def write(self, table: pa.Table) -> None:
        """One row group."""
        self._file.write(table)
        self._keys.append(as_keys(table["request_key"]).copy())
        if self._file.size >= SEGMENT_BYTES:
            self.end_part()

    def end_part(self) -> None:
        """End the file under way, if there is one."""
        if not self._keys:
            return
        self._file.end()
        path = self._file.path
        with keys_path(path).open("wb") as handle:
            np.save(handle, np.concatenate(self._keys), allow_pickle=False)
            handle.flush()
            os.fsync(handle.fileno())
        self.parts.append({"name": path.name, "rows": self._file.rows, "bytes": path.stat().st_size})
        self._keys = []
        self._file = self._next()

    def close(self) -> None:
        """Free the handle. Idempotent."""
        self._file.close()

    def _next(self) -> _TableFile:
        return _TableFile(self._folder / f"completions-{len(self.parts):05d}.parquet", COMPLETIONS, _OPTIONS)


def _link(source: Path, target: Path) -> None:
    """One more name for a file that never changes; a copy where the file system has no links."""
    try:
        target.hardlink_to(source)
    except OSError:
        shutil.copyfile(source, target)
        sync_file(target)


def table_of(schema: pa.Schema, rows: Sequence[dict[str, Any]]) -> pa.Table:
    """``rows`` as a table of ``schema``; ids are 16 bytes."""
    columns = []
    for field in schema:
        values = [row[field.name] for row in rows]
        if field.type == UUID:
            columns.append(pa.ExtensionArray.from_storage(UUID, pa.array(values, pa.binary(ID_BYTES))))
        else:
            columns.append(pa.array(values, field.type))
    return pa.Table.from_arrays(columns, schema=schema)
