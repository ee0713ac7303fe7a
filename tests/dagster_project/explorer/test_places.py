from __future__ import annotations

from pathlib import Path

import pytest

from dagster_project.explorer.places import StageTable, place_of_folder


def test_other_content_has_another_digest(release_folder: Path, older_folder: Path, copied: Path) -> None:
    here = place_of_folder(release_folder).digest
    assert here == place_of_folder(copied).digest
    assert here != place_of_folder(older_folder).digest


@pytest.mark.parametrize(
    ("columns", "shape"),
    [
        (["problem_id", "problem", "problem_source"], "problems"),
        (["problem_id", "problem", "problem_source", "rule", "benchmark_problem"], "matches"),
        (["pair_id", "problem_id", "problem", "benchmark_problem"], "pairs"),
        (["benchmark_id", "problem", "benchmark", "row"], "benchmarks"),
        (["problem_id", "benchmark_ids", "benchmarks", "similarities"], "neighbours"),
        (["solution_id", "problem_id", "request_key", "sample_index", "text_hash"], "solutions"),
        (["id", "rule", "reason", "detail"], "rejects"),
        (["something"], None),
    ],
)
def test_tables_are_told_apart_by_their_columns(columns: list[str], shape: str | None) -> None:
    assert StageTable("s", "rows", (), columns).shape == shape
