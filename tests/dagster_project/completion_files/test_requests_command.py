"""``mathloom requests stats | prune | forget-failures | compact``."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dagster_project.completion_files.pruning import rule_of
from resources.requests.records import Completion
from resources.requests.store import RequestStore

OLD_NS = 1_600_000_000 * 10**9
"""September 2020."""
OTHER = "other:weights"
WEIGHTS = "scripted:1:44136fa355b3678a"


@pytest.fixture
def built(pens_built: Any) -> Any:
    """With the completions of a build, and three of other weights, one of them fresh."""
    with RequestStore(pens_built.store) as store:
        for at, time_ns in enumerate((OLD_NS, OLD_NS, 0)):
            key = bytes([at]) * 16
            store.record(Completion(key, "old", "stop", "server", OTHER, None, 5, 7, stored_at_ns=time_ns))
        store.seal()
    return pens_built


def said(pens: Any, capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    capsys.readouterr()
    assert pens.run("requests", *arguments) == 0
    return capsys.readouterr().out


def test_stats_of_an_empty_store(pens: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert said(pens, capsys, "stats").startswith("0 completions in 0 segment(s)")


def test_stats_by_weights(built: Any, capsys: pytest.CaptureFixture[str]) -> None:
    text = said(built, capsys, "stats")
    assert f"Weights that no environment uses now: {OTHER}" in text
    assert "24 completions in " in text
    found = json.loads(said(built, capsys, "stats", "--json"))
    by_weights = {row["weights"]: row for row in found["weights"]}
    assert {name: row["is_used"] for name, row in by_weights.items()} == {WEIGHTS: True, OTHER: False}
    assert by_weights[OTHER]["completions"] == 3
    assert (by_weights[OTHER]["prompt_tokens"], by_weights[OTHER]["completion_tokens"]) == (15, 21)
    assert by_weights[OTHER]["first_ns"] == OLD_NS
    assert found["totals"]["completions"] == 24


def test_prune_says_what_it_takes_and_waits_for_a_yes(built: Any, capsys: pytest.CaptureFixture[str]) -> None:
    text = said(built, capsys, "prune", "--unused", "--dry-run")
    # The third is fresh: an interrupted build may have asked for it.
    assert f"{OTHER}: 2 completions, 10 known tokens in and 14 out" in text
    assert text.endswith("Nothing was removed.\n")
    assert built.run("requests", "prune", "--unused") == 2
    assert "nobody can be asked here" in capsys.readouterr().err
    assert len(built.stored()) == 24
    assert said(built, capsys, "prune", "--unused", "--yes").endswith("Removed.\n")
    assert len(built.stored()) == 22
    assert said(built, capsys, "prune", "--unused", "--older-than", "0h", "--yes").endswith("Removed.\n")
    assert set(built.stored()) == set(built.keys().values())


def test_prune_by_weights_and_age(built: Any, capsys: pytest.CaptureFixture[str]) -> None:
    found = json.loads(said(built, capsys, "prune", "--weights", OTHER, "--older-than", "90d", "--yes", "--json"))
    assert (found["removed"], found["completions"]) == (True, 2)
    text = said(built, capsys, "prune", "--weights", WEIGHTS, "--dry-run")
    assert "21 of them are named by versions" in text
    assert said(built, capsys, "prune", "--older-than", "90d").endswith("Nothing was removed.\n")  # nothing is that old
    assert built.run("requests", "prune", "--weights", "nobody", "--yes") == 1
    assert f"Name one of: {OTHER}, {WEIGHTS}" in capsys.readouterr().err
    assert len(built.stored()) == 22


def test_prune_keeps_out_of_a_build(built: Any, capsys: pytest.CaptureFixture[str]) -> None:
    with built.workspace() as workspace, workspace.environment.lock():
        assert built.run("requests", "prune", "--unused", "--yes") == 1
    assert "another build of this recipe and profile is running" in capsys.readouterr().err
    assert len(built.stored()) == 24


@pytest.mark.parametrize(
    ("arguments", "words"),
    [((), "say what may go"), (("--older-than", "soon"), "'soon' is no age"), (("--older-than", "-1d"), "no age")],
)
def test_prune_must_be_told_what(
    pens: Any, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], words: str
) -> None:
    assert pens.run("requests", "prune", *arguments) == 2
    assert words in capsys.readouterr().err


def test_ages() -> None:
    def before(**words: Any) -> int | None:
        return rule_of(**{"unused": False, "weights": None, "age": None, **words}, now_ns=10**18).before_ns

    hour = 3600 * 10**9
    assert before(age="12h") == 10**18 - 12 * hour
    assert before(age=" 4W ") == 10**18 - 4 * 168 * hour
    assert before(unused=True) == 10**18 - 7 * 24 * hour
    assert before(unused=True, age="0d") == 10**18
    assert before(weights="a") is None


def test_forgotten_failures_are_asked_again(pens: Any, capsys: pytest.CaptureFixture[str]) -> None:
    profile = pens.folder / "profiles" / "scripted.yaml"
    profile.write_text("profile: scripted\nroles:\n  solver: {engine: scripted, permanent_failures: 0.5}\n")
    assert pens.run("build", "--select", "solutions") == 0
    rejected = 21 - len(pens.stored())
    assert rejected > 3
    profile.write_text("profile: scripted\nroles:\n  solver: {engine: scripted}\n")
    assert pens.run("build", "--select", "solutions") == 0
    assert len(pens.stored()) == 21 - rejected  # a build alone never asks for them again
    text = said(pens, capsys, "forget-failures", "pens")
    assert text.splitlines() == [
        f"solutions: {rejected} failed requests forgotten, {rejected} of them were rejects",
        "spoken: 0 failed requests forgotten, 0 of them were rejects",
    ]
    assert pens.run("build", "--select", "solutions") == 0
    assert pens.built("solutions")["run"]["requests"]["completed"] == rejected
    assert len(pens.stored()) == 21
    assert said(pens, capsys, "forget-failures", "pens", "solutions").startswith("solutions: 0 failed requests")


def test_compact_keeps_all(built: Any, capsys: pytest.CaptureFixture[str]) -> None:
    before = built.stored()
    assert said(built, capsys, "compact") == "2 segments became 1\n"
    assert built.stored() == before
    assert said(built, capsys, "compact") == "0 segments became 0\n"


def test_help_names_every_verb(pens: Any, capsys: pytest.CaptureFixture[str]) -> None:
    text = said(pens, capsys, "--help")
    for verb in ("stats", "import", "export", "prune", "forget-failures", "compact"):
        assert f"  {verb} " in text
