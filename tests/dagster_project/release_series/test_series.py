"""Builds of quickstart's data in a row, each with one edit and then a release into a local repository.

After every edit: exactly the stages ran that had to, the number went as far as the change goes, the changelog counts
what differs, and a reader of the tag has the files that were built. What had to happen is told by ``oracle.py``.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from assets.release.numbering import FIRST, Number, Step, latest
from resources.hub.folder_repository import FolderRepository
from tests.dagster_project.release_series import oracle
from tests.dagster_project.release_series.project import EDITS, RECIPE, Project, order_of_edits

FEW = 5
MANY = 100

_ENTRY = re.compile(r"^## (v\d+\.\d+\.\d+)$", re.MULTILINE)


class Series:
    """One project and its repository, from release to release."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.project = Project(folder, seed)
        self.stages = oracle.Stages(self.project)
        self.repository = FolderRepository(folder / "published")
        self.number: Number | None = None
        self.built: Path | None = None

    def go(self, edit: str) -> Step:
        """Edit, build, release, and look. Returns the step that was due."""
        self.project.edit(edit)
        self.project.run("build", RECIPE)
        assert self.stages.ran() == self.stages.expected(), edit
        built = self.project.built
        due = oracle.step(self.built, built) if self.built else Step.NONE
        before = dict(self.repository.tags())
        self.project.run("release", RECIPE, "--to", str(self.repository.folder), "--yes")
        self._check_number(due, before)
        self._check_changelog(due, built)
        self._check_reader(built)
        self.built = built
        return due

    def _check_number(self, due: Step, before: dict[str, str]) -> None:
        after = self.repository.tags()
        expected = FIRST if self.number is None else self.number.after(due)
        assert latest(after) == expected
        assert {tag: commit for tag, commit in after.items() if tag in before} == before, "a tag has moved"
        assert len(after) == len(before) + (expected != self.number)
        assert self.repository.head() == after[expected.tag]
        self.number = expected

    def _check_changelog(self, due: Step, built: Path) -> None:
        text = (self.repository.folder / "main" / "CHANGELOG.md").read_text(encoding="utf-8")
        tags = _ENTRY.findall(text)
        assert len(tags) == len(set(tags)) == len(self.repository.tags())
        if self.built is None or due is Step.NONE:
            return
        assert tags[0] == f"v{self.number}"
        newest = text.split("\n## ")[1]
        for split, counts in oracle.all_counts(self.built, built).items():
            line = re.search(rf"^\| `{split}` \|([\d,| ]*)\|$", newest, re.MULTILINE)
            assert line is not None, newest
            old, new, added, removed, changed, same = (int(n.replace(",", "")) for n in line[1].split("|"))
            assert oracle.Counts(added, removed, changed) == counts
            assert (old, new) == (removed + changed + same, added + changed + same)

    def _check_reader(self, built: Path) -> None:
        assert oracle.hashes(self.repository.folder / f"v{self.number}") == oracle.hashes(built)


def run_series(folder: Path, count: int, seed: int) -> list[Step]:
    """A first release, then ``count`` edits. Returns the steps."""
    series = Series(folder, seed)
    series.go("nothing changed")
    return [series.go(edit) for edit in order_of_edits(count, seed)]


@pytest.mark.slow
def test_five_builds_in_a_row(tmp_path: Path) -> None:
    steps = run_series(tmp_path, FEW, seed=1)
    assert len(steps) == FEW
    assert {Step.NONE, Step.PATCH, Step.MINOR} == set(steps)


@pytest.mark.soak
def test_a_hundred_builds_in_a_row(tmp_path: Path) -> None:
    steps = run_series(tmp_path, MANY, seed=2)
    assert [steps.count(step) > 5 for step in (Step.NONE, Step.PATCH, Step.MINOR)] == [True] * 3


def test_every_kind_of_edit_is_among_every_five() -> None:
    edits = order_of_edits(MANY, seed=2)
    assert all(set(edits[first : first + 5]) == set(EDITS) for first in range(0, MANY, 5))
    assert edits != order_of_edits(MANY, seed=3)
