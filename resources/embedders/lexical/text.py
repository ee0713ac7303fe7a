r"""Texts of a batch as one array of bytes, with spellings that mean the same made alike.

Unicode is folded (compatibility forms, accents, typographic signs); LaTeX's `\!` and `{,}` inside of
numbers, separators of thousands and decimals of nothing are taken out; the digits of `\frac12` are set apart. Whole
batches at a time; no loop over rows or bytes.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute

from resources.embedders.lexical.words import SYMBOLS

pc: Any = pyarrow.compute
"""Arrow makes its functions when it is imported, so that no type checker knows them."""

MAX_CHARACTERS = 16_384
"""What comes later of a text is not read: problems are shorter, and one huge row must not fill the memory."""

_ACCENTS = dict.fromkeys(range(0x300, 0x370))
_FOLD = {**_ACCENTS, **{ord(sign): f" {word} " if word.isalpha() else word for sign, word in SYMBOLS.items()}}
_UNSPACED = re.compile("([\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\u0e00-\u0e7f])")
"""Scripts that put no spaces between words: each character is a word, and pairs of them are features."""
_BETWEEN = "\x00"

Bytes = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Texts:
    """A batch: ``data[offsets[i]:offsets[i + 1]]`` is text i, in its own case, with a line feed at its end."""

    data: Bytes
    offsets: npt.NDArray[np.int64]


def fold_batch(texts: pa.Array) -> Texts:
    """Texts of an Arrow column of strings; null is an empty text. Memory: about 20 bytes a byte of text."""
    column = pc.utf8_slice_codeunits(pc.fill_null(texts.cast(pa.large_string()), ""), 0, MAX_CHARACTERS)
    # Made here: the first Arrow value made of a Python one imports pandas, which takes 200 ms.
    end, nothing = (pa.scalar(text, pa.large_string()) for text in ("\n", ""))
    column = pc.binary_join_element_wise(_fold_unicode(column), end, nothing)
    buffers = column.buffers()
    offsets = np.frombuffer(buffers[1], np.int64)[column.offset : column.offset + len(column) + 1]
    if not len(column) or buffers[2] is None:
        return Texts(np.zeros(0, np.uint8), np.zeros(len(column) + 1, np.int64))
    data = np.frombuffer(buffers[2], np.uint8)[offsets[0] : offsets[-1]]
    data = _split_fractions(data)
    keep = ~_superfluous(data)
    places = np.concatenate([[0], np.cumsum(keep, dtype=np.int64)])
    return Texts(data[keep], places[offsets - offsets[0]])


def _fold_unicode(column: pa.Array) -> pa.Array:
    """Rows beyond ASCII, folded; the others are left alone. One pass over all of them joined."""
    is_wide = pc.not_equal(pc.binary_length(column), pc.cast(pc.utf8_length(column), pa.int64()))
    wide = column.filter(is_wide)
    if not len(wide):
        return column
    joined = _BETWEEN.join(text.replace(_BETWEEN, " ") for text in wide.to_pylist())
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKD", joined.translate(_FOLD)).translate(_FOLD))
    spaced = _UNSPACED.sub(r" \1 ", folded).split(_BETWEEN)
    return pc.replace_with_mask(column, is_wide, pa.array(spaced, pa.large_string()))


def _split_fractions(data: Bytes) -> Bytes:
    r"""``\frac12`` with its digits apart: they are two numbers."""
    at = np.flatnonzero(data[: max(len(data) - 5, 0)] == ord("f"))
    for place, letter in enumerate(b"rac", 1):
        at = at[data[at + place] == letter]
    for place in (4, 5):
        at = at[(data[at + place] >= ord("0")) & (data[at + place] <= ord("9"))]
    if len(at):
        data = data.copy()
        data[at + 3] = data[at + 4]
        for place in (0, 1, 2, 4):
            data[at + place] = ord(" ")
    return data


def _superfluous(data: Bytes) -> Mask:
    r"""Bytes to leave out: `\!` anywhere; in numbers the braces of `{,}`, separators of thousands, and `.00`, `.50`."""
    out = (data == ord("\\")) & _after(data == ord("!"), 1)
    out |= _before(out, 1)
    comma = data == ord(",")
    braced = comma & _before(data == ord("{"), 1) & _after(data == ord("}"), 1)
    out |= _after(braced, 1) | _before(braced, 1)
    left = data[~out]
    inner = _superfluous_digits(left)
    out[np.flatnonzero(~out)[inner]] = True
    return out


def _superfluous_digits(data: Bytes) -> Mask:
    """The same for the plain form: ``1,000``, ``2.00``, ``2.50``."""
    digit = (data >= ord("0")) & (data <= ord("9"))
    zero = data == ord("0")
    three = _after(digit, 1) & _after(digit, 2) & _after(digit, 3) & ~_after(digit, 4)
    out = (data == ord(",")) & _before(digit, 1) & three
    point = (data == ord(".")) & _before(digit, 1)
    money = point & _after(digit, 1) & _after(zero, 2) & ~_after(digit, 3)
    out |= _before(money, 2)
    whole = (money & _after(zero, 1)) | (point & _after(zero, 1) & ~_after(digit, 2))
    return out | whole | (_before(whole, 1) & zero)


def _after(mask: Mask, by: int) -> Mask:
    """Whether what stands ``by`` later is in ``mask``."""
    moved = np.zeros_like(mask)
    moved[:-by] = mask[by:]
    return moved


def _before(mask: Mask, by: int) -> Mask:
    """Whether what stands ``by`` earlier is in ``mask``."""
    moved = np.zeros_like(mask)
    moved[by:] = mask[:-by]
    return moved
