"""The dictionary of answers: the same rows for any number of processes, and no string can end the pass."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pytest

from assets.answers import columns
from assets.answers.columns import KEYS, KeyPass, name_column
from assets.answers.key import canonical_key
from assets.answers.policy import Policy

ANSWERS = ["1/2", "0.5", "x", None, "\\frac12", "1/2", "\u05d0", "5\\text{ cm}", "a\x00b", "", "x"]

FRAGILE = """
import os, time
from assets.answers import columns

def name_piece(piece):
    if "poison" in piece:
        os._exit(3)
    if "tar" in piece:
        time.sleep(60)
    return columns.name_piece(piece)
"""


def named_alone(answers: Sequence[str], policy: Policy | None = None) -> list[dict[str, str]]:
    keys = [canonical_key(answer, policy or Policy()) for answer in answers]
    return [
        {"answer": answer, "answer_key": key.text, "status": key.status}
        for answer, key in zip(answers, keys, strict=True)
    ]


def test_distinct_strings_in_the_order_of_the_column() -> None:
    table = name_column(pa.array(ANSWERS))
    assert table.schema.equals(KEYS)
    assert table.to_pylist() == named_alone([a for a in dict.fromkeys(ANSWERS) if a is not None])
    assert name_column(pa.chunked_array([ANSWERS[:5], ANSWERS[5:]])).equals(table)
    assert name_column(pa.array([None, None], pa.string())).equals(KEYS.empty_table())
    assert name_column(pa.array([], pa.string())).equals(KEYS.empty_table())


@pytest.mark.parametrize("processes", [2, 3])
def test_any_number_of_processes_gives_the_same_rows(processes: int) -> None:
    answers = [f"{i}/{i + 7}" for i in range(2_000)] + [f"x^{{{i}}}+\\text{{\u05d0}}" for i in range(50)]
    policy = Policy(strip_units=False)
    alone = name_column(pa.array(answers), policy, processes=1)
    assert alone.to_pylist() == named_alone(answers, policy)
    assert name_column(pa.array(answers), policy, processes=processes).equals(alone)


def test_many_strings_go_to_workers_and_few_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_pool(*_: object, **__: object) -> None:
        raise AssertionError("a worker was started")

    monkeypatch.setattr(columns, "WorkerPool", no_pool)
    monkeypatch.setattr(columns, "processors", lambda: 2)
    monkeypatch.setattr(columns, "FEW", 100)
    assert name_column(pa.array([str(i) for i in range(99)])).num_rows == 99
    with pytest.raises(AssertionError, match="was started"):
        name_column(pa.array([str(i) for i in range(101)]))


def test_a_string_that_ends_or_hangs_its_worker_is_undecided(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "fragile_target.py").write_text(FRAGILE)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(columns, "CHUNK_STRINGS", 16)
    monkeypatch.setattr(columns, "CHUNK_S", 1.0)
    monkeypatch.setattr(columns, "STRING_S", 0.5)
    answers = [str(i) for i in range(100)]
    answers[20], answers[50] = "poison  pill", "tar pit"
    names = KeyPass(processes=2, target="fragile_target:name_piece")
    rows = pa.concat_tables(names.name([pa.array(answers)])).to_pylist()
    assert [row["answer"] for row in rows] == answers
    assert rows[20] == {"answer": "poison  pill", "answer_key": "raw:poison pill", "status": "undecided"}
    assert rows[50] == {"answer": "tar pit", "answer_key": "raw:tar pit", "status": "undecided"}
    assert {row["status"] for i, row in enumerate(rows) if i not in (20, 50)} == {"decided"}
    assert (names.strings, names.failed) == (100, 2)
    assert names.slowest[0][1] == "tar pit"


def test_a_key_that_raises_is_undecided(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(answer: str, policy: Policy) -> object:
        if answer == "bad":
            raise RecursionError
        return canonical_key(answer, policy)

    monkeypatch.setattr(columns, "canonical_key", broken)
    names = KeyPass(processes=1)
    [table] = names.name([pa.array(["1", "bad", "2"])])
    assert table.column("answer_key").to_pylist() == ["q:1", "raw:bad", "q:2"]
    assert names.failed == 1
    assert len(names.slowest) == 3


def test_chunks_are_small_in_bytes_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(columns, "CHUNK_CHARACTERS", 1_000)
    answers = [str(i) * 100 for i in range(10, 60)]
    tables = list(KeyPass(processes=1).name([pa.array(answers)]))
    assert max(table.num_rows for table in tables) <= 5
    assert pa.concat_tables(tables).column("answer").to_pylist() == answers
