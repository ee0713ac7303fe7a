"""Sealed segments: immutable Parquet files of completions and failures, and a file of keys beside each.

One seal is one folder ``segments/<name>``: it is written under a hidden name and renamed, so all its files appear at
once, together with ``seal.json``, which names the journals (and, after a compaction, the seals) that it takes the place
of. There is no central list that could be lost: the folders are the truth, and may be copied between stores.
Lives here: the layout on disk, its format version and migrations, reading. ``sealing`` writes it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from resources.errors import StoreError
from resources.requests.index import Keys, as_keys, no_keys
from resources.requests.locks import exclusive
from resources.store.layout import read_json, store_errors, write_json

FORMAT = 1
"""Format of the request store (folders, Parquet columns, journals). A change needs a migration below."""

MIGRATIONS: Mapping[int, Callable[[Path], None]] = {}
"""Format -> a function that turns ``<root>/requests`` of that format into the next one. It must bear being killed and
run again."""

SEAL_FILE = "seal.json"
FAILURES_FILE = "failures.parquet"

UUID = pa.uuid()

COMPLETIONS = pa.schema(
    [
        pa.field("request_key", UUID, nullable=False),
        pa.field("text", pa.string(), nullable=False),
        pa.field("reasoning", pa.string()),
        pa.field("text_hash", UUID, nullable=False),
        pa.field("finish_reason", pa.string(), nullable=False),
        pa.field("prompt_tokens", pa.int32()),
        pa.field("completion_tokens", pa.int32()),
        pa.field("engine", pa.string(), nullable=False),
        pa.field("weights", pa.string(), nullable=False),
        pa.field("stored_at_ns", pa.int64(), nullable=False),
        pa.field("raw", pa.binary()),
        pa.field("raw_reasoning", pa.binary()),
    ]
)
"""Columns of a segment. ``raw``: the original, only where it is no valid UTF-8 and ``text`` stands in for it."""

FAILURES = pa.schema(
    [
        pa.field("request_key", UUID, nullable=False),
        pa.field("reason", pa.string(), nullable=False),
        pa.field("is_permanent", pa.bool_(), nullable=False),
        pa.field("engine", pa.string(), nullable=False),
        pa.field("weights", pa.string(), nullable=False),
        pa.field("stored_at_ns", pa.int64(), nullable=False),
    ]
)
"""Failed attempts: one row an attempt, also of requests that were completed later."""


@dataclass(frozen=True, slots=True)
class Folders:
    """Where the request store of ``<root>`` keeps what."""

    root: Path

    @property
    def journals(self) -> Path:
        """Journals of running processes, and of dead ones until the next seal."""
        return self.root / "journals"

    @property
    def segments(self) -> Path:
        """One folder a seal."""
        return self.root / "segments"

    @property
    def lock(self) -> Path:
        """Held by the one process that seals, compacts or migrates."""
        return self.root / "SEAL.lock"

    @property
    def format(self) -> Path:
        """The format version."""
        return self.root / "FORMAT"


@dataclass(frozen=True, slots=True)
class Seal:
    """One committed folder and what its ``seal.json`` says."""

    folder: Path
    facts: Mapping[str, Any]

    @property
    def name(self) -> str:
        """Name of the folder."""
        return self.folder.name

    @property
    def parts(self) -> list[Path]:
        """Its files of completions, each sorted by key."""
        return [self.folder / part["name"] for part in self.facts["parts"]]

    @property
    def failures(self) -> Path | None:
        """Its file of failures, if it has any."""
        return self.folder / FAILURES_FILE if self.facts["failures"] else None

    def keys(self) -> Keys:
        """Keys of its completions, sorted, from the key files alone."""
        arrays = [_load_keys(self.folder / part["name"], part["rows"]) for part in self.facts["parts"]]
        return np.concatenate(arrays) if arrays else no_keys()

    def failed(self) -> tuple[Keys, np.ndarray]:
        """Key of each failed attempt, and whether it is permanent."""
        import pyarrow.parquet as pq

        if self.failures is None:
            return no_keys(), np.zeros(0, bool)
        try:
            with store_errors(self.failures), self.failures.open("rb") as handle:
                table = pq.ParquetFile(handle).read(columns=["request_key", "is_permanent"])
        except pa.ArrowException as error:
            raise _damaged(self.failures, str(error)) from error
        # By to_pylist: to_numpy imports pandas where it is installed, a second for a handful of failures.
        permanent = np.array(table.column("is_permanent").to_pylist(), bool)
        return as_keys(table.column("request_key")), permanent


def keys_path(part: Path) -> Path:
    """The file of keys of a segment: ``completions-00000.parquet`` -> ``completions-00000.keys.npy``."""
    return part.with_name(f"{part.stem}.keys.npy")


def list_seals(folders: Folders) -> list[Seal]:
    """All committed seals, by name, without those that another one replaces."""
    with store_errors(folders.segments):
        found = [path for path in folders.segments.glob("*") if not path.name.startswith(".")]
    seals = [seal for path in sorted(found) if (seal := _read_seal(path)) is not None]
    replaced = {name for seal in seals for name in seal.facts.get("replaces", ())}
    return [seal for seal in seals if seal.name not in replaced]


def _read_seal(folder: Path) -> Seal | None:
    path = folder / SEAL_FILE
    try:
        facts = read_json(path) if folder.is_dir() else None
    except StoreError as error:
        if isinstance(error.__cause__, ValueError):  # unreadable JSON: here the general remedy would cost completions
            raise _damaged(path, error.what) from error
        raise
    if facts is None:
        return None
    if facts.get("format") != FORMAT:
        raise StoreError(
            f"the segment has format {facts.get('format')!r}; this mathloom reads {FORMAT}",
            where=str(folder),
            fix="Install the mathloom that wrote it",
        )
    return Seal(folder, facts)


def _load_keys(part: Path, rows: int) -> Keys:
    path = keys_path(part)
    try:
        with store_errors(path):
            keys = as_keys(np.load(path, allow_pickle=False))
    except (ValueError, EOFError) as error:
        raise _damaged(path, str(error)) from error
    if len(keys) != rows:
        raise _damaged(path, f"{len(keys)} keys for {rows} rows")
    return keys


def _damaged(path: Path, why: str) -> StoreError:
    return StoreError(
        f"the file is damaged ({why})",
        where=str(path),
        fix="Restore its folder from a backup, or move the folder away: what it holds is then asked for again",
    )


def prepare(folders: Folders) -> None:
    """Make the store on first use, migrate an older format, refuse a newer one."""
    found = _format_of(folders)
    if found == FORMAT:
        return
    with exclusive(folders.lock):
        found = _format_of(folders)
        if found is None:
            write_json(folders.format, {"format": FORMAT})
            return
        while found < FORMAT:
            MIGRATIONS[found](folders.root)
            found += 1
            write_json(folders.format, {"format": found})


def _format_of(folders: Folders) -> int | None:
    value = read_json(folders.format)
    if value is None:
        return None
    found = value.get("format") if isinstance(value, dict) else None
    is_readable = isinstance(found, int) and (found == FORMAT or found in MIGRATIONS)
    if not is_readable:
        raise StoreError(
            f"the request store has format {found!r}; this mathloom reads {FORMAT}",
            where=str(folders.format),
            fix="Install the mathloom that wrote it, or set another [project] store in mathloom.toml",
        )
    return found
