"""The stage ``contamination/near_duplicates``: of problems that are nearly the same, one stays.

Within one dataset, where ``contamination/neighbours`` looks at benchmarks. Vectors of all problems are written to a
file of the build's own and mapped: 4 KB a problem (600,000: 2.5 GB of disk); memory is 256 bytes a problem, its text,
and the blocks of :mod:`resources.vectors.duplicates`.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
from pydantic import Field

from assets.contamination.embedding import EmbeddingSettings, embedder_of
from assets.kinds import Input, Job, Law, Settings, TableKind
from assets.schemas import PROBLEM, REJECT
from resources.embedders.protocol import Embedder, Vectors
from resources.identity import show_id
from resources.spool import Spool
from resources.store.layout import store_errors
from resources.vectors.duplicates import first_of_each
from resources.vectors.store import SEGMENT_VECTORS, StoredEmbedder

BATCH = SEGMENT_VECTORS
RULE = "near duplicate"

_TEXTS = "select problem_id, problem from problems order by problem_id"
_OUT = {"id": "uuid", "detail": "varchar"}
_KEPT = """
select {columns}
from problems
where problem_id not in (select id from contamination_repeated)
order by problem_id
"""
_REJECTS = """
select id, $rule as rule, $reason as reason, detail
from contamination_repeated
order by id
"""


class DuplicateSettings(EmbeddingSettings):
    """How similar is too similar, and by which vectors."""

    min_similarity: float = Field(
        default=0.97,
        ge=0.8,
        le=1,
        description="Similarity from which on a problem repeats another. Lower takes longer and takes variants out.",
    )


class RemoveNearDuplicates(TableKind):
    """Keeps the first of nearly equal problems, in the order of ids, which is that of no source and of no model."""

    name: ClassVar[str] = "contamination/near_duplicates"
    version: ClassVar[int] = 1
    description: ClassVar[str] = "Removes problems that nearly repeat an earlier one, by the cosine of vectors."
    settings_type: ClassVar[type[Settings]] = DuplicateSettings
    inputs: ClassVar[Mapping[str, Input]] = {"problems": Input(PROBLEM, "Problems, each text once.")}
    law: ClassVar[Law] = Law("filter", input="problems", id="problem_id")

    def outputs(self, settings: Any) -> Mapping[str, pa.Schema]:
        """Problems that stay, and those that repeat one of them."""
        return {"rows": PROBLEM, "rejects": REJECT}

    def run(self, job: Job) -> None:
        """Embed all problems, compare all pairs, write both tables in the order of ids."""
        settings: DuplicateSettings = job.settings
        problems = job.session.sql(_TEXTS).to_arrow_table().combine_chunks()
        texts = _one(problems.column("problem"))
        embedder = embedder_of(settings, texts, job.cache, where=f"{job.recipe}/{job.stage}")
        began = time.monotonic()
        with _mapped(job, len(texts), embedder.dimensions if len(texts) else 1) as vectors:
            _embed(embedder, texts, vectors)
            job.measured["seconds: embed"] = round(time.monotonic() - began, 3)
            began = time.monotonic()
            repeats, similarities = first_of_each(vectors, settings.min_similarity)
            job.measured["seconds: compare"] = round(time.monotonic() - began, 3)
        spool = Spool(job.session, "contamination_repeated", _OUT)
        ids = _one(problems.column("problem_id"))
        for start in range(0, len(ids), BATCH):
            spool.add(_repeated(ids, repeats, similarities, start))
        _write(job)
        job.facts["near_duplicates"] = {"embedder": embedder.identity(), "removed": spool.row_count}
        spool.close()
        if isinstance(embedder, StoredEmbedder):
            job.measured |= {"vectors, made": embedder.embedded, "vectors, kept from before": embedder.reused}


@contextmanager
def _mapped(job: Job, rows: int, dimensions: int) -> Iterator[Vectors]:
    """Room for the vectors in a file without a name, in the folder of the store for what builds remember."""
    folder = job.cache
    with store_errors(folder or "the folder for temporary files"):
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.truncate(max(4 * rows * dimensions, 4))
            yield np.memmap(file, np.float32, "r+", shape=(rows, dimensions)) if rows else np.zeros((0, 1), np.float32)


def _embed(embedder: Embedder, texts: pa.Array, vectors: Vectors) -> None:
    for start in range(0, len(texts), BATCH):
        vectors[start : start + BATCH] = embedder.embed(texts.slice(start, BATCH).to_pylist())


def _repeated(ids: pa.Array, repeats: Any, similarities: Any, start: int) -> pa.Table:
    """Ids of the rows of one batch that are out, and what they repeat."""
    out = start + np.flatnonzero(repeats[start : start + BATCH] >= 0)
    first = ids.take(pa.array(repeats[out])).to_pylist()
    near = similarities[out].tolist()
    details = [f"{_shown(id_)}: similarity {value:.4f}" for id_, value in zip(first, near, strict=True)]
    return pa.table([ids.take(pa.array(out)), pa.array(details, pa.string())], names=list(_OUT))


def _shown(value: Any) -> str:
    return show_id(value) if isinstance(value, bytes) else str(value)


def _write(job: Job) -> None:
    columns = ", ".join(f'"{name}"' for name in PROBLEM.names)
    for batch in job.session.sql(_KEPT.format(columns=columns)).to_arrow_reader(BATCH):
        job.writers["rows"].write(batch)
    words = {"rule": RULE, "reason": "nearly repeats a problem that stays"}
    for batch in job.session.sql(_REJECTS, params=words).to_arrow_reader(BATCH):
        job.writers["rejects"].write(batch)


def _one(column: pa.ChunkedArray) -> pa.Array:
    return column.chunk(0) if column.num_chunks else pa.array([], column.type)
