"""Extraction: which box counts, and what is no answer. The scanner itself is held by tests/resources/test_boxes.py."""

from __future__ import annotations

import time

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.answers.extract import (
    extract_boxed,
    extract_boxed_column,
    extract_line,
    extract_line_column,
    find_answers,
    why_no_answer,
)

CASES = [
    ("last", r"first \boxed{1}, then \boxed{\frac{1}{2}}.", r"\frac{1}{2}", None),
    ("bare", r"$\boxed 5$", "5", None),
    ("fbox", r"\fbox{7}", "7", None),
    ("escaped braces", r"\boxed{\{1,2\}}", r"\{1,2\}", None),
    ("none", "the answer is 5", None, "no box"),
    ("unbalanced", r"\boxed{\frac{1}{2}", None, "open box"),
    ("empty", r"\boxed{ }", "", "empty box"),
    ("longest", r"\boxed{" + "1" * 2000 + "}", "1" * 2000, None),
    ("too long", r"\boxed{" + "1" * 2001 + "}", None, "long box"),
]


@pytest.mark.parametrize(("text", "answer", "reason"), [c[1:] for c in CASES], ids=[c[0] for c in CASES])
def test_extract(text: str, answer: str | None, reason: str | None) -> None:
    assert extract_boxed(text) == answer
    assert why_no_answer(text) == reason


def test_column_keeps_places_and_nulls() -> None:
    column = pa.chunked_array([[r"\boxed{1}", None], ["no", r"\boxed{2}"]])
    assert extract_boxed_column(column).to_pylist() == ["1", None, None, "2"]


@pytest.mark.parametrize("text", ["{" * 1_000_000, "\\boxed{" * 150_000, "\\boxed{" + "}{" * 500_000])
def test_a_megabyte_of_braces_takes_linear_time(text: str) -> None:
    began = time.perf_counter()
    extract_boxed(text)
    assert time.perf_counter() - began < 3.0


LINES = [
    ("skywork", "So 3.\nThe answer is 3.", "3", None),
    ("metamath", "####\nThe answer is: 3/4", "3/4", None),
    ("decimal point stays", "The answer is 3.50.", "3.50", None),
    ("final", "the final answer is $x+1$.", "$x+1$", None),
    ("bold", "**The answer is 5.**", "5", None),
    ("bold number", "The answer is **5**.", "5", None),
    ("quoted", "> The answer is 5", "5", None),
    ("last of two", "The answer is 1.\nNo.\nThe answer is 2.\n\nDone.\n", "2", None),
    ("not the beginning of a line", "So the answer is 7.", None, "no line"),
    ("an earlier line counts", "The answer is 7.\nIndeed, that answer is right.", "7", None),
    ("twice in one line", "The answer is that the answer is 5.", "that the answer is 5", None),
    ("another word", "The answer isosceles 5", None, "no line"),
    ("shouted", "THE ANSWER IS 5.", None, "no line"),
    ("no text", "", None, "no line"),
    ("empty", "The answer is .", "", "empty line"),
    ("carriage return", "The answer is 5.\r\n", "5", None),
    ("longest", "The answer is " + "1" * 2000 + ".", "1" * 2000, None),
    ("too long", "The answer is " + "1" * 2001 + ".", None, "long line"),
]


@pytest.mark.parametrize(("text", "answer", "reason"), [c[1:] for c in LINES], ids=[c[0] for c in LINES])
def test_extract_line(text: str, answer: str | None, reason: str | None) -> None:
    assert extract_line(text) == answer
    assert extract_line_column(pa.array([text])).to_pylist() == [answer]
    found = find_answers(pa.array([text]), "line")
    assert found.answers.to_pylist() == [answer or None]
    assert found.reasons.to_pylist() == [reason]


def test_answers_and_reasons_of_a_column() -> None:
    texts = [None, *(case[1] for case in CASES)]
    for column in (pa.array(texts), pa.array(["x", *texts]).slice(1)):
        found = find_answers(column)
        assert found.answers.to_pylist() == [None, *(case[2] or None for case in CASES)]
        assert found.reasons.to_pylist() == [None, *(case[3] for case in CASES)]
    assert find_answers(pa.array([], pa.string())).answers.to_pylist() == []
    assert extract_boxed_column(pa.chunked_array([], pa.string())).to_pylist() == []


BOX_PIECES = [
    "\\",
    "{",
    "}",
    "\\boxed",
    "\\fbox",
    "\\boxed{",
    " ",
    "1",
    "a",
    "\n",
    "\x1f",
    "\u00e9",
    "\u2003",
    "\\{",
    "2" * 1999,
]
LINE_PIECES = [
    "The answer is",
    "the final answer is",
    "answer is",
    ":",
    " ",
    "\n",
    ".",
    "*",
    "5",
    "\u2003",
    "\x1e",
    "s",
    ">",
    "\r",
]


@given(st.lists(st.one_of(st.none(), st.lists(st.sampled_from(BOX_PIECES), max_size=14).map("".join)), max_size=8))
def test_a_column_of_boxes_is_read_like_each_text(texts: list[str | None]) -> None:
    wanted = [None if text is None else extract_boxed(text) for text in texts]
    assert extract_boxed_column(pa.array(texts, pa.string())).to_pylist() == wanted
    found = find_answers(pa.array(texts, pa.string()))
    assert found.answers.to_pylist() == [answer or None for answer in wanted]
    assert found.reasons.to_pylist() == [None if text is None else why_no_answer(text) for text in texts]


@given(st.lists(st.one_of(st.none(), st.lists(st.sampled_from(LINE_PIECES), max_size=14).map("".join)), max_size=8))
def test_a_column_of_lines_is_read_like_each_text(texts: list[str | None]) -> None:
    wanted = [None if text is None else extract_line(text) for text in texts]
    assert extract_line_column(pa.array(texts, pa.string())).to_pylist() == wanted


@given(
    st.recursive(
        st.sampled_from(["1", "\\sqrt", "\\{", "x"]),
        lambda inner: st.lists(inner).map(lambda p: "{" + "".join(p) + "}"),
    )
)
def test_nested_braces_are_read_at_any_depth(content: str) -> None:
    text = "so \\boxed{" + content + "} done"
    assert extract_boxed_column(pa.array([text])).to_pylist() == [extract_boxed(text)] == [content]
