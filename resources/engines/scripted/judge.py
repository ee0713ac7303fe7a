"""How the scripted engine judges: two problems are the same when they have the same numbers and many words in common.

A rule, and a simple one: it takes a near miss with the same numbers for the same problem.
"""

from __future__ import annotations

import re
from collections import Counter

from resources.engines.scripted.text import READ_LIMIT

FIRST, SECOND, END = "First problem:", "Second problem:", "\n\nAre they"
"""What stands before and after the two problems in a prompt."""

SHARED_WORDS = 0.5
"""Least share of the words of both that both have."""

_NUMBER = re.compile(r"\d{1,30}")
_WORD = re.compile(r"[^\W\d_]{2,40}")
_SPELLINGS = ("{}", "{}.", "**{}**", "{}\n\nI looked at what each of them asks for.", "Answer: {}", "\\boxed{{{}}}")
_SILENCES = ("I cannot tell.", "", "They have something in common.", "True or false, that is the question.")


def verdict(asked: str) -> bool:
    """Whether the two problems of a prompt are the same, by the rule."""
    _, _, rest = asked.partition(FIRST)
    first, _, second = rest.rpartition(END)[0].partition(SECOND)
    first, second = first[:READ_LIMIT], second[:READ_LIMIT]
    if Counter(_NUMBER.findall(first)) != Counter(_NUMBER.findall(second)):
        return False
    one, other = ({word.lower() for word in _WORD.findall(text)} for text in (first, second))
    return bool(one) and len(one & other) >= SHARED_WORDS * len(one | other)


def say(is_same: bool, draw: int) -> str:
    """The verdict in one of several spellings."""
    return _SPELLINGS[draw % len(_SPELLINGS)].format(is_same)


def no_verdict(draw: int) -> str:
    """Neither word by itself."""
    return _SILENCES[draw % len(_SILENCES)]
