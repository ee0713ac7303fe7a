"""What is sent: every sampling value, runs with consecutive seeds, and no word that a dialect lacks."""

import json
from typing import Any

import pytest

from resources.engines.protocol import EngineRequest, Prompt, Sampling
from resources.engines.server import wire
from resources.engines.server.options import ServerOptions
from resources.errors import EngineError

ALL = Sampling(0.7, 0.9, 40, 0.05, 0.1, 0.2, 1.1, 128, ("\n\n", "", "never \ud800", "###"))
PLAIN = Sampling(0.7, 0.9, 0, 0.0, 0.1, 0.2, 1.0, 128, ("\n\n",))


def options(**words: Any) -> ServerOptions:
    return ServerOptions.model_validate({"model": "o/m", "base_url": "http://h/v1", **words})


def request(sampling: Sampling = ALL, first: int = 0, count: int = 1, base: int = 5, **prompt: Any) -> EngineRequest:
    return EngineRequest(1, Prompt(**{"mode": "raw", "text": "t", **prompt}), sampling, base, first, count)


def sent(asked: EngineRequest, **words: Any) -> dict[str, Any]:
    return json.loads(wire.body(wire.Run(asked, asked.first, asked.count), options(**words), {"prompt": "t"}))


def test_vllm_gets_every_value() -> None:
    assert sent(request(first=2)) == {
        "model": "o/m",
        "prompt": "t",
        "seed": 7,
        "temperature": 0.7,
        "top_p": 0.9,
        "top_k": 40,
        "min_p": 0.05,
        "presence_penalty": 0.1,
        "frequency_penalty": 0.2,
        "repetition_penalty": 1.1,
        "max_tokens": 128,
        "stop": ["\n\n", "###"],
    }


def test_openai_gets_what_its_protocol_has() -> None:
    body = sent(request(PLAIN), dialect="openai", served_name="gpt")
    assert body["model"] == "gpt"
    assert not {"top_k", "min_p", "repetition_penalty", "n", "return_token_ids"} & set(body)
    assert {"seed", "temperature", "top_p", "presence_penalty", "frequency_penalty", "max_tokens", "stop"} <= set(body)


def test_the_length_limit_has_the_name_that_the_server_knows() -> None:
    chat = request(PLAIN, mode="chat", messages=(("user", "x"),))
    assert "max_completion_tokens" in sent(chat)
    assert "max_tokens" in sent(chat, dialect="openai")
    assert "max_completion_tokens" in sent(chat, dialect="openai", max_tokens_field="max_completion_tokens")
    assert "max_tokens" in sent(request(PLAIN), dialect="openai", max_tokens_field="max_completion_tokens")


def test_several_samples_ask_for_their_token_ids() -> None:
    body = sent(request(count=3))
    assert (body["n"], body["return_token_ids"]) == (3, True)


def test_further_fields_go_along() -> None:
    assert sent(request(), extra_body={"reasoning_effort": "low"})["reasoning_effort"] == "low"


def test_grammars() -> None:
    schema = {"type": "object"}
    for grammar in ({"json": schema}, {"regex": "[0-9]+"}, {"choice": ["a", "b"]}, {"grammar": "root ::= 'a'"}):
        asked = request(Sampling(0.7, grammar=json.dumps(grammar)))
        assert sent(asked)["structured_outputs"] == grammar
    asked = request(Sampling(0.7, grammar=json.dumps({"json": schema})), mode="chat", messages=(("user", "x"),))
    assert sent(asked, dialect="openai")["response_format"]["json_schema"]["schema"] == schema


def numbers(runs: list[wire.Run]) -> list[tuple[int, int]]:
    return [(run.first, run.count) for run in runs]


def test_runs_have_consecutive_seeds() -> None:
    assert numbers(list(wire.runs(request(first=3, count=10), 4))) == [(3, 4), (7, 4), (11, 2)]
    # Seeds wrap at 2**31, and a server that counts on from a seed would not.
    near = list(wire.runs(request(base=2**31 - 2, count=5), 8))
    assert numbers(near) == [(0, 2), (2, 3)]
    assert [run.request.seed(run.first) for run in near] == [2**31 - 2, 0]
    assert numbers(list(wire.runs(request(count=0), 8))) == []


def test_a_greedy_sample_travels_alone() -> None:
    assert numbers(list(wire.runs(request(Sampling(0.0), count=2), 8))) == [(0, 1), (1, 1)]


@pytest.mark.parametrize(
    ("asked", "names"),
    [
        (request(Sampling(0.7, top_k=40)), "top_k = 40"),
        (request(Sampling(0.7, min_p=0.1)), "min_p = 0.1"),
        (request(Sampling(0.7, repetition_penalty=1.2)), "repetition_penalty = 1.2"),
        (request(Sampling(0.7, grammar='{"regex":"a"}')), "a grammar other than a JSON schema"),
        (request(Sampling(0.7, grammar='{"json":{}}')), "a grammar other than a JSON schema for chat"),
        (
            request(PLAIN, mode="chat", messages=(("user", "x"),), template_arguments={"think": True}),
            "arguments (think)",
        ),
        (request(PLAIN, mode="pre_query"), "pre_query"),
    ],
)
def test_what_openai_has_no_words_for_is_an_error(asked: EngineRequest, names: str) -> None:
    wire.check(asked, options(), "p.yaml:4")
    with pytest.raises(EngineError, match=r"p\.yaml:4: the dialect 'openai' has no words for") as caught:
        wire.check(asked, options(dialect="openai"), "p.yaml:4")
    assert names in str(caught.value)
    assert not caught.value.retryable


def test_prompts_that_no_server_takes() -> None:
    assert wire.cannot_be_sent(Prompt("raw", "")) == "the prompt is empty"
    assert wire.cannot_be_sent(Prompt("chat")) == "the prompt has no message"
    assert "surrogate" in (wire.cannot_be_sent(Prompt("raw", "a\udc80")) or "")
    assert "surrogate" in (wire.cannot_be_sent(Prompt("chat", messages=(("user", "\ud800"),))) or "")
    assert wire.cannot_be_sent(Prompt("raw", "\x00 ok")) is None
    assert wire.cannot_be_sent(Prompt("pre_query")) is None


def test_any_text_travels_as_ascii() -> None:
    body = wire.body(wire.Run(request(), 0, 1), options(), {"prompt": "é\x00 \U0001f600"})
    assert body.isascii()
    assert json.loads(body)["prompt"] == "é\x00 \U0001f600"
