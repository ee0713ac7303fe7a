"""Arithmetic read from text: what is flagged as wrong, what is left alone, and that nothing is ever run or slow."""

from __future__ import annotations

import time
from fractions import Fraction

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.selection.arithmetic import RUN, Unreadable, claims, evaluate, find_runs
from assets.selection.chains import split_chains, wrong_claim

TOLERANCE = 1e-4


def wrong(text: str, tolerance: float = TOLERANCE) -> str | None:
    return wrong_claim(text, find_runs(pl.Series([text]))[0], tolerance)


def split(text: str, max_numbers: int = 10) -> str:
    return split_chains(text, find_runs(pl.Series([text]))[0], TOLERANCE, max_numbers)


VALUES = [
    ("precedence", "2 + 3 * 4", 14, 2),
    ("left to right", "10 - 3 - 2", 5, 2),
    ("brackets", "(2 + 3) * 4", 20, 2),
    ("product without a sign", "2(3)(4)", 24, 2),
    ("thousands", "1,200 + 34", 1234, 1),
    ("decimals are exact", "0.1 + 0.2", Fraction(3, 10), 1),
    ("latex", r"3 \times 4 \div 2", 6, 2),
    ("unicode", "3 \u00d7 4 \u2212 2", 10, 2),
    ("letter x", "3 x 4", 12, 1),
    ("money", r"\$3 + $4", 7, 1),
    ("minus at the start", "-3 + 4", 1, 1),
    ("fraction", "1 / 3", Fraction(1, 3), 1),
]


@pytest.mark.parametrize(("text", "value", "operators"), [c[1:] for c in VALUES], ids=[c[0] for c in VALUES])
def test_evaluate(text: str, value: Fraction, operators: int) -> None:
    assert evaluate(text) == (value, operators)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2 +",
        "* 2",
        "2 3",
        "2x",
        "1,23",
        "1 / 0",
        "3 - - 2",
        "((2)",
        "6 / 2(3)",
        "1/2/3",
        "0900 - 0130",
        "2 ** 3",
        "__import__",
    ],
)
def test_unreadable(text: str) -> None:
    with pytest.raises(Unreadable):
        evaluate(text)


WRONG = [
    ("plain", "so 3 + 4 = 8 apples", "3 + 4 = 8"),
    ("at the end", "3 + 4 = 8", "3 + 4 = 8"),
    ("after a letter", "x = 3 + 4 = 8", "3 + 4 = 8"),
    ("in a formula", r"Thus $3 \times 4 = 13$.", r"3 \times 4 = 13"),
    ("money", r"pays \$1,200 / 4 = \$301.", r"1,200 / 4 = \$301"),
    ("dollars", "$3 + $4 = $8.", "3 + $4 = $8"),
    ("second of a chain", "3 + 4 = 7 * 2 = 14 + 1 = 16", "3 + 4 = 7 * 2"),
    ("second sentence", "3 + 4 = 7. 8 + 2 = 11.", "8 + 2 = 11"),
    ("bullet", "- 3 + 4 = 8", "3 + 4 = 8"),
    ("bold", "is **3 + 4 = 8**", "3 + 4 = 8"),
    ("aligned", "&3 + 4 = 8 \\\\", "3 + 4 = 8"),
    ("rounded beyond the tolerance", "10/3 = 3.33", "10/3 = 3.33"),
    ("in brackets", "(so 3 + 4 = 8)", "3 + 4 = 8"),
]
SOUND = [
    "3 + 4 = 7",
    "x = 3 + 4 = 7",
    "5 = 2 + 4",
    "2x + 3 = 7",
    "2x 3 + 4 = 8",
    "x - 3 = 7",
    "x^3 + 4 = 8",
    "because 14, 400 / 80 = 180",
    "because 12 x 1 and 1/4 = 15",
    "x^{2} + 3 + 1 = 8",
    r"\sqrt{9} + 1 + 2 = 6",
    r"\frac{1}{2} + 3 + 1 = 4.5",
    r"\log 8 + 2 = 5",
    "half of 8 + 2 = 6",
    "3 + 4 = 8x",
    "3 + 4 = 8 + x",
    "3 + 4 = 8 million",
    r"3/4 = 75\%",
    "3/4 = 75%",
    "3 + 4 = 8^2",
    "17 / 5 = 3 remainder 2",
    r"100 \div 12 = 8 \text{ R}4",
    "17 / 5 = 3 (rounded down)",
    "0.25 * 4 = 100 cents",
    "450 / 60 = 7 hours 30 minutes",
    "15 / 2 = 7 1/2",
    "15 / 2 = 7 and a half",
    "10 / 3 = 3.333...",
    "10 / 3 = 3.3333",
    "1/3 + 1/3 = 2/3",
    r"10 + 5 = 3 \pmod{12}",
    "in base 7 we have 44 * 55 = 3506",
    "(2)(8) = 3(t)",
    "2(12) - 2(2) = 24$\n- 4 = 20",
    "7 \\cdot 6 \\cdot\n5 \\cdot 4 = 840",
    "3 hours + 20 + 4 = 27",
    "f(1, 2 + 3 = 6",
    "5! / 2 + 1 + 1 = 62",
]


@pytest.mark.parametrize(("text", "claim"), [c[1:] for c in WRONG], ids=[c[0] for c in WRONG])
def test_wrong_arithmetic_is_found(text: str, claim: str) -> None:
    assert wrong(text) == claim


@pytest.mark.parametrize("text", SOUND)
def test_sound_or_unclear_arithmetic_is_left_alone(text: str) -> None:
    assert wrong(text) is None


def test_tolerance_is_relative_and_exact_at_its_border() -> None:
    assert wrong("10000 + 1 = 10002", 1e-3) is None
    assert wrong("10000 - 1 = 10000", 1e-4) is None
    assert wrong("10000 - 2 = 10000", 1e-4) == "10000 - 2 = 10000"
    assert wrong("1 - 1 = 0.00001") == "1 - 1 = 0.00001"


SPLITS = [
    ("sum", "so 1 + 2 + 3 + 4 = 10.", "so 1 + 2 + 3 + 4 = 3 + 3 + 4 = 6 + 4 = 10."),
    ("tight", "1+2+3=6", "1+2+3=3+3=6"),
    ("precedence", "2 + 3 * 4 = 14", "2 + 3 * 4 = 2 + 12 = 14"),
    ("brackets", "(1 + 2) * 3 = 9", "(1 + 2) * 3 = 3 * 3 = 9"),
    ("long brackets", "2 * (1 + 2 + 3) = 12", "2 * (1 + 2 + 3) = 2 * (3 + 3) = 2 * 6 = 12"),
    ("formula", "$1 + 2 + 3 = 6$.", "$1 + 2 + 3 = 3 + 3 = 6$."),
    ("thousands", "1,000 + 2,000 + 3 = 3,003", "1,000 + 2,000 + 3 = 3,000 + 3 = 3,003"),
    ("decimals", "2.50 + 2.50 + 1 = 6", "2.50 + 2.50 + 1 = 5.00 + 1 = 6"),
    ("negative first", "3 - 5 + 4 = 2", "3 - 5 + 4 = -2 + 4 = 2"),
    ("latex", r"2 \times 3 \times 4 = 24", r"2 \times 3 \times 4 = 6 \times 4 = 24"),
    ("two in one text", "1+1+1=3 and 2+2+2=6", "1+1+1=2+1=3 and 2+2+2=4+2=6"),
    ("space before a mark stays", "1 + 2 + 3 = 6 . Next", "1 + 2 + 3 = 3 + 3 = 6 . Next"),
    ("after a letter", "x = 1 + 2 + 3 = 6", "x = 1 + 2 + 3 = 3 + 3 = 6"),
]
UNSPLIT = [
    "1 + 2 = 3",
    "1 + 2 + 3 = 3 + 3 = 6",
    "1 + 2 + 3 = 7",
    "10 / 3 + 1 = 4.3333",
    "1 + 2 + 3 = 6x",
    "2x 1 + 2 + 3 = 6",
    "2 * (1 - 3) = -4",
    "$1 + $2 + $3 = $6",
    "1 + 2 + 3 apples = 6",
    "+".join("1" * 11) + "=11",
]


@pytest.mark.parametrize(("text", "written_out"), [c[1:] for c in SPLITS], ids=[c[0] for c in SPLITS])
def test_split(text: str, written_out: str) -> None:
    assert split(text) == written_out
    assert split(written_out) == written_out


@pytest.mark.parametrize("text", UNSPLIT)
def test_not_split(text: str) -> None:
    assert split(text) == text


EXPRESSIONS = st.lists(st.tuples(st.sampled_from("+-*"), st.integers(1, 50)), min_size=2, max_size=6)
AROUND = st.text(alphabet="ab .,\n$()=+1x\\{}", max_size=30)


@given(st.integers(1, 50), EXPRESSIONS, AROUND, AROUND)
def test_split_only_inserts_true_steps(first: int, rest: list[tuple[str, int]], before: str, after: str) -> None:
    left = str(first) + "".join(f" {sign} {number}" for sign, number in rest)
    text = f"{before}\n{left} = {evaluate(left)[0]}\n{after}"
    new = split(text)
    assert wrong(f"\n{left} = {evaluate(left)[0]}\n") is None
    if new != text:
        at = next(i for i, (a, b) in enumerate(zip(text, new, strict=False)) if a != b)
        grown = len(new) - len(text)
        assert any(new[:i] + new[i + grown :] == text for i in range(max(0, at - grown), at + 1)), "one insertion"
        assert wrong(new) == wrong(text)
    assert split(new) == new


@given(st.text(alphabet="0123456789 +-*/=().,$\\x\n", max_size=80))
def test_split_inserts_and_never_removes(text: str) -> None:
    left = iter(split(text))
    assert all(character in left for character in text), "the text is a subsequence of the new one"


HOSTILE = {
    "equals": "=" * 1_000_000,
    "digits": "1" * 1_000_000,
    "digits and equals": "1=" * 500_000,
    "brackets": "(" * 500_000 + "=" + ")" * 500_000,
    "braces": "{" * 1_000_000,
    "operators": "1+" * 500_000 + "=1",
    "commas": "1," * 500_000,
    "spaces": "1" + " " * 1_000_000 + "=",
    "money": "$" * 1_000_000,
    "backslashes": "\\" * 1_000_000,
}


@pytest.mark.parametrize("text", list(HOSTILE.values()), ids=list(HOSTILE))
def test_a_megabyte_of_anything_is_scanned_in_linear_time(text: str) -> None:
    began = time.perf_counter()
    find_runs(pl.Series([text]))
    assert time.perf_counter() - began < 1.0, "a quadratic scan takes minutes"


@pytest.mark.parametrize(
    "run",
    ["1" * 399 + "=1", "1+" * 190 + "1=1", "(" * 190 + "1" + ")" * 190 + "=1", "1/7*" * 95 + "1=1", "9*" * 150 + "9=1"],
)
def test_the_longest_runs_are_cheap(run: str) -> None:
    began = time.perf_counter()
    claims(run)
    assert time.perf_counter() - began < 0.1
    assert RUN
