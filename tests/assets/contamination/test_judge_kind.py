"""``contamination/judge``: what it asks in each wave, what it makes of the answers, and what it keeps of its trial."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa
import pytest
from pydantic import ValidationError

from assets.contamination.calibration import known_pairs
from assets.contamination.judge_kind import MAX_PAIR, Judge, JudgeSettings
from assets.kinds import Ask
from assets.schemas import COMPLETED, JUDGED, PAIR, problem_id, table_of
from resources.engines.protocol import Prompt
from resources.errors import EngineError
from resources.identity import digest128, hash_json

KIND = Judge()
DEFAULTS = JudgeSettings.model_validate({})


class ToldPrompts:
    """Prompts that show what they were given."""

    def render(self, name: str, values: Mapping[str, Any]) -> Prompt:
        return Prompt("raw", f"{name}|{values['first']}|{values['second']}")

    def stop(self, name: str) -> tuple[str, ...]:
        return ("END",)


def pair_id(number: int) -> bytes:
    return digest128("pair", str(number))


def pairs(count: int = 2, text: str = "") -> pa.Table:
    rows = [
        {
            "pair_id": pair_id(n),
            "problem_id": problem_id(f"p{n}"),
            "benchmark_id": problem_id(f"b{n}"),
            "problem": f"p{n}{text}",
            "benchmark_problem": f"b{n}",
            "benchmark": "test",
            "similarity": 0.5,
        }
        for n in range(count)
    ]
    return table_of(PAIR, rows)


def said(pair: int, slot: str, text: str | None, index: int = 0, **words: Any) -> dict[str, Any]:
    return {
        "request_key": digest128("request", str(pair), slot, str(index)),
        "row_id": pair_id(pair),
        "slot": slot,
        "sample_index": index,
        "status": "completed",
        "text": text,
        "finish_reason": "stop",
    } | words


def ask(answers: Sequence[dict[str, Any]], rows: pa.Table | None = None, **words: Any) -> Sequence[Ask]:
    settings = JudgeSettings.model_validate(words)
    return KIND.next_requests(rows or pairs(), table_of(COMPLETED, answers), settings, ToldPrompts())


def finish(answers: Sequence[dict[str, Any]], count: int = 2) -> list[tuple[str, str, str]]:
    made = KIND.finish(pairs(count), table_of(COMPLETED, answers), DEFAULTS, "judged")
    assert made["rows"].schema.equals(JUDGED)
    names = ("verdict_forward", "verdict_backward", "verdict")
    return [tuple(row[name] for name in names) for row in made["rows"].to_pylist()]  # type: ignore[misc]


def test_both_orders_are_asked_greedily() -> None:
    asks = ask([], prompt="mine", max_tokens=9, stop=["X"], salt="s")
    assert [(a.row_id, a.slot, a.prompt.text, a.count, a.first, a.salt) for a in asks] == [
        (pair_id(0), "forward", "mine|p0|b0", 1, 0, "s"),
        (pair_id(0), "backward", "mine|b0|p0", 1, 0, "s"),
        (pair_id(1), "forward", "mine|p1|b1", 1, 0, "s"),
        (pair_id(1), "backward", "mine|b1|p1", 1, 0, "s"),
    ]
    assert {(a.sampling.temperature, a.sampling.max_tokens, a.sampling.stop) for a in asks} == {(0.0, 9, ("END", "X"))}
    assert KIND.samples(DEFAULTS, "") == 2


def test_only_orders_without_a_verdict_are_asked_again() -> None:
    first = [said(0, "forward", "hm"), said(0, "backward", "False"), said(1, "forward", "False")]
    first.append(said(1, "backward", "**False**"))
    asks = ask(first)
    assert [(a.slot, a.first, a.prompt.text, a.sampling.temperature) for a in asks] == [
        ("forward again", 0, "judge|p0|b0", 0.7)
    ]
    second = [*first, said(0, "forward again", "True or False")]
    assert [(a.slot, a.first) for a in ask(second)] == [("forward again", 1)]
    assert not ask([*second, said(0, "forward again", "", 1)]), "twice again, and then it stays without a verdict"
    assert not ask([*second, said(0, "forward again", "False.", 1)])
    assert not ask(first, ask_again=0)


def test_one_true_needs_no_second_verdict() -> None:
    assert not ask([said(0, "forward", "True"), said(0, "backward", "?")], pairs(1))


def test_a_failed_request_waits_for_the_next_build_and_one_given_up_is_asked_again() -> None:
    lost: dict[str, Any] = {"finish_reason": None}
    failed = said(0, "forward", None, status="failed", **lost)
    given_up = said(0, "backward", None, status="rejected", **lost)
    assert [a.slot for a in ask([failed, given_up], pairs(1))] == ["backward again"]
    assert finish([failed, given_up], 1) == [("none", "none", "no verdict")]


def test_every_pair_has_a_verdict_whatever_came_back() -> None:
    answers = [
        said(0, "forward", "True."),
        said(0, "backward", "False"),
        said(1, "forward", "hm"),
        said(1, "forward again", "both True and False", 0),
        said(1, "forward again", "Answer: false", 1),
        said(1, "backward", "False\nno"),
    ]
    assert finish(answers, 3) == [
        ("true", "false", "contaminated"),
        ("false", "false", "clean"),
        ("none", "none", "no verdict"),
    ]


def test_a_cut_answer_counts_by_its_beginning_only() -> None:
    cut: dict[str, Any] = {"finish_reason": "length"}
    answers = [said(0, "forward", "False\nThe first asks", **cut), said(0, "backward", "I think it is false", **cut)]
    assert finish(answers, 1) == [("false", "none", "no verdict")]


def test_a_pair_beyond_any_context_is_not_asked_and_has_no_verdict() -> None:
    assert not ask([], pairs(2, "x" * MAX_PAIR))
    assert finish([], 1) == [("none", "none", "no verdict")]


def trial_of(verdict: Any) -> Any:
    """After a trial in which ``verdict(known pair)`` was said."""
    rows = KIND.trial(DEFAULTS)
    made = [
        {"pair_id": row["pair_id"].bytes, "problem_id": row["problem_id"].bytes}
        | {"benchmark_id": row["benchmark_id"].bytes, "verdict_forward": "none", "verdict_backward": "none"}
        | {"verdict": verdict(known)}
        for row, known in zip(rows.to_pylist(), known_pairs(), strict=True)
    ]
    return KIND.after_trial(rows, {"rows": table_of(JUDGED, made)}, DEFAULTS, "recipe/judged")


def test_the_known_pairs_are_sixty_half_of_them_the_same_and_all_different_texts() -> None:
    found = known_pairs()
    assert Counter(pair.is_same for pair in found) == {True: 30, False: 30}
    assert len({pair.pair_id for pair in found}) == 60
    assert all(pair.problem != pair.other for pair in found)
    assert KIND.trial_requests(DEFAULTS) == 120


def test_a_good_judge_passes_its_trial() -> None:
    trial = trial_of(lambda pair: "contaminated" if pair.is_same else "clean")
    assert trial.facts["contamination"]["calibration pairs judged right"] == 60
    assert trial.tables["calibration"].column("is_right").to_pylist() == [True] * 60


def test_wrong_verdicts_are_told_apart_and_do_not_stop_the_stage() -> None:
    facts = trial_of(lambda pair: "clean").facts["contamination"]
    assert facts["calibration pairs that are the same and were missed"] == 30
    facts = trial_of(lambda pair: "contaminated").facts["contamination"]
    assert facts["calibration pairs that differ and were taken for the same"] == 30


def test_a_fifth_without_a_verdict_is_allowed_and_more_stops_the_stage() -> None:
    silent = {pair.pair_id for pair in known_pairs()[:12]}
    trial = trial_of(lambda pair: "no verdict" if pair.pair_id in silent else "clean")
    assert trial.facts["contamination"]["calibration pairs without a verdict"] == 12
    assert trial.tables["calibration"].column("is_right").null_count == 12
    silent.add(known_pairs()[12].pair_id)
    with pytest.raises(EngineError, match="the model cannot judge: 13 of 60 pairs of our own") as error:
        trial_of(lambda pair: "no verdict" if pair.pair_id in silent else "clean")
    assert error.value.where == "recipe/judged"
    assert "Nothing was removed" in error.value.fix


@pytest.mark.parametrize(
    "words",
    [{"ask_again": 9}, {"ask_again_temperature": 0}, {"stop": [""]}, {"temperature": 0.5}, {"max_without_verdict": 2}],
)
def test_settings_that_make_no_sense(words: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        JudgeSettings.model_validate(words)


def test_golden() -> None:
    """A changed hash means changed rows or requests: raise the version of the kind."""
    asks = [[a.row_id.hex(), a.slot, a.first, a.prompt.text] for a in ask([])]
    rows = [[str(value) for value in row.values()] for row in KIND.trial(DEFAULTS).to_pylist()]
    verdicts = finish([said(0, "forward", "True."), said(0, "backward", "")])
    assert (Judge.version, hash_json([asks, rows, verdicts])[:16]) == (1, "8d578f9f6749f7c4")
