"""Projects whose role is played by an engine that breaks on purpose."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dagster_project.cli import main
from resources.engines import catalog


def _load() -> Any:
    """The module beside this one, under a name by which the catalog of engines can import it."""
    spec = importlib.util.spec_from_file_location("fragile_engine", Path(__file__).with_name("fragile.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


FRAGILE = _load()

RECIPE = """
recipe: sums
title: sums
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
    max_tokens: 200
    batch_rows: 2
"""
PROBLEMS = 9
SAMPLES = 4

Builder = Callable[..., int]


@pytest.fixture
def log() -> list[str]:
    """What happened to engines, over all builds of a test."""
    return FRAGILE.LOG


@pytest.fixture
def build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Builder:
    """Builds the recipe: ``build(options of the engine, lines of the profile, settings)``. Returns the exit code."""
    monkeypatch.setitem(catalog.ENGINES, "fragile", "fragile_engine:FragileEngine")  # type: ignore[arg-type]
    FRAGILE.LOG.clear()
    folder = tmp_path / "sums"
    assert main(["init", str(folder)]) == 0
    (folder / "mathloom.toml").write_text('[recipes.sums]\nfolder = "."\nprofile = "scripted"\n')
    monkeypatch.chdir(folder)

    def run(options: str = "", profile: str = "", settings: str = "", *arguments: str) -> int:
        samples = "" if "samples:" in settings else f"    samples: {SAMPLES}\n"
        lines = samples + "".join(f"    {line}\n" for line in settings.splitlines())
        (folder / "recipe.yaml").write_text(RECIPE + lines)
        role = f"{{engine: fragile{', ' + options if options else ''}}}"
        (folder / "profiles" / "scripted.yaml").write_text(f"profile: scripted\nroles:\n  solver: {role}\n{profile}\n")
        assert Path.cwd() == folder
        return main(["build", *arguments])

    return run
