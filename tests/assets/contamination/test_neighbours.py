"""``contamination/neighbours`` over real sessions and files: rows, ties, kept vectors, settings."""

from __future__ import annotations

import hashlib
import json
import sys
import types
import uuid
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pydantic import ValidationError

from assets.contamination.neighbour_kind import FindNeighbours, NeighbourSettings
from assets.schemas import BENCHMARK, NEIGHBOUR, PROBLEM, problem_id, table_of

TESTED = {
    "tulips": "Nerys sells 48 tulips on Monday and half as many on Tuesday. How many tulips does she sell in all?",
    "tank": "A tank holds 250 liters of water. Each hour 12 liters leak out. After how many hours is it empty?",
    "roots": r"What is the value of $\frac{3}{4} + \sqrt{50}$ in simplest form?",
    "seats": "How many ways are there to seat five guests around a round table?",
}
NEW = {
    "tulips": "On Monday Bojan sells 48 tulips, and half as many on Tuesday. How many tulips does he sell in all?",
    "roots": r"What is the value of \(3/4 + \sqrt{50}\) in simplest form?",
    "": "",
}


def problems(texts: list[str]) -> pa.Table:
    return table_of(PROBLEM, [{"problem_id": problem_id(t), "problem": t, "problem_source": "new"} for t in texts])


def benchmark(name: str, texts: list[str]) -> pa.Table:
    rows = [
        {"benchmark_id": problem_id(text), "problem": text, "benchmark": name, "row": row}
        for row, text in enumerate(texts)
    ]
    return table_of(BENCHMARK, rows)


def both() -> list[pa.Table]:
    texts = list(TESTED.values())
    return [benchmark("first", texts[:3]), benchmark("second", texts[1:])]


def uuid_of(text: str) -> uuid.UUID:
    return uuid.UUID(bytes=problem_id(text))


def test_each_problem_has_a_row_with_its_nearest(run_table_kind: Any) -> None:
    texts = [*NEW.values(), TESTED["seats"]]
    ran = run_table_kind(FindNeighbours(), NeighbourSettings(), problems=problems(texts), benchmarks=both())
    assert ran.tables["rows"].schema.equals(NEIGHBOUR)
    rows = {row["problem_id"]: row for row in ran.rows()}
    assert [row["problem_id"] for row in ran.rows()] == sorted(uuid_of(text) for text in texts)
    for name, text in NEW.items():
        row = rows[uuid_of(text)]
        if name:
            assert row["benchmark_ids"][0] == uuid_of(TESTED[name])
            assert row["similarities"] == sorted(row["similarities"], reverse=True)
            assert 0.85 < row["similarities"][0] <= 1
        else:
            assert row["benchmark_ids"] == row["benchmarks"] == row["similarities"] == []
    copy = rows[uuid_of(TESTED["seats"])]
    assert copy["similarities"][0] == 1
    assert copy["benchmarks"][0] == "second"
    assert rows[uuid_of(NEW["roots"])]["benchmarks"][0] == "first", "a problem of two benchmarks is named once"


def test_facts_say_what_was_compared(run_table_kind: Any) -> None:
    ran = run_table_kind(FindNeighbours(), NeighbourSettings(), problems=problems([*NEW.values()]), benchmarks=both())
    facts = ran.facts["neighbours"]
    assert facts["benchmark_problems"] == 4
    assert facts["embedder"].startswith("lexical/1/1024/")
    assert facts["best_similarity"]["0.00"] == 1
    assert sum(facts["best_similarity"].values()) == 3
    assert {"seconds: embed", "seconds: search"} <= set(ran.measured)


@pytest.mark.parametrize("top", [1, 2])
def test_no_more_than_asked_for(run_table_kind: Any, top: int) -> None:
    settings = NeighbourSettings(top=top)
    ran = run_table_kind(FindNeighbours(), settings, problems=problems(list(TESTED.values())), benchmarks=both())
    assert {len(row["benchmark_ids"]) for row in ran.rows()} <= set(range(1, top + 1))


def test_order_of_the_input_does_not_matter(run_table_kind: Any) -> None:
    texts = list(NEW.values())
    one = run_table_kind(FindNeighbours(), NeighbourSettings(), problems=problems(texts), benchmarks=both())
    two = run_table_kind(FindNeighbours(), NeighbourSettings(), problems=problems(texts[::-1]), benchmarks=both()[::-1])
    assert one.rows() == [{**row, "benchmarks": a["benchmarks"]} for row, a in zip(two.rows(), one.rows(), strict=True)]
    assert one.facts == two.facts


def test_nothing_to_compare(run_table_kind: Any) -> None:
    none = run_table_kind(FindNeighbours(), NeighbourSettings(), problems=problems([]), benchmarks=both())
    assert none.rows() == []
    empty = [benchmark("empty", [])]
    ran = run_table_kind(FindNeighbours(), NeighbourSettings(), problems=problems(["a text"]), benchmarks=empty)
    assert [row["benchmark_ids"] for row in ran.rows()] == [[]]


def test_vectors_of_a_model_are_kept(run_table_kind: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked: list[str] = []

    class Tiny:
        def __init__(self, *_: Any, **__: Any) -> None: ...

        def encode(self, texts: list[str], **_: Any) -> np.ndarray:
            asked.extend(texts)
            return np.array([[t.count("e"), t.count("a"), len(t), 1] for t in texts], np.float32)

    module = types.ModuleType("sentence_transformers")
    module.__dict__["SentenceTransformer"] = Tiny
    monkeypatch.setitem(sys.modules, "sentence_transformers", module)
    settings = NeighbourSettings(embedder="sentence-transformers", top=1)
    texts = [*NEW.values(), TESTED["tank"]]
    first = run_table_kind(FindNeighbours(), settings, problems=problems(texts), benchmarks=both())
    assert sorted(asked) == sorted({*texts, *TESTED.values()})
    assert (tmp_path / "cache" / "vectors").is_dir()
    assert first.measured["vectors, made"] == 7
    again = run_table_kind(FindNeighbours(), settings, problems=problems([*texts, "more"]), benchmarks=both())
    assert asked[7:] == ["more"]
    assert again.facts["neighbours"]["embedder"] == first.facts["neighbours"]["embedder"]
    rows = {row["problem_id"]: row for row in again.rows()}
    assert rows[uuid_of(TESTED["tank"])]["similarities"] == [1]


def test_settings_that_cannot_be_meant() -> None:
    for wrong in (
        {"model": "org/encoder"},
        {"embedder": "sentence-transformers", "model": "org/encoder"},
        {"embedder": "sentence-transformers", "model": "org/encoder", "revision": "main"},
        {"embedder": "tfidf"},
        {"top": 0},
    ):
        with pytest.raises(ValidationError):
            NeighbourSettings.model_validate(wrong)


def test_what_makes_the_vectors_is_part_of_the_fingerprint() -> None:
    lexical = NeighbourSettings().identity()
    assert lexical["lexical"] == 1
    assert "model_batch" not in lexical
    model = NeighbourSettings(embedder="sentence-transformers")
    named = NeighbourSettings(
        embedder="sentence-transformers", model=model.identity()["model"], revision=model.identity()["revision"]
    )
    assert model.identity() == named.identity() != lexical


def test_golden_rows(run_table_kind: Any) -> None:
    """Another hash: raise ``version`` of the kind (or of the lexical embedder), then write the new hash here."""
    ran = run_table_kind(FindNeighbours(), NeighbourSettings(), problems=problems([*NEW.values()]), benchmarks=both())
    shown = [{**row, "similarities": [round(s, 4) for s in row["similarities"]]} for row in ran.rows()]
    digest = hashlib.sha256(json.dumps(shown, default=str).encode()).hexdigest()[:16]
    assert (FindNeighbours.version, digest) == (1, "062efd01c91b139e")
