"""Every request ends in a completion or a recorded failure, whatever the server does."""

import time
from collections import Counter
from collections.abc import Callable

import pytest

from resources.engines.protocol import EngineRequest, EngineResult, Prompt, Sampling, answers
from resources.engines.server.engine import ServerEngine
from tests.resources.engines.server.faulty_http import BUSY, HARMLESS, WIRE, WORDS, FaultyServer

Serve = Callable[..., FaultyServer]
EngineOf = Callable[..., ServerEngine]

WARM = Sampling(temperature=0.7, max_tokens=64, stop=("\n\n",))
QUICK_WIRE = tuple(name for name in WIRE if name not in ("loris", "silence"))


def ask(number: int, count: int = 1, first: int = 0, mode: str = "raw") -> EngineRequest:
    text = f"problem {number}"
    prompt = Prompt("raw", text) if mode == "raw" else Prompt("chat", messages=(("user", text),))
    return EngineRequest(number, prompt, WARM, 1000 * number, first, count)


def mixed(total: int) -> list[EngineRequest]:
    """Raw and chat, one sample and several."""
    return [ask(i, 1 + i % 4, i % 3, "chat" if i % 5 == 0 else "raw") for i in range(total)]


def expected_text(request: EngineRequest, index: int) -> str:
    """What the server writes for a seed (:func:`good_text`)."""
    seed = request.seed(index)
    text = request.prompt.text or request.prompt.messages[-1][1]
    return f"{text}|{seed}" + ("", "\x00", "\udc80", "<script>", "\\boxed{7}", "")[seed % 6]


def hold(requests: list[EngineRequest], found: list[EngineResult]) -> Counter[str]:
    """Each sample ended once, completions are the right ones, failures have a reason. Counts both."""
    asked = Counter((request.number, request.first + i) for request in requests for i in range(request.count))
    assert Counter((result.number, result.sample_index) for result in found) == asked
    by_number = {request.number: request for request in requests}
    for result in found:
        if result.failure is None:
            wanted = expected_text(by_number[result.number], result.sample_index)
            assert result.text[: len(wanted)] == wanted
            assert result.text[len(wanted) :].strip("x") == ""
            assert result.completion_tokens is not None
        else:
            assert result.text == ""
            assert result.failure.isprintable()
            assert len(result.failure) < 500
    return Counter("completion" if result.failure is None else "failure" for result in found)


def run(
    serve: Serve,
    engine_of: EngineOf,
    total: int,
    seed: int,
    faults: dict[str, float],
    lasting: float,
    timeout_s: float = 0.6,
) -> None:
    server = serve(seed=seed, faults=faults, lasting=lasting)
    engine = engine_of(server, max_in_flight=64, samples_per_request=3, timeout_s=timeout_s, patience_s=60)
    requests = mixed(total)
    ends = hold(requests, list(answers(engine.stream(requests))))
    assert set(server.done_to) >= set(faults)
    assert ends["completion"] > ends["failure"] > 0
    # Every good answer of the server was taken, and none was asked for again.
    assert set(server.answered.values()) == {1}
    assert server.at_work == 0


def test_faults_of_every_kind(serve: Serve, engine_of: EngineOf) -> None:
    faults = dict.fromkeys((*WORDS, *QUICK_WIRE), 0.01) | {"delay": 0.05, "large": 0.01}
    # None of these hangs, so only a machine that is busy elsewhere needs the time-out, and would then ask twice.
    run(serve, engine_of, 400, 1, faults, 0.05, timeout_s=10)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(4))
def test_faults_of_every_kind_for_long(serve: Serve, engine_of: EngineOf, seed: int) -> None:
    faults = dict.fromkeys((*WORDS, *WIRE), 0.01) | dict.fromkeys(HARMLESS, 0.02)
    run(serve, engine_of, 5_000, seed, faults, 0.05)


@pytest.mark.parametrize("name", [*WORDS, *QUICK_WIRE])
def test_a_fault_that_stays_is_a_failure_with_its_reason(serve: Serve, engine_of: EngineOf, name: str) -> None:
    server = serve(faults={name: 1.0}, lasting=1.0)
    engine = engine_of(server, retries=2, patience_s=0.15)
    [result] = answers(engine.stream([ask(1)]))
    assert result.failure
    assert not result.is_permanent
    busy = name in BUSY
    assert ("too busy for 0.15 s" if busy else "no completion after 3 tries") in result.failure
    assert busy or server.done_to[name] == 3


@pytest.mark.parametrize("name", ["loris", "silence"])
def test_a_server_that_is_too_slow_is_left(serve: Serve, engine_of: EngineOf, name: str) -> None:
    server = serve(faults={name: 1.0}, lasting=1.0)
    engine = engine_of(server, retries=1, timeout_s=0.2)
    began = time.monotonic()
    [result] = answers(engine.stream([ask(1)]))
    assert result.failure == "no completion after 2 tries; the last: no whole answer within 0.2 s"
    assert time.monotonic() - began < 1.5


def test_words_of_a_server_are_printable_in_a_failure(serve: Serve, engine_of: EngineOf) -> None:
    engine = engine_of(serve(faults={"500": 1.0}, lasting=1.0), retries=0)
    [result] = answers(engine.stream([ask(1)]))
    assert result.failure == "no completion after 1 tries; the last: HTTP 500: CUDA error [31m stack"
