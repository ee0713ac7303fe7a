"""The stage ``contamination/neighbours``: for each problem the most similar benchmark problems, best first.

Every problem has a row; what the similarity means is decided elsewhere (``sql/contamination_pairs``,
``sql/decontaminated_problems``). Problems stream past in the order of ids; the benchmarks stay in memory.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import pyarrow as pa
from pydantic import Field

from assets.contamination.embedding import EmbeddingSettings, embedder_of
from assets.contamination.neighbours import STEPS, Benchmarks, Search
from assets.kinds import Input, Job, Law, Settings, TableKind
from assets.schemas import BENCHMARK, NEIGHBOUR, PROBLEM
from resources.vectors.store import SEGMENT_VECTORS, StoredEmbedder

BATCH = SEGMENT_VECTORS
"""Problems worked on at once: as many as one segment of stored vectors. 34 MB of vectors at 1,024 dimensions."""

_BENCHMARKS = """
select distinct on (benchmark_id) benchmark_id, benchmark, problem
from benchmarks
order by benchmark_id, part_index, "row"
"""
_PROBLEMS = "select problem_id, problem from problems order by problem_id"


class NeighbourSettings(EmbeddingSettings):
    """How many neighbours, and by which vectors."""

    top: int = Field(default=5, description="Benchmark problems named for each problem, at most.", ge=1, le=100)


class FindNeighbours(TableKind):
    """Finds the benchmark problems nearest to each problem."""

    name: ClassVar[str] = "contamination/neighbours"
    version: ClassVar[int] = 1
    description: ClassVar[str] = "The most similar benchmark problems of each problem, by the cosine of vectors."
    settings_type: ClassVar[type[Settings]] = NeighbourSettings
    inputs: ClassVar[Mapping[str, Input]] = {
        "problems": Input(PROBLEM, "Problems that may be copies."),
        "benchmarks": Input(BENCHMARK, "Problems that must not be in the training data.", many=True),
    }
    law: ClassVar[Law] = Law("map", input="problems", id="problem_id")

    def outputs(self, settings: Any) -> Mapping[str, pa.Schema]:
        """One row a problem, with lists of its neighbours."""
        return {"rows": NEIGHBOUR}

    def run(self, job: Job) -> None:
        """Embed the benchmarks, then problems batch by batch, and write what is nearest."""
        settings: NeighbourSettings = job.settings
        benchmarks = Benchmarks.of(job.session.sql(_BENCHMARKS).to_arrow_table())
        embedder = embedder_of(settings, benchmarks.texts, job.cache, where=f"{job.recipe}/{job.stage}")
        search = Search(embedder, benchmarks, settings.top)
        for batch in job.session.sql(_PROBLEMS).to_arrow_reader(BATCH):
            job.writers["rows"].write(search.rows(batch.column("problem_id"), batch.column("problem")))
        job.facts["neighbours"] = {
            "embedder": embedder.identity(),
            "benchmark_problems": len(benchmarks.texts),
            "best_similarity": {f"{i / STEPS:.2f}": int(count) for i, count in enumerate(search.best)},
        }
        for what, seconds in search.seconds.items():
            job.measured[f"seconds: {what}"] = round(seconds, 3)
        if isinstance(embedder, StoredEmbedder):
            job.measured |= {"vectors, made": embedder.embedded, "vectors, kept from before": embedder.reused}
