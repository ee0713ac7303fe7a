"""Sealed segments: immutable Parquet files of completions and failures, and a file of keys beside each.

One seal is one folder ``segments/<name>``: it is written under a hidden name and renamed, so all its files appear at
once, together with ``seal.json``, which names the journals (and, after a compaction, the seals) that it takes the place
of. There is no central list that could be lost: the folders are the truth, and may be copied between stores.
Lives here: the layout on disk and reading it. ``writing`` writes it, ``migrations`` brings older formats here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from resources.errors import StoreError
from resources.requests.index import KeyRun, Keys, as_keys, no_keys
from resources.store.layout import read_json, store_errors

FORMAT = 2
"""Format of the request store (folders, Parquet columns, ``seal.json``). A change needs a step in ``migrations``.

1: the first one. 2: ``usage`` in ``seal.json``, and stores hold a lock while they are open (see ``compaction``).
"""

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

    @property
    def bytes(self) -> int:
        """Size of its completions on disk."""
        return sum(part["bytes"] for part in self.facts["parts"])

    def key_arrays(self) -> list[Keys]:
        """Keys of its completions, sorted, from the key file of each part."""
        return [load_keys(self.folder / part["name"], part["rows"]) for part in self.facts["parts"]]

    def holding(self, wanted: KeyRun) -> list[Path]:
        """Those of its parts that have a completion of any of ``wanted``."""
        return [
            self.folder / part["name"]
            for part in self.facts["parts"]
            if wanted.has_any(load_keys(self.folder / part["name"], part["rows"]))
        ]

    def failed(self) -> tuple[Keys, np.ndarray]:
        """Key of each failed attempt, and whether it is permanent."""
        import pyarrow.parquet as pq

        if self.failures is None:
            return no_keys(), np.zeros(0, bool)
        try:
            with store_errors(self.failures), self.failures.open("rb") as handle:
                table = pq.ParquetFile(handle).read(columns=["request_key", "is_permanent"])
        except pa.ArrowException as error:
            raise damaged(self.failures, str(error)) from error
        # By to_pylist: to_numpy imports pandas where it is installed, a second for a handful of failures.
        permanent = np.array(table.column("is_permanent").to_pylist(), bool)
        return as_keys(table.column("request_key")), permanent


def keys_path(part: Path) -> Path:
    """The file of keys of a segment: ``completions-00000.parquet`` -> ``completions-00000.keys.npy``."""
    return part.with_name(f"{part.stem}.keys.npy")


def list_seals(folders: Folders) -> list[Seal]:
    """All committed seals, by name, without those that another one replaces."""
    return scan(folders)[0]


def scan(folders: Folders) -> tuple[list[Seal], list[Path]]:
    """All committed seals, by name, and the folders on disk that one of them replaces.

    Raises:
        StoreError: A ``seal.json`` is damaged, or of another format.
    """
    seals = [_checked(folder, facts) for folder in seal_folders(folders) if (facts := read_facts(folder)) is not None]
    replaced = replaced_by(seals)
    alive = [seal for seal in seals if seal.name not in replaced]
    return alive, [path for name in sorted(replaced) if (path := folders.segments / name).is_dir()]


def replaced_by(seals: Sequence[Seal]) -> set[str]:
    """Names of the seals that ``seals`` take the place of."""
    return {name for seal in seals for name in seal.facts["replaces"]}


def seal_folders(folders: Folders) -> list[Path]:
    """What may be a seal, by name: all that is not hidden."""
    with store_errors(folders.segments):
        return sorted(path for path in folders.segments.glob("*") if not path.name.startswith("."))


def read_facts(folder: Path) -> dict[str, Any] | None:
    """What the ``seal.json`` of ``folder`` says, in whatever format it is; None if there is none."""
    path = folder / SEAL_FILE
    try:
        facts = read_json(path) if folder.is_dir() else None
    except StoreError as error:
        if isinstance(error.__cause__, ValueError):  # unreadable JSON: here the general remedy would cost completions
            raise damaged(path, error.what) from error
        raise
    if facts is not None and not isinstance(facts, dict):
        raise damaged(path, "no JSON object")
    return facts


def _checked(folder: Path, facts: dict[str, Any]) -> Seal:
    if (found := facts.get("format")) == FORMAT:
        return Seal(folder, facts)
    is_older = isinstance(found, int) and found < FORMAT
    raise StoreError(
        f"the segment has format {found!r}; this mathloom reads {FORMAT}",
        where=str(folder),
        fix="Open the store again: it is migrated then" if is_older else "Install the mathloom that wrote it",
    )


def load_keys(part: Path, rows: int) -> Keys:
    """Keys of a part, sorted, from its file of keys."""
    path = keys_path(part)
    try:
        with store_errors(path):
            keys = as_keys(np.load(path, allow_pickle=False))
    except (ValueError, EOFError) as error:
        raise damaged(path, str(error)) from error
    if len(keys) != rows:
        raise damaged(path, f"{len(keys)} keys for {rows} rows")
    high = keys.view(">u8")[:, 0]
    if (high[1:] < high[:-1]).any():
        raise damaged(path, "its keys are out of order")
    return keys


def damaged(path: Path, why: str) -> StoreError:
    """The error of a file whose content cannot be read."""
    return StoreError(
        f"the file is damaged ({why})",
        where=str(path),
        fix="Restore its folder from a backup, or move the folder away: what it holds is then asked for again",
    )
