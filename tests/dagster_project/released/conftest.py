"""Released folders written by hand, and a copy of quickstart that tests change and build again."""

from __future__ import annotations

import json
import os
import shutil
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from assets.release.folder_reading import Release, read_release
from assets.release.tables import PROVENANCE
from dagster_project.cli import main
from resources.store import Environment, Store, Version

ROOT = Path(__file__).resolve().parents[3]
NAME = "quickstart"
PROFILE = "scripted"
SEEDS = 12

HOSTILE = "\x1b[31mred [bold]x[/bold] | <script>alert(1)</script> \u202egnp \n## head\x00 ' \"; drop table changes; --"


def uid(*words: object) -> str:
    """An id that is the same for the same words."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, " ".join(map(str, words))))


@dataclass(frozen=True)
class Row:
    """One row of a released folder."""

    problem: str
    sample: int = 0
    text: str = "text"
    answer: str = "1"
    source: str = "maths"
    seed: str = ""
    """Text of its seed, if a model made the problem from it."""
    votes: int = 4
    stage: str = "solutions"
    tokens: int = 10
    origin: Mapping[str, Any] = field(default_factory=dict)
    """Columns of provenance that are otherwise."""


def write_release(
    folder: Path,
    splits: Mapping[str, Sequence[Row]],
    build: Mapping[str, Any] | None = None,
    *,
    has_provenance: bool = True,
    matches: Sequence[Mapping[str, Any]] = (),
    files: int = 1,
) -> Release:
    """The folder of a release, each split in ``files`` files."""
    for split, rows in splits.items():
        data = [_data(row) for row in rows]
        _write(folder / "data", split, pa.Table.from_pylist(data, schema=_DATA), files)
        if has_provenance:
            origins = [_origin(row, rank) for rank, row in enumerate(rows)]
            _write(folder / "provenance", split, pa.Table.from_pylist(origins, schema=PROVENANCE), files)
    if matches:
        _write(folder / "contamination", "removed", pa.Table.from_pylist(list(matches)), 1)
    (folder / "BUILD.json").write_text(json.dumps(build or {}), encoding="utf-8")
    return read_release(folder)


_DATA = pa.schema(
    [(name, pa.string()) for name in ("problem", "generated_solution", "expected_answer", "problem_source")]
)


def _data(row: Row) -> dict[str, Any]:
    return {
        "problem": row.problem,
        "generated_solution": row.text,
        "expected_answer": row.answer,
        "problem_source": row.source,
    }


def _origin(row: Row, rank: int) -> dict[str, Any]:
    seed = row.seed or row.problem
    return {
        "solution_id": uid("solution", row.problem, row.stage, row.sample, row.text),
        "problem_id": uid("problem", row.problem),
        "parent_id": uid("problem", row.seed) if row.seed else None,
        "seed_problem_id": uid("problem", seed),
        "seed_source": "maths",
        "seed_row": 0,
        "k": 0,
        "rank": rank,
        "sample_index": row.sample,
        "votes": row.votes,
        "n_valid": 4,
        "request_key": uid("request", row.problem, row.stage, row.sample, row.text),
        "text_hash": uid("text", row.text),
        "stage": row.stage,
        "tokens": row.tokens,
        "is_trimmed": False,
        **row.origin,
    }


def _write(folder: Path, split: str, table: pa.Table, files: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    size = -(-table.num_rows // files)
    for number in range(files):
        path = folder / f"{split}-{number:05d}-of-{files:05d}.parquet"
        pq.write_table(table.slice(number * size, size), path)


Make = Callable[..., Release]


@pytest.fixture
def release(tmp_path: Path) -> Make:
    """Makes released folders, each in a folder of its own."""
    made = iter(range(1000))
    return lambda *given, **words: write_release(tmp_path / f"release{next(made)}", *given, **words)


# -- a project -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Built:
    """What a build gave: the release, and the version of each stage."""

    release: Release
    versions: Mapping[str, Version]

    def rows(self, stage: str, table: str = "rows") -> list[dict[str, Any]]:
        """All rows of a table of a stage, ids as text."""
        rows = pa.concat_tables([pq.read_table(path) for path in self.versions[stage].paths(table)]).to_pylist()
        return [{k: str(v) if isinstance(v, uuid.UUID) else v for k, v in row.items()} for row in rows]


class Project:
    """A copy of quickstart with few seeds under the scripted engine."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.recipe = folder / NAME
        self.store = Store(folder / ".mathloom")
        shutil.copytree(ROOT / "assets" / "recipes" / NAME, self.recipe)
        (folder / "mathloom.toml").write_text(
            f'[project]\nstore = ".mathloom"\n[recipes.{NAME}]\nfolder = "{NAME}"\nprofile = "{PROFILE}"\n'
        )
        seeds = self.recipe / "problems.jsonl"
        seeds.write_text("".join(seeds.read_text().splitlines(keepends=True)[:SEEDS]))
        self.edit("recipe.yaml", "rows: 100", f"rows: {SEEDS}")

    def edit(self, file: str, old: str, new: str) -> None:
        """Replace ``old`` in a file of the recipe."""
        path = self.recipe / file
        text = path.read_text(encoding="utf-8")
        assert old in text, f"{file} has no {old!r}"
        path.write_text(text.replace(old, new), encoding="utf-8")

    def run(self, *arguments: str) -> int:
        """One command in its folder."""
        before = Path.cwd()
        os.chdir(self.folder)
        try:
            return main(arguments)
        finally:
            os.chdir(before)

    def build(self) -> Built:
        """What the recipe gives now."""
        assert self.run("build", NAME) == 0
        entries = Environment.load(self.store.root, NAME, PROFILE).stages
        versions = {stage: self.store.version(entry.kind, entry.version) for stage, entry in entries.items()}
        return Built(read_release(versions["release"].files_folder), versions)


@pytest.fixture(scope="session")
def first(tmp_path_factory: pytest.TempPathFactory) -> tuple[Project, Built]:
    """Built once; only to be read, and copied."""
    project = Project(tmp_path_factory.mktemp("released"))
    return project, project.build()


@pytest.fixture
def changing(first: tuple[Project, Built]) -> Iterator[tuple[Project, Built]]:
    """The same project, whose recipe and environment are what they were after the test; its store only grows."""
    project, built = first
    kept = project.folder / "kept"
    environment = Environment.load(project.store.root, NAME, PROFILE).file
    before = environment.read_bytes()
    shutil.copytree(project.recipe, kept)
    yield project, built
    shutil.rmtree(project.recipe)
    kept.rename(project.recipe)
    environment.write_bytes(before)
