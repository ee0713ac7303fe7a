"""``take``: a few problems of a source, the same ones whatever its order, and no row lost."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from assets.kinds import Job
from assets.seeds.kinds import Problems, SeedSettings

RunSeeds = Callable[..., Any]


class Taking(Problems):
    """The kind under the setting ``take``, for the fixture, which gives a job without settings."""

    def __init__(self, take: int) -> None:
        self._words = SeedSettings(take=take)

    def run(self, job: Job) -> None:
        job.settings = self._words
        super().run(job)


def write(path: Path, texts: list[str]) -> Path:
    rows = [{"problem": text, "expected_answer": "1"} if text else {"problem": ""} for text in texts]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


TEXTS = [f"How many are {n}?" for n in range(40)]


def test_the_same_problems_whatever_the_order(tmp_path: Path, run_seeds: RunSeeds) -> None:
    first = run_seeds(write(tmp_path / "a.jsonl", TEXTS), Taking(5))
    second = run_seeds(write(tmp_path / "b.jsonl", TEXTS[::-1]), Taking(5))
    kept = [row["problem"] for row in first.rows()]
    assert len(kept) == 5
    assert kept == sorted(kept, key=TEXTS.index)
    assert set(kept) == {row["problem"] for row in second.rows()}
    assert kept != TEXTS[:5]
    fewer = {row["problem"] for row in run_seeds(write(tmp_path / "a.jsonl", TEXTS), Taking(3)).rows()}
    assert fewer < set(kept)


def test_every_row_is_a_problem_or_a_reject(tmp_path: Path, run_seeds: RunSeeds) -> None:
    path = write(tmp_path / "a.jsonl", [*TEXTS[:4], "", TEXTS[0]])
    outcome = run_seeds(path, Taking(2))
    assert outcome.facts["read"] == 6 == len(outcome.rows()) + len(outcome.rows("rejects"))
    assert outcome.facts["rejects"]["not taken"] + outcome.facts["rejects"].get("duplicate", 0) == 3
    assert {edge["child_id"] for edge in outcome.rows("edges")} == {row["problem_id"] for row in outcome.rows()}


def test_more_than_there_are_takes_all(tmp_path: Path, run_seeds: RunSeeds) -> None:
    assert len(run_seeds(write(tmp_path / "a.jsonl", TEXTS), Taking(1000)).rows()) == len(TEXTS)


@pytest.mark.parametrize("take", [0, -1, "x"])
def test_a_wrong_number_is_refused(take: object) -> None:
    with pytest.raises(ValidationError):
        SeedSettings.model_validate({"take": take})
