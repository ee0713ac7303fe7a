"""What is looked at: a released folder, the tables of an environment's stages, or both; and what names their content.

A released folder is read by its files: ``README.md`` says which files a split has (as the Hub reads it), ``BUILD.json``
how it was made; a dataset without either is its ``data/*.parquet``. Tables of stages are told apart by their columns,
not by the names of kinds, so that a recipe's own kinds are seen too.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import yaml

from resources.errors import FileError
from resources.identity import hash_json

INDEX_FORMAT = 1
"""Raised when the files of an index change: an index of another format is made anew."""

CONTAMINATION = "contamination"
"""Config of a release that lists removed problems and what they matched."""

_SHARD = re.compile(r"(.+?)(?:-\d{5}-of-\d{5})?\.parquet")

_SHAPES: Mapping[str, frozenset[str]] = {
    "pairs": frozenset({"pair_id", "benchmark_problem"}),
    "matches": frozenset({"problem", "rule", "benchmark_problem"}),
    "figures": frozenset({"figure", "count", "share"}),
    "benchmarks": frozenset({"benchmark_id", "problem", "benchmark", "row"}),
    "overlaps": frozenset({"problem_id", "longest", "is_exact"}),
    "neighbours": frozenset({"problem_id", "benchmark_ids", "similarities"}),
    "judged": frozenset({"problem_id", "benchmark_id", "verdict"}),
    "expected": frozenset({"problem_id", "expected_answer", "expected_key"}),
    "answers": frozenset({"solution_id", "answer", "answer_status"}),
    "solutions": frozenset({"solution_id", "problem_id", "request_key", "sample_index"}),
    "problems": frozenset({"problem_id", "problem", "problem_source"}),
    "edges": frozenset({"child_id", "parent_id", "relation"}),
    "rejects": frozenset({"id", "rule", "reason"}),
}
"""What a table is -> columns that it has. The first that fits counts."""


def _shape(columns: Iterable[str]) -> str | None:
    names = frozenset(columns)
    return next((shape for shape, needed in _SHAPES.items() if needed <= names), None)


@dataclass(frozen=True, slots=True)
class StageTable:
    """One table of one stage's current version."""

    stage: str
    table: str
    paths: Sequence[Path]
    columns: Sequence[str]

    @property
    def shape(self) -> str | None:
        """What it is (a key of the shapes above), or None."""
        return _shape(self.columns)


@dataclass(frozen=True, slots=True)
class Release:
    """A released folder: files of each split, in order, by config."""

    folder: Path
    data: Mapping[str, Sequence[Path]]
    provenance: Mapping[str, Sequence[Path]]
    report: Mapping[str, Sequence[Path]]
    """Files of the contamination report: matches (removed problems, and what they matched), figures (counts)."""
    build: Mapping[str, Any]
    """BUILD.json; empty without one."""
    digest: str

    @property
    def files(self) -> list[Path]:
        """Every data file once: the place of a file in this list is its number in the index."""
        return list({path: None for paths in self.data.values() for path in paths})


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
        found |= {self.release.folder.resolve()} if self.release else set()
        found |= {self.requests.resolve()} if self.requests else set()
        return sorted(found | {folder.resolve() for folder in self.others.values()})

    def report(self, shape: str) -> list[Path]:
        """Files of the contamination report: ``matches`` or ``figures``, of the release or else of the stages."""
        released = list(self.release.report.get(shape, ())) if self.release else []
        return released or [path for table in self.of_shape(shape) for path in table.paths]

    def of_shape(self, shape: str) -> list[StageTable]:
        """Tables of one shape, upstream first."""
        return [table for table in self.tables if table.shape == shape]


def is_release(folder: Path) -> bool:
    """Whether a folder looks like a released or published dataset."""
    return folder.is_dir() and any((folder / "data").glob("*.parquet"))


def read_release(folder: Path) -> Release:
    """The files of a released folder. Reads the card and BUILD.json, no rows.

    Raises:
        FileError: There is no ``data/*.parquet``, or the card names files that are not there.
    """
    folder = folder.resolve()
    if not is_release(folder):
        raise FileError(
            "no dataset is here: there are no files data/*.parquet",
            where=str(folder),
            fix="Name a released folder (it has README.md, BUILD.json and data/), or a recipe",
        )
    build_file = folder / "BUILD.json"
    build = _json(build_file) if build_file.is_file() else {}
    configs = _configs(folder)
    found = {name: configs.get(name) or _globbed(folder, directory) for name, directory in _DIRECTORIES.items()}
    report: dict[str, list[Path]] = {}
    for path in sorted((folder / CONTAMINATION).glob("*.parquet")):
        report.setdefault(_shape(pq.read_schema(path).names) or "other", []).append(path)
    splits = found["default"]
    # Provenance belongs to the data row by row; of a split without its own nothing can be said.
    provenance = {split: paths for split, paths in found["provenance"].items() if split in splits}
    provenance = provenance if provenance.keys() == splits.keys() else {}
    files = [*splits.values(), *provenance.values(), *report.values()]
    return Release(folder, splits, provenance, report, build, _digest(folder, files, build))


def place_of_folder(folder: Path, others: Sequence[Path] = ()) -> Place:
    """A released folder as a place, with ``others`` to compare it with."""
    release = read_release(folder)
    build = release.build
    return Place(
        name=str(build.get("recipe") or folder.resolve().name),
        release=release,
        funnel=[line for line in build.get("funnel") or () if isinstance(line, Mapping)],
        lineage=build.get("lineage") or {},
        others={str(other): read_release(other).folder for other in others},
    )


_DIRECTORIES = {"default": "data", "provenance": "provenance"}


def _globbed(folder: Path, directory: str) -> dict[str, list[Path]]:
    """Split -> files by their names, as ``datasets`` reads a folder without a card."""
    found: dict[str, list[Path]] = {}
    for path in sorted((folder / directory).glob("*.parquet")):
        match = _SHARD.fullmatch(path.name)
        found.setdefault(match[1] if match else path.stem, []).append(path)
    return found


def _configs(folder: Path) -> dict[str, dict[str, list[Path]]]:
    """Config -> split -> files, as the card's YAML says; empty without a card."""
    card = folder / "README.md"
    text = card.read_text(encoding="utf-8", errors="replace") if card.is_file() else ""
    if not text.startswith("---\n"):
        return {}
    try:
        head = yaml.safe_load(text[4:].partition("\n---")[0])
    except yaml.YAMLError as error:
        raise FileError(
            "the YAML at its beginning cannot be read",
            where=str(card),
            fix="Mend it, or remove the card: the files of data/ are then read by their names",
        ) from error
    configs = head.get("configs") if isinstance(head, Mapping) else None
    found = {}
    for config in configs or ():
        if config.get("config_name") in _DIRECTORIES and isinstance(config.get("data_files"), list):
            found[config["config_name"]] = {
                str(part["split"]): _named(folder, part["path"], card) for part in config["data_files"]
            }
    return found


def _named(folder: Path, words: str | Sequence[str], card: Path) -> list[Path]:
    """Files that the card names, by name or pattern. A card is somebody else's text: it must not lead elsewhere."""
    patterns = [words] if isinstance(words, str) else [str(word) for word in words]
    found: list[Path] = []
    for pattern in patterns:
        parts = Path(pattern).parts
        is_inside = bool(parts) and not Path(pattern).is_absolute() and ".." not in parts
        matches = sorted(folder.glob(pattern)) if is_inside else []
        matches = [path for path in matches if path.resolve().is_relative_to(folder) and path.suffix == ".parquet"]
        if not matches:
            raise FileError(
                f"the card names {pattern[:80]!r}, and there is no such Parquet file inside the folder",
                where=str(card),
                fix="Download the dataset again; the folder must be whole",
            )
        found += matches
    return found


def _digest(folder: Path, groups: Sequence[Sequence[Path]], build: Mapping[str, Any]) -> str:
    """Of the content where BUILD.json has hashes; else of names, sizes and rows: hashing 14 GB would take minutes."""
    if build.get("files"):
        return hash_json(build["files"])
    paths = sorted({path for group in groups for path in group})
    return hash_json(
        [[p.relative_to(folder).as_posix(), p.stat().st_size, pq.read_metadata(p).num_rows] for p in paths]
    )


def _json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise FileError(
            "it is no JSON", where=str(path), fix="Restore the file, or remove it: the rows are read without it"
        ) from error
    return found if isinstance(found, dict) else {}
