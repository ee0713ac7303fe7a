"""Bad input through the command line: one line with place, wrong value and remedy; nothing half-written; then it works.

Each case breaks a project that was built before, so that the build after mending it is short: nothing is to do.
"""

from __future__ import annotations

import errno
import importlib.util
import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from dagster_project.cli import main
from resources.requests import journal
from resources.store import versions
from resources.store.layout import store_errors

NAME = "sums"
Change = tuple[str, str, str]
"""File, text in it, what takes its place; an empty text stands for the whole file."""


def run(folder: Path, *arguments: str) -> int:
    before = Path.cwd()
    os.chdir(folder)
    try:
        return main(arguments)
    finally:
        os.chdir(before)


def change(folder: Path, *changes: Change) -> dict[Path, str]:
    """Make the changes; returns the texts from before."""
    before = {}
    for name, old, new in changes:
        file = folder / name
        text = file.read_text(encoding="utf-8")
        before.setdefault(file, text)
        assert old in text, (name, old)
        file.write_text(text.replace(old, new) if old else new, encoding="utf-8")
    return before


def restore(texts: dict[Path, str]) -> None:
    for file, text in texts.items():
        file.write_text(text, encoding="utf-8")


def visible(folder: Path) -> dict[str, bytes]:
    """What a reader of the store may find: environments, fingerprints, manifests, links, and anything in staging."""
    store = folder / ".mathloom"
    found = {}
    for name in ("envs", "fingerprints", "versions", "staging", "releases", "checks"):
        for file in sorted((store / name).rglob("*")):
            if file.is_file() and file.suffix != ".lock":
                found[str(file.relative_to(store))] = file.read_bytes()
    return found


def error_line(said: str) -> str:
    """The one line of the error; there may be progress before it, and nothing after it."""
    assert "Traceback" not in said
    lines = [line for line in said.splitlines() if line.strip()]
    assert sum(line.startswith("error: ") for line in lines) == 1, said
    assert lines[-1].startswith("error: "), said
    return lines[-1]


@dataclass(frozen=True)
class Case:
    """``says``: parts of the line: where, the wrong value, the remedy."""

    id: str
    changes: tuple[Change, ...]
    says: tuple[str, ...]
    arguments: tuple[str, ...] = ("build",)
    code: int = 2


RECIPE, PROFILE, SEEDS, SQL = "recipe.yaml", "profiles/scripted.yaml", "seeds.jsonl", "sql/short_problems.sql"

IN_FILES = [
    Case(
        "unknown key", ((RECIPE, "    samples: 4", "    smaples: 4"),), ("recipe.yaml:34: ", "'smaples'", "'samples'")
    ),
    Case("unknown section", ((RECIPE, "roles: [", "rolse: ["),), ("recipe.yaml:10: ", "'rolse'", "Write 'roles'")),
    Case(
        "wrong value",
        ((RECIPE, "samples: 4", "samples: four"),),
        ("recipe.yaml:34: ", "'four'", "must be a whole number"),
    ),
    Case(
        "prompt variable",
        (("prompts/solve.yaml", "{{ problem }}", "{{ probem }}"),),
        ("prompts/solve.yaml:18: ", "'probem'", "Write 'problem'"),
    ),
    Case("prompt", ((RECIPE, "prompt: solve", "prompt: slove"),), ("recipe.yaml:33: ", "'slove'", "Write 'solve'")),
    Case(
        "cycle",
        ((RECIPE, "inputs: {problems: problems}", "inputs: {problems: short}"),),
        ("recipe.yaml:18: ", "with_numbers -> short -> with_numbers", "Bind one of these"),
    ),
    Case(
        "one name twice",
        ((RECIPE, "  distinct: {kind", "  checked: {kind"),),
        ("recipe.yaml:48: ", "'checked' stands twice", "Give one of them another name"),
    ),
    Case("role", ((RECIPE, "role: solver", "role: solvr"),), ("recipe.yaml:32: ", "'solvr'", "Write 'solver'")),
    Case(
        "kind",
        ((RECIPE, "kind: sql/fair_order", "kind: sql/fair_oder"),),
        ("recipe.yaml:50: ", "'sql/fair_oder'", "Write 'sql/fair_order'"),
    ),
    Case(
        "engine",
        ((PROFILE, "engine: scripted", "engine: scriptd"),),
        ("profiles/scripted.yaml:4: ", "'scriptd'", "Write 'scripted'"),
    ),
    Case(
        "engine option",
        ((PROFILE, "scripted}", "scripted, latncy_s: 1}"),),
        ("profiles/scripted.yaml:4: ", "'latncy_s'", "Write 'latency_s'"),
    ),
    Case(
        "undeclared table",
        ((SQL, "from problems\n", "from problms\n"),),
        ("short_problems.sql:41: ", "'problms'", "Write 'problems'"),
    ),
    Case(
        "temperature 0",
        ((RECIPE, "temperature: 0.7", "temperature: 0"),),
        ("recipe.yaml:29: ", "4 samples at temperature 0", "write samples: 1"),
    ),
    Case(
        "no seed file",
        ((RECIPE, "bundled: seeds.jsonl", "bundled: seed.jsonl"),),
        ("recipe.yaml:8: ", "'seed.jsonl'", "Write 'seeds.jsonl'"),
    ),
    Case("broken YAML", ((RECIPE, "roles: [solver]", "roles: [solver"),), ("recipe.yaml:", "YAML", "Mend the YAML")),
    Case(
        "broken TOML",
        (("mathloom.toml", "[project]", "[project"),),
        ("mathloom.toml:2: ", "TOML", "Mend the TOML"),
    ),
    Case(
        "broken kind file",
        (("kinds.py", "import re\n", "import nothing_of_this_name\n"),),
        ("kinds.py:", "nothing_of_this_name", "Mend the file"),
    ),
    Case("recipe", (), ("mathloom.toml:5: ", "'summs'", "Write 'sums'"), ("build", "summs")),
    Case("profile", (), ("mathloom.toml:5: ", "'scriptid'", "Write 'scripted'"), ("build", "--profile", "scriptid")),
    Case(
        "selected stage",
        (),
        ("--select of sums: ", "'solutons'", "Write 'solutions'"),
        ("build", "--select", "+solutons"),
    ),
    Case("selection", (), ("--select of sums: ", "'and ('", "Name stages"), ("build", "--select", "and (")),
    Case("shown stage", (), ("mathloom show sums: ", "'solutons'", "'solutions'"), ("show", NAME, "solutons")),
    Case("shown table", (), ("mathloom show sums: ", "'rejetcs'", "'rejects'"), ("show", NAME, "graded.rejetcs")),
    Case("verb", (), ("mathloom: ", "'biuld'", "mathloom --help"), ("biuld",)),
    Case("option", (), ("mathloom build: ", "--forse", "--force"), ("build", "--forse")),
    Case(
        "seeds without a column",
        ((SEEDS, '"problem"', '"question"'),),
        ("seeds.jsonl: ", "no row has the column 'problem'", "columns: {problem: question}"),
    ),
    Case("no seeds", ((SEEDS, "", ""),), ("seeds.jsonl: ", "has no rows", "that has some")),
    Case(
        "only bad seeds",
        ((SEEDS, '{"problem": "', '{"problem": "", "was": "'),),
        ("seeds.jsonl: ", "9 read, all rejected (empty field 9)", "Check that the kind"),
    ),
]


@pytest.mark.parametrize("case", IN_FILES, ids=lambda case: case.id)
def test_what_is_mended_in_files(case: Case, project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = visible(project)
    texts = change(project, *case.changes)
    capsys.readouterr()
    assert run(project, *case.arguments) == case.code
    line = error_line(capsys.readouterr().err)
    assert [part for part in case.says if part not in line] == [], line
    assert visible(project) == before
    restore(texts)
    assert run(project, "build") == 0
    assert "nothing to do" in capsys.readouterr().err


def test_outside_of_a_project(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tmp_path, "build") == 2
    line = error_line(capsys.readouterr().err)
    assert "mathloom.toml" in line
    assert "mathloom init" in line
    assert list(tmp_path.iterdir()) == []


def test_several_faults_are_told_at_once_one_line_each(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    change(project, (RECIPE, "role: solver", "role: solvr"), (RECIPE, "samples: 4", "samples: 0"))
    assert run(project, "build") == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2
    assert all("recipe.yaml:" in line for line in lines)


def test_a_broken_line_of_seeds_is_a_reject(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with (project / SEEDS).open("a", encoding="utf-8") as handle:
        handle.write('{"problem": "What is 1 + \n')
    assert run(project, "build", "--select", "problems") == 0
    capsys.readouterr()
    assert run(project, "show", NAME, "problems.rejects", "--json") == 0
    assert "line 10" in capsys.readouterr().out


STARVED = [
    Case(
        "all rows rejected",
        ((RECIPE, "least: 2", "least: 1000"), (RECIPE, "row_count_between: {min: 1}", "row_count_between: {min: 0}")),
        (
            "sums/release: ",
            "nothing is left to release",
            "'too few numbers' at stage 'with_numbers' (9)",
            "mathloom show",
        ),
        code=1,
    ),
    Case(
        "a check that forbids it",
        ((RECIPE, "least: 2", "least: 1000"),),
        ("sums/graded (", "recipe.yaml:56)", "row_count_between", "{'rows': 0}", "Mend the input"),
        ("build", "--select", "+graded"),
        code=1,
    ),
]


@pytest.mark.parametrize("case", STARVED, ids=lambda case: case.id)
def test_nothing_left(case: Case, project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = visible(project)
    change(project, *case.changes)
    assert run(project, *case.arguments) == 1
    line = error_line(capsys.readouterr().err)
    assert [part for part in case.says if part not in line] == [], line
    after = visible(project)
    assert {name: data for name, data in after.items() if name.startswith(("releases", "staging"))} == {
        name: data for name, data in before.items() if name.startswith(("releases", "staging"))
    }
    assert {name for name in after if "release.folder" in name} == {name for name in before if "release.folder" in name}


def test_the_remedy_of_an_error_can_be_typed(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The error of an empty release names `mathloom show RECIPE STAGE.rejects`."""
    assert run(project, "show", NAME, "with_numbers.rejects") == 0
    assert "too few numbers" in capsys.readouterr().out


# A store that cannot be written.


@pytest.mark.parametrize("store", [".mathloom", "seeds.jsonl/store"])
def test_a_file_in_place_of_the_store(project: Path, store: str, capsys: pytest.CaptureFixture[str]) -> None:
    change(project, ("mathloom.toml", '".mathloom"', f'"{store}"'))
    shutil.rmtree(project / ".mathloom")
    (project / ".mathloom").write_text("a file")
    assert run(project, "build") == 1
    line = error_line(capsys.readouterr().err)
    assert str(project / store) in line
    assert "[project] store in mathloom.toml" in line


def test_a_store_without_write_permission(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = visible(project)
    staging = project / ".mathloom" / "staging"
    mkdir = Path.mkdir

    def refused(path: Path, *arguments: Any, **options: Any) -> None:
        if staging in path.parents:
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        mkdir(path, *arguments, **options)

    texts = change(project, (RECIPE, "least: 2", "least: 1"))
    monkeypatch.setattr(Path, "mkdir", refused)
    assert run(project, "build") == 1
    line = error_line(capsys.readouterr().err)
    assert str(staging) in line
    assert "no permission to write. Give the user write permission there" in line
    monkeypatch.setattr(Path, "mkdir", mkdir)
    assert visible(project) == before
    restore(texts)
    assert run(project, "build") == 0


@pytest.fixture
def locked(project: Path) -> Iterator[Path]:
    folders = [path for path in (project / ".mathloom").rglob("*") if path.is_dir()] + [project / ".mathloom"]
    for folder in folders:
        folder.chmod(0o555)
    yield project
    for folder in folders:
        folder.chmod(0o755)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_store_that_the_system_protects(locked: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = visible(locked)
    change(locked, (RECIPE, "least: 2", "least: 1"))
    assert run(locked, "build") == 1
    assert "no permission to write" in error_line(capsys.readouterr().err)
    assert visible(locked) == before


# A full disk.


def full(*_: Any, **__: Any) -> Any:
    raise OSError(errno.ENOSPC, "No space left on device")


def half_a_record(descriptor: int, data: bytes) -> None:
    os.write(descriptor, data[: len(data) // 2])
    full()


def no_manifest(path: Path, value: Any) -> None:
    with store_errors(path):
        full()


FULL = [
    pytest.param(pq.ParquetWriter, "write_table", full, id="rows"),
    pytest.param(pq.ParquetWriter, "close", full, id="footer"),
    pytest.param(journal, "_write_all", half_a_record, id="journal"),
    pytest.param(versions, "write_json", no_manifest, id="manifest"),
    pytest.param(versions, "sync_folder", full, id="rename"),
]


@pytest.mark.parametrize(("owner", "name", "instead"), FULL)
def test_a_full_disk(
    owner: Any,
    name: str,
    instead: Any,
    project: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    before = visible(project)
    change(project, (RECIPE, "samples: 4", "samples: 5"))
    with monkeypatch.context() as patch:
        patch.setattr(owner, name, instead)
        assert run(project, "build", "--select", "solutions") == 1
    line = error_line(capsys.readouterr().err)
    assert "the disk is full; what was finished before is safe" in line
    assert "Free space (`mathloom clean` removes old versions)" in line
    after = visible(project)
    readable = {name for name in after if name.endswith("manifest.json")}
    assert readable == {name for name in before if name.endswith("manifest.json")}
    assert {n: d for n, d in after.items() if not n.startswith("versions")} == {
        n: d for n, d in before.items() if not n.startswith("versions")
    }
    assert run(project, "build", "--select", "solutions") == 0
    said = capsys.readouterr().err
    assert "40 rows" in said
    assert not any((project / ".mathloom" / "staging").iterdir())


def test_a_disk_that_is_full_for_dagster_too(project: Path) -> None:
    """No file may grow beyond 64 kB: the history of runs is the first that wants to."""
    shutil.rmtree(project / ".mathloom")
    ended = subprocess.run(
        [sys.executable, "-m", "dagster_project.cli", "build"],
        cwd=project,
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (65_536, 65_536)),
    )
    assert ended.returncode == 1
    line = error_line(ended.stderr)
    assert str(project / ".mathloom" / "dagster") in line
    assert "the disk is full" in line


# What is not installed, and code that fails.


def test_an_engine_without_its_package(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "tiny.gguf").write_bytes(b"GGUF" + bytes(64))
    change(project, (PROFILE, "engine: scripted", f"engine: openvino, path: {project / 'tiny.gguf'}"))
    find = importlib.util.find_spec

    def lacking(name: str, package: str | None = None) -> Any:
        return None if name == "openvino_genai" else find(name, package)

    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *a: None if name == "openvino_genai" else find(name, *a)
    )
    assert run(project, "build", "--select", "solutions") == 2
    line = error_line(capsys.readouterr().err)
    assert "profiles/scripted.yaml:4: " in line
    assert "'openvino-genai' is needed here and is not installed. Run: pip install 'mathloom[embedded]'" in line


def test_a_hub_source_without_its_package(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = visible(project)
    change(project, (RECIPE, "bundled: seeds.jsonl", f"hub: someone/problems, revision: {'a' * 40}"))
    monkeypatch.setitem(sys.modules, "datasets", None)
    assert run(project, "build", "--select", "problems") == 2
    line = error_line(capsys.readouterr().err)
    assert "hub:someone/problems: the package 'datasets' is needed" in line
    assert "Run: pip install 'mathloom[hub]'" in line
    assert visible(project) == before


def test_a_kind_that_raises(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A fault in the code of a user's own kind: its file and line, and no page of frames."""
    before = visible(project)
    text = "        for batch in job.inputs"
    change(project, ("kinds.py", text, "        1 / (1 - 1)\n" + text), ("kinds.py", "version = 1", "version = 2"))
    line_number = (project / "kinds.py").read_text().splitlines().index("        1 / (1 - 1)") + 1
    assert run(project, "build") == 1
    line = error_line(capsys.readouterr().err)
    assert f"{project / 'kinds.py'}:{line_number} (sums/with_numbers): ZeroDivisionError: division by zero" in line
    assert visible(project) == before


def test_two_projects_in_one_process_have_two_histories(project: Path, tmp_path: Path) -> None:
    """DAGSTER_HOME of the first once stayed set: builds of a second project then went into the first's history."""
    other = tmp_path / "other" / NAME
    other.parent.mkdir()
    assert run(other.parent, "init", str(other)) == 0
    assert run(project, "build", "--select", "problems", "--force") == 0
    assert run(other, "build", "--select", "problems") == 0
    assert (other / ".mathloom" / "dagster" / "dagster.yaml").is_file()
    assert "DAGSTER_HOME" not in os.environ


def test_doctor_sees_a_store_that_cannot_be_written(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert run(project, "doctor") == 1
    assert f"FAIL  store {project / '.mathloom'}: no permission to write" in capsys.readouterr().out
