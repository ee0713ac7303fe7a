"""The lexical embedder: spellings that are the same, problems that are not, hostile text, the same bytes everywhere."""

from __future__ import annotations

import hashlib
import random

import numpy as np
import pyarrow as pa
import pytest

from benchmarks import planting
from resources.embedders.lexical.embedder import BATCH, LexicalEmbedder
from resources.embedders.lexical.text import MAX_CHARACTERS, fold_batch
from resources.embedders.lexical.tokens import tokens_of
from resources.embedders.lexical.words import NUMBERS, SAME

PROBLEMS = [
    "Nerys sells 48 tulips on Monday and half as many on Tuesday. How many tulips does she sell in the two days?",
    r"What is the value of $\frac{3}{4} + \sqrt{50}$ in simplest form?",
    "A tank holds 250 liters of water. Each hour 12 liters leak out. After how many hours is it empty?",
    r"Let $f(x) = x^2 - 6x + 5$. For which $x$ is $f(x) \le 0$?",
    "How many ways are there to seat five guests around a round table?",
]


@pytest.fixture(scope="module")
def embedder() -> LexicalEmbedder:
    return LexicalEmbedder(PROBLEMS)


def similarity(embedder: LexicalEmbedder, a: str, b: str) -> float:
    vectors = embedder.embed([a, b])
    return float(vectors[0] @ vectors[1])


@pytest.mark.parametrize(
    ("a", "b"),
    [
        pytest.param(r"$\frac{1}{2}$ of it", r"\(\dfrac{1}{2}\) of it", id="kinds of fractions"),
        pytest.param(r"$\frac{1}{2}$ of it", "1/2 of it", id="a fraction on one line"),
        pytest.param(r"$\left(x+1\right)\cdot y$", r"$(x+1) \times y$", id="brackets and products"),
        pytest.param(r"$x \leq \pi$", "x ≤ π", id="signs beyond ASCII"),
        pytest.param("$x^{10}$", "x^10", id="braces"),
        pytest.param(r"$\frac35 + \dfrac12$", r"$\frac{3}{5} + \tfrac{1}{2}$", id="fractions of two digits"),
        pytest.param("x² + 1", "$x^2 + 1$", id="raised digits"),
        pytest.param("costs $5.00 today", "costs 5 dollars today", id="money"),
        pytest.param("costs $2.50", "costs 2.5 dollars", id="decimals of nothing"),
        pytest.param("1,250 people", r"$1{,}250$ people", id="thousands in braces"),
        pytest.param("1,250 people", r"$1,\!250$ people", id="thousands with a thin space"),
        pytest.param("1,250,000 people", "1250000 people", id="millions"),
        pytest.param("five kilometres in ten minutes", "5 km in 10 min", id="units and number words"),
        pytest.param("30% of it", r"30 percent of it", id="percent"),
        pytest.param("a 9-kilometer-long walk", "a 9 kilometer long walk", id="hyphens"),
        pytest.param("the naïve café", "the naive cafe", id="accents"),
        pytest.param("FIND THE SUM", "find the sum", id="case"),
        pytest.param("two clips", "two clip", id="plural"),
        pytest.param("\uff11\uff12 apples", "12 apples", id="wide digits"),
    ],
)
def test_spellings_that_are_the_same(a: str, b: str) -> None:
    assert similarity(LexicalEmbedder([a, b, *PROBLEMS]), a, b) == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        pytest.param("$x+1$", "$x-1$", id="a sign"),
        pytest.param("12 apples", "13 apples", id="a number"),
        pytest.param("1,25 apples", "125 apples", id="no separator of thousands"),
        pytest.param("1.5 apples", "15 apples", id="a point"),
        pytest.param("1.005", "1.5", id="zeros that count"),
        pytest.param("5.500", "5.5", id="three decimals are left alone"),
        pytest.param(r"$\sin x$", r"$\cos x$", id="a function"),
        pytest.param("the left one", r"the one", id="a word that is also a command"),
    ],
)
def test_what_tells_problems_apart(a: str, b: str) -> None:
    assert similarity(LexicalEmbedder([a, b, *PROBLEMS]), a, b) < 0.999


def test_another_name_says_little_and_another_number_much(embedder: LexicalEmbedder) -> None:
    renamed = similarity(embedder, PROBLEMS[0], PROBLEMS[0].replace("Nerys", "Bojan"))
    renumbered = similarity(embedder, PROBLEMS[0], PROBLEMS[0].replace("48", "36"))
    other = similarity(embedder, PROBLEMS[0], PROBLEMS[2])
    assert renamed > 0.95
    assert renamed > renumbered > other


def test_the_code_of_a_figure_says_little() -> None:
    figure = '[asy] draw((0,0)--(3,0)--(0,4)--cycle); label("$A$",(0,0),SW); [/asy]'
    area, length = f"What is the area of the triangle? {figure}", f"How long is the dashed median? {figure}"
    embedder = LexicalEmbedder([area, length, *PROBLEMS])
    assert similarity(embedder, area, length) < 0.3
    assert similarity(embedder, area, area.replace("3,0", "5,0")) > 0.95
    open_ended = embedder.embed(["[asy] draw", PROBLEMS[0], "no start [/asy] " + PROBLEMS[0]])
    assert (open_ended[1] == embedder.embed(PROBLEMS[:1])[0]).all(), "a figure without an end ends with its text"
    assert float(open_ended[1] @ open_ended[2]) > 0.7


def test_a_name_is_what_is_seldom_written_without_a_capital() -> None:
    texts = [f"Today Jack has {i} marbles." for i in range(2, 42)] + ["The jack lifts the car by 9 cm."]
    embedder = LexicalEmbedder(texts)
    assert similarity(embedder, "Jack has 7 marbles", "Rosa has 7 marbles") > 0.95
    assert similarity(embedder, "the car has 7 marbles", "the jack has 7 marbles") < 0.95


def test_order_of_sentences_says_little(embedder: LexicalEmbedder) -> None:
    first, second, third = PROBLEMS[2].split(". ")
    assert similarity(embedder, PROBLEMS[2], f"{third} {second}. {first}.") > 0.9


def test_what_no_fitted_text_has_makes_less_similar_but_never_similar(embedder: LexicalEmbedder) -> None:
    fitted = embedder.embed(PROBLEMS)
    strange = embedder.embed(["zyx wvu tsr qpo", PROBLEMS[4] + " zyx wvu tsr qpo"])
    assert np.abs(fitted @ strange[0]).max() == 0
    assert 0.3 < float(fitted[4] @ strange[1]) < 0.95
    assert (fitted[:, 0] == 0).all(), "the dimension of strange features is empty in the fitted set"


def test_rows_have_length_one_or_are_empty(embedder: LexicalEmbedder) -> None:
    vectors = embedder.embed([*PROBLEMS, "", "   ", "$$ {} ,.", "!"])
    assert vectors.dtype == np.float32
    assert vectors.shape == (9, embedder.dimensions)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx([1] * 5 + [0] * 4, abs=1e-6)


def test_nothing_in_nothing_out() -> None:
    assert LexicalEmbedder([]).embed([]).shape == (0, 1024)
    assert LexicalEmbedder([]).embed(["a problem"]).shape == (1, 1024)


def test_a_row_does_not_depend_on_its_batch(embedder: LexicalEmbedder) -> None:
    many = [f"{PROBLEMS[i % 5]} Case {i}." for i in range(BATCH + 7)]
    whole = embedder.embed(many)
    for number in (0, BATCH - 1, BATCH, BATCH + 6):
        assert (whole[number] == embedder.embed([many[number]])[0]).all()


def test_arrow_columns_are_taken_as_they_are(embedder: LexicalEmbedder) -> None:
    column = pa.array([None, *PROBLEMS, "x"], pa.string()).slice(1, 5)
    assert (embedder.embed(column) == embedder.embed(PROBLEMS)).all()
    assert (embedder.embed(pa.array([None], pa.string())) == 0).all()


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("\x00" * 50, id="zeros"),
        pytest.param("a\x00b é\x00", id="zeros beside wide characters"),
        pytest.param("\\" * 5000, id="backslashes"),
        pytest.param("{,}" * 3000 + "\\!" * 3000, id="separators only"),
        pytest.param("a" * 200_000, id="one word"),
        pytest.param("\u0301" * 5000, id="accents without letters"),
        pytest.param("\ufdfa" * 5000, id="characters that grow when folded"),
        pytest.param("1" * 9000 + "," + "0" * 9000, id="one number"),
        pytest.param("\U0001f600\u202e\u2066", id="signs of direction"),
    ],
)
def test_hostile_text_is_embedded_beside_others(embedder: LexicalEmbedder, text: str) -> None:
    vectors = embedder.embed([PROBLEMS[0], text, PROBLEMS[1]])
    assert np.isfinite(vectors).all()
    assert (vectors[[0, 2]] == embedder.embed(PROBLEMS[:2])).all()


def test_only_the_start_of_a_huge_text_is_read(embedder: LexicalEmbedder) -> None:
    start = "word " * (MAX_CHARACTERS // 5 + 1)
    assert (embedder.embed([start + "48 tulips"]) == embedder.embed([start])).all()


def test_scripts_without_spaces_are_cut_into_characters() -> None:
    texts = ["一个三角形的面积是多少", "一个圆的周长是多少"]
    embedder = LexicalEmbedder(texts)
    assert similarity(embedder, texts[0], "三角形的面积是多少") > similarity(embedder, texts[0], texts[1]) > 0


def test_the_fitted_set_is_part_of_the_identity() -> None:
    identity = LexicalEmbedder(PROBLEMS).identity()
    assert LexicalEmbedder(PROBLEMS).identity() == identity
    assert LexicalEmbedder(PROBLEMS[::-1]).identity() == identity
    assert LexicalEmbedder(PROBLEMS[1:]).identity() != identity
    assert LexicalEmbedder(PROBLEMS, dimensions=512).identity() != identity


def test_tokens_in_reading_order() -> None:
    tokens = tokens_of(fold_batch(pa.array(["ten cm", "", r"\frac{10}{x} centimeters"])))
    assert tokens.rows.tolist() == [0, 0, 2, 2, 2]
    assert tokens.hashes[[0, 1]].tolist() == tokens.hashes[[2, 4]].tolist()
    assert tokens.kinds.tolist() == [2, 1, 2, 1, 1]


def test_lists_of_words_do_not_contradict_themselves() -> None:
    assert all(SAME[SAME[word]] == SAME[word] for word in SAME)
    assert not set(SAME) & set(NUMBERS)


@pytest.mark.parametrize("change", [name for name in planting.REWORDINGS if name != "copied"])
def test_rewordings_find_their_problem(embedder: LexicalEmbedder, change: str) -> None:
    changed = [planting.REWORDINGS[change](text, random.Random(7)) for text in PROBLEMS]
    similarities = embedder.embed(changed) @ embedder.embed(PROBLEMS).T
    assert similarities.argmax(axis=1).tolist() == list(range(5))
    assert similarities.diagonal().min() > 0.7


def test_golden_vectors() -> None:
    """Another hash: raise ``VERSION`` of the embedder and of the kinds that use it, then write the new hash here."""
    embedder = LexicalEmbedder(PROBLEMS)
    vectors = embedder.embed([*PROBLEMS, "Bojan has ten tulips, π ≤ 4 and 在."])
    digest = hashlib.sha256(np.round(vectors, 5).astype("<f4").tobytes()).hexdigest()[:16]
    assert (embedder.identity(), digest) == ("lexical/1/1024/86b31523b2c11c872b1783a9d52fac4f", "b6f1f353bb0e0af1")
