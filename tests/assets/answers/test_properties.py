"""What must hold for keys, verdicts and votes of any answers, whatever the engine behind them.

Values are known by construction (a fraction, a tree that is spelled twice, a number with another digit), so nothing
here asks one part of the engine about another.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from fractions import Fraction
from functools import cache

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from assets.answers.key import Key, canonical_key
from assets.answers.verdict import equivalent
from assets.answers.vote import vote
from tests.assets.answers.labelled.pairs import labelled_pairs
from tests.assets.answers.rewrites import SAFE, grow, spell

ANSWERS = sorted({answer for pair in labelled_pairs() for answer in (pair.a, pair.b)})
"""Every spelling of the labelled set: thousands of realistic answers of all types."""

seeds = st.integers(0, 2**32).map(random.Random)
numbers = st.integers(2, 99_999)


@cache
def known(answer: str) -> Key:
    """The key of an answer of the set, once for all tests."""
    return canonical_key(answer)


def decided(text: str) -> str:
    """The key of an answer that the engine must be able to read."""
    key = canonical_key(text)
    assert key.status == "decided", text
    return key.text


# An equivalence.


@given(st.sampled_from(ANSWERS) | st.text(max_size=40))
def test_reflexive_and_pure(answer: str) -> None:
    first = canonical_key(answer)
    assert canonical_key("".join(list(answer))) == first
    assert isinstance(first, Key)
    assert first.status in {"decided", "undecided"}


def relation(a: str, b: str) -> str:
    return equivalent(a, b).relation


def test_verdicts_are_symmetric() -> None:
    """The symbolic step works one way at a time; its verdict must not."""
    undecided = [p for p in labelled_pairs() if "undecided" in {canonical_key(p.a).status, canonical_key(p.b).status}]
    chosen = [*undecided, *random.Random(4).sample(labelled_pairs(), 100)]
    wrong = [str(p) for p in chosen if relation(p.a, p.b) != relation(p.b, p.a)]
    assert not wrong, "\n".join(wrong)


def test_verdicts_of_one_answer_are_equal() -> None:
    assert [a for a in ANSWERS if relation(a, a) != "equal"] == []


def test_verdicts_are_transitive() -> None:
    """Of all answers that the set ties together, no two are different."""
    groups: dict[str, set[str]] = {}
    for pair in labelled_pairs():
        if pair.label == "equal":
            together = groups.get(pair.a, {pair.a}) | groups.get(pair.b, {pair.b})
            groups.update(dict.fromkeys(together, together))
    chance, wrong = random.Random(6), []
    for group in chance.sample(list(groups.values()), 300):
        a, b, c = (chance.choice(sorted(group)) for _ in range(3))
        found = {relation(a, b), relation(b, c)}
        if found == {"equal"} and relation(a, c) != "equal":
            wrong.append((a, b, c))
    assert wrong == []


def test_another_digit_is_never_equal_for_the_symbolic_step() -> None:
    """Undecided answers, each with one digit changed; not sums, whose further terms may all be zero."""
    chance, wrong = random.Random(7), []
    for answer in ANSWERS:
        places = [i for i, c in enumerate(answer) if c.isascii() and c.isdigit()]
        if places and "\\sum" not in answer and canonical_key(answer).status == "undecided":
            at = chance.choice(places)
            other = answer[:at] + chance.choice([d for d in "123456789" if d != answer[at]]) + answer[at + 1 :]
            if relation(answer, other) == "equal":
                wrong.append((answer, other))
    assert wrong == []


@given(st.lists(st.sampled_from(ANSWERS), min_size=3, max_size=3))
def test_keys_are_transitive(three: list[str]) -> None:
    """True by construction as long as "equal" means equal texts of keys; this holds it for the verdicts of keys."""
    a, b, c = (known(answer).text for answer in three)
    assert not (a == b and b == c and a != c)


def test_one_text_has_one_status() -> None:
    """A key never means a decided value for one spelling and an undecided text for another."""
    found: dict[str, Key] = {}
    for answer in ANSWERS:
        key = known(answer)
        assert found.setdefault(key.text, key).status == key.status, answer


# Safe rewrites.


@pytest.mark.parametrize("name", SAFE)
def test_safe_rewrites_keep_the_key(name: str) -> None:
    wrong = []
    for answer in ANSWERS:
        key, rewritten = known(answer), SAFE[name](answer)
        if rewritten != answer and key.status == "decided" and (found := canonical_key(rewritten)) != key:
            wrong.append(f"{answer!r} is {key.text}, {rewritten!r} is {found.text}")
    assert not wrong, f"{len(wrong)}:\n" + "\n".join(wrong[:40])


@given(st.sampled_from(ANSWERS), st.permutations(sorted(SAFE)))
def test_safe_rewrites_can_be_combined(answer: str, order: list[str]) -> None:
    key, text = known(answer), answer
    if key.status == "decided":
        for name in order[:3]:
            text = SAFE[name](text)
        assert canonical_key(text) == key, text


@given(seeds, st.integers(1, 3))
@settings(max_examples=300)
def test_spellings_of_a_number_share_a_key(chance: random.Random, depth: int) -> None:
    tree = grow(chance, depth)
    first, second = spell(tree, chance), spell(tree, chance)
    value = tree.rational()
    assert decided(first) == decided(second), (first, second)
    if value is not None and len(str(value)) < 200:
        assert decided(first) == decided(f"{value.numerator}/{value.denominator}"), first


@given(seeds, st.integers(1, 3))
@settings(max_examples=300)
def test_spellings_of_an_expression_share_a_key(chance: random.Random, depth: int) -> None:
    tree = grow(chance, depth, "xya")
    first, second = spell(tree, chance), spell(tree, chance)
    assert decided(first) == decided(second), (first, second)


@given(seeds, st.integers(1, 3), st.sampled_from(["", "x", "xy"]), st.integers(0, 99), st.integers(1, 40))
@settings(max_examples=400)
def test_another_leaf_is_another_value(chance: random.Random, depth: int, letters: str, at: int, more: int) -> None:
    """Trees are positive where letters are; each leaf stands once on a path of growing or shrinking operations."""
    tree = grow(chance, depth, letters)
    if not (leaves := tree.leaves()):
        return
    at %= len(leaves)
    other = tree.with_leaf(at, leaves[at] + more)
    first, second = spell(tree, chance), spell(other, chance)
    assert canonical_key(first).text != canonical_key(second).text, (first, second)


PIECES = [
    ("|x+{c}|", "x+{c}"),
    ("|x-{c}|", "{c}-x"),
    (r"\sqrt{{(x+{c})^2}}", "x+{c}"),
    (r"\sqrt{{x^2+2xy+y^2+{c}^2-2{c}x-2{c}y}}", "{c}-x-y"),
    ("|xy+{c}|", "xy+{c}"),
    ("y=|x+{c}|", "y=x+{c}"),
    (r"\frac{{|x+{c}|}}{{x+{c}}}", "1"),
    (r"\left\lfloor\frac{{x}}{{{c}}}\right\rfloor", r"\left\lfloor\frac{{x}}{{{c}7}}\right\rfloor"),
    (r"\left\lfloor\frac{{x}}{{{c}}}\right\rfloor", "0"),
    (r"\left\lceil\frac{{x}}{{{c}}}\right\rceil", "1"),
]


@pytest.mark.parametrize(("whole", "piece"), PIECES)
def test_a_function_is_not_one_of_its_pieces(whole: str, piece: str) -> None:
    """Whatever numbers an engine puts in for letters: all of them may lie on one side of a corner."""
    for c in (1, 2, 3, 7, 10, 64, 99, 1_000, 10**6, 10**12):
        first, second = whole.format(c=c), piece.format(c=c)
        assert canonical_key(first).text != canonical_key(second).text, (first, second)


@given(st.fractions(max_denominator=10**9), st.fractions(max_denominator=10**9))
def test_fractions_are_equal_only_to_themselves(a: Fraction, b: Fraction) -> None:
    first, second = (rf"\frac{{{n.numerator}}}{{{n.denominator}}}" for n in (a, b))
    assert (decided(first) == decided(second)) is (a == b)


# Another digit.

FORMS: list[tuple[str, str]] = [
    ("integer", "{n}"),
    ("negative", "-{n}"),
    ("decimal", "0.{n}"),
    ("fraction", r"\frac{{{n}}}{{100003}}"),
    ("denominator", r"\frac{{100003}}{{{n}}}"),
    ("mixed number", r"{n}\frac{{1}}{{3}}"),
    ("root", r"\sqrt{{{n}}}"),
    ("cube root", r"1+\sqrt[3]{{{n}}}"),
    ("nested root", r"\sqrt{{2+\sqrt{{{n}}}}}"),
    ("tuple", "(3,{n})"),
    ("first of a tuple", r"\left({n}, \frac12\right)"),
    ("interval", "[-1,{n})"),
    ("ray", r"x\ge {n}"),
    ("union", r"(-\infty,0)\cup({n},\infty)"),
    ("list", "1; {n}; -7"),
    ("set", r"\{{-1, {n}\}}"),
    ("polynomial", "x^2+{n}x+1"),
    ("constant term", "x^3-x-{n}"),
    ("rational function", r"\frac{{x+{n}}}{{x^2+1}}"),
    ("line", "y=3x+{n}"),
    ("circle", "x^2+y^2={n}"),
    ("factorial", "{small}!"),
    ("one over a factorial", "1/{small}!"),
    ("power", "2^{{{small}}}"),
    ("small power", "2^{{-{small}}}"),
    ("power of a letter", "x^{{{small}}}"),
    ("logarithm", r"\log_6 {n}"),
    ("natural logarithm", r"\ln {n}"),
    ("multiple of pi", r"{n}\pi"),
    ("pi and a number", r"\pi+{n}"),
    ("power of e", "e^{{{small}}}"),
    ("complex", "1+{n}i"),
    ("matrix", r"\begin{{pmatrix}} 1 & {n} \\ 0 & 1 \end{{pmatrix}}"),
    ("binomial", r"\binom{{{n}}}{{2}}"),
    ("base", "1{bits}_7"),
    ("percent", r"{n}\%"),
    ("currency", r"\${n}"),
    ("units", r"{n}\text{{ cm}}"),
    ("scientific", r"1.{n}\times10^{{12}}"),
    ("exponent", r"1.5\times10^{{{small}}}"),
    ("ratio", r"{n}:100003"),
    ("sine", r"\sin \frac{{1}}{{{n}}}"),
    ("root of a polynomial", r"\sqrt{{x^2+{n}}}"),
    ("repeating", r"0.\overline{{{n}1}}"),
    ("plus-minus", r"\pm {n}"),
    ("label", "x={n}"),
]


@pytest.mark.parametrize("form", [form for _, form in FORMS], ids=[name for name, _ in FORMS])
@given(st.data())
@settings(max_examples=25)
def test_another_digit_is_another_answer(form: str, data: st.DataObject) -> None:
    low, high = (20, 199) if "{small}" in form else (101, 99_999)
    n = data.draw(st.integers(low, high))
    digits = str(n)
    at = data.draw(st.integers(0, len(digits) - 1))
    base = 7 if "{bits}" in form else 10
    if base == 7:
        digits = "".join(str(int(d) % 7) for d in digits)
    digit = data.draw(st.sampled_from([d for d in "123456789"[: base - 1] if d != digits[at]]))
    other = digits[:at] + digit + digits[at + 1 :]
    first, second = (form.format(n=d, small=d, bits=d) for d in (digits, other))
    assert canonical_key(first).text != canonical_key(second).text, (first, second)


@given(st.sampled_from(["1", "2", "3", "5"]), numbers, st.integers(20, 280))
def test_digits_far_behind_count(lead: str, n: int, zeros: int) -> None:
    a, b = (lead + "0" * zeros + str(m) for m in (n, n + 1))
    for form in ("{}", "{}.5", "0.{}", r"\sqrt{{{}}}", r"\frac{{1}}{{{}}}", "x+{}"):
        assert canonical_key(form.format(a)).text != canonical_key(form.format(b)).text, form


# Order.

PARTS = [r"\frac12", "3", "-7", r"\sqrt2", r"\pi", "x+1", "(1,2)", "0.25", "1+i", "2^{10}"]


@given(st.lists(st.sampled_from(PARTS), min_size=2, max_size=6, unique=True), st.randoms())
@example(["(1,2)", "3"], random.Random(0))
def test_lists_and_sets_have_no_order(parts: list[str], chance: random.Random) -> None:
    shuffled = chance.sample(parts, len(parts))
    spelled = [
        ", ".join(parts),
        "; ".join(shuffled),
        r"\{" + ",\\ ".join(shuffled) + r"\}",
        ", ".join(shuffled[:-1]) + r"\text{ and }" + shuffled[-1],
        " or ".join(shuffled),
    ]
    assert len({decided(text) for text in spelled}) == 1, spelled


@given(st.permutations(PARTS[:6]), st.permutations(PARTS[:6]), st.integers(2, 6))
def test_tuples_have_an_order(a: list[str], b: list[str], size: int) -> None:
    first, second = ("(" + ", ".join(parts[:size]) + ")" for parts in (a, b))
    assert (decided(first) == decided(second)) is (a[:size] == b[:size])


# Votes.


@given(st.lists(st.sampled_from(ANSWERS), min_size=1, max_size=12), st.randoms())
@settings(max_examples=60)
def test_votes_do_not_depend_on_the_order(answers: list[str], chance: random.Random) -> None:
    order: Sequence[int] = chance.sample(range(len(answers)), len(answers))
    first = vote(answers, indices=range(len(answers)))
    second = vote([answers[i] for i in order], indices=order)
    assert second == first
    assert first.votes <= first.n_valid <= len(answers)


@given(st.lists(st.sampled_from(ANSWERS), min_size=1, max_size=12), st.randoms())
@settings(max_examples=60)
def test_respelled_answers_vote_alike(answers: list[str], chance: random.Random) -> None:
    """Safe rewrites of some samples change no count."""
    known = [answer for answer in answers if canonical_key(answer).status == "decided"]
    respelled = [SAFE[chance.choice(sorted(SAFE))](answer) for answer in known]
    first, second = vote(known), vote(respelled)
    assert (first.key, first.votes, first.margin, first.n_valid) == (
        second.key,
        second.votes,
        second.margin,
        second.n_valid,
    )
