"""What a row of a source can be: fields with valid text, or a :class:`BadRow` that says which rule it breaks.

Every parser reads fields through :func:`required` and :func:`optional`, so that the same fault has the same rule in
every source. Nothing here knows files.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

MAX_ROW_BYTES = 1_000_000
"""Longest row, in bytes of its text. The longest of MATH has 6 KB; one above a megabyte is a broken file."""


class BadRow(Exception):
    """A row that cannot be used: it becomes a reject with this rule, reason and detail."""

    def __init__(self, rule: str, reason: str, detail: str = "") -> None:
        self.rule = rule
        self.reason = reason
        self.detail = detail
        super().__init__(f"{rule}: {reason}")


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
