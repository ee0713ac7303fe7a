"""Small charts as SVG, for UI and card. No plotting library: twenty bars need none, and the bytes are stable.

The Dagster UI (1.13) shows Markdown of 1,000 characters or more as a link, and its column of values is some 400 pixels
wide. So a chart is one path on a unit grid and few labels: 500 to 900 characters.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any
from urllib.parse import quote

from dagster_project.terminal.words import cell, duration, short

INLINE = 1_000
"""Characters of Markdown from which on the UI shows a link."""
WIDTH, HEIGHT, TOP, BASE = 380, 120, 14, 104
"""Pixels: of the picture, of the highest bar's end, of the ground line."""
STEPS = 80
"""Height of the highest bar in steps of the path: two digits a bar."""
LETTER = 6
"""Pixels of a letter, with some air."""
LABELS = 5
VALUES_UP_TO = 8
"""Bars up to which each bar has its number; beyond, only the highest one's is said."""
POINTS = 60
COLOUR = "#4f43dd"
SAFE = "/:;=,'."
"""Besides letters and digits: what an address in Markdown may hold as it is."""

_SCALE = -(BASE - TOP) / STEPS


def bar_chart(bars: Sequence[Sequence[Any]]) -> str:
    """An SVG of [label, count] pairs. Labels are escaped and cut; sizes are fixed: equal data give equal bytes."""
    counts = [max(int(n), 0) for _, n in bars]
    top = max(counts, default=0) or 1
    step = WIDTH / max(len(bars), 1)
    heights = [max(round(STEPS * n / top), 1) if n else 0 for n in counts]
    path = "".join(f"M{i},0V{height}" for i, height in enumerate(heights) if height)
    scale = f"translate({step / 2:.1f},{BASE})scale({step:.2f},{_SCALE:.3f})"
    drawn = f"<path transform='{scale}' stroke='{COLOUR}' stroke-width='.86' d='{path}'/>"
    is_few = len(bars) <= VALUES_UP_TO
    highest = counts.index(max(counts)) if bars else 0
    every = 1 if is_few else -(-len(bars) // LABELS)
    letters = max(int(step * every / LETTER), 1)
    for i, (label, _) in enumerate(bars):
        middle = (i + 0.5) * step
        if is_few or i == highest:
            drawn += _text(middle, BASE + heights[i] * _SCALE - 3, short(counts[i]))
        if i % every == 0:
            drawn += _text(middle, HEIGHT - 4, _label(label, letters))
    return _svg(drawn)


def area_chart(values: Sequence[float], seconds: float, unit: str) -> str:
    """An SVG of what was measured at even distances over ``seconds``; its highest value is said in ``unit``."""
    means = _means([max(float(v), 0.0) for v in values], POINTS)
    top = max(means, default=0.0)
    heights = [round(STEPS * value / top) if top else 0 for value in means]
    path = "M0,0" + "".join(f"L{i},{height}" for i, height in enumerate(heights)) + f"L{max(len(heights) - 1, 0)},0Z"
    scale = f"translate(0,{BASE})scale({WIDTH / max(len(heights) - 1, 1):.2f},{_SCALE:.3f})"
    drawn = f"<path transform='{scale}' fill='{COLOUR}' d='{path}'/>"
    return _svg(
        drawn
        + _text(WIDTH / 2, TOP - 3, f"at most {short(top)} {unit}")
        + _text(0, HEIGHT - 4, "0")
        + _text(WIDTH, HEIGHT - 4, duration(seconds))
    )


def _means(values: Sequence[float], most: int) -> list[float]:
    """At most ``most`` values, each the mean of equally many neighbours."""
    size = -(-len(values) // most)
    pieces = [values[i : i + size] for i in range(0, len(values), size)] if values else []
    return [sum(piece) / len(piece) for piece in pieces]


def _label(value: Any, letters: int) -> str:
    text = cell(value)
    return text if len(text) <= letters else text[: max(letters - 1, 1)] + "…"


def _text(x: float, y: float, words: str) -> str:
    x = min(max(x, LETTER * len(words) / 2), WIDTH - LETTER * len(words) / 2)
    return f"<text x='{x:.0f}' y='{y:.0f}'>{escape(words)}</text>"


def _svg(inner: str) -> str:
    return (
        f"<svg xmlns='http://www.w3.org/2000/svg' width='{WIDTH}' height='{HEIGHT}' font-family='sans-serif' "
        f"font-size='10' text-anchor='middle' fill='#555'><path fill='#fff' d='M0 0h{WIDTH}v{HEIGHT}H0z'/>{inner}</svg>"
    )


def as_markdown(title: str, svg: str) -> str:
    """The chart as an image inside Markdown: an image element runs no script, whatever the SVG holds.

    Everything that could end the address or the Markdown around it is percent-encoded, so labels may hold anything.
    """
    words = "".join(c if c.isalnum() or c in " _-" else " " for c in title)
    return f"![{words}](data:image/svg+xml,{quote(svg, safe=SAFE)})"
