"""A project that may be released, with all its variants built once; each test has a copy."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from dagster_project.cli import main
from tests.dagster_project.releasing.place import ACCEPT, FILES, SECRET, VARIANTS, Place


@pytest.fixture(scope="session")
def releasable(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Only to be copied: the template's project, with what its gate asks for."""
    folder = tmp_path_factory.mktemp("releasable") / "sums"
    assert main(["init", str(folder)]) == 0
    place = Place(folder)
    place.edit("release:\n", f"release:\n{ACCEPT}")
    plain = (folder / "recipe.yaml").read_text(encoding="utf-8")
    seeds = (folder / "seeds.jsonl").read_text(encoding="utf-8")
    for name, edits in {**VARIANTS, "secret": []}.items():
        (folder / "recipe.yaml").write_text(plain, encoding="utf-8")
        for old, new in edits:
            place.edit(old, new)
        if name == "secret":
            place.edit('"problem": "', f'"problem": "{SECRET} ', "seeds.jsonl")
        place.build()
        for file in FILES:
            kept = folder / "variants" / name / Path(file).name
            kept.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(folder / file, kept)
    (folder / "seeds.jsonl").write_text(seeds, encoding="utf-8")
    place.become("first")
    return folder


@pytest.fixture
def place(releasable: Path, tmp_path: Path) -> Place:
    folder = tmp_path / "sums"
    shutil.copytree(releasable, folder, symlinks=True)
    return Place(folder)
