"""The sealed part of a store as one process has loaded it: keys, failed attempts, and the seals that hold them.

Memory: 16 bytes a stored completion. A compaction by another process changes the files and none of the keys, so these
stay as they are loaded.
"""

from __future__ import annotations

import numpy as np

from resources.requests.index import KeyRun, Keys, KeySet, Mask, no_keys, repeated, words_of
from resources.requests.segments import Folders, Seal, list_seals, replaced_by

PERMANENT = 2**31 - 1
"""Attempts of a request that failed for good: above every ``max_attempts``."""


class Sealed:
    """What is sealed, as of the last :meth:`refresh`."""

    def __init__(self, folders: Folders) -> None:
        self._folders = folders
        self.forget()

    def forget(self) -> None:
        """Load everything anew at the next refresh."""
        self.seals: dict[str, Seal] = {}
        """By name."""
        self.keys = KeySet()
        self._failed: dict[str, tuple[Keys, np.ndarray]] = {}
        self._count_failures()
        self._twice: Keys | None = no_keys()

    def refresh(self) -> int:
        """See what is sealed now. Returns how many seals are new."""
        seals = list_seals(self._folders)
        known = self.seals.keys()
        gone = known - {seal.name for seal in seals}
        new = [seal for seal in seals if seal.name not in known]
        if not gone <= replaced_by(new):  # somebody took a folder away
            self.forget()
            gone, new = set(), seals
        if gone or new:
            # The keys of a seal whose parents are all loaded are loaded too.
            self._load_keys([seal for seal in new if not _parents(seal) or not _parents(seal) <= known])
            failed = {seal.name: seal.failed() for seal in new if seal.failures is not None}
            self._failed = {name: found for name, found in (self._failed | failed).items() if name not in gone}
            self._count_failures()
            self._twice = None
            self.seals = {seal.name: seal for seal in seals}
        return len(new)

    def attempts(self, keys: Keys) -> dict[bytes, int]:
        """Failed attempts of those of ``keys`` that have any; PERMANENT if one was permanent."""
        at = self._failed_run.positions(*words_of(keys))
        return {keys[row].tobytes(): int(self._failed_counts[at[row]]) for row in np.flatnonzero(at >= 0)}

    def twice(self) -> Keys:
        """Keys that stand in more than one seal: only folders that were copied in can hold such."""
        if self._twice is None:
            rows = sum(seal.facts["completions"] for seal in self.seals.values())
            is_once = rows == len(self.keys)
            found = [] if is_once else [keys for seal in self.seals.values() for keys in seal.key_arrays()]
            self._twice = repeated(np.concatenate([no_keys(), *found]))
        return self._twice

    def contains(self, keys: Keys) -> Mask:
        """Which of ``keys`` have a completion."""
        return self.keys.contains(keys)

    def _load_keys(self, seals: list[Seal]) -> None:
        if seals:
            run = KeyRun.of_sorted([keys for seal in seals for keys in seal.key_arrays()])
            if len(self.keys) and (again := self.keys.contains(run.keys())).any():
                run = KeyRun(run.high[~again], run.low[~again])
            self.keys.add_run(run)

    def _count_failures(self) -> None:
        keys = np.concatenate([no_keys(), *(keys for keys, _ in self._failed.values())])
        permanent = np.concatenate([np.zeros(0, bool), *(flags for _, flags in self._failed.values())])
        self._failed_run = KeyRun.of(keys)
        at = self._failed_run.positions(*words_of(keys))
        self._failed_counts = np.bincount(at, minlength=len(self._failed_run))
        self._failed_counts[at[permanent]] = PERMANENT


def _parents(seal: Seal) -> set[str]:
    return set(seal.facts["replaces"])
