"""recipe.lock: what is written is read again, for the same source only; a broken lock is one error."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from dagster_project.language import lock
from dagster_project.language.lock import lock_file, read_lock, write_lock
from dagster_project.language.resolved import Recipe
from resources.errors import RecipeError, StoreError

Load = Callable[..., Recipe]
ENTRY = {"revision": "a" * 40, "sha256": "b" * 64, "rows": 7}
HUB = ("demo/recipe.yaml", "{path: data/blue.jsonl}", "{hub: lab/blue, track: main}")


def test_round_trip_beside_the_recipe(load: Load, tmp_path: Path) -> None:
    recipe = load(HUB)
    assert read_lock(recipe, tmp_path / "store") == {}
    file = write_lock(recipe, tmp_path / "store", {"blue": ENTRY})
    assert file == recipe.folder / "recipe.lock"
    assert read_lock(recipe, tmp_path / "store") == {"blue": ENTRY}
    assert list(recipe.folder.glob(".recipe.lock*")) == []


def test_other_profiles_stay(load: Load, tmp_path: Path) -> None:
    recipe = load(HUB)
    other = replace(recipe, profile="other")
    write_lock(recipe, tmp_path, {"blue": ENTRY})
    write_lock(other, tmp_path, {"blue": {**ENTRY, "rows": 8}})
    assert read_lock(recipe, tmp_path)["blue"]["rows"] == 7
    assert read_lock(other, tmp_path)["blue"]["rows"] == 8


@pytest.mark.parametrize("now", ["{hub: lab/blue, track: dev}", "{hub: lab/green, track: main}", "{path: x.jsonl}"])
def test_an_entry_of_another_source_is_passed_over(load: Load, tmp_path: Path, now: str) -> None:
    write_lock(load(HUB), tmp_path, {"blue": ENTRY})
    assert read_lock(load((HUB[0], HUB[1], now)), tmp_path) == {}


def test_a_moved_local_file_keeps_its_entry(load: Load, tmp_path: Path) -> None:
    write_lock(load(), tmp_path, {"blue": ENTRY})
    moved = load(("demo/recipe.yaml", "data/blue.jsonl", "elsewhere/blue.jsonl"))
    assert read_lock(moved, tmp_path) == {"blue": ENTRY}


def test_an_installed_recipe_is_locked_in_the_store(load: Load, tmp_path: Path) -> None:
    recipe = load(HUB)
    write_lock(recipe, tmp_path / "store", {"blue": ENTRY, "red": ENTRY})
    installed = tmp_path / "site-packages" / "demo"
    installed.parent.mkdir()
    recipe.folder.rename(installed)
    recipe = replace(recipe, folder=installed)
    assert lock_file(recipe, tmp_path / "store") == tmp_path / "store" / "locks" / "demo.lock"
    write_lock(recipe, tmp_path / "store", {"blue": {**ENTRY, "rows": 9}})
    assert {name: entry["rows"] for name, entry in read_lock(recipe, tmp_path / "store").items()} == {
        "blue": 9,
        "red": 7,
    }


def test_a_lock_names_no_folder_of_this_machine(load: Load, tmp_path: Path) -> None:
    file = write_lock(load(), tmp_path, {"blue": ENTRY})
    assert str(tmp_path) not in file.read_text()


BROKEN = {
    "merge conflict": ("<<<<<<< ours\n{}", "not valid JSON"),
    "no mapping": ("[1]", r"the lock has format \[1\], and this mathloom reads 1"),
    "newer format": ('{"format": 2}', "the lock has format 2, and this mathloom reads 1"),
    "no profiles": ('{"format": 1}', "the lock is no mapping of profiles to sources"),
    "entry that is text": ('{"format": 1, "profiles": {"local": {"blue": "x"}}}', "the lock is no mapping"),
}


@pytest.mark.parametrize(("text", "error"), BROKEN.values(), ids=BROKEN)
def test_broken_locks(load: Load, tmp_path: Path, text: str, error: str) -> None:
    recipe = load()
    (recipe.folder / "recipe.lock").write_text(text)
    with pytest.raises(RecipeError, match=rf"recipe\.lock:1: {error}.*Delete the file and run `mathloom update`"):
        read_lock(recipe, tmp_path)


def test_a_failed_write_leaves_the_old_lock(load: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = load(HUB)
    write_lock(recipe, tmp_path, {"blue": ENTRY})

    def full(*args: object) -> None:
        raise StoreError("the disk is full", where="x", fix="Free space")

    monkeypatch.setattr(lock, "write_json", full)
    with pytest.raises(StoreError):
        write_lock(recipe, tmp_path, {})
    assert json.loads((recipe.folder / "recipe.lock").read_text())["profiles"]["local"]["blue"]["rows"] == 7
