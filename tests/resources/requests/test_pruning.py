"""Pruning and forgetting: what goes, what stays, and who may do it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow.parquet as pq
import pytest

from resources.errors import StoreError
from resources.identity import digest128
from resources.requests import writing
from resources.requests.index import KeyRun, Keys, Mask, as_keys, words_of
from resources.requests.pruning import Pruned
from resources.requests.records import Completion, Failure
from resources.requests.store import RequestStore


def key(number: int) -> bytes:
    return digest128("test", str(number))


def keys(*numbers: int) -> list[bytes]:
    return [key(number) for number in numbers]


class Keep:
    """Keeps the given numbers; remembers how many keys it was asked about at once."""

    def __init__(self, *numbers: int) -> None:
        self.run = KeyRun.of(as_keys(keys(*numbers)))
        self.asked: list[int] = []

    def __call__(self, found: Keys) -> Mask:
        self.asked.append(len(found))
        return self.run.positions(*words_of(found)) >= 0


def fill(root: Path) -> None:
    """Seals of 0..9 (old weights), 10..19 (new weights) and 20..29 (old weights), stored at time = number."""
    with RequestStore(root) as store:
        for first, weights in ((0, "old"), (10, "new"), (20, "old")):
            for n in range(first, first + 10):
                store.record(Completion(key(n), f"answer {n}", "stop", "e", weights, None, 1, 2, n + 1))
                store.record(Failure(key(n + 100), "why", "e", weights, stored_at_ns=n + 1))
            store.seal()


def numbers(store: RequestStore) -> list[int]:
    with duckdb.connect() as session:
        store.create_views(session)
        return sorted(int(text.split()[1]) for (text,) in session.sql("select text from completions").fetchall())


CASES: dict[str, tuple[dict[str, Any], list[int], list[int]]] = {
    "all are kept": ({"keep": Keep(*range(200))}, [], []),
    "a few keys": ({"keep": Keep(0, 15, *range(100, 130))}, [*range(1, 15), *range(16, 30)], []),
    "a whole seal": (
        {"keep": Keep(*range(10), *range(20, 110), *range(120, 130))},
        [*range(10, 20)],
        [*range(110, 120)],
    ),
    "of some weights": (
        {"keep": Keep(3), "weights": "old"},
        [0, 1, 2, *range(4, 10), *range(20, 30)],
        [*range(100, 110), *range(120, 130)],
    ),
    "before a time": ({"keep": Keep(), "before_ns": 16}, [*range(15)], [*range(100, 115)]),
    "both": ({"keep": Keep(3), "weights": "old", "before_ns": 6}, [0, 1, 2, 4], [*range(100, 105)]),
    "failures alone": ({"keep": Keep(*range(30))}, [], [*range(100, 130)]),
    "everything": ({"keep": Keep()}, [*range(30)], [*range(100, 130)]),
}


@pytest.mark.parametrize("case", CASES)
def test_what_is_pruned(tmp_path: Path, case: str) -> None:
    arguments, gone, forgotten = CASES[case]
    fill(tmp_path)
    with RequestStore(tmp_path) as store:
        before = store.stats().bytes
        planned = store.prune(**arguments, dry_run=True)
        assert (planned.completions, planned.failures) == (len(gone), len(forgotten))
        assert store.stats().bytes == before
        assert numbers(store) == list(range(30))
        done = store.prune(**arguments)
        assert (done.completions, done.failures) == (len(gone), len(forgotten))
        assert done.bytes == before - store.stats().bytes
        kept = [n for n in range(30) if n not in gone]
        assert store.prune(**arguments) == Pruned()
    for _ in range(2):
        assert numbers(store.open()) == kept
        assert store.known(keys(*range(30))).tolist() == [n in kept for n in range(30)]
        attempts = {key(n): 1 for n in range(100, 130) if n not in forgotten}
        assert store.failed_attempts(keys(*range(100, 130))) == attempts
        stats = store.stats()
        assert (stats.completions, stats.failures, stats.prompt_tokens) == (len(kept), len(attempts), len(kept))
        usage = store.usage_by_weights()
        assert sum(each.completions for each in usage) == len(kept)
        assert sum(each.failures for each in usage) == len(attempts)
        on_disk = {path for path in store.folders.segments.rglob("*.parquet")}
        assert on_disk == set(store.paths()), "what was replaced is gone"
        store.close()


def test_what_is_pruned_may_be_asked_and_stored_again(tmp_path: Path) -> None:
    fill(tmp_path)
    with RequestStore(tmp_path) as store:
        store.prune(Keep(*range(1, 30)))
        assert store.record(Completion(key(0), "again 0", "stop", "e", "w"))
        store.seal()
        assert numbers(store) == list(range(30))


def test_pruning_seals_first_and_asks_in_small_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("resources.requests.reading.MAX_BATCH_ROWS", 4)
    keep = Keep(1)
    with RequestStore(tmp_path) as store:
        for number in range(10):
            store.record(Completion(key(number), f"answer {number}", "stop", "e", "w"))
        assert store.prune(keep).completions == 9
        assert max(keep.asked) <= 4
        assert numbers(store) == [1]
        assert store.stats().journals == 0


def test_large_seals_are_pruned_part_by_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing, "SEGMENT_BYTES", 1000)
    monkeypatch.setattr(writing, "ROW_GROUP_ROWS", 7)
    with RequestStore(tmp_path) as store:
        store.record_all(Completion(key(n), f"answer {n}", "stop", "e", "w") for n in range(100))
        store.seal()
        assert store.stats().segments > 5
        store.prune(Keep(*range(0, 100, 2)))
        assert numbers(store) == list(range(0, 100, 2))
        stored = []
        for part in store.paths():
            stored += pq.read_table(part, columns=["request_key"]).column(0).combine_chunks().storage.to_pylist()
        assert stored == sorted(keys(*range(0, 100, 2)))


def test_forgotten_failures_are_asked_again(tmp_path: Path) -> None:
    fill(tmp_path)
    with RequestStore(tmp_path) as store:
        store.record_all([Failure(key(100), "why", "e", "w"), Failure(key(200), "no", "e", "w", True)])
        store.seal()
        parts = {path.read_bytes() for path in store.paths() if path.name.startswith("completions")}
        assert store.forget_failures(keys(100, 115, 7)) == 3
        assert store.failed_attempts(keys(100, 101, 115, 200)) == {key(101): 1, key(200): 2**31 - 1}
        assert store.forget_failures() == 29
        assert store.failed_attempts(keys(*range(300))) == {}
        assert store.forget_failures() == 0
        assert numbers(store) == list(range(30))
        assert {path.read_bytes() for path in store.paths()} == parts, "completions are not written anew"
        assert [(u.weights, u.completions, u.failures) for u in store.usage_by_weights()] == [
            ("new", 10, 0),
            ("old", 20, 0),
        ]


def test_links_are_not_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise PermissionError(1, "no links here")

    fill(tmp_path)
    monkeypatch.setattr(Path, "hardlink_to", refuse)
    with RequestStore(tmp_path) as store:
        assert store.forget_failures() == 30
        assert numbers(store) == list(range(30))


def test_a_store_that_another_has_open_is_not_pruned(tmp_path: Path) -> None:
    fill(tmp_path)
    with RequestStore(tmp_path) as store, RequestStore(tmp_path):
        for prune in (lambda: store.prune(Keep()), store.forget_failures):
            with pytest.raises(StoreError, match="another process has the request store open") as caught:
                prune()
            assert caught.value.retryable
        assert numbers(store) == list(range(30))
        assert store.prune(Keep(), dry_run=True).completions == 30
        assert store.known(keys(0)).all()
    with RequestStore(tmp_path) as store:
        assert store.prune(Keep()).completions == 30


def test_a_fault_in_keep_leaves_a_whole_store(tmp_path: Path) -> None:
    def keep(found: Keys) -> Mask:
        raise ZeroDivisionError

    def short(found: Keys) -> Mask:
        return np.ones(len(found) - 1, bool)

    fill(tmp_path)
    with RequestStore(tmp_path) as store:
        with pytest.raises(ZeroDivisionError):
            store.prune(keep)
        with pytest.raises(ValueError, match="shape mismatch"):
            store.prune(short)
        assert numbers(store) == list(range(30))
        with RequestStore(tmp_path) as other:
            assert numbers(other) == list(range(30))
