"""One thing is changed in a real project, and every row that differs must be laid to exactly that."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from assets.release.difference import Difference
from dagster_project.released.difference import compare
from tests.dagster_project.released.chains import Chains, changes_of
from tests.dagster_project.released.conftest import Built, Project

pytestmark = pytest.mark.slow

FILE = "recipe.yaml"
NEW_SET = "    with: {problems: clean_problems}\n    set:\n"


def without_seed(project: Project) -> None:
    seeds = project.recipe / "problems.jsonl"
    seeds.write_text("".join(seeds.read_text().splitlines(keepends=True)[1:]))


def with_seed(project: Project) -> None:
    seeds = project.recipe / "problems.jsonl"
    row = {"problem": "Ola has 3 hats and buys 4 more. How many hats?", "expected_answer": "7"}
    seeds.write_text(seeds.read_text() + json.dumps(row) + "\n")


def corrected_seed(project: Project) -> None:
    project.edit("problems.jsonl", '"expected_answer": "13"', '"expected_answer": "14"')


def edit(file: str, old: str, new: str) -> Callable[[Project], None]:
    return lambda project: project.edit(file, old, new)


CHANGES = {
    "a seed goes": (without_seed, "seed", {"seeds"}),
    "a seed comes": (with_seed, "seed", {"seeds"}),
    "the answer of a seed": (corrected_seed, "seed", {"seeds"}),
    "prompt of new problems": (edit("prompts/augment.yaml", "14 nails", "15 nails"), "prompt", {"generated"}),
    "prompt of solutions": (
        edit("prompts/solve.yaml", "\n  Problem:", "\n  The problem:\n  Problem:"),
        "prompt",
        {"seed_solutions", "new_solutions"},
    ),
    "model": (
        edit("profiles/scripted.yaml", "engine: scripted", "engine: scripted, seed: 1"),
        "model",
        {"generated", "seed_solutions"},
    ),
    "samples": (edit(FILE, "samples: 4", "samples: 3"), "sampling", {"seed_solutions", "new_solutions"}),
    "vote": (edit(FILE, NEW_SET, f"{NEW_SET}      expected: {{min_votes: 3}}\n"), "vote", {"new_expected"}),
    "filter": (edit(FILE, "min_solution_characters: 30", "min_solution_characters: 235"), "filter", {"checked"}),
    "contamination": (edit(FILE, "max_similarity: 0.9", "max_similarity: 0.3"), "filter", {"clean_problems"}),
    "split": (edit(FILE, "train_tiny: 30", "train_tiny: 20"), "split", set()),
}


def said(found: Difference, split: str) -> Counter[tuple[str, str]]:
    """(kind, stage that the detail names) -> rows."""
    counts: Counter[tuple[str, str]] = Counter()
    for line in found.lines:
        if line.split == split:
            counts[line.kind, "split" if line.cause == "split" else line.detail.partition(":")[0]] += line.rows
    return counts


USUAL = ("a seed goes", "vote")
"""Changes that `make test` looks at: a build takes seconds. The causes of test_causes_by_hand.py need none."""


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[] if name in USUAL else pytest.mark.soak) for name in CHANGES]
)
def test_one_change_is_the_one_cause(changing: tuple[Project, Built], name: str) -> None:
    project, old = changing
    change, cause, stages = CHANGES[name]
    change(project)
    new = project.build()
    found = compare(old.release, new.release, names=("old", "new"), store=project.store, memory_limit="1GB")
    assert found.is_exact
    assert found.has_changed_rows, "the change shows nowhere: the test says nothing"
    causes = {line.cause for line in found.lines}
    assert causes in ({cause}, {cause, "split"})
    assert {line.detail.partition(":")[0] for line in found.lines if line.cause != "split"} == stages
    chains = Chains(old, new)
    for split, rows in found.splits.items():
        kinds = Counter(changes_of(old.release, new.release, split).values())
        assert (rows.added, rows.removed, rows.changed) == tuple(kinds[k] for k in ("added", "removed", "changed"))
        assert said(found, split) == chains.expected(split)
    back = compare(new.release, old.release, names=("new", "old"), store=project.store, memory_limit="1GB")
    assert {line.cause for line in back.lines} == causes
    guessed = compare(old.release, new.release, names=("old", "new"), store=None, memory_limit="1GB")
    assert not guessed.is_exact
    assert guessed.splits == found.splits
    assert {line.cause for line in guessed.lines} <= causes | {"unknown"}, "a guess must not be wrong"


@pytest.mark.soak
def test_versions_that_are_gone_are_no_proof(changing: tuple[Project, Built], tmp_path: Path) -> None:
    project, old = changing
    without_seed(project)
    new = project.build()
    gone = old.versions["seeds"].folder
    gone.rename(tmp_path / "gone")
    try:
        found = compare(old.release, new.release, names=("old", "new"), store=project.store, memory_limit="1GB")
    finally:
        shutil.move(tmp_path / "gone", gone)
    assert not found.is_exact
    assert {line.cause for line in found.lines} <= {"seed", "split", "unknown"}


def test_the_same_build_differs_nowhere(first: tuple[Project, Built]) -> None:
    project, old = first
    found = compare(old.release, old.release, names=("a", "b"), store=project.store, memory_limit="1GB")
    assert not found.has_changed_rows
    assert (list(found.lines), list(found.recipe), list(found.samples), list(found.schema)) == ([], [], [], [])
    assert found.is_exact
