"""Engines that die, forget or lie under a real build: every sample ends in one completion or one recorded failure."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import dagster as dg
import duckdb
import pytest

from dagster_project.assembly import build_definitions
from dagster_project.language.load import load_project
from resources.requests.store import RequestStore
from resources.usage import UsageLog

Builder = Callable[..., int]

REQUESTS = 36
"""Nine problems, four samples each."""


def facts() -> dict[str, int]:
    entry = json.loads(Path(".mathloom/envs/sums/scripted.json").read_text())["stages"]["solutions"]
    version = Path(".mathloom/versions/generation.solve") / entry["version"][:40]
    return json.loads((version / "manifest.json").read_text())["facts"]["requests"]


def counts() -> dict[str, int]:
    """What the newest build asked for."""
    entry = json.loads(Path(".mathloom/envs/sums/scripted.json").read_text())["stages"]["solutions"]
    return json.loads(Path(f".mathloom/fingerprints/{entry['fingerprint']}.json").read_text())["run"]["requests"]


def starts(log: list[str]) -> int:
    return sum(line.startswith("start") for line in log)


def test_an_engine_that_dies_is_started_again(build: Builder, log: list[str]) -> None:
    assert build("dies_each: 20") == 0
    assert facts()["completed"] == REQUESTS
    assert log.count("death") >= 1
    assert starts(log) == log.count("death") + 1
    asked = Counter(line for line in log if line.startswith("ask"))
    assert len(asked) == REQUESTS
    assert sum(asked.values()) <= REQUESTS + 4 * log.count("death")  # what was at it when it died


def test_one_request_that_kills_the_engine_is_found_and_the_others_are_answered(build: Builder) -> None:
    poison = " ".join(json.loads(Path("seeds.jsonl").read_text().splitlines()[4])["problem"].split()[:6])
    option = f"poison: {json.dumps(poison)}"
    assert build(option, settings="samples: 1\nmax_failure_share: 0.5\nmax_attempts: 1") == 0
    done = facts()
    assert done == {"completed": 8, "rejected": 1, **{key: done[key] for key in ("prompt_tokens", "completion_tokens")}}
    asked = counts()
    assert (asked["total"], asked["asked"], asked["completed"], asked["failed"]) == (9, 9, 8, 1)
    with RequestStore(Path(".mathloom")) as store:
        store.seal()
        session = duckdb.connect()
        store.create_views(session)
        assert session.sql("select reason from failures").fetchall() == [
            ("the engine died while it answered this request alone: the engine's process died",)
        ]


def test_an_engine_that_always_dies_ends_the_stage_and_keeps_what_it_gave(
    build: Builder, log: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert build("dies_each: 5") == 1
    error = capsys.readouterr().err.splitlines()[-1]
    assert "sums/solutions: the engine broke 9 times in this stage; the last time: the engine's process died" in error
    with RequestStore(Path(".mathloom")) as store:
        kept = store.stats().completions
    assert 0 < kept < REQUESTS
    log.clear()
    assert build() == 0
    assert sum(line.startswith("ask") for line in log) == REQUESTS - kept


def test_an_engine_that_forgets_is_asked_again(build: Builder, log: list[str]) -> None:
    assert build("forgets: 3") == 0
    assert facts()["completed"] == REQUESTS
    assert sum(line.startswith("ask") for line in log) == REQUESTS + 3


def test_an_answer_to_nothing_is_an_error(build: Builder, capsys: pytest.CaptureFixture[str]) -> None:
    assert build("says_twice: true") == 1
    assert "the engine answered what was not asked" in capsys.readouterr().err


def test_a_check_that_fails_comes_before_any_start(
    build: Builder, log: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert build("is_refused: true") == 1
    assert capsys.readouterr().err.splitlines()[-1].endswith("scripted.yaml:3: the model is gone. Bring it back")
    assert starts(log) == 0
    assert build() == 0
    log.clear()
    assert build("is_refused: true", "", "", "--force") == 0  # all is stored: nobody asks
    assert log == []


def test_ctrl_c_while_the_engine_starts_asks_for_nothing(build: Builder, log: list[str]) -> None:
    """A model loads for minutes: there is nothing under way to wait for."""
    assert build("ctrl_c_at: 0") == 130
    assert log == ["check", "check", "start", "stop"]


def test_ctrl_c_is_not_lost_when_the_engine_dies_while_answers_are_waited_for(build: Builder, log: list[str]) -> None:
    """The error ends one stage; Ctrl-C ends the build."""
    assert build("ctrl_c_at: 6, dies_each: 6") == 130
    assert starts(log) == 1


PRICE = "price: {per_gpu_hour: 3600, gpus: 2, source: a test, date: 2026-01-01}"
BY_TOKEN = (
    "price: {per_million_prompt_tokens: 0, per_million_completion_tokens: 7_000_000, source: a test, date: 2026-01-01}"
)


def test_what_was_spent_is_logged_and_shown(build: Builder, capsys: pytest.CaptureFixture[str]) -> None:
    assert build(BY_TOKEN) == 0
    (usage,) = UsageLog(Path(".mathloom")).read()
    assert (usage.recipe, usage.stage, usage.role, usage.engine) == ("sums", "solutions", "solver", "fragile")
    assert usage.completions == REQUESTS
    assert (usage.prompt_tokens, usage.completion_tokens) == (50 * REQUESTS, 10 * REQUESTS)
    assert usage.cost == pytest.approx(7 * 10 * REQUESTS)
    assert usage.currency == "USD"
    assert usage.gpu_hours == 0


def test_a_limit_of_cost_stops_the_stage_and_keeps_what_was_answered(
    build: Builder, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dagster_project.running.generation.answer.LOOK_S", 0.0)
    assert build(BY_TOKEN, "limits: {max_cost: 700}") == 1
    error = capsys.readouterr().err.splitlines()[-1]
    assert "spent, and the limit max_cost is 700. Raise the limit in the profile" in error
    with RequestStore(Path(".mathloom")) as store:
        kept = store.stats().completions
    assert 10 <= kept <= 17  # 70 each; what was at the engine (three, and the rest of a request) is paid: waited for
    assert build(BY_TOKEN, "limits: {max_cost: 7000}") == 0
    assert facts()["completed"] == REQUESTS


def test_a_limit_holds_while_an_engine_dies_and_starts_again(
    build: Builder, log: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Loading is paid for: nine starts without an answer must not pass a limit that two of them reach."""
    assert build(f"dies_each: 1, start_s: 0.1, {PRICE}", "limits: {max_cost: 0.3}") == 1
    assert "spent, and the limit max_cost is 0.3" in capsys.readouterr().err.splitlines()[-1]
    assert starts(log) == 2


def test_a_limit_for_a_day_counts_earlier_builds(
    build: Builder, log: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert build(BY_TOKEN) == 0
    log.clear()
    assert build(BY_TOKEN, "limits: {max_cost_per_day: 2000}", "salt: more") == 1
    assert "max_cost_per_day is 2000" in capsys.readouterr().err
    assert starts(log) == 0
    assert build(BY_TOKEN, "limits: {max_cost_per_day: 2000}") == 0  # all is stored: nothing is spent


def test_gpu_hours_are_counted_for_all_gpus(build: Builder) -> None:
    assert build(PRICE) == 0
    (usage,) = UsageLog(Path(".mathloom")).read()
    assert usage.engine_seconds > 0
    assert usage.gpu_hours == pytest.approx(2 * usage.engine_seconds / 3600, rel=0.2, abs=1e-6)
    assert usage.cost == pytest.approx(usage.gpu_hours * 3600)


def test_a_click_in_the_ui_meets_the_limits_too_and_shows_the_plan(build: Builder, log: list[str]) -> None:
    """Through Dagster alone, as the UI and a schedule start builds."""
    assert build(BY_TOKEN) == 0
    profile = Path("profiles/scripted.yaml")
    profile.write_text(profile.read_text() + "limits: {max_cost: 700}\n")
    recipe = Path("recipe.yaml")
    recipe.write_text(recipe.read_text() + "    salt: more\n")
    log.clear()
    project = load_project(Path("mathloom.toml"))
    job = build_definitions(project).resolve_job_def("sums")
    with dg.DagsterInstance.ephemeral() as instance:
        result = job.execute_in_process(instance=instance, raise_on_error=False)
        failed = [event for event in result.all_events if event.is_failure and event.step_key]
        assert log == []
        seen = instance.fetch_observations(dg.AssetKey(["sums", "solutions"]), limit=5).records
    assert "the stage needs at least 2,520.00 USD, and the limit max_cost is 700" in str(failed)
    (observation,) = [record.event_log_entry.asset_observation for record in seen]
    assert observation is not None
    assert observation.metadata["plan: requests to do"].value == REQUESTS
    assert observation.metadata["plan: cost (USD)"].value == pytest.approx(2520)


def test_the_engine_that_a_launch_puts_in_place_is_the_one_that_is_named(build: Builder, log: list[str]) -> None:
    """A run takes engine and options from its Dagster resource; the usage log says who answered."""
    assert build() == 0
    profile = Path("profiles/scripted.yaml")
    profile.write_text(profile.read_text().replace("engine: fragile", "engine: scripted"))
    recipe = Path("recipe.yaml")
    recipe.write_text(recipe.read_text() + "    salt: more\n")
    log.clear()
    job = build_definitions(load_project(Path("mathloom.toml"))).resolve_job_def("sums")
    said = {"recipe": "sums", "profile": "scripted", "role": "solver", "engine": "fragile"}
    with dg.DagsterInstance.ephemeral() as instance:
        job.execute_in_process(instance=instance, run_config={"resources": {"sums__solver": {"config": said}}})
    assert sum(line.startswith("ask") for line in log) == REQUESTS
    assert [usage.engine for usage in UsageLog(Path(".mathloom")).read()] == ["fragile", "fragile"]
    with RequestStore(Path(".mathloom")) as store:
        assert [usage.engine for usage in store.usage_by_weights()] == ["fragile"]
