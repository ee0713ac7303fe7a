"""Figures of the request store, each beside a bound: what the same work costs with nothing of ours around it.

Run: ``python benchmarks/request_store.py`` (2M keys, half a minute) or with ``--keys 20000000``. Writes to a temporary
folder, or to ``--folder``. Texts are random words of about 1 kB: they shrink less than real solutions.
"""

from __future__ import annotations

import argparse
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from resources.engines.protocol import Prompt, Sampling
from resources.identity import ID_BYTES
from resources.requests.index import KeyRun, Keys
from resources.requests.key import base_key, sample_keys
from resources.requests.records import Completion, encode
from resources.requests.segments import FORMAT, keys_path
from resources.requests.store import RequestStore
from resources.store.layout import write_json

MISSING = 100
"""One key in a hundred is asked and not stored: the figure of the issue on generation."""
SEGMENT_ROWS = 65_536
"""Keys a segment: about 128 MB of 2 kB texts."""
RECORDS = 50_000
LINE = "{:<44} {:>12} {:>14}   {:<44} {:>12}\n"


def main() -> None:
    """Measure and print one table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keys", type=int, default=2_000_000)
    parser.add_argument("--folder", type=Path, default=None)
    parser.add_argument("--lookup-in", type=Path, default=None, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.lookup_in is not None:
        lookup(options.lookup_in)
        return
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        folder = Path(name)
        sys.stdout.write(LINE.format("what", "time", "rate", "bound", "time"))
        make_keys()
        fill(folder / "large", options.keys)
        # A process of its own, so that its peak memory is that of opening and looking up alone.
        command = [sys.executable, __file__, "--lookup-in", str(folder / "large")]
        sys.stdout.write(subprocess.run(command, check=True, capture_output=True, text=True, env=environment()).stdout)
        records = [
            Completion(os.urandom(ID_BYTES), text(), "stop", "scripted", "w", None, 900, 250) for _ in range(RECORDS)
        ]
        journal_and_seal(folder, records)


def environment() -> dict[str, str]:
    """This process's environment with the project on the path."""
    return os.environ | {"PYTHONPATH": str(Path(__file__).resolve().parent.parent)}


def text() -> str:
    """About 1 kB of words."""
    return " ".join(random.choice(WORDS) for _ in range(170))


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
    """A store with ``count`` keys and no texts: opening it and looking up never reads a text."""
    with RequestStore(root) as store:
        segments = store.folders.segments
    keys = np.frombuffer(os.urandom(ID_BYTES * count), np.uint8).reshape(-1, ID_BYTES)
    for number, start in enumerate(range(0, count, SEGMENT_ROWS)):
        piece = KeyRun.of(keys[start : start + SEGMENT_ROWS]).keys()
        facts = {
            "format": FORMAT,
            "journals": [],
            "replaces": [],
            "parts": [{"name": "completions-00000.parquet", "rows": len(piece), "bytes": 0}],
            "completions": len(piece),
            "failures": 0,
            "prompt_tokens": 0,
            "completion_tokens": 0,
        }
        folder = segments / f"seal-{number:05d}"
        write_json(folder / "seal.json", facts)
        np.save(keys_path(folder / "completions-00000.parquet"), piece)


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
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    if found != count - len(asked[::MISSING]):
        raise SystemExit(f"found {found} of {count} keys: the figures mean nothing")
    show(f"open a store of {count:,} keys", opened, count, "key", "np.load of the key files", load)
    set_seconds = plain_set(asked)
    show(
        "known(): all of them, 1 % unknown", known, count, "key", "`key in set` of at most 2M keys, scaled", set_seconds
    )
    sys.stdout.write(
        f"  peak memory of both: {peak:,.0f} MB, of which {ID_BYTES * count / 2**20:,.0f} MB are the keys asked\n"
    )


def plain_set(asked: Keys) -> float:
    """Seconds that a Python set of bytes needs for the same questions (100 bytes a key: 20M would need 2 GB)."""
    piece = [row.tobytes() for row in asked[:2_000_000]]
    plain = set(piece)
    random.shuffle(piece)
    return timed(lambda: [key in plain for key in piece]) * len(asked) / len(piece)


def journal_and_seal(folder: Path, records: list[Completion]) -> None:
    """Record one by one, then seal; beside a bare file and a bare Parquet writer with the same bytes."""
    payloads = [encode(record, 1) for record in records]
    with RequestStore(folder / "small") as store:
        written = timed(lambda: ([store.record(record) for record in records], store.flush()))
        bare = timed(lambda: write_raw(folder / "raw", payloads))
        show(
            f"record() {len(records):,} completions, one by one",
            written,
            len(records),
            "rec",
            "os.write of the same bytes, fsync",
            bare,
        )
        sealed = timed(store.seal)
        table = pa.table({"key": [r.request_key for r in records], "text": [r.text for r in records]})
        parquet = timed(lambda: pq.write_table(table, folder / "raw.parquet", compression="zstd"))
        show("seal() them", sealed, len(records), "rec", "pq.write_table of keys and texts", parquet)
        stats = store.stats()
        size = sum(map(len, payloads)) / 2**20
        sys.stdout.write(f"  {size:.0f} MB in the journal, {stats.bytes / 2**20:.0f} MB sealed\n")


def write_raw(path: Path, payloads: list[bytes]) -> None:
    """The bytes alone: one write a record, one fsync at the end."""
    with path.open("wb", buffering=0) as handle:
        for payload in payloads:
            handle.write(payload)
        os.fsync(handle.fileno())


if __name__ == "__main__":
    main()
