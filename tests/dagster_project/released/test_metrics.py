"""Figures of two releases beside each other, against counts by hand."""

from __future__ import annotations

from collections.abc import Callable

from assets.release.folder_reading import Release
from dagster_project.released.difference import compare
from tests.dagster_project.released.conftest import Row

Make = Callable[..., Release]


def figures(old: Release, new: Release) -> dict[str, tuple[float | None, float | None]]:
    found = compare(old, new, names=("a", "b"), store=None, memory_limit="200MB")
    return {metric.name: (metric.old, metric.new) for metric in found.metrics}


def test_half_of_the_votes_is_no_majority(release: Make) -> None:
    votes = [1, 2, 3, 4]
    old = release({"train": [Row(f"p{n}", votes=n) for n in votes]})
    new = release({"train": [Row("p4", votes=4), Row("p4", sample=1, votes=4)]})
    found = figures(old, new)
    assert found["rows with a majority of votes"] == (0.5, 1.0)
    assert found["mean share of votes"] == (0.625, 1.0)
    assert found["unique problems"] == (4.0, 1.0)


def test_rows_without_votes_have_no_share(release: Make) -> None:
    seed = Row("seed", origin={"votes": None, "n_valid": None})
    old, new = release({"train": [seed]}), release({"train": [seed, Row("p", votes=3)]})
    found = figures(old, new)
    assert found["rows with a majority of votes"] == (None, 1.0)
    assert found["mean share of votes"] == (None, 0.75)


def test_figures_are_those_of_the_largest_split(release: Make) -> None:
    rows = [Row(f"p{n}", tokens=10 * n) for n in range(1, 21)]
    both = release({"train_tiny": rows[:3], "train": rows})
    found = figures(both, both)
    assert found["mean tokens"] == (105.0, 105.0)
    assert found["95 % of rows have at most tokens"] == (190.0, 190.0)
    assert found["rows of train_tiny"] == (3.0, 3.0)
