"""What a server says, made fit for an error: without the key, printable, on one line, short."""

from __future__ import annotations

import json
from urllib.parse import quote

MOST = 300
"""Characters of a server's words that an error shows."""


class Words:
    """Cleans texts from a server. Knows the key only to take it out: a server may echo it."""

    def __init__(self, key: str | None) -> None:
        forms = {key, json.dumps(key)[1:-1], quote(key, safe="")} if key else set()
        self._forms = sorted(forms, key=len, reverse=True)

    def clean(self, text: object, most: int = MOST) -> str:
        """``text`` without the key and without what a terminal would act on. First the key: a cut could split it."""
        shown = str(text)
        for form in self._forms:
            shown = shown.replace(form, "***")
        shown = " ".join("".join(char if char.isprintable() else " " for char in shown).split())
        return shown if len(shown) <= most else shown[: most - 3] + "..."
