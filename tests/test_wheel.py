"""What an installed mathloom can do: the wheel in an empty environment outside the clone makes and builds a dataset.

The environment gets the packages that mathloom needs from the one that runs the tests (a ``.pth`` file), so nothing is
downloaded. It does not get mathloom from there: the clone is on the path of neither interpreter nor test.
"""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from collections.abc import Mapping
from email import message_from_string
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("mathloom", "dagster_project", "assets", "resources", "sql")
TIMEOUT = 180


def run(command: list[str], cwd: Path, environment: Mapping[str, str] | None = None) -> str:
    done = subprocess.run(
        command, cwd=cwd, env=environment, capture_output=True, text=True, check=False, timeout=TIMEOUT
    )
    assert done.returncode == 0, f"{command}:\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    run([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)], ROOT)
    [file] = folder.glob("mathloom-*.whl")
    return file


@pytest.fixture(scope="module")
def scripts(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of the commands of an environment that has the wheel."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    run([str(python), "-m", "pip", "install", "--no-deps", "--no-index", "--quiet", str(wheel)], folder)
    packages = run([str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], folder).strip()
    (Path(packages) / "needs.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return folder / "bin"


@pytest.fixture
def environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name not in {"PYTHONPATH", "VIRTUAL_ENV"}}


def test_wheel_holds_every_file_of_the_packages(wheel: Path) -> None:
    """Recipes, prompts, SQL, templates and bundled rows are data files, which a build system easily forgets."""
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    kept = {
        path.relative_to(ROOT).as_posix()
        for package in PACKAGES
        for path in (ROOT / package).rglob("*")
        if path.is_file() and not any(part.startswith((".", "__pycache__")) for part in path.parts[len(ROOT.parts) :])
    }
    assert {Path(name).suffix for name in kept} >= {".py", ".sql", ".yaml", ".jsonl"}
    assert kept - names == set()
    assert {name.split("/")[0] for name in names} - set(PACKAGES) == {f"{wheel.stem.split('-py3')[0]}.dist-info"}


def test_wheel_says_what_it_is(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        [metadata] = [name for name in archive.namelist() if name.endswith("/METADATA")]
        about = message_from_string(archive.read(metadata).decode())
        [commands] = [name for name in archive.namelist() if name.endswith("/entry_points.txt")]
        assert "mathloom = dagster_project.cli:main" in archive.read(commands).decode()
    assert about["License-Expression"] == "Apache-2.0"
    assert set(about.get_all("Provides-Extra", [])) == {
        *("dev", "embedded", "embeddings", "explorer", "hub", "server", "train", "vllm")
    }


def test_installed_wheel_makes_and_builds_a_dataset(scripts: Path, environment: dict[str, str], tmp_path: Path) -> None:
    where = run([str(scripts / "python"), "-c", "import mathloom; print(mathloom.__file__)"], tmp_path, environment)
    assert Path(where.strip()).is_relative_to(scripts.parent.resolve())

    run([str(scripts / "mathloom"), "init", "x"], tmp_path, environment)
    run([str(scripts / "mathloom"), "build"], tmp_path / "x", environment)
    released = tmp_path / "x" / ".mathloom" / "releases" / "x" / "scripted"
    assert (released / "README.md").read_text(encoding="utf-8").startswith("---\n")
    assert list((released / "data").glob("train-*.parquet"))
