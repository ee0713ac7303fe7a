"""Rounded decimals: what is written, and which exact number it stands for."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.answers.decimals import number_of_key, rounds_to, written_decimal
from assets.answers.key import canonical_key


@pytest.mark.parametrize(
    ("answer", "written"),
    [
        ("0.3333", "0.3333"), ("-2.5000", "-2.5000"), (r"x \approx 3.1416", "3.1416"), ("x=12.34", "12.34"),
        (r"\approx 1.4142\text{ cm}", "1.4142"), (r"\$12.50", "12.50"), ("+1.234.", "1.234"), ("0.001234", "0.001234"),
    ],
)  # fmt: skip
def test_decimals_are_read_as_written(answer: str, written: str) -> None:
    found = written_decimal(answer)
    assert found is not None
    assert (found, found.as_tuple().exponent) == (Decimal(written), Decimal(written).as_tuple().exponent)


@pytest.mark.parametrize(
    "answer",
    ["0.333", "1/3", "3", r"\pi", "0.3333x", "(0.3333, 1)", "0.3333, 0.6667", "0.000123", "", "." * 99, "1.2.34567"],
)
def test_anything_else_is_no_rounded_decimal(answer: str) -> None:
    assert written_decimal(answer) is None


@pytest.mark.parametrize(
    ("exact", "decimal", "rounds"),
    [
        (r"\frac13", "0.3333", True), (r"\frac13", "0.3334", False), (r"\pi", "3.1416", True),
        (r"\pi", "3.1415", False),
        (r"\sqrt2", "1.414213562", True), (r"-\sqrt2", "-1.414", True), (r"-\sqrt2", "1.414", False),
        ("3", "2.9999", False),
        (r"\frac{1}{8}", "0.12", True), (r"\frac18", "0.13", True), ("2+3i", "2.000", False), ("x", "1.000", False),
        (r"100\sqrt2", "141.42", True), (r"\frac{\sqrt2}{1000}", "0.001414", True), (r"\text{no}", "1.000", False),
        ("2^{5000}", "1.000", False),
    ],
)  # fmt: skip
def test_an_exact_number_rounds_to_its_decimal(exact: str, decimal: str, *, rounds: bool) -> None:
    assert rounds_to(canonical_key(exact).text, Decimal(decimal)) is rounds


@given(st.fractions(-(10**6), 10**6, max_denominator=10**6), st.integers(1, 12))
def test_every_fraction_rounds_to_its_own_decimal_and_to_no_other(number: Fraction, places: int) -> None:
    unit = Fraction(1, 10**places)
    decimal = Decimal(round(number / unit)).scaleb(-places)
    key = f"q:{number}"
    assert number_of_key(key) == number
    assert rounds_to(key, decimal)
    assert not rounds_to(key, decimal + 2 * Decimal(1).scaleb(-places))
