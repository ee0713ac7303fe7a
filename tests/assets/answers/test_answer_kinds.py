"""``answers/extract`` and ``answers/expected`` over real sessions and files: rows, order, rejects, lost completions."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pyarrow as pa
import pytest
from pydantic import ValidationError

from assets.answers.key import canonical_key
from assets.answers.kinds import AnswerSettings, Expected, Extract, ExtractSettings
from assets.answers.policy import DEFAULT
from assets.schemas import ANSWER, EXPECTED, PROBLEM, REJECT, SOLUTION, problem_id, solution_id, table_of
from resources.errors import StoreError
from resources.identity import digest128, show_id

COMPLETIONS = pa.schema([("request_key", pa.uuid()), ("text", pa.string())])
TEXTS = [
    r"so \boxed{\frac12}",
    r"so \boxed{0.5}.",
    "no answer",
    r"open \boxed{1",
    r"\boxed{}",
    "nul \x00 \\boxed{a\x00b}",
    "\u05d0\u05d1 \\boxed{\u05d0}",
    r"\boxed{\mystery{x}}",
]


def solutions(texts: list[str]) -> tuple[pa.Table, pa.Table]:
    rows: list[dict[str, Any]] = []
    texts_of: list[dict[str, Any]] = []
    for index, text in enumerate(texts):
        problem, key = problem_id(f"problem {index // 4}"), digest128("request", str(index))
        rows.append(
            {
                "solution_id": solution_id(problem, key),
                "problem_id": problem,
                "request_key": key,
                "text_hash": digest128("text", text),
                "problem_source": "math",
                "sample_index": index % 4,
                "finish_reason": "stop",
                "stage": "seed_solutions",
            }
        )
        texts_of.append({"request_key": key, "text": text})
    return table_of(SOLUTION, rows), table_of(COMPLETIONS, texts_of)


def digest(table: pa.Table) -> str:
    rows = [{k: v.hex() if isinstance(v, bytes) else v for k, v in row.items()} for row in table.to_pylist()]
    return hashlib.sha256(json.dumps(rows, default=str).encode()).hexdigest()[:16]


def test_extract_writes_one_row_a_solution_in_the_order_of_ids(run_table_kind: Any) -> None:
    given, completions = solutions(TEXTS)
    ran = run_table_kind(Extract(), ExtractSettings(), solutions=given, completions=completions)
    table = ran.tables["rows"]
    assert table.schema.equals(ANSWER)
    assert sorted(table["solution_id"].to_pylist()) == table["solution_id"].to_pylist()
    assert set(table["solution_id"].to_pylist()) == set(given["solution_id"].to_pylist())
    by_id = {row["solution_id"]: row for row in table.to_pylist()}
    found = [by_id[i] for i in given["solution_id"].to_pylist()]
    assert [row["answer"] for row in found] == [r"\frac12", "0.5", None, None, None, "a\x00b", "\u05d0", r"\mystery{x}"]
    assert [row["answer_status"] for row in found] == [
        *("decided", "decided", "no box", "open box", "empty box", "undecided", "undecided", "undecided"),
    ]
    assert found[0]["answer_key"] == found[1]["answer_key"] == "q:1/2"
    assert found[2]["answer_key"] is None
    by_status = {"decided": 2, "empty box": 1, "no box": 1, "open box": 1, "undecided": 3}
    assert ran.facts["answers"] == {"by_status": by_status, "distinct_spellings": 5, "failed_keys": 0}
    assert {"seconds: extract", "seconds: keys", "slowest answers"} <= set(ran.measured)


def test_the_line_of_the_answer_is_another_extractor(run_table_kind: Any) -> None:
    given, completions = solutions([r"\boxed{1}" + "\nThe answer is 0.5.", r"so \boxed{2}", "The answer is "])
    ran = run_table_kind(Extract(), ExtractSettings(extractor="line"), solutions=given, completions=completions)
    by_id = {row["solution_id"]: row for row in ran.rows()}
    found = [by_id[i] for i in given["solution_id"].to_pylist()]
    assert [row["answer"] for row in found] == ["0.5", None, None]
    assert [row["answer_status"] for row in found] == ["decided", "no line", "empty line"]


def test_extract_does_not_depend_on_the_order_of_its_input(run_table_kind: Any) -> None:
    given, completions = solutions(TEXTS)
    turned = given.take(list(reversed(range(given.num_rows))))
    first = run_table_kind(Extract(), ExtractSettings(), solutions=given, completions=completions).tables["rows"]
    other = run_table_kind(Extract(), ExtractSettings(), solutions=turned, completions=completions).tables["rows"]
    assert first.equals(other)


def test_extract_of_nothing(run_table_kind: Any) -> None:
    given, completions = solutions([])
    ran = run_table_kind(Extract(), ExtractSettings(), solutions=given, completions=completions)
    assert ran.tables["rows"].num_rows == 0


def test_a_lost_completion_is_an_error_that_names_the_request(run_table_kind: Any) -> None:
    given, completions = solutions(TEXTS)
    lost = min(row["request_key"].bytes for row in completions.slice(0, 2).to_pylist())
    with pytest.raises(StoreError, match=f"2 of 8 solutions have no completion.*{show_id(lost)}.*'seed_solutions'"):
        run_table_kind(Extract(), ExtractSettings(), solutions=given, completions=completions.slice(2))


def problems(answers: list[str | None]) -> pa.Table:
    texts = [f"problem {i}" for i in range(len(answers))]
    rows = [
        {"problem_id": problem_id(text), "problem": text, "expected_answer": answer, "problem_source": "math"}
        for text, answer in zip(texts, answers, strict=True)
    ]
    return table_of(PROBLEM, rows)


def test_expected_keys_answers_and_rejects_problems_without_one(run_table_kind: Any) -> None:
    given = problems(["1,000", None, "  ", r"\dfrac{2}{4}", r"\mystery{x}"])
    ran = run_table_kind(Expected(), AnswerSettings(), problems=given)
    assert ran.tables["rows"].schema.equals(EXPECTED)
    assert ran.tables["rejects"].schema.equals(REJECT)
    keys = {row["expected_answer"]: row["expected_key"] for row in ran.rows()}
    assert keys == {"1,000": "q:1000", r"\dfrac{2}{4}": "q:1/2", r"\mystery{x}": canonical_key(r"\mystery{x}").text}
    assert [row["rule"] for row in ran.rows("rejects")] == ["no key", "no key"]
    ids = [row["problem_id"] for row in ran.rows()] + [row["id"] for row in ran.rows("rejects")]
    assert sorted(ids) == sorted(given["problem_id"].to_pylist())
    by_status = {"decided": 2, "undecided": 1}
    assert ran.facts["answers"] == {"by_status": by_status, "distinct_spellings": 3, "failed_keys": 0}


def test_unknown_option_of_a_policy_is_an_error() -> None:
    with pytest.raises(ValidationError, match="strip_unit"):
        AnswerSettings.model_validate({"policy": {"strip_unit": True}})
    assert AnswerSettings().identity()["policy"]["version"] == DEFAULT.version


def test_golden_rows(run_table_kind: Any) -> None:
    """Another hash: raise ``version`` of the kind, then write the new hash here."""
    given, completions = solutions(TEXTS)
    extracted = run_table_kind(Extract(), ExtractSettings(), solutions=given, completions=completions)
    assert (Extract.version, digest(extracted.tables["rows"])) == (3, "5e4d48570ee8c1b2")
    keyed = run_table_kind(Expected(), AnswerSettings(), problems=problems(["1,000", None, r"\dfrac{2}{4}"]))
    assert (Expected.version, digest(keyed.tables["rows"])) == (3, "bee240c24926a072")
