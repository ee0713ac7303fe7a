"""Drawing one stage as one line of a terminal of any width: less important figures go first, nothing ever wraps."""

from __future__ import annotations

import time
from collections.abc import Sequence
from enum import Enum

from rich.text import Text

from dagster_project.running.outcome import RequestCounts
from dagster_project.terminal.rates import Rates
from dagster_project.terminal.stage_line import CORE, Part, parts
from dagster_project.terminal.words import cell, compact

GAP = "  "
BAR_MIN, BAR_MAX = 6, 28
"""Columns of a bar; it never gives up a tenth of the width for figures."""
NAME_MIN = 12
"""Columns that a long name keeps on a narrow terminal; on a wide one a sixth of the width, a third when it is over."""
SPINNER, SPINNER_ASCII = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏", "|/-\\"
TURN_S = 0.125


class Mark(Enum):
    """Before a stage that is over: (sign, sign where only ASCII can be shown, style)."""

    ENDED = ("✓", "+", "green")
    FAILED = ("✗", "x", "bold red")


def stage_line(
    name: str,
    counts: RequestCounts | None,
    rates: Rates,
    *,
    note: str,
    elapsed: float,
    name_width: int,
    width: int,
    is_ascii: bool = False,
) -> Text:
    """A stage at work: spinner, name, bar, figures; a note stands in place of the figures. At most ``width`` cells.

    ``elapsed`` counts the seconds since the note, or of the stage; ``name_width`` is that of the widest name, so that
    bars align.
    """
    frames = SPINNER_ASCII if is_ascii else SPINNER
    line = Text(frames[int(time.monotonic() / TURN_S) % len(frames)], style="cyan")
    line.append(" ").append_text(_name(name, name_width, width))
    found = parts(counts, rates) if counts is not None and counts.total else []
    if note or not found:
        known = [part.briefs[0] for part in found if part.rank == 0]
        line.append("".join(GAP + text for text in (*known, compact(elapsed), cell(note)) if text))
    else:
        assert counts is not None
        _add_figures(line, found, counts.done / max(counts.total, counts.done), width, is_ascii)
    return _cut(line, width)


def ended_line(
    mark: Mark, name: str, words: Sequence[str], time_taken: str, *, name_width: int, width: int, is_ascii: bool = False
) -> Text:
    """A stage that is over: sign, name, words, seconds. Words that do not fit go, the last one first."""
    sign, sign_ascii, style = mark.value
    line = Text(sign_ascii if is_ascii else sign, style=style)
    line.append(" ").append_text(_name(name, name_width, 2 * width)).append(GAP)
    room = width - line.cell_len - len(time_taken) - len(GAP)
    kept = list(words)
    while len(kept) > 1 and Text(", ".join(kept)).cell_len > room:
        kept.pop()
    line.append(", ".join(kept))
    if time_taken:
        line.append(GAP + time_taken, style="dim")
    return _cut(line, width)


def _name(name: str, name_width: int, width: int) -> Text:
    text = Text(cell(name), style="bold")
    text.truncate(min(name_width, max(NAME_MIN, width // 6)), overflow="ellipsis", pad=True)
    return text


def _add_figures(line: Text, found: Sequence[Part], done: float, width: int, is_ascii: bool) -> None:
    least = max(BAR_MIN, width // 10)
    texts, room = _fitting(found, width - line.cell_len - len(GAP) - least)
    if room >= 0:
        cells = min(BAR_MAX, least + room)
        full = int(done * cells)
        sign, rest = "#-" if is_ascii else "━─"
        line.append(GAP).append(sign * full, style="green").append(rest * (cells - full), style="bright_black")
    for part, text in zip(found, texts, strict=True):
        if text:
            line.append(GAP).append(text, style="bold red" if part.is_bad else "")


def _fitting(found: Sequence[Part], room: int) -> tuple[list[str], int]:
    """What to say of each part so that all fits in ``room`` cells, and the cells left.

    The best ranks come first, in their narrowest form; what room is left then makes them wider, before the figures
    beyond CORE get any. The first one stays in any case.
    """
    texts = [""] * len(found)
    by_rank = sorted(range(len(found)), key=lambda i: found[i].rank)
    core = [i for i in by_rank if found[i].rank <= CORE]
    for chosen in (core, by_rank[len(core) :]):
        for i in chosen:
            cells = len(GAP) + Text(found[i].briefs[-1]).cell_len
            if cells <= room or i == by_rank[0]:
                texts[i] = found[i].briefs[-1]
                room -= cells
        for i in (i for i in chosen if texts[i]):
            now = Text(texts[i]).cell_len
            texts[i] = next((b for b in found[i].briefs if Text(b).cell_len - now <= room), texts[i])
            room -= Text(texts[i]).cell_len - now
    return texts, room


def _cut(line: Text, width: int) -> Text:
    line.truncate(max(width, 1), overflow="ellipsis")
    line.no_wrap, line.end = True, "\n"
    return line
