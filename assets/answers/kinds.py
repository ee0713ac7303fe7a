"""The stages ``answers/extract`` and ``answers/expected``: text and spellings in, canonical keys out.

Streams Arrow batches; what is kept of a solution (two ids and its answer) waits in DuckDB, which sorts and spills. Keys
are computed once for each distinct spelling and joined back. No vote is counted here (``sql/majority_answer`` does).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, ClassVar

import pyarrow as pa
from pydantic import Field

from assets.answers.extract import extract_boxed, why_no_answer
from assets.answers.key import Key, canonical_key
from assets.answers.policy import DEFAULT, Policy
from assets.kinds import Input, Job, Law, Settings, TableKind
from assets.schemas import ANSWER, EXPECTED, PROBLEM, REJECT, SOLUTION
from resources.completions import require_completions
from resources.spool import Spool

TEXT_BATCH = 2_048
"""Solutions read at a time: about 2 MB of text."""
CACHED_KEYS = 65_536
"""Spellings whose key is remembered while ground truth is read."""

_IDS = {"solution_id": "uuid", "problem_id": "uuid", "sample_index": "integer"}
_FOUND = {**_IDS, "answer": "varchar", "reason": "varchar"}
_KEYS = {"answer": "varchar", "answer_key": "varchar", "status": "varchar"}

_TEXTS = """
select s.solution_id, s.problem_id, s.sample_index, c.text
from solutions as s
join completions as c using (request_key)
where c.text is not null
"""
_ANSWERS = """
select
    f.solution_id, f.problem_id, f.sample_index, f.answer, k.answer_key,
    coalesce(k.status, f.reason) as answer_status,
from answers_found as f
left join answers_keys as k on f.answer = k.answer
order by f.solution_id
"""
_EXPECTED = "select problem_id, expected_answer, expected_key from answers_expected order by problem_id"


class AnswerSettings(Settings):
    """Settings of both kinds of this station: they must agree, or their keys cannot be compared."""

    policy: Policy = Field(default=DEFAULT, description="Which spellings count as the same answer (docs/selection.md).")


class Extract(TableKind):
    """Reads the box of every solution and names its answer."""

    name: ClassVar[str] = "answers/extract"
    version: ClassVar[int] = 2
    description: ClassVar[str] = "Content of the last balanced box of each solution, with its canonical key."
    settings_type: ClassVar[type[Settings]] = AnswerSettings
    inputs: ClassVar[Mapping[str, Input]] = {"solutions": Input(SOLUTION, "Solutions whose texts are read.")}
    law: ClassVar[Law] = Law("map", input="solutions", id="solution_id")
    reads_completions: ClassVar[bool] = True
    histograms: ClassVar[tuple[str, ...]] = ("answer_status",)

    def outputs(self, settings: Any) -> Mapping[str, pa.Schema]:
        """One answer a solution; those without a box say why."""
        return {"rows": ANSWER}

    def run(self, job: Job) -> None:
        """Extract, give each distinct spelling its key, write in the order of ids."""
        found = Spool(job.session, "answers_found", _FOUND)
        for batch in job.session.sql(_TEXTS).to_arrow_reader(TEXT_BATCH):
            found.add(_read_boxes(batch))
        require_completions(job.session, found.row_count, where=f"{job.recipe}/{job.stage}")
        keys = Spool(job.session, "answers_keys", _KEYS)
        for batch in found.read("select distinct answer from answers_found where answer is not null"):
            keys.add(_name_answers(batch.column("answer").to_pylist(), job.settings.policy))
        statuses: dict[str, int] = {}
        for batch in found.read(_ANSWERS):
            job.writers["rows"].write(batch)
            for entry in batch.column("answer_status").value_counts().to_pylist():
                statuses[entry["values"]] = statuses.get(entry["values"], 0) + entry["counts"]
        job.facts["answers"] = {"by_status": dict(sorted(statuses.items())), "distinct_spellings": keys.row_count}
        keys.close()
        found.close()


class Expected(TableKind):
    """Names the ground truth of problems."""

    name: ClassVar[str] = "answers/expected"
    version: ClassVar[int] = 2
    description: ClassVar[str] = "The expected answer of each problem, with its canonical key."
    settings_type: ClassVar[type[Settings]] = AnswerSettings
    inputs: ClassVar[Mapping[str, Input]] = {"problems": Input(PROBLEM, "Problems with a known answer.")}
    law: ClassVar[Law] = Law("filter", input="problems", id="problem_id")

    def outputs(self, settings: Any) -> Mapping[str, pa.Schema]:
        """Answers of problems, and the problems that have none."""
        return {"rows": EXPECTED, "rejects": REJECT}

    def run(self, job: Job) -> None:
        """Key each answer; problems without one are rejects."""
        columns = {"problem_id": "uuid", "expected_answer": "varchar", "expected_key": "varchar"}
        spool = Spool(job.session, "answers_expected", columns)
        key = lru_cache(CACHED_KEYS)(canonical_key)
        statuses = {"decided": 0, "undecided": 0}
        for batch in job.session.sql("select problem_id, expected_answer from problems").to_arrow_reader(TEXT_BATCH):
            answers = [(text or "").strip() or None for text in batch.column("expected_answer").to_pylist()]
            keys = [None if text is None else key(text, job.settings.policy) for text in answers]
            for found in filter(None, keys):
                statuses[found.status] += 1
            texts = pa.array([None if found is None else found.text for found in keys], pa.string())
            spool.add(
                pa.table([batch.column("problem_id"), pa.array(answers, pa.string()), texts], names=list(columns))
            )
        for batch in spool.read(_EXPECTED):
            has_key = batch.column("expected_key").is_valid()
            job.writers["rows"].write(batch.filter(has_key))
            job.writers["rejects"].write(_without_answer(batch.filter(batch.column("expected_key").is_null())))
        job.facts["answers"] = {"by_status": statuses}
        spool.close()


def _read_boxes(batch: pa.RecordBatch) -> pa.Table:
    answers: list[str | None] = []
    reasons: list[str | None] = []
    for text in batch.column("text").to_pylist():
        answer = extract_boxed(text) or None
        answers.append(answer)
        reasons.append(why_no_answer(text) if answer is None else None)
    ids = [batch.column(name) for name in ("solution_id", "problem_id", "sample_index")]
    return pa.table([*ids, pa.array(answers, pa.string()), pa.array(reasons, pa.string())], names=list(_FOUND))


def _name_answers(answers: Iterable[str], policy: Policy) -> pa.Table:
    spelled = list(answers)
    keys: list[Key] = [canonical_key(answer, policy) for answer in spelled]
    columns = [spelled, [key.text for key in keys], [key.status for key in keys]]
    return pa.table([pa.array(column, pa.string()) for column in columns], names=list(_KEYS))


def _without_answer(batch: pa.RecordBatch) -> pa.Table:
    count = batch.num_rows
    words = [pa.array([text] * count, pa.string()) for text in ("no key", "the problem has no expected answer", None)]
    return pa.table([batch.column("problem_id"), *words], names=REJECT.names)
