"""Regions of a card: text between two HTML comments, which a release fills or keeps and readers do not see.

A marker counts as a line of its own. Text that is not ours never gets a marker into a card: see :func:`unmarked`.
"""

from __future__ import annotations

import re

from resources.errors import ReleaseError

OWN_WORDS = "own words"
"""What the author writes into the published card; it stays from release to release."""

CHANGELOG = "changelog"
"""What publishing fills: number, newest changes."""

_ANY = re.compile(rf"<!--(?=\s*(?:{OWN_WORDS}|{CHANGELOG})\s*:)")


def region(name: str, text: str = "") -> str:
    """``text`` between the markers of the region ``name``."""
    inner = f"{text.strip()}\n" if text.strip() else ""
    return f"<!-- {name}: begin -->\n{inner}<!-- {name}: end -->"


def unmarked(text: str) -> str:
    """``text`` with every marker in it made plain text."""
    return _ANY.sub("&lt;!--", text)


def find_region(card: str, name: str, where: str) -> tuple[int, int] | None:
    """Where the text of a region begins and ends in ``card`` (lines end with a line feed); None if there is none.

    Raises:
        ReleaseError: A marker stands alone, twice, or in the wrong order: nobody can tell what is meant.
    """
    begins = list(_marker(name, "begin").finditer(card))
    ends = list(_marker(name, "end").finditer(card))
    if not begins and not ends:
        return None
    if len(begins) != 1 or len(ends) != 1 or ends[0].start() < begins[0].end():
        raise ReleaseError(
            f"the markers of the region {name!r} are {len(begins)} times `begin` and {len(ends)} times `end`, and not "
            "one pair",
            where=where,
            fix=f"Leave one line `<!-- {name}: begin -->` and after it one line `<!-- {name}: end -->`",
        )
    return begins[0].end(), ends[0].start()


def read_region(card: str, name: str, where: str) -> str | None:
    """The text of a region without outer blank lines; None if the card has no such region. Errors as above."""
    place = find_region(card, name, where)
    return card[slice(*place)].strip() if place else None


def _marker(name: str, which: str) -> re.Pattern[str]:
    return re.compile(rf"^<!-- {re.escape(name)}: {which} -->[ \t]*(?:\n|\Z)", re.MULTILINE)
