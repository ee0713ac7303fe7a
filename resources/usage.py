"""The usage log: what every build asked of every model, and what it cost. One line of JSON a slice of work.

A stage appends a line each half minute while its engine runs and one at its end, so a kill loses half a minute of
accounting and nothing else. Limits for a day and the history of a plan (tokens a request, tokens a second) are sums
over these lines. Nothing here is identity: a lost log costs estimates, never rows.
Memory: one line at a time.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, BinaryIO

from resources.store.layout import store_errors

FILE = "usage.jsonl"
APPEND_S = 30.0
"""Seconds between two lines of a stage that works on: what a kill loses of the accounts."""
_BLOCK_BYTES = 1 << 16
_DISORDER_S = 600.0
"""More than any writer waits for the lock."""


@dataclass(frozen=True, slots=True)
class Usage:
    """One slice of work of one stage. Counts and seconds are those of the slice, not sums so far."""

    recipe: str
    profile: str
    stage: str
    role: str
    engine: str
    weights: str
    shape: str
    """Hash of prompts and sampling without samples: slices with the same shape ask the same thing of other rows."""
    run_id: str
    completions: int = 0
    failures: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    engine_seconds: float = 0.0
    """Wall seconds with the engine loaded, its start included."""
    gpu_hours: float = 0.0
    """Engine seconds times GPUs, in hours. 0 where no price by the GPU-hour and no devices are declared."""
    cost: float = 0.0
    currency: str = ""
    """Empty: the role has no price, and ``cost`` says nothing."""
    at: float = 0.0
    """End of the slice, in seconds since 1970; set by :meth:`UsageLog.append`."""


_NAMES = frozenset(field.name for field in fields(Usage))


class UsageLog:
    """The log of one store. Several processes may append at once."""

    def __init__(self, root: Path) -> None:
        self.path = root / FILE

    def append(self, usage: Usage) -> None:
        """Add one line, under a lock. Raises StoreError if the disk refuses."""
        line = json.dumps({**asdict(usage), "at": usage.at or time.time()}, ensure_ascii=True) + "\n"
        with store_errors(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX)
                size = os.fstat(descriptor).st_size
                if size and os.pread(descriptor, 1, size - 1) != b"\n":
                    line = "\n" + line  # a writer was killed in its line: end it, so that only that one is lost
                data = line.encode("ascii")
                while data:  # a disk with little room takes a part of it, and refuses only the next write
                    data = data[os.write(descriptor, data) :]
            finally:
                os.close(descriptor)

    def read(self, *, since: float = 0.0) -> Iterator[Usage]:
        """The slices that ended at or after ``since``, oldest first. Lines that are torn or foreign are left out."""
        try:
            handle = self.path.open("rb")
        except FileNotFoundError:
            return
        with handle:
            handle.seek(_start(handle, since) if since else 0)
            for line in handle:
                usage = _parse(line)
                if usage is not None and usage.at >= since:
                    yield usage


def _start(handle: BinaryIO, since: float) -> int:
    """Where a line begins before which all lines are older than ``since``: a log of years is not read for its last day.

    Lines are appended in the order of their time but for the moments in which writers wait for each other.
    """
    at = handle.seek(0, os.SEEK_END)
    while at > 0:
        at = max(at - _BLOCK_BYTES, 0)
        handle.seek(at)
        if at:
            handle.readline()  # the rest of a line that begins before
        start = handle.tell()
        usage = _parse(handle.readline())
        if usage is not None and usage.at < since - _DISORDER_S:
            return start
    return 0


def _parse(line: bytes) -> Usage | None:
    try:
        found: Any = json.loads(line)
        usage = Usage(**{name: found[name] for name in _NAMES & found.keys()})
    except (ValueError, TypeError, AttributeError):
        return None
    counts = [getattr(usage, f.name) for f in fields(Usage) if f.type in ("int", "float")]
    is_counted = all(isinstance(count, (int, float)) for count in counts)
    return usage if is_counted else None
