"""The bundled problems are right: answers are calculated anew, and the parsers of the seeds read every row."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

import assets.recipes
from assets.contamination.benchmark import COLUMNS, problem_of
from assets.schemas import normalise_problem
from assets.seeds import gsm8k, math
from assets.seeds.rows import Seed

RECIPES = Path(assets.recipes.__file__).parent
EXPRESSION = re.compile(r"(\d+) ([-+*/]) (\d+)")


def rows(path: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (RECIPES / path).read_text(encoding="utf-8").splitlines()]


def value(expression: str) -> int:
    """One step of arithmetic with a whole result; anything else is a fault of the file."""
    found = EXPRESSION.fullmatch(expression)
    assert found, expression
    a, b = int(found[1]), int(found[3])
    if found[2] == "/":
        assert a % b == 0, expression
        return a // b
    return {"+": a + b, "-": a - b, "*": a * b}[found[2]]


def test_there_are_a_hundred_one_step_problems_of_four_kinds() -> None:
    found = rows("quickstart/problems.jsonl")
    assert len({normalise_problem(row["problem"]) for row in found}) == len(found) == 100
    kinds = Counter(row["type"] for row in found)
    assert set(kinds) == {"addition", "subtraction", "multiplication", "division"}
    assert min(kinds.values()) >= 20
    assert {row["type"] for row in found[:4]} == set(kinds)


@pytest.mark.parametrize("row", rows("quickstart/problems.jsonl"), ids=lambda row: row["expression"])
def test_the_answer_of_a_problem_is_the_value_of_its_expression(row: Mapping[str, Any]) -> None:
    assert row["expected_answer"] == str(value(row["expression"]))
    assert 0 < int(row["expected_answer"]) <= 200
    said = Counter(re.findall(r"\d+", row["problem"]))
    assert not Counter(re.findall(r"\d+", row["expression"])) - said, "the problem must say both numbers"
    assert row["problem"].endswith("?")


@pytest.mark.parametrize(
    ("path", "parse"),
    [
        ("openmathinstruct2/seeds/gsm8k_sample.jsonl", gsm8k.parse),
        ("openmathinstruct2/seeds/math_sample.jsonl", math.parse),
    ],
    ids=["gsm8k", "math"],
)
def test_the_seeds_are_read_by_their_parser(path: str, parse: Callable[[Mapping[str, Any]], Seed]) -> None:
    seeds = [parse(row) for row in rows(path)]
    assert len({normalise_problem(seed.problem) for seed in seeds}) == 20
    assert all(seed.reference_solution and seed.expected_answer for seed in seeds)


@pytest.mark.parametrize(
    ("path", "count"),
    [("quickstart/benchmark.jsonl", 41)]
    + [
        (f"openmathinstruct2/benchmarks/{name}.jsonl", count)
        for name, count in {
            "gsm8k_test": 10,
            "math_test": 7,
            **dict.fromkeys(["amc23", "aime24", "omni_math", "olympiad_bench", "college_math"], 6),
        }.items()
    ],
)
def test_bundled_benchmarks_are_read_whole_and_are_no_seeds(path: str, count: int) -> None:
    found = {problem_of(row, COLUMNS) for row in rows(path)}
    assert len(found) == len(rows(path)) == count
    recipe = path.partition("/")[0]
    seeds = [RECIPES / recipe / "problems.jsonl", *(RECIPES / recipe).glob("seeds/*.jsonl")]
    texts = {problem_of(row, COLUMNS) for file in seeds if file.is_file() for row in rows(str(file))}
    assert texts
    assert not found & texts


def test_calculator_notes_and_answers_of_the_gsm8k_seeds_are_right() -> None:
    for row in rows("openmathinstruct2/seeds/gsm8k_sample.jsonl"):
        notes = re.findall(r"<<([^<>=]*)=([^<>]*)>>", row["answer"])
        assert notes, row["question"]
        for expression, result in notes:
            assert str(value(re.sub(r"([-+*/])", r" \1 ", expression))) == result
        assert row["answer"].endswith(f"#### {notes[-1][1]}")
