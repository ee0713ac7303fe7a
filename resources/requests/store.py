"""The request store: ask what is known, record what is new, seal, and show it all to DuckDB.

Several processes may use one store at once. Each sees what was sealed when it opened (or last refreshed) and what it
recorded itself. Memory: 16 bytes a stored completion; texts are never loaded.
Order of a build: ``open``, ``known`` and ``failed_attempts`` to plan, ``record`` while the engine answers, ``seal``,
then ``create_views`` to read.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import duckdb
import numpy as np

from resources.errors import StoreError
from resources.requests import views
from resources.requests.index import KeyRun, Keys, KeySet, Mask, as_keys, no_keys, repeated, words_of
from resources.requests.journal import SUFFIX, Journal
from resources.requests.locks import exclusive
from resources.requests.records import Completion, Record, encode
from resources.requests.sealing import FreeJournals, has_work, seal_journals, tidy
from resources.requests.segments import Folders, Seal, list_seals, prepare

PERMANENT = 2**31 - 1
"""Attempts of a request that failed for good: above every ``max_attempts``."""

ROTATE_BYTES = 256 << 20
"""Size at which a process starts its next journal: about one segment when sealed (text shrinks to half or less)."""


@dataclass(frozen=True, slots=True)
class Stats:
    """Figures of a store. Bytes and tokens are those of sealed completions."""

    completions: int
    failures: int
    prompt_tokens: int
    completion_tokens: int
    seals: int
    segments: int
    bytes: int
    journals: int
    journal_bytes: int


class RequestStore:
    """Every completion that was ever paid for. Threads may share one; use it as a context manager."""

    def __init__(self, root: Path) -> None:
        """``root``: the project's store; what lives here is in ``<root>/requests``."""
        self.folders = Folders(root / "requests")
        self._lock = threading.RLock()
        self._is_open = False
        self._journal: Journal | None = None
        self._forget()
        self._own = KeySet()
        self._own_failures: dict[bytes, int] = {}

    def open(self) -> Self:
        """Make or check the store, seal the journals of dead processes, load the keys. Idempotent.

        Raises:
            StoreError: No permission, a full disk, or a format that a newer mathloom wrote.
        """
        with self._lock:
            if not self._is_open:
                prepare(self.folders)
                self._is_open = True
                self.refresh()
                if has_work(self.folders):
                    self._seal_free()
        return self

    def close(self) -> None:
        """Put all records on the disk and free the journal; the next one to open the store seals it. Idempotent."""
        with self._lock:
            self._is_open = False
            journal, self._journal = self._journal, None
            if journal is not None:
                journal.close()

    def __enter__(self) -> Self:
        return self.open()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def known(self, keys: Any) -> Mask:
        """Which of ``keys`` have a completion: nothing of these is asked again.

        Args:
            keys: A sequence of 16-byte values, an (n, 16) array of bytes, or an Arrow column of UUIDs.
        """
        with self._lock:
            self._check_open()
            wanted = as_keys(keys)
            return self._sealed.contains(wanted) | self._own.contains(wanted)

    def failed_attempts(self, keys: Any) -> dict[bytes, int]:
        """Failed attempts over all builds of those of ``keys`` that have any; PERMANENT if one was permanent."""
        with self._lock:
            self._check_open()
            wanted = as_keys(keys)
            result: dict[bytes, int] = {}
            at = self._failed_run.positions(*words_of(wanted))
            for row in np.flatnonzero(at >= 0):
                result[wanted[row].tobytes()] = int(self._failed_counts[at[row]])
            if self._own_failures:
                for row in wanted:
                    if count := self._own_failures.get(key := row.tobytes()):
                        result[key] = min(result.get(key, 0) + count, PERMANENT)
            return result

    def record(self, record: Record) -> bool:
        """Store one result. It survives a kill of this process from here on, and a power cut after a second.

        Returns:
            False if the request has a completion already: the first answer stays.

        Raises:
            StoreError: The disk is full or broken; what was recorded before is safe.
        """
        return self.record_all((record,)) == 1

    def record_all(self, records: Iterable[Record]) -> int:
        """Store several results in one write: all of them or, on an error, none. Returns how many were new."""
        with self._lock:
            self._check_open()
            new: list[Record] = []
            seen: set[bytes] = set()
            for record in records:
                key = record.request_key
                if key in seen or self._own.has(key) or self._sealed.has(key):
                    continue
                if isinstance(record, Completion):
                    seen.add(key)
                new.append(record)
            if new:
                now = time.time_ns()
                self._append([encode(record, record.stored_at_ns or now) for record in new])
                for record in new:
                    self._remember(record)
            return len(new)

    def flush(self) -> None:
        """Force all records to the disk now. Raises StoreError if it refuses."""
        with self._lock:
            if self._journal is not None:
                self._journal.sync()

    def seal(self) -> list[str]:
        """Turn this process's journal, and those of dead ones, into segments. Returns the names of the new seals.

        Waits while another process seals. A kill at any moment loses nothing; a full disk leaves the journals whole.
        """
        with self._lock:
            self._check_open()
            journal, self._journal = self._journal, None
            if journal is not None:
                journal.close()
            names = self._seal_free() if has_work(self.folders) else []
            self.refresh()  # another process may have sealed an earlier journal of this one
            self._own.clear()
            self._own_failures.clear()
            return names

    def refresh(self) -> int:
        """See what other processes have sealed. Returns how many seals are new."""
        with self._lock:
            self._check_open()
            seals = list_seals(self.folders)
            names = {seal.name for seal in seals}
            if not self._seals.keys() <= names:  # a compaction took some away: start anew
                self._forget()
            new = [seal for seal in seals if seal.name not in self._seals]
            if new:
                self._load(new)
            return len(new)

    def paths(self) -> list[Path]:
        """The Parquet files that the views read, for sessions whose access to files is restricted."""
        with self._lock:
            found = [part for seal in self._seals.values() for part in seal.parts]
            return found + [seal.failures for seal in self._seals.values() if seal.failures is not None]

    def create_views(self, session: duckdb.DuckDBPyConnection) -> None:
        """Make the views ``completions`` and ``failures`` in ``session``, over what is sealed (see ``views``)."""
        with self._lock:
            self._check_open()
            seals = list(self._seals.values())
            views.create(session, seals, self._duplicates)

    def stats(self) -> Stats:
        """Figures from the seals' own records: reads no segment."""
        with self._lock:
            self._check_open()
            facts = [seal.facts for seal in self._seals.values()]
            journals = [path.stat().st_size for path in self.folders.journals.glob(f"*{SUFFIX}")]
        parts = [part for fact in facts for part in fact["parts"]]
        return Stats(
            completions=len(self._sealed) + len(self._own),
            failures=sum(fact["failures"] for fact in facts),
            prompt_tokens=sum(fact["prompt_tokens"] for fact in facts),
            completion_tokens=sum(fact["completion_tokens"] for fact in facts),
            seals=len(facts),
            segments=len(parts),
            bytes=sum(part["bytes"] for part in parts),
            journals=len(journals),
            journal_bytes=sum(journals),
        )

    def _check_open(self) -> None:
        if not self._is_open:
            raise StoreError(
                "the request store is not open",
                where=str(self.folders.root),
                fix="Use `with RequestStore(root) as store:` or call open() first",
            )

    def _append(self, payloads: list[bytes]) -> None:
        if self._journal is None:
            self._journal = Journal(self.folders.journals)
        self._journal.append(payloads)
        if self._journal.size >= ROTATE_BYTES:
            journal, self._journal = self._journal, None
            journal.close()

    def _remember(self, record: Record) -> None:
        key = record.request_key
        if isinstance(record, Completion):
            self._own.add(key)
        else:
            more = PERMANENT if record.is_permanent else 1
            self._own_failures[key] = min(self._own_failures.get(key, 0) + more, PERMANENT)

    def _seal_free(self) -> list[str]:
        names = []
        with exclusive(self.folders.lock):
            tidy(self.folders)
            self.refresh()
            while True:
                with FreeJournals(self.folders) as journals:
                    if not journals:
                        return names
                    name = seal_journals(journals, self.folders, self._sealed.contains)
                if name is not None:
                    names.append(name)
                    self.refresh()

    def _forget(self) -> None:
        self._seals: dict[str, Seal] = {}
        self._sealed = KeySet()
        self._duplicates: Keys = no_keys()
        self._failed_keys: list[Keys] = []
        self._failed_permanent: list[np.ndarray] = []
        self._failed_run = KeyRun.of(no_keys())
        self._failed_counts = np.zeros(0, np.int64)

    def _load(self, seals: list[Seal]) -> None:
        keys = np.concatenate([seal.keys() for seal in seals])
        run = KeyRun.of(keys)
        twice = [self._duplicates]
        if len(run) < len(keys):
            twice.append(repeated(keys))
        if len(self._sealed) and (again := self._sealed.contains(run.keys())).any():
            twice.append(run.keys()[again])
            run = KeyRun(run.high[~again], run.low[~again])
        self._sealed.add_run(run)
        self._duplicates = np.concatenate(twice)
        self._load_failures(seals)
        self._seals |= {seal.name: seal for seal in seals}

    def _load_failures(self, seals: list[Seal]) -> None:
        found = [seal.failed() for seal in seals if seal.failures is not None]
        if not found:
            return
        self._failed_keys += [keys for keys, _ in found]
        self._failed_permanent += [permanent for _, permanent in found]
        keys = np.concatenate(self._failed_keys)
        self._failed_run = KeyRun.of(keys)
        at = self._failed_run.positions(*words_of(keys))
        self._failed_counts = np.bincount(at, minlength=len(self._failed_run))
        self._failed_counts[at[np.concatenate(self._failed_permanent)]] = PERMANENT
