"""``generation/augment`` and ``generation/solve``: what they ask for, and what they make of what comes back."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa
import pytest
from pydantic import ValidationError

from assets.generation.asking import MAX_PROBLEM
from assets.generation.augment import Augment
from assets.generation.settings import GenerationSettings
from assets.generation.solve import Solve
from assets.kinds import GenerationKind
from assets.schemas import (
    COMPLETED,
    ID,
    PROBLEM,
    REJECT,
    SOLUTION,
    problem_id,
    solution_id,
    table_of,
)
from resources.engines.protocol import Prompt
from resources.errors import RecipeError
from resources.identity import digest128, hash_json

SOURCES = ("gsm8k", "math", "gsm8k")
TEXTS = ("Lea has 3 pens and buys 4 more. How many?", "Find $x$ if $x + 1 = 5$.", "How many legs have 6 cats?")
NEW = "Omar has 12 figs and eats 5 of them. How many figs are left?"
KINDS = [Solve(), Augment()]


class ToldPrompts:
    """Prompts that show what they were given."""

    def render(self, name: str, values: Mapping[str, Any]) -> Prompt:
        return Prompt("raw", f"{name}|{values['problem']}|{values['level']}|{sorted(values)}")

    def stop(self, name: str) -> tuple[str, ...]:
        return (f"\n{name}:", "END")


def words_of(**words: Any) -> GenerationSettings:
    return GenerationSettings.model_validate(words)


def problems(texts: Sequence[str] = TEXTS) -> pa.Table:
    rows = [
        {"problem_id": problem_id(text), "problem": text, "problem_source": SOURCES[i % 3], "level": None}
        for i, text in enumerate(texts)
    ]
    return table_of(PROBLEM, rows)


def key(number: int) -> bytes:
    return digest128("test", str(number))


def request(number: int, row: int, text: str | None = NEW, **words: Any) -> dict[str, Any]:
    return {
        "request_key": key(number),
        "row_id": problem_id(TEXTS[row]),
        "slot": "",
        "sample_index": number,
        "status": "completed",
        "text": text,
        "text_hash": digest128("text", text or ""),
        "finish_reason": "stop",
        "prompt_tokens": 10,
        "completion_tokens": 5,
    } | words


def lost(number: int, row: int, status: str, reason: str | None) -> dict[str, Any]:
    return request(number, row, None, status=status, reason=reason, text_hash=None, finish_reason=None)


def finish(kind: GenerationKind, rows: pa.Table, requests: Sequence[dict[str, Any]]) -> Mapping[str, pa.Table]:
    completed = table_of(COMPLETED, requests)
    made = kind.finish(rows, completed, words_of(prompt="p"), "the_stage")
    for name, table in made.items():
        assert table.schema.names == kind.outputs(None)[name].names, name
        assert table.schema.types == kind.outputs(None)[name].types, name
    return made


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_each_row_asks_with_the_words_of_its_source(kind: GenerationKind) -> None:
    words = words_of(
        prompt={"gsm8k": "easy", "math": "hard"}, samples={"gsm8k": 2, "math": 5}, salt="s", stop=("END", "X")
    )
    asks = kind.next_requests(problems(), COMPLETED.empty_table(), words, ToldPrompts())
    assert [ask.row_id for ask in asks] == [problem_id(text) for text in TEXTS]
    assert [(ask.count, ask.first, ask.salt, ask.slot) for ask in asks] == [
        (2, 0, "s", ""),
        (5, 0, "s", ""),
        (2, 0, "s", ""),
    ]
    shown = sorted(kind.prompt_variables)
    assert asks[1].prompt.text == f"hard|{TEXTS[1]}||{shown}"
    assert asks[0].sampling.stop == ("\neasy:", "END", "X")
    assert [kind.samples(words, source) for source in ("gsm8k", "math")] == [2, 5]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_a_source_without_an_entry_is_an_error(kind: GenerationKind) -> None:
    words = words_of(prompt="p", samples={"gsm8k": 2, "maths": 3})
    with pytest.raises(RecipeError, match="`samples` has no entry for problem_source 'math'; it has gsm8k, maths") as e:
        kind.next_requests(problems(), COMPLETED.empty_table(), words, ToldPrompts())
    assert e.value.where == kind.name
    assert "Add `math:` to `samples` (or did 'maths' mean it?)" in e.value.fix


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_a_problem_beyond_any_context_is_a_reject_and_asks_nothing(kind: GenerationKind) -> None:
    rows = problems([TEXTS[0], "x" * (MAX_PROBLEM + 1)])
    asks = kind.next_requests(rows, COMPLETED.empty_table(), words_of(prompt="p"), ToldPrompts())
    assert len(asks) == 1
    made = finish(kind, rows, [request(0, 0)])
    assert made["rows"].num_rows == 1
    reject = made["rejects"].to_pylist()[0]
    assert (reject["rule"], reject["detail"]) == ("problem too long", "20001 characters")
    assert reject["id"].bytes == problem_id("x" * (MAX_PROBLEM + 1))


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_only_what_is_given_up_is_a_reject(kind: GenerationKind) -> None:
    requests = [
        lost(1, 0, "failed", "busy"),
        lost(2, 1, "rejected", "x" * 500),
        lost(3, 2, "rejected", None),
        request(4, 2),
    ]
    made = finish(kind, problems(), requests)
    assert made["rows"].column("request_key").to_pylist() == [show(4)]
    rejects = made["rejects"].to_pylist()
    assert [(row["id"], row["rule"], row["reason"]) for row in rejects] == [
        (show(2), "request failed", "x" * 300),
        (show(3), "request failed", "no reason was given"),
    ]


def show(number: int) -> Any:
    import uuid

    return uuid.UUID(bytes=key(number))


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_nothing_in_is_nothing_out(kind: GenerationKind) -> None:
    assert kind.next_requests(PROBLEM.empty_table(), COMPLETED.empty_table(), words_of(prompt="p"), ToldPrompts()) == []
    for rows in (PROBLEM.empty_table(), problems()):
        assert all(table.num_rows == 0 for table in finish(kind, rows, []).values())


def test_a_completion_of_no_row_is_a_fault_of_the_runner() -> None:
    with pytest.raises(ValueError, match="belongs to none of the rows"):
        finish(Solve(), problems(TEXTS[:1]), [request(1, 2)])


def test_solutions_have_the_id_of_the_schema_and_no_text() -> None:
    made = finish(Solve(), problems(), [request(1, 2, None), request(2, 0, None, finish_reason="length")])
    rows = made["rows"].to_pylist()
    assert rows[0]["solution_id"].bytes == solution_id(problem_id(TEXTS[2]), key(1))
    assert [row["problem_source"] for row in rows] == ["gsm8k", "gsm8k"]
    assert [row["finish_reason"] for row in rows] == ["stop", "length"]
    assert {row["stage"] for row in rows} == {"the_stage"}
    assert not Solve.reads_text


def test_new_problems_know_their_parent() -> None:
    requests = [request(1, 1), request(2, 1, f"{NEW}\n\nSolution:\n7"), request(3, 0, TEXTS[0]), request(4, 2, None)]
    made = finish(Augment(), problems(), requests)
    rows = made["rows"].to_pylist()
    assert [row["problem"] for row in rows] == [NEW, NEW]
    assert {row["problem_id"].bytes for row in rows} == {problem_id(NEW)}
    assert {row["problem_source"] for row in rows} == {"augmented_math"}
    assert {row["expected_answer"] for row in rows} == {None}
    edges = made["edges"].to_pylist()
    assert [(e["child_id"].bytes, e["parent_id"].bytes, e["relation"], e["request_key"]) for e in edges] == [
        (problem_id(NEW), problem_id(TEXTS[1]), "augmented", show(1)),
        (problem_id(NEW), problem_id(TEXTS[1]), "augmented", show(2)),
    ]
    assert [(r["id"], r["rule"]) for r in made["rejects"].to_pylist()] == [
        (show(3), "repeats its seed"),
        (show(4), "no problem"),
    ]
    assert Augment().source_out("math") == "augmented_math"


def test_golden_rows() -> None:
    """A change of these hashes needs a new ``version`` of the kind."""
    requests = [
        request(1, 1),
        request(2, 0, f"**Problem:** {NEW}\n\nAnswer: 7"),
        request(3, 0, ""),
        request(4, 2, "Cut", finish_reason="length"),
        lost(5, 2, "rejected", "too long"),
        request(6, 2, "x" * 5000),
    ]
    assert (Solve.version, golden(finish(Solve(), problems(), requests))) == (1, "fd4566846b06e84d")
    assert (Augment.version, golden(finish(Augment(), problems(), requests))) == (2, "82e2aaac60076e49")


def golden(tables: Mapping[str, pa.Table]) -> str:
    return hash_json(
        {name: [{k: str(v) for k, v in row.items()} for row in table.to_pylist()] for name, table in tables.items()}
    )[:16]


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"temperature": 0, "samples": 2}, "2 samples at temperature 0"),
    ({"temperature": 0.0, "samples": {"a": 1, "b": 3}}, "3 samples at temperature 0"),
    ({"samples": 0}, "greater than or equal to 1"),
    ({"samples": {"a": 0}}, "greater than or equal to 1"),
    ({"samples": True}, "valid integer"),
    ({"samples": {}}, "the mapping is empty"),
    ({"samples": 10**9}, "less than or equal to 100000"),
    ({"top_p": 0}, "greater than 0"),
    ({"top_p": 1.5}, "less than or equal to 1"),
    ({"temperature": -1}, "greater than or equal to 0"),
    ({"temperature": float("nan")}, "less than or equal to 10"),
    ({"max_tokens": 0}, "greater than or equal to 1"),
    ({"stop": ["a", ""]}, "end every answer"),
    ({"prompt": "../solve"}, "should match pattern"),
    ({"smaples": 1}, "Extra inputs"),
]


@pytest.mark.parametrize(("words", "says"), WRONG, ids=lambda value: str(value)[:40])
def test_settings_that_cannot_be_meant(words: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        GenerationSettings.model_validate({"prompt": "p"} | words)


def test_settings_name_their_prompts_and_what_changes_rows() -> None:
    words = words_of(prompt={"a": "x", "b": "y", "c": "x"}, temperature=0)
    assert words.prompt_names() == ("x", "y")
    assert words_of(prompt="p").prompt_names() == ("p",)
    assert not {"max_failure_share", "max_attempts", "batch_rows"} & words.identity().keys()
    assert {"samples", "temperature", "salt", "stop", "top_k"} <= words.identity().keys()


def test_solutions_pass_by_the_hundred_thousand() -> None:
    """500,000 a second are asked for; a tenth of it is the bound here, for a busy machine."""
    rows = problems([f"How many are {n} and 1 more?" for n in range(256)])
    count = 64
    ids = rows.column("problem_id").combine_chunks().storage.to_pylist()
    total = len(ids) * count
    keys = pa.ExtensionArray.from_storage(ID, pa.array([key(n) for n in range(total)], pa.binary(16)))
    asked = pa.ExtensionArray.from_storage(ID, pa.array([i for i in ids for _ in range(count)], pa.binary(16)))
    nothing = pa.nulls(total, pa.string())
    columns = [
        keys,
        asked,
        pa.array([""] * total),
        pa.array(list(range(count)) * len(ids), pa.int32()),
        pa.array(["completed"] * total),
        nothing,
        nothing,
        keys,
        pa.array(["stop"] * total),
        pa.array([10] * total, pa.int32()),
        pa.array([5] * total, pa.int32()),
    ]
    completed = pa.Table.from_arrays(columns, schema=COMPLETED)
    started = time.monotonic()
    made = Solve().finish(rows, completed, words_of(prompt="p"), "s")
    seconds = time.monotonic() - started
    assert made["rows"].num_rows == total
    assert total / seconds > 50_000
    assert made["rows"].schema.equals(SOLUTION)
    assert made["rejects"].schema.equals(REJECT)
