"""A project made by `mathloom init` and built once for the whole test run; tests that change it take a copy."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from dagster_project.cli import main

NAME = "sums"


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Only to be read, and copied."""
    folder = tmp_path_factory.mktemp("built") / NAME
    before = Path.cwd()
    try:
        for here, arguments in ((folder.parent, ["init", str(folder)]), (folder, ["build"])):
            os.chdir(here)
            assert main(arguments) == 0
    finally:
        os.chdir(before)
    return folder


@pytest.fixture
def project(built: Path, tmp_path: Path) -> Path:
    """A copy that a test may change."""
    folder = tmp_path / NAME
    shutil.copytree(built, folder, symlinks=True)
    return folder
