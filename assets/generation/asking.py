"""What both kinds of this station share: from rows to requests, and from the ledger to rows that say what failed.

Nothing here reads a completion's text.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from assets.generation.settings import GenerationSettings
from assets.kinds import Ask, Prompts
from assets.schemas import MAX_DETAIL, REJECT
from resources.engines.protocol import Sampling

VARIABLES = ("problem", "expected_answer", "reference_solution", "problem_source", "level", "type")
"""Columns of a problem that a prompt may use. What a row does not have is an empty text."""

MAX_PROBLEM = 20_000
"""Longest problem that is asked about, in characters: the longest of MATH has 4,300; few-shot prompts come on top, and
a row beyond it is a broken file that would cost its whole context at every sample."""

FAILED = "request failed"
TOO_LONG = "problem too long"


def asks_for(rows: pa.Table, settings: GenerationSettings, prompts: Prompts, where: str) -> Sequence[Ask]:
    """One :class:`Ask` a row, but for problems that are too long to be asked about (see :func:`unasked`)."""
    wanted = rows.filter(pc.call_function("invert", [_is_long(rows)]))
    samplings: dict[str, Sampling] = {}
    asks = []
    ids = wanted.column("problem_id").combine_chunks().storage.to_pylist()
    for row_id, row in zip(ids, wanted.select(VARIABLES).to_pylist(), strict=True):
        source = row["problem_source"]
        name = settings.prompt_for(source, where)
        if name not in samplings:
            samplings[name] = settings.sampling(prompts.stop(name))
        values: Mapping[str, Any] = {key: "" if value is None else value for key, value in row.items()}
        prompt = prompts.render(name, values)
        count = settings.samples_for(source, where)
        asks.append(Ask(row_id, prompt, samplings[name], count, salt=settings.salt))
    return asks


def unasked(rows: pa.Table) -> pa.Table:
    """Rejects for the rows that :func:`asks_for` leaves out. Their id is that of the problem: there was no request."""
    long = rows.filter(_is_long(rows))
    sizes = pc.call_function("utf8_length", [long.column("problem")]).to_pylist()
    return rejects(
        long.column("problem_id"),
        TOO_LONG,
        [f"a problem of more than {MAX_PROBLEM} characters is not asked about"] * len(sizes),
        [f"{size} characters" for size in sizes],
    )


def with_status(completed: pa.Table, status: str) -> pa.Table:
    """The requests that ended so: completed, failed or rejected."""
    return completed.filter(pc.call_function("equal", [completed.column("status"), pa.scalar(status)]))


def failed(completed: pa.Table) -> pa.Table:
    """Rejects for requests that will never be answered; those that will be tried again are no rejects."""
    gone = with_status(completed, "rejected")
    reasons = [(reason or "no reason was given")[:MAX_DETAIL] for reason in gone.column("reason").to_pylist()]
    return rejects(gone.column("request_key"), FAILED, reasons, [None] * len(reasons))


def rejects(ids: pa.ChunkedArray, rule: str, reasons: Sequence[str], details: Sequence[str | None]) -> pa.Table:
    """Rows of the table of rejects, all by one rule."""
    words = ([rule] * len(reasons), reasons, details)
    return pa.Table.from_arrays([ids, *(pa.array(column, pa.string()) for column in words)], schema=REJECT)


def parents(rows: pa.Table, completed: pa.Table) -> npt.NDArray[np.int64]:
    """For each completion the position of the row that asked for it."""
    ids = rows.column("problem_id").combine_chunks().storage
    asked = completed.column("row_id").combine_chunks().storage
    found = pc.call_function("index_in", [asked], pc.SetLookupOptions(ids))
    if found.null_count:
        raise ValueError("a completion belongs to none of the rows of its batch")  # a fault of the runner
    return found.to_numpy().astype(np.int64)


def _is_long(rows: pa.Table) -> pa.ChunkedArray:
    size = pc.call_function("utf8_length", [rows.column("problem")])
    return pc.call_function("greater", [size, pa.scalar(MAX_PROBLEM, pa.int32())])
