"""Figures of the n-gram stage: 600,000 problems against 13,000 benchmark problems, made here of word salad.

Run: ``python benchmarks/contamination_ngrams.py`` (about a minute). Beside the stage ``contamination/ngrams``, in a
process of its own so that its memory is known, stand a bound (the same file read and its texts split at spaces) and the
plain way on a tenth of the problems: a Python dictionary of the benchmarks' 13-grams. Problems look like those of GSM8K
and MATH: 45 words from a vocabulary in which few words are common, formulas, and stock phrases that both sides share;
one in 20 holds a benchmark problem or a part of one.
"""

from __future__ import annotations

import argparse
import re
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from assets.contamination.kinds import PROBLEMS, Ngrams
from assets.contamination.normalise import pieces, words_of
from assets.kinds import Job, Settings, Table
from assets.schemas import BENCHMARK, OVERLAP, id_array
from resources.identity import digest128
from resources.store.writing import TableWriter

LINE = "{:<58} {:>9} {:>9} {:>13} {:>9}\n"
SIZE = 13
COPIED = 0.05
"""Share of problems that hold words of a benchmark problem."""
FORMULAS = (
    r"$x^2 + 2x + 1$",
    r"$\frac{a}{b}$",
    r"$\sqrt{3}$",
    r"\[ y = mx + c \]",
    "$12",
    r"$n \leq 1{,}000$",
    "25",
    "3.5",
)
PHRASES = (
    "How many does he have left in total?",
    "What is the sum of all possible values of x?",
    "where m and n are relatively prime positive integers. Find m + n.",
    "Express your answer as a common fraction in lowest terms.",
    "If he works the same number of hours each week, how much does he earn in a month?",
)


def main() -> None:
    """Measure and print one table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--problems", type=int, default=600_000)
    parser.add_argument("--benchmarks", type=int, default=13_000)
    parser.add_argument("--stage", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.stage:
        run_stage(options.stage)
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make(folder, options.problems, options.benchmarks)
        measure(folder, options.problems)


def measure(folder: Path, problems: int) -> None:
    """The stage, its bound, its parts, and the plain way."""
    sys.stdout.write(LINE.format("what", "wall s", "CPU s", "problems/s", "peak MB"))
    said = subprocess.run(
        [sys.executable, __file__, "--stage", str(folder)], check=True, capture_output=True, text=True
    ).stdout.split()
    show("stage contamination/ngrams, files to files", float(said[0]), float(said[1]), problems, said[2])
    timed("normalisation alone, one thread", lambda: normalise(folder), problems)
    timed("bound: the same file read and split at spaces", lambda: split(folder), problems)
    tenth = max(problems // 10, 1)
    found = timed(f"plain Python: 13-grams in a dictionary, {tenth:,} problems", lambda: plain(folder, tenth), tenth)
    longest = overlaps(folder).column("longest").to_numpy()[:tenth]
    share = int(np.count_nonzero(longest >= SIZE))
    sys.stdout.write(f"problems with a 13-gram, of {tenth:,}: {share:,} by the stage, {found:,} by plain Python\n")


def run_stage(folder: Path) -> None:
    """Run the kind on files, as a build does; print wall seconds, CPU seconds, peak memory in MB."""
    pa.set_cpu_count(2)
    paths = {name: folder / f"{name}.parquet" for name in ("problems", "benchmarks")}
    schemas = {"problems": PROBLEMS, "benchmarks": BENCHMARK}
    bound = {n: [Table(n, schemas[n], [path], pq.read_metadata(path).num_rows)] for n, path in paths.items()}
    writer = TableWriter(folder / "out", OVERLAP, where="benchmark")
    began = time.monotonic()
    with duckdb.connect() as session:
        Ngrams().run(Job("benchmark", "ngrams", Settings(), bound, session, {"rows": writer}, folder))
    writer.close()
    usage = resource.getrusage(resource.RUSAGE_SELF)
    cpu = usage.ru_utime + usage.ru_stime
    sys.stdout.write(f"{time.monotonic() - began:.2f} {cpu:.2f} {usage.ru_maxrss / 1024:.0f}\n")


def overlaps(folder: Path) -> pa.Table:
    """What the stage wrote."""
    return pa.concat_tables(pq.read_table(path, columns=["longest"]) for path in sorted(folder.glob("out/*.parquet")))


def normalise(folder: Path) -> int:
    """Words of all problems; returns how many."""
    return sum(len(words_of(piece).words) for batch in batches(folder) for _, piece in pieces(batch.column("problem")))


def split(folder: Path) -> int:
    """Read and split at spaces; returns how many words."""
    options = pc.SplitOptions()
    return sum(
        len(pc.call_function("ascii_split_whitespace", [batch.column("problem")], options).flatten())
        for batch in batches(folder)
    )


def batches(folder: Path) -> Iterator[pa.RecordBatch]:
    """Problems in stored order."""
    return pq.ParquetFile(folder / "problems.parquet").iter_batches(16_384, columns=["problem"])


def plain(folder: Path, count: int) -> int:
    """How many of the first ``count`` problems share a 13-gram, by tuples of words in a Python set."""
    index: dict[tuple[str, ...], int] = {}
    for number, text in enumerate(pq.read_table(folder / "benchmarks.parquet").column("problem").to_pylist()):
        for gram in grams(text):
            index.setdefault(gram, number)
    texts = pq.read_table(folder / "problems.parquet", columns=["problem"]).column("problem").slice(0, count)
    return sum(any(gram in index for gram in grams(text)) for text in texts.to_pylist())


def grams(text: str) -> list[tuple[str, ...]]:
    """13-grams of ``text``: letters, numbers and operators."""
    words = re.findall(r"[a-z]+|[0-9]+(?:\.[0-9]+)*|[-+*/=<>^|%]", text.lower().replace("{,}", ""))
    return [tuple(words[i : i + SIZE]) for i in range(len(words) - SIZE + 1)]


# -- made problems ---------------------------------------------------------------------------------------------------


def make(folder: Path, problems: int, benchmarks: int) -> None:
    """Write both tables."""
    chance = np.random.default_rng(7)
    tests = texts(chance, benchmarks)
    ids = id_array([digest128("benchmark", str(i)) for i in range(benchmarks)])
    names = pa.array(["made"] * benchmarks)
    table = pa.table([ids, tests, names, pa.array(range(benchmarks), pa.int64())], BENCHMARK)
    pq.write_table(table, folder / "benchmarks.parquet", compression="zstd")
    own = texts(chance, problems)
    copied = chance.random(problems) < COPIED
    taken = tests.take(pa.array(chance.integers(0, benchmarks, int(copied.sum()))))
    cuts = pc.call_function("utf8_slice_codeunits", [taken], pc.SliceOptions(10, 160))
    mixed = pc.call_function("replace_with_mask", [own, pa.array(copied), cuts])
    ids = id_array([digest128("problem", str(i)) for i in range(problems)])
    pq.write_table(pa.table([ids, mixed], PROBLEMS), folder / "problems.parquet", compression="zstd")


def texts(chance: np.random.Generator, rows: int) -> pa.StringArray:
    """``rows`` problems of 35 to 55 units, the last one often a stock phrase."""
    syllables = [a + b for a in "bcdfghlmnprst" for b in "aeiou"]
    units = ["".join(chance.choice(syllables, 1 + i % 3)) for i in range(4_000)] + [*FORMULAS, *PHRASES]
    lengths = chance.integers(35, 56, rows)
    total = int(lengths.sum())
    which = np.minimum((4_000 * chance.random(total) ** 3).astype(np.int64), 3_999)
    is_formula = chance.random(total) < 0.1
    which[is_formula] = 4_000 + chance.integers(0, len(FORMULAS), int(is_formula.sum()))
    ends = np.cumsum(lengths)
    has_phrase = chance.random(rows) < 0.3
    which[ends[has_phrase] - 1] = 4_000 + len(FORMULAS) + chance.integers(0, len(PHRASES), int(has_phrase.sum()))
    lists = pa.ListArray.from_arrays(
        pa.array(np.concatenate(([0], ends)), pa.int32()), pa.array(units).take(pa.array(which))
    )
    return pc.call_function("binary_join", [lists, pa.scalar(" ")])


def timed(what: str, work: Callable[[], int], problems: int) -> int:
    """Run, show a line, return what ``work`` gave."""
    wall, cpu = time.monotonic(), time.process_time()
    found = work()
    show(what, time.monotonic() - wall, time.process_time() - cpu, problems, "")
    return found


def show(what: str, wall: float, cpu: float, problems: int, memory: str) -> None:
    """One line."""
    sys.stdout.write(LINE.format(what, f"{wall:.1f}", f"{cpu:.1f}", f"{problems / cpu:,.0f}", memory))


if __name__ == "__main__":
    main()
