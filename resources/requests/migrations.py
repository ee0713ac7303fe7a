"""The format of the request store: made on first use, migrated when it is older, refused when it is newer.

Every seal says its own format, so a folder copied in from an older store is migrated too. A seal is migrated by one
replacement of its ``seal.json``; the store's own mark comes last. A kill between leaves both formats side by side, and
the next one to open the store goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

from resources.errors import StoreError
from resources.requests.locks import exclusive
from resources.requests.reading import batches
from resources.requests.segments import (
    FAILURES_FILE,
    FORMAT,
    SEAL_FILE,
    Folders,
    read_facts,
    seal_folders,
)
from resources.requests.usage import added, as_facts, counted_completions, counted_failures
from resources.store.layout import read_json, write_json

Facts: TypeAlias = dict[str, Any]

_COUNTED = ("text", "reasoning", "prompt_tokens", "completion_tokens", "engine", "weights", "stored_at_ns")


def _count_usage(folder: Path, facts: Facts) -> Facts:
    """1 to 2: figures by weights and engine, counted from the tables."""
    usage = []
    for part in facts["parts"]:
        for table in batches(folder / part["name"], _COUNTED):
            usage = added([*usage, *counted_completions(table)])
    if facts["failures"]:
        for table in batches(folder / FAILURES_FILE, ("engine", "weights")):
            usage = added([*usage, *counted_failures(table)])
    return facts | {"usage": as_facts(usage)}


MIGRATIONS: Mapping[int, Callable[[Path, Facts], Facts]] = {1: _count_usage}
"""Format -> a function of a seal's folder and facts in that format that returns the facts in the next one. What it
changes in the folder must bear being done twice."""


def prepare(folders: Folders) -> None:
    """Make the store on first use, bring an older one to this format, refuse a newer one.

    Raises:
        StoreError: A newer format, a damaged file, no permission, a full disk.
    """
    if _format_of(folders) == FORMAT and not _older(folders):
        return
    with exclusive(folders.lock):
        found = _format_of(folders)
        for folder, facts in _older(folders):
            write_json(folder / SEAL_FILE, _migrated(folder, facts))
        if found != FORMAT:
            write_json(folders.format, {"format": FORMAT})


def _older(folders: Folders) -> list[tuple[Path, Facts]]:
    """Seals of older formats."""
    found = [(folder, facts) for folder in seal_folders(folders) if (facts := read_facts(folder)) is not None]
    return [(folder, facts) for folder, facts in found if facts.get("format") in MIGRATIONS]


def _migrated(folder: Path, facts: Facts) -> Facts:
    while (found := facts["format"]) != FORMAT:
        facts = MIGRATIONS[found](folder, facts) | {"format": found + 1}
    return facts


def _format_of(folders: Folders) -> int | None:
    value = read_json(folders.format)
    if value is None:
        return None
    found = value.get("format") if isinstance(value, dict) else None
    if not isinstance(found, int) or (found != FORMAT and found not in MIGRATIONS):
        raise StoreError(
            f"the request store has format {found!r}; this mathloom reads {FORMAT}",
            where=str(folders.format),
            fix="Install the mathloom that wrote it, or set another [project] store in mathloom.toml",
        )
    return found
