"""Versions: staged, hashed, committed once, found by fingerprint.

* A *version* is the content hash of all its files and schemas. Its folder never changes after its manifest is written.
* A *fingerprint* is the hash of everything that decides the content. ``fingerprints/<fp>.json`` names the version that
  came out, with how it was made (:class:`Built`): inputs, code version, run, seconds, requests.

The manifest holds only what follows from the content, so that two builds of the same rows agree byte for byte.
"""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pyarrow as pa
import pyarrow.parquet as pq

from resources.errors import StoreError
from resources.identity import hash_file, hash_json
from resources.store.layout import (
    FORMAT,
    check_format,
    folder_of_kind,
    read_json,
    store_errors,
    sync_file,
    sync_folder,
    write_json,
)
from resources.store.writing import TableWriter


@dataclass(frozen=True, slots=True)
class Version:
    """One immutable output. ``manifest`` is the parsed ``manifest.json``."""

    kind: str
    version: str
    folder: Path
    manifest: Mapping[str, Any]

    @property
    def tables(self) -> Sequence[str]:
        """Names of its tables; ``rows`` is the first."""
        return tuple(self.manifest["tables"])

    def paths(self, table: str = "rows") -> list[Path]:
        """Parquet files of one table, in row order."""
        return [self.folder / part["path"] for part in self._table(table)["parts"]]

    def row_count(self, table: str = "rows") -> int:
        """Rows of one table."""
        return int(self._table(table)["row_count"])

    def schema(self, table: str = "rows") -> pa.Schema:
        """Arrow schema of one table, read from its first file."""
        return pq.read_schema(self.paths(table)[0])

    @property
    def facts(self) -> Mapping[str, Any]:
        """What the kind noted about the content."""
        return self.manifest["facts"]

    @property
    def files_folder(self) -> Path:
        """Folder of the files that are no tables (a release)."""
        return self.folder / "files"

    def _table(self, table: str) -> Mapping[str, Any]:
        try:
            return self.manifest["tables"][table]
        except KeyError:
            raise StoreError(
                f"no table {table!r} in this version (it has {', '.join(self.tables)})",
                where=str(self.folder),
                fix="Name one of its tables",
            ) from None


@dataclass(frozen=True, slots=True)
class Built:
    """How a fingerprint came to its version. Times and run ids stand here and never in a manifest."""

    fingerprint: str
    kind: str
    version: str
    parts: Mapping[str, Any] = field(default_factory=dict)
    """What the fingerprint was made of, in words: code, settings, inputs. Tells later why a stage changed."""
    run: Mapping[str, Any] = field(default_factory=dict)
    """run_id, seconds, requests (done, reused, failed), tokens."""
    pending: int = 0
    """Failed requests that a later build will ask for again: then the stage is not done yet."""


class Staging:
    """A version being written, invisible until :meth:`commit`. Leaving the ``with`` block without it deletes it."""

    def __init__(self, store: Store, kind: str, schemas: Mapping[str, pa.Schema], *, where: str) -> None:
        self.kind = kind
        self.folder = store.root / "staging" / uuid.uuid4().hex
        self.files_folder = self.folder / "files"
        self._store = store
        self._where = where
        with store_errors(store.root):
            self.files_folder.mkdir(parents=True)
        self.writers = {
            name: TableWriter(self.folder if name == "rows" else self.folder / name, schema, where=where)
            for name, schema in schemas.items()
        }

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)

    def close(self) -> Mapping[str, tuple[list[Path], int]]:
        """Finish all tables: (paths, rows) by name, for laws and checks before anything is committed."""
        for writer in self.writers.values():
            writer.close()
        return {name: (writer.paths, writer.row_count) for name, writer in self.writers.items()}

    def commit(self, facts: Mapping[str, Any]) -> Version:
        """Hash the content, move it to its final name, write the manifest last. An equal version is kept as it is."""
        with store_errors(self.folder):
            content = self._content(facts)
            version = hash_json(content)
            final = self._store.folder(self.kind, version)
            if read_json(final / "manifest.json") is None:
                self._move(final, {**content, "format": FORMAT, "version": version})
            return self._store.version(self.kind, version)

    def _content(self, facts: Mapping[str, Any]) -> dict[str, Any]:
        tables = {
            name: {
                "row_count": writer.row_count,
                "columns": [[f.name, str(f.type), f.nullable] for f in writer.schema],
                "parts": [self._file(path) for path in writer.paths],
            }
            for name, writer in self.writers.items()
        }
        files = [self._file(path) for path in sorted(self.files_folder.rglob("*")) if path.is_file()]
        return {"kind": self.kind, "tables": tables, "files": files, "facts": dict(facts)}

    def _file(self, path: Path) -> dict[str, Any]:
        return {
            "path": path.relative_to(self.folder).as_posix(),
            "bytes": path.stat().st_size,
            "sha256": hash_file(path),
        }

    def _move(self, final: Path, manifest: Mapping[str, Any]) -> None:
        for path in self.files_folder.rglob("*"):
            if path.is_file():
                sync_file(path)
        final.parent.mkdir(parents=True, exist_ok=True)
        if final.exists():  # a folder without a manifest: a kill between the rename and the manifest
            shutil.rmtree(final)
        os.rename(self.folder, final)  # noqa: PTH104 - Path.rename cannot say that the target must not exist either
        sync_folder(final.parent)
        write_json(final / "manifest.json", manifest)


class Store:
    """All versions under one root. Cheap to make; creates the root on first use."""

    def __init__(self, root: Path) -> None:
        self.root = root
        with store_errors(root):
            root.mkdir(parents=True, exist_ok=True)
        check_format(root)

    def folder(self, kind: str, version: str) -> Path:
        """Where a version lies (40 hex digits of its hash name the folder: 160 bits)."""
        return self.root / "versions" / folder_of_kind(kind) / version[:40]

    def stage(self, kind: str, schemas: Mapping[str, pa.Schema], *, where: str) -> Staging:
        """Begin a version."""
        return Staging(self, kind, schemas, where=where)

    def version(self, kind: str, version: str) -> Version:
        """Read a committed version. Raises StoreError if it is gone."""
        folder = self.folder(kind, version)
        manifest = read_json(folder / "manifest.json")
        if manifest is None:
            raise StoreError(
                f"version {version[:12]} of {kind} is not in the store",
                where=str(folder),
                fix="Build the stage again: completions in the request store are reused",
            )
        return Version(kind, version, folder, manifest)

    def find(self, fingerprint: str) -> tuple[Version, Built] | None:
        """The version that this fingerprint gave before, if it is still whole."""
        record = read_json(self._fingerprint_file(fingerprint))
        if record is None:
            return None
        built = Built(**record)
        if read_json(self.folder(built.kind, built.version) / "manifest.json") is None:
            return None
        return self.version(built.kind, built.version), built

    def made_by(self, versions: Collection[str]) -> list[Built]:
        """Every record of a fingerprint that gave one of ``versions``: different settings can give the same rows."""
        records = (read_json(file) for file in sorted((self.root / "fingerprints").glob("*.json")))
        return [Built(**record) for record in records if record and record["version"] in versions]

    def remember(self, built: Built) -> None:
        """Record what a fingerprint gave."""
        write_json(self._fingerprint_file(built.fingerprint), asdict(built))

    def _fingerprint_file(self, fingerprint: str) -> Path:
        return self.root / "fingerprints" / f"{fingerprint}.json"
