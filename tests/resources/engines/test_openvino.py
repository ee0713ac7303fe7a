"""The parent's half of the engine openvino (over a child without a model), and a few tests of the real model."""

import os
import re
import signal
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from resources.engines.catalog import make_engine
from resources.engines.openvino.engine import OpenVinoEngine
from resources.engines.openvino.rendering import Renderer
from resources.engines.openvino.worker import Model, _Open
from resources.engines.protocol import Engine, EngineRequest, EngineResult, Prompt, Sampling, answers
from resources.errors import EngineError, MissingExtraError
from resources.identity import canonical_json

Make = Callable[..., Engine]


def raw(number: int, text: str, sampling: Sampling | None = None, *, count: int = 1, seed: int = 3) -> EngineRequest:
    return EngineRequest(number, Prompt("raw", text), sampling or Sampling(0.7, max_tokens=8), seed, 0, count)


def child_pid(engine: Engine) -> int:
    assert isinstance(engine, OpenVinoEngine)
    assert engine._child
    return engine._child.pid


def test_every_sampling_value_and_the_sample_seed_reach_the_child(
    parrot: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = parrot()
    engine.start()
    assert isinstance(engine, OpenVinoEngine)
    assert engine._child
    sent: list[dict[str, object]] = []
    send = engine._child.send
    monkeypatch.setattr(engine._child, "send", lambda frame: (sent.append(frame), send(frame)))
    sampling = Sampling(0.3, 0.8, 40, 0.1, 0.2, 0.4, 1.1, 77, ("a", "b"))
    request = EngineRequest(1, Prompt("raw", "flush"), sampling, 2**31 - 1, 0, 2)
    assert {result.text for result in answers(engine.stream([request]))} == {"flush2147483647", "flush0"}
    assert sent[0]["sampling"] == {
        "temperature": 0.3,
        "top_p": 0.8,
        "top_k": 40,
        "min_p": 0.1,
        "presence_penalty": 0.2,
        "frequency_penalty": 0.4,
        "repetition_penalty": 1.1,
        "max_tokens": 77,
        "stop": ("a", "b"),
        "grammar": "",
    }


def test_description_has_no_time_and_no_folder(parrot: Make, tmp_path: Path) -> None:
    engine = parrot(threads=3)
    before = engine.describe()
    engine.start()
    assert engine.describe() == before
    assert before["path"] == "tiny.gguf"
    assert before["threads"] == 3
    assert str(tmp_path) not in str(before)
    assert "seconds" not in str(before)


def test_permanent_failure_passes_through(parrot: Make) -> None:
    found = {result.number: result for result in answers(parrot().stream([raw(1, "too long"), raw(2, "flush")]))}
    assert found[1].failure == "refused for good"
    assert found[1].is_permanent
    assert found[2].failure is None


DEATHS = [("die", "was ended by SIGKILL"), ("break", "the model stopped with an error: out of memory")]


@pytest.mark.parametrize(("text", "says"), DEATHS)
def test_dead_child_is_an_error_that_can_be_tried_again(parrot: Make, text: str, says: str) -> None:
    engine = parrot()
    with pytest.raises(EngineError, match=f"local.yaml:9: .*{says}.*Run the same command again") as caught:
        list(engine.stream([raw(1, text)]))
    assert caught.value.retryable
    assert [result.number for result in answers(engine.stream([raw(2, "flush")]))] == [2], "a new child answers"


REFUSED = [
    ("refused", EngineError, "cannot load the weights .*gemma.*llama, qwen2 or qwen3"),
    ("unimportable", MissingExtraError, r"pip install 'mathloom\[embedded\]'"),
    ("dies", EngineError, "was ended by SIGKILL"),
]


@pytest.mark.parametrize(("name", "error", "says"), REFUSED)
def test_failed_load_is_an_error_and_leaves_nothing(parrot: Make, name: str, error: type[Exception], says: str) -> None:
    engine = parrot(name)
    for _ in range(2):
        with pytest.raises(error, match=says):
            engine.start()
    engine.stop()


def test_missing_package_names_the_pip_command(parrot: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("resources.engines.openvino.engine._is_installed", lambda: False)
    with pytest.raises(MissingExtraError, match=r"'openvino-genai'.*pip install 'mathloom\[embedded\]'"):
        parrot().start()


def test_two_streams_at_once_are_refused(parrot: Make) -> None:
    engine = parrot()
    stream = engine.stream([raw(number, "x") for number in range(50)])
    next(stream)
    with pytest.raises(EngineError, match="already answers another stage"):
        next(engine.stream([raw(1, "flush")]))
    stream.close()  # type: ignore[attr-defined]


def test_stop_in_the_middle_and_start_again(parrot: Make) -> None:
    engine = parrot()
    stream = engine.stream([raw(number, "x") for number in range(50)])
    next(stream)
    engine.stop()
    with pytest.raises(EngineError, match="was stopped in the middle"):
        list(stream)
    assert len(list(engine.stream([raw(1, "flush")]))) == 1


def test_interrupt_while_waiting_is_not_delayed_and_stop_ends_the_child(parrot: Make) -> None:
    engine = parrot()
    engine.start()
    pid = child_pid(engine)
    threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()
    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        list(engine.stream([raw(1, "hold")]))
    engine.stop()
    assert time.monotonic() - started < 3
    assert not Path(f"/proc/{pid}").exists()


class FullHandle:
    """As the pipeline reports a sample that outgrew the KV cache: some tokens, no reason, not running."""

    def __init__(self) -> None:
        self._outputs = [SimpleNamespace(generated_ids=[1, 2], finish_reason=SimpleNamespace(name="NONE"))]

    def can_read(self) -> bool:
        return bool(self._outputs)

    def read(self) -> dict[int, SimpleNamespace]:
        return {0: self._outputs.pop()}

    def get_status(self) -> SimpleNamespace:
        return SimpleNamespace(name="IGNORED")


def test_sample_that_outgrows_the_cache_is_a_failure() -> None:
    pipeline = SimpleNamespace(step=lambda: None)
    model = Model(pipeline, Renderer(None, 100, ""), eos=0, stop_ids=set())
    model.open[5] = _Open(FullHandle(), prompt_tokens=90, stops=[])
    (frame,) = model.step()
    assert frame["id"] == 5
    assert "raise cache_gb" in frame["failure"]
    assert not frame.get("permanent"), "a larger cache mends it"


def test_one_sample_of_a_prompt_begins_in_a_step_and_the_first_goes_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """The prefix cache is looked into when a request is added: added together, all would calculate the same prefix."""
    model = Model(None, Renderer(None, 100, ""), eos=0, stop_ids=set(), batch_size=4)

    def begin(frame: dict[str, Any]) -> dict[str, Any] | None:
        if frame["text"] == "bad":
            return {"op": "result", "id": frame["id"], "failure": "bad", "permanent": True}
        model.open[frame["id"]] = _Open(None, 1, [])
        return None

    monkeypatch.setattr(Model, "ask", lambda _, frame: begin(frame))
    for number, text in enumerate(["bad", "a", "a", "a", "b", "bad", "c", "d"]):
        model.waiting.append({"id": number, "text": text, "messages": [], "sampling": {"grammar": ""}})
    rounds = []
    for _ in range(3):
        refused = [frame["id"] for frame in model.admit()]
        rounds.append((sorted(model.open), refused))
    assert rounds == [([1], [0]), ([1, 2, 4, 6], [5]), ([1, 2, 4, 6], [])]
    model.open.clear()
    model.admit()
    assert sorted(model.open) == [3]
    assert [frame["id"] for frame in model.waiting] == [7]


def test_half_a_character_at_the_end_is_valid_text() -> None:
    def decode(piece: list[Any]) -> Any:
        return [decode(each) for each in piece] if isinstance(piece[0], list) else bytes(piece).decode()

    model = Model(None, Renderer(SimpleNamespace(decode=decode), 100, ""), eos=0, stop_ids=set())
    assert model._decode([[65, 66], [65, 0xF0, 0x9F]]) == ["AB", "A\ufffd"]


def test_check_asks_the_child_only_for_other_devices(parrot: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    for device in ("CPU", "AUTO", "GPU", "GPU.0", "HETERO:GPU,CPU"):
        parrot(device=device).check()
    with pytest.raises(EngineError, match=r"'NPU' is not on this machine; OpenVINO sees CPU, GPU\.0"):
        parrot(device="NPU").check()
    monkeypatch.setattr("resources.engines.openvino.engine._WORKER", "no_such_module")
    parrot(device="CPU").check()


# From here on the real model.

SHOTS = "Problem:\nA hen lays 3 eggs and then 4 eggs. How many?\n\nSolution:\n3 + 4 = 7, so $\\boxed{7}$.\n\n\n"


def question(number: int) -> str:
    return f"{SHOTS}Problem:\nIda has {number + 3} nuts and finds {number + 5} more. How many?\n\nSolution:\n"


def by_key(results: Iterable[EngineResult]) -> dict[tuple[int, int], tuple[str, str, int | None]]:
    return {(r.number, r.sample_index): (r.text, r.finish_reason, r.completion_tokens) for r in results}


@pytest.mark.model
def test_model_answers_bad_prompts_with_failures_and_goes_on(model: Engine) -> None:
    chat = Prompt("chat", messages=(("user", "half \udfff"),))
    requests = [
        raw(0, ""),
        raw(1, "half a pair \ud800"),
        raw(2, "word " * 9_000),
        raw(3, "a" * 2_000_000),
        EngineRequest(4, chat, Sampling(0.7, max_tokens=8), 1, 0, 1),
        raw(5, "NUL \x00 and a special token <|im_end|>"),
        raw(6, question(1)),
    ]
    found = {result.number: result for result in answers(model.stream(requests))}
    says = {0: "empty", 1: "surrogate", 2: "8192 tokens or more", 3: "64 characters for each token", 4: "surrogate"}
    for number, part in says.items():
        assert found[number].is_permanent
        assert part in str(found[number].failure)
    assert found[5].failure is None
    assert found[6].text


@pytest.mark.model
def test_model_keeps_sampling_stop_strings_and_limits(model: Engine) -> None:
    greedy = Sampling(0.0, max_tokens=24)
    requests = [
        raw(0, question(1), greedy, count=2),
        raw(1, question(1), Sampling(0.0, max_tokens=24, stop=("+",))),
        raw(2, question(1), Sampling(0.0, max_tokens=24, stop=("never said", "so $\\bo"))),
        raw(3, question(1), Sampling(1.0, max_tokens=24, top_k=1)),
        raw(4, question(1), Sampling(1.0, max_tokens=2)),
        EngineRequest(5, Prompt("chat", messages=(("user", "Say yes."),)), greedy, 1, 0, 1),
    ]
    found = {(result.number, result.sample_index): result for result in answers(model.stream(requests))}
    whole = found[0, 0].text
    assert found[0, 1].text == whole
    assert "+" in whole
    assert found[1, 0].text == whole[: whole.index("+")], "cut at the string, not at a token"
    assert found[1, 0].finish_reason == "stop"
    assert found[2, 0].text == whole.partition("so $\\bo")[0]
    assert found[3, 0].text == whole, "one choice is no choice"
    assert (found[4, 0].finish_reason, found[4, 0].completion_tokens) == ("length", 2)
    assert found[5, 0].prompt_tokens > 20, "the model's own template stands around the message"  # type: ignore[operator]


@pytest.mark.model
def test_model_in_a_fresh_home_writes_nothing_opens_no_socket_and_gives_the_same_texts(
    model: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    requests = [raw(number, question(number), Sampling(0.8, max_tokens=16), count=3) for number in range(6)]
    first = by_key(answers(model.stream(requests)))
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.delenv("CI", raising=False)  # it would switch the telemetry off by itself
    spy = tmp_path / "spy"
    spy.mkdir()
    (spy / "sitecustomize.py").write_text(SPY.format(log=str(tmp_path / "log")))
    monkeypatch.setenv("PYTHONPATH", str(spy))
    # Another batch size, another order, nothing cached: the texts may not depend on it.
    other = make_engine("openvino", {"batch_size": 5}, "test", tmp_path / "cache")
    try:
        second = by_key(answers(other.stream(requests[::-1])))
        handles = [str(fd.readlink()) for fd in Path(f"/proc/{child_pid(other)}/fd").iterdir()]
    finally:
        other.stop()
    # All 18 here; two are left to other CPUs, whose sums may round another way.
    assert first.keys() == second.keys()
    assert sum(first[key] == second[key] for key in first) >= 16
    assert list(home.iterdir()) == []
    assert (tmp_path / "log").read_text() == "watching\n"
    assert not [handle for handle in handles if handle.startswith("socket")]


def resident_mib(engine: Engine) -> float:
    status = Path(f"/proc/{child_pid(engine)}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) / 1024


@pytest.mark.model
@pytest.mark.soak
def test_two_thousand_requests_in_a_row_leak_nothing(model: Engine) -> None:
    """The cache of keys and values is full after a few hundred and then keeps its size."""
    sampling = Sampling(0.7, 0.95, max_tokens=4, stop=("\n\n",))
    requests = (
        raw(number, f"{number} {'is one of many numbers, ' * 8}", sampling, seed=number) for number in range(2_000)
    )
    done, settled = 0, 0.0
    for done, result in enumerate(answers(model.stream(requests)), 1):
        assert result.failure is None
        if done == 1_000:
            settled = resident_mib(model)
    assert done == 2_000
    assert resident_mib(model) < settled + 50


@pytest.mark.model
@pytest.mark.soak
def test_a_full_cache_answers_all_the_same(tmp_path: Path) -> None:
    """24 prompts of 1,300 tokens at once want more than the 23,000 that a GiB holds: some wait, or begin anew."""
    engine = make_engine("openvino", {"batch_size": 24, "cache_gb": 1}, "test", tmp_path)
    words = [f"item{number} " * 500 for number in range(24)]
    try:
        requests = [raw(i, f"List {i}: {text}", Sampling(0.7, max_tokens=12)) for i, text in enumerate(words)]
        found = list(answers(engine.stream(requests)))
        assert len(found) == 24
        assert all(result.failure is None for result in found)
        assert sum(result.prompt_tokens or 0 for result in found) > 30_000
        assert resident_mib(engine) < 3_000
    finally:
        engine.stop()


@pytest.mark.model
@pytest.mark.soak
def test_an_interrupt_at_any_moment_ends_the_child_and_a_new_one_answers(tmp_path: Path) -> None:
    engine = make_engine("openvino", {"batch_size": 4}, "test", tmp_path)
    requests = [raw(number, question(number), Sampling(0.7, max_tokens=40)) for number in range(200)]
    children = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children")
    before = set(children.read_text().split())
    try:
        for delay_s in (0.5, 3.0, 5.0, 7.0):  # while it loads, and while it answers
            threading.Timer(delay_s, os.kill, (os.getpid(), signal.SIGINT)).start()
            started = time.monotonic()
            with pytest.raises(KeyboardInterrupt):
                list(engine.stream(requests))
            engine.stop()
            assert time.monotonic() - started < delay_s + 6
            assert set(children.read_text().split()) == before
        assert len(list(answers(engine.stream(requests[:4])))) == 4
    finally:
        engine.stop()


SPY = """
import sys
def hook(event, args):
    if event.startswith(("socket.", "subprocess.", "urllib.", "http.", "os.system", "os.posix_spawn")):
        with open({log!r}, "a") as log:
            log.write(event + repr(args) + "\\n")
with open({log!r}, "a") as log:
    log.write("watching\\n")
sys.addaudithook(hook)
"""


@pytest.mark.model
def test_model_writes_a_question_after_its_template(model: Engine) -> None:
    sampling = Sampling(0.7, max_tokens=24)
    requests = [
        EngineRequest(0, Prompt("pre_query"), sampling, 1, 0, 2),
        EngineRequest(1, Prompt("pre_query", messages=(("system", "You solve sums."),)), sampling, 1, 0, 2),
        EngineRequest(2, Prompt("pre_query", messages=(("user", "Hello"),)), sampling, 1, 0, 1),
        EngineRequest(3, Prompt("raw", PRE_QUERY), sampling, 1, 0, 2),
    ]
    found = {(result.number, result.sample_index): result for result in answers(model.stream(requests))}
    assert [found[0, index].text for index in range(2)] == [found[3, index].text for index in range(2)]
    assert found[0, 0].prompt_tokens == found[3, 0].prompt_tokens
    assert found[0, 0].text != found[1, 0].text
    assert found[2, 0].is_permanent


PRE_QUERY = (
    "<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n"
    "<|im_start|>user\n"
)


@pytest.mark.model
def test_model_keeps_grammars_and_refuses_broken_ones_beside_other_work(model: Engine) -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    schema["additionalProperties"] = False  # type: ignore[assignment]
    held = [
        ({"json": schema}, r"\s*\{\s*\"n\"\s*:\s*-?\d+\s*\}\s*"),
        ({"regex": "(yes|no), [0-9]{2}"}, "(yes|no), [0-9]{2}"),
        ({"choice": ["red (dark)", 'blue \\ "é"']}, r"red \(dark\)|blue \\ \"é\""),
        ({"choice": ["only this"]}, "only this"),
        ({"grammar": 'root ::= "a" | "b" root'}, "b*a"),
    ]
    broken = [{"regex": "("}, {"json": {"type": "nothing"}}, {"grammar": "root ::= foo"}, {"choice": []}, {"x": "y"}]
    requests = [raw(100 + number, question(number)) for number in range(4)]
    for number, grammar in enumerate([*(grammar for grammar, _ in held), *broken]):
        sampling = Sampling(1.0, max_tokens=60, grammar=canonical_json(grammar))
        requests += [raw(number, "Answer:", sampling, count=2), raw(200 + number, question(number))]
    found = {(result.number, result.sample_index): result for result in answers(model.stream(requests))}
    for number, (_, pattern) in enumerate(held):
        for index in range(2):
            result = found[number, index]
            assert result.failure is None
            assert result.finish_reason == "length" or re.fullmatch(pattern, result.text), result
    for number in range(len(held), len(held) + len(broken)):
        for index in range(2):
            assert found[number, index].is_permanent
            assert "/" not in str(found[number, index].failure), "no path of the machine that built the library"
    assert all(result.failure is None for (number, _), result in found.items() if number >= 100)
    assert len(found) == 4 + 10 * 3
