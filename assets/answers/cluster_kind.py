"""The stage ``answers/clusters``: which keys of a problem are the same answer after all.

Between the keys and whatever counts or compares them: rounded decimals join the number they stand for, undecided keys
are compared by the symbolic step where it can matter. The work is :mod:`assets.answers.clusters`.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from typing import Any, ClassVar

import pyarrow as pa
import pyarrow.compute
from pydantic import Field

from assets.answers.clusters import Clusters
from assets.answers.kinds import SHOWN, AnswerSettings
from assets.kinds import Input, Job, Law, Settings, TableKind
from assets.schemas import ANSWER, CLUSTER, CLUSTERED, EXPECTED, ID

pc: Any = pyarrow.compute
"""Arrow makes its functions when it is imported, so that no type checker knows them."""

CACHE_FILE = "verdicts.sqlite"
"""In the folder of the store for what builds remember."""

WEIGHT = pa.schema([("solution_id", ID), ("weight", pa.float64())])
"""A reward of each solution, 0 or more."""

_SUMMED = ("keys", "clusters", "undecided", "decimals", "symbolic", "pairs", "unknown")


class ClusterSettings(AnswerSettings):
    """Settings of answers/clusters."""

    attach_decimals: bool = Field(
        default=True, description="Whether a rounded decimal of four digits or more counts as the number it stands for."
    )
    symbolic_seconds: float = Field(
        default=300.0,
        ge=0,
        description="Time of the symbolic step in a build; pairs left over stay unknown, and are counted. 0 - no step.",
    )


class FindClusters(TableKind):
    """Finds keys that count as another key of their problem."""

    name: ClassVar[str] = "answers/clusters"
    version: ClassVar[int] = 2
    description: ClassVar[str] = "Keys of a problem that are the same answer: rounded decimals and symbolic verdicts."
    settings_type: ClassVar[type[Settings]] = ClusterSettings
    inputs: ClassVar[Mapping[str, Input]] = {
        "answers": Input(ANSWER, "Answers with their keys."),
        "known": Input(
            EXPECTED, "The right answers, where they are known: keys are compared with them alone.", optional=True
        ),
        "weights": Input(WEIGHT, "Rewards, where the vote uses them.", optional=True),
    }
    law: ClassVar[Law] = Law("group", input="answers", id="problem_id", members="members")
    histograms: ClassVar[tuple[str, ...]] = ("clusters", "unknown")

    def outputs(self, settings: Any) -> Mapping[str, pa.Schema]:
        """Counts of each problem, and the keys that count as another."""
        return {"rows": CLUSTERED, "clusters": CLUSTER}

    def run(self, job: Job) -> None:
        """Count, attach decimals, compare, write both tables in the order of problems."""
        clusters = Clusters(
            job.session,
            job.settings.policy,
            has_known=bool(job.inputs.get("known")),
            has_weights=bool(job.inputs.get("weights")),
        )
        if job.settings.attach_decimals:
            clusters.attach_decimals()
        with _symbolic_step(job) as step:
            clusters.compare(step)
            if step is not None:
                _tell(job, step.report())
        for batch in clusters.moves():
            job.writers["clusters"].write(batch)
        sums: dict[str, int] = {}
        for batch in clusters.rows():
            job.writers["rows"].write(batch)
            _add(sums, batch)
        job.facts["answers"] = sums | {"distinct_pairs": clusters.report.questions}
        for tier, seconds in clusters.report.seconds.items():
            job.measured[f"seconds: {tier}"] = round(seconds, 3)
        clusters.close()


def _symbolic_step(job: Job) -> Any:
    if not job.settings.symbolic_seconds:
        return nullcontext(None)
    from assets.answers.symbolic.step import SymbolicStep

    path = None if job.cache is None else job.cache / CACHE_FILE
    return SymbolicStep(job.settings.policy, path, budget_s=job.settings.symbolic_seconds)


def _tell(job: Job, report: Mapping[str, Any]) -> None:
    """Of this build, since the cache and the pace of the machine have a part in it."""
    for what, count in report["counts"].items():
        job.measured[f"pairs, {what}"] = count
    job.measured["slowest answers"] = [
        (entry["ms"], f"{entry['a'][:SHOWN]}  ?  {entry['b'][:SHOWN]}") for entry in report["slowest"]
    ]


def _add(sums: dict[str, int], batch: pa.RecordBatch) -> None:
    """Add a batch of rows to the totals of the stage."""
    agrees = batch.column("surface_agrees").cast(pa.bool_())  # DuckDB gives an extension type
    counted = {name: pc.sum(batch.column(name)).as_py() or 0 for name in _SUMMED}
    counted |= {
        "problems": batch.num_rows,
        "votes": batch.num_rows - agrees.null_count,
        "votes_like_raw_texts": pc.sum(agrees).as_py() or 0,
    }
    for name, count in counted.items():
        sums[name] = sums.get(name, 0) + count
