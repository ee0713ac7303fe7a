"""The seed kinds as a whole: rows, rejects and edges of a source, and that nothing gets lost on the way."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from assets.schemas import problem_id, seed_row_id
from assets.seeds.kinds import Gsm8k, Math, Problems
from resources.errors import SeedError
from resources.identity import hash_json
from resources.sources.source import SourceSpec

RunSeeds = Callable[..., Any]


def _jsonl(path: Path, rows: list[Any]) -> Path:
    path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))
    return path


def _problem(text: str, answer: Any = "1", **more: Any) -> dict[str, Any]:
    return {"problem": text, "expected_answer": answer} | more


def test_every_row_is_kept_or_rejected_with_line_and_rule(tmp_path: Path, run_seeds: RunSeeds) -> None:
    rows = [_problem("a"), "{broken", _problem(" a \n", "2"), _problem("b", None), _problem("c", 1.5), _problem("d")]
    outcome = run_seeds(_jsonl(tmp_path / "s.jsonl", rows))
    assert [row["problem"] for row in outcome.rows()] == ["a", "d"]
    assert outcome.rules() == ["malformed", "duplicate", "missing field", "wrong type"]
    assert [row["detail"].split(":")[0] for row in outcome.rows("rejects")] == ["line 2", "line 3", "line 4", "line 5"]
    assert [row["id"] for row in outcome.rows("rejects")] == [_uuid(seed_row_id("mine", n)) for n in (1, 2, 3, 4)]
    assert outcome.facts == {
        "read": 6,
        "kept": 2,
        "rejects": {"duplicate": 1, "malformed": 1, "missing field": 1, "wrong type": 1},
    }


def test_a_copy_keeps_its_edge_with_its_own_answer(tmp_path: Path, run_seeds: RunSeeds) -> None:
    outcome = run_seeds(_jsonl(tmp_path / "s.jsonl", [_problem("a", "1"), _problem("a", "2")]))
    edges = outcome.rows("edges")
    assert [(edge["source_row"], edge["expected_answer"]) for edge in edges] == [(0, "1"), (1, "2")]
    assert {edge["child_id"] for edge in edges} == {_uuid(problem_id("a"))}
    assert [edge["parent_id"] for edge in edges] == [_uuid(seed_row_id("mine", n)) for n in (0, 1)]
    assert {(edge["relation"], edge["source"], edge["request_key"]) for edge in edges} == {("seed", "mine", None)}
    assert outcome.rows()[0]["expected_answer"] == "1"


def test_composed_and_decomposed_letters_are_one_problem(tmp_path: Path, run_seeds: RunSeeds) -> None:
    outcome = run_seeds(_jsonl(tmp_path / "s.jsonl", [_problem("cafe\u0301"), _problem("caf\u00e9")]))
    assert [row["problem"] for row in outcome.rows()] == ["caf\u00e9"]
    assert outcome.rules() == ["duplicate"]


def test_problem_source_is_the_source_unless_the_row_says_another(tmp_path: Path, run_seeds: RunSeeds) -> None:
    path = _jsonl(tmp_path / "s.jsonl", [_problem("a"), _problem("b", problem_source="other")])
    assert [row["problem_source"] for row in run_seeds(path).rows()] == ["mine", "other"]


@pytest.mark.parametrize(("wanted", "read"), [(1, 1), (2, 4), (9, 5)])
def test_preview_takes_the_first_problems_and_still_counts(
    tmp_path: Path, run_seeds: RunSeeds, wanted: int, read: int
) -> None:
    path = _jsonl(tmp_path / "s.jsonl", [_problem("a"), "broken", _problem("a"), _problem("b"), _problem("c")])
    outcome = run_seeds(path, preview_rows=wanted)
    assert [row["problem"] for row in outcome.rows()] == ["a", "b", "c"][:wanted]
    assert outcome.facts["read"] == read == len(outcome.rows()) + len(outcome.rows("rejects"))


def test_more_rows_than_a_batch(tmp_path: Path, run_seeds: RunSeeds) -> None:
    outcome = run_seeds(_jsonl(tmp_path / "s.jsonl", [_problem(f"p{n % 4500}") for n in range(5000)]))
    assert [row["problem"] for row in outcome.rows()] == [f"p{n}" for n in range(4500)]
    assert outcome.facts == {"read": 5000, "kept": 4500, "rejects": {"duplicate": 500}}
    assert max(part.num_rows for part in outcome.tables["rows"]) <= 2048


def test_a_row_too_long_over_several_fields_is_rejected(tmp_path: Path, run_seeds: RunSeeds) -> None:
    rows = [_problem("a"), _problem("b" * 600_000, reference_solution="r" * 600_000)]
    pq.write_table(pa.Table.from_pylist(rows, pa.schema([(n, pa.string()) for n in rows[1]])), tmp_path / "s.parquet")
    outcome = run_seeds(tmp_path / "s.parquet")
    assert outcome.rules() == ["too long"]
    assert len(outcome.rows("rejects")[0]["detail"]) < 300


@pytest.mark.parametrize("content", ["", "\n\n", "\ufeff"], ids=["nothing", "blank lines", "only a mark"])
def test_an_empty_source_is_an_error_that_names_the_file(tmp_path: Path, run_seeds: RunSeeds, content: str) -> None:
    (tmp_path / "empty.jsonl").write_text(content, encoding="utf-8")
    with pytest.raises(SeedError, match=r"empty\.jsonl: the source has no rows"):
        run_seeds(tmp_path / "empty.jsonl")


@pytest.mark.parametrize("name", ["empty.csv", "header.csv"])
def test_a_csv_without_rows_is_empty(tmp_path: Path, run_seeds: RunSeeds, name: str) -> None:
    (tmp_path / name).write_text("" if name == "empty.csv" else "problem,expected_answer\n")
    with pytest.raises(SeedError, match="the source has no rows"):
        run_seeds(tmp_path / name)


def test_a_source_of_rejects_only_is_an_error_with_the_counts(tmp_path: Path, run_seeds: RunSeeds) -> None:
    path = _jsonl(tmp_path / "s.jsonl", [{"problem": "a", "solution": "no box"}, "broken"])
    with pytest.raises(SeedError) as caught:
        run_seeds(path, Math())
    assert caught.value.what == "no row can be used: 2 read, all rejected (no answer 1, malformed 1)"


def test_a_column_in_no_row_names_the_nearest(tmp_path: Path, run_seeds: RunSeeds) -> None:
    path = _jsonl(tmp_path / "s.jsonl", [{"Question": "a", "answer": "#### 1"}])
    with pytest.raises(SeedError) as caught:
        run_seeds(path, Gsm8k())
    assert str(caught.value) == (
        f"{path}: no row has the column 'question' (columns there: Question, answer). "
        "Map it in the source, as in `columns: {question: Question}`, or give another file"
    )


def test_a_column_in_some_rows_rejects_the_others(tmp_path: Path, run_seeds: RunSeeds) -> None:
    path = _jsonl(tmp_path / "s.jsonl", [{"question": "a"}, {"question": "b", "answer": "#### 1"}])
    outcome = run_seeds(path, Gsm8k())
    assert outcome.rules() == ["missing field"]


def test_renamed_columns(tmp_path: Path, run_seeds: RunSeeds) -> None:
    path = _jsonl(tmp_path / "s.jsonl", [{"q": "a", "a": "#### 1", "question": "wrong one"}])
    spec = SourceSpec("mine", path=path, columns={"question": "q", "answer": "a"})
    assert run_seeds(spec, Gsm8k()).rows()[0]["problem"] == "a"


def test_a_renamed_optional_column_must_be_there(tmp_path: Path, run_seeds: RunSeeds) -> None:
    path = _jsonl(tmp_path / "s.jsonl", [_problem("a", difficulty="1")])
    with pytest.raises(SeedError, match="no row has the column 'dificulty'"):
        run_seeds(SourceSpec("mine", path=path, columns={"level": "dificulty"}))


def test_a_rename_of_an_unknown_column_is_refused(tmp_path: Path, run_seeds: RunSeeds) -> None:
    path = _jsonl(tmp_path / "s.jsonl", [_problem("a")])
    spec = SourceSpec("mine", path=path, where="recipe.yaml:7", columns={"soluton": "s"})
    with pytest.raises(SeedError, match=r"recipe\.yaml:7: `columns` renames 'soluton'.*reference_solution"):
        run_seeds(spec)


def test_a_mapping_serves_as_a_source(tmp_path: Path, run_seeds: RunSeeds) -> None:
    path = _jsonl(tmp_path / "s.jsonl", [_problem("a")])
    spec = SourceSpec.of({"name": "n", "bundled": str(path), "track": None, "unknown": 1})
    assert run_seeds(spec).rows()[0]["problem_source"] == "n"


GOLDEN = {"seeds/gsm8k": "0723152508860c6c", "seeds/math": "8f40b40a3a88969a", "seeds/problems": "28dc067073155f81"}


@pytest.mark.parametrize(
    ("kind", "rows"),
    [
        (
            Gsm8k(),
            [
                {"question": "Two and two?", "answer": "2+2=<<2+2=4>>4\n#### 4"},
                {"question": "Big?", "answer": "#### 1,000"},
                {"question": "None?", "answer": "none"},
            ],
        ),
        (
            Math(),
            [
                {"problem": "Find $x$.", "solution": r"\boxed{\{1\}} or \boxed{2}", "level": "Level ?", "type": "A"},
                {"problem": "Find $y$.", "solution": "nothing"},
            ],
        ),
        (Problems(), [_problem("a", 3, level=2), _problem("a"), _problem("b", "4", type="t"), "broken"]),
    ],
    ids=["gsm8k", "math", "problems"],
)
def test_golden(tmp_path: Path, run_seeds: RunSeeds, kind: Any, rows: list[Any]) -> None:
    """A changed hash means other rows for the same input: raise the kind's version, then the hash here."""
    outcome = run_seeds(_jsonl(tmp_path / "s.jsonl", rows), kind)
    found = hash_json([[str(v) for r in outcome.rows(t) for v in r.values()] for t in ("rows", "rejects", "edges")])
    assert (kind.version, found[:16]) == (1, GOLDEN[kind.name])


LINES = st.one_of(
    st.builds(lambda p, a: json.dumps({"problem": p, "expected_answer": a}).encode(), st.text(), st.text()),
    st.binary(max_size=40),
    st.recursive(st.none() | st.floats() | st.text(), lambda inner: st.dictionaries(st.text(), inner)).map(
        lambda value: json.dumps(value).encode()
    ),
)


@given(lines=st.lists(LINES, max_size=12))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_bytes_are_conserved(tmp_path: Path, run_seeds: RunSeeds, lines: list[bytes]) -> None:
    path = tmp_path / "any.jsonl"
    path.write_bytes(json.dumps(_problem("sure")).encode() + b"\n" + b"\n".join(lines))
    outcome = run_seeds(path)
    assert outcome.facts["read"] == len(outcome.rows()) + len(outcome.rows("rejects"))
    ids = [row["problem_id"] for row in outcome.rows()]
    assert len(set(ids)) == len(ids)


def _uuid(value: bytes) -> uuid.UUID:
    return uuid.UUID(bytes=value)
