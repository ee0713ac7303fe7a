"""Words of one text by patterns: slow, plain, written apart from the columns that it is held against."""

from __future__ import annotations

import re

from assets.contamination.characters import plain_character
from assets.contamination.macros import ENVIRONMENTS, MACROS

_LETTER = r"[a-z\x80-\U0010ffff]"
_VANISH = re.compile(r"\\!|\\(?=,)|\{(?=,\})|(?<=\{,)\}|'")
_DRAWING = re.compile(r"\[asy\].*?\[/asy\]", re.DOTALL)
_THOUSANDS = re.compile(r"(?<=[0-9]),(?=[0-9]{3}(?![0-9]))")
_HYPHEN = re.compile(r"-(?=[a-z]{2}|[a-z]?[\x80-\U0010ffff])")
_WORD = re.compile(
    rf"(?:(?<=\\frac)|(?<=\\[dtc]frac))[0-9](?=[0-9])|[0-9]+(?:\.[0-9]+)*|{_LETTER}+|<=|>=|[-+*/=<>^|%]|(?<=[0-9)])!"
)


def reference_words(text: str) -> list[str]:
    """The words of ``text``, as ``normalise`` defines them."""
    text = "".join(map(plain_character, text))
    text = _DRAWING.sub(" ", text)
    text = _THOUSANDS.sub("", _VANISH.sub("", text))
    text = _HYPHEN.sub(" ", text)
    found: list[str] = []
    skip_to = 0
    for match in _WORD.finditer(text):
        if match.start() < skip_to:
            continue
        word = match.group()
        is_command = word[0].isalpha() and text[: match.start()].endswith("\\")
        if is_command and word in ("begin", "end"):
            name = re.compile(rf"\{{({_LETTER}+)").match(text, match.end())
            if name and name.group(1) in ENVIRONMENTS:
                skip_to = name.end() + text.startswith("*", name.end())
        word = MACROS.get(word, word) if is_command else word
        found += [word] if word else []
    return found
