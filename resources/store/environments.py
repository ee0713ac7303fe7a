"""Environments: for one recipe under one profile, which version each stage has now. One file, replaced atomically.

Also the lock that keeps it to one build at a time. ``fcntl`` locks vanish with their process, so a kill leaves none.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from resources.errors import BusyError
from resources.store.layout import FORMAT, read_json, store_errors, write_json


@dataclass(frozen=True, slots=True)
class Entry:
    """What one stage has now."""

    kind: str
    version: str
    fingerprint: str


@dataclass(slots=True)
class Environment:
    """The current versions of one recipe under one profile."""

    file: Path
    recipe: str
    profile: str
    stages: dict[str, Entry] = field(default_factory=dict)

    @classmethod
    def load(cls, root: Path, recipe: str, profile: str) -> Environment:
        """Read it; an environment that was never built is empty."""
        file = root / "envs" / recipe / f"{profile}.json"
        found = read_json(file) or {"stages": {}}
        stages: Mapping[str, dict[str, str]] = found["stages"]
        return cls(file, recipe, profile, {name: Entry(**entry) for name, entry in stages.items()})

    def promote(self, stage: str, entry: Entry) -> None:
        """Let ``stage`` have ``entry`` from now on. Durable when this returns; no write if nothing changes."""
        if self.stages.get(stage) != entry:
            self._save({**self.stages, stage: entry})

    def forget(self, known: set[str]) -> None:
        """Drop stages that the recipe no longer has."""
        if not known.issuperset(self.stages):
            self._save({name: entry for name, entry in self.stages.items() if name in known})

    def _save(self, stages: dict[str, Entry]) -> None:
        """Write first: after a full disk this process must not believe what the file does not say."""
        write_json(
            self.file,
            {
                "format": FORMAT,
                "recipe": self.recipe,
                "profile": self.profile,
                "stages": {name: asdict(entry) for name, entry in stages.items()},
            },
        )
        self.stages = stages

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the environment for one build. Raises BusyError at once if another process holds it."""
        path = self.file.with_suffix(".lock")
        with store_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            handle = path.open("a+", encoding="utf-8")
        with handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                handle.seek(0)
                holder = handle.read().strip() or "unknown"
                raise BusyError(
                    f"another build of this recipe and profile is running (process {holder})",
                    where=f"{self.recipe} ({self.profile})",
                    fix="Wait for it, or stop it; then run the same command again",
                    retryable=True,
                ) from error
            handle.truncate(0)
            handle.write(str(os.getpid()))
            handle.flush()
            yield
