"""``contamination/near_duplicates`` over real sessions and files."""

from __future__ import annotations

import hashlib
import json
import random
import uuid
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pydantic import ValidationError

from assets.contamination.duplicate_kind import DuplicateSettings, RemoveNearDuplicates
from assets.schemas import PROBLEM, REJECT, problem_id, table_of
from benchmarks.made_problems import made_problems

KIND = RemoveNearDuplicates()


def problems(texts: list[str]) -> pa.Table:
    rows = [{"problem_id": problem_id(t), "problem": t, "problem_source": "new", "level": "2"} for t in texts]
    return table_of(PROBLEM, random.Random(1).sample(rows, len(rows)))


def some() -> list[str]:
    return list(made_problems(60, 5))


def test_one_of_each_stays(run_table_kind: Any) -> None:
    texts = some()
    copies = [text.upper() for text in texts[:10]] + [text + " Explain." for text in texts[10:20]]
    ran = run_table_kind(KIND, DuplicateSettings(), problems=problems(texts + copies))
    assert ran.tables["rows"].schema.equals(PROBLEM)
    assert ran.tables["rejects"].schema.equals(REJECT)
    kept, out = ran.rows(), ran.rows("rejects")
    assert [row["problem_id"] for row in kept] == sorted(row["problem_id"] for row in kept)
    assert {row["level"] for row in kept} == {"2"}
    pairs = [{problem_id(a), problem_id(b)} for a, b in zip(texts, copies, strict=False)]
    gone = {row["id"].bytes: row for row in out}
    for pair in pairs:
        [lost] = pair & gone.keys()
        [stays] = pair - {lost}
        assert lost > stays, "the first in the order of ids stays"
        assert gone[lost]["rule"] == "near duplicate"
        assert (
            gone[lost]["detail"].startswith(f"{uuid.UUID(bytes=stays)}: similarity 0.9")
            or "1.0000" in (gone[lost]["detail"])
        )
    assert len(out) == len(pairs)
    assert ran.facts["near_duplicates"]["removed"] == 20
    assert {"seconds: embed", "seconds: compare"} <= set(ran.measured)


def test_other_numbers_make_another_problem(run_table_kind: Any) -> None:
    texts = ["A tank holds 250 liters and loses 12 an hour.", "A tank holds 310 liters and loses 17 an hour."]
    assert run_table_kind(KIND, DuplicateSettings(), problems=problems(texts)).rows("rejects") == []


@pytest.mark.parametrize("texts", [[], ["one"], ["", "?!"]])
def test_little_to_compare(run_table_kind: Any, texts: list[str]) -> None:
    ran = run_table_kind(KIND, DuplicateSettings(), problems=problems(texts))
    assert len(ran.rows()) == len(texts)
    assert ran.rows("rejects") == []


def test_vectors_leave_no_file(run_table_kind: Any, tmp_path: Path) -> None:
    run_table_kind(KIND, DuplicateSettings(), problems=problems(some()))
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_similarity_that_would_take_everything_is_refused() -> None:
    with pytest.raises(ValidationError):
        DuplicateSettings(min_similarity=0.3)


def test_golden_rows(run_table_kind: Any) -> None:
    """Another hash: raise ``version`` of the kind (or of the lexical embedder), then write the new hash here."""
    texts = some()[:8]
    ran = run_table_kind(KIND, DuplicateSettings(), problems=problems(texts + [text.lower() for text in texts[:4]]))
    shown = json.dumps([ran.rows(), ran.rows("rejects")], default=str)
    assert (KIND.version, hashlib.sha256(shown.encode()).hexdigest()[:16]) == (1, "34cdbdbdbc0c4349")
