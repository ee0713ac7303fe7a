"""The gate: every reason at once, each with its remedy."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from assets.release.numbering import Number, Step
from dagster_project.releasing.gate import QUESTIONS, Gate, Reason, Verdict
from dagster_project.releasing.gate_content import ask_secrets, ask_sources, secrets_of
from dagster_project.releasing.gate_repository import step_between
from dagster_project.releasing.plan import ReleasePlan
from dagster_project.running.workspace import Workspace
from tests.dagster_project.releasing.place import ACCEPT, SECRET, Place


def red(plan: ReleasePlan) -> dict[str, list[Reason]]:
    return {v.name: list(v.reasons) for v in plan.gate.verdicts if not v.passed}


def test_every_question_is_asked_and_green(place: Place) -> None:
    assert [verdict.name for verdict in place.plan().gate.verdicts] == list(QUESTIONS)
    assert place.plan().gate.is_open


def test_all_reasons_at_once(place: Place) -> None:
    place.edit(ACCEPT, "")
    place.edit("  licence: CC0-1.0\n  inputs", "  inputs")
    place.edit("max_words: 60", "max_words: 20")
    plan = place.plan()
    found = red(plan)
    assert {"current", "contamination", "licences"} <= found.keys()
    assert any("max_words" in reason.what for reason in found["current"])
    said = str(plan.gate.refusal("sums"))
    for reason in plan.gate.reasons:
        assert reason.what in said
        assert reason.fix in said


def test_a_check_that_fails_names_its_line(place: Place) -> None:
    place.edit("row_count_between: {min: 1}", "row_count_between: {min: 100000}")
    found = red(place.plan())
    assert {"current", "checks"} == found.keys()
    assert "recipe.yaml:" in found["checks"][0].fix


def test_a_check_that_only_warns_lets_it_pass(place: Place) -> None:
    place.edit("row_count_between: {min: 1}", "row_count_between: {min: 100000, severity: warn}")
    place.build()
    plan = place.plan()
    assert plan.gate.is_open
    assert any("row_count_between" in reason.what for reason in plan.gate.warnings)


@pytest.mark.parametrize("stage", ["short", "graded", "train"])
def test_counts_that_do_not_add_up(place: Place, stage: str) -> None:
    entry = json.loads((place.store / "envs" / "sums" / "scripted.json").read_text())["stages"][stage]
    file = place.store / "versions" / entry["kind"].replace("/", ".") / entry["version"][:40] / "manifest.json"
    manifest = json.loads(file.read_text())
    main = manifest["facts"]["funnel"]["main"]
    manifest["facts"]["funnel"]["rows_in"][main] += 1
    file.write_text(json.dumps(manifest))
    found = red(place.plan())
    assert "funnel" in found
    assert any(reason.where == f"sums/{stage}" for reason in found["funnel"])


def test_a_preview_never_goes_out(place: Place) -> None:
    assert place.run("preview", "-n", "2") == 0
    from dagster_project.language.preview import preview

    assert "whole" in red(place.plan(preview(place.recipe, 2)))


def test_a_branch_without_a_lock(place: Place) -> None:
    recipe = place.recipe
    tracked = replace(recipe.sources["seeds"], bundled=None, hub="org/name", track="main")
    built = place.plan().built
    workspace = Workspace(replace(recipe, sources={"seeds": tracked}), place.store)
    [reason] = ask_sources(workspace, built)
    assert "mathloom update" in reason.fix
    assert "main" in reason.what


def test_a_secret_in_a_row_is_found_and_not_said(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    place.become("secret")
    assert place.plan().gate.is_open
    monkeypatch.setenv("SOME_API_KEY", SECRET)
    plan = place.plan()
    found = red(plan)
    assert list(found) == ["secrets"]
    assert any(reason.where.startswith("data/") for reason in found["secrets"])
    assert SECRET not in str(plan.gate.refusal("sums"))


def test_a_secret_in_a_note_is_found(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_TOKEN", SECRET)
    assert "CHANGELOG.md" in {reason.where for reason in red(place.plan(note=f"see {SECRET}"))["secrets"]}


def test_a_version_is_scanned_once(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    built = place.plan().built
    scanned: list[str] = []
    monkeypatch.setattr(
        "dagster_project.releasing.gate_content.scan_folder", lambda _s, folder, _x: scanned.append(str(folder)) or []
    )
    workspace = Workspace(place.recipe, place.store)
    list(ask_secrets(workspace, built, {}))
    list(ask_secrets(workspace, built, {}))
    assert str(built.folder) not in scanned
    list(ask_secrets(workspace, built, {}, {"NEW_SECRET": "another-one"}))
    assert scanned.count(str(built.folder)) == 1
    assert not any("another-one" in path.name for path in (place.store / "checks").iterdir())


def test_secrets_are_what_is_named_like_one(place: Place) -> None:
    recipe = place.recipe
    role = replace(recipe.roles["solver"], options={"api_key_env": "MY_SERVER"})
    environment = {"MY_SERVER": SECRET, "HF_TOKEN": "hf_abcdefgh", "X_KEY": "short", "PATH": "no secret at all"}
    found = secrets_of(replace(recipe, roles={"solver": role}), environment)
    assert found == sorted([SECRET, "hf_abcdefgh"])


def test_a_gate_lists_what_refuses_and_what_warns() -> None:
    refuse, warn = Reason("refuse", "a", "b", "c"), Reason("warn", "d", "e", "f")
    gate = Gate([Verdict("whole", "t", (refuse,)), Verdict("checks", "t", (warn,))])
    assert not gate.is_open
    assert (gate.reasons, gate.warnings) == ([refuse], [warn])
    assert Gate([Verdict("checks", "t", (warn,))]).is_open


def test_a_remedy_of_several_reasons_is_said_once() -> None:
    reasons = tuple(
        Reason("refuse", what, fix, "here") for what, fix in [("a", "build"), ("b", "mend"), ("c", "build")]
    )
    said = str(Gate([Verdict("current", "t", reasons)]).refusal("sums"))
    assert "(1) here: a; (2) here: b; (3) here: c" in said
    assert said.endswith("(1, 3) build. (2) mend")


@pytest.mark.parametrize(
    ("old", "new", "step"),
    [
        ((1, 0, 0), (1, 0, 1), Step.PATCH),
        ((1, 0, 9), (1, 1, 0), Step.MINOR),
        ((1, 9, 9), (3, 0, 0), Step.MAJOR),
        ((1, 0, 0), (1, 0, 0), Step.NONE),
        ((1, 1, 0), (1, 0, 9), Step.NONE),
    ],
)
def test_steps_between_numbers(old: tuple[int, int, int], new: tuple[int, int, int], step: Step) -> None:
    assert step_between(Number(*old), Number(*new)) == step
