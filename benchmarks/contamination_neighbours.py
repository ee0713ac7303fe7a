"""The benchmark problems nearest to 600,000 problems: time and memory, beside a plain product of all pairs on a tenth.

Run: ``python benchmarks/contamination_neighbours.py`` (10 to 20 minutes; ``--problems 60000`` takes two). Problems are
made here. Measured: the lexical embedder from text to neighbours, and 384-dimensional vectors that an earlier build
stored, from their folder to neighbours. Each in a process of its own; memory is its peak, with what numpy and Arrow
need (120 MB). On a machine that does other work the CPU seconds count: two idle cores take half of them.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from assets.contamination.neighbours import Benchmarks, Search
from assets.schemas import problem_id
from benchmarks.made_problems import made_problems
from resources.embedders.lexical.embedder import LexicalEmbedder
from resources.embedders.protocol import Embedder, Vectors, unit_rows
from resources.vectors.store import SEGMENT_VECTORS, StoredEmbedder, VectorStore, text_keys

TOP = 5
DIMENSIONS = 384
LINE = "{:<44}{:>10}{:>9}{:>9}{:>12}{:>9}\n"


class Stored:
    """Stands for a model whose vectors are all there: it must not be asked."""

    name = "stored"
    dimensions = DIMENSIONS

    def identity(self) -> str:
        """Any fixed name."""
        return "benchmark/384"

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Random directions, as full as those of an encoder. Only asked while the store is filled."""
        first = int.from_bytes(problem_id(texts[0])[:4], "little")
        return unit_rows(np.random.default_rng(first).standard_normal((len(texts), DIMENSIONS)).astype(np.float32))


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--problems", type=int, default=600_000)
    parser.add_argument("--benchmarks", type=int, default=13_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        alone(make, folder, options.problems, options.benchmarks)
        sys.stdout.write(LINE.format("", "problems", "seconds", "CPU s", "problems/s", "peak MB"))
        for what, work in (("lexical: fit, embed and search", lexical), ("lexical: embed alone", lexical_alone)):
            show(what, options.problems, *alone(work, folder))
        show("384 dimensions: filling the store", options.problems, *alone(fill, folder))
        show("384 dimensions: opening the store", options.problems, *alone(opened, folder))
        show("384 dimensions: reading the store alone", options.problems, *alone(read_alone, folder))
        show("384 dimensions, stored: search", options.problems, *alone(stored, folder))
        for dimensions in (DIMENSIONS, 1_024):
            tenth = options.problems // 10
            took = alone(plain, folder, tenth, options.benchmarks, dimensions)
            show(f"plain product and sort, {dimensions} dimensions", tenth, *took)


def alone(work: Callable[..., Any], *arguments: Any) -> tuple[float, float, float]:
    """Seconds, CPU seconds and peak MB of ``work`` in a new process. A number that it returns are its own seconds."""
    context = multiprocessing.get_context("spawn")
    with context.Pool(1) as pool:
        return pool.apply(_timed, (work, arguments))


def _timed(work: Callable[..., Any], arguments: tuple[Any, ...]) -> tuple[float, float, float]:
    began, worked = time.monotonic(), time.process_time()
    seconds = work(*arguments)
    worked = time.process_time() - worked
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1_024
    return seconds if isinstance(seconds, float) else time.monotonic() - began, worked, peak


def show(what: str, problems: int, seconds: float, worked: float, peak: float) -> None:
    """One line of the table."""
    rate = f"{problems / seconds:,.0f}"
    sys.stdout.write(LINE.format(what, f"{problems:,}", f"{seconds:.1f}", f"{worked:.1f}", rate, f"{peak:,.0f}"))
    sys.stdout.flush()


def make(folder: Path, problems: int, benchmarks: int) -> None:
    """Write both sets as Parquet, a hundredth of the problems being near copies of benchmark problems."""
    tested = sorted({problem_id(text): text for text in made_problems(benchmarks, 1)}.items())
    columns = [pa.array(values) for values in zip(*tested, strict=True)]
    pq.write_table(pa.table(columns, names=["id", "problem"]), folder / "benchmarks.parquet")
    texts = (tested[i // 100][1] + " Explain." if i % 100 == 0 and i // 100 < len(tested) else text
             for i, text in enumerate(made_problems(problems, 2)))  # fmt: skip
    schema = pa.schema([("id", pa.binary(16)), ("problem", pa.string())])
    with pq.ParquetWriter(folder / "problems.parquet", schema) as writer:
        for start in range(0, problems, SEGMENT_VECTORS):
            some = [next(texts) for _ in range(min(SEGMENT_VECTORS, problems - start))]
            ids = pa.array([problem_id(text) for text in some], pa.binary(16))
            writer.write_table(pa.table([ids, pa.array(some)], schema=schema))


def tested(folder: Path) -> Benchmarks:
    """The benchmark problems."""
    table = pq.read_table(folder / "benchmarks.parquet").combine_chunks()
    ids, texts = (table.column(name).chunk(0) for name in ("id", "problem"))
    return Benchmarks(ids.cast(pa.binary(16)), pa.array(["made"] * len(ids)), texts)


def batches(folder: Path) -> Any:
    """Batches of problems."""
    with pq.ParquetFile(folder / "problems.parquet") as file:
        yield from file.iter_batches(SEGMENT_VECTORS)


def search(folder: Path, embedder: Embedder, benchmarks: Benchmarks) -> None:
    """All neighbours, written like the stage writes them."""
    run = Search(embedder, benchmarks, TOP)
    for batch in batches(folder):
        rows = run.rows(batch.column("id"), batch.column("problem"))
        assert rows.num_rows == batch.num_rows


def lexical(folder: Path) -> None:
    """The lexical path, from text."""
    benchmarks = tested(folder)
    search(folder, LexicalEmbedder(benchmarks.texts), benchmarks)


def lexical_alone(folder: Path) -> None:
    """What of it is embedding."""
    embedder = LexicalEmbedder(tested(folder).texts)
    for batch in batches(folder):
        embedder.embed(batch.column("problem"))


def fill(folder: Path) -> None:
    """Store a vector of each text."""
    embedder = StoredEmbedder(Stored(), folder / "vectors")
    for batch in batches(folder):
        embedder.embed(batch.column("problem").to_pylist())
    embedder.embed(tested(folder).texts.to_pylist())


def opened(folder: Path) -> float:
    """Seconds until a full store can be asked."""
    began = time.monotonic()
    assert len(VectorStore(folder / "vectors", Stored().identity()))
    return time.monotonic() - began


def read_alone(folder: Path) -> None:
    """Keys of all texts and their vectors, in the order of the problems."""
    store = VectorStore(folder / "vectors", Stored().identity())
    for batch in batches(folder):
        keys = text_keys(batch.column("problem").to_pylist())
        store.read(*store.find(keys), np.empty((len(keys), DIMENSIONS), np.float32))


def stored(folder: Path) -> None:
    """The path of stored vectors."""
    embedder = StoredEmbedder(Stored(), folder / "vectors")
    search(folder, embedder, tested(folder))
    assert embedder.embedded == 0


def plain(folder: Path, problems: int, benchmarks: int, dimensions: int) -> float:
    """Product of all pairs in blocks, and a partial sort of each row: what one would write first."""
    chance = np.random.default_rng(0)
    corpus = unit_rows(chance.standard_normal((benchmarks, dimensions)).astype(np.float32))
    queries = unit_rows(chance.standard_normal((problems, dimensions)).astype(np.float32))
    began = time.monotonic()
    for start in range(0, problems, 2_048):
        product = queries[start : start + 2_048] @ corpus.T
        best = np.argpartition(product, benchmarks - TOP, axis=1)[:, -TOP:]
        np.take_along_axis(best, np.argsort(-np.take_along_axis(product, best, 1), axis=1), 1)
    return time.monotonic() - began


if __name__ == "__main__":
    main()
