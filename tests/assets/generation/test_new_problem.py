"""Reading a new problem out of a completion: hostile text in, a problem or a reason out."""

from __future__ import annotations

import time
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.generation.new_problem import (
    LENGTH,
    MAX_CHARACTERS,
    NOTHING,
    REPEATED,
    UNFINISHED,
    NoProblem,
    read_new_problem,
)
from assets.schemas import MAX_DETAIL

PARENT = "Lea has 3 pens and buys 4 more. How many pens has she now?"
GOOD = "Omar has 12 figs and eats 5 of them. How many figs are left?"


@dataclass(frozen=True)
class Read:
    id: str
    text: str
    wanted: str
    is_cut: bool = False


READ = [
    Read("plain", f"\n{GOOD}\n", GOOD),
    Read("solution follows", f"{GOOD}\n\nSolution:\nHe has 12 - 5 = 7.", GOOD),
    Read("solution in the same line", f"{GOOD} Solution: 7", GOOD),
    Read("another problem follows", f"{GOOD}\n\nProblem:\nNo.", GOOD),
    Read("another new problem follows", f"{GOOD}\nNew problem:\nNo.", GOOD),
    Read("label and number", f"New Problem 2: {GOOD}\n\nAnswer: 7", GOOD),
    Read("bold label", f"**New Problem:** {GOOD}\n\n**Solution:** 7", GOOD),
    Read("heading", f"### Problem:\n{GOOD}\n\n### Solution\n7", GOOD),
    Read("heading without a colon", f"### New Problem\n\n{GOOD}\n\n### Solution\n7", GOOD),
    Read("rule", f"{GOOD}\n---\nmore", GOOD),
    Read("chat token", f"{GOOD}\n<|im_end|>", GOOD),
    Read("cut after its end", f"{GOOD}\n\nSolution:\nHe has", GOOD, is_cut=True),
    Read("composed", "Zoe\u0301 has 12 figs. How many?", "Zo\u00e9 has 12 figs. How many?"),
    Read("two paragraphs", "Let $x = 3$.\n\nFind $2x + 1$.", "Let $x = 3$.\n\nFind $2x + 1$."),
    Read(
        "story and question",
        "Ana has 3 figs.\nQuestion: How many is that?",
        "Ana has 3 figs.\nQuestion: How many is that?",
    ),
    Read("another question follows", f"{GOOD}\nQuestion 2: No?", GOOD),
    Read(
        "a word inside",
        "A problem: how many answers has a question of 3 parts?",
        "A problem: how many answers has a question of 3 parts?",
    ),
    Read(
        "another script",
        "小明有三支笔，又买了四支，现在他一共有多少支笔？",
        "小明有三支笔，又买了四支，现在他一共有多少支笔？",
    ),
]


@pytest.mark.parametrize("case", READ, ids=lambda case: case.id)
def test_the_problem_ends_where_the_next_part_begins(case: Read) -> None:
    assert read_new_problem(case.text, PARENT, is_cut=case.is_cut) == case.wanted


@dataclass(frozen=True)
class Refused:
    id: str
    text: str
    rule: str
    says: str
    is_cut: bool = False


REFUSED = [
    Refused("empty", "", NOTHING, "empty"),
    Refused("white space", " \n\t\n", NOTHING, "empty"),
    Refused("solution at once", "Solution:\n\nSolution: 7", NOTHING, "empty"),
    Refused("solution only", "Solution: He has 12 - 5 = 7 figs.", NOTHING, "empty"),
    Refused("no letters", "12 + 5 = ? 1234567890", NOTHING, "no letters"),
    Refused("control characters", "How many\x00 pens are there?", NOTHING, "control characters"),
    Refused("too short", "How many?", LENGTH, "fewer than 15"),
    Refused("too long", "How many pens? " * 500, LENGTH, "more than 2000"),
    Refused("a megabyte", "a" * 1_000_000, LENGTH, "more than 2000"),
    Refused("cut", "Omar has 12 figs and eats", UNFINISHED, "cut it off", is_cut=True),
    Refused("same", PARENT, REPEATED, "says the same"),
    Refused("same but for case and space", f"\n{PARENT.upper()}  \n", REPEATED, "says the same"),
]


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: case.id)
def test_what_is_no_problem_says_why(case: Refused) -> None:
    found = read_new_problem(case.text, PARENT, is_cut=case.is_cut)
    assert isinstance(found, NoProblem)
    assert found.rule == case.rule
    assert case.says in found.reason
    assert len(found.detail) <= MAX_DETAIL


@given(text=st.text(max_size=400), is_cut=st.booleans())
def test_any_text_ends_in_a_problem_or_a_reason(text: str, is_cut: bool) -> None:
    found = read_new_problem(text, PARENT, is_cut=is_cut)
    if isinstance(found, str):
        assert found == found.strip()
        assert 15 <= len(found) <= MAX_CHARACTERS
    else:
        assert found.reason


@pytest.mark.parametrize(
    "text",
    ["\n" * 1_000_000, " " * 1_000_000, "#*" * 500_000, "\n " * 500_000, "problem " * 100_000, "Problem 1" * 100_000],
    ids=["lines", "spaces", "marks", "indents", "words", "labels"],
)
def test_hostile_text_costs_little(text: str) -> None:
    started = time.monotonic()
    read_new_problem(text, PARENT, is_cut=False)
    assert time.monotonic() - started < 0.5
