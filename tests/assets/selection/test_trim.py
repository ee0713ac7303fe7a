"""Prefix and trim: offsets only, sentences and not lines, the same answer before and after."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.selection.trim import after_prefix, end_of_answer, prefix_pattern
from resources.boxes import last_box

CASES = [
    ("nothing after", r"so \boxed{5}.", r"so \boxed{5}."),
    ("next sentence", r"so \boxed{5}. I hope it helps.", r"so \boxed{5}."),
    ("formula", r"is $\boxed{5}$. Done.", r"is $\boxed{5}$."),
    ("mark inside of the formula", r"is $x = \boxed{5}.$ Done.", r"is $x = \boxed{5}.$"),
    ("sentence goes on", r"$\boxed{5}$ apples were left. Then more.", r"$\boxed{5}$ apples were left."),
    ("decimal", r"\boxed{5} of 3.5 units. Next.", r"\boxed{5} of 3.5 units."),
    ("abbreviation", r"\boxed{5} sq. units, e.g. tiles. Next.", r"\boxed{5} sq. units, e.g. tiles."),
    ("title", r"\boxed{5} for Mr. Smith. Next.", r"\boxed{5} for Mr. Smith."),
    ("factorial", r"\boxed{5} since 3! is 6. Next.", r"\boxed{5} since 3! is 6."),
    ("exclamation", r"\boxed{5} it is! Next.", r"\boxed{5} it is!"),
    ("display", "\\[\n\\boxed{5}\n\\]\nNote that.", "\\[\n\\boxed{5}\n\\]"),
    ("display, sentence goes on", "\\[\\boxed{5}\\] as wanted. Next.", "\\[\\boxed{5}\\] as wanted."),
    ("display with a mark", "\\[\\boxed{5}.\\] and more.", "\\[\\boxed{5}.\\]"),
    ("double dollars", "$$\\boxed{5}$$\nSo it is.", "$$\\boxed{5}$$"),
    (
        "environment",
        "\\begin{align*}x&=\\boxed{5}.\n\\end{align*}\nSo.",
        "\\begin{align*}x&=\\boxed{5}.\n\\end{align*}",
    ),
    (
        "nested environments",
        "$$\\begin{aligned}\\boxed{5}.\\end{aligned}$$ So.",
        "$$\\begin{aligned}\\boxed{5}.\\end{aligned}$$",
    ),
    ("paragraph", "**Answer: $\\boxed{5}$**\n\nI hope.", "**Answer: $\\boxed{5}$**"),
    ("new line, new sentence", "is $\\boxed{5}$\nExplanation: x", "is $\\boxed{5}$"),
    ("new line, same sentence", "is $\\boxed{5}$\nmeters long. Yes.", "is $\\boxed{5}$\nmeters long."),
    ("bold mark", r"**is $\boxed{5}$.** More.", r"**is $\boxed{5}$.**"),
    ("quote", r'"is $\boxed{5}$." More.', r'"is $\boxed{5}$."'),
    ("money before", "pays $5. So $\\boxed{3}$. Next.", "pays $5. So $\\boxed{3}$. Next."),
    ("money before, other paragraph", "pays $5.\n\nSo $\\boxed{3}$. Next.", "pays $5.\n\nSo $\\boxed{3}$."),
    ("last box counts", r"\boxed{1}. Then \boxed{2}. End.", r"\boxed{1}. Then \boxed{2}."),
    ("text after the box in the formula", r"$\boxed{5}\text{ m. long}$. Next.", r"$\boxed{5}\text{ m. long}$."),
    ("no box", "no box here. Next.", "no box here. Next."),
    ("open box", r"\boxed{5. Next.", r"\boxed{5. Next."),
    (
        "right to left",
        "\u05d4\u05ea\u05e9\u05d5\u05d1\u05d4 \\boxed{5}. \u05e1\u05d5\u05e3.",
        "\u05d4\u05ea\u05e9\u05d5\u05d1\u05d4 \\boxed{5}.",
    ),
    ("ellipsis", r"\boxed{5}... and so on. Next.", r"\boxed{5}... and so on."),
]


@pytest.mark.parametrize(("text", "kept"), [c[1:] for c in CASES], ids=[c[0] for c in CASES])
def test_trim(text: str, kept: str) -> None:
    assert text[: end_of_answer(text)].rstrip() == kept


MARKS = ["\\boxed{1}", "\\boxed{2", "}", "{", "$", "$$", "\\[", "\\]", "\\begin{align}", "\\end{align}", "\\$", "\\\\"]
ENDS = [". ", ".", "3.5", "e.g. ", "!", "?", "\n", "\n\n", " ", "Next", "word", "*", ")", '"', "\u05d0", "\x00"]
PIECES = [*MARKS, *ENDS]


@given(st.lists(st.sampled_from(PIECES), max_size=30).map("".join))
def test_trimmed_text_is_a_prefix_with_the_same_answer_and_trimming_again_changes_nothing(text: str) -> None:
    text = text.strip()
    end = end_of_answer(text)
    kept = text[:end].strip()
    assert text.startswith(kept)
    assert last_box(kept) == last_box(text)
    assert kept[: end_of_answer(kept)].strip() == kept


PREFIXES = [
    ("plain", "My solution: x", "x"),
    ("case and space", "  my  Solution :\n x", "x"),
    ("markdown", "## **My solution:** x", "x"),
    ("twice", "My solution: My solution: x", "x"),
    ("inside", "x My solution: y", "x My solution: y"),
    ("other", "My solutions: x", "My solutions: x"),
    ("nothing else", "My solution:", ""),
]


@pytest.mark.parametrize(("text", "rest"), [c[1:] for c in PREFIXES], ids=[c[0] for c in PREFIXES])
def test_prefix(text: str, rest: str) -> None:
    pattern = prefix_pattern(["My solution:"])
    kept = text[after_prefix(text, pattern) :]
    assert kept == rest
    assert after_prefix(kept, pattern) == 0


HOSTILE = [
    "\\boxed{1}" + "." * 30_000,
    "\\[" * 15_000 + "\\boxed{1}" + "\\]" * 1_000,
    "$" * 16_000 + "\\boxed{1}" + "$" * 16_000,
    "\\begin{a}" * 2_000 + "\\boxed{1}" + "\\end{b}" * 2_000,
    "\\boxed{1}" + "\n" * 30_000,
    "\\boxed{1}" + ". " * 15_000,
    "\\boxed{1}" + " " * 30_000 + "x",
    "\\boxed{1}" + "a." * 15_000,
    "\\boxed{1}" + "{" * 30_000,
    "\\boxed{1}" + "\n " * 15_000 + "x",
    "\\boxed{1}$" + ". " * 15_000,
]


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_text_is_bounded(text: str) -> None:
    began = time.perf_counter()
    end_of_answer(text)
    after_prefix(text, prefix_pattern(["My solution:"]))
    assert time.perf_counter() - began < 0.5, "a quadratic scan of these takes longer by far"
