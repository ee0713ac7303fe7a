"""Kinds of this dataset, in Python. A kind declares what it reads, writes and promises; `run` streams rows.

`mathloom build` checks the promise (the law) on the ids after every build: a row that vanishes is an error.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, ClassVar

import pyarrow as pa
from pydantic import Field

from mathloom import Input, Job, Law, Settings, TableKind
from mathloom.schemas import PROBLEM, REJECT

NUMBER = re.compile(r"\d+")


class WithNumbersSettings(Settings):
    """Settings of `local/with_numbers`; each may stand under the stage in recipe.yaml."""

    least: int = Field(1, ge=0, description="Fewest numbers that a problem must state.")


class WithNumbers(TableKind):
    """Keeps problems that state enough numbers to calculate with."""

    name = "local/with_numbers"
    version = 1  # raise it whenever the same rows and settings would give other rows
    description = "Problems that state at least `least` numbers."
    settings_type = WithNumbersSettings
    inputs: ClassVar[Mapping[str, Input]] = {"problems": Input(PROBLEM)}
    law = Law("filter", "problems", "problem_id")

    def outputs(self, settings: WithNumbersSettings) -> Mapping[str, pa.Schema]:
        """Problems that stay, and those that leave with their reason."""
        return {"rows": PROBLEM, "rejects": REJECT}

    def run(self, job: Job) -> None:
        """Look at each problem once, a batch at a time."""
        for batch in job.inputs["problems"][0].batches(PROBLEM.names):
            counts = [len(NUMBER.findall(text)) for text in batch.column("problem").to_pylist()]
            kept = pa.array([n >= job.settings.least for n in counts])
            job.writers["rows"].write(batch.filter(kept))
            job.writers["rejects"].write(_rejects(batch, counts, job.settings.least))


def _rejects(batch: pa.RecordBatch, counts: list[int], least: int) -> pa.Table:
    gone = [i for i, n in enumerate(counts) if n < least]
    columns: list[Any] = [
        batch.column("problem_id").take(pa.array(gone, pa.int64())),
        pa.array(["too few numbers"] * len(gone), pa.string()),
        pa.array([f"fewer than {least} numbers"] * len(gone), pa.string()),
        pa.array([str(counts[i]) for i in gone], pa.string()),
    ]
    return pa.Table.from_arrays(columns, schema=REJECT)
