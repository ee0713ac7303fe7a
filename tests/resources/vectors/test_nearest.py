"""Exact neighbours: against a plain sort of all similarities, with ties, blocks, empty rows."""

from __future__ import annotations

import numpy as np
import pytest

from resources.embedders.protocol import Vectors, unit_rows
from resources.vectors import nearest
from resources.vectors.nearest import top_k


def some(rows: int, dimensions: int = 24, seed: int = 0) -> Vectors:
    return unit_rows(np.random.default_rng(seed).standard_normal((rows, dimensions)).astype(np.float32))


def plainly(queries: Vectors, corpus: Vectors, k: int) -> list[list[tuple[int, float]]]:
    """All similarities in float64, sorted."""
    found = []
    for query in queries.astype(np.float64):
        sums = np.round(corpus.astype(np.float64) @ query, 4)
        order = sorted(range(len(corpus)), key=lambda i, s=sums: (-s[i], i))[:k]
        found.append([(i, float(sums[i])) for i in order if sums[i] > 0])
    return found


def listed(queries: Vectors, corpus: Vectors, k: int) -> list[list[tuple[int, float]]]:
    found = top_k(queries, corpus, k)
    pairs = list(zip(found.rows.tolist(), found.similarities.astype(np.float64).round(4).tolist(), strict=True))
    return [pairs[start:stop] for start, stop in zip(found.offsets, found.offsets[1:], strict=False)]


@pytest.fixture(params=[(2_048, 8_192), (7, 11), (50, 3)], ids=lambda blocks: f"blocks {blocks}")
def _blocks(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nearest, "QUERY_BLOCK", request.param[0])
    monkeypatch.setattr(nearest, "CORPUS_BLOCK", request.param[1])


@pytest.mark.usefixtures("_blocks")
@pytest.mark.parametrize("k", [1, 5, 60])
def test_like_a_plain_sort(k: int) -> None:
    queries, corpus = some(40), some(50, seed=1)
    assert listed(queries, corpus, k) == plainly(queries, corpus, k)


@pytest.mark.usefixtures("_blocks")
def test_ties_go_to_the_first_of_the_corpus() -> None:
    corpus = np.repeat(some(6, seed=3), 5, axis=0)
    noisy = unit_rows((corpus + np.float32(3e-7) * some(30, seed=4)).astype(np.float32))
    queries = some(9, seed=5)
    assert listed(queries, noisy, 7) == plainly(queries, noisy, 7)
    assert [row for row, _ in listed(corpus[:1], noisy, 4)[0]] == [0, 1, 2, 3]


@pytest.mark.usefixtures("_blocks")
def test_an_empty_row_has_no_neighbours_and_is_none() -> None:
    queries, corpus = some(3), some(20, seed=1)
    queries[1] = 0
    corpus[[0, 4]] = 0
    found = listed(queries, corpus, 20)
    assert found == plainly(queries, corpus, 20)
    assert found[1] == []
    assert not {row for each in found for row, _ in each} & {0, 4}


@pytest.mark.parametrize(("queries", "rows"), [(0, 5), (4, 0), (0, 0)])
def test_nothing_to_compare(queries: int, rows: int) -> None:
    found = top_k(some(max(queries, 1))[:queries], some(max(rows, 1))[:rows], 5)
    assert found.offsets.tolist() == [0] * (queries + 1)
    assert len(found.rows) == len(found.similarities) == 0


def test_speed_of_the_choice_does_not_fall_on_texts_without_content() -> None:
    """Empty rows must not make every corpus row a candidate: 2,048 of them once filled the memory."""
    queries = np.zeros((3_000, 8), np.float32)
    assert len(top_k(queries, some(5_000, 8), 5).rows) == 0
