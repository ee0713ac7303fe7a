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


def read_lengths(session: duckdb.DuckDBPyConnection) -> tuple[str, list[tuple[str, int]]]:
    """Unit, and released rows by length, in powers of two from the first that has rows to the last.

    Tokens where all rows have been counted, else characters.
    """
    rows = session.sql(queries.LENGTHS).fetchall()
    is_tokens = all(row[0] is not None for row in rows)
    found: dict[int, int] = {}
    for tokens, characters, count in rows:
        power = tokens if is_tokens else characters
        found[power] = found.get(power, 0) + count
    if not found:
        return "", []
    wide = len(f"{2 ** max(found):,}")
    bounds = [(2**i if i else 0, 2 ** (i + 1) - 1) for i in range(min(found), max(found) + 1)]
    counts = [(f"{low:>{wide},} - {high:>{wide},}", found.get(high.bit_length() - 1, 0)) for low, high in bounds]
    return "Tokens" if is_tokens else "Characters", counts


def plots(facts: CardFacts) -> str:
    """The section; empty where nothing can be plotted."""
    parts = []
    if facts.votes:
        said = "Share of the valid solutions of a problem that agree on its expected answer, by released problem:"
        parts.append(f"{said}\n\n{bars(facts.votes)}")
    if facts.lengths:
        parts.append(f"{facts.length_unit} of the released solutions, by row:\n\n{bars(facts.lengths)}")
    return "## Votes and lengths\n\n" + "\n\n".join(parts) if parts else ""


def bars(counts: Bars) -> str:
    """A line for each count: label, count, bar. What is not zero has a bar."""
    most = max(count for _, count in counts)
    wide = max(len(f"{count:,}") for _, count in counts)
    lines = [f"{label}  {count:>{wide},}  {_bar(count, most)}".rstrip() for label, count in counts]
    return "```text\n" + "\n".join(lines) + "\n```"


def _bar(count: int, most: int) -> str:
    return "\u2588" * max(round(WIDTH * count / most), 1) if count else ""
