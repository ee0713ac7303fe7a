"""Fixed vectors of every id: a changed byte here would orphan the rows and completions of every user's store."""

from __future__ import annotations

import pytest

from assets.schemas import problem_id, seed_row_id, solution_id
from resources.identity import canonical_json, digest128, hash_json, show_id


@pytest.mark.parametrize(
    ("found", "fixed"),
    [
        pytest.param(digest128("problem", "2 + 2 = ?").hex(), "ebe1ece492eeacb99c2780766943ea97", id="digest"),
        pytest.param(digest128("request", "ab", "c").hex(), "1dd8e606598c28185b70f857040c1cf4", id="parts"),
        pytest.param(digest128("request", "a", "bc").hex(), "521f8191c9f8ff2fcc52a132c06442a1", id="other parts"),
        pytest.param(
            hash_json({"b": [1, "é"], "a": None}),
            "f8f17faab95c024891d173fa43442b0e52007736a1f36715ac721ab22deeefc5",
            id="json",
        ),
        pytest.param(problem_id("  cafe\u0301 \n").hex(), "393b5dba9742cd21542154fa739a93f4", id="problem"),
        pytest.param(solution_id(b"\1" * 16, b"\2" * 16).hex(), "1884c562ca751c9f6c62a77318ef4daf", id="solution"),
        pytest.param(seed_row_id("gsm8k", 7).hex(), "75e9543d8f36c6496360262dec1bb02f", id="seed row"),
    ],
)
def test_ids_never_change(found: str, fixed: str) -> None:
    assert found == fixed


def test_where_a_part_ends_and_the_domain_count() -> None:
    assert digest128("request", "ab", "c") != digest128("request", "a", "bc")
    assert digest128("request", "a") != digest128("problem", "a")


def test_the_same_problem_in_another_normal_form_is_the_same() -> None:
    assert problem_id("caf\u00e9") == problem_id(" cafe\u0301\n")
    assert problem_id("Café") != problem_id("café")


def test_canonical_json_has_one_text_and_no_nan() -> None:
    assert canonical_json({"b": 1, "a": [2.5, None]}) == '{"a":[2.5,null],"b":1}'
    with pytest.raises(ValueError, match="not JSON compliant|Out of range"):
        canonical_json(float("nan"))


def test_an_id_reads_as_duckdb_writes_it() -> None:
    assert show_id(bytes(range(16))) == "00010203-0405-0607-0809-0a0b0c0d0e0f"
