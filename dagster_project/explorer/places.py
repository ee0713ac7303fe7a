"""What is looked at: a released folder, the tables of an environment's stages, or both; and what names their content.

Tables of stages are told apart by their columns, not by the names of kinds, so that a recipe's own kinds are seen too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from assets.release.folder_reading import Release, folders_of, read_release, recipe_name
from assets.schemas import shape_of
from resources.identity import hash_json

INDEX_FORMAT = 1
"""Raised when the files of an index change: an index of another format is made anew."""


@dataclass(frozen=True, slots=True)
class StageTable:
    """One table of one stage's current version."""

    stage: str
    table: str
    paths: Sequence[Path]
    columns: Sequence[str]

    @property
    def shape(self) -> str | None:
        """What it is (a key of ``assets.schemas.SHAPES``), or None."""
        return shape_of(self.columns)


@dataclass(frozen=True, slots=True)
class Place:
    """All that the explorer may read, and what it shows without reading rows."""

    name: str
    release: Release | None = None
    tables: Sequence[StageTable] = ()
    """Tables of stages, upstream first."""
    requests: Path | None = None
    """Folder of the request store, where completions lie."""
    funnel: Sequence[Mapping[str, Any]] = ()
    lineage: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    others: Mapping[str, Path] = field(default_factory=dict)
    """Released folders to compare with: label -> folder."""

    @property
    def digest(self) -> str:
        """Names the content, and so its index."""
        tables = [[t.stage, t.table, [p.parent.name + p.name for p in t.paths]] for t in self.tables]
        return hash_json([INDEX_FORMAT, self.release.digest if self.release else None, tables])

    @property
    def folders(self) -> list[Path]:
        """Folders that hold what is read."""
        found = {path.parent.resolve() for table in self.tables for path in table.paths}
        found |= set(self.release.folders) if self.release else set()
        found |= {self.requests.resolve()} if self.requests else set()
        return sorted(found | {part for folder in self.others.values() for part in folders_of(folder.resolve())})

    def report(self, shape: str) -> list[Path]:
        """Files of the contamination report: ``matches`` or ``figures``, of the release or else of the stages."""
        released = list(self.release.report.get(shape, ())) if self.release else []
        return released or [path for table in self.of_shape(shape) for path in table.paths]

    def of_shape(self, shape: str) -> list[StageTable]:
        """Tables of one shape, upstream first."""
        return [table for table in self.tables if table.shape == shape]


def place_of_folder(folder: Path, others: Sequence[Path] = ()) -> Place:
    """A released folder as a place, with ``others`` to compare it with."""
    release = read_release(folder)
    build = release.build
    return Place(
        name=recipe_name(build) or folder.resolve().name,
        release=release,
        funnel=[line for line in build.get("funnel") or () if isinstance(line, Mapping)],
        lineage=build.get("lineage") or {},
        others={str(other): read_release(other).folder for other in others},
    )
