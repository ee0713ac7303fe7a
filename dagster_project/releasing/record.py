"""What was released from here: ``<store>/releases/<recipe>/<profile>.json``, a list that only grows.

It says which versions of the store a release was made from, so that `mathloom clean` keeps them and the next release
compares with a folder that is there instead of a download. A repository needs no record to be understood.
"""

from __future__ import annotations

import contextlib
import fcntl
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from resources.errors import StoreError
from resources.store.layout import read_json, store_errors, write_json

FORMAT = 1


@dataclass(frozen=True, slots=True)
class Recorded:
    """One release, or one pull request that asks for it."""

    repository: str
    number: str
    commit: str
    parent: str
    """The head that it was committed on; empty for the first."""
    digest: str
    card: str
    """Hash of the card as it was built."""
    version: str
    """Of the stage that wrote the folder; empty for a revert to a release that was made elsewhere."""
    state: str
    """released, tagged or pull request."""
    url: str = ""
    versions: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Stage -> [kind, version] of everything that it was made from."""
    at: str = ""
    """When, in UTC."""


class Records:
    """The releases of one recipe under one profile."""

    def __init__(self, root: Path, recipe: str, profile: str) -> None:
        self.file = root / "releases" / recipe / f"{profile}.json"

    def read(self) -> list[Recorded]:
        """Oldest first. Raises StoreError if the file is of another format."""
        found: Any = read_json(self.file)
        if found is None:
            return []
        said = found.get("format") if isinstance(found, Mapping) else None
        if said != FORMAT:
            raise self._unreadable(f"the record of releases has format {said!r}; this mathloom reads {FORMAT}")
        try:
            return [Recorded(**release) for release in found["releases"]]
        except (KeyError, TypeError) as error:
            raise self._unreadable(f"the record of releases cannot be read ({error})") from error

    def add(self, release: Recorded) -> None:
        """Append one; nothing happens if it is there already. Of two processes one waits for the other."""
        with self._lock():
            known = self.read()
            if any(_same(known_release, release) for known_release in known):
                return
            stamped = {**asdict(release), "at": release.at or datetime.now(UTC).isoformat(timespec="seconds")}
            write_json(self.file, {"format": FORMAT, "releases": [*(asdict(r) for r in known), stamped]})

    def of(self, repository: str) -> list[Recorded]:
        """Releases into one repository, oldest first."""
        return [release for release in self.read() if release.repository == repository]

    def _unreadable(self, what: str) -> StoreError:
        fix = "Install the mathloom that wrote it, or move the file away"
        return StoreError(what, where=str(self.file), fix=fix)

    @contextlib.contextmanager
    def _lock(self) -> Iterator[None]:
        path = self.file.with_name(f"{self.file.stem}.lock")
        with store_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            handle = path.open("a")
        with handle:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield


def _same(one: Recorded, other: Recorded) -> bool:
    return (one.repository, one.commit, one.state) == (other.repository, other.commit, other.state)
