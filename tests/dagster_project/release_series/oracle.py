"""What a build and a release must have done, told without mathloom's own fingerprints, diffs and numbers.

Stages: a stage has to run if and only if nobody ever ran it on these inputs with these words of its own. The graph is
the recipe's; rows are read from Parquet and compared as rows. Numbers and counts: from the files of the two releases.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from assets.release.numbering import Step
from dagster_project.language.load import load_project
from dagster_project.language.resolved import Stage
from tests.dagster_project.release_series.project import PROFILE, RECIPE, Project

READS_SEEDS = "seeds"
READS_LIMITS = "checked"
READS_ALL = "release"
"""Stages with words of their own that an edit can change: the bundled rows, the text rules, the whole recipe."""


class Stages:
    """Which stages ran in a build, and which had to."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self._seen: dict[str, set[str]] = {}
        self._before = self._records()

    def ran(self) -> set[str]:
        """Stages that ran since the last call: their record is new, or was written anew."""
        now = self._records()
        new = {name for name, state in now.items() if self._before.get(name) != state}
        self._before = now
        return {stage for stage, entry in self._entries().items() if entry["fingerprint"] in new}

    def expected(self) -> set[str]:
        """Stages that the build had to run, and no other."""
        recipe = load_project(self._project.folder / "mathloom.toml").recipes[RECIPE]
        rows = dict(self._rows())
        found = set[str]()
        for stage in recipe.stages.values():
            seen = self._seen.setdefault(stage.name, set())
            signature = _hash([self._own(stage), self._inputs(stage, recipe.stages, rows)])
            if signature not in seen:
                found.add(stage.name)
                seen.add(signature)
        return found

    def _inputs(self, stage: Stage, stages: Mapping[str, Stage], rows: Mapping[str, Mapping[str, str]]) -> Any:
        if stage.name == READS_ALL:  # its BUILD.json speaks of everything above
            return {name: tables for name, tables in rows.items() if name != stage.name and name in stages}
        return {f"{formal}.{ref}": rows[ref.stage][ref.table] for formal, refs in stage.inputs.items() for ref in refs}

    def _own(self, stage: Stage) -> Any:
        recipe = self._project.recipe
        if stage.name == READS_SEEDS:
            return (recipe / "problems.jsonl").read_text(encoding="utf-8")
        if stage.name == READS_LIMITS:
            text = (recipe / "recipe.yaml").read_text(encoding="utf-8")
            return [line for line in text.splitlines() if line.startswith(("    min_solution_ch", "    rules: ["))]
        if stage.name == READS_ALL:
            return {str(file): hash_of(file) for file in sorted(recipe.rglob("*")) if file.is_file()}
        return None

    def _rows(self) -> Iterator[tuple[str, dict[str, str]]]:
        for stage, entry in self._entries().items():
            kind = entry["kind"].replace("/", ".")
            folder = self._project.store / "versions" / kind / entry["version"][:40]
            manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
            yield (
                stage,
                {
                    name: _hash([pq.read_table(folder / part["path"]).to_pylist() for part in table["parts"]])
                    for name, table in manifest["tables"].items()
                },
            )

    def _entries(self) -> dict[str, dict[str, str]]:
        file = self._project.store / "envs" / RECIPE / f"{PROFILE}.json"
        return json.loads(file.read_text(encoding="utf-8"))["stages"] if file.exists() else {}

    def _records(self) -> dict[str, tuple[int, int]]:
        files = (self._project.store / "fingerprints").glob("*.json")
        return {file.stem: (file.stat().st_mtime_ns, file.stat().st_ino) for file in files}


@dataclass(frozen=True)
class Counts:
    """Of one split."""

    added: int
    removed: int
    changed: int


def hash_of(file: Path) -> str:
    """SHA-256 of a file."""
    return hashlib.sha256(file.read_bytes()).hexdigest()


def _hash(value: Any) -> str:
    return hashlib.sha256(repr(value).encode()).hexdigest()


def hashes(folder: Path) -> dict[str, str]:
    """Every file of a folder with its SHA-256; paths with slashes. The card is left out: a release decorates it."""
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    found = {file.relative_to(folder).as_posix(): hash_of(file) for file in files}
    return {name: value for name, value in found.items() if not name.startswith((".", "README.md", "CHANGELOG.md"))}


def rows_of(folder: Path, config: str) -> dict[str, list[dict[str, Any]]]:
    """Split -> rows of a config's folder, in order."""
    found: dict[str, list[dict[str, Any]]] = {}
    for file in sorted((folder / config).glob("*.parquet")):
        found.setdefault(file.name.rpartition("-of-")[0].rpartition("-")[0], []).extend(pq.read_table(file).to_pylist())
    return found


def step(old: Path, new: Path) -> Step:
    """How far the number must go from one built folder to the next: data files, then anything else.

    A seed that is put before others changes no text, and moves their places in the file of the source: other data.
    """
    data = [{p: h for p, h in hashes(folder).items() if p.endswith(".parquet")} for folder in (old, new)]
    if data[0] != data[1]:
        return Step.MINOR
    same_card = (old / "README.md").read_bytes() == (new / "README.md").read_bytes()
    return Step.NONE if hashes(old) == hashes(new) and same_card else Step.PATCH


def all_counts(old: Path, new: Path) -> dict[str, Counts]:
    """:func:`counts` and those of the contamination report, which is a set of rows."""
    was, now = _set(old, "contamination"), _set(new, "contamination")
    return {**counts(old, new), "config contamination": Counts(len(now - was), len(was - now), 0)}


def _set(folder: Path, config: str) -> set[str]:
    return {repr((split, row)) for split, rows in rows_of(folder, config).items() for row in rows}


def counts(old: Path, new: Path) -> dict[str, Counts]:
    """Split -> rows that came, went, or have another text. A row is a problem's sample of a stage."""
    found = {}
    before, after = dict(_texts(old)), dict(_texts(new))
    for split in before | after:
        was, now = before.get(split, {}), after.get(split, {})
        both = was.keys() & now.keys()
        changed = sum(was[key] != now[key] for key in both)
        found[split] = Counts(len(now.keys() - was.keys()), len(was.keys() - now.keys()), changed)
    return found


def _texts(folder: Path) -> Iterator[tuple[str, dict[Any, Any]]]:
    origins = rows_of(folder, "provenance")
    for split, rows in rows_of(folder, "data").items():
        keys = [(row["problem_id"], row["stage"], row["role"], row["sample_index"]) for row in origins[split]]
        assert max(Counter(keys).values()) == 1, "a sample stands twice in a split"
        yield split, dict(zip(keys, (tuple(row.values()) for row in rows), strict=True))
