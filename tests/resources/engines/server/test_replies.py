"""Reading answers and errors: what is as asked, and the fault that anything else is."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from resources.engines.protocol import EngineRequest, EngineResult, Prompt, Sampling
from resources.engines.server.faults import Fault, http_fault, retry_after_s
from resources.engines.server.replies import read_results
from resources.engines.server.wire import Run
from resources.engines.server.words import Words

NOW = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)
WORDS = Words("sk-secret+1/2")


def run(count: int = 1, mode: str = "raw", first: int = 4) -> Run:
    prompt = Prompt("raw", "x") if mode == "raw" else Prompt("chat", messages=(("user", "x"),))
    return Run(EngineRequest(9, prompt, Sampling(0.7), 0, first, count), first, count)


def choice(index: int = 0, **more: Any) -> dict[str, Any]:
    return {"index": index, "text": f"t{index}", "finish_reason": "stop", **more}


def said(message: Any, **more: Any) -> dict[str, Any]:
    return {"index": 0, "message": message, "finish_reason": "stop", **more}


def read(answer: Any, count: int = 1, mode: str = "raw") -> list[EngineResult]:
    return read_results(json.dumps(answer).encode(), run(count, mode), WORDS)


def test_one_sample() -> None:
    usage = {"prompt_tokens": 5, "completion_tokens": 6}
    [result] = read({"choices": [choice(finish_reason="length")], "usage": usage})
    assert result == EngineResult(9, 4, text="t0", finish_reason="length", prompt_tokens=5, completion_tokens=6)


def test_several_samples_in_any_order_with_their_own_lengths() -> None:
    found = [choice(2, token_ids=[1] * 3), choice(0, token_ids=[]), choice(1)]
    results = read({"choices": found, "usage": {"prompt_tokens": 5, "completion_tokens": 60}}, 3)
    assert [(r.sample_index, r.text, r.completion_tokens) for r in results] == [
        (4, "t0", 0),
        (5, "t1", None),
        (6, "t2", 3),
    ]
    assert {r.prompt_tokens for r in results} == {5}


@pytest.mark.parametrize(
    ("message", "text", "reasoning"),
    [
        ({"content": "4"}, "4", None),
        ({"content": "4", "reasoning_content": "2+2"}, "4", "2+2"),
        ({"content": "4", "reasoning": "2+2", "reasoning_content": None}, "4", "2+2"),
        ({"content": None, "reasoning": "2+"}, "", "2+"),
        ({"content": None, "refusal": "I will not"}, "I will not", None),
        ({"content": ""}, "", None),
        ({"content": "a\x00\ud800"}, "a\x00\ud800", None),
    ],
)
def test_chat_keeps_reasoning_apart(message: dict[str, Any], text: str, reasoning: str | None) -> None:
    [result] = read({"choices": [said(message)]}, mode="chat")
    assert (result.text, result.reasoning) == (text, reasoning)


@pytest.mark.parametrize("reason", ["stop", "eos", "stop_sequence", "tool_calls"])
def test_ends_that_are_no_cut(reason: str) -> None:
    assert read({"choices": [choice(finish_reason=reason)]})[0].finish_reason == "stop"


@pytest.mark.parametrize("value", [None, -1, True, 2.5, "7", 2**40])
def test_token_counts_that_are_none(value: Any) -> None:
    [result] = read({"choices": [choice()], "usage": {"prompt_tokens": value, "completion_tokens": value}})
    assert (result.prompt_tokens, result.completion_tokens) == (None, None)


@pytest.mark.parametrize(
    "answer",
    [
        [],
        7,
        None,
        {},
        {"choices": None},
        {"choices": {}},
        {"choices": []},
        {"choices": [choice(), choice(1)]},
        {"choices": ["x"]},
        {"choices": [choice(text=None)]},
        {"choices": [choice(text=["x"])]},
        {"choices": [choice(finish_reason=None)]},
        {"choices": [choice(finish_reason="abort")]},
        {"error": {"message": "no"}},
    ],
)
def test_what_is_no_answer_is_broken(answer: Any) -> None:
    with pytest.raises(Fault) as caught:
        read(answer)
    assert caught.value.kind == "broken"


@pytest.mark.parametrize("indices", [[0, 0], [1, 2], [None, 1], [[0], 1], [True, False], ["0", "1"]])
def test_choices_that_are_not_numbered_are_broken(indices: list[Any]) -> None:
    with pytest.raises(Fault, match="not numbered"):
        read({"choices": [choice(index) for index in indices]}, 2)


@pytest.mark.parametrize("message", [None, "text", {}, {"content": [{"text": "x"}]}, {"role": "assistant"}])
def test_chat_without_text_is_broken(message: Any) -> None:
    with pytest.raises(Fault, match="no text"):
        read({"choices": [said(message)]}, mode="chat")


def test_a_withheld_text_is_refused() -> None:
    with pytest.raises(Fault) as caught:
        read({"choices": [choice(finish_reason="content_filter")]})
    assert caught.value.kind == "refused"


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("3", 3.0),
        (" 1.5 ", 1.5),
        ("-4", 0.0),
        ("Sun, 01 Mar 2026 12:00:30 GMT", 30.0),
        ("Sun, 01 Mar 2026 11:00:00 GMT", 0.0),
        ("Sun, 01 Mar 2026 12:00:30", 30.0),
        ("soon", None),
        ("nan", None),
        ("inf", None),
        ("", None),
        ("99999999999999999999999999 Foo", None),
    ],
)
def test_retry_after(value: str | None, seconds: float | None) -> None:
    assert retry_after_s(value, NOW) == seconds


def fault(status: int, body: Any = b"", **headers: str) -> Fault:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return http_fault(status, {name.replace("_", "-"): value for name, value in headers.items()}, data, WORDS, NOW)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        *((status, "key") for status in (401, 402, 403)),
        *((status, "broken") for status in (408, 409, 425, 500, 502, 503, 504, 529)),
        *((status, "refused") for status in (400, 413, 418, 422, 501, 505)),
        *((status, "unknown") for status in (301, 307, 404, 405)),
        (429, "busy"),
    ],
)
def test_kinds_of_statuses(status: int, kind: str) -> None:
    assert fault(status).kind == kind


def test_a_503_that_names_a_time_is_busy() -> None:
    found = fault(503, retry_after="20")
    assert (found.kind, found.wait_s) == ("busy", 20.0)


@pytest.mark.parametrize(
    ("error", "is_permanent"),
    [
        (
            {"message": "This model's maximum context length is 1024 tokens. However, ...", "param": "input_tokens"},
            True,
        ),
        ({"message": "nope", "code": "context_length_exceeded"}, True),
        ({"message": "Prompt is too long (max 12288)"}, True),
        ({"message": "invalid regex"}, False),
        ({"message": 7}, False),
    ],
)
def test_a_prompt_over_the_context_is_refused_for_good(error: dict[str, Any], is_permanent: bool) -> None:
    assert fault(400, {"error": error}).is_permanent is is_permanent


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        ({"error": {"message": "bad \x1b[31m\nthing\u202e"}}, "HTTP 400: bad [31m thing"),
        ({"error": "bad"}, "HTTP 400: bad"),
        ({"detail": "bad"}, "HTTP 400: bad"),
        ({"object": "error", "message": "bad"}, "HTTP 400: bad"),
        (b"<html>\xff", "HTTP 400: <html>\ufffd"),
        (b"", "HTTP 400"),
        (b"[" * 100_000, "HTTP 400: " + "[" * 297 + "..."),
        ({"error": {"message": "your key sk-secret+1/2 and sk-secret%2B1%2f2"}}, "HTTP 400: your key *** and ***"),
        (b"sk-secret\\u002b1\\/2 sk-secret&#43;1&#x2F;2", "HTTP 400: *** ***"),
    ],
)
def test_words_of_a_server_are_made_fit_to_show(body: Any, shown: str) -> None:
    assert fault(400, body).what == shown


def test_a_key_at_the_cut_is_not_shown_in_part() -> None:
    assert "sk-" not in WORDS.clean("x" * 290 + "sk-secret+1/2")


def test_an_error_about_the_key_shows_nothing_of_the_server() -> None:
    assert fault(401, {"error": {"message": "Incorrect API key provided: sk-se***1/2"}}).what == "HTTP 401"
