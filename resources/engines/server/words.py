"""What a server says, made fit for an error: without the key, printable, on one line, short."""

from __future__ import annotations

import re

MOST = 300
"""Characters of a server's words that an error shows."""


class Words:
    """Cleans texts from a server. Knows the key only to take it out: a server may echo it."""

    def __init__(self, key: str | None) -> None:
        self._key = re.compile("".join(map(_any_form, key))) if key else None

    def clean(self, text: object, most: int = MOST) -> str:
        """``text`` without the key and without what a terminal would act on. First the key: a cut could split it."""
        shown = str(text)
        if self._key:
            shown = self._key.sub("***", shown)
        shown = " ".join("".join(char if char.isprintable() else " " for char in shown).split())
        return shown if len(shown) <= most else shown[: most - 3] + "..."


def _any_form(char: str) -> str:
    """Matches ``char`` as it is, and as JSON, an address or a page would write it."""
    if char.isalnum():
        return char
    code = ord(char)
    return rf"(?:\\*{re.escape(char)}|%(?i:{code:02x})|\\+u(?i:{code:04x})|&(?:\w+|#\d+|#x\w+);)"
