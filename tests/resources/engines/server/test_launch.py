"""A server that the engine starts itself, over a package `vllm` of the tests' own that serves without a model."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from resources.engines.catalog import make_engine
from resources.engines.protocol import Engine, EngineRequest, Prompt, Sampling, answers
from resources.engines.server.launch import command_line
from resources.errors import EngineError

FAKE = """
import http.server, json, os, subprocess, sys, time

arguments = sys.argv[1:]
options = dict(zip(arguments, arguments[1:]))
if "--fail" in arguments:
    sys.exit("ValueError: no such device")
if "--hang" in arguments:
    time.sleep(60)
worker = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
with open(os.environ["SEEN"], "a") as seen:
    seen.write(json.dumps({"argv": arguments, "pids": [os.getpid(), worker.pid], "env": dict(os.environ)}) + "\\n")
print("x" * 200_000, flush=True)  # more than a pipe holds: nobody may have to read it

class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def log_message(self, *_): pass
    def reply(self, status, value):
        body = json.dumps(value).encode()
        self.send_response(status); self.send_header("Content-Length", str(len(body))); self.end_headers()
        self.wfile.write(body)
    def do_GET(self):
        if self.headers["Authorization"] != "Bearer " + os.environ["VLLM_API_KEY"]:
            return self.reply(401, {})
        name = options["--served-model-name"]
        names = [name] + [options[a].partition("=")[0] for a in arguments if a == "--lora-modules"]
        self.reply(200, {"data": [{"id": each, "owned_by": "vllm"} for each in names]})
    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path == "/tokenize":
            return self.reply(200, {"tokens": []})
        if body["prompt"] == "die":
            os.kill(os.getpid(), 9)
        self.reply(200, {"choices": [{"index": 0, "text": str(body["seed"]), "finish_reason": "stop"}]})

http.server.ThreadingHTTPServer((options["--host"], int(options["--port"])), Handler).serve_forever()
"""


@pytest.fixture
def seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[dict[str, Any]]]:
    """What each started server saw: arguments, environment, process ids."""
    package = tmp_path / "path/vllm/entrypoints/openai"
    package.mkdir(parents=True)
    for folder in (package, package.parent, package.parent.parent):
        (folder / "__init__.py").touch()
    (package / "api_server.py").write_text(FAKE)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "path"))
    monkeypatch.setenv("SEEN", str(tmp_path / "seen"))
    (tmp_path / "seen").touch()
    return lambda: [json.loads(line) for line in (tmp_path / "seen").read_text().splitlines()]


@pytest.fixture
def launch(tmp_path: Path, seen: object) -> Iterator[Callable[..., Engine]]:
    made: list[Engine] = []

    def make(engine_args: dict[str, Any] | None = None, start_timeout_s: float = 20, **options: Any) -> Engine:
        folder = tmp_path / "model"
        folder.mkdir(exist_ok=True)
        (folder / "config.json").write_text("{}")
        place = {"engine_args": engine_args or {}, "start_timeout_s": start_timeout_s}
        words = {"path": str(folder), "launch": place, "retry_wait_s": 0.01, "probe_s": 0.05, **options}
        made.append(make_engine("server", words, "p.yaml:4", tmp_path / "cache"))
        return made[-1]

    yield make
    for engine in made:
        engine.stop()


def ask(number: int, text: str = "x") -> EngineRequest:
    return EngineRequest(number, Prompt("raw", text), Sampling(0.7), number, 0, 1)


def are_gone(pids: list[int]) -> bool:
    end = time.monotonic() + 10
    while time.monotonic() < end:
        if not [
            pid for pid in pids if Path(f"/proc/{pid}/cmdline").exists() and Path(f"/proc/{pid}/cmdline").read_bytes()
        ]:
            return True
        time.sleep(0.05)
    return False


def test_arguments_as_a_command_line_has_them() -> None:
    arguments = {
        "tensor_parallel_size": 4,
        "enforce_eager": True,
        "enable-prefix-caching": False,
        "--dtype": "bfloat16",
        "quantization_param_path": None,
        "compilation_config": {"level": 3},
        "allowed_origins": ["a", "b"],
    }
    assert command_line(arguments) == [
        *("--tensor-parallel-size", "4", "--enforce-eager", "--no-enable-prefix-caching", "--dtype", "bfloat16"),
        *("--compilation-config", '{"level": 3}', "--allowed-origins", "a", "b"),
    ]


def test_it_starts_answers_and_leaves_nothing(launch: Callable[..., Engine], seen: Any) -> None:
    engine = launch({"max_num_seqs": 4}, served_name="small", context_tokens=512, quantisation="fp8")
    engine.check()
    assert engine.holds_device
    for _ in range(2):  # it can start again
        assert [r.text for r in answers(engine.stream([ask(7)]))] == ["7"]
        engine.stop()
    first, second = seen()
    argv = first["argv"]
    pairs = dict(zip(argv, argv[1:], strict=False))
    assert pairs["--generation-config"] == "vllm"
    assert pairs["--served-model-name"] == "small"
    assert pairs["--max-model-len"] == "512"
    assert pairs["--quantization"] == "fp8"
    assert pairs["--max-num-seqs"] == "4"
    assert pairs["--host"] == "127.0.0.1"
    assert first["env"]["VLLM_NO_USAGE_STATS"] == "1"
    key = first["env"]["VLLM_API_KEY"]
    assert len(key) >= 32
    assert key != second["env"]["VLLM_API_KEY"]
    assert key not in str(argv) + str(engine.describe()) + repr(engine)
    assert are_gone(first["pids"] + second["pids"])


def test_an_adapter_is_served_under_the_name_that_is_asked_for(
    launch: Callable[..., Engine], seen: Any, tmp_path: Path
) -> None:
    (tmp_path / "lora").mkdir()
    (tmp_path / "lora/adapter_config.json").write_text('{"r": 12}')
    engine = launch(adapter=str(tmp_path / "lora"))
    assert len(list(answers(engine.stream([ask(1)])))) == 1
    argv = seen()[0]["argv"]
    at = argv.index("--enable-lora")
    assert argv[at:] == ["--enable-lora", "--max-lora-rank", "16", "--lora-modules", f"launched={tmp_path / 'lora'}"]


def test_a_server_that_fails_at_once_says_why(launch: Callable[..., Engine]) -> None:
    with pytest.raises(EngineError, match="the vLLM server has ended; its last words: .*no such device") as caught:
        launch({"fail": True}).start()
    assert caught.value.retryable


def test_a_server_that_never_answers_is_given_up(launch: Callable[..., Engine]) -> None:
    with pytest.raises(EngineError, match=r"did not answer within 1 s"):
        launch({"hang": True}, start_timeout_s=1).start()


def test_a_server_that_dies_in_the_middle_is_an_error_that_a_restart_mends(
    launch: Callable[..., Engine], seen: Any
) -> None:
    engine = launch(max_in_flight=1)
    with pytest.raises(EngineError, match="the vLLM server has ended") as caught:
        list(engine.stream([ask(1), ask(2, "die"), ask(3)]))
    assert caught.value.retryable
    assert are_gone(seen()[0]["pids"])
    engine.stop()
    assert [r.text for r in answers(engine.stream([ask(3)]))] == ["3"]


def test_nothing_is_left_when_the_build_is_killed(launch: Callable[..., Engine], seen: Any, tmp_path: Path) -> None:
    del launch
    (tmp_path / "config.json").write_text("{}")
    code = f"""
import os, signal
from pathlib import Path
from resources.engines.catalog import make_engine
make_engine("server", {{"path": {str(tmp_path)!r}, "launch": {{}}}}, "p", Path({str(tmp_path)!r})).start()
os.kill(os.getpid(), signal.SIGKILL)
"""
    done = subprocess.run([sys.executable, "-c", code], check=False, cwd=Path(__file__).parents[4])
    assert done.returncode == -signal.SIGKILL
    assert are_gone(seen()[0]["pids"])


def test_an_interpreter_without_vllm_is_named(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")

    def check(**place: Any) -> None:
        make_engine("server", {"path": str(tmp_path), "launch": place}, "p.yaml:4", tmp_path).check()

    python = tmp_path / "python"
    python.write_text("#!/bin/sh\nexit 3\n")
    python.chmod(0o755)
    with pytest.raises(EngineError, match="has no vLLM.*-m pip install vllm"):
        check(python=str(python))
    with pytest.raises(EngineError, match="is no program that can be run"):
        check(python=str(tmp_path / "absent"))


def test_there_must_be_weights_to_load(tmp_path: Path) -> None:
    engine = make_engine("server", {"weights": "w", "launch": {}}, "p.yaml:4", tmp_path)
    with pytest.raises(EngineError, match="no weights that the server could load"):
        engine.check()
    absent = make_engine("server", {"path": str(tmp_path / "no"), "launch": {}}, "p.yaml:4", tmp_path)
    with pytest.raises(EngineError, match="the path is absent"):
        absent.check()


def test_the_hub_is_asked_for_one_commit(seen: Any, tmp_path: Path) -> None:
    commit = "0" * 40
    words = {
        "model": "org/m",
        "revision": commit,
        "tokenizer": f"org/t@{commit}",
        "launch": {"start_timeout_s": 20},
    }
    engine = make_engine("server", words, "p.yaml:4", tmp_path)
    engine.start()
    engine.stop()
    argv = seen()[0]["argv"]
    assert argv[argv.index("--model") :] == [
        *("--model", "org/m", "--revision", commit, "--tokenizer", "org/t", "--tokenizer-revision", commit)
    ]
    assert os.environ.get("VLLM_API_KEY") is None
