"""The recipe inside a release: what is in it, what never is, and that it loads again as the same recipe."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dagster_project.language.load import load_project
from dagster_project.language.resolved import Recipe
from dagster_project.running.recipe_files import Place, hashes, recipe_files

ROOT = Path(__file__).resolve().parents[3]


def _write(files: dict[str, Place], folder: Path) -> None:
    for path, place in files.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(place if isinstance(place, bytes) else place.read_bytes())


def _again(recipe: Recipe, folder: Path) -> Recipe:
    """The recipe as it loads from what a release holds."""
    _write(recipe_files(recipe, folder / "store"), folder)
    [again] = load_project(folder / "recipe" / "mathloom.toml").recipes.values()
    return again


@pytest.mark.parametrize(
    ("name", "profile"),
    [("quickstart", "scripted"), ("quickstart", "embedded"), ("openmathinstruct2", "smoke")]
    + [("openmathinstruct2", "paper"), ("openmathinstruct2", "servers")],
)
def test_every_shipped_recipe_loads_again_as_itself(name: str, profile: str, tmp_path: Path) -> None:
    recipe = load_project(ROOT / "mathloom.toml", profile, only=name).recipes[name]
    again = _again(recipe, tmp_path)
    assert (again.name, again.profile) == (name, profile)
    assert list(again.stages) == list(recipe.stages)
    for stage in recipe.stages.values():
        same = again.stages[stage.name]
        assert (same.settings, same.inputs, same.prompts) == (stage.settings, stage.inputs, stage.prompts)
        assert same.kind.code_version == stage.kind.code_version
    assert hashes(recipe_files(again, tmp_path / "store")) == hashes(recipe_files(recipe, tmp_path / "store"))


RECIPE = """
recipe: mine
sources:
  seeds: {bundled: rows/seeds.jsonl}
  more: {path: outside.jsonl}
  other: {bundled: unused_by_profile.jsonl}
roles: [solver]
stages:
  seeds: {kind: seeds/problems, source: seeds}
  more: {kind: seeds/problems, source: more}
  other: {kind: seeds/problems, source: other}
  a: {use: outer, role: solver, with: {problems: seeds}}
  mine: {kind: sql/mine, inputs: {problems: seeds}}
"""
PIECE = "piece: outer\ninputs: [problems]\nstages:\n  b: {use: inner, role: solver, with: {problems: problems}}\n"
INNER = """piece: inner
inputs: [problems]
stages:
  solved: {kind: generation/solve, role: solver, inputs: {problems: problems}, prompt: ask, max_tokens: 5}
"""
FILES = {
    "mathloom.toml": '[recipes.mine]\nfolder = "."\nprofile = "near"\n',
    "recipe.yaml": RECIPE,
    "rows/seeds.jsonl": '{"problem": "1 + 1?", "expected_answer": "2"}\n',
    "rows/not_named.jsonl": "{}\n",
    "instead.jsonl": '{"problem": "1 + 1?", "expected_answer": "2"}\n',
    "unused_by_profile.jsonl": "",
    "outside.jsonl": '{"problem": "1 + 2?", "expected_answer": "3"}\n',
    "prompts/ask.yaml": "mode: raw\ntemplate: '{{ problem }}'\n",
    "prompts/unused.yaml": "mode: raw\ntemplate: '{{ problem }}'\n",
    "pieces/outer.yaml": PIECE,
    "pieces/inner.yaml": INNER,
    "pieces/unused.yaml": "piece: unused\nstages: {x: {kind: seeds/problems}}\n",
    "profiles/near.yaml": "profile: near\nextends: far\nsources: {other: {bundled: instead.jsonl}}\n",
    "profiles/far.yaml": "profile: far\nroles: {solver: {engine: scripted}}\n",
    "profiles/private.yaml": "profile: private\nextends: far\n",
    "kinds.py": "raise RuntimeError('nobody uses it')\n",
    ".env": "TOKEN=secret\n",
}


@pytest.fixture
def mine(tmp_path: Path) -> Recipe:
    folder = tmp_path / "mine"
    _write({path: text.encode() for path, text in FILES.items()}, folder)
    (folder / "sql").mkdir()
    (folder / "sql" / "mine.sql").write_text(
        "/* mathloom\ndescription: Its own.\nlaw: {map: {input: problems, id: problem_id}}\n"
        "inputs:\n  problems: {columns: {problem_id: uuid}}\n"
        "columns:\n  problem_id: {type: uuid, description: The problem.}\ngrain: [problem_id]\n*/\n"
        "select problem_id from problems\n"
    )
    (folder / "sql" / "unused.sql").write_text("select 1")
    return load_project(folder / "mathloom.toml").recipes["mine"]


def test_only_what_the_recipe_uses_under_its_profile(mine: Recipe, tmp_path: Path) -> None:
    files = recipe_files(mine, tmp_path / "store")
    assert list(files) == [
        "recipe/mathloom.toml",
        "recipe/mine/instead.jsonl",
        "recipe/mine/pieces/inner.yaml",
        "recipe/mine/pieces/outer.yaml",
        "recipe/mine/profiles/far.yaml",
        "recipe/mine/profiles/near.yaml",
        "recipe/mine/prompts/ask.yaml",
        "recipe/mine/recipe.yaml",
        "recipe/mine/rows/seeds.jsonl",
        "recipe/mine/sql/mine.sql",
    ]


def test_the_lock_has_this_profile_alone(mine: Recipe, tmp_path: Path) -> None:
    entry = {"sha256": "ab", "of": {"path": "outside.jsonl"}}
    lock = {"format": 1, "profiles": {"near": {"more": entry}, "private": {"more": {**entry, "sha256": "cd"}}}}
    (mine.folder / "recipe.lock").write_text(json.dumps(lock))
    place = recipe_files(mine, tmp_path / "store")["recipe/mine/recipe.lock"]
    assert isinstance(place, bytes)
    assert json.loads(place) == {"format": 1, "profiles": {"near": {"more": entry}}}


def test_a_link_that_leads_outside_is_left_out(mine: Recipe, tmp_path: Path) -> None:
    secret = tmp_path / "secret.jsonl"
    secret.write_text("{}")
    (mine.folder / "instead.jsonl").unlink()
    (mine.folder / "instead.jsonl").symlink_to(secret)
    assert "recipe/mine/instead.jsonl" not in recipe_files(mine, tmp_path / "store")
