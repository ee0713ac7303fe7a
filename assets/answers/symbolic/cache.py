"""The verdict cache: what the symbolic step found out stays known, across builds and processes.

One SQLite file in WAL mode: several processes may use it at once, and a kill at any moment loses at most verdicts of
the last moment. It is a cache and nothing else: where it cannot be read or written the step goes on without it, and a
broken file is set aside. A row is a hash and three small numbers, about 40 bytes; no text of an answer is in it.
"""

from __future__ import annotations

import contextlib
import functools
import importlib.metadata
import logging
import os
import sqlite3
import threading
import time
import uuid
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from assets.answers.policy import Policy
from resources.errors import StoreError
from resources.identity import canonical_json, digest128
from resources.requests.locks import exclusive

Relation = Literal["equal", "different", "unknown"]

VERSION = 2
"""Version of the rules of the step. Raise it whenever the same pair would get another verdict."""
MAX_ROWS = 2_000_000
"""Verdicts that are kept, about 80 MB; beyond, those that were not asked for the longest time go."""

_ENGINES = ("sympy", "mpmath", "math-verify", "latex2sympy2_extended")
_RELATIONS: tuple[Relation, ...] = ("equal", "different", "unknown")
_BUSY_S = 2.0
"""Longest wait for another process that writes."""
_DAY_S = 86_400
_CHECK_EVERY = 10_000
"""Verdicts written between two looks at the number of rows."""
_KEPT_SHARE = 0.8
_SCHEMA = """
create table if not exists verdicts (
    pair blob primary key, relation integer not null, limit_ms integer not null, day integer not null
) without rowid
"""
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Found:
    """A verdict of the cache."""

    relation: Relation
    limit_ms: int
    """Time that an unfinished comparison had; 0 when it came to an end, with whatever verdict."""

    def settles(self, limit_ms: int) -> bool:
        """Whether it need not be asked again with this much time."""
        return self.limit_ms == 0 or self.limit_ms >= limit_ms


class VerdictCache:
    """Verdicts on pairs of answers, in a file or only in memory. Threads may share it; a forked child opens its own."""

    def __init__(self, path: Path | None = None, *, max_rows: int = MAX_ROWS) -> None:
        """Open nothing yet.

        Args:
            path: The file; its folder is made. None: in memory, gone with the object.
            max_rows: Verdicts that are kept.
        """
        self.path = path
        self._max_rows = max_rows
        self._lock = threading.RLock()
        self._connection: sqlite3.Connection | None = None
        self._owner = 0
        self._is_off = False
        self._written = 0

    def get(self, pair: bytes) -> Found | None:
        """The verdict on a pair, if there is one. Never raises: what cannot be read is not there."""
        row = self._run("select relation, limit_ms, day from verdicts where pair = ?", (pair,))
        if row is None or not 0 <= row[0] < len(_RELATIONS):
            return None
        if row[2] < _today():
            self._run("update verdicts set day = ? where pair = ?", (_today(), pair))
        return Found(_RELATIONS[row[0]], row[1])

    def put(self, pair: bytes, found: Found) -> None:
        """Keep a verdict. An unfinished one never replaces one that came to an end, or had more time."""
        self._run(
            "insert into verdicts values (?, ?, ?, ?) on conflict (pair) do update set relation = excluded.relation, "
            "limit_ms = excluded.limit_ms, day = excluded.day "
            "where verdicts.limit_ms > 0 and (excluded.limit_ms = 0 or excluded.limit_ms > verdicts.limit_ms)",
            (pair, _RELATIONS.index(found.relation), found.limit_ms, _today()),
        )
        self._written += 1
        if self._written % _CHECK_EVERY == 0:
            self.trim()

    def trim(self) -> None:
        """Drop what was not asked for the longest time, if there are too many verdicts."""
        row = self._run("select count(*) from verdicts")
        if row is None or row[0] <= self._max_rows:
            return
        self._run(
            "delete from verdicts where pair in (select pair from verdicts order by day, pair limit ?)",
            (row[0] - int(_KEPT_SHARE * self._max_rows),),
        )

    def close(self) -> None:
        """Close the file. Idempotent; a later use opens it again."""
        with self._lock:
            if self._connection is not None and self._owner == os.getpid():
                if self._written:
                    self.trim()
                with contextlib.suppress(sqlite3.Error):
                    self._connection.close()
            self._connection = None

    def _run(self, statement: str, values: tuple[object, ...] = ()) -> tuple[int, ...] | None:
        """The first row of a statement; None without one, and where the cache is of no use."""
        with self._lock:
            for _ in range(2):
                try:
                    connection = self._open()
                    return None if connection is None else connection.execute(statement, values).fetchone()
                except sqlite3.OperationalError as error:
                    if self._is_passing(error):
                        return None
                    self._set_aside(error)
                except sqlite3.DatabaseError as error:
                    self._set_aside(error)
            self._switch_off("it breaks again and again")
        return None

    def _is_passing(self, error: sqlite3.OperationalError) -> bool:
        """Whether an error says nothing about the file: someone else writes, or the disk is full or not writable."""
        name = str(getattr(error, "sqlite_errorname", ""))
        if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
            return True
        if name.startswith(("SQLITE_FULL", "SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_IOERR", "SQLITE_PERM")):
            self._switch_off(str(error))
            return True
        return False

    def _switch_off(self, reason: str) -> None:
        if not self._is_off:
            _LOG.warning("%s: verdicts are not kept, because %s", self.path, reason)
        self._is_off = True

    def _open(self) -> sqlite3.Connection | None:
        if self._is_off:
            return None
        if self._connection is None or self._owner != os.getpid():
            if self.path is not None:
                try:
                    self.path.parent.mkdir(parents=True, exist_ok=True)
                except OSError as error:
                    self._switch_off(str(error.strerror))
                    return None
            self._connection, self._owner = self._connect(), os.getpid()
        return self._connection

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            ":memory:" if self.path is None else self.path,
            timeout=_BUSY_S,
            isolation_level=None,
            check_same_thread=False,
        )
        try:
            # NORMAL: a power cut may lose the last verdicts, and never breaks the file.
            for statement in ("pragma journal_mode = wal", "pragma synchronous = normal", _SCHEMA):
                connection.execute(statement).fetchone()
            connection.execute("select pair, relation, limit_ms, day from verdicts limit 1").fetchone()
        except BaseException:
            connection.close()
            raise
        return connection

    def _set_aside(self, error: sqlite3.DatabaseError) -> None:
        """Move a broken file out of the way, once for all processes that find it broken."""
        if self._connection is not None:
            with contextlib.suppress(sqlite3.Error):
                self._connection.close()
        self._connection = None
        if self.path is None:
            return
        try:
            self._replace_file(self.path, error)
        except (StoreError, OSError) as refused:  # a folder that nobody may write to
            self._switch_off(f"it is broken ({error}) and cannot be moved away ({refused})")

    def _replace_file(self, path: Path, error: sqlite3.DatabaseError) -> None:
        with exclusive(path.with_name(path.name + ".lock")):
            with contextlib.suppress(sqlite3.DatabaseError):
                self._connect().close()
                return  # another process has put a good one there
            aside = path.with_name(f"{path.name}.broken-{uuid.uuid4().hex[:8]}")
            _LOG.warning("%s is broken (%s): moved to %s, verdicts are collected anew", self.path, error, aside.name)
            for suffix in ("-wal", "-shm"):
                path.with_name(path.name + suffix).unlink(missing_ok=True)
            with contextlib.suppress(FileNotFoundError):
                path.rename(aside)


def pair_id(a: str, b: str, policy: Policy) -> bytes:
    """What a pair is kept under, 16 bytes: versions of all engines, the policy, the two texts in any order."""
    return digest128("verdict", engine_version(), canonical_json(asdict(policy)), *sorted((a, b)))


@functools.cache
def engine_version() -> str:
    """Versions of the step and of what it computes with. Reads package metadata, imports nothing."""
    versions = []
    for name in _ENGINES:
        try:
            versions.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            versions.append(f"{name} none")
    return f"{VERSION}; " + "; ".join(versions)


def _today() -> int:
    """Days since 1970: the cache needs no finer clock to know what is old."""
    return int(time.time() // _DAY_S)
