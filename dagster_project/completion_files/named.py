"""Which stored completions something still names: versions by their ledgers, environments by their weights.

A completion that no version names may still be wanted: an interrupted build has asked for it and has no version yet, or
an import brought more samples than a recipe asks for now. Memory: 16 bytes for each key that is named.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from dagster_project.completion_files.stages import LEDGER
from resources.errors import StoreError
from resources.requests.index import KeyRun, Keys, KeySet, Mask, as_keys
from resources.requests.segments import FAILURES_FILE
from resources.requests.store import RequestStore
from resources.store import Environment, Store
from resources.store.layout import read_json

READ_ROWS = 1 << 17


def named_keys(root: Path) -> KeySet:
    """The request keys in the ledgers of all versions of the store, whichever recipe, profile or preview has them."""
    found = KeySet()
    for manifest in sorted((root / "versions").glob("*/*/manifest.json")):
        table = read_json(manifest)["tables"].get(LEDGER)
        for part in table["parts"] if table else ():
            with pq.ParquetFile(manifest.parent / part["path"]) as file:
                for batch in file.iter_batches(batch_size=READ_ROWS, columns=["request_key"]):
                    run = KeyRun.of(as_keys(batch.column(0)))
                    keys = run.keys()
                    found.add_run(KeyRun.of(keys[~found.contains(keys)]))
    return found


def named_weights(root: Path) -> set[str]:
    """The weights that made what environments have now (previews too)."""
    store = Store(root)
    found = set()
    for environment in environments(root):
        for entry in environment.stages.values():
            known = store.find(entry.fingerprint)
            if known is not None and "weights" in known[1].parts:
                found.add(str(known[1].parts["weights"]))
    return found


def environments(root: Path) -> Iterator[Environment]:
    """Every environment of the store, also one whose first build has not ended a stage."""
    for folder in sorted((root / "envs").glob("*")):
        files = [file for file in folder.glob("*") if file.suffix in (".json", ".lock")]
        for profile in sorted({file.name.removesuffix(file.suffix) for file in files}):
            yield Environment.load(root, folder.name, profile)


@contextmanager
def no_builds(root: Path) -> Iterator[None]:
    """Keep builds out. Raises BusyError if one is running."""
    with ExitStack() as stack:
        for environment in environments(root):
            stack.enter_context(environment.lock())
        yield


@dataclass(frozen=True, slots=True)
class Doomed:
    """Completions of one model that would go."""

    weights: str
    completions: int = 0
    named: int = 0
    """Of them, named by a version: its readers will miss them."""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    """What asking again would cost."""

    def __add__(self, other: Doomed) -> Doomed:
        sums = {f.name: getattr(self, f.name) + getattr(other, f.name) for f in fields(self) if f.name != "weights"}
        return Doomed(self.weights, **sums)


@dataclass(frozen=True, slots=True)
class PruneRule:
    """Which completions may go: all conditions that are given must hold."""

    unused: bool = False
    weights: str | None = None
    before_ns: int | None = None

    def keep(self, named: KeySet) -> Callable[[Keys], Mask]:
        """Which of some keys stay (see ``RequestStore.prune``)."""
        return named.contains if self.unused else lambda keys: np.zeros(len(keys), bool)


def survey(store: RequestStore, rule: PruneRule, named: KeySet) -> list[Doomed]:
    """What ``rule`` would take, by weights. Reads no text."""
    keep = rule.keep(named)
    found: dict[str, Doomed] = {}
    for path in store.paths():
        if path.name == FAILURES_FILE:
            continue
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=READ_ROWS, columns=_SURVEYED):
                for row in _doomed(pa.Table.from_batches([batch]), rule, keep, named):
                    found[row.weights] = found.get(row.weights, Doomed(row.weights)) + row
    return sorted(found.values(), key=lambda doomed: doomed.weights)


_SURVEYED = ["request_key", "weights", "stored_at_ns", "prompt_tokens", "completion_tokens"]
_SUMMED = ("named", "prompt_tokens", "completion_tokens")


def _doomed(rows: pa.Table, rule: PruneRule, keep: Callable[[Keys], Mask], named: KeySet) -> Iterator[Doomed]:
    keys = as_keys(rows.column("request_key"))
    goes = ~keep(keys)
    if rule.before_ns is not None:
        goes &= np.array(rows.column("stored_at_ns").to_pylist(), np.int64) < rule.before_ns
    if rule.weights is not None:
        goes &= np.array([name == rule.weights for name in rows.column("weights").to_pylist()], bool)
    rows = rows.append_column("named", pa.array(named.contains(keys).astype(np.int64))).filter(pa.array(goes))
    sums = rows.select(["weights", *_SUMMED]).group_by("weights", use_threads=False)
    for row in sums.aggregate([*((name, "sum") for name in _SUMMED), ([], "count_all")]).to_pylist():
        yield Doomed(row["weights"], row["count_all"], *(row[f"{name}_sum"] or 0 for name in _SUMMED))


def check_weights(store: RequestStore, weights: str) -> None:
    """Raises StoreError if the store has nothing of these weights."""
    known = sorted({usage.weights for usage in store.usage_by_weights()})
    if weights not in known:
        raise StoreError(
            f"the store has no completion of the weights {weights!r}",
            where=str(store.folders.root),
            fix=f"Name one of: {', '.join(known) or 'none'} (mathloom requests stats)",
        )
