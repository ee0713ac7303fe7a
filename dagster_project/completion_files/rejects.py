"""Rows that are left out of an import: counted by reason, a few kept as examples, all of them written on demand."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from resources.errors import FileError

EXAMPLES = 3
"""Examples kept of each sort: enough to see the cause."""


@dataclass(slots=True)
class Rejects:
    """What was left out. ``sorts``: bad (no completion), unmatched (no request for it), repeated (stands above)."""

    counts: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[str]] = field(default_factory=dict)
    _file: IO[str] | None = None

    def add(self, sort: str, path: Path, line: int, reason: str) -> None:
        """Note one row."""
        self.counts[sort] += 1
        shown = self.examples.setdefault(sort, [])
        if len(shown) < EXAMPLES:
            shown.append(f"{path}:{line}: {reason}")
        if self._file is not None:
            row: dict[str, Any] = {"file": str(path), "line": line, "sort": sort, "reason": reason}
            self._file.write(json.dumps(row) + "\n")


@contextmanager
def collecting(path: Path | None) -> Iterator[Rejects]:
    """Rejects that are also written to ``path`` (JSON Lines), if there is one.

    Raises:
        FileError: The file cannot be written.
    """
    if path is None:
        yield Rejects()
        return
    try:
        file = path.open("w", encoding="utf-8")
    except OSError as error:
        raise FileError(
            f"the rejects cannot be written: {error.strerror or error}", where=str(path), fix="Name another --rejects"
        ) from error
    with file:
        yield Rejects(_file=file)
