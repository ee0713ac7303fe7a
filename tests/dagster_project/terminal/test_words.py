"""Numbers in few characters: short, and never saying more than is so."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dagster_project.terminal.words import UNKNOWN, amount, cell, compact, duration, rate, share, short


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0"),
        (9_999, "9,999"),
        (9_999.7, "10.0k"),
        (10_000, "10.0k"),
        (12_345, "12.3k"),
        (999_499, "999k"),
        (999_500, "1.0M"),
        (1_234_567, "1.2M"),
        (26_600_000, "26.6M"),
        (266_000_000, "266M"),
        (3.2e9, "3.2B"),
        (7.7e12, "7.7T"),
        (7.7e16, "77,000T"),
        (math.nan, UNKNOWN),
        (math.inf, UNKNOWN),
    ],
)
def test_counts(number: float, text: str) -> None:
    assert short(number) == text


def test_counts_are_exact_as_far_as_asked() -> None:
    assert short(999_999, exact_below=1_000_000) == "999,999"
    assert short(1_000_000, exact_below=1_000_000) == "1.0M"


@given(st.integers(0, 10**14))
def test_counts_stay_short(number: int) -> None:
    assert len(short(number)) <= 5


@pytest.mark.parametrize(
    ("per_second", "text"),
    [
        (0, "0.0"),
        (0.042, "0.042"),
        (0.9, "0.90"),
        (0.999, "1.0"),
        (4.21, "4.2"),
        (41.24, "41.2"),
        (99.97, "100"),
        (412.4, "412"),
        (43_000, "43.0k"),
    ],
)
def test_rates(per_second: float, text: str) -> None:
    assert rate(per_second) == text


@pytest.mark.parametrize(
    ("part", "whole", "text"),
    [
        (0, 10, "0 %"),
        (10, 10, "100 %"),
        (26_599_999, 26_600_000, "99.9 %"),
        (1, 26_600_000, "0.1 %"),
        (987, 1000, "98.7 %"),
        (0, 0, UNKNOWN),
        (math.nan, 3, UNKNOWN),
    ],
)
def test_only_all_is_100_percent_and_only_nothing_is_0(part: float, whole: float, text: str) -> None:
    assert share(part, whole) == text


@pytest.mark.parametrize(
    ("seconds", "text", "narrow"),
    [
        (0.04, "0.0 s", "0.0s"),
        (9.94, "9.9 s", "9.9s"),
        (9.96, "10 s", "10s"),
        (59.4, "59 s", "59s"),
        (59.6, "1 min 00 s", "1m00s"),
        (250, "4 min 10 s", "4m10s"),
        (3_590, "1 h 00 min", "1h00m"),
        (11_520, "3 h 12 min", "3h12m"),
        (86_390, "1 d 0 h", "1d0h"),
        (187_200, "2 d 4 h", "2d4h"),
        (1e9, "11,574 d 2 h", "11,574d2h"),
        (-3, "0.0 s", "0.0s"),
        (math.inf, UNKNOWN, UNKNOWN),
    ],
)
def test_times(seconds: float, text: str, narrow: str) -> None:
    assert duration(seconds) == text
    assert compact(seconds) == narrow


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0"),
        (0.00001, "0.0001"),
        (0.0421, "0.042"),
        (12.4, "12.40"),
        (210.29, "210"),
        (12_345, "12.3k"),
        (math.nan, "?"),
    ],
)
def test_money(number: float, text: str) -> None:
    assert amount(number) == text


def test_a_cell_is_one_line_of_printable_text() -> None:
    assert cell("a\x1b[31m\nb") == "a\\x1b[31m\\nb"
    assert cell("x" * 300, 10) == "x" * 10 + "…"
    assert cell(None) == ""
    assert cell("\udc80") == "\\udc80"
