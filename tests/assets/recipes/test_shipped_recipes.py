"""Every shipped recipe loads under each of its profiles, with one graph, and counts what the paper counts."""

from __future__ import annotations

from pathlib import Path

import pytest

import assets.recipes
from assets.generation.settings import GenerationSettings
from dagster_project.language.load import load_recipe, shipped_recipes
from dagster_project.language.profile import profile_names
from dagster_project.language.resolved import Recipe
from dagster_project.planning.ahead import requests_ahead

RECIPES = Path(assets.recipes.__file__).parent
PROFILES = {
    "openmathinstruct2": ["local", "paper", "scripted", "servers", "smoke"],
    "quickstart": ["embedded", "scripted"],
}
ALL = [(recipe, profile) for recipe, profiles in PROFILES.items() for profile in profiles]


def load(recipe: str, profile: str) -> Recipe:
    return load_recipe(RECIPES / recipe, profile)


def test_the_table_holds_every_recipe_and_profile() -> None:
    assert {name: sorted(profile_names(RECIPES / name)) for name in shipped_recipes()} == PROFILES


@pytest.mark.parametrize(("recipe", "profile"), ALL)
def test_a_profile_changes_scale_and_never_the_graph(recipe: str, profile: str) -> None:
    found, first = load(recipe, profile), load(recipe, PROFILES[recipe][0])
    graph = {name: (stage.kind.name, stage.inputs) for name, stage in found.stages.items()}
    assert graph == {name: (stage.kind.name, stage.inputs) for name, stage in first.stages.items()}
    assert found.splits.keys() == first.splits.keys()
    assert found.splits["train"] is None


@pytest.mark.parametrize(("recipe", "profile"), ALL)
def test_bundled_and_declared_sources_are_counted_ahead(recipe: str, profile: str) -> None:
    ahead = requests_ahead(load(recipe, profile))
    assert {name for name, stage in ahead.items() if not stage.is_known} == {"release"}


@pytest.mark.parametrize("recipe", PROFILES)
def test_a_scripted_profile_needs_only_the_package(recipe: str) -> None:
    found = load(recipe, "scripted")
    assert {source.bundled is not None for source in found.sources.values()} == {True}
    assert {role.engine for role in found.roles.values()} == {"scripted"}


def test_the_paper_profile_has_the_papers_numbers() -> None:
    recipe = load("openmathinstruct2", "paper")
    ahead = requests_ahead(recipe)
    asked = {name: stage.requests for name, stage in ahead.items() if stage.requests is not None}
    assert asked == {
        "generated_gsm8k": 7_473 * 10,
        "generated_math": 7_500 * 80,
        "clean_judged": (7_473 * 10 + 7_500 * 80) * 5 * 2 + 60 * 2,
        "seed_solutions": 7_473 * 64 + 7_500 * 512,
        "new_solutions": (7_473 * 10 + 7_500 * 80) * 32,
    }
    sampling = {}
    for name in asked.keys() - {"clean_judged"}:
        words = recipe.stages[name].settings
        assert isinstance(words, GenerationSettings)
        assert words.max_tokens == 2048
        sampling[name] = (words.temperature, words.top_p)
    assert sampling["seed_solutions"] == (1.0, 0.95)
    assert sampling["new_solutions"] == (0.7, 0.95)
    assert recipe.splits == {"train": None, "train_1M": 1_000_000, "train_2M": 2_000_000, "train_5M": 5_000_000}
    assert recipe.roles["teacher"].options["model"] == "meta-llama/Llama-3.1-405B-Instruct"


def test_the_scripted_profile_carries_100k_solutions() -> None:
    ahead = requests_ahead(load("openmathinstruct2", "scripted"))
    assert sum(ahead[name].requests or 0 for name in ("seed_solutions", "new_solutions")) > 100_000


def test_the_quickstart_asks_for_at_least_300_completions() -> None:
    ahead = requests_ahead(load("quickstart", "embedded"))
    asked = [stage.requests for stage in ahead.values() if stage.requests is not None]
    assert sum(asked[:2]) + 0.8 * asked[2] >= 300, "with a fifth of the new problems lost"


def test_a_recipe_that_follows_a_paper_cites_it() -> None:
    release = load("openmathinstruct2", "scripted").release
    assert "2410.01560" in str(release["notes"])
    assert "@article{toshniwal2024openmath2" in str(release["citation"])
    assert "arXiv:2410.01560" in str(release["citation"])
