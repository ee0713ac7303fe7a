"""Plots of the card as bars of text: the Hub, a terminal and a diff show them alike, and no file is needed."""

from __future__ import annotations

import duckdb

from assets.release import queries
from assets.release.card_facts import Bars, CardFacts

WIDTH = 50
"""Characters of the longest bar."""


def read_votes(session: duckdb.DuckDBPyConnection) -> list[tuple[str, int]]:
    """Released problems by the share of the votes that their expected answer got, in tenths; all ten or none."""
    found: dict[int, int] = dict(session.sql(queries.VOTE_SHARES).fetchall())
    return [(f"{10 * i:>2} - {10 * i + 10:>3} %", found.get(i, 0)) for i in range(10)] if found else []


def read_lengths(session: duckdb.DuckDBPyConnection) -> list[tuple[str, int]]:
    """Released rows by tokens, in powers of two from the first that has rows to the last."""
    found: dict[int, int] = dict(session.sql(queries.LENGTHS).fetchall())
    if not found:
        return []
    wide = len(f"{2 ** max(found):,}")
    bounds = [(2**i if i else 0, 2 ** (i + 1) - 1) for i in range(min(found), max(found) + 1)]
    return [(f"{low:>{wide},} - {high:>{wide},}", found.get(high.bit_length() - 1, 0)) for low, high in bounds]


def plots(facts: CardFacts) -> str:
    """The section; empty where nothing can be plotted."""
    parts = []
    if facts.votes:
        said = "Share of the valid solutions of a problem that agree on its expected answer, by released problem:"
        parts.append(f"{said}\n\n{bars(facts.votes)}")
    if facts.lengths:
        parts.append(f"Tokens of the released solutions, by row:\n\n{bars(facts.lengths)}")
    return "## Votes and lengths\n\n" + "\n\n".join(parts) if parts else ""


def bars(counts: Bars) -> str:
    """A line for each count: label, count, bar. What is not zero has a bar."""
    most = max(count for _, count in counts)
    wide = max(len(f"{count:,}") for _, count in counts)
    lines = [f"{label}  {count:>{wide},}  {_bar(count, most)}".rstrip() for label, count in counts]
    return "```text\n" + "\n".join(lines) + "\n```"


def _bar(count: int, most: int) -> str:
    return "\u2588" * max(round(WIDTH * count / most), 1) if count else ""
