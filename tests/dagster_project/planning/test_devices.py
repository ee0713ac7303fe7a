"""Engines and the devices that a profile gives them: what cannot fit is an error with file and line."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dagster_project.language.load import load_project
from dagster_project.language.resolved import Price, Recipe
from dagster_project.planning.devices import check_devices, devices_needed
from resources.errors import RecipeError

PRICE = Price(source="s", date="2026-01-02", per_gpu_hour=2.0)


@pytest.fixture
def recipe(tmp_path: Path) -> Recipe:
    file = tmp_path / "mathloom.toml"
    file.write_text('[project]\nstore = "store"\n[recipes.openmathinstruct2]\nprofile = "paper"\n')
    return load_project(file).recipes["openmathinstruct2"]


def with_teacher(recipe: Recipe, arguments: dict[str, Any], **words: Any) -> Recipe:
    role = recipe.roles["teacher"]
    options = {**role.options, "engine_args": arguments}
    return replace(recipe, roles={"teacher": replace(role, options=options, **words)})


def test_the_paper_needs_sixteen(recipe: Recipe) -> None:
    assert devices_needed(recipe.roles["teacher"]) == 16
    check_devices(recipe, ["teacher"])  # it names no devices: nothing can be said against it


def test_engines_that_say_nothing_need_nothing(recipe: Recipe) -> None:
    assert devices_needed(with_teacher(recipe, {"tensor_parallel_size": "all"}).roles["teacher"]) is None
    check_devices(with_teacher(recipe, {}, devices=("0",)), ["teacher"])


@pytest.mark.parametrize(
    ("arguments", "words", "said"),
    [
        ({"tensor_parallel_size": 4}, {"devices": ("0", "1")}, r"fills 4 devices \(tensor_parallel_size 4\), and 2"),
        (
            {"tensor_parallel_size": 2, "data_parallel_size": 2},
            {"devices": ("0", "1", "2")},
            "tensor_parallel_size 2 x data_parallel_size 2",
        ),
        ({}, {"devices": ("0", "1", "0")}, "names the device '0' twice"),
        ({"tensor_parallel_size": 8}, {"price": PRICE}, "its price counts 1. Write `gpus: 8`"),
    ],
)
def test_what_cannot_fit_is_an_error_of_the_role(
    recipe: Recipe, arguments: dict[str, Any], words: dict[str, Any], said: str
) -> None:
    with pytest.raises(RecipeError, match=said) as caught:
        check_devices(with_teacher(recipe, arguments, **words), ["teacher"])
    assert caught.value.where == str(recipe.roles["teacher"].place)
    assert caught.value.where.endswith("paper.yaml:6")


def test_enough_devices_are_enough(recipe: Recipe) -> None:
    check_devices(with_teacher(recipe, {"tensor_parallel_size": 2}, devices=("0", "1"), price=PRICE), ["teacher"])
    check_devices(with_teacher(recipe, {"tensor_parallel_size": 8}, price=replace(PRICE, gpus=8)), ["teacher"])
