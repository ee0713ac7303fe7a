"""``generation/augment``: asks for new problems made from given ones, and reads them out of the completions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import pyarrow as pa

from assets.generation.asking import VARIABLES, asks_for, failed, parents, unasked, with_status
from assets.generation.new_problem import NoProblem, read_new_problem
from assets.generation.settings import GenerationSettings
from assets.kinds import Ask, GenerationKind, Input, Law, Prompts
from assets.schemas import EDGE, GENERATED_PROBLEM, PROBLEM, REJECT, REQUEST, problem_id, table_of

PREFIX = "augmented_"
"""Put before the parent's ``problem_source``, as the released dataset spells it."""

RELATION = "augmented"


class Augment(GenerationKind):
    """New problems: one row a completion that holds one. Copies are removed later."""

    name = "generation/augment"
    version = 2
    description = "Asks a model for new problems inspired by given ones."
    settings_type = GenerationSettings
    inputs: ClassVar[Mapping[str, Input]] = {"problems": Input(PROBLEM, "Problems to start from.")}
    law = Law("expand", input="problems", id="problem_id")
    main_input = "problems"
    row_id = "problem_id"
    prompt_variables = frozenset(VARIABLES)

    def outputs(self, settings: GenerationSettings) -> Mapping[str, pa.Schema]:
        """New problems, completions without one, an edge from each new problem to its parent, and the ledger."""
        return {"rows": GENERATED_PROBLEM, "rejects": REJECT, "edges": EDGE, "requests": REQUEST}

    def next_requests(
        self, rows: pa.Table, completed: pa.Table, settings: GenerationSettings, prompts: Prompts
    ) -> Sequence[Ask]:
        """All samples of every problem, in one wave."""
        return asks_for(rows, settings, prompts, self.name)

    def finish(
        self, rows: pa.Table, completed: pa.Table, settings: GenerationSettings, stage: str
    ) -> Mapping[str, pa.Table]:
        """Each completion is a new problem or a reject."""
        done = with_status(completed, "completed")
        seeds = rows.select(["problem", "problem_source"]).to_pylist()
        parent_ids = done.column("row_id").combine_chunks().storage.to_pylist()
        keys = done.column("request_key").combine_chunks().storage.to_pylist()
        texts = done.column("text").to_pylist()
        ends = done.column("finish_reason").to_pylist()
        made: list[dict[str, Any]] = []
        left: list[dict[str, Any]] = []
        for position, parent_id, key, text, end in zip(parents(rows, done), parent_ids, keys, texts, ends, strict=True):
            seed = seeds[position]
            found = read_new_problem(text or "", seed["problem"], is_cut=end == "length")
            if isinstance(found, NoProblem):
                left.append({"id": key, "rule": found.rule, "reason": found.reason, "detail": found.detail or None})
                continue
            made.append(
                {
                    "problem_id": problem_id(found),
                    "problem": found,
                    "problem_source": self.source_out(seed["problem_source"]),
                    "parent_id": parent_id,
                    "request_key": key,
                }
            )
        edges = [{"child_id": row["problem_id"], "relation": RELATION} | row for row in made]
        return {
            "rows": table_of(GENERATED_PROBLEM, made),
            "rejects": pa.concat_tables([table_of(REJECT, left), failed(completed), unasked(rows)]),
            "edges": table_of(EDGE, edges),
        }

    def source_out(self, problem_source: str) -> str:
        """``augmented_`` and the parent's source."""
        return PREFIX + problem_source

    def samples(self, settings: GenerationSettings, problem_source: str) -> int:
        """As the settings say."""
        return settings.samples_for(problem_source, self.name)
