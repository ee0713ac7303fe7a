"""Small bar charts as SVG, for UI and card. No plotting library: twenty bars need none, and the bytes are stable."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from html import escape
from typing import Any

WIDTH, HEIGHT, MARGIN = 560, 180, 34


def bar_chart(title: str, bars: Sequence[Sequence[Any]]) -> str:
    """An SVG of [label, count] pairs. Labels are escaped and cut; sizes are fixed: equal data give equal bytes."""
    top = max((int(n) for _, n in bars), default=0) or 1
    step = (WIDTH - 2 * MARGIN) / max(len(bars), 1)
    pieces = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" '
        'font-family="sans-serif" font-size="10">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
        f'<text x="{MARGIN}" y="16" font-size="12" fill="#222222">{escape(title[:80])}</text>',
    ]
    every = max(1, len(bars) // 10)
    for i, (label, n) in enumerate(bars):
        height = (HEIGHT - 2 * MARGIN) * int(n) / top
        x, y = MARGIN + i * step, HEIGHT - MARGIN - height
        pieces.append(f'<rect x="{x:.1f}" y="{y:.1f}" width="{step * 0.86:.1f}" height="{height:.1f}" fill="#4f43dd"/>')
        if i % every == 0:
            pieces.append(
                f'<text x="{x:.1f}" y="{HEIGHT - MARGIN + 13}" fill="#555555">{escape(str(label)[:8])}</text>'
            )
        if len(bars) <= 12:
            pieces.append(f'<text x="{x:.1f}" y="{y - 3:.1f}" fill="#555555">{int(n):,}</text>')
    return "".join(pieces) + "</svg>"


def as_markdown(title: str, svg: str) -> str:
    """The chart as an image inside Markdown: an image element runs no script, whatever the SVG holds."""
    return f"![{title}](data:image/svg+xml;base64,{base64.b64encode(svg.encode()).decode()})"
