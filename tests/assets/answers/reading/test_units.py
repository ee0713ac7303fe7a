r"""Units: what is taken off around one value, what multiplies it, and what changes it."""

from __future__ import annotations

import pytest

from assets.answers.reading.tokens import TEXT, tokenize
from assets.answers.reading.undecided import Undecided
from assets.answers.reading.units import is_unit, scale_of, unit_name, without_units


@pytest.mark.parametrize(
    "text",
    [
        "5", r"5\text{ cm}", r"\$5", r"5\%", r"5^\circ", r"5^\circ\text{C}", "5 apples", "5 miles per hour", "5 km/h",
        r"5\text{ m}/\text{s}^2", r"5\frac{\text{km}}{\text{h}}", r"5\text{ cm}^{2}", "5''", r"5\mathrm{~sq~ft}",
    ],
)  # fmt: skip
def test_taken_off(text: str) -> None:
    assert without_units(tokenize(text)) == ["5"]


@pytest.mark.parametrize(
    "text",
    [
        "5m", "5x", r"5\text{ million}", r"5\text{ less}", r"5^\circ\text{ N}", r"5\text{ x}", "x'", r"1/\text{cm}",
        r"5^\text{cm}", r"\sin 30^\circ", r"5\text{ out of 6}",
    ],
)  # fmt: skip
def test_left_alone(text: str) -> None:
    tokens = tokenize(text)
    assert without_units(tokens) == tokens


@pytest.mark.parametrize(
    ("words", "scale"),
    [(" million", 10**6), (" hundred thousand", 10**5), (" million dollars", 10**6), (" cm", 1), (" millions", 1)],
)
def test_words_that_multiply(words: str, scale: int) -> None:
    assert scale_of(TEXT + words) == scale


def test_words_that_multiply_and_more_are_undecided() -> None:
    with pytest.raises(Undecided):
        scale_of(TEXT + " dozen and a half")


def test_one_name_for_a_unit() -> None:
    names = [[" centimeters"], ["cm"], [TEXT + "Centimetre"]]
    assert {unit_name(name) for name in names} == {"cm"}
    assert unit_name(["apples"]) == unit_name([TEXT + " apple"]) == "apple"
    assert unit_name(["glass"]) == "glass"
    assert unit_name(["hour"]) != unit_name(["minute"])


def test_letters_of_formulas_are_no_units() -> None:
    assert is_unit(TEXT + "m")
    assert not is_unit(TEXT + "x")
    assert not is_unit("m")
