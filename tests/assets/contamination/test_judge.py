"""Verdicts as models spell them, and what two orders make of them."""

from __future__ import annotations

import time

import pytest

from assets.contamination.judge import READ_LIMIT, Said, join_verdicts, read_verdict

SPELLED = [
    ("{}", "plain"),
    ("{}.", "full stop"),
    ("**{}**", "bold"),
    ("**{}.**", "bold with a stop"),
    ("_{}_", "italic"),
    ("`{}`", "code"),
    ('"{}"', "quoted"),
    ("  \n{}\n", "space"),
    ("{}\nBoth ask for the number of pens.", "explained below"),
    ("{}, both ask for the number of pens.", "explained after a comma"),
    ("{}. The numbers are equal.", "explained after a stop"),
    ("{} because the numbers are equal.", "explained with because"),
    ("{} - the numbers are equal.", "explained after a dash"),
    ("Answer: {}", "label"),
    ("**Answer:** {}", "bold label"),
    ("### Answer\n\n{}", "heading"),
    ("The answer is {}.", "sentence"),
    ("Final verdict: {}. They ask the same.", "verdict and reason"),
    ("\\boxed{{{}}}", "box"),
    ("$\\boxed{{\\text{{{}}}}}$.", "box with text"),
    ("So it is \\boxed{{{}}}, as both ask for pens", "box in a sentence"),
    ('{{"answer": {}}}', "json"),
    ("Both ask for the number of pens.\n\n{}", "last line"),
    ("Both ask for the number of pens, so this is {}.", "last word"),
    ("{}\n{}", "said twice"),
    ("<think>True or false? Maybe not true.</think>\n{}", "after reasoning"),
    ("- {}", "list"),
]


@pytest.mark.parametrize("spelling", [spelling for spelling, _ in SPELLED], ids=[name for _, name in SPELLED])
@pytest.mark.parametrize("word", ["True", "true", "TRUE", "False", "false"])
def test_a_verdict_however_it_is_spelled(spelling: str, word: str) -> None:
    assert read_verdict(spelling.format(word, word)) == word.lower()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Yes.",
        "The problems are the same.",
        "True or False",
        "True\nFalse",
        "False. It would be True if the numbers were equal.",
        "It is not true.",
        "That isn't true",
        "The answer is not False.",
        "Untrue",
        "Falsehood",
        "truefalse",
        "It is true that both are about pens, and they ask for other things.",
        "True?",
        "**True**?",
        "False ?",
        "True pens are blue",
        "\x00\ud800 " * 10,
        "True " + "x" * READ_LIMIT,
        "<think>True</think>",
        "\\boxed{4}",
    ],
)
def test_what_is_no_verdict(text: str) -> None:
    assert read_verdict(text) == "none"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("True\nBoth problems ask", "true"),
        ("Answer: false, because the first", "false"),
        ("The first problem says that it is true", "none"),
        ("Both ask for pens.\nTrue", "none"),
        ("True", "true"),
    ],
)
def test_the_last_word_of_a_cut_answer_is_no_verdict(text: str, said: str) -> None:
    assert read_verdict(text, is_cut=True) == said


def test_hostile_answers_take_no_time() -> None:
    started = time.process_time()
    for text in ("true " * 4_000, "answer " * 2_800 + "true", "\\boxed{" * 2_800 + "true", "_" * 19_000 + "true"):
        read_verdict(text)
    assert time.process_time() - started < 1


@pytest.mark.parametrize(
    ("forward", "backward", "verdict"),
    [
        ("true", "true", "contaminated"),
        ("true", "false", "contaminated"),
        ("false", "true", "contaminated"),
        ("true", "none", "contaminated"),
        ("none", "true", "contaminated"),
        ("false", "false", "clean"),
        ("false", "none", "no verdict"),
        ("none", "false", "no verdict"),
        ("none", "none", "no verdict"),
    ],
)
def test_one_true_is_enough_and_only_two_false_are_clean(forward: Said, backward: Said, verdict: str) -> None:
    assert join_verdicts(forward, backward) == verdict
