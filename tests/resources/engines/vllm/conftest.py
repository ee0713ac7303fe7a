"""Where the real vLLM of the tests is. The child without a model, ``vllm_parrot``, is made one folder above."""

import os
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[4]


def vllm_python() -> str:
    """The interpreter that has vLLM: named by MATHLOOM_VLLM_PYTHON, or of the environment `make test-vllm` makes."""
    return os.environ.get("MATHLOOM_VLLM_PYTHON") or str(ROOT / ".venv-vllm/bin/python")


def model_folder(name: str) -> Path:
    """A model of tests/vllm_setup/make_models.py."""
    return Path(os.environ.get("MATHLOOM_VLLM_MODELS") or ROOT / ".venv-vllm/models") / name


@pytest.fixture(scope="session")
def real() -> dict[str, Any]:
    """Options under which the real vLLM runs on this CPU; skips where there is none."""
    if not Path(vllm_python()).exists():
        pytest.skip("vLLM is in no known environment (run `make test-vllm`, or set MATHLOOM_VLLM_PYTHON)")
    if not model_folder("minilm").is_dir():
        pytest.skip("the models of the tests are not made (run `make test-vllm`, or set MATHLOOM_VLLM_MODELS)")
    return {
        "python": vllm_python(),
        "dtype": "float32",
        "engine_args": {"enforce_eager": True, "max_num_seqs": 64},
        "env": {"VLLM_CPU_KVCACHE_SPACE": "1", "HF_HUB_OFFLINE": "1"},
    }
