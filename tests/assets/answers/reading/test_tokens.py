r"""Tokens: what vanishes, what becomes one spelling, where a comma separates, and what is refused."""

from __future__ import annotations

import pytest

from assets.answers.reading.tokens import AND, DOTS, MAX_TOKENS, OR, TEXT, TO, plain_text, tokenize
from assets.answers.reading.undecided import Undecided


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        (r"\left(\tfrac{1}{2},\; x\right)", ["(", "\\frac", "{", "1", "}", "{", "2", "}", ",", "x", ")"]),
        ("1,234", ["1234"]),
        (r"12{,}345{,}678", ["12345678"]),
        ("(1,234)", ["(", "1", ",", "234", ")"]),
        (r"(1{,}234)", ["(", "1234", ")"]),
        ("1, 234", ["1", ",", "234"]),
        ("2,3,125", ["2", ",", "3", ",", "125"]),
        ("0,125", ["0", ",", "125"]),
        ("1.5e3", ["1.5", "*", "10", "^", "{", "3", "}"]),
        ("\u221a12", ["\\sqrt", "{", "12", "}"]),
        ("x\u00b2\u2264\u03c0", ["x", "^", "{", "2", "}", "\u2264", "\u03c0"]),
        (r"\text{and}", [AND]),
        (r"a \text{ or } b", ["a", OR, "b"]),
        (r"3\text{ to }2", ["3", TO, "2"]),
        (r"x\to 2", ["x", "\\to", "2"]),
        (r"p\land q", ["p", "\\wedge", "q"]),
        (r"1,\ldots", ["1", ",", DOTS]),
        (r"5\mathrm{~sq~ft}", ["5", TEXT + " sq ft"]),
        (r"3\mathrm{i}", ["3", "i"]),
        (r"\text{-}7", ["-", "7"]),
        ("**5**", ["5"]),
        ("2**3", ["2", "*", "*", "3"]),
        (r"30^{\circ}", ["30", "\u00b0"]),
        (r"{\color{red}5}\phantom{0}", ["{", "5", "}"]),
    ],
)
def test_tokens(text: str, tokens: list[str]) -> None:
    assert tokenize(text) == tokens


def test_repeating_digits_are_fractions() -> None:
    assert "".join(tokenize(r"0.1\overline{6}")) == "\\frac{15}{90}"
    assert "".join(tokenize("0.(3)")) == "\\frac{3}{9}"


@pytest.mark.parametrize("text", ["5,000(1.05)^2", "(1,000, 2,000)", "x" * 0 + "1+" * MAX_TOKENS, "1" * 41 + ".(3)"])
def test_two_readings_and_budgets_are_undecided(text: str) -> None:
    with pytest.raises(Undecided):
        tokenize(text)


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        (r"\dfrac{a}{b} \ldots.", r"\frac{a}{b}..."),
        (r"x +\,y", "x+y"),
        (r"\mathrm{no}  way", r"\text{no}way"),
        (r"1\,2", "1 2"),
    ],
)
def test_plain_text(text: str, plain: str) -> None:
    assert plain_text(text) == plain
