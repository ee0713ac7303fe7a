"""What a built release says of itself, and which changes of a project make it another release."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dagster_project.language.load import load_project
from dagster_project.running.lineage import ancestors, mathloom_version, release_context, release_identity
from dagster_project.running.workspace import Workspace
from resources.identity import hash_file, hash_json

pytestmark = pytest.mark.slow  # one project is built for the whole run


def _workspace(folder: Path) -> Workspace:
    project = load_project(folder / "mathloom.toml")
    return Workspace(project.recipes["sums"], project.store)


def _identity(folder: Path) -> dict[str, str]:
    workspace = _workspace(folder)
    try:
        return release_identity(workspace, workspace.recipe.stages["release"])
    finally:
        workspace.close()


@pytest.fixture
def workspace(built: Path) -> Iterator[Workspace]:
    found = _workspace(built)
    yield found
    found.close()


@pytest.fixture
def release(built: Path) -> Path:
    return (built / ".mathloom" / "releases" / "sums" / "scripted").resolve()


@pytest.fixture
def build(release: Path) -> dict[str, Any]:
    return json.loads((release / "BUILD.json").read_text(encoding="utf-8"))


def test_every_ancestor_with_version_inputs_rows_and_checks(workspace: Workspace, build: dict[str, Any]) -> None:
    stage = workspace.recipe.stages["release"]
    names = [s.name for s in ancestors(workspace, stage)]
    assert sorted(build["stages"]) == sorted(names)
    for name, said in build["stages"].items():
        version = workspace.store.version(said["kind"], said["version"])
        assert workspace.environment.stages[name].version == said["version"]
        assert said["rows"] == {table: version.row_count(table) for table in version.tables}
        assert said["columns"].keys() == said["rows"].keys()
        assert said["funnel"]["rows_out"] == said["rows"]["rows"]
        assert all(ref.split(".")[0] in build["stages"] for refs in said["inputs"].values() for ref in refs)
        assert said["checks"][0]["name"].startswith("law_")
        assert [r["name"] for r in said["checks"][1:]] == [check.name for check in workspace.recipe.stages[name].checks]
        assert all(r.keys() == {"name", "passed", "blocking", "violations", "description"} for r in said["checks"])
    assert build["stages"]["problems"]["source"] == "seeds"
    assert build["release"]["inputs"]["splits"] == ["train.rows", "train_tiny.rows"]


def test_models_prompts_sources_costs_and_code(workspace: Workspace, build: dict[str, Any]) -> None:
    assert build["mathloom"] == mathloom_version()
    assert re.fullmatch(r"\d+\.\d+\.\d+.*", build["mathloom"])
    weights = workspace.roles.weights_id("solver")
    assert build["models"] == {"solver": {"model": None, "weights": weights, "licence": None}}
    assert build["lineage"]["solutions"]["prompts"] == {"solve": workspace.prompts.content_hash("solve")}
    assert build["sources"]["seeds"]["sha256"] == hash_file(workspace.recipe.folder / "seeds.jsonl")
    assert build["costs"]["solutions"]["requests"] == build["stages"]["solutions"]["rows"]["requests"]
    assert build["costs"]["solutions"]["completion_tokens"] > 0


def test_the_recipe_lies_in_it(workspace: Workspace, release: Path, build: dict[str, Any]) -> None:
    files = {p.relative_to(release).as_posix(): hash_file(p) for p in (release / "recipe").rglob("*") if p.is_file()}
    assert build["recipe"]["files"] == files
    assert build["recipe"]["hash"] == hash_json(files)
    assert (release / "recipe/sums/recipe.yaml").read_bytes() == (workspace.recipe.folder / "recipe.yaml").read_bytes()


def test_nothing_in_it_is_of_this_machine_or_this_run(built: Path, release: Path) -> None:
    for path in ("README.md", "BUILD.json"):
        text = (release / path).read_text(encoding="utf-8")
        assert str(built) not in text
        assert not re.search(r"\b20\d\d-\d\d-\d\d\b|run_id|finished|duration", text)


def test_the_context_is_what_the_fingerprint_is_of(workspace: Workspace) -> None:
    stage = workspace.recipe.stages["release"]
    context, identity = release_context(workspace, stage), release_identity(workspace, stage)
    assert context.keys() - identity.keys() == {"recipe_files"}, "where files are read names nothing"
    sections = {name: hash_json(value) for name, value in context.items() if name not in ("recipe_files", "checks")}
    assert sections == {name: value for name, value in identity.items() if name != "checks"}


CHANGES = {
    "a prompt's description": ("prompts/solve.yaml", lambda text: text + "\n# a word more\n", {"recipe"}),
    "a check": ("recipe.yaml", lambda text: text + "\nchecks:\n  short: [{unique: problem}]\n", {"recipe", "checks"}),
    "another file": ("notes.txt", lambda text: "anything", set()),
}


@pytest.mark.parametrize("name", CHANGES)
def test_which_change_is_another_release(project: Path, name: str) -> None:
    path, change, sections = CHANGES[name]
    before = _identity(project)
    file = project / path
    text = file.read_text(encoding="utf-8") if file.exists() else ""
    if name == "a check":
        text = re.sub(r"(?m)^checks:\n(?:[ \t]+.*\n|\n)*", "", text)
    file.write_text(change(text), encoding="utf-8")
    after = _identity(project)
    assert {section for section in before if before[section] != after[section]} == sections
