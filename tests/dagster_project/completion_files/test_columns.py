"""Which column means what, and which values make no completion."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any

import pytest

from dagster_project.completion_files.columns import (
    NAMES,
    BadRow,
    Columns,
    choose,
    choose_match,
    read_answer,
    read_id,
    read_messages,
    read_sample,
)
from resources.errors import FileError

NEMO = {"problem", "expected_answer", "generation", "num_generated_tokens", "generation_time", "finish_reason"}


def test_columns_are_found_by_their_names() -> None:
    found = choose(NEMO, {}, "a.jsonl")
    assert (found.text, found.problem, found.completion_tokens) == ("generation", "problem", "num_generated_tokens")
    assert found.used() == {"generation", "problem", "num_generated_tokens", "finish_reason"}
    assert choose({"problem", "solution", "generated_solution"}, {}, "").text == "generated_solution"
    assert choose({"question", "answer"}, {}, "").problem == "question"
    assert choose({"x", "y"}, {"text": "x", "problem": "y"}, "") == Columns("x", problem="y")
    for name in NAMES["text"]:
        assert choose({name, "problem"}, {}, "").text == name


def test_a_column_that_is_not_there_is_named_with_the_nearest() -> None:
    with pytest.raises(FileError, match="no row has the column 'generatoin'.*Did you mean 'generation'"):
        choose(NEMO, {"text": "generatoin"}, "a.jsonl")
    with pytest.raises(FileError, match=r"no column is known as the text.*columns there: a, b\).*--text COLUMN"):
        choose({"a", "b"}, {}, "a.jsonl")


@dataclass(frozen=True)
class Case:
    columns: Columns
    by_line: bool
    match: str


@pytest.mark.parametrize(
    "case",
    [
        Case(Columns("t", request_key="k", problem="p", prompt="q"), True, "key"),
        Case(Columns("t", problem="p", prompt="q"), True, "problem"),
        Case(Columns("t", problem_id="p"), False, "problem"),
        Case(Columns("t", messages="m"), True, "prompt"),
        Case(Columns("t"), True, "position"),
    ],
    ids=lambda case: case.match,
)
def test_the_surest_way_to_match_is_taken(case: Case) -> None:
    assert choose_match(case.columns, "auto", is_by_line=case.by_line, where="a") == case.match


def test_a_way_that_the_files_do_not_have_is_refused() -> None:
    with pytest.raises(FileError, match="nothing says which problem"):
        choose_match(Columns("t"), "auto", is_by_line=False, where="a")
    with pytest.raises(FileError, match="matching by key needs a column request_key"):
        choose_match(Columns("t", problem="p"), "key", is_by_line=True, where="a")
    assert choose_match(Columns("t"), "position", is_by_line=False, where="a") == "position"


def answer(**values: Any) -> Any:
    columns = choose(values.keys() | {"text"}, {}, "")
    return read_answer(values, columns)


def test_answers_keep_what_is_said_of_them() -> None:
    full = answer(
        text="\ud800\x00", reasoning_content="so", finish_reason="LENGTH", num_input_tokens=3, completion_tokens=4.0
    )
    assert (full.text, full.reasoning, full.finish_reason) == ("\ud800\x00", "so", "length")
    assert (full.prompt_tokens, full.completion_tokens) == (3, 4)
    assert answer(text="").text == ""
    assert answer(text="a").finish_reason == "stop"
    assert answer(text="a", finish_reason="eos").finish_reason == "stop"
    for wrong in (-1, "7", True, 2**31, 1.5, None):
        assert answer(text="a", completion_tokens=wrong).completion_tokens is None
    assert answer(text="a", error=None).text == "a"
    assert answer(text="a", error="retried once").text == "a"


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({}, "'text' is missing or null"),
        ({"text": None}, "missing or null"),
        ({"text": ["a"]}, "no text but list"),
        ({"text": "", "error": "context\x1b[31m"}, r"it failed: 'context\\x1b\[31m'"),
    ],
)
def test_a_row_without_a_completion_says_why(values: dict[str, Any], words: str) -> None:
    with pytest.raises(BadRow, match=words):
        answer(**values)


def test_sample_indices_ids_and_messages() -> None:
    assert [read_sample({"i": value}, "i") for value in (0, 3.0, 99_999)] == [0, 3, 99_999]
    for wrong in (-1, 100_000, "1", True, 1.5, None, 10**30):
        with pytest.raises(BadRow, match="'i' is"):
            read_sample({"i": wrong}, "i")
    one = uuid.uuid4()
    assert {read_id({"k": value}, "k") for value in (one, str(one), one.hex, one.bytes)} == {one.bytes}
    for wrong in (7, "17", b"7", None):
        with pytest.raises(BadRow, match="no id"):
            read_id({"k": wrong}, "k")
    assert read_messages({"m": [{"role": "user", "content": "a", "name": "b"}]}, "m") == (("user", "a"),)
    for wrong in ("a", [], [{"role": "user"}], [{"role": "user", "content": [{"type": "text"}]}], [7], None):
        with pytest.raises(BadRow):
            read_messages({"m": wrong}, "m")
