"""The seed kinds: one for each shape of source. They share one loop and differ in the parser.

Rows keep the order of the source, which its pin fixes. Of rows with the same problem the first stays; all of them keep
an edge to it, with the answer that they give. The set that finds copies holds 16-byte ids: about 100 bytes a row in
Python, so 100 MB for a million seeds (the paper has 15 thousand).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from heapq import nsmallest
from typing import Any, ClassVar

import pyarrow as pa
from pydantic import Field

from assets.kinds import Job, Law, Settings, TableKind, Writer
from assets.schemas import EDGE, PROBLEM, REJECT, clip, normalise_problem, problem_id, seed_row_id, table_of
from assets.seeds import gsm8k, math, problems
from assets.seeds.rows import Seed
from resources.errors import SeedError
from resources.identity import digest128, show_id
from resources.sources.files import SourceRow
from resources.sources.rows import MAX_ROW_BYTES, BadRow
from resources.sources.source import SourceSpec, open_rows

_BATCH = 2048
"""Rows written at once."""

_SCHEMAS: Mapping[str, pa.Schema] = {"rows": PROBLEM, "rejects": REJECT, "edges": EDGE}


class SeedSettings(Settings):
    """Settings of all seed kinds."""

    take: int | None = Field(
        None, ge=1, description="Problems that are taken, chosen by hash; the others are rejects. Without it, all."
    )


Parse = Callable[[Mapping[str, Any]], Seed]


class _SeedKind(TableKind):
    """What the three have in common. ``facts``: read, kept, rejects by rule; read = kept + rejects."""

    law: ClassVar[Law] = Law("source", id="problem_id")
    settings_type: ClassVar[type[Settings]] = SeedSettings
    required: ClassVar[tuple[str, ...]]
    optional: ClassVar[tuple[str, ...]]

    def outputs(self, settings: Settings) -> Mapping[str, pa.Schema]:
        """Problems, rejected rows (id: the seed row's), and an edge from every seed row to its problem."""
        return _SCHEMAS

    def parse(self, values: Mapping[str, Any]) -> Seed:
        """One row of the source as a seed. Raises BadRow."""
        raise NotImplementedError

    def run(self, job: Job) -> None:
        """Read the whole source, or until ``preview_rows`` problems are found."""
        source = SourceSpec.of(job.context["source"])
        if pinned := job.context.get("pin"):
            source = pinned.apply(source)
        wanted = job.context.get("preview_rows")
        take = getattr(job.settings, "take", None)
        reading = _Reading(source, self.parse, job.writers)
        if take is not None:
            reading.chosen = _choose(open_rows(source, self.required, self.optional), reading, take)
        for row in open_rows(source, self.required, self.optional):
            if wanted is not None and reading.kept >= wanted:
                break
            reading.take(row)
        reading.flush()
        job.facts |= reading.facts()
        if not reading.kept and wanted != 0:
            raise _nothing_kept(source, reading)


class Gsm8k(_SeedKind):
    """GSM8K, or any table of its shape."""

    name = "seeds/gsm8k"
    version = 1
    description = "Seed problems of GSM8K: the answer follows ####, calculator notes are removed."
    required = gsm8k.REQUIRED
    optional = gsm8k.OPTIONAL

    def parse(self, values: Mapping[str, Any]) -> Seed:
        """See :mod:`assets.seeds.gsm8k`."""
        return gsm8k.parse(values)


class Math(_SeedKind):
    """MATH, or any table of its shape."""

    name = "seeds/math"
    version = 1
    description = "Seed problems of MATH: the answer is in the last balanced box of the solution."
    required = math.REQUIRED
    optional = math.OPTIONAL

    def parse(self, values: Mapping[str, Any]) -> Seed:
        """See :mod:`assets.seeds.math`."""
        return math.parse(values)


class Problems(_SeedKind):
    """A table that has our own column names."""

    name = "seeds/problems"
    version = 1
    description = "Seed problems of a table with the columns problem and expected_answer."
    required = problems.REQUIRED
    optional = problems.OPTIONAL

    def parse(self, values: Mapping[str, Any]) -> Seed:
        """See :mod:`assets.seeds.problems`."""
        return problems.parse(values)


class _Reading:
    """The state of one pass over a source: what was seen, and rows that wait to be written."""

    def __init__(self, source: SourceSpec, parse: Parse, writers: Mapping[str, Writer]) -> None:
        self._source = source
        self._parse = parse
        self._writers = writers
        self._waiting: dict[str, list[dict[str, Any]]] = {name: [] for name in _SCHEMAS}
        self._seen: set[bytes] = set()
        self.chosen: frozenset[bytes] | None = None
        """Ids of the problems that are taken; None takes all."""
        self.read = 0
        self.rejected: Counter[str] = Counter()

    @property
    def kept(self) -> int:
        """Problems found so far: every distinct id is one."""
        return len(self._seen)

    def take(self, row: SourceRow) -> None:
        """Turn one row into a problem and an edge, or into a reject."""
        self.read += 1
        row_id = seed_row_id(self._source.name, row.number)
        try:
            if row.fault:
                raise row.fault
            self._keep(row, row_id, self.checked(row.values))
        except BadRow as bad:
            self.rejected[bad.rule] += 1
            detail = f"{row.place}: {bad.detail}" if bad.detail else row.place
            self._put("rejects", {"id": row_id, "rule": bad.rule, "reason": bad.reason, "detail": clip(detail)})

    def checked(self, values: Mapping[str, Any]) -> Seed:
        """One row as a seed. Raises BadRow."""
        size = sum(len(value) for value in values.values() if isinstance(value, str))
        if size > MAX_ROW_BYTES:
            raise BadRow("too long", f"the row is longer than {MAX_ROW_BYTES} characters", f"{size} characters")
        return self._parse(values)

    def _keep(self, row: SourceRow, row_id: bytes, seed: Seed) -> None:
        child = problem_id(seed.problem)
        if self.chosen is not None and child not in self.chosen:
            raise BadRow("not taken", f"the stage takes {len(self.chosen)} problems of its source", show_id(child))
        source = {"source": self._source.name, "source_row": row.number, "expected_answer": seed.expected_answer}
        self._put("edges", {"child_id": child, "parent_id": row_id, "relation": "seed"} | source)
        if child in self._seen:
            raise BadRow("duplicate", "an earlier row of this source has the same problem", show_id(child))
        self._seen.add(child)
        self._put(
            "rows",
            {
                "problem_id": child,
                "problem": normalise_problem(seed.problem),
                "expected_answer": seed.expected_answer,
                "reference_solution": seed.reference_solution,
                "problem_source": seed.problem_source or self._source.name,
                "level": seed.level,
                "type": seed.type,
            },
        )

    def _put(self, table: str, row: dict[str, Any]) -> None:
        self._waiting[table].append(row)
        if len(self._waiting[table]) >= _BATCH:
            self._write(table)

    def _write(self, table: str) -> None:
        if self._waiting[table]:
            self._writers[table].write(table_of(_SCHEMAS[table], self._waiting[table]))
            self._waiting[table].clear()

    def flush(self) -> None:
        """Write what waits."""
        for table in _SCHEMAS:
            self._write(table)

    def facts(self) -> dict[str, Any]:
        """Counts for the manifest."""
        return {"read": self.read, "kept": self.kept, "rejects": dict(sorted(self.rejected.items()))}


def _choose(rows: Iterable[SourceRow], reading: _Reading, take: int) -> frozenset[bytes]:
    """The ``take`` problems with the smallest hashes: the same ones whatever the order of the rows.

    A first pass over the source; the hash has a domain of its own, so that the choice is not the order of ids.
    """
    ids: set[bytes] = set()
    for row in rows:
        if row.fault is None:
            with suppress(BadRow):  # the second pass makes it a reject
                ids.add(problem_id(reading.checked(row.values).problem))
    return frozenset(nsmallest(take, ids, key=lambda found: digest128("take", found)))


def _nothing_kept(source: SourceSpec, reading: _Reading) -> SeedError:
    rules = ", ".join(f"{rule} {count}" for rule, count in reading.rejected.most_common())
    return SeedError(
        f"no row can be used: {reading.read} read, all rejected ({rules})",
        where=source.label,
        fix="Check that the kind of the stage fits the file",
    )
