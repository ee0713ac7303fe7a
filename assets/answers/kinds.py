"""The stages ``answers/extract`` and ``answers/expected``: text and spellings in, canonical keys out.

Streams Arrow batches; what is kept of a solution (two ids and its answer) waits in DuckDB, which sorts and spills. Keys
are computed once for each distinct spelling and joined back. No vote is counted here (``sql/majority_answer`` does).
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

import pyarrow as pa
from pydantic import Field

from assets.answers.columns import KeyPass
from assets.answers.extract import Extractor, find_answers
from assets.answers.policy import DEFAULT, Policy
from assets.kinds import Input, Job, Law, Settings, TableKind
from assets.schemas import ANSWER, EXPECTED, PROBLEM, REJECT, SOLUTION
from resources.completions import require_completions
from resources.spool import Spool

TEXT_BATCH = 4_096
"""Solutions read at a time: about 4 MB of text."""
SHOWN = 120
"""Characters of an answer in a report."""

_FOUND = {
    **{"solution_id": "uuid", "problem_id": "uuid", "sample_index": "integer"},
    **{"answer": "varchar", "reason": "varchar"},
}
_KEYS = {"answer": "varchar", "answer_key": "varchar", "status": "varchar"}
_GIVEN = {"problem_id": "uuid", "expected_answer": "varchar"}

_TEXTS = """
select s.solution_id, s.problem_id, s.sample_index, c.text
from solutions as s
join completions as c using (request_key)
where c.text is not null
"""
_SPELLINGS = "select distinct answer from answers_found where answer is not null"
_ANSWERS = """
select
    f.solution_id, f.problem_id, f.sample_index, f.answer, k.answer_key,
    coalesce(k.status, f.reason) as answer_status,
from answers_found as f
left join answers_keys as k on f.answer = k.answer
order by f.solution_id
"""
_GIVEN_SPELLINGS = "select distinct expected_answer from answers_given where expected_answer is not null"
_EXPECTED = """
select g.problem_id, g.expected_answer, k.answer_key as expected_key, k.status
from answers_given as g
left join answers_keys as k on g.expected_answer = k.answer
order by g.problem_id
"""


class AnswerSettings(Settings):
    """Settings of all kinds of this station: they must agree, or their keys cannot be compared."""

    policy: Policy = Field(default=DEFAULT, description="Which spellings count as the same answer (docs/answers.md).")


class ExtractSettings(AnswerSettings):
    """Settings of answers/extract."""

    extractor: Extractor = Field(
        default="boxed",
        description='Where the answer stands. boxed - the last balanced box; line - the last line "The answer is X.".',
    )


class Extract(TableKind):
    """Reads the answer of every solution and names it."""

    name: ClassVar[str] = "answers/extract"
    version: ClassVar[int] = 3
    description: ClassVar[str] = "What the last box (or line) of each solution says, with its canonical key."
    settings_type: ClassVar[type[Settings]] = ExtractSettings
    inputs: ClassVar[Mapping[str, Input]] = {"solutions": Input(SOLUTION, "Solutions whose texts are read.")}
    law: ClassVar[Law] = Law("map", input="solutions", id="solution_id")
    reads_completions: ClassVar[bool] = True
    histograms: ClassVar[tuple[str, ...]] = ("answer_status",)

    def outputs(self, settings: Any) -> Mapping[str, pa.Schema]:
        """One answer a solution; those without one say why."""
        return {"rows": ANSWER}

    def run(self, job: Job) -> None:
        """Extract, give each distinct spelling its key, write in the order of ids."""
        began = time.monotonic()
        found = Spool(job.session, "answers_found", _FOUND)
        for batch in job.session.sql(_TEXTS).to_arrow_reader(TEXT_BATCH):
            read = find_answers(batch.column("text"), job.settings.extractor)
            ids = [batch.column(name) for name in ("solution_id", "problem_id", "sample_index")]
            found.add(pa.table([*ids, read.answers, read.reasons], names=list(_FOUND)))
        require_completions(job.session, found.row_count, where=f"{job.recipe}/{job.stage}")
        job.measured["seconds: extract"] = round(time.monotonic() - began, 3)
        keys = _name(job, found, _SPELLINGS)
        _write(job, found, keys, _ANSWERS, ("rows",))


class Expected(TableKind):
    """Names the ground truth of problems."""

    name: ClassVar[str] = "answers/expected"
    version: ClassVar[int] = 3
    description: ClassVar[str] = "The expected answer of each problem, with its canonical key."
    settings_type: ClassVar[type[Settings]] = AnswerSettings
    inputs: ClassVar[Mapping[str, Input]] = {"problems": Input(PROBLEM, "Problems with a known answer.")}
    law: ClassVar[Law] = Law("filter", input="problems", id="problem_id")

    def outputs(self, settings: Any) -> Mapping[str, pa.Schema]:
        """Answers of problems, and the problems that have none."""
        return {"rows": EXPECTED, "rejects": REJECT}

    def run(self, job: Job) -> None:
        """Key each answer; problems without one are rejects."""
        given = Spool(job.session, "answers_given", _GIVEN)
        for batch in job.session.sql("select problem_id, expected_answer from problems").to_arrow_reader(TEXT_BATCH):
            answers = [(text or "").strip() or None for text in batch.column("expected_answer").to_pylist()]
            given.add(pa.table([batch.column("problem_id"), pa.array(answers, pa.string())], names=list(_GIVEN)))
        keys = _name(job, given, _GIVEN_SPELLINGS)
        _write(job, given, keys, _EXPECTED, ("rows", "rejects"))


def _name(job: Job, spool: Spool, spellings: str) -> Spool:
    """The dictionary: every distinct spelling with its key."""
    began = time.monotonic()
    names = KeyPass(job.settings.policy)
    keys = Spool(job.session, "answers_keys", _KEYS)
    for table in names.name(_only_column(spool.read(spellings))):
        keys.add(table)
    job.facts["answers"] = {"distinct_spellings": keys.row_count, "failed_keys": names.failed}
    job.measured["seconds: keys"] = round(time.monotonic() - began, 3)
    job.measured["seconds: keys, all processes"] = round(names.seconds, 3)
    job.measured["slowest answers"] = [(round(ms, 3), text[:SHOWN]) for ms, text in names.slowest]
    return keys


def _write(job: Job, spool: Spool, keys: Spool, query: str, tables: tuple[str, ...]) -> None:
    """Rows in the order of ids, those without a key as rejects where there is such a table; counts by status."""
    statuses: dict[str, int] = {}
    for batch in spool.read(query):
        counts = batch.column(batch.num_columns - 1).value_counts().to_pylist()  # the status comes last
        for entry in counts:
            if entry["values"] is not None:
                statuses[entry["values"]] = statuses.get(entry["values"], 0) + entry["counts"]
        if "rejects" in tables:
            has_key = batch.column("expected_key").is_valid()
            job.writers["rows"].write(batch.filter(has_key).drop_columns(["status"]))
            job.writers["rejects"].write(_without_answer(batch.filter(batch.column("expected_key").is_null())))
        else:
            job.writers["rows"].write(batch)
    job.facts["answers"]["by_status"] = dict(sorted(statuses.items()))
    keys.close()
    spool.close()


def _only_column(batches: pa.RecordBatchReader) -> Iterator[pa.Array]:
    return (batch.column(0) for batch in batches)


def _without_answer(batch: pa.RecordBatch) -> pa.Table:
    count = batch.num_rows
    words = [pa.array([text] * count, pa.string()) for text in ("no key", "the problem has no expected answer", None)]
    return pa.table([batch.column("problem_id"), *words], names=REJECT.names)
