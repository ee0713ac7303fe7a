"""What the sources of a recipe hold now, beside what the environment was built from. Cheap where nothing moved.

A local file is read only if its size or time of change differs from the last look, and only when it is quiet: not
changed for some seconds, or as it was at the last look. Reading goes on aside where it takes long. Of a Hub dataset one
question is asked: which commit its branch names.
"""

from __future__ import annotations

import time
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from dagster_project.automation.patience import Aside, TooLongError, within
from dagster_project.language.lock import read_lock
from dagster_project.language.resolved import Recipe
from dagster_project.running.workspace import Workspace
from resources.errors import MathloomError
from resources.hub.reading import resolve_commit
from resources.sources.source import Pinned, SourceSpec, pin

QUIET_S = 10.0
"""A file that changed within these seconds may still be written."""
HUB_S = 15.0
"""Seconds for one answer of the Hub."""
READ_S = 10.0
"""Seconds that one look waits for one file."""
TICK_S = 30.0
"""Seconds for all sources of one look; those that are left wait for the next one."""

_READING: Aside[Pinned] = Aside()

File = tuple[int, int, str, int | None]
"""Size, time of change in ns, SHA-256, rows."""
Stat = tuple[int, int]


@dataclass(slots=True)
class Memory:
    """What one look leaves for the next. JSON: the cursor of a sensor."""

    files: dict[str, File] = field(default_factory=dict)
    """Source -> its file as it was read."""
    seen: dict[str, Stat] = field(default_factory=dict)
    """Source -> size and time of a file that was not yet quiet."""
    asked: str = ""
    """Hash of the content that a run was asked for last."""
    count: int = 0
    """How many runs were asked for: content that comes back is asked for again."""


@dataclass(slots=True)
class Look:
    """What one look found. ``said``: a word on each source."""

    pins: dict[str, Pinned] = field(default_factory=dict)
    """What the sources hold now, of those that could be seen."""
    moved: dict[str, Pinned] = field(default_factory=dict)
    """Those that hold other content than the environment was built from."""
    to_lock: dict[str, Pinned] = field(default_factory=dict)
    """Those that recipe.lock says otherwise."""
    said: dict[str, str] = field(default_factory=dict)


class _Wait(Exception):
    """A source that cannot be judged at this look; the reason."""


def look(recipe: Recipe, store: Path, memory: Memory, now: float | None = None) -> Look:
    """Look at every source that a stage reads. Changes ``memory``; writes nothing.

    Args:
        recipe: As its files say it now.
        store: Where builds live.
        memory: Of the last look.
        now: Seconds since 1970 (tests).

    Raises:
        MathloomError: The store or recipe.lock cannot be read.
    """
    clock = time.time() if now is None else now
    deadline = time.monotonic() + TICK_S
    workspace = Workspace(recipe, store)
    built = built_from(workspace)
    locked = read_lock(recipe, store)
    found = Look()
    for name in dict.fromkeys(stage.source for stage in recipe.stages.values() if stage.source):
        spec = workspace.source_spec(name)
        try:
            if name not in built:
                raise _Wait("not built yet")
            pinned = _now(spec, locked.get(name, {}), memory, clock, deadline - time.monotonic())
        except _Wait as reason:
            found.said[name] = str(reason)
            continue
        except MathloomError as error:
            found.said[name] = str(error)
            continue
        found.pins[name] = pinned
        _judge(found, spec, pinned, built[name], locked.get(name))
    return found


def built_from(workspace: Workspace) -> dict[str, Mapping[str, Any]]:
    """Source -> what identified it when the version that the environment has was built."""
    found: dict[str, Mapping[str, Any]] = {}
    for stage in workspace.recipe.stages.values():
        entry = workspace.environment.stages.get(stage.name)
        known = workspace.store.find(entry.fingerprint) if entry and stage.source else None
        if known is not None and stage.source:
            found[stage.source] = known[1].parts.get("source", {})
    return found


def _judge(
    found: Look, spec: SourceSpec, pinned: Pinned, built: Mapping[str, Any], lock: Mapping[str, Any] | None
) -> None:
    name = spec.name
    word = "revision" if spec.hub else "sha256"
    content = getattr(pinned, word)
    if built.get(word) == content:
        found.said[name] = "unchanged"
    else:
        found.moved[name] = pinned
        found.said[name] = f"changed ({str(built.get(word) or 'nothing')[:12]} -> {str(content)[:12]})"
    is_locked = lock is not None and lock.get(word) is not None
    if (is_locked or spec.track) and (lock or {}).get(word) != content:
        found.to_lock[name] = pinned


def _now(spec: SourceSpec, lock: Mapping[str, Any], memory: Memory, clock: float, left: float) -> Pinned:
    if left <= 0:
        raise _Wait("not looked at: the others took too long")
    if spec.hub:
        return _hub_now(spec, lock, left)
    return _file_now(spec, memory, clock, left)


def _hub_now(spec: SourceSpec, lock: Mapping[str, Any], left: float) -> Pinned:
    if spec.track is None:
        return Pinned(spec.name, spec.revision, None)
    repository, branch = str(spec.hub), spec.track
    try:
        commit = within(min(HUB_S, left), lambda: resolve_commit(repository, branch))
        if commit == lock.get("revision"):
            return Pinned(spec.name, commit, lock.get("sha256"), lock.get("rows"))
    except TooLongError:
        raise _Wait(f"the Hub does not answer within {HUB_S:g} s") from None
    at_commit = replace(spec, revision=commit, track=None)
    return _read((repository, branch), commit, at_commit, left - HUB_S)


def _file_now(spec: SourceSpec, memory: Memory, clock: float, left: float) -> Pinned:
    name, path = spec.name, spec.file
    if path is None:
        raise _Wait("names no file")
    stat = _stat(path)
    known = memory.files.get(name)
    if known is not None and known[:2] == stat:
        memory.seen.pop(name, None)
        return Pinned(name, None, known[2], known[3])
    is_quiet = stat[1] / 1e9 + QUIET_S <= clock or memory.seen.get(name) == stat
    memory.seen[name] = stat
    if not is_quiet:
        raise _Wait("has just changed and may still be written: the next look decides")
    pinned = _read(str(path), stat, spec, left)
    if _stat(path) != stat:
        raise _Wait("has just changed and may still be written: the next look decides")
    memory.files[name] = (*stat, str(pinned.sha256), pinned.rows)
    del memory.seen[name]
    return pinned


def _read(name: Hashable, state: Hashable, spec: SourceSpec, left: float) -> Pinned:
    try:
        return _READING.ask(name, state, lambda: pin(spec), min(READ_S, left))
    except TooLongError:
        raise _Wait("is large and still being read: the next look decides") from None


def _stat(path: Path) -> Stat:
    try:
        found = path.stat()
    except OSError as error:
        raise _Wait(f"cannot be read: {error.strerror or error}") from error
    return found.st_size, found.st_mtime_ns
