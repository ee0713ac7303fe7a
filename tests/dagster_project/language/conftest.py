"""A small project of fake kinds: tests of the language depend on no station."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa
import pytest
from pydantic import BaseModel, ConfigDict, Field

from assets.kinds import Ask, GenerationKind, Input, Job, Kind, Law, Prompts, Settings, TableKind
from dagster_project.language.load import Rooms, load_project
from dagster_project.language.profile import Engines
from dagster_project.language.resolved import Recipe
from dagster_project.registry import Registry

PROBLEMS = pa.schema([pa.field("id", pa.string(), nullable=False), ("source", pa.string()), ("level", pa.int32())])
SOLUTIONS = pa.schema([pa.field("id", pa.string(), nullable=False), ("votes", pa.int32())])
REJECTS = pa.schema([("id", pa.string())])


class Fake(TableKind):
    """A kind that declares and never runs."""

    version = 1
    description = "Declares and never runs."
    rows: ClassVar[pa.Schema] = PROBLEMS

    def outputs(self, settings: Any) -> Mapping[str, pa.Schema]:
        return {"rows": self.rows, "rejects": REJECTS}

    def run(self, job: Job) -> None:
        raise AssertionError("loading a recipe runs nothing")


class Seeds(Fake):
    name = "fake/seeds"
    law = Law("source", id="id")


class Benchmarks(Fake):
    name = "fake/benchmark"
    law = Law("source", id="id")
    reads_benchmarks = True


class UnionSettings(Settings):
    limit: int | None = Field(None, description="Most rows.", ge=1)


class Union(Fake):
    name = "fake/union"
    settings_type = UnionSettings
    inputs: ClassVar[Mapping[str, Input]] = {
        "problems": Input(PROBLEMS, many=True),
        "known": Input(PROBLEMS, optional=True),
    }
    law = Law("union")


class Counted(Fake):
    """Its rows are counts; what others read of it is a table of another name."""

    name = "fake/counted"
    rows: ClassVar[pa.Schema] = REJECTS
    inputs: ClassVar[Mapping[str, Input]] = {"problems": Input(PROBLEMS)}
    law = Law("map", input="problems", id="id")

    def outputs(self, settings: Any) -> Mapping[str, pa.Schema]:
        return {"rows": self.rows, "known": PROBLEMS}


class SolveSettings(Settings):
    prompt: str | dict[str, str] = Field(description="Prompt, or problem_source -> prompt.")
    samples: int | dict[str, int] = Field(1, description="Samples of each row.")
    temperature: float = Field(1.0, description="Temperature.", ge=0)


class Solve(GenerationKind):
    name = "fake/solve"
    version = 1
    description = "Asks a model."
    settings_type = SolveSettings
    inputs: ClassVar[Mapping[str, Input]] = {"problems": Input(PROBLEMS)}
    law = Law("expand", input="problems", id="id")
    main_input = "problems"
    row_id = "id"
    prompt_variables = frozenset({"problem", "level"})

    def outputs(self, settings: Any) -> Mapping[str, pa.Schema]:
        return {"rows": SOLUTIONS.remove(1), "rejects": REJECTS, "requests": REJECTS}

    def next_requests(self, rows: pa.Table, completed: pa.Table, settings: Any, prompts: Prompts) -> Sequence[Ask]:
        raise AssertionError("loading a recipe asks nothing")

    def finish(self, rows: pa.Table, completed: pa.Table, settings: Any, stage: str) -> Mapping[str, pa.Table]:
        raise AssertionError("loading a recipe asks nothing")

    def samples(self, settings: Any, problem_source: str) -> int:
        return 1


class Vote(Fake):
    name = "fake/vote"
    inputs: ClassVar[Mapping[str, Input]] = {"solutions": Input(SOLUTIONS.remove(1))}
    law = Law("map", input="solutions", id="id")
    rows = SOLUTIONS


class Merge(Fake):
    name = "fake/merge"
    inputs: ClassVar[Mapping[str, Input]] = {"solutions": Input(SOLUTIONS, many=True)}
    law = Law("union")
    rows = SOLUTIONS


class Join(Fake):
    name = "fake/join"
    inputs: ClassVar[Mapping[str, Input]] = {"solutions": Input(SOLUTIONS.remove(1), many=True)}
    law = Law("union")
    rows = SOLUTIONS.remove(1)


class PrefixSettings(Settings):
    rows: int | None = Field(None, description="Rows.")


class Prefix(Fake):
    name = "sql/split_prefix"
    settings_type = PrefixSettings
    inputs: ClassVar[Mapping[str, Input]] = {"ordered": Input(SOLUTIONS.remove(1))}
    law = Law("split", input="ordered", id="id")
    rows = SOLUTIONS.remove(1)


class FolderSettings(Settings):
    mode: str = Field("copied", description="How files lie.")


class Folder(Fake):
    name = "release/folder"
    settings_type = FolderSettings
    inputs: ClassVar[Mapping[str, Input]] = {
        "splits": Input(SOLUTIONS.remove(1), many=True),
        "problems": Input(PROBLEMS, many=True),
    }
    law = Law("release", input="splits", id="id")


class TinyOptions(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    size: int = Field(1, description="Size.", ge=1)


KINDS: list[Kind] = [Seeds(), Benchmarks(), Union(), Counted(), Solve(), Vote(), Merge(), Join(), Prefix(), Folder()]

FILES: Mapping[str, str] = {
    "mathloom.toml": '[project]\nstore = "store"\n\n[recipes.demo]\nfolder = "demo"\nprofile = "local"\n',
    "demo/prompts/solve.yaml": "mode: raw\ntemplate: |\n  Problem:\n  {{ problem }}\n",
    "demo/seeds.jsonl": "{}\n",
    "demo/pieces/solving.yaml": """\
piece: solving
inputs: [problems]
stages:
  solutions:
    kind: fake/solve
    role: teacher
    prompt: solve
  votes: {kind: fake/vote}
""",
    "demo/profiles/local.yaml": """\
profile: local
roles:
  teacher: {engine: tiny, size: 3}
""",
    "demo/recipe.yaml": """\
recipe: demo
title: A demo
description: Shows
  everything.
owners: ["team:data"]
sources:
  red: {bundled: seeds.jsonl, licence: MIT}
  blue: {path: data/blue.jsonl}
roles: [teacher]
stages:
  red: {kind: fake/seeds, source: red}
  blue: {kind: fake/seeds, source: blue}
  seeds:
    kind: fake/union
    inputs: {problems: [red, blue]}
  "from_{colour}":
    for_each: {colour: sources}
    kind: fake/solve
    inputs: {problems: "{colour}"}
    role: teacher
    prompt: solve
    samples: {red: 2, blue: 3}
  seed:
    use: solving
    with: {problems: seeds}
    set: {solutions: {samples: 4}}
  merged:
    kind: fake/merge
    inputs: {solutions: [seed_votes]}
checks:
  seeds:
    - row_count_between: {min: 1}
splits:
  from: merged
  sizes: {train: all, train_small: 10}
release:
  licence: MIT
  mode: shared
  inputs: {problems: [seeds]}
""",
}
"""A project that loads; broken ones are made of it by changing a line."""

Change = tuple[str, str, str]
"""File, text in it, what takes its place."""


GRAPHS = Path(__file__).parent / "graphs"


def graph(recipe: Recipe) -> dict[str, Any]:
    """Stage -> kind and formal input -> tables, in build order."""
    return {
        name: {
            "kind": stage.kind.name,
            "inputs": {formal: [str(ref) for ref in refs] for formal, refs in stage.inputs.items()},
        }
        for name, stage in recipe.stages.items()
    }


@pytest.fixture
def hold_graph() -> Callable[[Recipe], None]:
    """Compares a recipe's graph with ``graphs/<recipe>.<profile>.json``; the order of stages counts.

    Set MATHLOOM_WRITE_GOLDEN=1 to write the files anew, and read the diff before you commit it.
    """

    def hold(recipe: Recipe) -> None:
        file = GRAPHS / f"{recipe.name}.{recipe.profile}.json"
        found = json.dumps(graph(recipe), indent=1) + "\n"
        if os.environ.get("MATHLOOM_WRITE_GOLDEN"):
            file.parent.mkdir(exist_ok=True)
            file.write_text(found, encoding="utf-8")
        assert found == file.read_text(encoding="utf-8")

    return hold


@pytest.fixture
def demo_files() -> Mapping[str, str]:
    """The files of the project that loads."""
    return FILES


@pytest.fixture
def rooms(tmp_path: Path) -> Rooms:
    """Fake kinds and one fake engine."""
    registry = Registry({kind.name: kind for kind in KINDS}, tmp_path / "no-sql", packages=False)
    return Rooms(registry.find, Engines(["tiny", "scripted"], lambda name: TinyOptions), tmp_path / "shipped")


@pytest.fixture
def project(tmp_path: Path) -> Callable[..., Path]:
    """Writes the demo project with changes; returns its folder."""

    def write(*changes: Change, **files: str) -> Path:
        texts = {**FILES, **files}
        for name, old, new in changes:
            assert texts[name].count(old) == 1, (name, old)
            texts[name] = texts[name].replace(old, new)
        for name, text in texts.items():
            path = tmp_path / "project" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        return tmp_path / "project"

    return write


@pytest.fixture
def load(project: Callable[..., Path], rooms: Rooms) -> Callable[..., Recipe]:
    """Writes the demo project with changes and loads its recipe."""

    def run(*changes: Change, profile: str | None = None, **files: str) -> Recipe:
        return load_project(project(*changes, **files) / "mathloom.toml", profile, rooms=rooms).recipes["demo"]

    return run
