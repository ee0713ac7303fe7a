"""Numbers, times and money as few characters; any value as one line of printable text. No colours, no widths."""

from __future__ import annotations

import math
from typing import Any

from resources.identity import show_id

CELL = 160
"""Characters of a cell: previews lie in Dagster's event log, which must stay small."""

UNITS = ("", "k", "M", "B", "T")
UNKNOWN = "?"
"""For what is no number, or not a possible one: a display must not be what fails."""


def cell(value: Any, limit: int = CELL) -> str:
    """A value as one line of printable text: control characters (terminal escapes too) are shown, not obeyed."""
    if value is None:
        return ""
    if isinstance(value, bytes) and len(value) == 16:
        return show_id(value)
    text = str(value)
    printable = "".join(c if c.isprintable() else repr(c)[1:-1] for c in text[: limit + 1])
    return printable if len(text) <= limit else printable[:limit] + "…"


def short(number: float, exact_below: int = 10_000) -> str:
    """A count: 9,999 as it is, then 12.3k, 1.2M, 26.6M, 266M."""
    if not math.isfinite(number):
        return UNKNOWN
    if abs(round(number)) < exact_below:
        return f"{number:,.0f}"
    return _with_unit(number)


def _with_unit(number: float) -> str:
    unit = 0
    while unit < len(UNITS) - 1 and abs(number) >= 999.5:
        number, unit = number / 1000, unit + 1
    decimals = 1 if abs(number) < 99.95 else 0
    return f"{number:,.{decimals}f}{UNITS[unit]}"


def rate(per_second: float) -> str:
    """Something a second: 0.042, 4.2, 123, 12.3k."""
    if 0 < per_second < 0.995:
        return f"{per_second:.2f}" if per_second >= 0.1 else f"{per_second:.2g}"
    return f"{per_second:.1f}" if abs(per_second) < 99.95 else short(per_second)


def share(part: float, whole: float) -> str:
    """A share such as 98.7 %. Only nothing is 0 %, and only all is 100 %."""
    if not whole or not math.isfinite(part / whole):
        return UNKNOWN
    if part == 0 or part == whole:
        return "100 %" if part else "0 %"
    return f"{min(max(100 * part / whole, 0.1), 99.9):.1f} %"


def duration(seconds: float) -> str:
    """Two units at most: 0.4 s, 45 s, 4 min 10 s, 25 min, 3 h 12 min, 2 d 4 h."""
    if not math.isfinite(seconds):
        return UNKNOWN
    if seconds < 9.95:
        return f"{max(seconds, 0):.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 600:
        return f"{whole // 60} min {whole % 60:02} s"
    minutes = round(whole / 60)
    if minutes < 60:
        return f"{minutes} min"
    if minutes < 24 * 60:
        return f"{minutes // 60} h {minutes % 60:02} min"
    hours = round(minutes / 60)
    return f"{hours // 24:,} d {hours % 24} h"


def compact(seconds: float) -> str:
    """The same where columns are few: 45s, 4m10s, 3h12m, 2d4h."""
    return duration(seconds).replace("min", "m").replace(" ", "")


def amount(number: float) -> str:
    """Money or GPU-hours: 0.042, 12.40, 210, 1,234, 12.3k."""
    if not math.isfinite(number):
        return UNKNOWN
    for below, decimals in ((0.01, 4), (1, 3), (99.995, 2)):
        if 0 < abs(number) < below:
            return f"{max(number, 0.0001):.{decimals}f}"
    return short(number)
