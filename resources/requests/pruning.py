"""Pruning: completions that nobody needs any more, and failures that should be asked again, leave the store.

A seal that loses rows is written anew in place of the old one, as a compaction does it, one seal after the other: after
a kill the store is pruned in part, and the same call goes on.
Every function here needs the lock of ``Folders.lock``, and the store alone.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from resources.requests import writing
from resources.requests.compaction import commit, row_groups
from resources.requests.index import KeyRun, Keys, Mask, as_keys, words_of
from resources.requests.reading import batches
from resources.requests.segments import Folders, Seal
from resources.store.layout import store_errors, sync_folder


@dataclass(frozen=True, slots=True)
class Pruned:
    """What left the store; of a dry run, what would leave it."""

    completions: int = 0
    failures: int = 0
    """Failed attempts."""
    bytes: int = 0
    """Bytes of segments; in a dry run by the share of rows."""

    def __add__(self, other: Pruned) -> Pruned:
        return Pruned(self.completions + other.completions, self.failures + other.failures, self.bytes + other.bytes)


@dataclass(frozen=True, slots=True)
class Rule:
    """Which rows stay: those that ``keep`` names, and those that the other two do not concern."""

    keep: Callable[[Keys], Mask]
    weights: str | None = None
    """Only completions of these weights may go."""
    before_ns: int | None = None
    """Only what was stored before (ns since 1970) may go."""

    def stays(self, table: pa.Table) -> Mask:
        """Which rows of ``table`` stay."""
        result = np.zeros(len(table), bool)
        if self.weights is not None:
            result |= np.array([name != self.weights for name in table["weights"].to_pylist()], bool)
        if self.before_ns is not None:
            result |= np.array(table["stored_at_ns"].to_pylist(), np.int64) >= self.before_ns
        asked = np.flatnonzero(~result)
        result[asked] = self.keep(as_keys(table["request_key"])[asked])
        return result


_DECIDING = ("request_key", "weights", "stored_at_ns")


def all_but(keys: Keys | None) -> Callable[[Keys], Mask]:
    """What to keep where ``keys``, or all of them, are to go."""
    dropped = None if keys is None else KeyRun.of(keys)

    def keep(found: Keys) -> Mask:
        if dropped is None:
            return np.zeros(len(found), bool)
        return dropped.positions(*words_of(found)) < 0

    return keep


def prune(seals: Sequence[Seal], folders: Folders, completed: Rule | None, failed: Rule, *, is_dry: bool) -> Pruned:
    """Drop from ``seals`` the completions and failures that do not stay; ``completed`` None: all completions stay.

    A dry run only counts, and needs neither the lock nor the store alone.

    Raises:
        StoreError: A file is damaged or the disk is full; the seal is as it was, those before are pruned.
    """
    return sum((_prune(seal, folders, completed, failed, is_dry=is_dry) for seal in seals), Pruned())


def _prune(seal: Seal, folders: Folders, completed: Rule | None, failed: Rule, *, is_dry: bool) -> Pruned:
    completions = 0 if completed is None else sum(_lost(table, completed) for table in _rows(seal, _DECIDING))
    failures = sum(_lost(table, failed) for table in _failed_rows(seal, _DECIDING))
    if not completions and not failures:
        return Pruned()
    total = seal.facts["completions"]
    if is_dry:
        return Pruned(completions, failures, seal.bytes * completions // max(total, 1))
    if completions == total and failures == seal.facts["failures"]:
        _remove(seal, folders)
        return Pruned(completions, failures, seal.bytes)
    with writing.SealWriter(folders, writing.seal_name(seal.name)) as writer:
        if completed is None or not completions:
            writer.adopt(seal)
        else:
            for table in row_groups(_kept(_rows(seal), completed)):
                writer.write(table)
        for table in row_groups(_kept(_failed_rows(seal), failed)):
            writer.write_failures(table)
        commit(writer, [seal], folders)
    return Pruned(completions, failures, seal.bytes - writer.bytes)


def _rows(seal: Seal, columns: tuple[str, ...] | None = None) -> Iterator[pa.Table]:
    for part in seal.parts:
        yield from batches(part, columns)


def _failed_rows(seal: Seal, columns: tuple[str, ...] | None = None) -> Iterator[pa.Table]:
    if seal.failures is not None:
        yield from batches(seal.failures, columns)


def _lost(table: pa.Table, rule: Rule) -> int:
    return len(table) - int(rule.stays(table).sum())


def _kept(tables: Iterator[pa.Table], rule: Rule) -> Iterator[pa.Table]:
    for table in tables:
        yield table.filter(pa.array(rule.stays(table)))


def _remove(seal: Seal, folders: Folders) -> None:
    """Delete a whole seal: hidden first, so that a kill leaves nothing but litter."""
    aside = folders.segments / f".{seal.name}"
    with store_errors(seal.folder):
        seal.folder.rename(aside)
        sync_folder(folders.segments)
        shutil.rmtree(aside)
