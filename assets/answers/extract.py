r"""Reads the answer out of a solution: what its last balanced box holds, or what its last "The answer is" line says.

Only finds and cuts; what the answer means is :mod:`assets.answers.key`. There is no fallback to the last number of a
text: a solution without a box has no answer (the original of OpenMathInstruct-2 does the same).

Columns are read by Arrow's kernels: cut off the tail behind the last command, match that short tail once. Only texts
with an unusual tail (an open box, other than ASCII, braces six deep) are read one by one, by the function for a single
text. More than a million solutions of 1 KB a second on one core: what it takes to move them.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import pyarrow as pa
import pyarrow.compute

from resources.boxes import find_last_box, last_box

pc: Any = pyarrow.compute
"""Arrow makes its functions when it is imported, so that no type checker knows them."""

Extractor = Literal["boxed", "line"]

MAX_ANSWER_CHARACTERS = 2_000
"""An answer with more than this is a runaway text and no answer (specification of answers, section 3)."""

_FAST_BRACES = 4
"""Levels of braces inside a box that the column's pattern follows; a fraction of roots of fractions has three."""


@dataclass(frozen=True, slots=True)
class Found:
    """Answers of a column, and why there is none: of each row exactly one of the two is null (both where the text is).

    An empty box or line is no answer here, unlike in :func:`extract_boxed`.
    """

    answers: pa.Array
    reasons: pa.Array


# -- one text ----------------------------------------------------------------------------------------------------------


def extract_boxed(text: str) -> str | None:
    r"""Content of the last balanced box (``\boxed{..}``, ``\boxed 5``, ``\fbox{..}``), outer space removed.

    None if there is no box, if none is balanced, or if the last one holds over 2,000 characters. An empty box gives "".
    """
    answer = last_box(text)
    return None if answer is None or len(answer) > MAX_ANSWER_CHARACTERS else answer


def extract_line(text: str) -> str | None:
    """X of the last line "The answer is X." of a text, as MetaMath and Skywork end their solutions.

    The line begins with "The answer is" or "The final answer is" (first letter of any case, a colon may follow, signs
    of Markdown may stand before it). One full stop and stars at its end are removed. None if there is no such line, or
    if X has over 2,000 characters; "" if nothing follows.
    """
    said = _last_line(text)
    return None if said is None or len(said) > MAX_ANSWER_CHARACTERS else said


# -- whole columns -----------------------------------------------------------------------------------------------------


def extract_boxed_column(texts: pa.Array | pa.ChunkedArray) -> pa.Array:
    """:func:`extract_boxed` of each value of a string column; nulls stay null."""
    return _over_chunks(texts, _boxes_of, extract_boxed)


def extract_line_column(texts: pa.Array | pa.ChunkedArray) -> pa.Array:
    """:func:`extract_line` of each value of a string column; nulls stay null."""
    return _over_chunks(texts, _lines_of, extract_line)


def find_answers(texts: pa.Array, extractor: Extractor = "boxed") -> Found:
    """Answers of a string column, and the fixed words that say why a text has none.

    ``boxed``: no box, open box, empty box, long box. ``line``: no line, empty line, long line.
    """
    read, one, why = _READERS[extractor]
    answers = _patched(texts, *read(texts), one)
    answers = pc.if_else(pc.equal(answers, ""), pa.scalar(None, pa.string()), answers)
    silent = pc.and_(pc.is_null(answers), pc.is_valid(texts))
    # Few texts have no answer, and most of those have no box at all: the rest is looked at one by one.
    left = [None if text is None else why(text) for text in texts.filter(silent).to_pylist()]
    reasons = pc.replace_with_mask(pa.nulls(len(texts), pa.string()), silent, pa.array(left, pa.string()))
    return Found(answers, reasons)


def why_no_answer(text: str) -> str | None:
    """The reason why a solution has no usable box: one of four fixed words. None if it has one."""
    if "\\boxed" not in text and "\\fbox" not in text:
        return "no box"
    box = find_last_box(text)
    if box is None:
        return "open box"
    return _why_unfit(box.content(text), "box")


def _why_no_line(text: str) -> str | None:
    said = _last_line(text)
    return "no line" if said is None else _why_unfit(said, "line")


def _why_unfit(content: str, what: str) -> str | None:
    if len(content) > MAX_ANSWER_CHARACTERS:
        return f"long {what}"
    return None if content else f"empty {what}"


# -- how it is done ----------------------------------------------------------------------------------------------------

_Read = Callable[[pa.Array], tuple[pa.Array, pa.Array]]
"""Of a column: answers as far as the kernels can tell, and which rows must be read one by one."""

_BEGIN = r"[ \t*_>#]*[Tt]he (?:final )?"
_LINE = re.compile(rf"^{_BEGIN}answer is(?![A-Za-z0-9_])(.*)$", re.MULTILINE)

_AT_ONCE = 4_096
"""Rows that the kernels see at once: copies of 4 MB stay in the caches; at 100 MB they are three times as slow."""

_SPACE = "\t\n\x0b\x0c\r\x1c\x1d\x1e\x1f "
"""ASCII characters that Python's ``strip`` removes."""


def _nested(levels: int) -> str:
    inside = r"(?:[^{}\\]|\\.)*"
    for _ in range(levels):
        inside = rf"(?:[^{{}}\\]|\\.|\{{{inside}\}})*"
    return inside


_BOX_TAIL = rf"(?s)^[ \t\n]*\{{(?P<found>{_nested(_FAST_BRACES)})\}}"
_LINE_START = rf"^{_BEGIN}$"
_LINE_TAIL = r"^(?P<found>(?:[^A-Za-z0-9_\n][^\n]*)?)(?:\n|$)"


def _boxes_of(texts: pa.Array) -> tuple[pa.Array, pa.Array]:
    r"""The tail behind the last command holds no other, so its first balanced brace is the last box of the text.

    Where that tail has no such brace, an earlier box may be the last balanced one: the text is read one by one.
    """
    filled = texts.fill_null("")
    after_boxed, has_boxed = _after_last(filled, "\\boxed")
    tails, has_fbox = _after_last(after_boxed, "\\fbox")
    has_command = pc.or_(has_boxed, has_fbox)
    return _match_tails(pc.if_else(has_command, tails, pa.scalar(None, pa.string())), has_command, _BOX_TAIL)


def _lines_of(texts: pa.Array) -> tuple[pa.Array, pa.Array]:
    """Nearly always the last "answer is" of a text begins its line; where it does not, the text is read one by one."""
    pieces = _cut(texts.fill_null(""), "answer is")
    has_words = pc.equal(pc.list_value_length(pieces), 2)
    starts, _ = _after_last(pieces.values.take(pieces.offsets[:-1]), "\n")
    usable = pc.and_(has_words, pc.match_substring_regex(starts, pattern=_LINE_START))
    tails = pc.if_else(usable, _tails(pieces), pa.scalar(None, pa.string()))
    found, unread = _match_tails(tails, has_words, _LINE_TAIL)
    # As _tidy does it: the colon, stars, one full stop, stars.
    found = pc.ascii_ltrim(pc.replace_substring_regex(found, pattern="^:", replacement=""), characters=_SPACE)
    found = pc.ascii_rtrim(pc.ascii_trim(found, characters="*_"), characters=_SPACE)
    found = pc.replace_substring_regex(found, pattern=r"\.$", replacement="")
    return pc.ascii_trim(pc.ascii_trim(found, characters="*_"), characters=_SPACE), unread


def _match_tails(tails: pa.Array, wanted: pa.Array, pattern: str) -> tuple[pa.Array, pa.Array]:
    """What ``pattern`` finds in the tails, trimmed; and the wanted rows that it cannot be trusted with."""
    found = pc.struct_field(pc.extract_regex(tails, pattern=pattern), "found")
    found = pc.ascii_trim(found, characters=_SPACE)
    # Python's strip knows spaces beyond ASCII, and length is in characters: others are read one by one.
    is_plain = pc.fill_null(pc.string_is_ascii(found), False)
    unread = pc.and_not(wanted, is_plain)
    return pc.if_else(is_plain, found, pa.scalar(None, pa.string())), unread


def _after_last(texts: pa.Array, word: str) -> tuple[pa.Array, pa.Array]:
    """What stands behind the last ``word`` of each text (the whole text if it is not there), and whether it is."""
    pieces = _cut(texts, word)
    return _tails(pieces), pc.equal(pc.list_value_length(pieces), 2)


def _cut(texts: pa.Array, word: str) -> pa.ListArray:
    """One or two pieces of each text: before and behind its last ``word``."""
    return pc.split_pattern(texts, pattern=word, max_splits=1, reverse=True)


def _tails(pieces: pa.ListArray) -> pa.Array:
    return pieces.values.take(pc.subtract(pieces.offsets[1:], 1))


def _patched(texts: pa.Array, found: pa.Array, unread: pa.Array, one: Callable[[str], str | None]) -> pa.Array:
    """``found``, with the unread rows read by ``one``; nulls of ``texts`` stay null."""
    unread = pc.and_(unread, pc.is_valid(texts))
    left = [one(text) for text in texts.filter(unread).to_pylist()]
    is_short = pc.less_equal(pc.binary_length(found), MAX_ANSWER_CHARACTERS)  # ASCII: bytes are characters
    found = pc.if_else(pc.and_(is_short, pc.is_valid(texts)), found, pa.scalar(None, pa.string()))
    return pc.replace_with_mask(found, unread, pa.array(left, pa.string())) if left else found


def _over_chunks(texts: pa.Array | pa.ChunkedArray, read: _Read, one: Callable[[str], str | None]) -> pa.Array:
    chunks = texts.chunks if isinstance(texts, pa.ChunkedArray) else [texts]
    pieces = [chunk[i : i + _AT_ONCE] for chunk in chunks for i in range(0, len(chunk), _AT_ONCE)]
    return pa.concat_arrays([_patched(p, *read(p), one) for p in pieces]) if pieces else pa.array([], pa.string())


def _last_line(text: str) -> str | None:
    lines = deque(_LINE.finditer(text), maxlen=1)
    return _tidy(lines[0][1]) if lines else None


def _tidy(said: str) -> str:
    said = said.strip().removeprefix(":").lstrip().strip("*_").rstrip()
    return said.removesuffix(".").strip("*_").strip()


_READERS: Mapping[Extractor, tuple[_Read, Callable[[str], str | None], Callable[[str], str | None]]] = {
    "boxed": (_boxes_of, extract_boxed, why_no_answer),
    "line": (_lines_of, extract_line, _why_no_line),
}
