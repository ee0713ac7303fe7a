r"""Reads the answer out of a solution: the content of its last balanced ``\boxed{...}``.

Only finds and cuts; what the answer means is :mod:`assets.answers.key`. There is no fallback to the last number of a
text: a solution without a box has no answer (the original of OpenMathInstruct-2 does the same).
"""

from __future__ import annotations

import pyarrow as pa

from resources.boxes import find_last_box, last_box

MAX_ANSWER_CHARACTERS = 2_000
"""A box with more than this holds a runaway text and no answer (specification of answers, section 3)."""

NO_BOX = "no box"
OPEN_BOX = "open box"
EMPTY_BOX = "empty box"
LONG_BOX = "long box"


def extract_boxed(text: str) -> str | None:
    r"""Content of the last balanced box (``\boxed{..}``, ``\boxed 5``, ``\fbox{..}``), outer space removed.

    None if there is no box, if none is balanced, or if the last one holds over 2,000 characters. An empty box gives "".
    """
    answer = last_box(text)
    return None if answer is None or len(answer) > MAX_ANSWER_CHARACTERS else answer


def extract_boxed_column(texts: pa.Array | pa.ChunkedArray) -> pa.Array:
    """:func:`extract_boxed` of each value of a string column; nulls stay null."""
    return pa.array([None if text is None else extract_boxed(text) for text in texts.to_pylist()], pa.string())


def why_no_answer(text: str) -> str | None:
    """The reason why a solution has no usable answer: one of four fixed words. None if it has one."""
    box = find_last_box(text)
    if box is None:
        return OPEN_BOX if "\\boxed" in text or "\\fbox" in text else NO_BOX
    content = box.content(text)
    if len(content) > MAX_ANSWER_CHARACTERS:
        return LONG_BOX
    return None if content else EMPTY_BOX
