"""Figures of the request store, each beside a bound: what the same work costs with nothing of ours around it.

Run: ``python benchmarks/request_store.py`` (2M keys, about a minute) or with ``--keys 20000000``. Writes to a temporary
folder, or to ``--folder``. The store of the look-up is a real one, in as many segments as completions of 2 kB make, but
its texts are one character long: a look-up reads none. Other texts are random words of about 1 kB, which shrink less
than real solutions. Each timed part that says its memory runs in a process of its own.
"""

from __future__ import annotations

import argparse
import os
import random
import resource
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from resources.engines.protocol import Prompt, Sampling
from resources.identity import ID_BYTES
from resources.requests import compaction, writing
from resources.requests.index import KeyRun, Keys, words_of
from resources.requests.key import base_key, sample_keys
from resources.requests.records import Completion, encode
from resources.requests.segments import COMPLETIONS, UUID
from resources.requests.store import RequestStore
from resources.requests.writing import SealWriter

MISSING = 100
"""One key in a hundred is asked and not stored: the figure of the issue on generation."""
SEGMENT_ROWS = 65_536
"""Keys a segment: about 128 MB of 2 kB texts."""
RECORDS = 50_000
MERGED = 200_000
"""Completions that are compacted, from as many seals as one merge takes."""
STAGES = 20
"""Stages that left 10,000 completions each, in segments that are as small as they are."""
SQLITE_KEYS = 1_000_000
LINE = "{:<46} {:>10} {:>16}   {:<46} {:>10}\n"


def main() -> None:
    """Measure and print one table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keys", type=int, default=2_000_000)
    parser.add_argument("--folder", type=Path, default=None)
    parser.add_argument("--lookup-in", type=Path, default=None, help=argparse.SUPPRESS)
    parser.add_argument("--compact-in", type=Path, default=None, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.lookup_in is not None:
        lookup(options.lookup_in)
        return
    if options.compact_in is not None:
        compact(options.compact_in)
        return
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        folder = Path(name)
        sys.stdout.write(LINE.format("what", "time", "rate", "bound", "time"))
        make_keys()
        fill(folder / "large", options.keys)
        alone("--lookup-in", folder / "large")
        journal_and_seal(folder, [completion() for _ in range(RECORDS)])
        many_seals(folder)
        small_seals(folder / "merged", MERGED, compaction.MAX_MERGED)
        alone("--compact-in", folder / "merged")
        read_a_stage(folder / "stages")


def alone(option: str, folder: Path) -> None:
    """Run a part of this file in a process of its own, so that its peak memory is that of this part."""
    command = [sys.executable, __file__, option, str(folder)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment())
    sys.stdout.write(done.stdout)


def peak_mb() -> float:
    """The most memory that this process ever had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def completion() -> Completion:
    """A completion of about 1 kB with a key of its own."""
    return Completion(os.urandom(ID_BYTES), text(), "stop", "scripted", "w", None, 900, 250)


def environment() -> dict[str, str]:
    """This process's environment with the project on the path."""
    return os.environ | {"PYTHONPATH": str(Path(__file__).resolve().parent.parent)}


def text() -> str:
    """About 1 kB of words."""
    return " ".join(random.choices(WORDS, k=170))


WORDS = ["".join(random.choices("abcdefghijklmnopqrstuvwxyz", k=random.randrange(2, 9))) for _ in range(3000)]


def timed(work: Callable[[], object]) -> float:
    """Seconds of one call."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def show(what: str, seconds: float, count: float, unit: str, bound: str, bound_seconds: float) -> None:
    """One line of the table."""
    rate = f"{count / seconds:,.0f} {unit}/s"
    sys.stdout.write(LINE.format(what, f"{seconds:.2f} s", rate, bound, f"{bound_seconds:.2f} s"))


def make_keys() -> None:
    """Keys of a million samples."""
    sampling = Sampling(temperature=1.0)
    base = base_key("org/model@0123", Prompt("raw", "1 + 1"), sampling)
    seconds = timed(lambda: sample_keys(base, 0, 1_000_000, sampling))
    urandom = timed(lambda: [os.urandom(ID_BYTES) for _ in range(1_000_000)])
    show("1M sample keys", seconds, 1e6, "key", "1M calls of os.urandom(16)", urandom)


def fill(root: Path, count: int) -> None:
    """A store with ``count`` keys and texts of one character."""
    keys = np.frombuffer(os.urandom(ID_BYTES * count), np.uint8).reshape(-1, ID_BYTES)
    with RequestStore(root) as store:
        folders = store.folders
    start = time.perf_counter()
    for at in range(0, count, SEGMENT_ROWS):
        with SealWriter(folders, f"20260101-000000-{at:012d}") as seal:
            seal.write(tiny_rows(KeyRun.of(keys[at : at + SEGMENT_ROWS]).keys()))
            seal.commit()
    seconds = time.perf_counter() - start
    sys.stdout.write(f"  wrote {count:,} keys in {len(range(0, count, SEGMENT_ROWS))} segments in {seconds:.0f} s\n")


def tiny_rows(keys: Keys) -> pa.Table:
    """A row for each of ``keys``."""
    count = len(keys)
    storage = pa.FixedSizeBinaryArray.from_buffers(pa.binary(ID_BYTES), count, [None, pa.py_buffer(keys)])
    ids = pa.ExtensionArray.from_storage(UUID, storage)
    fixed = {"text": "x", "finish_reason": "stop", "engine": "e", "weights": "w", "stored_at_ns": 1}
    columns = [
        ids if field.type == UUID else pa.repeat(pa.scalar(fixed.get(field.name), field.type), count)
        for field in COMPLETIONS
    ]
    return pa.Table.from_arrays(columns, schema=COMPLETIONS)


def lookup(root: Path) -> None:
    """Open the store and ask for all its keys in random order, one in a hundred replaced by an unknown one."""
    files = sorted((root / "requests" / "segments").glob("*/*.keys.npy"))
    load = timed(lambda: [np.load(path) for path in files])
    store = RequestStore(root)
    opened = timed(store.open)
    asked = np.concatenate([np.load(path) for path in files])
    count = len(asked)
    np.random.default_rng(0).shuffle(asked)
    asked[::MISSING] = np.frombuffer(os.urandom(ID_BYTES * len(asked[::MISSING])), np.uint8).reshape(-1, ID_BYTES)
    found = 0

    def ask() -> None:
        nonlocal found
        found = int(store.known(asked).sum())

    known = timed(ask)
    peak = peak_mb()
    if found != count - len(asked[::MISSING]):
        raise SystemExit(f"found {found} of {count} keys: the figures mean nothing")
    show(f"open a store of {count:,} keys", opened, count, "key", "np.load of the key files", load)
    bare = bare_search(asked)
    show("known(): all of them, 1 % unknown", known, count, "key", "np.searchsorted of sorted halves of keys", bare)
    size = ID_BYTES * count / 2**20
    sys.stdout.write(f"  peak memory of both: {peak:,.0f} MB, of which {size:,.0f} MB are the keys asked\n")
    near = np.concatenate([np.load(path) for path in files[: max(len(files) // STAGES, 1)]])
    for what, keys in (("of one stage", near), ("spread over all files", asked[: len(near)])):
        found = len(store.paths(keys))
        seconds = timed(lambda keys=keys: store.paths(keys))
        sys.stdout.write(f"  {len(keys):,} keys {what} lie in {found} of {len(files)} files: {seconds:.2f} s\n")
    store.close()
    for name, seconds in (("a Python set", plain_set(asked)), ("sqlite, a table of keys", sqlite(root, asked))):
        sys.stdout.write(f"  the same questions to {name}, measured with fewer and scaled: {seconds:.0f} s\n")


def bare_search(asked: Keys) -> float:
    """Seconds of one bare search for one half of each key, sorted, in a sorted array."""
    halves = words_of(asked)[0]
    stored = np.sort(halves)
    return timed(lambda: np.searchsorted(stored, np.sort(halves)))


def plain_set(asked: Keys) -> float:
    """Seconds that a Python set of bytes needs for the same questions (100 bytes a key: 20M would need 2 GB)."""
    piece = [row.tobytes() for row in asked[:2_000_000]]
    plain = set(piece)
    random.shuffle(piece)
    return timed(lambda: [key in plain for key in piece]) * len(asked) / len(piece)


def sqlite(root: Path, asked: Keys) -> float:
    """Seconds that sqlite needs for the same questions, asked in one transaction over a table that fits its cache."""
    piece = [row.tobytes() for row in asked[:SQLITE_KEYS]]
    with sqlite3.connect(root / "peer.sqlite") as peer:
        peer.execute("create table stored (request_key blob primary key) without rowid")
        peer.executemany("insert into stored values (?)", ((key,) for key in sorted(piece)))
        query = "select 1 from stored where request_key = ?"
        seconds = timed(lambda: [peer.execute(query, (key,)).fetchone() for key in piece])
    peer.close()
    return seconds * len(asked) / len(piece)


def journal_and_seal(folder: Path, records: list[Completion]) -> None:
    """Record one by one, see them from another store, seal; beside plain files with the same bytes."""
    payloads = [encode(record, 1) for record in records]
    with RequestStore(folder / "small") as store:
        written = timed(lambda: ([store.record(record) for record in records], store.flush()))
        bare = timed(lambda: write_raw(folder / "raw", payloads))
        count = len(records)
        show(f"record() {count:,} completions, one by one", written, count, "rec", "os.write, fsync at the end", bare)
        with RequestStore(folder / "empty") as other:
            other.folders.journals.mkdir()
            (journal,) = store.folders.journals.iterdir()
            (other.folders.journals / journal.name).hardlink_to(journal)
            seen = timed(other.refresh)
            show(
                "refresh() over the journal of another",
                seen,
                count,
                "rec",
                "reading the file",
                timed(journal.read_bytes),
            )
            (other.folders.journals / journal.name).unlink()
        sealed = timed(store.seal)
        table = pa.table({"key": [r.request_key for r in records], "text": [r.text for r in records]})
        parquet = timed(lambda: pq.write_table(table, folder / "raw.parquet", compression="zstd"))
        show("seal() them", sealed, count, "rec", "pq.write_table of keys and texts", parquet)
        stats = store.stats()
        size = sum(map(len, payloads)) / 2**20
        sys.stdout.write(f"  {size:.0f} MB in the journal, {stats.bytes / 2**20:.0f} MB sealed\n")


def write_raw(path: Path, payloads: list[bytes]) -> None:
    """The bytes alone: one write a record, one fsync at the end."""
    with path.open("wb", buffering=0) as handle:
        for payload in payloads:
            handle.write(payload)
        os.fsync(handle.fileno())


def small_seals(root: Path, completions: int, seals: int) -> None:
    """A store whose seals nobody has compacted."""
    compaction.MAX_SMALL, usual = seals, compaction.MAX_SMALL
    with RequestStore(root) as store:
        for _ in range(seals):
            store.record_all(completion() for _ in range(completions // seals))
            store.seal()
    compaction.MAX_SMALL = usual


def many_seals(folder: Path) -> None:
    """What small seals cost whoever opens the store and reads it."""
    costs = {seals: cost_of_seals(folder / f"seals-{seals}", seals) for seals in (1, 16, 256)}
    for what, at in (("open", 0), ("read all texts of", 1)):
        figures = ", ".join(f"{1000 * cost[at]:.0f} ms in {seals}" for seals, cost in costs.items())
        sys.stdout.write(f"  {what} a store of 2,560 completions in seals: {figures}\n")


def cost_of_seals(root: Path, seals: int) -> tuple[float, float]:
    """Seconds to open a store of ``seals`` seals, and to read its texts: the best of three."""
    small_seals(root, 2560, seals)
    with RequestStore(root) as store:
        opened = min(timed(lambda: RequestStore(root).open()) for _ in range(3))
        return opened, min(timed(lambda: length_of_texts(store)) for _ in range(3))


def length_of_texts(store: RequestStore, asked: Keys | None = None, *, are_files_chosen: bool = False) -> int:
    """Characters of all texts, or of those of ``asked``, from all files or from those that hold one of these."""
    with duckdb.connect() as session:
        session.execute("set threads = 2")
        store.create_views(session, asked if are_files_chosen else None)
        query = "select sum(length(text)) from completions"
        if asked is not None:
            session.register("asked", tiny_rows(asked).select(["request_key"]))
            query += " semi join asked using (request_key)"
        return int(session.sql(query).fetchall()[0][0])


def compact(root: Path) -> None:
    """Merge all seals into one; beside DuckDB, which sorts the same files into one."""
    store = RequestStore(root).open()
    before = peak_mb()
    start = time.perf_counter()
    done = store.compact(force=True)
    seconds = time.perf_counter() - start
    peak = peak_mb() - before
    parts = [str(path) for path in store.folders.segments.glob("*/completions-*.parquet")]
    target = root / "peer.parquet"
    query = "copy (from read_parquet($parts) order by request_key) to $target (compression zstd)"
    with duckdb.connect() as session:
        session.execute("set threads = 2")
        old = [part for part in parts if not part.startswith(str(store.paths()[0].parent))]
        peer = timed(lambda: session.execute(query, {"parts": old, "target": str(target)}))
    count = store.stats().completions
    what = f"compact() {done.merged} seals of {count:,} in all"
    show(what, seconds, count, "rec", "DuckDB sorts the same files into one", peer)
    sizes = f"{done.bytes_before / 2**20:.0f} MB became {done.bytes_after / 2**20:.0f} MB"
    sys.stdout.write(f"  {sizes}; {peak:.0f} MB more memory than an open store\n")


def read_a_stage(root: Path) -> None:
    """One stage's texts out of a store of many, with and without its keys."""
    writing.SEGMENT_BYTES = 1 << 20
    stages = []
    with RequestStore(root) as store:
        for _ in range(STAGES):
            records = [completion() for _ in range(10_000)]
            store.record_all(records)
            store.seal()
            stages.append(np.frombuffer(b"".join(sorted(r.request_key for r in records)), np.uint8).reshape(-1, 16))
        asked = stages[STAGES // 2]
        every = min(timed(lambda: length_of_texts(store, asked)) for _ in range(3))
        few = min(timed(lambda: length_of_texts(store, asked, are_files_chosen=True)) for _ in range(3))
        show(
            f"texts of 1 stage of {STAGES}, create_views(keys)", few, len(asked), "rec", "create_views() of all", every
        )


if __name__ == "__main__":
    main()
