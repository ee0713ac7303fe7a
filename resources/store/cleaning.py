"""Removing versions that no environment and no release names. Completions are never touched: they were paid for."""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from resources.store.environments import Entry
from resources.store.layout import folder_of_kind, read_json, store_errors
from resources.store.versions import Store

STAGING_AGE_S = 24 * 3600
"""A staging folder older than a day belongs to a killed build."""


@dataclass(frozen=True, slots=True)
class Cleaned:
    """What was (or, in a dry run, would be) removed."""

    versions: int
    fingerprints: int
    staging: int
    bytes: int


def clean(store: Store, *, releases: int | None = None, is_dry_run: bool = False) -> Cleaned:
    """Remove versions that nothing names, their fingerprints, and stale staging folders.

    Args:
        store: Whose environments and records of releases name versions.
        releases: Releases of each recipe and profile, newest first, whose versions stay; None: all of them.
        is_dry_run: Only count.
    """
    named = _named(store.root) | _released(store.root, releases)
    doomed = [
        folder
        for kind in sorted((store.root / "versions").glob("*"))
        for folder in sorted(kind.glob("*"))
        if (kind.name, folder.name) not in named
    ]
    gone = {(folder.parent.name, folder.name) for folder in doomed}
    marks = [mark for mark in (store.root / "fingerprints").glob("*.json") if _target(mark) in gone]
    limit = time.time() - STAGING_AGE_S
    staging = [folder for folder in (store.root / "staging").glob("*") if folder.stat().st_mtime < limit]
    size = sum(_size(folder) for folder in (*doomed, *staging))
    if not is_dry_run:
        with store_errors(store.root):
            for mark in marks:  # first the name, then the thing: a kill in between leaves no dangling name
                mark.unlink(missing_ok=True)
            for folder in (*doomed, *staging):
                shutil.rmtree(folder)
    return Cleaned(len(doomed), len(marks), len(staging), size)


def _named(root: Path) -> set[tuple[str, str]]:
    named = set()
    for file in (root / "envs").glob("*/*.json"):
        for raw in read_json(file)["stages"].values():
            entry = Entry(**raw)
            named.add((folder_of_kind(entry.kind), entry.version[:40]))
    return named


def _released(root: Path, newest: int | None) -> set[tuple[str, str]]:
    """What releases were made from, as ``releases/<recipe>/<profile>.json`` records it."""
    named = set()
    for file in (root / "releases").glob("*/*.json"):
        if file.is_dir():  # the link of a profile that is named like this
            continue
        releases = read_json(file)["releases"]
        kept = releases if newest is None else releases[len(releases) - min(newest, len(releases)) :]
        named |= {
            (folder_of_kind(kind), version[:40]) for release in kept for kind, version in release["versions"].values()
        }
    return named


def _target(mark: Path) -> tuple[str, str]:
    record = read_json(mark)
    return folder_of_kind(record["kind"]), record["version"][:40]


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
