"""The engine against the real vLLM on this CPU: one server, two behind one role, and one that it starts itself."""

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from resources.engines.catalog import make_engine
from resources.engines.protocol import Engine, EngineRequest, EngineResult, Prompt, Sampling, answers
from resources.errors import EngineError

pytestmark = pytest.mark.vllm

KEY = "sk-tests-only"
WARM = Sampling(temperature=0.8, top_p=0.95, max_tokens=24, stop=("\n\n",))
CPU_ARGUMENTS = {
    "dtype": "float32",
    "enforce_eager": True,
    "max_num_seqs": 16,
    # On a CPU a seeded request whose prompt is read in parts ends the engine of vLLM 0.32.
    "enable_chunked_prefill": False,
}
CPU_ENVIRONMENT = {"VLLM_CPU_KVCACHE_SPACE": "1", "HF_HUB_OFFLINE": "1", "VLLM_NO_USAGE_STATS": "1"}


class RealServer:
    """`vllm.entrypoints.openai.api_server` in a process group of its own, on one port through all its lives."""

    def __init__(self, python: str, model: Path, log: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self._command = [
            *(python, "-m", "vllm.entrypoints.openai.api_server", "--model", str(model)),
            *("--served-model-name", "small", "--max-model-len", "1024", "--generation-config", "vllm"),
            *("--dtype", "float32", "--enforce-eager", "--max-num-seqs", "16", "--no-enable-chunked-prefill"),
            *("--host", "127.0.0.1", "--port", str(self.port)),
        ]
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def start(self) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
                stdout=log,
                stderr=log,
                start_new_session=True,
                env={**os.environ, **CPU_ENVIRONMENT, "VLLM_API_KEY": KEY},
            )

    def wait(self) -> None:
        end = time.monotonic() + 400
        while not self._answers():
            assert self._process
            assert self._process.poll() is None, self._log.read_text(errors="replace")[-3000:]
            assert time.monotonic() < end
            time.sleep(1)

    def kill(self) -> None:
        """All of it at once, without a goodbye."""
        if self._process:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def _answers(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request("GET", "/health")
            return connection.getresponse().status == 200
        except OSError:
            return False
        finally:
            connection.close()


@pytest.fixture(scope="module")
def python(vllm_models: Path) -> str:
    del vllm_models  # skips where there is no vLLM
    root = Path(__file__).parents[4]
    return os.environ.get("MATHLOOM_VLLM_PYTHON") or str(root / ".venv-vllm/bin/python")


@pytest.fixture(scope="module")
def servers(python: str, vllm_models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[RealServer]]:
    logs = tmp_path_factory.mktemp("logs")
    made = [RealServer(python, vllm_models / "smollm2", logs / f"{i}.log") for i in range(2)]
    try:
        for server in made:
            server.start()
        for server in made:
            server.wait()
        yield made
    finally:
        for server in made:
            server.kill()


@pytest.fixture
def engine_of(tmp_path: Path) -> Iterator[Callable[..., Engine]]:
    made: list[Engine] = []

    def make(*asked: RealServer, key: str = KEY, **options: Any) -> Engine:
        words = {
            "weights": "w",
            "served_name": "small",
            "base_url": [server.url for server in asked],
            "api_key_env": "TEAM_KEY",
            **options,
        }
        made.append(make_engine("server", words, "p.yaml:4", tmp_path, {"TEAM_KEY": key}))
        return made[-1]

    yield make
    for engine in made:
        engine.stop()


def ask(number: int, count: int = 1, first: int = 0, sampling: Sampling = WARM) -> EngineRequest:
    text = f"Problem:\nTom has {number} apples and buys 3 more. How many has he?\n\nSolution:\n"
    return EngineRequest(number, Prompt("raw", text), sampling, 1000 * number, first, count)


def chat(number: int, count: int = 1) -> EngineRequest:
    prompt = Prompt("chat", messages=(("system", "Be brief."), ("user", f"What is {number} + 2?")))
    return EngineRequest(number, prompt, WARM, 1000 * number, 0, count)


def texts(engine: Engine, requests: list[EngineRequest]) -> dict[tuple[int, int], str]:
    found = list(answers(engine.stream(requests)))
    assert [result.failure for result in found if result.failure] == []
    return {(result.number, result.sample_index): result.text for result in found}


def test_check_and_completions(servers: list[RealServer], engine_of: Callable[..., Engine]) -> None:
    engine = engine_of(servers[0])
    began = time.monotonic()
    engine.check()
    assert time.monotonic() - began < 5
    found = list(answers(engine.stream([ask(i, 2) for i in range(4)] + [chat(10, 2)])))
    assert len(found) == 10
    for result in found:
        assert result.failure is None
        assert result.finish_reason in ("stop", "length")
        assert result.prompt_tokens
        assert result.completion_tokens
        assert result.completion_tokens <= WARM.max_tokens
        assert "\n\n" not in result.text


@pytest.mark.parametrize("make", [ask, chat])
def test_the_ith_of_n_samples_has_the_seed_plus_i(
    servers: list[RealServer], engine_of: Callable[..., Engine], make: Callable[..., EngineRequest]
) -> None:
    requests = [make(i, 4) for i in range(3)]
    singly = texts(engine_of(servers[0], max_in_flight=1), requests)
    together = texts(engine_of(servers[0], samples_per_request=4), requests)
    again = texts(engine_of(servers[0], max_in_flight=1), requests)
    assert len(set(singly.values())) > 6
    # Float sums depend on the batch: of many samples one stands so near a limit that it changes.
    assert len([key for key in singly if singly[key] != again[key]]) <= 1
    assert len([key for key in singly if singly[key] != together[key]]) <= 2


def test_every_sampling_value_arrives(servers: list[RealServer], engine_of: Callable[..., Engine]) -> None:
    engine = engine_of(servers[0])
    number = Sampling(temperature=0.8, max_tokens=8, grammar=json.dumps({"regex": "[0-9]{3}"}))
    assert [text for text in texts(engine, [ask(1, 2, sampling=number)]).values() if not text.isdecimal()] == []
    # The best of one token is greedy, whatever the temperature.
    best = texts(engine, [ask(1, 3, sampling=Sampling(temperature=2.0, top_k=1, max_tokens=12))])
    assert len(set(best.values())) == 1
    assert set(best.values()) == set(
        texts(engine, [ask(1, sampling=Sampling(temperature=0.0, max_tokens=12))]).values()
    )
    likely = texts(engine, [ask(1, 3, sampling=Sampling(temperature=2.0, min_p=1.0, max_tokens=12))])
    assert set(likely.values()) == set(best.values())


def test_refusals(servers: list[RealServer], engine_of: Callable[..., Engine]) -> None:
    long = EngineRequest(1, Prompt("raw", "word " * 3000), WARM, 0, 0, 1)
    # Room for a part of the answer is no refusal: the answer is cut.
    tight = EngineRequest(2, Prompt("raw", "word " * 1000), Sampling(0.8, max_tokens=500), 0, 0, 1)
    odd = ask(3, sampling=Sampling(0.8, max_tokens=8, grammar=json.dumps({"regex": "(("})))
    found: dict[int, EngineResult] = {r.number: r for r in answers(engine_of(servers[0]).stream([long, tight, odd]))}
    assert "maximum context length is 1024 tokens" in (found[1].failure or "")
    assert found[1].is_permanent
    assert found[2].failure is None
    assert found[2].finish_reason in ("length", "stop")
    assert "regex" in (found[3].failure or "")


def test_pre_query_begins_a_question(servers: list[RealServer], engine_of: Callable[..., Engine]) -> None:
    request = EngineRequest(1, Prompt("pre_query", messages=(("system", "Be brief."),)), WARM, 3, 0, 2)
    found = list(answers(engine_of(servers[0]).stream([request])))
    assert [result.failure for result in found] == [None, None]
    # <|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\n
    assert {result.prompt_tokens for result in found} == {11}


def test_wrong_key_and_wrong_model(servers: list[RealServer], engine_of: Callable[..., Engine]) -> None:
    wrong = engine_of(servers[0], key="sk-another")
    with pytest.raises(EngineError, match="does not take the key in TEAM_KEY") as caught:
        wrong.check()
    assert "sk-another" not in str(caught.value)
    with pytest.raises(EngineError, match="does not serve the model 'large'; it serves 'small'"):
        engine_of(servers[0], served_name="large").start()


def test_a_server_that_is_killed_and_started_again_is_waited_for(
    servers: list[RealServer], engine_of: Callable[..., Engine]
) -> None:
    server = servers[0]
    engine = engine_of(server, max_in_flight=8)
    total, found = 60, []
    for result in answers(engine.stream([ask(i) for i in range(total)])):
        found.append(result)
        if len(found) == 20:
            server.kill()
            server.start()
    assert sorted(result.number for result in found) == list(range(total))
    assert [result.failure for result in found if result.failure] == []


def test_a_server_that_stays_away_is_an_error_and_the_rest_can_be_asked(
    servers: list[RealServer], engine_of: Callable[..., Engine]
) -> None:
    server = servers[0]
    server.wait()
    engine = engine_of(server, max_in_flight=8, patience_s=2)
    found: list[int] = []

    def work() -> None:
        for result in answers(engine.stream([ask(i) for i in range(40)])):
            found.append(result.number)
            if len(found) == 10:
                server.kill()

    with pytest.raises(EngineError, match="no endpoint takes requests") as caught:
        work()
    assert caught.value.retryable
    server.start()
    server.wait()
    engine.stop()
    rest = [ask(i) for i in range(40) if i not in found]
    assert len(texts(engine, rest)) == len(rest) == 40 - len(set(found))


def test_two_servers_behind_one_role(servers: list[RealServer], engine_of: Callable[..., Engine]) -> None:
    for server in servers:
        server.wait()
    engine = engine_of(*servers, max_in_flight=8)
    total, found = 200, []
    for result in answers(engine.stream([ask(i) for i in range(total)])):
        found.append(result)
        if len(found) == 40:
            servers[0].kill()
            servers[0].start()
    assert Counter(result.number for result in found) == Counter(range(total))
    assert [result.failure for result in found if result.failure] == []
    # The same requests of the other server alone: it matters to no text which of them answered.
    sample = [ask(i) for i in range(12)]
    alone = texts(engine_of(servers[1], max_in_flight=1), sample)
    both = {result.number: result.text for result in found}
    assert len([i for i in range(12) if alone[i, 0] != both[i]]) <= 2


def test_a_server_of_its_own_puts_one_first_token(python: str, vllm_models: Path, tmp_path: Path) -> None:
    """With a tokenizer that puts a token before every text, as those of Llama do."""
    folder = tmp_path / "tokenizer"
    folder.mkdir()
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (folder / name).write_bytes((vllm_models / "smollm2" / name).read_bytes())
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    tokenizer["post_processor"] = {
        "type": "TemplateProcessing",
        "single": [{"SpecialToken": {"id": "<|im_start|>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
        "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
        "special_tokens": {"<|im_start|>": {"id": "<|im_start|>", "ids": [1], "tokens": ["<|im_start|>"]}},
    }
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    words = {
        "path": str(vllm_models / "smollm2"),
        "tokenizer": str(folder),
        "context_tokens": 1024,
        "launch": {"python": python, "engine_args": CPU_ARGUMENTS, "env": CPU_ENVIRONMENT, "start_timeout_s": 400},
    }
    engine = make_engine("server", words, "p.yaml:4", tmp_path / "cache")
    engine.check()
    others = _group()
    try:
        requests = [
            EngineRequest(i, Prompt("raw", text), WARM, 0, 0, 1)
            for i, text in enumerate(["Hello", "<|im_start|>Hello"])
        ]
        found = {result.number: result for result in answers(engine.stream(requests))}
        assert found[0].prompt_tokens == found[1].prompt_tokens == 2
        started = _group() - others
    finally:
        engine.stop()
    assert len(started) > 1
    time.sleep(1)
    assert not started & _group()


def _group() -> set[str]:
    """Processes of vLLM that this test run started, directly or not."""
    found = subprocess.run(["ps", "-eo", "pid,ppid,args"], capture_output=True, text=True, check=True).stdout
    rows = [(line.split(None, 2) + [""])[:3] for line in found.splitlines()[1:]]
    mine = {str(os.getpid())}
    while True:
        more = {pid for pid, parent, _ in rows if parent in mine} - mine
        if not more:
            return {pid for pid, _, words in rows if pid in mine and ("api_server" in words or "VLLM" in words)}
        mine |= more
