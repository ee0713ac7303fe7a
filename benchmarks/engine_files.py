"""The engine ``files``: how fast rows are indexed and answers found, and what the index holds in memory.

    .venv/bin/python benchmarks/engine_files.py [--rows 1000000]

Rows of 16 samples a problem, with texts of 600 characters, in an order of their own (as `mathloom requests export`
writes them), as JSONL, gzip and Parquet. Each format in a process of its own, which reports the memory that it needed
on top of what it had before, at most (peak) and once the index is made.
"""

from __future__ import annotations

import argparse
import gzip
import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from resources.engines.catalog import make_engine
from resources.engines.protocol import EngineRequest, Prompt, Sampling, answers

SAMPLES = 16
ASKED = 20_000
"""Samples that are asked for, in yet another order."""
LINE = "{:<10} {:>9} {:>13} {:>9} {:>9} {:>12} {:>10}\n"


def main() -> None:
    """Write the files, measure each format, print one table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--file", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.file:
        sys.stdout.write(json.dumps(measure(Path(options.file), options.rows)))
        return
    sys.stdout.write(LINE.format("format", "file MB", "index rows/s", "peak MB", "then MB", "bytes a row", "answers/s"))
    with tempfile.TemporaryDirectory() as folder:
        for name in ("a.jsonl", "a.jsonl.gz", "a.parquet"):
            path = Path(folder) / name
            write(path, options.rows)
            command = [sys.executable, __file__, "--file", str(path), "--rows", str(options.rows)]
            found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
            row = (
                f"{path.stat().st_size / 1e6:.0f}",
                f"{options.rows / found['start_s']:,.0f}",
                f"{found['peak'] / 1e6:.0f}",
                f"{found['held'] / 1e6:.0f}",
                f"{found['held'] / options.rows:.0f}",
                f"{ASKED / found['answer_s']:,.0f}",
            )
            sys.stdout.write(LINE.format(name[2:], *row))
            path.unlink()


def measure(path: Path, rows: int) -> dict[str, float]:
    """Start an engine over one file and ask it."""
    engine = make_engine("files", {"paths": str(path), "weights": "w"}, "benchmark", path.parent / "cache")
    before = _memory("VmRSS")
    started = time.monotonic()
    engine.start()
    start_s = time.monotonic() - started
    held, peak = _memory("VmRSS") - before, _memory("VmHWM") - before
    problems = random.Random(2).sample(range(rows // SAMPLES), min(ASKED // SAMPLES, rows // SAMPLES))
    requests = [EngineRequest(n, Prompt("raw", prompt(n)), Sampling(0.7), 0, 0, SAMPLES) for n in problems]
    started = time.monotonic()
    count = sum(1 for _ in answers(engine.stream(requests)))
    answer_s = (time.monotonic() - started) * ASKED / count
    engine.stop()
    return {"start_s": start_s, "held": held, "peak": peak, "answer_s": answer_s}


def prompt(problem: int) -> str:
    """The prompt of a problem."""
    return f"Problem:\n{problem} nuts and {problem % 7} more. How many?\n\nSolution:\n"


def rows_of(count: int) -> Iterator[dict[str, object]]:
    """All rows, in an order of their own."""
    order = list(range(count // SAMPLES * SAMPLES))
    random.Random(1).shuffle(order)
    for number in order:
        problem, index = divmod(number, SAMPLES)
        yield {"prompt": prompt(problem), "sample_index": index, "text": f"Solution {number}. " * 40}


def write(path: Path, count: int) -> None:
    """The same rows in the format that the ending says."""
    rows = rows_of(count)
    if path.suffix == ".parquet":
        schema = pa.schema([("prompt", pa.string()), ("sample_index", pa.int64()), ("text", pa.string())])
        with pq.ParquetWriter(path, schema) as writer:
            batch: list[dict[str, object]] = []
            for row in rows:
                batch.append(row)
                if len(batch) == 100_000:
                    writer.write_table(pa.Table.from_pylist(batch, schema))
                    batch = []
            writer.write_table(pa.Table.from_pylist(batch, schema))
        return
    with gzip.open(path, "wt", compresslevel=1) if path.suffix == ".gz" else path.open("w") as file:
        for row in rows:
            file.write(json.dumps(row) + "\n")


def _memory(what: str) -> int:
    status = Path("/proc/self/status").read_text()
    return int(status.split(f"{what}:")[1].split()[0]) * 1024


if __name__ == "__main__":
    main()
