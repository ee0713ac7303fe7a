"""What `mathloom ls` counts before anything is built: the paper's own numbers, from words alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from dagster_project.language.load import load_project
from dagster_project.language.resolved import Recipe
from dagster_project.planning.ahead import requests_ahead


def recipe(folder: Path, name: str, profile: str) -> Recipe:
    file = folder / "mathloom.toml"
    file.write_text(f'[project]\nstore = "store"\n[recipes.{name}]\nprofile = "{profile}"\n')
    return load_project(file).recipes[name]


@pytest.mark.parametrize(
    ("stage", "rows", "requests"),
    [
        # specs of the paper: 7,473 x 10, 7,500 x 80, 7,473 x 64 + 7,500 x 512, and 32 for each new problem
        ("gsm8k", "= 7,473", ""),
        ("generated_gsm8k", "= 74,730", "= 74,730"),
        ("generated_math", "= 600,000", "= 600,000"),
        ("seed_solutions", "<= 4,318,272", "<= 4,318,272"),
        ("new_solutions", "<= 21,591,360", "<= 21,591,360"),
        ("new_expected", "<= 674,730", ""),
        ("train_1M", "<= 1,000,000", ""),
        ("release", "?", ""),
    ],
)
def test_the_scale_of_the_paper(tmp_path: Path, stage: str, rows: str, requests: str) -> None:
    found = requests_ahead(recipe(tmp_path, "openmathinstruct2", "paper"))[stage]
    assert (found.rows_text, found.requests_text) == (rows, requests)


def test_take_caps_the_seeds(tmp_path: Path) -> None:
    found = requests_ahead(recipe(tmp_path, "quickstart", "scripted"))
    assert found["seeds"].rows_text == "= 100"
    assert found["generated"].requests_text == "= 100"
