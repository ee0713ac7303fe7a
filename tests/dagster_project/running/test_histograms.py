"""Bars of token counts: equal content gives equal bars, whatever the batches; few bars, whatever the range."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dagster_project.running.histograms import MAX_BARS, TokenHistogram


def bars_of(*batches: list[int | None]) -> list[list[object]]:
    histogram = TokenHistogram()
    for batch in batches:
        histogram.add(pa.array(batch, pa.int32()))
    return histogram.bars()


def test_nothing_gives_no_bars() -> None:
    assert bars_of() == []
    assert bars_of([], [None, None]) == []


def test_small_counts_have_bars_of_their_own() -> None:
    assert bars_of([0, 1, 1, 3, 3, 3]) == [["0", 1], ["1", 2], ["2", 0], ["3", 3]]


def test_a_bar_is_named_by_its_least_value_and_the_next_one_begins_where_it_ends() -> None:
    assert bars_of([8, 9, 10, 11, 12, 15, 16]) == [["8", 2], ["10", 2], ["12", 1], ["14", 1], ["16", 1]]


def test_a_wide_range_has_wider_bars_not_more() -> None:
    narrow, wide = bars_of([100, 900]), bars_of([1, 100, 30_000])
    assert [label for label, _ in narrow][:3] == ["96", "112", "128"]
    assert len(wide) <= MAX_BARS
    assert [label for label, _ in wide][-3:] == ["4096", "8192", "16384"]


@pytest.mark.parametrize("most", [2**31 - 1, 2**30, 131_072])
def test_the_largest_counts_have_a_bar(most: int) -> None:
    found = bars_of([0, most])
    assert len(found) <= MAX_BARS
    assert found[-1][1] == 1
    assert sum(n for _, n in found if isinstance(n, int)) == 2


def test_a_negative_count_of_a_strange_server_is_counted_as_none() -> None:
    assert bars_of([-5, 0]) == [["0", 2]]


def test_chunks_and_other_integers_are_welcome() -> None:
    histogram = TokenHistogram()
    histogram.add(pa.chunked_array([pa.array([1, 2], pa.int64()), pa.array([None], pa.int64())]))
    assert histogram.bars() == [["1", 1], ["2", 1]]
    assert histogram.count == 2
    assert histogram.total == 3


counts = st.lists(st.one_of(st.none(), st.integers(0, 2**31 - 1)), max_size=200)


@given(counts, st.integers(0, 200), st.randoms())
def test_order_and_batches_do_not_matter(values: list[int | None], cut: int, random: object) -> None:
    shuffled = list(values)
    random.shuffle(shuffled)  # pyright: ignore[reportAttributeAccessIssue] - hypothesis' Random
    whole = bars_of(values)
    assert whole == bars_of(shuffled[:cut], shuffled[cut:])
    assert sum(int(str(n)) for _, n in whole) == sum(v is not None for v in values)
    assert len(whole) <= MAX_BARS


def test_twenty_million_counts_take_the_memory_of_none() -> None:
    histogram = TokenHistogram()
    batch = pa.array(np.random.default_rng(0).integers(0, 4096, 65_536, dtype=np.int32))
    for _ in range(20):
        histogram.add(batch)
    assert sum(n for _, n in histogram.bars()) == histogram.count == 20 * 65_536
