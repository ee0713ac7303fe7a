"""What a row of a seed source becomes: a :class:`Seed`, or a :class:`BadRow` that says which rule it breaks.

The parsers (``gsm8k``, ``math``, ``problems``) read fields through :func:`required` and :func:`optional`, so that the
same fault has the same rule in every source. Nothing here knows files.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from assets.schemas import MAX_DETAIL

MAX_ROW_BYTES = 1_000_000
"""Longest row, in bytes of its text. The longest of MATH has 6 KB; one above a megabyte is a broken file."""


class BadRow(Exception):
    """A row that cannot be a seed: it becomes a reject with this rule, reason and detail."""

    def __init__(self, rule: str, reason: str, detail: str = "") -> None:
        self.rule = rule
        self.reason = reason
        self.detail = detail
        super().__init__(f"{rule}: {reason}")


@dataclass(frozen=True, slots=True)
class Seed:
    """A parsed row. All texts are valid Unicode; ``None`` where the source has nothing."""

    problem: str
    expected_answer: str
    reference_solution: str | None = None
    level: str | None = None
    type: str | None = None
    problem_source: str | None = None
    """Null: the name of the source."""


def required(values: Mapping[str, Any], name: str, *, allow_int: bool = False) -> str:
    """Text of field ``name``, stripped. Raises BadRow when it is missing, empty, no text, or no Unicode."""
    if values.get(name) is None:
        raise BadRow("missing field", f"field {name!r} is missing")
    text = _text(values[name], name, allow_int=allow_int)
    if not text:
        raise BadRow("empty field", f"field {name!r} is empty")
    return text


def optional(values: Mapping[str, Any], name: str, *, allow_int: bool = False) -> str | None:
    """Text of field ``name``, stripped; None when missing or empty. Raises BadRow when it is no text."""
    if values.get(name) is None:
        return None
    return _text(values[name], name, allow_int=allow_int) or None


def clip(text: str) -> str:
    """``text`` short enough for a reject's detail, and valid Unicode whatever it was."""
    return text[:MAX_DETAIL].encode("utf-8", "replace").decode()


def _text(value: Any, name: str, *, allow_int: bool) -> str:
    if allow_int and isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str):
        raise BadRow("wrong type", f"field {name!r} is no text", f"{type(value).__name__} {value!r}")
    try:
        size = len(value.encode())
    except UnicodeEncodeError:
        raise BadRow("encoding", f"field {name!r} is not valid Unicode", ascii(value[:100])) from None
    if size > MAX_ROW_BYTES:
        raise BadRow("too long", f"field {name!r} is longer than {MAX_ROW_BYTES} bytes", f"{size} bytes")
    return value.strip()
