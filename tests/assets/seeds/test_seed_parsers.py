"""The parsers of GSM8K, MATH and plain tables: what each field becomes, and which rule a bad one breaks."""

from __future__ import annotations

from typing import Any

import pytest

from assets.seeds import gsm8k, math, problems
from assets.seeds.rows import Seed
from resources.sources.rows import MAX_ROW_BYTES, BadRow


@pytest.mark.parametrize(
    ("answer", "expected", "reference"),
    [
        ("2 + 3 = <<2+3=5>>5\n#### 5", "5", "2 + 3 = 5"),
        ("It costs $<<1000*2=2000>>2,000.\n#### 2,000", "2000", "It costs $2,000."),
        ("a <<1=1>>1 b <<2=2>>2\n####-7 ", "-7", "a 1 b 2"),
        ("#### 5", "5", None),
        ("first #### 1\nsecond\n#### 2", "2", "first #### 1\nsecond"),
        ("if 1 << 2\n#### 3", "3", "if 1 << 2"),
        ("open <<1+1\n#### 2", "2", "open <<1+1"),
    ],
    ids=["one note", "thousands", "two notes", "no solution", "two marks", "shift", "open note"],
)
def test_gsm8k(answer: str, expected: str, reference: str | None) -> None:
    assert gsm8k.parse({"question": " How many? ", "answer": answer}) == Seed("How many?", expected, reference)


@pytest.mark.parametrize(
    ("values", "rule"),
    [
        ({"answer": "#### 1"}, "missing field"),
        ({"question": None, "answer": "#### 1"}, "missing field"),
        ({"question": " \n", "answer": "#### 1"}, "empty field"),
        ({"question": 5, "answer": "#### 1"}, "wrong type"),
        ({"question": ["a"], "answer": "#### 1"}, "wrong type"),
        ({"question": "a", "answer": "no mark"}, "no answer"),
        ({"question": "a", "answer": "text #### "}, "no answer"),
        ({"question": "a", "answer": "text #### ,"}, "no answer"),
        ({"question": "a \ud800", "answer": "#### 1"}, "encoding"),
        ({"question": "a" * (MAX_ROW_BYTES + 1), "answer": "#### 1"}, "too long"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_gsm8k_bad_rows(values: dict[str, Any], rule: str) -> None:
    with pytest.raises(BadRow) as caught:
        gsm8k.parse(values)
    assert caught.value.rule == rule


def test_calculator_notes_in_hostile_text_take_linear_time() -> None:
    text = "<<" * 200_000
    assert gsm8k.parse({"question": "a", "answer": f"{text}\n#### 1"}).reference_solution == text


def test_math_keeps_level_and_type_as_written() -> None:
    values = {"problem": "p", "solution": r"So \boxed{\frac{1}{2}}.", "level": "Level ?", "type": "Algebra"}
    assert math.parse(values) == Seed("p", r"\frac{1}{2}", r"So \boxed{\frac{1}{2}}.", "Level ?", "Algebra")


def test_math_reads_the_last_box_and_the_subject_of_other_mirrors() -> None:
    seed = math.parse({"problem": "p", "solution": r"\boxed{1}, no, \boxed 9$.", "subject": "geometry", "type": ""})
    assert (seed.expected_answer, seed.type, seed.level) == ("9", "geometry", None)


@pytest.mark.parametrize(
    ("solution", "reason"),
    [
        ("the answer is 5", "the solution has no balanced box"),
        (r"\boxed{5", "the solution has no balanced box"),
        (r"so \boxed{}", "the last box of the solution is empty"),
    ],
    ids=["no box", "open box", "empty box"],
)
def test_math_without_an_answer(solution: str, reason: str) -> None:
    with pytest.raises(BadRow) as caught:
        math.parse({"problem": "p", "solution": solution})
    assert (caught.value.rule, caught.value.reason) == ("no answer", reason)


def test_math_level_must_be_text() -> None:
    with pytest.raises(BadRow, match="wrong type"):
        math.parse({"problem": "p", "solution": r"\boxed{1}", "level": {"a": 1}})


def test_problems_with_all_columns() -> None:
    values = {
        "problem": "p",
        "expected_answer": 12,
        "reference_solution": "r",
        "level": 3,
        "type": "t",
        "problem_source": "other",
    }
    assert problems.parse(values) == Seed("p", "12", "r", "3", "t", "other")


def test_problems_with_only_the_needed_columns() -> None:
    assert problems.parse({"problem": "p", "expected_answer": "1"}) == Seed("p", "1")


@pytest.mark.parametrize("answer", [1.5, True, ["1"], {"a": 1}], ids=repr)
def test_problems_answers_that_could_be_spelled_in_two_ways_are_refused(answer: Any) -> None:
    with pytest.raises(BadRow, match="wrong type"):
        problems.parse({"problem": "p", "expected_answer": answer})
