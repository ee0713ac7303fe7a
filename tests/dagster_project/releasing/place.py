"""A project that a test changes, builds and releases, and the folder repository beside it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from assets.release.numbering import Number
from dagster_project.cli import main
from dagster_project.language.load import load_project
from dagster_project.language.resolved import Publishing, Recipe
from dagster_project.releasing.plan import ReleasePlan, make_release_plan
from dagster_project.releasing.publish import Published, publish
from dagster_project.releasing.record import Records
from dagster_project.running.outcome import Silence
from dagster_project.running.stage import build_stage
from dagster_project.running.workspace import Workspace
from resources.hub.folder_repository import FolderRepository
from resources.hub.repository import MAIN, Change

ACCEPT = "  accept: {contamination: there is no benchmark of such sums, licence: the scripted engine has none}\n"


FILES = ("recipe.yaml", "seeds.jsonl", ".mathloom/envs/sums/scripted.json")
"""What makes a variant of the project, beside the versions in its store."""

SENTENCE = "Another sentence."
SECRET = "k9Zt-not-for-you-41"
_CARD = ("release:\n", f"release:\n  summary: {SENTENCE}\n")

VARIANTS: Mapping[str, Sequence[tuple[str, str]]] = {
    "first": [],
    "card": [_CARD],
    "rows": [("max_words: 60", "max_words: 13")],
    "rows and card": [("max_words: 60", "max_words: 13"), _CARD],
    "other rows": [("max_words: 60", "max_words: 14")],
    "no tiny split": [("sizes: {train: all, train_tiny: 5}", "sizes: {train: all}")],
}
"""Name -> edits of the recipe."""


class Place:
    """A project, and the folder repository ``out`` that it is released to."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.store = folder / ".mathloom"
        self.repository = FolderRepository(folder / "out")

    def run(self, *arguments: str) -> int:
        """One command in the folder."""
        before = Path.cwd()
        os.chdir(self.folder)
        try:
            return main(arguments)
        finally:
            os.chdir(before)

    def build(self) -> None:
        """Without Dagster, which takes longer than the stages."""
        workspace = Workspace(self.recipe, self.store)
        try:
            for stage in workspace.recipe.stages.values():
                build_stage(workspace, stage, run_id="test", progress=Silence())
        finally:
            workspace.close()

    def become(self, variant: str) -> None:
        """The project as one of :data:`VARIANTS`, built already."""
        for file in FILES:
            shutil.copyfile(self.folder / "variants" / variant / Path(file).name, self.folder / file)

    def edit(self, old: str, new: str, file: str = "recipe.yaml") -> None:
        path = self.folder / file
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new), encoding="utf-8")

    @property
    def recipe(self) -> Recipe:
        return load_project(self.folder / "mathloom.toml").recipes["sums"]

    def publishing(self) -> Recipe:
        recipe = self.recipe
        return replace(recipe, publishing=Publishing(recipe.place, folder=self.folder / "out"))

    @property
    def records(self) -> Records:
        return Records(self.store, "sums", "scripted")

    def plan(self, recipe: Recipe | None = None, **wishes: Any) -> ReleasePlan:
        workspace = Workspace(recipe or self.recipe, self.store)
        try:
            return make_release_plan(workspace, self.repository, **wishes)
        finally:
            workspace.close()

    def release(self, **wishes: Any) -> Published:
        return publish(self.plan(**wishes), self.repository, records=self.records)

    def read(self, path: str, revision: str = MAIN) -> str:
        content = self.repository.read(revision, path)
        assert content is not None, path
        return content.decode()

    def commit(self, put: dict[str, bytes], message: str = "by hand") -> None:
        """What somebody does to main."""
        self.repository.commit(Change(put=put), parent=self.repository.head(), message=message)

    @property
    def tags(self) -> list[Number]:
        return sorted(number for tag in self.repository.tags() if (number := Number.of_tag(tag)))
