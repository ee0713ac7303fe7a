"""Opens a source as a stream of rows, and pins what it holds, so that a build knows when it has changed.

``bundled`` is an absolute path here; the recipe language puts the recipe's folder before it. Formats are in ``files``,
the Hub in ``resources.hub.reading``, the meaning of fields in the stations.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from resources.errors import SeedError
from resources.hub import reading as hub
from resources.identity import hash_file
from resources.sources.files import SourceRow, no_column, read_file

_SEEN_COLUMNS = 200
"""Column names remembered for an error message: JSON Lines may have a new name in every row."""


@dataclass(frozen=True, slots=True)
class SourceSpec:
    """Where rows come from: one of ``hub``, ``path`` and ``bundled`` is set."""

    name: str
    where: str = ""
    """File and line that declare it."""
    hub: str | None = None
    config: str | None = None
    """``*``: all configs, in sorted order."""
    split: str = "train"
    revision: str | None = None
    """A full commit; for a tracked branch the commit of recipe.lock (see :meth:`Pinned.apply`)."""
    track: str | None = None
    path: Path | None = None
    bundled: Path | None = None
    licence: str | None = None
    rows: int | None = None
    """Rows that the recipe declares, for counting ahead; reading does not use it."""
    columns: Mapping[str, str] = field(default_factory=dict)
    """Renames: wanted column -> column of the file."""

    @classmethod
    def of(cls, value: SourceSpec | Mapping[str, Any]) -> SourceSpec:
        """From a mapping with (at least) these keys; others are left out, paths may be text."""
        if isinstance(value, SourceSpec):
            return value
        known: dict[str, Any] = {f.name: value[f.name] for f in fields(cls) if value.get(f.name) is not None}
        for key in {"path", "bundled"} & known.keys():
            known[key] = Path(known[key])
        return cls(**known)

    @property
    def file(self) -> Path | None:
        """The local file, if it is one."""
        return self.path or self.bundled

    @property
    def label(self) -> str:
        """The file or repository, for errors."""
        return f"hub:{self.hub}" if self.hub else str(self.file)


@dataclass(frozen=True, slots=True)
class Pinned:
    """What a source holds, exactly. ``revision``: commit of the Hub. ``sha256``: of the file, or of all Hub files."""

    name: str
    revision: str | None
    sha256: str | None
    rows: int | None = None

    def lock_entry(self) -> dict[str, Any]:
        """What recipe.lock keeps."""
        return {"revision": self.revision, "sha256": self.sha256, "rows": self.rows}

    def identity(self, source: SourceSpec) -> dict[str, Any]:
        """What a fingerprint takes in: content, never a path. A moved file with the same bytes is the same source."""
        place = {"hub": source.hub, "config": source.config, "split": source.split} if source.hub else {}
        content = {"revision": self.revision} if source.hub else {"sha256": self.sha256}
        return {"name": source.name, "columns": dict(sorted(source.columns.items()))} | place | content

    def apply(self, source: SourceSpec) -> SourceSpec:
        """The source with its branch replaced by the pinned commit."""
        return replace(source, revision=self.revision, track=None) if source.hub else source


def pin(source: SourceSpec, *, endpoint: str | None = None) -> Pinned:
    """Look at a source as it is now: what `mathloom update` writes into recipe.lock.

    Reads a local file once for its hash and once to count its rows; asks the Hub two questions and downloads nothing.

    Raises:
        SeedError: It cannot be read, or it is empty.
    """
    if source.hub:
        commit = source.revision or hub.resolve_commit(source.hub, source.track or "main", endpoint=endpoint)
        _check_commit(source, commit)
        return Pinned(source.name, commit, hub.content_hash(source.hub, commit, endpoint=endpoint))
    path = _path(source)
    count = sum(1 for _ in read_file(path, (), ()))
    if not count:
        raise _empty(source)
    return Pinned(source.name, None, _hash(path), count)


def resolve(source: SourceSpec, lock_entry: Mapping[str, Any] | None) -> Pinned:
    """What a build reads, for its fingerprint: checked against the lock, no network.

    A local file needs no lock entry; where there is one, the file must still have that hash.

    Raises:
        SeedError: The lock and the source disagree, or a tracked branch has no commit in the lock.
    """
    lock = dict(lock_entry or {})
    if source.hub:
        return _resolve_hub(source, lock)
    found = _hash(_path(source))
    if lock.get("sha256") not in (None, found):
        raise SeedError(
            f"the file has changed since recipe.lock was written (sha256 {lock['sha256'][:12]}... there, "
            f"{found[:12]}... now)",
            where=source.label,
            fix="Run `mathloom update` to take the new content, or bring the old file back",
        )
    return Pinned(source.name, None, found, lock.get("rows"))


def open_rows(source: SourceSpec, needed: Sequence[str], wanted: Sequence[str]) -> Iterator[SourceRow]:
    """All rows of a source in its own order, under the wanted names (``columns`` applied), with their faults.

    Raises:
        SeedError: It cannot be read, has no rows, or no row has one of the ``needed`` columns (or a renamed one).
    """
    names = _renames(source, needed, wanted)
    must = [names[name] for name in dict.fromkeys([*needed, *source.columns])]
    missing, seen, count = set(must), dict[str, None](), 0
    for row in _raw_rows(source, must, list(names.values())):
        count += 1
        if missing and row.fault is None:
            missing.difference_update(row.values)
            seen.update(dict.fromkeys(list(row.values)[: _SEEN_COLUMNS - len(seen)]))
        values = {name: row.values[column] for name, column in names.items() if column in row.values}
        yield SourceRow(row.number, row.place, values, row.fault)
    if not count:
        raise _empty(source)
    if missing and seen:
        raise no_column(min(missing, key=must.index), seen, source.label)


def _raw_rows(source: SourceSpec, needed: Sequence[str], wanted: Sequence[str]) -> Iterator[SourceRow]:
    if source.hub is None:
        yield from read_file(_path(source), needed, wanted)
        return
    if source.revision:
        _check_commit(source, source.revision)
    configs = hub.config_names(source.hub, source.revision) if source.config == "*" else [source.config]
    number = 0
    for config in configs:
        rows = hub.stream_rows(source.hub, config=config, split=source.split, revision=source.revision)
        for index, values in enumerate(rows):
            yield SourceRow(number, f"config {config or 'default'}, row {index}", values)
            number += 1


def _renames(source: SourceSpec, needed: Sequence[str], wanted: Sequence[str]) -> dict[str, str]:
    known = dict.fromkeys([*needed, *wanted])
    for name in source.columns:
        if name not in known:
            raise SeedError(
                f"`columns` renames {name!r}, which this kind does not read",
                where=source.where or source.label,
                fix=f"Use one of {', '.join(known)}",
            )
    return {name: source.columns.get(name, name) for name in known}


def _resolve_hub(source: SourceSpec, lock: Mapping[str, Any]) -> Pinned:
    if source.revision:
        _check_commit(source, source.revision)
    locked = lock.get("revision")
    if source.revision and locked not in (None, source.revision):
        raise SeedError(
            f"the recipe says commit {source.revision[:12]}... and recipe.lock says {str(locked)[:12]}...",
            where=source.where or source.label,
            fix="Run `mathloom update`",
        )
    commit = source.revision or locked
    if commit is None:
        raise SeedError(
            f"branch {source.track or 'main'!r} of {source.hub} has no commit in recipe.lock yet",
            where=source.where or source.label,
            fix="Run `mathloom update` (it needs the network once)",
        )
    return Pinned(source.name, str(commit), lock.get("sha256"), lock.get("rows"))


def _check_commit(source: SourceSpec, commit: str) -> None:
    if not hub.COMMIT.fullmatch(commit):
        raise SeedError(
            f"revision {commit!r} is no full commit (40 hex digits), so its content could change",
            where=source.where or source.label,
            fix=f"Write `track: {commit}` instead, which `mathloom update` resolves into recipe.lock",
        )


def _path(source: SourceSpec) -> Path:
    if source.file is None:
        raise SeedError(
            f"source {source.name!r} names neither a file nor a Hub dataset",
            where=source.where or source.name,
            fix="Give it `path:`, `bundled:` or `hub:`",
        )
    return source.file


def _hash(path: Path) -> str:
    try:
        return hash_file(path)
    except OSError as error:
        raise SeedError(
            f"the file cannot be read: {error.strerror or error}", where=str(path), fix="Correct the path of the source"
        ) from error


def _empty(source: SourceSpec) -> SeedError:
    return SeedError("the source has no rows", where=source.label, fix="Give a file or dataset that has some")
