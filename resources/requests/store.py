"""The request store: ask what is known, record what is new, seal, and show it all to DuckDB.

Several processes may use one store at once. Each knows what was sealed and what lay in the journals of the others when
it opened or last refreshed, and what it recorded itself. Memory: 16 bytes a stored completion; texts are never loaded.
Order of a build: ``open``, ``known`` and ``failed_attempts`` to plan, ``record`` while the engine answers, ``seal``,
then ``create_views`` to read.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import duckdb

from resources.errors import StoreError
from resources.requests import compaction, views
from resources.requests.compaction import Compacted
from resources.requests.index import KeyRun, Keys, KeySet, Mask, as_keys
from resources.requests.journal import SUFFIX, Journal
from resources.requests.live import LiveJournals, LiveKeys
from resources.requests.locks import Hold, exclusive
from resources.requests.migrations import prepare
from resources.requests.pruning import Pruned, Rule, all_but, prune
from resources.requests.records import Completion, Record, encode
from resources.requests.sealed import PERMANENT, Sealed
from resources.requests.sealing import FreeJournals, has_work, seal_journals, seal_live, tidy
from resources.requests.segments import Folders, Seal, list_seals, scan
from resources.requests.usage import Stats, WeightsUsage, added, of_facts

ROTATE_BYTES = 256 << 20
"""Size at which a process starts its next journal: about one segment when sealed (text shrinks to half or less)."""


class RequestStore:
    """Every completion that was ever paid for. Threads may share one; use it as a context manager."""

    def __init__(self, root: Path) -> None:
        """``root``: the project's store; what lives here is in ``<root>/requests``."""
        self.folders = Folders(root / "requests")
        self._lock = threading.RLock()
        self._hold: Hold | None = None
        self._journal: Journal | None = None
        self._sealed = Sealed(self.folders)
        self._live = LiveKeys(self.folders)
        self._own = KeySet()
        self._own_failures: dict[bytes, int] = {}

    def open(self) -> Self:
        """Make or check the store, seal the journals of dead processes, load the keys. Idempotent.

        Raises:
            StoreError: No permission, a full disk, or a format that a newer mathloom wrote.
        """
        with self._lock:
            if self._hold is None:
                prepare(self.folders)
                self._hold = Hold(self.folders.root)
                try:
                    self._sealed.refresh()
                    if has_work(self.folders):
                        self._seal_all()
                    self.refresh()
                    self._sweep()
                except BaseException:
                    self._let_go()
                    raise
        return self

    def close(self) -> None:
        """Put all records on the disk and free the journal; the next one to open the store seals it. Idempotent.

        Views that this store made must not be used afterwards: their files may be replaced and deleted.
        """
        with self._lock:
            journal, self._journal = self._journal, None
            try:
                if journal is not None:
                    journal.close()
                if self._hold is not None:
                    self._sweep()
            finally:
                self._let_go()

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
            return self._sealed.contains(wanted) | self._own.contains(wanted) | self._live.contains(wanted)

    def failed_attempts(self, keys: Any) -> dict[bytes, int]:
        """Failed attempts over all builds of those of ``keys`` that have any; PERMANENT if one was permanent."""
        with self._lock:
            self._check_open()
            wanted = as_keys(keys)
            result = self._sealed.attempts(wanted)
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
                if key in seen or self._own.has(key) or self._sealed.keys.has(key):
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

        What other running processes had recorded when it opened or last refreshed is copied too, so that all that
        :meth:`known` said is in the views. Many small seals are compacted. Waits while another process seals. A kill at
        any moment loses nothing; a full disk leaves the journals whole.
        """
        with self._lock:
            self._check_open()
            journal, self._journal = self._journal, None
            if journal is not None:
                journal.close()
            names = self._seal_all() if has_work(self.folders) else []
            self._sealed.refresh()  # another process may have sealed an earlier journal of this one
            self._own.clear()
            self._own_failures.clear()
            self._live.clear()
            with contextlib.suppress(StoreError):  # what is sealed is sealed: the next seal tries again
                self._compact(force=False)
            return names

    def refresh(self) -> int:
        """See what other processes have sealed, and completions in their journals. Returns how many seals are new."""
        with self._lock:
            self._check_open()
            self._live.look(None if self._journal is None else self._journal.path)
            return self._sealed.refresh()

    def paths(self, keys: Any = None) -> list[Path]:
        """The Parquet files that the views read, for sessions whose access to files is restricted.

        Args:
            keys: Where given, only the files of completions that hold any of these.
        """
        with self._lock:
            seals = list(self._sealed.seals.values())
            failures = [seal.failures for seal in seals if seal.failures is not None]
            return self._parts(seals, keys) + failures

    def create_views(self, session: duckdb.DuckDBPyConnection, keys: Any = None) -> None:
        """Make the views ``completions`` and ``failures`` in ``session``, over what is sealed (see ``views``).

        They hold until :meth:`close`, whatever other processes seal or compact meanwhile.

        Args:
            session: Where they are made.
            keys: Where given, ``completions`` reads only the files that hold any of these (a stage's requests); their
                other rows are in the view too.
        """
        with self._lock:
            self._check_open()
            seals = list(self._sealed.seals.values())
            views.create(session, seals, self._parts(seals, keys), self._sealed.twice())

    def compact(self, *, force: bool = False) -> Compacted:
        """Merge small seals into segments of about 128 MB, sorted by key. :meth:`seal` does so by itself.

        Args:
            force: Also where there are few of them, as far as they make one segment.

        Raises:
            StoreError: The disk is full or a file is damaged; nothing is lost.
        """
        with self._lock:
            self._check_open()
            return self._compact(force=force)

    def prune(
        self,
        keep: Callable[[Keys], Mask],
        *,
        weights: str | None = None,
        before_ns: int | None = None,
        dry_run: bool = False,
    ) -> Pruned:
        """Drop completions and failed attempts whose keys are not kept: their requests will be asked again.

        Args:
            keep: Which of some keys, shape (n, 16), stay. Called many times, with a few thousand keys.
            weights: Only completions of these weights may go.
            before_ns: Only what was stored before (ns since 1970) may go.
            dry_run: Count, and change nothing.

        Raises:
            StoreError: Another process has the store open, the disk is full, or a file is damaged. What was pruned
                before stays so; all else is whole.
        """
        rule = Rule(keep, weights, before_ns)
        return self._prune(rule, rule, is_dry=dry_run)

    def forget_failures(self, keys: Any = None) -> int:
        """Drop the failed attempts of ``keys``, or of all, so that rejected requests are asked again.

        Returns:
            How many attempts were dropped.

        Raises:
            StoreError: As for :meth:`prune`.
        """
        dropped = None if keys is None else as_keys(keys)
        return self._prune(None, Rule(all_but(dropped)), is_dry=False).failures

    def usage_by_weights(self) -> list[WeightsUsage]:
        """Figures of what is sealed, for each pair of weights and engine: reads no segment.

        A completion that stands in two folders, one of them copied in from another store, counts twice.
        """
        with self._lock:
            self._check_open()
            return added(usage for seal in self._sealed.seals.values() for usage in of_facts(seal.facts))

    def stats(self) -> Stats:
        """Figures from the seals' own records: reads no segment."""
        with self._lock:
            self._check_open()
            facts = [seal.facts for seal in self._sealed.seals.values()]
            journals = [path.stat().st_size for path in self.folders.journals.glob(f"*{SUFFIX}")]
        parts = [part for fact in facts for part in fact["parts"]]
        return Stats(
            completions=len(self._sealed.keys) + len(self._own),
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
        if self._hold is None:
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

    def _seal_all(self) -> list[str]:
        names = []
        with exclusive(self.folders.lock):
            tidy(self.folders)
            self._sealed.refresh()
            while True:
                with FreeJournals(self.folders) as journals:
                    if not journals:
                        break
                    name = seal_journals(journals, self.folders, self._sealed.contains)
                if name is not None:
                    names.append(name)
                    self._sealed.refresh()
            if len(self._live) and (name := self._seal_live()) is not None:
                names.append(name)
        return names

    def _seal_live(self) -> str | None:
        with LiveJournals(self.folders, None) as journals:
            return seal_live(journals, self.folders, lambda k: self._sealed.contains(k) | ~self._live.contains(k))

    def _compact(self, *, force: bool) -> Compacted:
        done = Compacted()
        while compaction.choose(list(self._sealed.seals.values()), force=force):
            with exclusive(self.folders.lock):
                tidy(self.folders)
                self._sealed.refresh()
                chosen = compaction.choose(list(self._sealed.seals.values()), force=force)
                if chosen:
                    done += compaction.merge(chosen, self.folders)
                    self._sealed.refresh()
        return done

    def _prune(self, completed: Rule | None, failed: Rule, *, is_dry: bool) -> Pruned:
        with self._lock:
            self.seal()
            if is_dry:
                return prune(list(self._sealed.seals.values()), self.folders, completed, failed, is_dry=True)
            with self._alone() as is_alone:
                if not is_alone:
                    raise _is_busy(self.folders)
                compaction.delete_replaced(self.folders)
                try:
                    return prune(list_seals(self.folders), self.folders, completed, failed, is_dry=False)
                finally:
                    self._sealed.forget()
                    compaction.delete_replaced(self.folders)
                    self._sealed.refresh()

    def _sweep(self) -> None:
        """Delete what compactions replaced, if nobody else may be reading it. If not now, then another time."""
        with contextlib.suppress(StoreError):
            if scan(self.folders)[1]:
                with self._alone(waits=False) as is_alone:
                    if is_alone:
                        compaction.delete_replaced(self.folders)

    @contextlib.contextmanager
    def _alone(self, *, waits: bool = True) -> Iterator[bool]:
        """Have the store for this process alone, if no other has it open."""
        assert self._hold is not None
        with exclusive(self.folders.lock, waits=waits) as is_held:
            if not is_held:
                yield False
                return
            with self._hold.alone() as is_alone:
                if is_alone:
                    tidy(self.folders)
                yield is_alone

    def _let_go(self) -> None:
        hold, self._hold = self._hold, None
        if hold is not None:
            hold.close()

    def _parts(self, seals: list[Seal], keys: Any) -> list[Path]:
        if keys is None:
            return [part for seal in seals for part in seal.parts]
        wanted = KeyRun.of(as_keys(keys))
        return [part for seal in seals for part in seal.holding(wanted)]


def _is_busy(folders: Folders) -> StoreError:
    return StoreError(
        "another process has the request store open",
        where=str(folders.root),
        fix="Run it again when the other build or command has ended",
        retryable=True,
    )
