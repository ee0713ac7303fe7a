"""Plans of projects on disk, and what builds of them really asked."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from dagster_project.cli import main
from dagster_project.language.load import load_project
from dagster_project.planning.make import make_plan
from dagster_project.planning.plan import Plan
from dagster_project.running.workspace import Workspace

PlanOf = Callable[..., Plan]
Command = Callable[..., tuple[int, str, str]]
Edit = Callable[[Path, str, str], None]

RECIPE = """
recipe: sums
title: sums
owners: ["team:data"]
sources:
  seeds: {bundled: seeds.jsonl, licence: CC0-1.0}
roles: [solver]
stages:
  problems: {kind: seeds/problems, source: seeds}
  more:
    kind: generation/augment
    inputs: {problems: problems}
    role: solver
    prompt: augment
    samples: 2
    max_tokens: 200
  new: {kind: sql/new_problems, inputs: {generated: more, known: problems}}
  solutions:
    kind: generation/solve
    inputs: {problems: new}
    role: solver
    prompt: solve
    samples: 3
    max_tokens: 120
"""
"""Three stages deep: the second generation stage reads what the first one makes."""

AUGMENT = "mode: raw\ntemplate: |-\n  Problem:\n  {{ problem }}\n\n  New problem:\n"


@pytest.fixture
def plan_of() -> PlanOf:
    """The plan of the project in a folder."""

    def plan(
        folder: Path, *selected: str, profile: str | None = None, recipe: str = "sums", force: bool = False
    ) -> Plan:
        project = load_project(folder / "mathloom.toml", profile, only=recipe if profile else None)
        chosen = project.recipes[recipe]
        workspace = Workspace(chosen, project.store)
        try:
            return make_plan(workspace, selected or list(chosen.stages), force=force)
        finally:
            workspace.close()

    return plan


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str]) -> Command:
    """One command in a folder: exit code, stdout, stderr."""

    def run(folder: Path, *arguments: str) -> tuple[int, str, str]:
        before = Path.cwd()
        os.chdir(folder)
        try:
            code = main(arguments)
        finally:
            os.chdir(before)
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


@pytest.fixture
def edit() -> Edit:
    """Replace a text in a file, which must be there."""

    def replace(file: Path, old: str, new: str) -> None:
        text = file.read_text()
        assert old in text
        file.write_text(text.replace(old, new))

    return replace


@pytest.fixture
def fresh(tmp_path: Path) -> Path:
    """What `mathloom init` makes, never built."""
    folder = tmp_path / "sums"
    assert main(["init", str(folder)]) == 0
    return folder


@pytest.fixture(scope="session")
def half_built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose stages before the first request are built. Only to be copied."""
    folder = tmp_path_factory.mktemp("half") / "sums"
    before = Path.cwd()
    try:
        for here, arguments in ((folder.parent, ["init", str(folder)]), (folder, ["build", "--select", "+short"])):
            os.chdir(here)
            assert main(arguments) == 0
    finally:
        os.chdir(before)
    return folder


@pytest.fixture
def half(half_built: Path, tmp_path: Path) -> Path:
    """A copy that a test may change."""
    folder = tmp_path / "half" / "sums"
    shutil.copytree(half_built, folder, symlinks=True)
    return folder


@pytest.fixture
def deep(fresh: Path) -> Path:
    """The project with the recipe of two generation stages, never built."""
    (fresh / "recipe.yaml").write_text(RECIPE)
    (fresh / "prompts" / "augment.yaml").write_text(AUGMENT)
    return fresh


@pytest.fixture
def asked() -> Callable[[Path, str], int]:
    """Requests that the build of a stage's present version asked, as its own counts say."""

    def of(folder: Path, stage: str) -> int:
        stages: Mapping[str, Mapping[str, str]] = json.loads(
            (folder / ".mathloom/envs/sums/scripted.json").read_text()
        )["stages"]
        built = json.loads((folder / ".mathloom/fingerprints" / f"{stages[stage]['fingerprint']}.json").read_text())
        return int(built["run"]["requests"]["asked"])

    return of
