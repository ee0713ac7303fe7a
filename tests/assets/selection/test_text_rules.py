"""The stage selection/text_rules: decisions, offsets, order of rules, limits, lost texts, hostile rows, golden rows."""

from __future__ import annotations

import hashlib
import json
import sys
import time
import types
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from assets.schemas import PROBLEM, REJECT, SOLUTION, id_array, problem_id, solution_id, table_of
from assets.selection.fused import decide, final_hash
from assets.selection.kinds import ROWS, TextRules, TextRulesSettings, rules_of
from assets.selection.lengths import _load
from assets.selection.rules import RULES
from resources.errors import MissingExtraError, RecipeError, StoreError
from resources.identity import digest128

COMPLETIONS = pa.schema([("request_key", pa.uuid()), ("text", pa.string())])
FILL = "We add the parts one after the other and look at what is left. " * 4
SHORT = {"min_solution_characters": 0}


def inputs(texts: list[str], problem: str = "How many?", tokens: int | None = None) -> dict[str, Any]:
    rows: list[dict[str, Any]] = []
    given: list[dict[str, Any]] = []
    owner = problem_id(problem)
    for index, text in enumerate(texts):
        key = digest128("request", str(index))
        rows.append(
            {
                "solution_id": solution_id(owner, key),
                "problem_id": owner,
                "request_key": key,
                "text_hash": digest128("text", text),
                "problem_source": "math",
                "sample_index": index,
                "finish_reason": "stop",
                "completion_tokens": tokens,
                "stage": "seed_solutions",
            }
        )
        given.append({"request_key": key, "text": text})
    problems = table_of(PROBLEM, [{"problem_id": owner, "problem": problem, "problem_source": "math"}])
    return {
        "solutions": table_of(SOLUTION, rows),
        "problems": [problems],
        "completions": table_of(COMPLETIONS, given),
    }


def settings(**words: Any) -> TextRulesSettings:
    return TextRulesSettings.model_validate(words)


def decided(text: str, problem_tokens: int | None = None, engine: int | None = None, **words: Any) -> dict[str, Any]:
    batch = pa.record_batch(
        [
            id_array([b"s" * 16]),
            id_array([b"p" * 16]),
            pa.array([engine], pa.int32()),
            pa.array([problem_tokens], pa.int32()),
            pa.array([text], pa.string()),
        ],
        names=["solution_id", "problem_id", "completion_tokens", "problem_tokens", "text"],
    )
    return decide(batch, rules_of(settings(**words)), {}).to_pylist()[0]


def test_one_row_of_each_fate(run_table_kind: Any) -> None:
    texts = [
        FILL + r"So it is $\boxed{5}$.",
        FILL + r"\boxed{1} and \boxed{2}.",
        FILL + r"2 + 2 = 5, so \boxed{5}.",
        r"\boxed{5}",
        "  My solution: " + FILL + r"So \boxed{5}. I hope it helps." + "\n",
        FILL + r"1 + 2 + 3 = 6, so \boxed{6}.",
        "\u05d0" * 4000 + r" \boxed{5}",
    ]
    given = inputs(texts)
    ran = run_table_kind(TextRules(), settings(), **given)
    assert ran.tables["rows"].schema.equals(ROWS)
    assert ran.tables["rejects"].schema.equals(REJECT)
    assert ran.tables["decisions"].schema.names == [
        *("solution_id", "kept", "rule", "start", "end", "failed_multiple_boxes", "failed_wrong_arithmetic"),
        *("failed_problem_length", "failed_solution_length"),
    ]
    ids = given["solutions"]["solution_id"].to_pylist()
    decisions = {row["solution_id"]: row for row in ran.rows("decisions")}
    rules = [decisions[i]["rule"] for i in ids]
    assert rules == [None, "multiple boxes", "wrong arithmetic", "solution length", None, None, "solution length"]
    kept = {row["solution_id"]: row for row in ran.rows()}
    assert set(kept) == {ids[0], ids[4], ids[5]}
    row = kept[ids[4]]
    assert texts[4][row["start"] : row["end"]] == FILL + r"So \boxed{5}."
    assert (row["is_trimmed"], row["is_rewritten"], row["rewritten"], row["tokens"]) == (True, False, None, None)
    row = kept[ids[5]]
    assert row["rewritten"] == FILL + r"1 + 2 + 3 = 3 + 3 = 6, so \boxed{6}."
    assert row["final_text_hash"].bytes == digest128("text", row["rewritten"])
    assert row["characters"] == len(row["rewritten"])
    rejects = {row["id"]: (row["rule"], row["detail"]) for row in ran.rows("rejects")}
    assert rejects[ids[1]] == ("multiple boxes", "2 boxes")
    assert rejects[ids[2]] == ("wrong arithmetic", "2 + 2 = 5")
    assert rejects[ids[3]] == ("solution length", "9 characters")
    for table in ("rows", "decisions"):
        order = ran.tables[table]["solution_id"].to_pylist()
        assert order == sorted(order)
    assert ran.facts["rules"] == {
        "multiple boxes": {"failed": 1},
        "prefix": {"trimmed": 1},
        "trim": {"trimmed": 1},
        "wrong arithmetic": {"failed": 1},
        "split arithmetic": {"rewritten": 1},
        "problem length": {"failed": 0},
        "solution length": {"failed": 2},
    }
    assert ran.facts["tokens"] == {"counted_by": "estimate of 2.5 characters a token"}


def test_every_rule_is_evaluated_and_the_first_declared_one_rejects() -> None:
    text = r"\boxed{1} and \boxed{2}, 2 + 2 = 5."
    row = decided(text, problem_tokens=2000)
    assert row["rule"] == "multiple boxes"
    assert all(row[name] for name in row if name.startswith("failed_"))
    assert decided(text, rules=["solution length", "multiple boxes"])["rule"] == "solution length"
    assert (
        decided(text, problem_tokens=2000, rules=["wrong arithmetic", "problem length"])["rule"] == "wrong arithmetic"
    )


def test_rules_act_in_the_declared_order() -> None:
    text = r"So \boxed{6}. And 2 + 2 = 5."
    assert decided(text, rules=["trim", "wrong arithmetic"])["kept"]
    assert decided(text, rules=["wrong arithmetic", "trim"])["rule"] == "wrong arithmetic"
    late = decided(r"1 + 2 + 3 = 6, \boxed{6}. End.", rules=["split arithmetic", "trim"])
    assert late["rewritten"] == r"1 + 2 + 3 = 3 + 3 = 6, \boxed{6}."


def test_no_rules_keep_everything_but_outer_space(run_table_kind: Any) -> None:
    given = inputs(["  a \n", ""])
    ran = run_table_kind(TextRules(), settings(rules=[]), **given)
    assert sorted((row["start"], row["end"], row["characters"]) for row in ran.rows()) == [(0, 0, 0), (2, 3, 1)]


def test_settings_of_a_rule() -> None:
    text = "10/3 = 3.33"
    assert decided(text, rules=["wrong arithmetic"])["rule"] == "wrong arithmetic"
    assert decided(text, rules=[{"wrong arithmetic": {"tolerance": 0.01}}])["kept"]
    assert decided("Answer: x", rules=[{"prefix": {"phrases": ["Answer:"]}}])["start"] == 8
    chain = decided("1 + 2 + 3 + 4 = 10", rules=[{"split arithmetic": {"max_numbers": 3}}])
    assert chain["rewritten"] is None


ERRORS = [
    ("unknown rule", {"rules": ["wrong arithmetics"]}, "did you mean 'wrong arithmetic'"),
    ("unknown setting", {"rules": [{"wrong arithmetic": {"tolerence": 1}}]}, "tolerence"),
    ("bad setting", {"rules": [{"wrong arithmetic": {"tolerance": 2}}]}, "less than 1"),
    ("twice", {"rules": ["trim", {"trim": {}}]}, "listed twice"),
    ("two names in one", {"rules": [{"trim": {}, "prefix": {}}]}, "a text rule is a name"),
    ("unknown key", {"min_tokens": 3}, "min_tokens"),
    ("tokenizer of whom", {"student_tokenizer": "mine"}, "engine"),
]


@pytest.mark.parametrize(("words", "message"), [case[1:] for case in ERRORS], ids=[case[0] for case in ERRORS])
def test_bad_settings_say_what_is_wrong(words: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        settings(**words)


def test_identity_holds_every_default_and_is_stable_under_spelling() -> None:
    spelled = settings(rules=[{"name": name, "settings": {}} for name in RULES])
    assert spelled.identity() == settings().identity() == settings(**settings().model_dump(mode="json")).identity()
    assert settings().identity()["rules"][3] == {"name": "wrong arithmetic", "settings": {"tolerance": 0.0001}}
    assert settings(rules=[{"wrong arithmetic": {"tolerance": 0.1}}]).identity() != settings().identity()


def test_lengths() -> None:
    rules: dict[str, Any] = {"rules": ["solution length"], "max_solution_tokens": 100}
    assert decided("a" * 250, **rules)["kept"], "250 characters are 100 estimated tokens"
    assert decided("a" * 251, **rules)["detail"] == "251 characters"
    assert decided("a" * 301, **rules, characters_per_token=4)["kept"]
    assert decided("\u05d0" * 101, **rules, min_solution_characters=0)["kept"]
    assert decided("a" * 199, **rules)["detail"] == "199 characters"
    assert decided("a" * 5000, engine=99, **rules)["rule"] == "solution length", (
        "the engine's count is not the student's"
    )
    trusted = decided("a" * 5000, engine=99, **rules, student_tokenizer="engine")
    assert (trusted["kept"], trusted["tokens"]) == (True, 99)
    assert decided("a" * 250, engine=101, **rules, student_tokenizer="engine")["detail"] == "101 tokens"
    cut = decided("My solution: " + "a" * 250, engine=101, **{**rules, "rules": ["prefix", "solution length"]},
                  student_tokenizer="engine")  # fmt: skip
    assert (cut["kept"], cut["tokens"]) == (True, None), "a cut text has another length"


def test_problem_length(run_table_kind: Any) -> None:
    given = inputs([FILL + r"\boxed{5}."], problem="word " * 800)
    ran = run_table_kind(TextRules(), settings(), **given)
    assert [(row["rule"], row["detail"]) for row in ran.rows("rejects")] == [("problem length", "1600 tokens")]
    fits = run_table_kind(TextRules(), settings(max_problem_tokens=1600), **given)
    assert len(fits.rows()) == 1


class FakeTokenizer:
    """Stands in for the package ``tokenizers``: one token a word."""

    def encode_batch(self, texts: list[str], *, add_special_tokens: bool) -> list[Any]:
        assert not add_special_tokens
        return [types.SimpleNamespace(ids=text.split()) for text in texts]

    @classmethod
    def from_file(cls, path: str) -> FakeTokenizer:
        json.loads(Path(path).read_text())
        return cls()


def test_a_tokenizer_counts_only_what_could_be_too_long(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "tokenizers", types.SimpleNamespace(Tokenizer=FakeTokenizer))
    _load.cache_clear()
    file = tmp_path / "tokenizer.json"
    file.write_text("{}")
    words: dict[str, Any] = {"rules": ["solution length"], "max_solution_tokens": 300, "tokenizer": str(file)}
    assert decided("ab " * 300, **words)["tokens"] == 300
    assert decided("ab " * 301, **words)["detail"] == "301 tokens"
    assert decided("ab " * 80, **words)["tokens"] is None, "240 bytes cannot be 300 tokens"
    before = settings(**words).identity()
    file.write_text("{ }")
    assert settings(**words).identity() != before, "another file is another setting"
    broken = tmp_path / "broken.json"
    broken.write_text("no json")
    with pytest.raises(RecipeError, match="cannot be loaded"):
        decided("ab " * 301, **{**words, "tokenizer": str(broken)})
    with pytest.raises(StoreError, match="cannot be read"):
        settings(tokenizer=str(tmp_path / "absent.json")).identity()
    _load.cache_clear()


def test_an_absent_tokenizer_package_names_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    _load.cache_clear()
    with pytest.raises(MissingExtraError, match="pip install"):
        decided("ab " * 2000, rules=["solution length"], tokenizer="org/name@main")


def test_a_lost_completion_is_an_error(run_table_kind: Any) -> None:
    given = inputs(["a", "b"])
    given["completions"] = given["completions"].slice(1)
    with pytest.raises(StoreError, match="1 of 2 solutions have no completion"):
        run_table_kind(TextRules(), settings(), **given)


def test_empty_input(run_table_kind: Any) -> None:
    ran = run_table_kind(TextRules(), settings(), **inputs([]))
    assert [ran.tables[name].num_rows for name in ("rows", "rejects", "decisions")] == [0, 0, 0]


def test_hash_is_the_project_wide_hash_of_a_text() -> None:
    assert final_hash("a\u05d0\x00") == digest128("text", "a\u05d0\x00")


ANY = st.lists(
    st.sampled_from(
        [r"\boxed{5}", "1 + 2 + 3 = 6", "2+2=5", ". ", "My solution:", " ", "\n", "\u05d0", "\U0001d7d8", "$", "x"]
    ),
    max_size=15,
).map("".join)


@given(ANY)
def test_offsets_cut_the_text_and_hashes_name_it(text: str) -> None:
    row = decided(text, **SHORT)
    final = row["rewritten"] if row["rewritten"] is not None else text[row["start"] : row["end"]]
    assert final == final.strip()
    if row["kept"]:
        assert row["final_text_hash"].bytes == digest128("text", final)
        assert row["characters"] == len(final)
        again = decided(final, **SHORT)
        assert (again["start"], again["end"], again["rewritten"]) == (0, len(final), None), (
            "a second pass changes nothing"
        )


HOSTILE = {
    "equals": "=" * 1_000_000,
    "digits": "1" * 1_000_000,
    "braces": "\\boxed{" + "{" * 1_000_000,
    "boxes": "\\boxed{1}" * 100_000,
    "chains": "1+1+1=3 " * 4_000,
    "sums": "1+" * 16_000 + "1=1",
    "nul": "\x00" * 1_000_000,
    "right to left": "\u202e\u05d0" * 500_000,
    "sentences": "\\boxed{1}" + ". a" * 10_000,
    "formulas": "$" * 16_000 + "\\boxed{1}" + "$." * 8_000,
    "spaces": "a" + " " * 1_000_000 + "\\boxed{1}",
}


@pytest.mark.parametrize("text", list(HOSTILE.values()), ids=list(HOSTILE))
def test_hostile_rows_are_bounded(text: str) -> None:
    began = time.perf_counter()
    decided(text)
    assert time.perf_counter() - began < 0.5, "meant to stay below 50 ms; the rest is for a busy machine"


def test_golden_rows(run_table_kind: Any) -> None:
    """Another hash: raise ``version`` of the kind, then write the new hash here."""
    texts = [
        "My solution: " + FILL + r"2 * 3 + 4 = 10. So \boxed{10}. Done.",
        FILL + r"1,000 / 4 = 25 so \boxed{25}",
        r"\boxed{1}",
        FILL + "\\[\\boxed{\\frac12}.\\]\n\nThat is it.",
    ]
    ran = run_table_kind(TextRules(), settings(), **inputs(texts))
    rows = json.dumps([ran.rows(name) for name in ("rows", "rejects", "decisions")], default=str)
    assert (TextRules.version, hashlib.sha256(rows.encode()).hexdigest()[:16]) == (2, "b650a277b309d985")
