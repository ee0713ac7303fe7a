"""Words of problems: spellings that are one, differences that stay, and the column form against the plain one."""

from __future__ import annotations

import time
import unicodedata

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.contamination.normalise import pieces, whole_texts, words_of
from tests.assets.contamination.reference import reference_words

LATEX = st.sampled_from(
    [
        *(
            r"\frac12",
            r"\dfrac{1}{2}",
            r"\frac1.5",
            r"\text{ cm}",
            r"\left(",
            r"\right)",
            r"\,",
            r"\!",
            "{,}",
            ",",
            "$",
            "'",
        ),
        *(
            r"\begin{align*}",
            r"\end{align}",
            r"\begin{pmatrix}",
            r"\begin",
            "{",
            "}",
            "*",
            "<",
            "=",
            ">",
            "!",
            "-",
            "ab",
            "x",
        ),
        *(
            "1",
            "000",
            "12",
            ".",
            "\\",
            " ",
            "\n",
            "é",
            "e\u0301",
            "≤",
            "²",
            "½",
            "[asy]",
            "[/asy]",
            "[ASY]",
            "[",
            "/asy]",
            "字",
            "İ",
            "ß",
            "\u200b",
            "\x00",
            "🙂",
            "Σ",
        ),
    ]
)
TEXTS = st.lists(st.one_of(st.lists(LATEX, max_size=12).map("".join), st.text(max_size=30)), max_size=6)


def words(*texts: str | None) -> list[list[str]]:
    found = words_of(pa.array(texts, pa.string()))
    all_words = found.words.to_pylist()
    return [all_words[a:b] for a, b in zip(found.offsets[:-1], found.offsets[1:], strict=True)]


@given(TEXTS)
@settings(max_examples=300)
def test_the_column_is_the_reference(texts: list[str]) -> None:
    assert words(*texts) == [reference_words(text) for text in texts]


@given(st.text(max_size=40))
def test_equivalent_unicode_is_the_same(text: str) -> None:
    """But for U+0338, the stroke that makes = to ≠: marks vanish, and that sign has a word of its own."""
    text = text.replace("\u0338", "")
    special = [c for c in text if unicodedata.decomposition(c) and "0338" in unicodedata.decomposition(c)]
    if not special:
        forms = [unicodedata.normalize(form, text) for form in ("NFC", "NFD")]
        assert words(forms[0]) == words(forms[1])


SAME = [
    (r"Find $\dfrac{1}{2}+x^{2}$.", r"find \(\frac12 + x^2\)"),
    (r"$\left(\tfrac34\right)$", r"(\frac{3}{4})"),
    ("It costs \\$1,000,000 today", r"it costs $1{,}000{,}000$ today"),
    (r"10,\!000 or 10\,000", "10,000 or 10000"),
    ("a ≤ b × c", r"$a \leq b \cdot c$"),
    ("x² at 90°", r"x^2 at 90^{\circ}"),
    ("Janet’s “ducks”", 'Janet\'s "ducks"'),
    ("π and Δ", r"$\pi$ and $\Delta$"),
    ("ＡＢ　１２", "ab 12"),
    (r"5\text{ cm}", "5 cm"),
    (r"\begin{align*}x&=1\\y&=2\end{align*}", r"\[x=1, y=2\]"),
    (r"$\mathbf{v} \in \mathbb{R}$", r"v \in R"),
    ("9-kilometer-long walk", "9 kilometer long walk"),
    ("Straße", "STRASSE"),
    ("n\u00ado\u200bw", "now"),
    (r"\{1, 2, \ldots, 9\}", "(1, 2, ..., 9)"),
    ("a [asy] draw((0,0)--(1,1)); [/asy] b", "a b"),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_spellings_that_are_one(one: str, other: str) -> None:
    assert words(one) == words(other)
    assert words(one)[0]


OTHER = [
    ("5!", "5"),
    ("x - 1", "x + 1"),
    ("1.5", "15"),
    ("1,000", "1,00"),
    (r"\sqrt2", "2"),
    ("x^2", "x2"),
    ("a < b", "a <= b"),
]


@pytest.mark.parametrize(("one", "other"), OTHER)
def test_differences_that_stay(one: str, other: str) -> None:
    assert words(one) != words(other)


def test_words_of_a_formula() -> None:
    assert words(r"Is $-3.5x \ge \sqrt{12}$? Yes!") == [["is", "-", "3.5", "x", ">=", "sqrt", "12", "yes"]]


def test_a_script_without_spaces_has_a_word_a_letter() -> None:
    assert words("求和 x") == [["求", "和", "x"]]


def test_texts_without_words() -> None:
    assert words("", None, "$$", "{}", "\\", "\ud7ff"[:0], "...") == [[], [], [], [], [], [], []]
    assert words() == []


def test_words_of_a_text_do_not_depend_on_its_neighbours() -> None:
    texts = [
        "1,",
        "000",
        r"a\begin",
        "{align*} b",
        "5",
        "! c",
        "-",
        "ab",
        r"\frac",
        "12",
        "<",
        "= d",
        "",
        "é",
        "\\",
        "left x",
    ]
    assert words(*texts) == [words(text)[0] for text in texts]


def test_a_slice_of_an_array_is_read_from_its_own_first_row() -> None:
    texts = pa.array(["a b", "c é", "d", None], pa.string()).slice(1, 2)
    assert words_of(texts).joined().to_pylist() == ["c e", "d"]


def test_pieces_cover_all_rows_once() -> None:
    texts = pa.array(["x" * n for n in (3, 0, 50, 1, 1, 9)], pa.string())
    found = list(pieces(texts, 10))
    assert [text for _, piece in found for text in piece.to_pylist()] == texts.to_pylist()
    assert [first for first, _ in found] == [0, 2, 3, 5]
    assert list(pieces(texts.slice(0, 0))) == []


@pytest.mark.parametrize(
    "text",
    [
        "\\" * 400_000,
        "{,}" * 300_000,
        "1," * 300_000,
        "字" * 300_000,
        r"\begin{" * 100_000,
        "[asy]" * 200_000,
        "a" * 1_000_000,
    ],
)
def test_hostile_text_takes_linear_time(text: str) -> None:
    began = time.process_time()
    words(text)
    assert time.process_time() - began < 2


def test_whole_texts_keep_their_drawings() -> None:
    texts = pa.array(["a [asy]dot(O);[/asy] b", "a b", None, "[ASY]x[/ASY]"], pa.string())
    assert whole_texts(texts, words_of(texts)).to_pylist() == ["a asy dot o / asy b", "a b", "", "asy x / asy"]
