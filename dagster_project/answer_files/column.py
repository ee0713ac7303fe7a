"""A column of a chunk: its values as an Arrow array, and what is wrong with some of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa


@dataclass(frozen=True, slots=True)
class Column:
    """Values of one column of a chunk; ``bad``: place in the chunk -> why the value there is null."""

    values: pa.Array
    bad: Mapping[int, str]


def text_array(values: Sequence[str | None]) -> pa.Array:
    r"""Texts as Arrow; what UTF-8 cannot hold becomes an escape like ``\ud800``."""
    try:
        return pa.array(values, pa.string())
    except UnicodeEncodeError:
        return pa.array([None if text is None else clean_text(text) for text in values], pa.string())


def clean_text(text: str) -> str:
    r"""The text itself; what UTF-8 cannot hold becomes an escape like ``\ud800``."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()
