"""Shared runs: found at exactly their length, wherever they stand, and the same as a search that tries everything."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.contamination import ngrams
from assets.contamination.ngrams import SIZES, Index
from assets.contamination.suffixes import DEPTH, Suffixes
from tests.assets.contamination.reference import reference_words

WORDS = [f"{a}{b}{c}" for a in "bcdfg" for b in "aeiou" for c in "lmnrst"]


def letters(number: int) -> str:
    """A word of its own for each number: digits would be words by themselves."""
    return WORDS[number // 150] + WORDS[number % 150]


SOURCE = [letters(i) for i in range(60)]


def search(benchmarks: Sequence[str], problems: Sequence[str | None]) -> list[tuple[bool, int, int, str | None]]:
    """(is_exact, run, where, shared) of each problem."""
    index = Index([pa.array(benchmarks, pa.string())])
    return [
        row
        for found in index.overlaps(pa.array(problems, pa.string()))
        for row in zip(
            *(a.tolist() for a in (found.is_exact, found.run, found.where)), found.shared.to_pylist(), strict=True
        )
    ]


def plainly(benchmarks: Sequence[str], problem: str) -> tuple[int, int]:
    """Longest run of 8 or more words and the first benchmark problem that has it, by trying everything."""
    tests = [reference_words(text) for text in benchmarks]
    own = reference_words(problem)
    best = (0, -1)
    for start in range(len(own)):
        for number, test in enumerate(tests):
            for begin in range(len(test)):
                length = 0
                while start + length < len(own) and test[begin + length : begin + length + 1] == [own[start + length]]:
                    length += 1
                if length >= SIZES[0] and length > best[0]:
                    best = (length, number)
    return best


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("lead", [0, 3])
def test_a_planted_run_counts_at_its_length_and_not_below(size: int, lead: int) -> None:
    for length in (size - 1, size):
        run = SOURCE[10 : 10 + length]
        problem = " ".join([*(letters(100 + i) for i in range(lead)), *run, letters(200)])
        (found,) = list(Index([pa.array([" ".join(SOURCE)])]).overlaps(pa.array([problem])))
        reached = [s for s in SIZES if s <= length]
        assert found.size.tolist() == [max(reached, default=0)]
        assert found.shared.to_pylist() == ([" ".join(run)] if reached else [None])


def test_a_run_does_not_pass_from_one_problem_to_the_next() -> None:
    first, second = " ".join(SOURCE[:5]), " ".join(SOURCE[5:10])
    assert search([f"{first} {second}"], [first, second])[0][1] == 0
    assert search([first, second], [f"{first} {second}"])[0][1] == 0


@given(st.integers(0, 2**32), st.integers(1, 4))
@settings(max_examples=150)
def test_it_is_the_search_that_tries_everything(seed: int, few: int) -> None:
    """Few different words: many runs overlap, repeat, and occur in several benchmark problems."""
    rng = random.Random(seed)
    texts = [" ".join(rng.choices(WORDS[:few], k=rng.randrange(30))) for _ in range(5)]
    problems = [" ".join(rng.choices(WORDS[: few + 1], k=rng.randrange(40))) for _ in range(4)]
    for problem, (is_exact, run, where, _) in zip(problems, search(texts, problems), strict=True):
        longest, first = plainly(texts, problem)
        assert run == longest
        assert is_exact == (bool(problem) and problem in texts)
        assert where == (texts.index(problem) if is_exact else first)


def test_an_exact_match_is_found_at_any_length() -> None:
    tests = ["What is $2+2$?", "", "$$", r"Find $\dfrac12 x$."]
    found = search(tests, ["what is 2 + 2", "what is 2 + 2 + 2", "", None, r"find \(\frac{1}{2}x\)", "{}"])
    assert [row[0] for row in found] == [True, False, False, False, True, False]
    assert [row[2] for row in found] == [0, -1, -1, -1, 3, -1]
    assert [row[3] for row in found] == ["what is 2 + 2", None, None, None, "find frac 1 2 x", None]
    assert {row[1] for row in found} == {0}


def test_an_exact_match_goes_before_a_longer_text_that_holds_it() -> None:
    text = " ".join(SOURCE[:12])
    assert search([f"{text} and more", text, text], [text]) == [(True, 12, 1, text)]


def test_a_respelled_copy_is_exact() -> None:
    test = r"Let $f(x)=\dfrac{x^{2}}{2}$ for $x \leq 1{,}000$. What is the greatest value of $f$?"
    copy = r"let \(f\left(x\right) = \frac{x^2}{2}\) for x ≤ 1000 — what is the GREATEST value of f?"
    assert search([test], [copy])[0][:3] == (True, 20, 0)


def test_a_shown_run_is_cut() -> None:
    words = [letters(i) for i in range(100)]
    ((_, run, _, shared),) = search([" ".join(words)], [" ".join([*words, "x"])])
    assert run == 100
    assert shared is not None
    assert len(shared) == 300
    assert " ".join(words).startswith(shared)


def test_a_run_is_counted_up_to_the_depth() -> None:
    text = " ".join(letters(i) for i in range(DEPTH + 50))
    assert search([text], [text + " x"])[0][1] == DEPTH


def test_colliding_hashes_make_no_overlap_and_hide_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """With seed 0 all words have one salt, so that all 8-grams collide: the index takes the next seed.

    And a problem whose 8-gram has the hash of another one is compared word by word.
    """
    real = ngrams._salts
    monkeypatch.setattr(ngrams, "_salts", lambda n, seed: np.ones(n, np.uint64) if seed == 0 else real(n, seed))
    text = " ".join(SOURCE[:20])
    assert search([text], [text + " x"])[0][1] == 20
    only = SOURCE[:8]
    monkeypatch.setattr(ngrams, "_salts", lambda n, seed: np.ones(n, np.uint64))
    assert search([" ".join(only)], [" ".join(only), " ".join(reversed(only))]) == [
        (True, 8, 0, " ".join(only)),
        (False, 0, -1, None),
    ]


def test_nothing_to_compare_with() -> None:
    assert search([], ["a b c", "", None]) == [(False, 0, -1, None)] * 3
    assert search([""], ["a b c"]) == [(False, 0, -1, None)]
    assert search(["a b c"], []) == []
    assert Index([pa.array(["a b", " ".join(SOURCE), ""])]).too_short == 2


def test_problems_in_pieces_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = random.Random(1)
    tests = [" ".join(rng.choices(SOURCE, k=30)) for _ in range(20)]
    problems = [t[rng.randrange(20) :] + " é ende" for t in tests]
    whole = search(tests, problems)
    monkeypatch.setattr("assets.contamination.normalise.pieces.__defaults__", (64,))
    assert search(tests, problems) == whole
    assert any(row[1] for row in whole)


@pytest.mark.parametrize(
    ("test", "problem"),
    [
        ("1 " * 300, "1 " * 10_000),
        ("a " * 300, "a " * 10_000 + "b"),
        (
            " ".join(["what is the sum of all possible values of"] * 30),
            "what is the sum of all possible values of " * 9_000,
        ),
        ("x", "\\" * 500_000),
    ],
)
def test_repetition_takes_bounded_time(test: str, problem: str) -> None:
    began = time.process_time()
    search([test] * 20, [problem])
    assert time.process_time() - began < 5


@given(st.lists(st.integers(0, 3), max_size=60))
def test_suffixes_are_in_order(numbers: list[int]) -> None:
    suffixes = Suffixes.of(np.array(numbers, np.int64))
    ordered = [numbers[i:] for i in suffixes.order]
    assert ordered == sorted(ordered)
    groups: list[list[int]] = []
    for i in np.unique(suffixes.eights):
        firsts = {tuple(o[:8]) for o, e in zip(ordered, suffixes.eights, strict=True) if e == i}
        assert len(firsts) == 1
        groups += map(list, firsts)
    assert len({tuple(g) for g in groups}) == len(groups)


def test_the_same_question_about_another_figure_is_no_copy() -> None:
    tests = ["Which area has it? [asy]draw(A--B);[/asy]", "Which area has it? [asy]draw(C);[/asy]"]
    found = search(tests, [tests[1], tests[1].replace("C", "D"), "Which area has it?"])
    assert [(row[0], row[2]) for row in found] == [(True, 1), (False, -1), (False, -1)]
