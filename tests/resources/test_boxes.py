"""The box scanner: what counts as the last balanced box, and that hostile text cannot slow it down."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resources.boxes import count_box_commands, find_last_box, iter_boxes, last_box

CASES = [
    ("plain", r"so \boxed{42}.", "42"),
    ("last of two", r"\boxed{1} or \boxed{2}", "2"),
    ("nested braces", r"\boxed{\frac{1}{2}}", r"\frac{1}{2}"),
    ("escaped braces are text", r"\boxed{\{1, 2\}}", r"\{1, 2\}"),
    ("one escaped brace does not unbalance", r"\boxed{\left\{ 1 \right.}", r"\left\{ 1 \right."),
    ("line break before a brace", r"\boxed{a \\{b}}", r"a \\{b}"),
    ("box in a box: the one that starts last", r"\boxed{x = \boxed{7}}", "7"),
    ("open box after a closed one", r"\boxed{5} and \boxed{6", "5"),
    ("open box around a closed one", r"\boxed{5 + \boxed{6}", "6"),
    ("stray closing braces", r"}} \boxed{3} }}", "3"),
    ("space before the brace", "\\boxed {8}", "8"),
    ("new line before the brace", "\\boxed\n{8}", "8"),
    ("fbox", r"\fbox{9}", "9"),
    ("without braces", r"is \boxed 9$.", "9"),
    ("without braces, negative fraction", r"\boxed -3/4$", "-3/4"),
    ("without braces, thousands", r"\boxed 1,000,000.", "1,000,000"),
    ("without braces, absurdly long", r"\boxed " + "1" * 41, None),
    ("command without an argument", r"use \boxed to show", None),
    ("other command with this beginning", r"\boxedtext{1}", None),
    ("doubled backslash", r"\\boxed{4}", "4"),
    ("line break, then a box", r"\\\boxed{4}", "4"),
    ("empty box", r"\boxed{}", ""),
    ("blank box", r"\boxed{  }", ""),
    ("outer space removed", r"\boxed{ 5 }", "5"),
    ("no box", "the answer is 5", None),
    ("empty text", "", None),
    ("trailing backslash", "\\boxed{1\\", None),
    ("closed over lines", "\\boxed{1\n+ 2}", "1\n+ 2"),
]


@pytest.mark.parametrize(("text", "expected"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_last_box(text: str, expected: str | None) -> None:
    assert last_box(text) == expected


def test_span_covers_the_command_and_both_braces() -> None:
    text = r"so $\boxed{ 42 }$."
    box = find_last_box(text)
    assert box is not None
    assert text[box.start : box.end] == r"\boxed{ 42 }"
    assert box.content(text) == "42"


def test_count_includes_unclosed_commands() -> None:
    assert count_box_commands(r"\boxed{1} \boxed{2 \fbox 3 \boxedtext{4} boxed{5}") == 3


@pytest.mark.parametrize(
    "text",
    [
        "\\boxed{" * 100_000,
        "\\" * 1_000_001,
        "\\boxed" + " " * 1_000_000 + "x",
        "\\boxed{" * 50_000 + "}" * 50_000,
        "{" * 1_000_000,
        "\\boxed " + "1" * 1_000_000,
    ],
    ids=["open boxes", "backslashes", "spaces", "nested boxes", "braces", "digits"],
)
def test_hostile_text_takes_linear_time(text: str) -> None:
    began = time.perf_counter()
    last_box(text)
    assert time.perf_counter() - began < 3.0, "a quadratic scan of these would take minutes"


@given(st.text(alphabet="\\{}boxedf 1,", max_size=200))
def test_boxes_are_balanced_and_lie_in_the_text(text: str) -> None:
    for box in iter_boxes(text):
        assert 0 <= box.start < box.inner_start <= box.inner_end <= box.end <= len(text)
        assert text[box.start :].startswith(("\\boxed", "\\fbox", "\\\\boxed", "\\\\fbox"))


@given(st.text(alphabet=st.characters(exclude_characters="\\{}", exclude_categories=("Cs",)), max_size=50))
def test_what_is_boxed_is_read_back(content: str) -> None:
    assert last_box("so \\boxed{" + content + "}") == content.strip()


PIECES = ["\\", "{", "}", "\\boxed", "\\fbox", "\\boxed{", " ", "1", "a"]


@given(st.lists(st.sampled_from(PIECES), max_size=40).map("".join))
def test_search_from_the_end_finds_what_the_whole_scan_finds(text: str) -> None:
    assert find_last_box(text) == max(iter_boxes(text), key=lambda box: box.start, default=None)
