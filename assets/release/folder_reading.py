"""Reads a released folder by its files: which files a split has, how it was made, what names its content.

``README.md`` says which files a split has (as the Hub reads it), ``BUILD.json`` how it was made; a dataset without
either is its ``data/*.parquet``. Both are somebody else's text, and no rows are read. The explorer, differences and
explanations of rows begin here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import yaml

from assets.schemas import shape_of
from resources.errors import FileError
from resources.identity import hash_json

CONTAMINATION = "contamination"
"""Config of a release that lists removed problems and what they matched."""

SOLUTIONS = ("generated_solution", "solution", "answer")
SOURCES = ("problem_source", "source")
EXPECTED_ANSWERS = ("expected_answer", "answer")
"""Columns of a published dataset, by the first name that it has; ours come first."""

_SHARD = re.compile(r"(.+?)(?:-\d{5}-of-\d{5})?\.parquet")


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

    @property
    def folders(self) -> list[Path]:
        """Folders that hold its contents: what a session must be allowed to read."""
        return folders_of(self.folder)


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
        report.setdefault(shape_of(pq.read_schema(path).names) or "other", []).append(path)
    splits = found["default"]
    # Provenance belongs to the data row by row; of a split without its own nothing can be said.
    provenance = {split: paths for split, paths in found["provenance"].items() if split in splits}
    provenance = provenance if provenance.keys() == splits.keys() else {}
    files = [*splits.values(), *provenance.values(), *report.values()]
    return Release(folder, splits, provenance, report, build, _digest(folder, files, build))


def recipe_name(build: Mapping[str, Any]) -> str | None:
    """Name of the recipe that BUILD.json names: its format 1 has the name alone, format 2 a mapping with more."""
    recipe = build.get("recipe")
    name = recipe.get("name") if isinstance(recipe, Mapping) else recipe
    return str(name) if name else None


def first_column(paths: Sequence[Path], names: Sequence[str]) -> str | None:
    """The first of ``names`` that the files have."""
    columns = pq.read_schema(paths[0]).names
    return next((name for name in names if name in columns), None)


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
    except (yaml.YAMLError, RecursionError) as error:
        raise FileError(
            "the YAML at its beginning cannot be read",
            where=str(card),
            fix="Mend it, or remove the card: the files of data/ are then read by their names",
        ) from error
    configs = head.get("configs") if isinstance(head, Mapping) else None
    found = {}
    for config in configs if isinstance(configs, list) else ():
        name = str(config.get("config_name")) if isinstance(config, Mapping) else ""
        files = config.get("data_files") if name in _DIRECTORIES else None
        if isinstance(files, list) and all(_is_of_split(part) for part in files):
            found[name] = {str(part["split"]): _named(folder, part["path"], card) for part in files}
    return found


def _is_of_split(part: Any) -> bool:
    return isinstance(part, Mapping) and "split" in part and isinstance(part.get("path"), str | list)


def _named(folder: Path, words: str | Sequence[str], card: Path) -> list[Path]:
    """Files that the card names, by name or pattern. A card is somebody else's text: it must not lead elsewhere."""
    patterns = [words] if isinstance(words, str) else [str(word) for word in words]
    found: list[Path] = []
    for pattern in patterns:
        parts = Path(pattern).parts
        is_inside = bool(parts) and not Path(pattern).is_absolute() and ".." not in parts
        matches = sorted(folder.glob(pattern)) if is_inside else []
        matches = [path for path in matches if lies_in(path, folder) and path.suffix == ".parquet"]
        if not matches:
            raise FileError(
                f"the card names {pattern[:80]!r}, and there is no such Parquet file inside the folder",
                where=str(card),
                fix="Download the dataset again; the folder must be whole",
            )
        found += matches
    return found


def lies_in(path: Path, folder: Path) -> bool:
    """Whether the content of ``path`` belongs to the release in ``folder`` (resolved), and is no link to elsewhere."""
    place = path.resolve()
    return any(place.is_relative_to(root) for root in folders_of(folder))


def folders_of(folder: Path) -> list[Path]:
    """A snapshot of the Hub's client is made of links to the contents that lie beside it."""
    return [folder, *([folder.parents[1] / "blobs"] if folder.parent.name == "snapshots" else [])]


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
    except (ValueError, RecursionError) as error:
        raise FileError(
            "it is no JSON", where=str(path), fix="Restore the file, or remove it: the rows are read without it"
        ) from error
    return found if isinstance(found, dict) else {}
