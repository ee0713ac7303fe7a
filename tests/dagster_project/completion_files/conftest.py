"""A project with two stages that ask: one by raw prompts for three samples, one by chat for one answer.

Its problems are built once for the test run, no completion is; tests take copies.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from dagster_project.cli import main
from dagster_project.completion_files.stages import rows_of
from dagster_project.language.load import load_project
from dagster_project.running.generation.asks import keyed_asks
from dagster_project.running.workspace import Workspace
from resources.requests.records import Completion
from resources.requests.store import RequestStore

NAME = "pens"
PROBLEMS = [f"Box {i} holds {i + 10} pens and {i} are taken. How many pens are left?" for i in range(7)]
SAMPLES = 3
WEIGHTS = "scripted:1:44136fa355b3678a"

RECIPE = """
recipe: pens
title: pens
owners: ["team:data"]
sources:
  seeds: {bundled: seeds.jsonl, licence: CC0-1.0}
roles: [solver]
stages:
  problems: {kind: seeds/problems, source: seeds}
  solutions:
    kind: generation/solve
    inputs: {problems: problems}
    role: solver
    prompt: solve
    temperature: 0.7
    samples: 3
    max_tokens: 200
    max_failure_share: 1.0
  spoken:
    kind: generation/solve
    inputs: {problems: problems}
    role: solver
    prompt: talk
    temperature: 0
    max_tokens: 200
"""
TALK = """
mode: chat
messages:
  - {role: system, content: You are brief.}
  - {role: user, content: "{{ problem }}"}
"""


@dataclass(frozen=True)
class Pens:
    """The project, and what its tests ask of it."""

    folder: Path

    @property
    def store(self) -> Path:
        return self.folder / ".mathloom"

    def run(self, *arguments: str) -> int:
        before = Path.cwd()
        os.chdir(self.folder)
        try:
            return main([str(word) for word in arguments])
        finally:
            os.chdir(before)

    @contextmanager
    def workspace(self) -> Iterator[Workspace]:
        project = load_project(self.folder / "mathloom.toml")
        workspace = Workspace(project.recipes[NAME], project.store)
        try:
            yield workspace
        finally:
            workspace.close()

    def keys(self, stage: str = "solutions") -> dict[tuple[str, int], bytes]:
        """(problem, sample index) -> request key, of all that the stage asks for."""
        found = {}
        with self.workspace() as workspace:
            declared = workspace.recipe.stages[stage]
            for part in keyed_asks(workspace, declared, rows_of(workspace, declared)):
                ids = part.batch.rows.column("problem_id").combine_chunks().storage.to_pylist()
                texts = dict(zip(ids, part.batch.rows.column("problem").to_pylist(), strict=True))
                for ask, keys in zip(part.asks, part.keys, strict=True):
                    found |= {(texts[ask.row_id], ask.first + i): key for i, key in enumerate(keys)}
        return found

    def stored(self) -> dict[bytes, dict[str, Any]]:
        """Request key -> columns of its completion, of all that is stored."""
        import pyarrow.parquet as pq

        with RequestStore(self.store) as store:
            rows = [row for path in store.paths() for row in pq.read_table(path).to_pylist() if "text" in row]
        return {row["request_key"].bytes: row for row in rows}

    def texts(self, stage: str = "solutions") -> dict[tuple[str, int], str]:
        """(problem, sample index) -> stored text, where there is one."""
        stored = self.stored()
        return {place: stored[key]["text"] for place, key in self.keys(stage).items() if key in stored}

    def put(self, answers: dict[tuple[str, int], str], stage: str = "solutions") -> None:
        """Store texts as an engine would have."""
        keys = self.keys(stage)
        with RequestStore(self.store) as store:
            store.record_all(Completion(keys[at], text, "stop", "scripted", WEIGHTS) for at, text in answers.items())
            store.seal()

    def built(self, stage: str) -> dict[str, Any]:
        """How the environment's version of a stage came about: ``run`` has the requests, ``pending`` what waits."""
        entry = json.loads((self.store / f"envs/{NAME}/scripted.json").read_text())["stages"][stage]
        return json.loads((self.store / f"fingerprints/{entry['fingerprint']}.json").read_text())


@pytest.fixture(scope="session")
def pens_once(tmp_path_factory: pytest.TempPathFactory) -> Pens:
    pens = Pens(tmp_path_factory.mktemp("pens") / NAME)
    assert main(["init", str(pens.folder)]) == 0
    rows = [{"problem": text, "expected_answer": "10"} for text in PROBLEMS]
    (pens.folder / "seeds.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (pens.folder / "recipe.yaml").write_text(RECIPE)
    (pens.folder / "prompts" / "talk.yaml").write_text(TALK)
    assert pens.run("build", "--select", "problems") == 0
    return pens


@pytest.fixture(scope="session")
def pens_built_once(pens_once: Pens, tmp_path_factory: pytest.TempPathFactory) -> Pens:
    """With the completions of one stage."""
    pens = Pens(tmp_path_factory.mktemp("pens-built") / NAME)
    shutil.copytree(pens_once.folder, pens.folder, symlinks=True)
    assert pens.run("build", "--select", "solutions") == 0
    return pens


@pytest.fixture
def pens_built(pens_built_once: Pens, tmp_path: Path) -> Pens:
    folder = tmp_path / NAME
    shutil.copytree(pens_built_once.folder, folder, symlinks=True)
    return Pens(folder)


@pytest.fixture
def pens(pens_once: Pens, tmp_path: Path) -> Pens:
    folder = tmp_path / NAME
    shutil.copytree(pens_once.folder, folder, symlinks=True)
    return Pens(folder)


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., str]:
    """Makes a file of JSON lines; a text stands for a line as it is."""

    def make(name: str, *rows: dict[str, Any] | str) -> str:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))
        return str(path)

    return make
