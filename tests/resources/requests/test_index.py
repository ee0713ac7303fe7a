"""Sorted arrays of keys against Python sets, with keys made to collide in their high halves."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.schemas import id_array
from resources.errors import StoreError
from resources.identity import digest128
from resources.requests import index
from resources.requests.index import KeyRun, KeySet, as_keys, bytes_of, no_keys, repeated, words_of


@pytest.fixture(autouse=True)
def _usual_ranges(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a test of many examples sets is put back."""
    monkeypatch.setattr(index, "_RANGE_KEYS", index._RANGE_KEYS)


# Few distinct high halves: chance will never give this case, and it must be right.
close_keys = st.builds(
    lambda high, low: high * 8 + low * 8, st.sampled_from([b"\0", b"\1", b"\xff"]), st.binary(min_size=1, max_size=1)
)
any_keys = st.lists(st.binary(min_size=16, max_size=16) | close_keys, max_size=60)


@given(any_keys)
def test_words_keep_the_order_of_bytes(keys: list[bytes]) -> None:
    high, low = words_of(as_keys(keys))
    assert bytes_of(high, low).tobytes() == b"".join(keys)
    order = index.sort_order(high, low)
    assert [keys[at] for at in order] == sorted(keys)


@given(any_keys, any_keys)
def test_run_finds_what_a_list_finds(keys: list[bytes], asked: list[bytes]) -> None:
    run = KeyRun.of(as_keys(keys))
    ordered = sorted(set(keys))
    assert run.keys().tobytes() == b"".join(ordered)
    wanted = asked + keys
    expected = [ordered.index(key) if key in set(keys) else -1 for key in wanted]
    assert run.positions(*words_of(as_keys(wanted))).tolist() == expected
    for key, at in zip(wanted, expected, strict=True):
        assert run.has(int.from_bytes(key[:8], "big"), int.from_bytes(key[8:], "big")) == (at >= 0)


@given(st.lists(any_keys, max_size=5), st.integers(1, 40))
def test_sorted_arrays_become_one_run(pieces: list[list[bytes]], range_keys: int) -> None:
    index._RANGE_KEYS = range_keys
    run = KeyRun.of_sorted([as_keys(sorted(piece)) for piece in pieces])
    assert run.keys().tobytes() == b"".join(sorted({key for piece in pieces for key in piece}))


@given(any_keys, any_keys)
def test_any_of_some_keys(keys: list[bytes], asked: list[bytes]) -> None:
    run = KeyRun.of(as_keys(keys))
    assert run.has_any(KeyRun.of(as_keys(asked)).keys()) == bool(set(keys) & set(asked))


@given(any_keys)
def test_repeated_keys(keys: list[bytes]) -> None:
    expected = sorted({key for key in keys if keys.count(key) > 1})
    assert repeated(as_keys(keys)).tobytes() == b"".join(expected)


@given(st.lists(any_keys, max_size=6), any_keys)
def test_growing_set(pieces: list[list[bytes]], asked: list[bytes]) -> None:
    keys, expected = KeySet(), set[bytes]()
    for number, piece in enumerate(pieces):
        new = set(piece) - expected
        if number % 2:
            keys.add_run(KeyRun.of(as_keys(sorted(new))))
        else:
            for key in new:
                keys.add(key)
        expected |= new
    wanted = asked + sorted(expected)
    assert len(keys) == len(expected)
    assert keys.contains(as_keys(wanted)).tolist() == [key in expected for key in wanted]
    assert [keys.has(key) for key in wanted] == [key in expected for key in wanted]


def test_many_small_runs_stay_few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index, "_FRESH_KEYS", 10)
    monkeypatch.setattr(index, "_LOOKUP_KEYS", 7)
    keys = KeySet()
    made = [digest128("test", str(number)) for number in range(4000)]
    for key in made[::2]:
        keys.add(key)
    assert len(keys._runs) <= 12
    assert keys.contains(as_keys(made)).tolist() == [number % 2 == 0 for number in range(4000)]


@pytest.mark.parametrize(
    "keys",
    [
        [b"a" * 16, b"b" * 16],
        np.frombuffer(b"a" * 16 + b"b" * 16, np.uint8).reshape(2, 16),
        id_array([b"x" * 16, b"a" * 16, b"b" * 16]).slice(1),
        pa.array([b"a" * 16, b"b" * 16], pa.binary(16)),
        pa.chunked_array([id_array([b"a" * 16]), id_array([b"b" * 16])]),
    ],
    ids=["list", "array", "uuid slice", "binary", "chunks"],
)
def test_forms_of_keys(keys: Any) -> None:
    assert as_keys(keys).tobytes() == b"a" * 16 + b"b" * 16


@pytest.mark.parametrize(
    "keys", [[], np.empty((0, 16), np.uint8), id_array([]), pa.chunked_array([], pa.binary(16)), no_keys()]
)
def test_no_keys(keys: Any) -> None:
    assert as_keys(keys).shape == (0, 16)
    assert not KeySet().contains(as_keys(keys)).size


@pytest.mark.parametrize(
    "keys",
    [[b"a" * 15], [b"a" * 15, b"b" * 17], np.zeros((2, 8), np.uint8), id_array([None]), pa.array(["text"])],
    ids=["short", "lengths that add up", "narrow", "null", "text"],
)
def test_what_is_no_key_is_refused(keys: Any) -> None:
    with pytest.raises(StoreError, match="as request keys"):
        as_keys(keys)
