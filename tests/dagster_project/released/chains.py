"""Where the chain of a row of quickstart parts between two builds, found row by row in plain Python.

It knows the stages of quickstart by name and follows one row through them, in the order in which a person would look.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import pyarrow.parquet as pq

from assets.release.folder_reading import Release
from tests.dagster_project.released.conftest import Built

Key = tuple[str, str, int]
"""problem_id, stage, sample_index."""


def rows_of(release: Release, split: str) -> dict[Key, tuple[str, str]]:
    """Key -> what is compared: hash of the text, expected answer."""
    found = {}
    for data_path, origin_path in zip(release.data[split], release.provenance[split], strict=True):
        data, origins = pq.read_table(data_path).to_pylist(), pq.read_table(origin_path).to_pylist()
        for row, origin in zip(data, origins, strict=True):
            key = (origin["problem_id"], origin["stage"], origin["sample_index"])
            assert key not in found
            found[key] = (origin["text_hash"], row["expected_answer"])
    return found


def changes_of(old: Release, new: Release, split: str) -> dict[Key, str]:
    """Key -> added, removed or changed."""
    before, after = rows_of(old, split), rows_of(new, split)
    found = {key: "added" for key in after.keys() - before.keys()}
    found |= {key: "removed" for key in before.keys() - after.keys()}
    return found | {key: "changed" for key in after.keys() & before.keys() if after[key] != before[key]}


class Chains:
    """Two builds, every table as dictionaries."""

    def __init__(self, old: Built, new: Built) -> None:
        self._sides = [_Side(old), _Side(new)]
        self._releases = (old.release, new.release)

    def expected(self, split: str) -> Counter[tuple[str, str]]:
        """(kind, stage where the chain parts) -> rows; the stage is ``split`` for rows that only moved."""
        before, after = (_everywhere(release) for release in self._releases)
        found: Counter[tuple[str, str]] = Counter()
        for key, kind in changes_of(*self._releases, split).items():
            moved = key in before and key in after and before[key] == after[key]
            found[kind, "split" if moved else self.stage_of(key)] += 1
        return found

    def stage_of(self, key: Key) -> str:
        """The first stage at which the two builds have something else of this row."""
        problem, stage, sample = key
        is_new = stage == "new_solutions"
        found = self._stage_of_problem(problem, is_new=is_new)
        if found:
            return found
        if self._differs(lambda side: side.solution(stage, problem, sample)):
            return stage
        voted = "new_expected" if is_new else "seed_expected"
        if self._differs(lambda side: side.expected(voted, problem)):
            return voted
        for name in ("graded", "checked", "distinct"):
            if self._differs(lambda side, n=name: side.text(n, stage, problem, sample)):
                return name
        return "nowhere"

    def _stage_of_problem(self, problem: str, *, is_new: bool) -> str | None:
        parents = {parent for side in self._sides for parent in side.parents(problem)} if is_new else {problem}
        for parent in sorted(parents):
            if self._differs(lambda side, p=parent: side.seeds.get(p)):
                return "seeds"
        for name in ("generated", "new_problems", "clean_problems") if is_new else ():
            if self._differs(lambda side, n=name: problem in side.ids(n, "problem_id")):
                return name
        return None

    def _differs(self, look: Any) -> bool:
        return look(self._sides[0]) != look(self._sides[1])


def _everywhere(release: Release) -> dict[Key, tuple[str, str]]:
    return {key: content for split in release.data for key, content in rows_of(release, split).items()}


class _Side:
    def __init__(self, built: Built) -> None:
        self._built = built
        self._tables: dict[str, list[dict[str, Any]]] = {}
        self.seeds = {row["problem_id"]: row["expected_answer"] for row in self._rows("seeds")}

    def _rows(self, stage: str) -> list[dict[str, Any]]:
        if stage not in self._tables:
            self._tables[stage] = self._built.rows(stage)
        return self._tables[stage]

    def ids(self, stage: str, column: str) -> set[str]:
        return {row[column] for row in self._rows(stage)}

    def parents(self, problem: str) -> set[str]:
        return {row["parent_id"] for row in self._rows("generated") if row["problem_id"] == problem}

    def solution(self, stage: str, problem: str, sample: int) -> str | None:
        found = [r for r in self._rows(stage) if (r["problem_id"], r["sample_index"]) == (problem, sample)]
        return found[0]["solution_id"] if found else None

    def expected(self, stage: str, problem: str) -> str | None:
        found = [row["expected_answer"] for row in self._rows(stage) if row["problem_id"] == problem]
        return found[0] if found else None

    def text(self, name: str, stage: str, problem: str, sample: int) -> Any:
        solution = self.solution(stage, problem, sample)
        found = [row for row in self._rows(name) if row["solution_id"] == solution]
        return found[0].get("final_text_hash", "kept") if found else None
