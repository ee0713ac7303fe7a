r"""The words of problems, for matching: a whole column at once.

Two problems that differ in case, spaces, punctuation, Unicode spelling or LaTeX spelling have the same words. Words are
runs of letters, numbers, single operators (``+ - * / = < > ^ | %``, ``<=``, ``>=``, and ``!`` after a number or a
bracket) and the names of LaTeX commands.

* Delimiters (``$``, ``\(``), braces, sizes, spaces and fonts vanish; ``\text{..}`` is its content; ``\dfrac`` is
  ``\frac``, ``\frac12`` is ``\frac{1}{2}``, ``\times`` is ``*``: see ``macros``, and ``characters`` for Unicode.
* Drawing code (``[asy]``) vanishes: it is no wording, and figures of one kind share long runs of it. Only whole texts
  are compared with it (:func:`whole_texts`).
* A number is digits with points between them; commas before three digits (``1,000``, ``1{,}000``, ``1\,000``) vanish.
* Apostrophes vanish (``Jan's`` is ``jans``). A ``-`` before two letters is a hyphen and parts words, another is minus.

All of it is arithmetic on one buffer of bytes, without a step for each text. Memory: about 30 bytes for each byte of
text, so callers give it a few megabytes at a time (:func:`pieces`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from assets.contamination.characters import plain_character
from assets.contamination.macros import ENVIRONMENTS, MACROS

Bytes = npt.NDArray[np.uint8]
Ints = npt.NDArray[np.int64]

PIECE_BYTES = 1 << 22
"""Text normalised at once, in bytes: 4 MB need about 120 MB, and fit the processor's caches better than more."""

_MARGIN = 8
"""Line ends before and after the text, so that rules can look at neighbours without asking whether there are any."""

_BREAK, _LETTER, _DIGIT, _OPERATOR = range(4)
_BACKSLASH, _COMMA, _POINT, _MINUS, _BANG, _EQUALS = b"\\,.-!="
_DRAWING = "[asy]"
_FEW_CHARACTERS = 1 << 16
"""Below this many characters sorting them is faster than a table of all of Unicode."""


def _classes() -> Bytes:
    table = np.zeros(256, np.uint8)
    table[np.frombuffer(b"abcdefghijklmnopqrstuvwxyz", np.uint8)] = _LETTER
    table[0x80:] = _LETTER  # of other scripts only letters are left
    table[np.frombuffer(b"0123456789", np.uint8)] = _DIGIT
    table[np.frombuffer(b"+-*/=<>^|%", np.uint8)] = _OPERATOR
    return table


_CLASSES = _classes()
_LOWER = np.frombuffer(bytes(range(256)).lower(), np.uint8)


@dataclass(frozen=True, slots=True)
class _Commands:
    """Names of LaTeX commands and environments as columns."""

    names: pa.Array
    words: pa.Array
    layout: pa.Array
    openers: pa.Array


@cache
def _commands() -> _Commands:
    """Not at import: the first list that becomes an Arrow column costs 200 ms, since pyarrow then looks for pandas."""
    columns = (list(MACROS), list(MACROS.values()), sorted(ENVIRONMENTS), ["begin", "end"])
    return _Commands(*(pa.array(values, pa.string()) for values in columns))


@dataclass(frozen=True, slots=True)
class Words:
    """The words of some texts. Text ``i`` has ``words[offsets[i]:offsets[i + 1]]``."""

    words: pa.StringArray
    offsets: Ints
    """Length: texts + 1."""

    @property
    def counts(self) -> Ints:
        """Words of each text."""
        return np.diff(self.offsets)

    def joined(self) -> pa.StringArray:
        """Each text again, as its words with single spaces: equal strings are equal words."""
        lists = pa.ListArray.from_arrays(pa.array(self.offsets, pa.int32()), self.words)
        return pc.call_function("binary_join", [lists, pa.scalar(" ")])


def pieces(texts: pa.Array, most: int = PIECE_BYTES) -> Iterator[tuple[int, pa.StringArray]]:
    """``texts`` in slices of at most ``most`` bytes (a longer text alone), each with the index of its first text."""
    texts = texts.cast(pa.string())
    if not len(texts):
        return
    ends = _offsets(texts)
    first = 0
    while first < len(texts):
        last = max(int(np.searchsorted(ends, ends[first] + most, "right")) - 1, first + 1)
        yield first, texts.slice(first, last - first)
        first = last


def words_of(texts: pa.StringArray, *, with_drawings: bool = False) -> Words:
    """The words of each text; a null has none. ``with_drawings``: drawing code has words too."""
    data, ends = _plain(texts)
    if not with_drawings:
        _blank_drawings(data, ends)
    data, ends = _without(data, ends, _vanishing(data))
    data, ends = _without(data, ends, _thousands(data))
    classes = _classified(data)
    is_word = classes != _BREAK
    starts = np.flatnonzero(_starts(data, classes, is_word))
    before = np.cumsum(is_word, dtype=np.int32)
    total = int(before[-1])
    offsets = np.append(before[starts] - 1, np.int32(total)).astype(np.int32)
    words = pa.StringArray.from_buffers(len(starts), pa.py_buffer(offsets), pa.py_buffer(data[is_word]))
    rows = np.searchsorted(starts, np.concatenate(([0], ends)))
    return _without_layout(words, rows, data, starts)


def whole_texts(texts: pa.StringArray, words: Words) -> pa.StringArray:
    """Each text as its words (``words`` are those of ``texts``), drawings included: equal strings are copies.

    Two problems that say "What is the area of this figure?" are not the same if the figure is not.
    """
    joined = words.joined()
    drawn = pc.call_function("match_substring", [texts], pc.MatchSubstringOptions(_DRAWING, ignore_case=True))
    rows = np.flatnonzero(drawn.fill_null(False).to_numpy(zero_copy_only=False))
    if not len(rows):
        return joined
    mask = np.zeros(len(texts), bool)
    mask[rows] = True
    with_drawings = words_of(texts.take(pa.array(rows)), with_drawings=True).joined()
    return pc.call_function("replace_with_mask", [joined, pa.array(mask), with_drawings])


# -- plain text ------------------------------------------------------------------------------------------------------


def _plain(texts: pa.StringArray) -> tuple[Bytes, Ints]:
    """Lower-case bytes of all texts, each with a line end after it, between margins; and where each text ends."""
    filled = pc.call_function("coalesce", [texts, pa.scalar("")])
    lines = pc.call_function("binary_join_element_wise", [filled, pa.scalar(""), pa.scalar("\n")])
    offsets = _offsets(lines)
    data = _data(lines, offsets)
    high = np.flatnonzero(data >= 0x80)
    if len(high):
        ends = offsets[1:] - offsets[0]
        rows = np.unique(np.searchsorted(ends, high, "right"))
        mask = np.zeros(len(lines), bool)
        mask[rows] = True
        lines = pc.call_function("replace_with_mask", [lines, pa.array(mask), _folded(lines.take(pa.array(rows)))])
        offsets = _offsets(lines)
        data = _data(lines, offsets)
    margin = np.full(_MARGIN, 10, np.uint8)
    return np.concatenate((margin, _LOWER[data], margin)), offsets[1:] - offsets[0] + _MARGIN


def _folded(lines: pa.StringArray) -> pa.StringArray:
    """Lines with every character replaced by :func:`plain_character`, which is asked once for each distinct one."""
    offsets = _offsets(lines)
    data = _data(lines, offsets)
    ends = np.cumsum((data & 0xC0) != 0x80)[offsets[1:] - offsets[0] - 1]  # in characters
    codes = np.frombuffer(data.tobytes().decode().encode("utf-32-le"), np.uint32)
    if len(codes) < _FEW_CHARACTERS:
        distinct = np.unique(codes)
    else:
        seen = np.zeros(0x110000, bool)
        seen[codes] = True
        distinct = np.flatnonzero(seen)
    texts = [plain_character(chr(code)).encode() for code in distinct]
    lengths = np.array([len(text) for text in texts])
    begins = np.cumsum(lengths) - lengths
    which = np.searchsorted(distinct, codes)
    sizes = lengths[which]
    stops = np.cumsum(sizes)
    source = np.repeat(begins[which] - (stops - sizes), sizes) + np.arange(stops[-1])
    folded = np.frombuffer(b"".join(texts), np.uint8)[source]
    bounds = np.concatenate(([0], stops[ends - 1])).astype(np.int32)
    return pa.StringArray.from_buffers(len(lines), pa.py_buffer(bounds), pa.py_buffer(folded))


def _offsets(texts: pa.StringArray) -> Ints:
    raw: Any = texts.buffers()[1]
    return np.frombuffer(raw, np.int32)[texts.offset : texts.offset + len(texts) + 1].astype(np.int64)


def _data(texts: pa.StringArray, offsets: Ints) -> Bytes:
    raw: Any = texts.buffers()[2]
    return np.frombuffer(raw or b"", np.uint8)[offsets[0] : offsets[-1]]


def _blank_drawings(data: Bytes, ends: Ints) -> None:
    """Put spaces in the place of drawing code: ``[asy]`` to the next ``[/asy]`` of the same text."""
    brackets = np.flatnonzero(data == ord("["))
    begins = brackets[(data[brackets[:, None] + np.arange(5)] == np.frombuffer(b"[asy]", np.uint8)).all(axis=1)]
    closes = brackets[(data[brackets[:, None] + np.arange(6)] == np.frombuffer(b"[/asy]", np.uint8)).all(axis=1)]
    which = np.searchsorted(closes, begins)
    begins, which = begins[which < len(closes)], which[which < len(closes)]
    stops = closes[which]
    is_one = np.searchsorted(ends, begins, "right") == np.searchsorted(ends, stops, "right")  # text
    begins, stops = begins[is_one], stops[is_one]
    stops, first = np.unique(stops, return_index=True)  # of several beginnings before one end the first counts
    edges = np.zeros(len(data), np.int8)
    edges[begins[first]] = 1
    edges[stops] = -1
    data[np.cumsum(edges, dtype=np.int8) == 1] = ord(" ")
    data[stops[:, None] + np.arange(6)] = ord(" ")


# -- bytes that vanish -----------------------------------------------------------------------------------------------


def _without(data: Bytes, ends: Ints, gone: Ints) -> tuple[Bytes, Ints]:
    """``data`` without the bytes at the positions ``gone``, which are in order."""
    if not len(gone):
        return data, ends
    return np.delete(data, gone), ends - np.searchsorted(gone, ends)


def _vanishing(data: Bytes) -> Ints:
    r"""Apostrophes, ``\!``, the backslash of ``\,`` and the braces of ``{,}``."""
    slashes = np.flatnonzero(data == _BACKSLASH)
    after = data[slashes + 1]
    spaces = slashes[after == _BANG]
    commas = np.flatnonzero(data == _COMMA)
    commas = commas[(data[commas - 1] == ord("{")) & (data[commas + 1] == ord("}"))]
    found = (np.flatnonzero(data == ord("'")), spaces, spaces + 1, slashes[after == _COMMA], commas - 1, commas + 1)
    return np.unique(np.concatenate(found))


def _thousands(data: Bytes) -> Ints:
    """Commas between a digit and exactly three digits."""
    commas = np.flatnonzero(data == _COMMA)
    is_digit = _CLASSES[data[commas[:, None] + np.array([-1, 1, 2, 3, 4])]] == _DIGIT
    return commas[is_digit[:, :4].all(axis=1) & ~is_digit[:, 4]]


# -- words -----------------------------------------------------------------------------------------------------------


def _classified(data: Bytes) -> Bytes:
    """What each byte is part of. Points, ``!`` and ``-`` depend on their neighbours."""
    classes = _CLASSES[data]
    points = np.flatnonzero(data == _POINT)
    is_number = (classes[points - 1] == _DIGIT) & (classes[points + 1] == _DIGIT)
    classes[points[is_number]] = _DIGIT
    bangs = np.flatnonzero(data == _BANG)
    is_factorial = (_CLASSES[data[bangs - 1]] == _DIGIT) | (data[bangs - 1] == ord(")"))
    classes[bangs[is_factorial]] = _OPERATOR
    dashes = np.flatnonzero(data == _MINUS)
    is_hyphen = (classes[dashes + 1] == _LETTER) & (classes[dashes + 2] == _LETTER)
    classes[dashes[is_hyphen]] = _BREAK
    return classes


def _starts(data: Bytes, classes: Bytes, is_word: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Which bytes begin a word."""
    starts = classes != np.roll(classes, 1)
    starts |= classes == _OPERATOR
    starts &= is_word
    equals = np.flatnonzero(data == _EQUALS)
    before = data[equals - 1]
    starts[equals[(before == ord("<")) | (before == ord(">"))]] = False
    # \frac12: TeX takes one digit for each argument.
    digits = np.flatnonzero((classes == _DIGIT) & (np.roll(data, 1) == ord("c")))
    is_two = _CLASSES[data[digits + 1]] == _DIGIT
    digits = digits[is_two]
    name = data[digits[:, None] + np.arange(-6, 0)]
    is_frac = (name[:, 2:] == np.frombuffer(b"frac", np.uint8)).all(axis=1)
    is_sized = np.isin(name[:, 1], np.frombuffer(b"dtc", np.uint8)) & (name[:, 0] == _BACKSLASH)
    starts[digits[is_frac & (is_sized | (name[:, 1] == _BACKSLASH))] + 1] = True
    return starts


def _without_layout(words: pa.StringArray, rows: Ints, data: Bytes, starts: Ints) -> Words:
    """The words with commands renamed (``macros``) and layout removed."""
    commands = np.flatnonzero((data[starts - 1] == _BACKSLASH) & (_CLASSES[data[starts]] == _LETTER))
    if not len(commands):
        return Words(words, rows)
    names = words.take(pa.array(commands))
    known = _found(names, _commands().names)
    is_known = known >= 0
    openers = commands[_found(names, _commands().openers) >= 0]
    mask = np.zeros(len(words), bool)
    mask[commands[is_known]] = True
    named = _commands().words
    words = pc.call_function("replace_with_mask", [words, pa.array(mask), named.take(pa.array(known[is_known]))])
    keep = np.ones(len(words), bool)
    keep[commands[is_known]] = _lengths(named)[known[is_known]] > 0
    keep[_layout(words, openers, data, starts)] = False
    kept = np.concatenate(([0], np.cumsum(keep)))
    return Words(words.filter(pa.array(keep)), kept[rows])


def _layout(words: pa.StringArray, openers: Ints, data: Bytes, starts: Ints) -> Ints:
    r"""Words that name layout: ``align`` and ``*`` in ``\begin{align*}``."""
    openers = openers[openers + 1 < len(words)]
    names = openers + 1
    brace = starts[openers] + np.where(data[starts[openers]] == ord("b"), len("begin"), len("end"))
    names = names[(data[brace] == ord("{")) & (starts[names] == brace + 1)]
    names = names[_found(words.take(pa.array(names)), _commands().layout) >= 0]
    stars = names + 1
    stars = stars[stars < len(words)]
    ends = starts[stars - 1] + _lengths(words.take(pa.array(stars - 1)))
    stars = stars[(starts[stars] == ends) & (data[starts[stars]] == ord("*"))]
    return np.concatenate((names, stars))


def _found(values: pa.StringArray, among: pa.StringArray) -> Ints:
    """Index of each value in ``among``; -1 if it is not there."""
    found = pc.call_function("index_in", [values], pc.SetLookupOptions(among))
    return found.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)


def _lengths(words: pa.StringArray) -> Ints:
    """Bytes of each word."""
    return np.diff(_offsets(words))
