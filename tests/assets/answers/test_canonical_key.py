"""Canonical keys: spellings of one answer share a key, different answers never do, hostile text costs little."""

from __future__ import annotations

import time
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.answers.key import canonical_key
from assets.answers.policy import DEFAULT, Policy
from tests.assets.answers.hostile import hostile_answers

EQUAL = [
    ("fractions", ["1/2", r"\frac{1}{2}", r"\frac12", r"\dfrac{1}{2}", r"\tfrac12", r"{1}\over{2}", ".5", "2/4"]),
    ("integers", ["5", "5.0", "+5", "$5$", "5.", "{5}", r"\boxed{5}", r"\text{5}", "(5)", "2+3", r"\left(5\right)"]),
    ("negative", ["-3/4", r"-\frac{3}{4}", r"\frac{-3}{4}", "\u22120.75", r"-\dfrac34"]),
    ("thousands", ["1234567", "1,234,567", r"1{,}234{,}567", r"1,\!234,\!567", r"1\,234\,567"]),
    ("percent is a unit", ["50", r"50\%", "50%"]),
    ("units", ["12", r"12\text{ cm}", r"12\text{ cm}^2", r"12\mathrm{~m}", "12 cm", r"\$12", r"12^\circ", "12\u00b0"]),
    ("labels", ["2", "x=2", "y = 2", r"\theta = 2", r"\text{Area} = 2"]),
    ("mixed numbers", ["3/2", r"1\frac12", r"1\frac{1}{2}", "1 1/2", "1.5"]),
    ("roots", [r"2\sqrt{3}", r"\sqrt{12}", r"\sqrt3\cdot 2", r"\frac{6}{\sqrt{3}}", r"2\cdot 3^{1/2}"]),
    ("root over", [r"\frac{\sqrt{3}}{2}", r"\frac{\sqrt 3}{2}", r"\sqrt{3}/2", r"\sqrt{\frac34}", r"\frac12\sqrt3"]),
    ("conjugate", [r"\frac{1}{1+\sqrt2}", r"\sqrt{2}-1", r"-1+\sqrt 2"]),
    ("pi", [r"\pi/2", r"\frac{\pi}{2}", r"\frac12\pi", "pi/2", r"0.5\pi"]),
    ("polynomials", ["x^2-1", "(x-1)(x+1)", "-1+x^2", r"x \cdot x-1"]),
    ("power of the last letter", ["xy^2", "y^2x", r"x\cdot y^{2}"]),
    ("lists", ["1,2", "2,1", r"\{1,2\}", r"\{2, 1\}", r"1 \text{ and } 2", "1 or 2", "x=1 or x=2", "x=1,2", "1;2"]),
    ("plus-minus", [r"\pm 3", "3,-3", r"x=\pm3"]),
    ("pairs", ["(1,2)", r"\left(1, 2\right)", r"(1,\; \frac{4}{2})", "(x,y)=(1,2)", "1<x<2", "2>x>1"]),
    ("half-open", ["(1,2]", r"1<x\le 2", r"1<x\leq2", "2\u2265x>1"]),
    ("rays", [r"(2,\infty)", "x>2", "2<x", r"\left(2,+\infty\right)"]),
    ("unions", [r"(-\infty,0)\cup(1,2]", r"(1,2] \cup (-\infty,0)"]),
    ("equations up to scale", ["y=2x+1", "2x-y+1=0", "y-1=2x", "2y=4x+2"]),
    ("choice", ["A", "(A)", r"\text{(A)}", r"\text{A}", r"(\text{A})"]),
    ("words", ["no solution", r"\text{No solution}", r"\text{no }\text{solution}", "NO  SOLUTION."]),
    ("matrices", [r"\begin{pmatrix} 1 & 2 \\ 3 & 4 \end{pmatrix}", r"\begin{bmatrix}1&2\\3&\frac82\\\end{bmatrix}"]),
    ("repeating", [r"0.\overline{3}", "1/3", r"\frac13"]),
    ("empty set", [r"\emptyset", r"\varnothing", r"\{\}"]),
    ("scientific", [r"3\times 10^4", "30000", "30,000"]),
    ("complex", [r"2+\sqrt{-9}", "2+3i", "3i+2", r"(1+i)(2+i)+1"]),
    ("base ten", ["100_{10}", "100"]),
    ("member of a set", [r"x\in(-\infty,2]", r"(-\infty,2]", r"x\le 2", r"2 \geq x"]),
    ("alternatives", [r"x<1\text{ or }x>2", "x<1 or x>2", r"(-\infty,1)\cup(2,\infty)"]),
    ("upright i", [r"2+4\mathrm{i}", "2+4i"]),
    ("name on the right", ["23", "23=x"]),
    ("capitals", ["AB", r"\text{AB}"]),
    ("separated threes", ["2,3,125", "2, 3, 125", "125,2,3"]),
    ("counting", [r"\binom{5}{2}", "10", r"\frac{5!}{3!\cdot 2!}"]),
]
DIFFERENT = [
    ("percent is no fraction", r"50\%", "0.5"),
    ("base", "1011_2", "1011"),
    ("base and value", "1011_2", "11"),
    ("two bases", "101_2", "101_3"),
    ("order of a pair", "(1,2)", "(2,1)"),
    ("brackets", "(1,2]", "[1,2]"),
    ("pair and list", "(1,2)", "1,2"),
    ("equation and its side", "y=2x+1", "2x+1"),
    ("case of variables", "x+1", "X+1"),
    ("names of values", "x=1,y=2", "x=2,y=1"),
    ("ray to the left", "x<2", "x>2"),
    ("million", r"3\text{ million}", "3"),
    ("clock", r"8\text{ a.m.}", r"8\text{ p.m.}"),
    ("large powers", "2^{-99}", "2^{-98}"),
    ("large factorials", "1/2004!", "1/2006!"),
    ("logarithms", r"\log_6 216", r"\log_6 236"),
    ("functions", "f(2)", "2f"),
    ("pair of numbers and a large one", "(1,234)", "1234"),
    ("last digit", "1" * 300 + "2", "1" * 300 + "3"),
    ("rounded", "0.333", "1/3"),
    ("clock time and ratio", "3:30", "1:10"),
    ("spaced digits", "1 2", "12"),
    ("unknown words", r"\text{June 20}", r"\text{June 21}"),
    ("undecided mixed numbers", "1 1/2 foo7", "11/2 foo7"),
    ("root of a square", r"\sqrt{x^2}", "x"),
    ("slash and product", "1/2x", r"\frac{1}{2}x"),
    ("division by zero", "1/0", "2/0"),
    ("vector and pair", r"\begin{pmatrix}1\\2\end{pmatrix}", "(1,2)"),
    ("power of ten or product", "1e5", "5e"),
    ("decimal comma", "0,125", "125"),
    ("list and thousands", "2,3,125", "2,3125"),
    ("upright constant and unit", r"2+3\mathrm{i}", "5"),
    ("pi is no unit", r"2\text{ pi}", "2"),
    ("tenths", r"7\text{ tenths}", "7"),
    ("noon", r"12\text{ noon}", r"12\text{ midnight}"),
    ("fraction after a power", r"2^3\frac12", "2^{7/2}"),
    ("claims about numbers", r"\frac{22}{7}=3.14", r"\frac{22}{7}=3.15"),
    ("endless list", "1,2,3,...", "1,2,3"),
    ("endless decimal", "0.333...", "0.333"),
    ("both and either", r"x>1 \text{ and } x<3", r"x>1 \text{ or } x<3"),
    ("alternatives of two names", "x<1 or y>2", "y<1 or x>2"),
    ("members of two sets", r"x\in(1,2), y\in(3,4)", r"x\in(3,4), y\in(1,2)"),
    ("Roman numbers", "IV", "VI"),
    ("digits in braces", "5{0}", "0"),
    ("fraction in braces", r"2{\frac12}", "1"),
    ("dates", "6/12/2004", "12/24/2004"),
    ("two plus-minus signs", r"\pm1\pm2", r"\pm3"),
    ("names in another order", "(y,x)=(1,2)", "(1,2)"),
    ("named parts of a pair", "(x=1,y=2)", "(y=1,x=2)"),
]


@pytest.mark.parametrize("spellings", [case[1] for case in EQUAL], ids=[case[0] for case in EQUAL])
def test_spellings_of_one_answer_share_a_key(spellings: list[str]) -> None:
    keys = {spelling: canonical_key(spelling) for spelling in spellings}
    assert {key.status for key in keys.values()} == {"decided"}, keys
    assert len({key.text for key in keys.values()}) == 1, keys


@pytest.mark.parametrize(("a", "b"), [case[1:] for case in DIFFERENT], ids=[case[0] for case in DIFFERENT])
def test_different_answers_have_different_keys(a: str, b: str) -> None:
    assert canonical_key(a).text != canonical_key(b).text


def test_groups_of_the_table_are_apart() -> None:
    keys = [canonical_key(spellings[0]).text for _, spellings in EQUAL]
    assert len(set(keys)) == len(keys)


def test_keys_are_fixed() -> None:
    """Stored keys outlive a release: a change of any of these needs a new policy version and kind version."""
    assert [canonical_key(a).text for a in ("-0.5", r"2\sqrt{3}", "(1,x)", r"\{2,1\}", "Yes", "y=x", r"\vdots x")] == [
        "q:-1/2",
        "n:3.46410161513775458705489268301174473388561050762076125611161e0",
        "t:(q:1,e:8dcfb3f260111cc56339a5e371c0b2)",
        "l:(q:1,q:2)",
        "w:yes",
        "eq:0582c6a9457a1336cfce35af716414",
        r"raw:\vdots x",
    ]


def test_options_of_a_policy() -> None:
    assert canonical_key(r"5\text{ cm}", Policy(strip_units=False)).status == "undecided"
    assert canonical_key("x=2", Policy(labels_are_names=False)).text.startswith("eq:")
    assert canonical_key("2,1", Policy(lists_are_unordered=False)).text == "l:(q:2,q:1)"
    assert Policy() == DEFAULT


@given(st.fractions(max_denominator=10**6))
def test_every_fraction_is_its_own_key(number: Fraction) -> None:
    latex = f"{'-' if number < 0 else ''}\\frac{{{abs(number.numerator)}}}{{{number.denominator}}}"
    plain = f"{number.numerator}/{number.denominator}"
    assert canonical_key(latex) == canonical_key(plain) == canonical_key(f" {latex}\\text{{ cm}}")
    assert canonical_key(plain).text == f"q:{number}"


@given(st.integers(1, 500), st.integers(1, 500))
def test_products_of_roots(a: int, b: int) -> None:
    assert canonical_key(rf"\sqrt{{{a}}}\cdot\sqrt{{{b}}}") == canonical_key(rf"\sqrt{{{a * b}}}")


@given(st.lists(st.integers(-99, 99), min_size=2, max_size=8), st.randoms())
def test_order_of_a_list_does_not_matter(numbers: list[int], random: object) -> None:
    shuffled = sorted(numbers, key=lambda _: random.random())  # pyright: ignore[reportAttributeAccessIssue]
    spelled = ["; ".join(map(str, order)) for order in (numbers, shuffled)]
    assert canonical_key(spelled[0]) == canonical_key(spelled[1])


WORDS = (
    r"\frac \sqrt \binom { } ( ) [ ] \{ \} ^ _ / + - * = < \le \cup , ; : . ! 1 2 10 99 0 x y ab \pi \text{a} \pm \over"
)
PIECES = [*WORDS.split(), " ", "\\", "&", "\\\\", "\u00b2", "\u0663", "\x00"]


@given(st.lists(st.sampled_from(PIECES), max_size=40).map("".join))
def test_no_text_raises_or_takes_long(text: str) -> None:
    began = time.perf_counter()
    key = canonical_key(text)
    assert time.perf_counter() - began < 0.5
    assert key == canonical_key(text)
    assert key.text.startswith("raw:") == (key.status == "undecided")


@given(st.text(max_size=60))
def test_any_unicode(text: str) -> None:
    assert canonical_key(text) == canonical_key(f"  {text} ") or not text.strip()


CANARY = "canary-of-hostile-answers"
HOSTILE = hostile_answers(CANARY)


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_hostile_answers_are_bounded(text: str) -> None:
    canonical_key("1")
    began = time.perf_counter()
    key = canonical_key(text)
    assert time.perf_counter() - began < 0.25
    assert len(key.text) <= 2 * len(text) + 2_000
    assert not Path(CANARY).exists()


@pytest.mark.parametrize(
    ("whole", "piece"), [(r"\sqrt{2(x+500)^2}", r"\sqrt2(x+500)"), (r"\sqrt{3x^2-6x+3}", r"\sqrt3(x-1)")]
)
def test_the_corner_under_an_irrational_root_is_seen(whole: str, piece: str) -> None:
    assert canonical_key(whole) != canonical_key(piece)
    assert canonical_key(r"\sqrt{3x^2-6x+3}") == canonical_key(r"\sqrt3|x-1|")
