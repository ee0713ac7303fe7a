"""The scripted engine: deterministic, prompt-dependent, with each declared share of mistakes."""

import hashlib
import re
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resources.engines.catalog import make_engine
from resources.engines.protocol import Engine, EngineRequest, EngineResult, Prompt, Sampling, answers
from resources.engines.scripted.judge import verdict
from resources.engines.scripted.text import Sum, near_miss, new_problem_text, read_problem, read_sum

EXAMPLES = "Problem:\nOne and one?\n\nSolution:\nIt is $\\boxed{2}$.\n\n\n"
BOX = re.compile(r"\\boxed\{(.*?)\}\$")


def scripted(**options: Any) -> Engine:
    return make_engine("scripted", options, "test", Path())


def ask(problem: str, count: int = 1, *, number: int = 0, seed: int = 5, cue: str = "Solution:") -> EngineRequest:
    text = f"{EXAMPLES}Problem:\n{problem}\n\n{cue}\n"
    return EngineRequest(number, Prompt("raw", text), Sampling(0.7), seed, 0, count)


def texts(engine: Engine, requests: Iterable[EngineRequest]) -> dict[tuple[int, int], str]:
    return {(result.number, result.sample_index): result.text for result in answers(engine.stream(requests))}


def results(engine: Engine, *requests: EngineRequest) -> list[EngineResult]:
    return list(answers(engine.stream(requests)))


def test_same_request_same_text_in_any_order_and_company() -> None:
    requests = [ask(f"Tom has {n} pens and buys 3 more. How many?", 4, number=n, seed=n) for n in range(20)]
    straight = texts(scripted(), requests)
    backwards = texts(scripted(is_shuffled=True, max_in_flight=7), requests[::-1])
    assert straight == backwards
    assert len(straight) == 80


def test_golden_texts() -> None:
    """These bytes stand in users' stores: raise VERSION of the engine with any change."""
    engine = scripted()
    assert engine.weights_id() == "scripted:1:" + GOLDEN_OPTIONS
    found = texts(
        engine, [ask("Tom has 5 pens and buys 3 more.", 200), ask("A box.", 50, number=1, cue="New problem:")]
    )
    digest = hashlib.sha256(repr(sorted(found.items())).encode()).hexdigest()
    assert digest[:16] == GOLDEN_TEXTS


GOLDEN_OPTIONS = "44136fa355b3678a"
GOLDEN_TEXTS = "b5e16b9ec2209456"


def test_prompt_seed_and_options_change_the_text_and_operational_options_do_not() -> None:
    base = texts(scripted(), [ask("Tom has 5 pens and buys 3 more.", 8)])
    assert texts(scripted(seed=1), [ask("Tom has 5 pens and buys 3 more.", 8)]) != base
    assert texts(scripted(), [ask("Tom has 5 pens and buys 4 more.", 8)]) != base
    assert texts(scripted(), [ask("Tom has 5 pens and buys 3 more.", 8, seed=900)]) != base
    assert scripted(seed=1).weights_id() != scripted().weights_id()
    same = scripted(max_in_flight=3, latency_s=0.001, is_shuffled=True, transient_failures=0.0)
    assert same.weights_id() == scripted().weights_id()
    assert texts(same, [ask("Tom has 5 pens and buys 3 more.", 8)]) == base


SUMS = [
    ("What is 12 + 7?", Sum(12, "+", 7), (19, 1)),
    ("Compute 4 - 9.", Sum(4, "-", 9), (-5, 1)),
    (r"Compute $6 \times 7$.", Sum(6, "*", 7), (42, 1)),
    ("What is 14 ÷ 4?", Sum(14, "/", 4), (7, 2)),
    ("What is 5 / 0?", Sum(5, "+", 0), (5, 1)),
    ("Ann has 1,200 stamps and buys 50 more. How many in all?", Sum(1200, "+", 50), (1250, 1)),
    ("Ann had 20 nuts and ate 6. How many are left?", Sum(20, "-", 6), (14, 1)),
    ("There are 6 rows of 8 jars. How many jars?", Sum(6, "*", 8), (48, 1)),
    ("4 children share 36 nuts equally.", Sum(36, "/", 4), (9, 1)),
]


@pytest.mark.parametrize(("problem", "step", "value"), SUMS, ids=[problem for problem, _, _ in SUMS])
def test_reads_the_step_of_a_problem(problem: str, step: Sum, value: tuple[int, int]) -> None:
    assert read_sum(problem) == step
    assert step.value() == value


@given(st.text(max_size=300))
def test_any_text_gives_one_step_and_misses_that_differ(problem: str) -> None:
    step = read_sum(problem)
    assert step == read_sum(problem)
    for draw in range(4):
        assert near_miss(step, draw).value() != step.value()


@pytest.mark.parametrize("sum_", [Sum(0, "+", 0), Sum(2, "*", 2), Sum(0, "-", 0), Sum(1, "*", 0), Sum(0, "/", 3)])
def test_misses_differ_for_degenerate_sums(sum_: Sum) -> None:
    assert all(near_miss(sum_, draw).value() != sum_.value() for draw in range(4))


def test_reads_the_last_problem_only() -> None:
    assert read_problem(EXAMPLES + "Problem:\nThe last?\n\nSolution:\n", "Problem:", "Solution:") == "The last?"
    assert read_problem("no marks at all", "Problem:", "Solution:") == "no marks at all"


def test_chat_reads_the_last_user_message() -> None:
    messages = (("system", "Be brief."), ("user", "What is 1 + 1?"), ("assistant", "2"), ("user", "What is 20 + 3?"))
    request = EngineRequest(0, Prompt("chat", messages=messages), Sampling(0.7), 1, 0, 30)
    boxes = Counter(box for result in results(scripted(respelled=0), request) for box in BOX.findall(result.text))
    assert boxes.most_common(1)[0][0] == "23"


SHARES = [
    ("wrong_answers", lambda result: BOX.findall(result.text)[-1] != "8"),
    ("missing_boxes", lambda result: "boxed" not in result.text),
    ("two_boxes", lambda result: result.text.count("boxed") == 2),
    ("tails", lambda result: len(result.text) - result.text.rfind("boxed") > 20),
    ("prefixes", lambda result: result.text.startswith("My solution:")),
    ("wrong_arithmetic", lambda result: "5 + 3 = 11" in result.text),
    ("long_sums", lambda result: "1 + 4 + 3 = 8" in result.text),
    ("respelled", lambda result: r"\frac{16}{2}" in result.text),
    ("short", lambda result: len(result.text) < 200),
    ("long", lambda result: len(result.text) > 4_500),
    ("cut", lambda result: result.finish_reason == "length"),
    ("reasoning", lambda result: result.reasoning is not None),
    ("hostile", lambda result: "answer" not in result.text and "boxed{8}" not in result.text),
    ("transient_failures", lambda result: result.failure is not None and not result.is_permanent),
    ("lasting_failures", lambda result: result.failure is not None and not result.is_permanent),
    ("permanent_failures", lambda result: result.failure is not None and result.is_permanent),
]
NO_MISTAKES = {name: 0.0 for name, _ in SHARES} | {"repeated": 0.0}


@pytest.mark.parametrize(("name", "shows"), SHARES, ids=[name for name, _ in SHARES])
def test_each_share_shows_as_often_as_declared(name: str, shows: Any) -> None:
    request = ask("Tom has 5 pens and buys 3 more.", 1500)
    assert not any(shows(result) for result in results(scripted(**NO_MISTAKES), request))
    found = sum(shows(result) for result in results(scripted(**NO_MISTAKES | {name: 0.3}), request))
    # Four standard deviations of 1,500 draws at 0.3; half a share is missing where a hostile text looks like no other.
    assert 0.3 * 1500 - 71 < found < 0.3 * 1500 + 71
    assert all(
        shows(result)
        for result in results(scripted(**NO_MISTAKES | {name: 1.0}), ask("Tom has 5 pens and buys 3 more.", 40))
    )


def test_by_default_solutions_agree_mostly_and_have_the_length_of_a_solution() -> None:
    found = results(scripted(), ask("Tom has 5 pens and buys 3 more.", 1000))
    boxes = Counter(box for result in found for box in BOX.findall(result.text)[-1:])
    assert boxes["8"] > 600
    assert 3 <= len(boxes) <= 12
    usual = [result for result in found if 200 <= len(result.text) <= 600]
    assert len(usual) > 900
    assert len({result.text for result in found}) > 800


def test_new_problems_have_changed_numbers_and_the_declared_mistakes() -> None:
    seed = "Tom has 5 pens and buys 3 more. How many pens?"
    found = [result.text for result in results(scripted(), ask(seed, 2000, cue="New problem:"))]
    assert 15 < sum(text == "" for text in found) < 75
    assert 15 < sum(text == seed for text in found) < 75
    assert len(set(found)) > 1500
    assert all(len(text) < 300 for text in found)
    other = [
        result.text for result in results(scripted(), ask("Ann eats 2 figs.", 2000, cue="New problem:", seed=77_000))
    ]
    shared = set(found) & set(other) - {""}
    assert 1 <= len(shared) <= 40


def test_new_problem_of_a_text_without_numbers_is_a_story() -> None:
    for draw in range(12):
        story = new_problem_text("No numbers here.", (1, draw, draw, draw * 7, draw * 3))
        assert re.search(r"\d", story)


def test_problem_cue_is_an_option() -> None:
    engine = scripted(problem_cue="Another one:", empty_problems=0, unchanged_problems=0)
    text = results(engine, ask("Tom has 5 pens.", cue="Another one:"))[0].text
    assert "boxed" not in text
    assert text.endswith(("?", "."))


def test_transient_failure_ends_after_the_declared_attempts() -> None:
    engine = scripted(transient_failures=1.0, failing_attempts=2)
    request = ask("Tom has 5 pens.", 3)
    rounds = [results(engine, request) for _ in range(3)]
    assert [[result.failure is None for result in found] for found in rounds] == [[False] * 3, [False] * 3, [True] * 3]
    assert all(result.text == "" for result in rounds[0])


def test_prompt_over_the_context_fails_for_good() -> None:
    result = results(scripted(context_tokens=50), ask("Tom has 5 pens. " * 30))[0]
    assert result.is_permanent
    assert result.failure
    assert "context 50" in result.failure


def test_stop_strings_and_max_tokens_cut() -> None:
    request = ask("Tom has 5 pens.", 50)
    stopped = EngineRequest(0, request.prompt, Sampling(0.7, stop=("", "answer")), 5, 0, 50)
    assert not any("answer" in result.text for result in results(scripted(), stopped))
    short = EngineRequest(0, request.prompt, Sampling(0.7, max_tokens=10), 5, 0, 50)
    for result in results(scripted(short=0), short):
        assert len(result.text) <= 40
        assert result.finish_reason == "length"


HOSTILE = ["", "\x00", "\ud800", "9" * 1_000_000, "Problem:" * 50_000, "{" * 10_000 + "%s{a}", "New problem:"]


@pytest.mark.parametrize("text", HOSTILE, ids=[repr(text[:12]) for text in HOSTILE])
def test_hostile_prompts_are_answered_in_time(text: str) -> None:
    started = time.monotonic()
    for prompt in (Prompt("raw", text), Prompt("chat", messages=(("user", text),)), Prompt("chat")):
        found = results(scripted(context_tokens=10**9), EngineRequest(0, prompt, Sampling(1.0), 1, 0, 20))
        assert len(found) == 20
    assert time.monotonic() - started < 2


def test_latency_overlaps_within_the_window() -> None:
    started = time.monotonic()
    found = results(scripted(latency_s=0.05, latency_spread_s=0.02, max_in_flight=20), ask("Tom has 5 pens.", 40))
    took = time.monotonic() - started
    assert len(found) == 40
    assert 0.06 < took < 0.05 * 40 / 2
    assert [result.sample_index for result in found] != sorted(result.sample_index for result in found)


def test_speed_carries_a_build_of_millions() -> None:
    requests = [ask(f"Tom has {n} pens and buys 3 more. How many?", 8, number=n, seed=n) for n in range(500)]
    started = time.process_time()
    count = sum(1 for _ in scripted().stream(requests))
    assert count / (time.process_time() - started) > 8_000  # 30,000 and more on a free core


def test_a_silent_stream_ticks() -> None:
    engine = scripted(latency_s=1.3)
    started = time.monotonic()
    first, last = engine.stream([ask("Tom has 5 pens.")])
    assert first is None
    assert last
    assert 1.2 < time.monotonic() - started < 2.5


def test_a_pre_query_prompt_is_answered_with_problems() -> None:
    engine = scripted(empty_problems=0)
    requests = [
        EngineRequest(0, Prompt("pre_query"), Sampling(1.0), 5, 0, 200),
        EngineRequest(1, Prompt("pre_query", messages=(("system", "Ask about fruit."),)), Sampling(1.0), 5, 0, 200),
    ]
    found = texts(engine, requests)
    assert all(re.search(r"\d", text) for text in found.values() if text)
    assert len(set(found.values())) > 350
    chat = EngineRequest(0, Prompt("chat"), Sampling(1.0), 5, 0, 200)
    assert set(texts(engine, [chat]).values()).isdisjoint(set(found.values()) - {""})


def test_choices_are_held_to_and_other_grammars_refused_for_good() -> None:
    def request(grammar: str) -> EngineRequest:
        return EngineRequest(0, ask("Tom has 5 pens.").prompt, Sampling(0.7, grammar=grammar), 5, 0, 60)

    found = Counter(result.text for result in results(scripted(), request('{"choice":["yes","no"]}')))
    assert set(found) == {"yes", "no"}
    assert min(found.values()) > 10
    for grammar in ('{"regex":"[ab]+"}', '{"choice":[]}', '{"choice":"yes"}', "nonsense", "[]"):
        refused = results(scripted(), request(grammar))
        assert all(result.is_permanent and "choices only" in str(result.failure) for result in refused)


def test_problems_with_the_same_numbers_and_many_words_in_common_are_judged_the_same() -> None:
    asked = "First problem:\nA has 3 pens.\n\nSecond problem:\n{}\n\nAre they the same? True or False."
    assert verdict(asked.format("B has 3 pens."))
    assert not verdict(asked.format("B has 4 pens."))
    assert not verdict(asked.format("How many sides have 3 squares?"))
    assert not verdict("no problems at all: True or False.\n\nAre they")
