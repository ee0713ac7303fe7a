"""The engine against servers of the tests: keys, models, dialects, dying endpoints, early ends."""

import asyncio
import json
import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from resources.engines.protocol import EngineRequest, Prompt, Sampling, answers
from resources.engines.server.engine import ServerEngine
from resources.engines.server.transport import MAX_BYTES
from resources.errors import EngineError
from tests.resources.engines.server.faulty_http import (
    FaultyServer,
    Request,
    answer_of,
    choices,
    error,
    good,
    http,
    json_bytes,
)

Serve = Callable[..., FaultyServer]
EngineOf = Callable[..., ServerEngine]

WARM = Sampling(temperature=0.7, max_tokens=64)
KEY = 'sk-"quoted\\key/1+2'


def ask(number: int, count: int = 1, text: str | None = None) -> EngineRequest:
    return EngineRequest(number, Prompt("raw", text or f"problem {number}"), WARM, 1000 * number, 0, count)


def chat(number: int, **arguments: Any) -> EngineRequest:
    prompt = Prompt("chat", messages=(("user", f"problem {number}"),), template_arguments=arguments)
    return EngineRequest(number, prompt, WARM, 1000 * number, 0, 1)


# Keys and secrets.


def echo(request: Request) -> bytes:
    """A server that tells everybody what it was told."""
    return error(400, f"I got {request.headers} and {json.dumps(request.headers)}")


def test_the_key_is_sent_and_shown_nowhere(
    serve: Serve, engine_of: EngineOf, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.DEBUG)
    server = serve(key=KEY, answer=echo)
    engine = engine_of(server, api_key_env="TEAM_KEY", secrets={"TEAM_KEY": f" {KEY}\n"})
    engine.check()
    [result] = answers(engine.stream([ask(1)]))
    assert result.failure
    assert "***" in result.failure
    shown = [result.failure, str(engine.describe()), repr(engine.notes), caplog.text]
    monkeypatch.setenv("TEAM_KEY", KEY + "wrong")
    wrong = engine_of(server, api_key_env="TEAM_KEY")
    for act in (wrong.check, wrong.start):
        with pytest.raises(EngineError) as caught:
            act()
        assert "does not take the key in TEAM_KEY" in caught.value.what
        assert "Put the right key into the environment variable TEAM_KEY" in caught.value.fix
        assert caught.value.__cause__ is None
        shown.append(str(caught.value))
    assert not [text for text in shown if "quoted" in text or "1+2" in text]


def test_a_key_that_is_withdrawn_in_the_middle_ends_the_stage_and_keeps_what_came(
    serve: Serve, engine_of: EngineOf
) -> None:
    def answer(request: Request) -> bytes | None:
        return error(401, "revoked") if request.body["prompt"] == "problem 30" else None

    engine = engine_of(serve(answer=answer), max_in_flight=2)
    found: list[int] = []
    with pytest.raises(EngineError, match="asks for a key") as caught:
        found.extend(result.number for result in answers(engine.stream([ask(i) for i in range(100)])))
    assert set(range(28)) <= set(found)
    assert "api_key_env: NAME" in caught.value.fix
    assert not caught.value.retryable


def test_a_text_that_a_firewall_forbids_is_a_failure_of_its_own(serve: Serve, engine_of: EngineOf) -> None:
    def answer(request: Request) -> bytes | None:
        return http(403, b"<html>Blocked</html>") if request.body["prompt"] == "problem 30" else None

    found = list(answers(engine_of(serve(answer=answer)).stream([ask(i) for i in range(60)])))
    assert {result.number: result.failure for result in found if result.failure} == {
        30: "the server refuses the request: HTTP 403"
    }


def test_an_account_that_is_empty_ends_the_stage(serve: Serve, engine_of: EngineOf) -> None:
    engine = engine_of(serve(answer=lambda request: error(402, "Insufficient credits")))
    with pytest.raises(EngineError, match="asks to be paid"):
        list(engine.stream([ask(1)]))


# Models and dialects.


def test_a_model_that_is_not_served_is_named_with_those_that_are(serve: Serve, engine_of: EngineOf) -> None:
    engine = engine_of(serve(models=("org/other", "evil\x1b[31m")))
    for act in (engine.check, engine.start):
        with pytest.raises(EngineError, match=r"does not serve the model 'org/m'; it serves 'org/other', 'evil \[31m'"):
            act()


def test_a_server_that_forgets_the_model_ends_the_stage(serve: Serve, engine_of: EngineOf) -> None:
    engine = engine_of(serve(answer=lambda request: error(404, "no such model", code="model_not_found")))
    with pytest.raises(EngineError, match="does not know the model 'org/m'"):
        list(engine.stream([ask(1)]))


def test_a_server_that_passes_over_fields_is_not_asked_as_vllm(serve: Serve, engine_of: EngineOf) -> None:
    def answer(request: Request) -> bytes:
        found = [{**choice, "token_ids": None} for choice in choices({**request.body, "seed": 0})]
        return http(200, json_bytes(answer_of({**request.body, "seed": 0}, choices=found)))

    server = serve(owner="somebody", answer=answer)
    for act in ("check", "start"):
        with pytest.raises(EngineError, match="does not speak as vLLM") as caught:
            getattr(engine_of(server), act)()
        assert "dialect: openai" in caught.value.fix
    engine_of(server, dialect="openai").check()


def test_a_gateway_before_vllm_is_known_by_what_it_answers(serve: Serve, engine_of: EngineOf) -> None:
    server = serve(owner="gateway", answer=lambda request: good({**request.body, "seed": 0}))
    engine_of(server).check()


def test_openai_servers_get_one_sample_a_request_and_no_word_of_vllm(serve: Serve, engine_of: EngineOf) -> None:
    server = serve(owner="openai")
    engine = engine_of(server, dialect="openai", samples_per_request=8, begin_of_text="<s>")
    found = list(answers(engine.stream([ask(1, 3), ask(2, 1, "<s>begins"), chat(3)])))
    assert [result.failure for result in found] == [None] * 5
    bodies = [request.body for request in server.requests if request.method == "POST"]
    assert {request.path for request in server.requests} == {"/v1/models", "/v1/completions", "/v1/chat/completions"}
    assert {body["seed"] for body in bodies} == {1000, 1001, 1002, 2000, 3000}
    # Such a server puts the first token there by itself.
    assert "begins" in {body.get("prompt") for body in bodies}
    assert not {"n", "top_k", "add_special_tokens"} & {name for body in bodies for name in body}


def test_what_the_dialect_cannot_say_is_an_error_before_anything_is_sent(serve: Serve, engine_of: EngineOf) -> None:
    server = serve()
    engine = engine_of(server, dialect="openai")
    with pytest.raises(EngineError, match="no words for template arguments"):
        list(engine.stream([chat(1, think=False), ask(2)]))
    assert {request.method for request in server.requests} == {"GET"}
    assert len(list(answers(engine.stream([ask(2)])))) == 1


# Prompts.


def test_no_second_first_token(serve: Serve, engine_of: EngineOf) -> None:
    server = serve(bos="<s>")
    list(engine_of(server).stream([ask(1, text="<s>has it"), ask(2, text="has none")]))
    sent = {r.body["prompt"]: r.body["add_special_tokens"] for r in server.requests if r.path == "/v1/completions"}
    assert sent == {"<s>has it": False, "has none": True}
    assert Counter(request.path for request in server.requests)["/tokenize"] == 1


def test_a_server_that_hides_its_tokenizer_needs_to_be_told(serve: Serve, engine_of: EngineOf) -> None:
    class Hiding(FaultyServer):
        def _tell(self, request: Request) -> bytes:
            return error(404, "Not Found") if request.path == "/tokenize" else super()._tell(request)

    with Hiding() as server:
        with pytest.raises(EngineError, match="/tokenize does not answer .*begin_of_text"):
            list(engine_of(server).stream([ask(1)]))
        assert len(list(answers(engine_of(server, begin_of_text="").stream([ask(1)])))) == 1
        assert len(list(answers(engine_of(server).stream([chat(1)])))) == 1


def test_pre_query_is_the_template_up_to_the_user(serve: Serve, engine_of: EngineOf) -> None:
    server = serve()
    request = EngineRequest(1, Prompt("pre_query"), WARM, 5, 0, 3)
    list(engine_of(server).stream([request]))
    bodies = [r.body for r in server.requests if r.path == "/v1/completions"]
    assert [body["prompt"] for body in bodies] == [[ord(char) for char in "<user>"]] * 3
    assert {body["add_special_tokens"] for body in bodies} == {False}


def test_template_arguments_travel(serve: Serve, engine_of: EngineOf) -> None:
    server = serve()
    list(engine_of(server).stream([chat(1, enable_thinking=False)]))
    assert server.requests[-1].body["chat_template_kwargs"] == {"enable_thinking": False}


def test_prompts_that_cannot_be_sent_are_refused_here(serve: Serve, engine_of: EngineOf) -> None:
    server = serve()
    requests = [EngineRequest(1, Prompt("raw", ""), WARM, 5, 2, 2), ask(2, text="a\udc80"), ask(3)]
    found = {r.number: r for r in answers(engine_of(server).stream(requests))}
    assert (found[1].failure, found[1].is_permanent) == ("the prompt is empty", True)
    assert found[2].is_permanent
    assert found[3].failure is None


def test_the_servers_words_about_a_bad_request_are_the_failure(serve: Serve, engine_of: EngineOf) -> None:
    server = serve(answer=lambda request: error(422, "top_k is odd"))
    [result] = answers(engine_of(server).stream([ask(1)]))
    assert result.failure == "the server refuses the request: HTTP 422: top_k is odd"
    assert not result.is_permanent
    assert len([request for request in server.requests if request.path == "/v1/completions"]) == 1


def test_a_body_without_end_is_not_read_to_the_end(serve: Serve, engine_of: EngineOf) -> None:
    def answer(request: Request) -> bytes:
        if request.body["prompt"] == "problem 1":
            return f"HTTP/1.1 200 OK\r\nContent-Length: {MAX_BYTES + 1}\r\n\r\n".encode()
        return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n" + b" " * (MAX_BYTES + (1 << 20))

    found = list(answers(engine_of(serve(answer=answer), retries=0).stream([ask(1), ask(2)])))
    assert ["bytes" in (result.failure or "") for result in found] == [True, True]


# Endpoints that die and come back.


def test_one_of_two_endpoints_dies_and_comes_back(serve: Serve, engine_of: EngineOf) -> None:
    async def slowly(request: Request) -> None:
        await asyncio.sleep(0.005)

    servers = [serve(answer=slowly), serve(answer=slowly)]
    engine = engine_of(*servers, max_in_flight=8)

    def done(server: FaultyServer) -> int:
        return sum(server.answered.values())

    def requests() -> Iterator[EngineRequest]:
        number = 0
        while number < 600 or (number < 20_000 and done(servers[0]) < back_at + 100):
            yield ask(number)
            number += 1

    found, dead_at, back_at = [], 0, 20_000
    for result in answers(engine.stream(requests())):
        found.append(result)
        if len(found) == 200:
            servers[0].stop()
            dead_at = done(servers[0])
        if len(found) == 500:
            back_at = done(servers[0])
            servers[0].start()
    assert sorted(result.number for result in found) == list(range(len(found)))
    assert [result.failure for result in found if result.failure] == []
    # While it was dead the other one did all the work; afterwards it took part again.
    assert back_at == dead_at
    assert done(servers[0]) >= back_at + 100


def test_all_endpoints_dead_is_an_error_that_a_restart_may_mend(serve: Serve, engine_of: EngineOf) -> None:
    servers = [serve(), serve()]
    engine = engine_of(*servers, patience_s=0.3, max_in_flight=4)
    found: list[int] = []

    def work() -> None:
        for result in answers(engine.stream([ask(i) for i in range(200)])):
            found.append(result.number)
            if len(found) == 20:
                for server in servers:
                    server.stop()

    with pytest.raises(EngineError, match="no endpoint takes requests") as caught:
        work()
    assert caught.value.retryable
    assert "stored answers are kept" in caught.value.fix
    engine.stop()
    with pytest.raises(EngineError, match="no endpoint answers") as again:
        engine.start()
    assert again.value.retryable
    servers[1].start()
    engine.start()
    rest = [ask(i) for i in range(200) if i not in found]
    assert len(list(answers(engine.stream(rest)))) == len(rest)
    assert len(engine.notes) == 1
    assert servers[0].url in engine.notes[0]


def test_a_check_is_content_with_one_endpoint_and_says_which_is_missing(serve: Serve, engine_of: EngineOf) -> None:
    alive, dead = serve(), serve()
    dead.stop()
    engine = engine_of(alive, dead)
    began = time.monotonic()
    engine.check()
    assert time.monotonic() - began < 5
    assert engine.notes == (f"{dead.url} does not answer: ConnectError: All connection attempts failed",)
    alive.stop()
    with pytest.raises(EngineError, match="no endpoint answers") as caught:
        engine.check()
    assert caught.value.retryable


def test_a_check_of_a_server_that_hangs_is_short(serve: Serve, engine_of: EngineOf, monkeypatch: Any) -> None:
    monkeypatch.setattr("resources.engines.server.health.LOOK_S", 0.2)

    class Hanging(FaultyServer):
        async def _answer(self, request: Request, writer: asyncio.StreamWriter) -> bytes | None:
            await asyncio.sleep(30)
            return None

    with Hanging() as server, pytest.raises(EngineError, match=r"no whole answer within 0\.2 s"):
        engine_of(server).check()


# Streams that end early.


async def hang(request: Request) -> None:
    await asyncio.sleep(0 if request.body["prompt"] == "problem 0" else 30)


def wait_until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_closing_a_stream_cancels_what_is_at_work(serve: Serve, engine_of: EngineOf) -> None:
    server = serve(answer=hang)
    engine = engine_of(server, max_in_flight=6)
    stream = engine.stream([ask(i) for i in range(50)])
    assert next(answers(stream)).number == 0
    wait_until(lambda: server.at_work >= 5)
    stream.close()  # type: ignore[attr-defined]  # all engines give generators
    # The server sees that nobody waits; it does not see it before it looks.
    assert engine._fleet is not None
    assert [endpoint.pace.in_flight for endpoint in engine._fleet.endpoints] == [0]
    assert [r.number for r in answers(engine.stream([ask(0)]))] == [0]


def test_a_source_that_breaks_while_servers_hang_is_told_at_once(serve: Serve, engine_of: EngineOf) -> None:
    def requests() -> Iterator[EngineRequest]:
        yield from (ask(i) for i in range(1, 4))
        raise LookupError("the prompt is gone")

    engine = engine_of(serve(answer=hang))
    began = time.monotonic()
    with pytest.raises(LookupError):
        list(engine.stream(requests()))
    assert time.monotonic() - began < 2


def test_two_stages_at_once_are_refused(serve: Serve, engine_of: EngineOf) -> None:
    engine = engine_of(serve())
    stream = iter(engine.stream([ask(1), ask(2)]))
    next(stream)
    with pytest.raises(EngineError, match="already answers another stage"):
        next(iter(engine.stream([ask(3)])))
    assert len(list(answers(stream))) == 1


def test_nothing_is_left_when_the_engine_stops(serve: Serve, engine_of: EngineOf) -> None:
    before = threading.active_count()
    server = serve()
    with_server = threading.active_count()
    engine = engine_of(server)
    for _ in range(3):
        assert len(list(answers(engine.stream([ask(i) for i in range(20)])))) == 20
        engine.stop()
        engine.stop()
    assert threading.active_count() == with_server == before + 1


# What is measured.


def test_a_server_with_little_room_is_not_flooded(serve: Serve, engine_of: EngineOf) -> None:
    capacity = 12

    async def answer(request: Request) -> bytes | None:
        if server.at_work > capacity:
            return error(429, "slow down")
        await asyncio.sleep(0.01)
        return None

    server = serve(answer=answer)
    engine = engine_of(server, max_in_flight=200)
    found = list(answers(engine.stream([ask(i) for i in range(600)])))
    assert [result.failure for result in found if result.failure] == []
    refused = len([r for r in server.requests if r.path == "/v1/completions"]) - 600
    assert refused < 100
    assert server.most_at_work < 3 * capacity


def test_several_samples_in_a_request_have_their_own_tokens(serve: Serve, engine_of: EngineOf) -> None:
    server = serve()
    found = sorted(
        answers(engine_of(server, samples_per_request=4).stream([ask(1, 6)])), key=lambda result: result.sample_index
    )
    assert [body.get("n", 1) for body in (r.body for r in server.requests[2:])] == [4, 2]
    assert [result.completion_tokens for result in found] == [2, 3, 4, 5, 2, 3]
    assert [result.finish_reason for result in found] == ["stop", "length"] * 3
