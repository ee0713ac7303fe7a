"""Releases checked out as projects: what is verified, and what is refused before anything is written. Nothing runs."""

from __future__ import annotations

import json
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dagster_project.releasing.checkout import (
    Checkout,
    Released,
    check_out,
    find_released,
    is_safe,
    read_build,
)
from resources.errors import FileError, ReleaseError
from resources.hub.folder_repository import FolderRepository
from resources.hub.repository import Change, LocalFile, Repository

RECIPE = {"recipe/mathloom.toml": b"[recipes.toy]\n", "recipe/toy/recipe.yaml": b"recipe: toy\n"}


def never(name: str) -> Repository:
    raise AssertionError(name)


def make(
    folder: Path, files: dict[str, bytes] | None = None, edit: Callable[[dict[str, Any]], None] | None = None
) -> Path:
    """A released folder with one data file."""
    (folder / "data").mkdir(parents=True)
    pq.write_table(pa.table({"problem": ["1 + 1"]}), folder / "data" / "train-00000-of-00001.parquet")
    recipe = RECIPE if files is None else files
    for path, content in recipe.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    data = folder / "data" / "train-00000-of-00001.parquet"
    build: dict[str, Any] = {
        "format": 2,
        "recipe": {
            "name": "toy",
            "profile": "scripted",
            "files": {path: sha256(content).hexdigest() for path, content in recipe.items()},
        },
        "files": {"data/train-00000-of-00001.parquet": {"rows": 1, "sha256": sha256(data.read_bytes()).hexdigest()}},
    }
    if edit is not None:
        edit(build)
    (folder / "BUILD.json").write_text(json.dumps(build))
    return folder


def opened(folder: Path, target: Path) -> Checkout:
    return check_out(find_released(str(folder), never), target)


def test_a_checkout_is_a_project_with_the_recipe(tmp_path: Path) -> None:
    checkout = opened(make(tmp_path / "release"), tmp_path / "project")
    assert (tmp_path / "project" / "toy" / "recipe.yaml").read_bytes() == b"recipe: toy\n"
    assert checkout.project_file.read_text() == '[recipes.toy]\nfolder = "toy"\nprofile = "scripted"\n'
    assert (checkout.recipe, checkout.profile, checkout.code) == ("toy", "scripted", [])


def test_the_project_file_of_a_release_decides_nothing(tmp_path: Path) -> None:
    files = {
        **RECIPE,
        "recipe/mathloom.toml": b'[project]\nstore = "/home/me/x"\n[recipes.toy]\nfolder = "/home/me/x"\n',
    }
    checkout = opened(make(tmp_path / "release", files), tmp_path / "project")
    assert "/home/me/x" not in checkout.project_file.read_text()


def test_python_is_named_and_not_run(tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    files = {**RECIPE, "recipe/toy/kinds.py": f"open({str(mark)!r}, 'w').close()\n".encode()}
    checkout = opened(make(tmp_path / "release", files), tmp_path / "project")
    assert checkout.code == ["toy/kinds.py"]
    assert not mark.exists()


@pytest.mark.parametrize(
    "path",
    [
        "../up", "a/../b", "/etc/passwd", "a//b", "./a", "a/.", "C:/x", "a\\b", "a\nb", "a\x00b", " a", "a ", "", "a/",
        "a:b", "x" * 201,
    ],
)  # fmt: skip
def test_paths_that_no_recipe_has(path: str) -> None:
    assert not is_safe(path)
    assert not is_safe(f"recipe/{path}")


def test_usual_paths_are_safe() -> None:
    for path in ("recipe/mathloom.toml", "recipe/toy/.hidden", "recipe/toy/prompts/a b.yaml", "recipe/toy/sql/x-1.sql"):
        assert is_safe(path)


def _listing(path: str) -> Callable[[dict[str, Any]], None]:
    return lambda build: build["recipe"]["files"].__setitem__(path, "0" * 64)


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (_listing("recipe/../../outside"), "'recipe/../../outside' is not allowed"),
        (_listing("README.md"), "'README.md' is not allowed"),
        (_listing("recipe/TOY/recipe.yaml"), "stands there twice"),
        (_listing("recipe/toy/absent.yaml"), "'recipe/toy/absent.yaml' is absent"),
        (lambda build: build["recipe"]["files"].pop("recipe/toy/recipe.yaml"), "recipe.yaml' is not listed"),
        (_listing("recipe/toy/recipe.yaml"), "'recipe/toy/recipe.yaml' has other bytes"),
        (lambda build: build["files"].update({"data/x.parquet": {"sha256": "0" * 64}}), "'data/x.parquet' is absent"),
        (lambda build: build["files"].update({"data/train-00000-of-00001.parquet": {}}), "has other bytes"),
        (lambda build: build.pop("files"), "lists no files"),
        (lambda build: build["recipe"].update(files={f"recipe/{i}": "" for i in range(3000)}), "too many"),
    ],
)  # fmt: skip
def test_a_release_that_is_not_what_it_says_is_refused_before_anything_is_written(
    tmp_path: Path, edit: Callable[[dict[str, Any]], None], words: str
) -> None:
    folder = make(tmp_path / "release", edit=edit)
    with pytest.raises(ReleaseError, match="not what its BUILD.json says") as caught:
        opened(folder, tmp_path / "project")
    assert words in caught.value.what
    assert not (tmp_path / "project").exists()


def test_all_that_is_wrong_is_said_at_once(tmp_path: Path) -> None:
    folder = make(tmp_path / "release")
    (folder / "recipe/toy/recipe.yaml").write_text("recipe: other\n")
    with (folder / "data/train-00000-of-00001.parquet").open("ab") as handle:
        handle.write(b"x")
    with pytest.raises(ReleaseError) as caught:
        opened(folder, tmp_path / "project")
    assert caught.value.what.count("has other bytes") == 2


@pytest.mark.parametrize(
    "edit",
    [
        lambda build: build.update(recipe="toy"),
        lambda build: build["recipe"].update(name="../toy"),
        lambda build: build["recipe"].update(name='x"]\nfolder = "y'),
        lambda build: build["recipe"].update(profile=None),
    ],
)
def test_a_build_record_without_a_recipe_is_refused(tmp_path: Path, edit: Callable[[dict[str, Any]], None]) -> None:
    with pytest.raises(ReleaseError, match=r"BUILD\.json"):
        opened(make(tmp_path / "release", edit=edit), tmp_path / "project")


def test_a_build_record_that_is_no_json(tmp_path: Path) -> None:
    folder = make(tmp_path / "release")
    (folder / "BUILD.json").write_text("[" * 100_000)
    with pytest.raises(ReleaseError, match="is no JSON"):
        read_build(find_released(str(folder), never))


def test_a_link_out_of_a_release_is_no_file_of_it(tmp_path: Path) -> None:
    folder = make(tmp_path / "release")
    (tmp_path / "secret").write_bytes(RECIPE["recipe/toy/recipe.yaml"])
    (folder / "recipe/toy/recipe.yaml").unlink()
    (folder / "recipe/toy/recipe.yaml").symlink_to(tmp_path / "secret")
    with pytest.raises(ReleaseError, match="is absent"):
        opened(folder, tmp_path / "project")


def test_a_folder_with_something_in_it_is_left_alone(tmp_path: Path) -> None:
    folder = make(tmp_path / "release")
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / "notes").write_text("mine")
    with pytest.raises(FileError, match="not empty"):
        opened(folder, tmp_path / "project")
    assert [path.name for path in (tmp_path / "project").iterdir()] == ["notes"]


def test_the_same_checkout_may_be_there_already_and_a_changed_one_not(tmp_path: Path) -> None:
    folder = make(tmp_path / "release")
    opened(folder, tmp_path / "project")
    (tmp_path / "project" / ".mathloom").mkdir()
    (tmp_path / "project" / ".mathloom" / "store").write_text("")
    opened(folder, tmp_path / "project")
    (tmp_path / "project" / "toy" / "recipe.yaml").write_text("recipe: mine\n")
    with pytest.raises(FileError, match="not empty"):
        opened(folder, tmp_path / "project")


def test_a_tag_of_a_repository_is_checked_out_and_the_newest_without_one(tmp_path: Path) -> None:
    folder = make(tmp_path / "release")
    repository = FolderRepository(tmp_path / "repository")
    repository.create()
    put = {
        path.relative_to(folder).as_posix(): LocalFile(path, path.stat().st_size, sha256(path.read_bytes()).hexdigest())
        for path in folder.rglob("*")
        if path.is_file()
    }
    done = repository.commit(Change(put=put), parent=None, message="Release v1.0.0")
    repository.tag("v1.0.0", done.commit, "Release v1.0.0")
    found: list[Released] = [
        find_released(f"{tmp_path}/repository{tag}", lambda _: repository) for tag in ("", "@v1.0.0")
    ]
    assert [released.label for released in found] == ["repository-v1.0.0"] * 2
    assert check_out(found[0], tmp_path / "project").recipe == "toy"


@pytest.mark.parametrize("what", ["nothing", "./absent", "a/b/c", "hf://models/a/b", "a/b@", ""])
def test_words_that_name_no_release(what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileError, match="no release is here"):
        find_released(what, never)
