"""The kinds ``contamination/benchmark``, which reads a test set, and ``contamination/ngrams``, the first stage.

Memory: the first holds a 16-byte id a row; the second the index of the benchmarks' words (150 bytes a word) and one
piece of the problems.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
from pydantic import Field

from assets.contamination.benchmark import COLUMNS, problem_of
from assets.contamination.ngrams import SIZES, Index, Overlaps
from assets.kinds import Input, Job, Law, Settings, TableKind
from assets.schemas import BENCHMARK, OVERLAP, PROBLEM, REJECT, clip, problem_id, seed_row_id, table_of
from resources.errors import SeedError
from resources.identity import show_id
from resources.sources.files import SourceRow
from resources.sources.rows import BadRow
from resources.sources.source import SourceSpec, open_rows

_BATCH = 2048
"""Rows written at once."""

_READ = 16_384
"""Problems read at once: about one piece of ``normalise``."""

PROBLEMS = pa.schema([PROBLEM.field("problem_id"), PROBLEM.field("problem")])
"""What these kinds read of problems."""


class BenchmarkSettings(Settings):
    """Where a benchmark has its problems."""

    problem: str | list[str] = Field(
        default_factory=lambda: list(COLUMNS),
        description="Column of the problem; of several, the first that has text in a row.",
    )


class Benchmark(TableKind):
    """Reads the problems of a benchmark. ``facts``: read, kept, rejects by rule; read = kept + rejects."""

    name: ClassVar[str] = "contamination/benchmark"
    version: ClassVar[int] = 1
    reads_benchmarks: ClassVar[bool] = True
    description: ClassVar[str] = "The problems of a benchmark, each once; the dataset must not hold them."
    settings_type: ClassVar[type[Settings]] = BenchmarkSettings
    law: ClassVar[Law] = Law("source", id="benchmark_id")

    def outputs(self, settings: Any) -> Mapping[str, pa.Schema]:
        """Problems in the order of the source, and the rows that hold none or a copy (id: the row's)."""
        return {"rows": BENCHMARK, "rejects": REJECT}

    def run(self, job: Job) -> None:
        """Read the whole source, in previews too: a part of a benchmark would clear a dataset of nothing."""
        source = SourceSpec.of(job.context["source"])
        if pinned := job.context.get("pin"):
            source = pinned.apply(source)
        columns = [job.settings.problem] if isinstance(job.settings.problem, str) else list(job.settings.problem)
        reading = _Reading(source, columns)
        for row in open_rows(source, (), columns):
            reading.take(row)
            for name in ("rows", "rejects"):
                if len(reading.waiting[name]) >= _BATCH:
                    reading.write(job, name)
        for name in ("rows", "rejects"):
            reading.write(job, name)
        if not reading.seen:
            raise reading.nothing()
        job.facts |= {"read": reading.read, "kept": len(reading.seen), "rejects": dict(sorted(reading.rules.items()))}


class _Reading:
    """One pass over a benchmark."""

    def __init__(self, source: SourceSpec, columns: Sequence[str]) -> None:
        self._source = source
        self._columns = columns
        self.read = 0
        self.seen: set[bytes] = set()
        self.rules: Counter[str] = Counter()
        self.waiting: dict[str, list[dict[str, Any]]] = {"rows": [], "rejects": []}

    def take(self, row: SourceRow) -> None:
        """Turn one row into a problem or a reject."""
        self.read += 1
        try:
            if row.fault:
                raise row.fault
            text = problem_of(row.values, self._columns)
            found = problem_id(text)
            if found in self.seen:
                raise BadRow("duplicate", "an earlier row of this benchmark has the same problem", show_id(found))
        except BadRow as bad:
            self.rules[bad.rule] += 1
            detail = clip(f"{row.place}: {bad.detail}" if bad.detail else row.place)
            row_id = seed_row_id(self._source.name, row.number)
            self.waiting["rejects"].append({"id": row_id, "rule": bad.rule, "reason": bad.reason, "detail": detail})
            return
        self.seen.add(found)
        made = {"benchmark_id": found, "problem": text, "benchmark": self._source.name, "row": row.number}
        self.waiting["rows"].append(made)

    def write(self, job: Job, name: str) -> None:
        """Write what waits for one table."""
        if self.waiting[name]:
            schema = BENCHMARK if name == "rows" else REJECT
            job.writers[name].write(table_of(schema, self.waiting[name]))
            self.waiting[name].clear()

    def nothing(self) -> SeedError:
        """The error for a benchmark without a problem."""
        rules = ", ".join(f"{rule} {count}" for rule, count in self.rules.most_common())
        return SeedError(
            f"the benchmark has no problem: {self.read} rows read, all rejected ({rules})",
            where=self._source.label,
            fix="Name the column that has it: `problem: COLUMN` in the stage",
        )


class Ngrams(TableKind):
    """Measures the longest run of words that each problem shares with a benchmark."""

    name: ClassVar[str] = "contamination/ngrams"
    version: ClassVar[int] = 1
    description: ClassVar[str] = "The longest run of words that each problem shares with a benchmark, and where it is."
    inputs: ClassVar[Mapping[str, Input]] = {
        "problems": Input(PROBLEMS, "Problems that are looked at."),
        "benchmarks": Input(BENCHMARK, "What they are compared with.", many=True),
    }
    law: ClassVar[Law] = Law("map", input="problems", id="problem_id")
    histograms: ClassVar[tuple[str, ...]] = ("longest",)

    def outputs(self, settings: Any) -> Mapping[str, pa.Schema]:
        """One row a problem, in the order of the problems."""
        return {"rows": OVERLAP}

    def run(self, job: Job) -> None:
        """Index the benchmarks, then let the problems pass."""
        tables = job.inputs["benchmarks"]
        ids, names = _columns_of(tables)
        index = Index(batch.column("problem") for table in tables for batch in table.batches(["problem"], _READ))
        counts: dict[str, Counter[str]] = {}
        problems = 0
        for batch in (b for table in job.inputs["problems"] for b in table.batches(PROBLEMS.names, _READ)):
            first = 0
            for found in index.overlaps(batch.column("problem")):
                rows = len(found.where)
                where = pa.array(found.where, mask=found.where < 0)
                job.writers["rows"].write(
                    _rows(batch.column("problem_id").slice(first, rows), found, ids, names, where)
                )
                _count(counts, found, names.take(where))
                first += rows
            problems += batch.num_rows
        job.facts["contamination"] = {
            "problems": problems,
            "benchmark_problems": len(ids),
            "benchmark_problems_without_ngrams": index.too_short,
            "shared": {name: dict(sorted(count.items())) for name, count in sorted(counts.items())},
        }


def _columns_of(tables: Sequence[Any]) -> tuple[pa.Array, pa.Array]:
    """Ids (16 bytes) and names of all benchmark problems, in order."""
    batches = [b for table in tables for b in table.batches(["benchmark_id", "benchmark"], _READ)]
    ids = [_storage(batch.column("benchmark_id")) for batch in batches]
    names = [batch.column("benchmark") for batch in batches]
    return (
        pa.chunked_array(ids, pa.binary(16)).combine_chunks(),
        pa.chunked_array(names, pa.string()).combine_chunks(),
    )


def _storage(ids: Any) -> pa.Array:
    return ids.storage if isinstance(ids, pa.ExtensionArray) else ids


def _rows(ids: pa.Array, found: Overlaps, of: pa.Array, names: pa.Array, where: pa.Array) -> pa.Table:
    columns = {
        "problem_id": ids,
        "is_exact": pa.array(found.is_exact),
        "longest": pa.array(found.size.astype(np.int32)),
        "benchmark_id": pa.ExtensionArray.from_storage(pa.uuid(), of.take(where)),
        "benchmark": names.take(where),
        "shared": found.shared,
    }
    return pa.table(columns, OVERLAP)


def _count(counts: dict[str, Counter[str]], found: Overlaps, names: pa.Array) -> None:
    """Problems by benchmark: exact copies, and those that share an n-gram of each size."""
    wanted = {"exact": found.is_exact} | {f"{size}-gram": found.size >= size for size in SIZES}
    for word, mask in wanted.items():
        for entry in names.filter(pa.array(mask)).value_counts().to_pylist():
            if entry["values"] is not None:
                counts.setdefault(entry["values"], Counter())[word] += entry["counts"]
