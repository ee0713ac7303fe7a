"""Questions about what goes out: contamination report, licences, locks, and what counts as a secret."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dagster_project.language.resolved import Recipe, Schedule
from dagster_project.releasing.built import BuiltFolder, read_built
from dagster_project.releasing.gate import Reason
from dagster_project.releasing.gate_content import (
    MIN_SECRET,
    ask_contamination,
    ask_licences,
    ask_secrets,
    ask_sources,
    secrets_of,
)
from dagster_project.running.workspace import Workspace
from tests.dagster_project.releasing.place import SECRET, Place

TOKEN = "hf_" + "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6"


@pytest.fixture
def workspace(place: Place) -> Iterator[Workspace]:
    found = Workspace(place.recipe, place.store)
    yield found
    found.close()


@pytest.fixture
def built(workspace: Workspace) -> BuiltFolder:
    return read_built(workspace)


def with_release(workspace: Workspace, **words: Any) -> Workspace:
    recipe = workspace.recipe
    kept = {name: value for name, value in recipe.release.items() if name != "accept"}
    return Workspace(replace(recipe, release={**kept, **words}), workspace.root)


@pytest.mark.parametrize(
    ("record", "said"),
    [
        ({}, "there is no contamination report"),
        ({"benchmarks": {"math": {}}}, "there is no contamination report"),
        ({"contamination": [{"figure": "x"}], "benchmarks": {}}, "it names no benchmark"),
        ({"contamination": [{"figure": "x"}], "benchmarks": {"math": {}}}, None),
    ],
)
def test_a_report_over_a_benchmark(
    workspace: Workspace, built: BuiltFolder, record: Mapping[str, Any], said: str | None
) -> None:
    here = replace(built, build=record)
    found = list(ask_contamination(with_release(workspace), here))
    assert [reason.level for reason in found] == ([] if said is None else ["refuse"])
    assert said is None or said in found[0].what
    accept = {"contamination": "there is none of such sums"}
    assert [reason.level for reason in ask_contamination(with_release(workspace, accept=accept), here)] == (
        [] if said is None else ["warn"]
    )


def licences(workspace: Workspace, built: BuiltFolder, recipe: Recipe) -> list[Reason]:
    return list(ask_licences(Workspace(recipe, workspace.root), built))


def test_licences_of_seeds_and_of_models_that_wrote_refuse(workspace: Workspace, built: BuiltFolder) -> None:
    recipe = with_release(workspace).recipe
    seeds, solver = recipe.sources["seeds"], recipe.roles["solver"]
    no_changes = replace(recipe, sources={"seeds": replace(seeds, licence="CC-BY-ND-4.0")})
    its_terms = replace(recipe, roles={"solver": replace(solver, licence="llama3")})
    for clashing, whose in ((no_changes, "the source 'seeds'"), (its_terms, "the role 'solver'")):
        refused = [reason for reason in licences(workspace, built, clashing) if reason.level == "refuse"]
        assert [whose in reason.what for reason in refused] == [True]
        accept = {**clashing.release, "accept": {"licence": "they allowed it"}}
        waived = licences(workspace, built, replace(clashing, release=accept))
        assert {reason.level for reason in waived} == {"warn"}
        assert any(reason.what.endswith("accepted: they allowed it") for reason in waived)


def test_a_benchmark_is_compared_with_and_gives_no_rows(workspace: Workspace, built: BuiltFolder) -> None:
    recipe = with_release(workspace).recipe
    seeds = replace(recipe.sources["seeds"], licence="CC-BY-ND-4.0", is_benchmark=True)
    assert not any(
        "seeds" in reason.what for reason in licences(workspace, built, replace(recipe, sources={"seeds": seeds}))
    )


def test_no_licence_is_a_reason_although_a_comparison_only_warns(workspace: Workspace, built: BuiltFolder) -> None:
    release = {name: value for name, value in with_release(workspace).recipe.release.items() if name != "licence"}
    found = licences(workspace, built, replace(workspace.recipe, release=release))
    assert "the release declares no licence" in [reason.what for reason in found if reason.level == "refuse"]


def test_a_locked_branch_and_a_source_that_nothing_reads_pass(
    workspace: Workspace, built: BuiltFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    seeds = workspace.recipe.sources["seeds"]
    tracked = replace(seeds, bundled=None, hub="org/name", track="main")
    recipe = replace(workspace.recipe, sources={"seeds": tracked, "unread": tracked})
    here = Workspace(recipe, workspace.root)
    assert ["'seeds'" in reason.what for reason in ask_sources(here, built)] == [True]
    monkeypatch.setattr("dagster_project.releasing.gate_content.read_lock", lambda *_: {"seeds": object()})
    assert list(ask_sources(here, built)) == []


def test_a_secret_begins_at_a_length_and_may_be_an_address_of_notices(workspace: Workspace) -> None:
    schedule = Schedule(notify_env="WHERE_TO_TELL")
    environment = {"A_TOKEN": "x" * MIN_SECRET, "B_TOKEN": "y" * (MIN_SECRET - 1), "WHERE_TO_TELL": "https://h/1"}
    found = secrets_of(replace(workspace.recipe, schedule=schedule), environment)
    assert found == ["https://h/1", "x" * MIN_SECRET]


@pytest.mark.parametrize("file", ["README.md", "CHANGELOG.md"])
def test_card_and_changelog_are_looked_through_as_they_go_out(
    workspace: Workspace, built: BuiltFolder, file: str
) -> None:
    escaped = TOKEN.replace("_", "\\_")
    [reason] = ask_secrets(workspace, built, {file: f"see {escaped}".encode()}, {})
    assert (reason.where, reason.what) == (file, "a token of the Hugging Face Hub (line 1)")


def test_a_token_in_a_note_stops_the_release(place: Place) -> None:
    plan = place.plan(note=f"see {TOKEN}")
    found = {v.name: sorted(reason.where for reason in v.reasons) for v in plan.gate.verdicts if not v.passed}
    assert found == {"secrets": ["CHANGELOG.md", "README.md"]}


def test_every_file_of_a_release_is_looked_through(workspace: Workspace, built: BuiltFolder, tmp_path: Path) -> None:
    """The files that are sent are those that the scan was shown."""
    scanned = {path.relative_to(built.folder).as_posix() for path in built.folder.rglob("*") if path.is_file()}
    assert set(built.files) == scanned - {"README.md"}


def test_rows_with_a_secret_can_be_taken_back(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """The samples of the changelog are rows that left: they must not bring back what a release gets rid of."""
    place.become("secret")
    place.release()
    place.become("first")
    monkeypatch.setenv("SOME_API_KEY", SECRET)
    plan = place.plan()
    assert plan.gate.is_open, plan.gate.refusal("sums")
    assert SECRET not in plan.entry.replace("\\", "")
