"""Charts: equal data give equal bytes, any text is safe in them, and they are small enough to be shown at once."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dagster_project.pictures import BASE, HEIGHT, INLINE, TOP, WIDTH, area_chart, as_markdown, bar_chart
from dagster_project.running.histograms import MAX_BARS

HOSTILE = '"></svg><script>alert(1)</script>)\n\n# [x](javascript:1)\x1b\x00\udc80'


def texts(svg: str) -> list[str]:
    return [str(found.text) for found in ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")]


def test_few_bars_have_their_numbers_and_names() -> None:
    svg = bar_chart([["extracted", 300], ["no answer", 18], ["no box", 0]])
    assert texts(svg) == ["300", "extracted", "18", "no answer", "0", "no box"]
    assert "d='M0,0V80M1,0V5'" in svg


def test_many_bars_have_some_names_and_the_highest_number() -> None:
    svg = bar_chart([[str(i), 1_234_567 if i == 7 else i] for i in range(20)])
    assert texts(svg) == ["0", "4", "1.2M", "8", "12", "16"]


def test_what_is_not_nothing_can_be_seen() -> None:
    assert "M1,0V1" in bar_chart([["all", 10**9], ["one", 1]])


@pytest.mark.parametrize("bars", [[], [["a", 0]], [["a", -3]], [["", 1]]])
def test_odd_data_draw_something(bars: list[list[object]]) -> None:
    ElementTree.fromstring(bar_chart(bars))


def test_throughput_is_drawn_to_its_highest_value() -> None:
    svg = area_chart([0.0, 50.0, 100.0, 0.0], 7_260, "tokens/s")
    assert texts(svg) == ["at most 100 tokens/s", "0", "2 h 01 min"]
    assert "d='M0,0L0,0L1,40L2,80L3,0L3,0Z'" in svg
    ElementTree.fromstring(area_chart([], 0.0, "tokens/s"))
    ElementTree.fromstring(area_chart([0.0, 0.0], 3.0, "tokens/s"))


def test_no_chart_of_ours_hides_behind_a_link() -> None:
    """The UI shows Markdown of 1,000 characters or more as a link."""
    bars = [[str(2_000_000 + i), 10**12 - i] for i in range(MAX_BARS)]
    points = [1_000_000.0 - i % 7 * 1_000 for i in range(120)]
    assert len(as_markdown("histogram: completion tokens", bar_chart(bars))) < INLINE
    assert len(as_markdown("throughput tokens out", area_chart(points, 2_592_000, "tokens/s out"))) < INLINE


def test_text_can_leave_neither_the_picture_nor_the_markdown() -> None:
    svg = bar_chart([[HOSTILE, 3]])
    root = ElementTree.fromstring(svg)
    assert {element.tag.rpartition("}")[2] for element in root.iter()} == {"svg", "path", "text"}
    shown = as_markdown(HOSTILE, svg)
    assert re.fullmatch(r"!\[[\w \-]*\]\(data:image/svg\+xml,[\w%/:;=,'.~\-]+\)", shown)
    assert unquote(shown.partition(",")[2][:-1]) == svg


def test_equal_data_give_equal_bytes() -> None:
    bars = [["96", 40], ["112", 280]]
    assert bar_chart(bars) == bar_chart([list(bar) for bar in bars])


@given(st.lists(st.tuples(st.text(max_size=30), st.integers(-5, 10**14)), max_size=40))
def test_everything_stays_inside(bars: list[tuple[str, int]]) -> None:
    root = ElementTree.fromstring(bar_chart(bars))
    for found in root.iter("{http://www.w3.org/2000/svg}text"):
        assert 0 <= float(found.attrib["x"]) <= WIDTH
        assert 0 < float(found.attrib["y"]) <= HEIGHT
    assert TOP < BASE < HEIGHT
