"""Near duplicates: against a plain loop over all pairs, with chains, blocks, copies and empty rows."""

from __future__ import annotations

import numpy as np
import pytest

from resources.embedders.protocol import Vectors, unit_rows
from resources.vectors import duplicates
from resources.vectors.duplicates import first_of_each


def clouds(centres: int, each: int, spread: float, dimensions: int = 200, seed: int = 0) -> Vectors:
    """Groups of vectors around some centres, mixed."""
    chance = np.random.default_rng(seed)
    rows = np.repeat(chance.standard_normal((centres, dimensions)), each, axis=0)
    rows += spread * chance.standard_normal(rows.shape)
    return unit_rows(chance.permutation(rows).astype(np.float32))


def plainly(vectors: Vectors, least: float) -> list[int]:
    sums = np.round(vectors.astype(np.float64) @ vectors.astype(np.float64).T, 4).astype(np.float32)
    repeats: list[int] = []
    for row in range(len(vectors)):
        kept = [i for i in range(row) if repeats[i] < 0 and sums[i, row] >= np.float32(least)]
        repeats.append(kept[0] if kept else -1)
    return repeats


@pytest.fixture(params=[(2_048, 8_192), (7, 11), (64, 5)], ids=lambda blocks: f"blocks {blocks}")
def _blocks(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(duplicates, "QUERY_BLOCK", request.param[0])
    monkeypatch.setattr(duplicates, "CORPUS_BLOCK", request.param[1])
    monkeypatch.setattr(duplicates, "_COPIED", 13)


@pytest.mark.usefixtures("_blocks")
@pytest.mark.parametrize("spread", [0.1, 0.25, 0.4])
@pytest.mark.parametrize("dimensions", [16, 200])
def test_like_a_plain_loop(spread: float, dimensions: int) -> None:
    vectors = clouds(12, 6, spread, dimensions)
    repeats, similarities = first_of_each(vectors, 0.9)
    assert repeats.tolist() == plainly(vectors, 0.9)
    out = repeats >= 0
    assert out.any()
    exact = np.einsum("ij,ij->i", vectors[out], vectors[repeats[out]])
    assert similarities[out] == pytest.approx(exact, abs=1e-4)
    assert (similarities[~out] == 0).all()


@pytest.mark.usefixtures("_blocks")
def test_a_chain_is_not_put_together() -> None:
    """Each is near the one before and far from the first: only every second goes."""
    angles = np.arange(8) * 0.4
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    assert first_of_each(vectors, 0.9)[0].tolist() == [-1, 0, -1, 2, -1, 4, -1, 6]


@pytest.mark.usefixtures("_blocks")
def test_copies_leave_one_and_empty_rows_stay() -> None:
    vectors = np.repeat(clouds(1, 1, 0), 50, axis=0)
    vectors[[3, 4]] = 0
    repeats, similarities = first_of_each(vectors, 0.99)
    assert repeats.tolist() == [-1, 0, 0, -1, -1, *[0] * 45]
    assert similarities[5] == 1


def test_nothing_to_compare() -> None:
    repeats, similarities = first_of_each(np.zeros((0, 8), np.float32), 0.9)
    assert len(repeats) == len(similarities) == 0
