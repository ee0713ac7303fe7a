"""A few thousand cases of the fuzzer, always the same ones. ``fuzz.py`` itself runs for as long as one likes."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from assets.answers import key as engine
from assets.answers.key import Key
from tests.assets.answers import fuzz
from tests.assets.answers.rewrites import SAFE, is_balanced

SEEDS = (11, 12, 13)
CASES = 800


@pytest.mark.parametrize("seed", SEEDS)
def test_no_violation(seed: int) -> None:
    report = fuzz.fuzz(CASES, seed, fuzz.labelled_answers())
    assert report.cases == CASES
    assert report.decided > CASES / 20
    assert not report.violations, "\n".join(report.violations)


def test_the_same_seed_gives_the_same_cases() -> None:
    first, second = (fuzz.cases(random.Random(3), ["1", r"\frac12"]) for _ in range(2))
    assert [next(first) for _ in range(200)] == [next(second) for _ in range(200)]


def test_violations_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """An engine that is wrong in every way a fuzzer can see."""
    asked: list[str] = []

    def wrong(text: str, policy: object = None) -> Key:
        asked.append(text)
        if "\\" in text:
            raise ValueError("no LaTeX")
        return Key("raw:" + text if len(asked) % 2 else f"q:{len(asked)}", "decided")

    monkeypatch.setattr(fuzz, "canonical_key", wrong)
    report = fuzz.Report()
    for text in (r"\x", "1", "2.5", "(1,2)"):
        fuzz.check(text, random.Random(1), report)
    assert {"not a key", "another key the second time"} <= set(report.counts)
    assert any(what.startswith("raises ValueError in test_fuzz.py:") for what in report.counts)
    assert engine.canonical_key("1").text == "q:1"


@pytest.mark.parametrize(("text", "found"), [("q:1", "false merge"), (None, "spellings of one value")])
def test_wrong_values_are_found(monkeypatch: pytest.MonkeyPatch, text: str | None, found: str) -> None:
    monkeypatch.setattr(fuzz, "canonical_key", lambda answer: Key(text or "q:" + answer, "decided"))
    report, chance = fuzz.Report(), random.Random(2)
    for _ in range(50):
        fuzz.check_tree(chance, report)
    assert set(report.counts) == {found}


def test_answers_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"answer": "7"}\n{"solution": "so \\\\boxed{8}"}\n{"text": "none"}\n', encoding="utf-8")
    assert fuzz.answers_of(path) == ["0", "7", "8"]


@pytest.mark.parametrize(
    ("name", "text", "rewritten"),
    [
        ("left and right", r"(1,\frac12]", r"\left(1,\frac12\right]"),
        ("left and right", "(1", "(1"),
        ("left and right", "{(1})", "{(1})"),
        ("period", "1,2,...", "1,2,..."),
        ("period", "7", "7."),
        ("dollars", r"\$7", r"\$7"),
        ("box", "{1", "{1"),
        ("braces round single tokens", r"\frac12+x^2+x^10", r"\frac{1}{2}+x^{2}+x^10"),
        ("braces round single tokens", "x^2.5+x_1", "x^2.5+x_{1}"),
        ("negative space", "x+1=2", r"x+\!1=\!2"),
        ("negative space", "1e+5", "1e+5"),
        ("display fractions", r"\frac12+\cfrac12", r"\dfrac12+\cfrac12"),
    ],
)
def test_rewrites(name: str, text: str, rewritten: str) -> None:
    assert SAFE[name](text) == rewritten


@pytest.mark.parametrize(
    ("text", "expected"), [("{1}", True), ("}{", False), ("1\\", False), (r"\{", True), ("%", False)]
)
def test_balanced(text: str, expected: bool) -> None:
    assert is_balanced(text) is expected
