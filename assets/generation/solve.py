"""``generation/solve``: asks for solutions of problems. What a solution says is read later, by other stations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import ClassVar

import pyarrow as pa

from assets.generation.asking import VARIABLES, asks_for, failed, parents, unasked, with_status
from assets.generation.settings import GenerationSettings
from assets.kinds import Ask, GenerationKind, Input, Law, Prompts
from assets.schemas import PROBLEM, REJECT, REQUEST, SOLUTION, id_array
from resources.identity import ID_BYTES

_WIDTH = ID_BYTES.to_bytes(8, "little")
_PERSON = b"solution"


class Solve(GenerationKind):
    """Solutions: one row a completion, without its text."""

    name = "generation/solve"
    version = 1
    description = "Asks a model to solve each problem, as often as `samples` says."
    settings_type = GenerationSettings
    inputs: ClassVar[Mapping[str, Input]] = {"problems": Input(PROBLEM, "Problems to solve.")}
    law = Law("expand", input="problems", id="problem_id")
    main_input = "problems"
    row_id = "problem_id"
    reads_text = False
    prompt_variables = frozenset(VARIABLES)

    def outputs(self, settings: GenerationSettings) -> Mapping[str, pa.Schema]:
        """Solutions, requests that were given up, and the ledger."""
        return {"rows": SOLUTION, "rejects": REJECT, "requests": REQUEST}

    def next_requests(
        self, rows: pa.Table, completed: pa.Table, settings: GenerationSettings, prompts: Prompts
    ) -> Sequence[Ask]:
        """All samples of every problem, in one wave."""
        return asks_for(rows, settings, prompts, self.name)

    def finish(
        self, rows: pa.Table, completed: pa.Table, settings: GenerationSettings, stage: str
    ) -> Mapping[str, pa.Table]:
        """A row for each completion. Ids and columns only, so that millions pass in seconds."""
        done = with_status(completed, "completed")
        sources = rows.column("problem_source").take(pa.array(parents(rows, done)))
        columns = [
            solution_ids(done.column("row_id"), done.column("request_key")),
            done.column("row_id"),
            done.column("request_key"),
            done.column("text_hash"),
            sources,
            done.column("sample_index"),
            done.column("finish_reason"),
            done.column("prompt_tokens"),
            done.column("completion_tokens"),
            pa.repeat(pa.scalar(stage, pa.string()), done.num_rows),
        ]
        return {
            "rows": pa.Table.from_arrays(columns, schema=SOLUTION),
            "rejects": pa.concat_tables([failed(completed), unasked(rows)]),
        }

    def samples(self, settings: GenerationSettings, problem_source: str) -> int:
        """As the settings say."""
        return settings.samples_for(problem_source, self.name)


def solution_ids(problems: pa.ChunkedArray, request_keys: pa.ChunkedArray) -> pa.Array:
    """``assets.schemas.solution_id`` of each pair: the same bytes, hashed without a call for each part."""
    firsts = problems.combine_chunks().storage.to_pylist()
    seconds = request_keys.combine_chunks().storage.to_pylist()
    return id_array(
        [
            blake2b(b"".join((_WIDTH, problem, _WIDTH, key)), digest_size=ID_BYTES, person=_PERSON).digest()
            for problem, key in zip(firsts, seconds, strict=True)
        ]
    )
