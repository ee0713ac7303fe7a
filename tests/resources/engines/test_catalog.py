"""The catalog: lazy classes, options with readable mistakes, one id for weights wherever they answer."""

import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from resources.engines.catalog import ENGINES, make_engine, options_type
from resources.errors import RecipeError

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.mark.parametrize("name", sorted(ENGINES))
def test_every_option_has_a_description(name: str) -> None:
    missing = [field for field, info in options_type(name).model_fields.items() if not info.description]
    assert missing == []
    assert options_type(name).operational <= set(options_type(name).model_fields)


def test_importing_the_catalog_loads_no_engine_and_no_heavy_package() -> None:
    code = (
        "import sys; import resources.engines.catalog; "
        "bad = {'openvino', 'openvino_genai', 'vllm', 'torch', 'huggingface_hub', 'resources.engines.scripted.engine', "
        "'resources.engines.openvino.engine'} & set(sys.modules); sys.exit(str(bad) if bad else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_loading_all_classes_loads_no_heavy_package() -> None:
    code = (
        "import sys; from resources.engines.catalog import *; [options_type(name) for name in ENGINES]; "
        "bad = {'openvino', 'openvino_genai', 'vllm', 'torch', 'huggingface_hub'} & set(sys.modules); "
        "sys.exit(str(bad) if bad else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@dataclass(frozen=True)
class Mistake:
    id: str
    engine: str
    options: dict[str, Any]
    says: list[str] = field(default_factory=list)


MISTAKES = [
    Mistake("unknown engine", "openvion", {}, ["'openvion'", "Did you mean 'openvino'?"]),
    Mistake("unknown engine, nothing like it", "xyzzy", {}, ["Known engines: files, openvino, scripted, server, vllm"]),
    Mistake("unknown option", "openvino", {"batchsize": 4}, ["'batchsize'", "nearest: 'batch_size'"]),
    Mistake("two mistakes at once", "scripted", {"sede": 1, "wrong_answers": 2}, ["'sede'", "wrong_answers = 2"]),
    Mistake("wrong type", "openvino", {"threads": "many"}, ["threads = 'many'"]),
    Mistake("missing", "vllm", {}, ["option 'model' is missing"]),
    Mistake("two weights", "openvino", {"path": "x.gguf", "package": "p"}, ["package and path", "give one"]),
    Mistake("revision without hub", "openvino", {"revision": COMMIT}, ["revision and file belong to hub"]),
    Mistake("password in an address", "server", {"model": "a/b", "base_url": "http://me:pw@host/v1"}, ["password"]),
    Mistake("key instead of its name", "server", {"model": "a/b", "base_url": "u", "api_key_env": "sk-1"}, ["_env"]),
]


@pytest.mark.parametrize("case", MISTAKES, ids=lambda case: case.id)
def test_mistake_names_place_value_and_remedy(case: Mistake, tmp_path: Path) -> None:
    with pytest.raises(RecipeError) as caught:
        make_engine(case.engine, case.options, "local.yaml:7", tmp_path)
    message = str(caught.value)
    assert message.startswith("local.yaml:7: ")
    for part in case.says:
        assert part in message
    assert "\n" not in message


NAMED = [
    ({"model": "org/m", "revision": COMMIT}, f"hf:org/m@{COMMIT}"),
    ({"model": "org/m"}, "hf:org/m@unresolved"),
    ({"model": "org/m", "revision": "main"}, "hf:org/m@unresolved"),
    ({"model": "org/m", "revision": COMMIT, "quantisation": "fp8"}, f"hf:org/m@{COMMIT};quantisation=fp8"),
    ({"model": "org/m", "revision": COMMIT, "adapter": "o/l@1"}, f"hf:org/m@{COMMIT};adapter=o/l@1"),
]
PLACES = [
    ("vllm", {"dtype": "float32"}),
    ("server", {"base_url": "http://h/v1"}),
    ("server", {"base_url": ["http://a/v1", "http://b/v1"], "max_in_flight": 8, "dialect": "openai"}),
    ("server", {"launch": {"engine_args": {"enforce_eager": True}}}),
]


@pytest.mark.parametrize(("weights", "weights_id"), NAMED)
def test_the_same_words_name_the_same_weights_wherever_they_answer(
    weights: dict[str, Any], weights_id: str, tmp_path: Path
) -> None:
    for name, place in PLACES:
        engine = make_engine(name, {**weights, **place}, "paper.yaml:3", tmp_path)
        assert engine.weights_id() == engine.describe()["weights"] == weights_id
