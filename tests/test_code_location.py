"""Dagster's own tools accept the project: ``dg`` by pyproject.toml, ``dagster`` by workspace.yaml."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
TIMEOUT = 120


@pytest.mark.slow
@pytest.mark.parametrize(
    ("command", "verdict"),
    [
        pytest.param(["dg", "check", "defs"], "All definitions loaded successfully", id="dg"),
        pytest.param(
            ["dagster", "definitions", "validate", "-w", "workspace.yaml"],
            "Validation successful for code location mathloom",
            id="workspace",
        ),
    ],
)
def test_definitions_are_valid(command: list[str], verdict: str, tmp_path: Path) -> None:
    program = Path(sys.executable).with_name(command[0])
    environment = {
        **os.environ,
        "DAGSTER_HOME": str(tmp_path),
        "MATHLOOM_PROJECT": str(ROOT / "mathloom.toml"),
        "PATH": f"{program.parent}{os.pathsep}{os.environ['PATH']}",
    }
    (tmp_path / "dagster.yaml").write_bytes((ROOT / "dagster_project" / "dagster.yaml").read_bytes())
    done = subprocess.run(
        [str(program), *command[1:]],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=TIMEOUT,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert verdict in done.stdout + done.stderr
