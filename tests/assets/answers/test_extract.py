"""Extraction: which box counts, and what is no answer. The scanner itself is held by tests/resources/test_boxes.py."""

from __future__ import annotations

import time

import pyarrow as pa
import pytest

from assets.answers.extract import extract_boxed, extract_boxed_column, why_no_answer

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
