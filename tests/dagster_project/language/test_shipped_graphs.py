"""The graphs of the recipes that ship, held as files: a changed edge is a reviewed diff, never a surprise."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from dagster_project.language.load import load_project, shipped_recipes
from dagster_project.language.resolved import Recipe

CASES = [
    ("quickstart", "embedded"),
    ("quickstart", "scripted"),
    ("openmathinstruct2", "paper"),
    ("openmathinstruct2", "smoke"),
]


@pytest.mark.parametrize(("name", "profile"), CASES)
def test_the_graph_is_as_reviewed(
    name: str, profile: str, tmp_path: Path, hold_graph: Callable[[Recipe], None]
) -> None:
    file = tmp_path / "mathloom.toml"
    file.write_text(f'[project]\nstore = "store"\n[recipes.{name}]\nprofile = "{profile}"\n')
    hold_graph(load_project(file).recipes[name])


def test_every_shipped_recipe_is_held() -> None:
    assert {name for name, _ in CASES} == set(shipped_recipes())
