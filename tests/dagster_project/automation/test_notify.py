"""Failures are told once, in one line without secrets; what cannot be told stops nothing and names no address."""

from __future__ import annotations

import dagster as dg
import pytest

from dagster_project.assembly import build_definitions
from dagster_project.automation import notify
from dagster_project.automation.notify import public_line, tell
from tests.dagster_project.automation.conftest import HOOK, NAME, SECRET, Chat, House, write_profile


@pytest.fixture
def said() -> list[str]:
    return []


def test_what_is_told(house: House, chat: Chat, said: list[str]) -> None:
    assert tell(house.recipe, "graded:\n  2 rows\tbroke", said.append, run_id="r1", stage="graded")
    assert chat.heard == [
        {
            "recipe": "sums",
            "profile": "scripted",
            "run_id": "r1",
            "stage": "graded",
            "error": "graded: 2 rows broke",
            "text": "sums (scripted), graded: graded: 2 rows broke",
            "path": f"/{SECRET}",
        }
    ]
    assert said == []


def test_no_secret_is_told(house: House, monkeypatch: pytest.MonkeyPatch, chat: Chat) -> None:
    role = {
        "engine": "server",
        "weights": "w",
        "served_name": "org/m",
        "base_url": "http://127.0.0.1:9",
        "api_key_env": "OUR_KEY",
    }
    write_profile(house.folder, roles={"solver": role})
    monkeypatch.setenv("OUR_KEY", "sk-verysecret")
    monkeypatch.setenv("HF_TOKEN", "hf_verysecret")
    error = f"sk-verysecret and hf_verysecret and {chat.address} and https://me:pass@example.org/x " + "y" * 2000
    line = public_line(error, house.recipe)
    assert not any(word in line for word in ("verysecret", SECRET, "pass@"))
    assert "https://***@example.org/x" in line
    assert len(line) == notify.MAX_ERROR


@pytest.mark.parametrize(
    ("plan", "is_told", "words"),
    [
        ([500], True, ""),
        ([500, 503], False, "answers with status 503"),
        ([302, 302], False, "answers with status 302"),
        ([404, 404], False, "answers with status 404"),
    ],
)
def test_one_retry(house: House, chat: Chat, said: list[str], plan: list[int], is_told: bool, words: str) -> None:
    chat.plan = plan
    assert tell(house.recipe, "no", said.append) is is_told
    assert len(chat.heard) == is_told
    assert chat.plan == []
    check_said(said, words)


def check_said(said: list[str], words: str) -> None:
    assert len(said) == bool(words)
    for line in said:
        assert words in line
        assert HOOK in line
        assert SECRET not in line
        assert "127.0.0.1" not in line
        assert "\n" not in line


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("", "holds no http address"),
        (f"file:///{SECRET}", "holds no http address"),
        (f"http://127.0.0.1:1/{SECRET}", "cannot be reached (ConnectionRefusedError)"),
        (f"http://[broken/{SECRET}", "cannot be reached (ValueError)"),
        (f"http://127.0.0.1:x/{SECRET}", "cannot be reached"),
        (f"http:/{SECRET}", "holds no http address"),
    ],
)
def test_an_address_that_does_not_work_raises_nothing(
    house: House, said: list[str], monkeypatch: pytest.MonkeyPatch, address: str, words: str
) -> None:
    monkeypatch.setenv(HOOK, address)
    assert not tell(house.recipe, "no", said.append)
    check_said(said, words)


def test_a_recipe_without_a_hook_tells_nobody(house: House, chat: Chat, said: list[str]) -> None:
    write_profile(house.folder, schedule={"cron": "0 3 * * *"})
    assert not tell(house.recipe, "no", said.append)
    assert (chat.heard, said) == ([], [])
    assert notify.failure_sensors([house.recipe]) == []


def test_a_failed_run_is_told_with_its_stage_and_why(house: House, chat: Chat, instance: dg.DagsterInstance) -> None:
    house.edit("recipe.yaml", "row_count_between: {min: 1}", "row_count_between: {min: 1000}")
    result = house.run(instance)
    assert not result.success
    definitions = build_definitions(house.project)
    sensor = definitions.get_repository_def().get_sensor_def("mathloom_failures")
    context = dg.build_run_status_sensor_context(
        sensor_name=sensor.name,
        dagster_instance=instance,
        dagster_run=result.dagster_run,
        dagster_event=result.get_run_failure_event(),
    ).for_run_failure()
    sensor(context)
    (heard,) = chat.heard
    assert (heard["recipe"], heard["stage"], heard["run_id"]) == (NAME, "graded", result.run_id)
    assert "row_count_between" in heard["error"]
    assert heard["text"].startswith("sums (scripted), graded: sums/graded")


def test_a_run_that_died_before_its_stages_is_told_too(house: House, chat: Chat, instance: dg.DagsterInstance) -> None:
    run = instance.create_run_for_job(
        build_definitions(house.project).resolve_job_def(NAME), tags={"mathloom/environment": "sums/scripted"}
    )
    other = instance.create_run_for_job(
        build_definitions(house.project).resolve_job_def(NAME), tags={"mathloom/environment": "sums/other"}
    )
    (sensor,) = notify.failure_sensors([house.recipe])
    for each in (run, other):
        event = instance.report_run_failed(each, "the process\ndied")
        sensor(
            dg.build_run_status_sensor_context(
                sensor_name=sensor.name, dagster_instance=instance, dagster_run=each, dagster_event=event
            ).for_run_failure()
        )
    (heard,) = chat.heard
    assert (heard["run_id"], heard["stage"]) == (run.run_id, None)
    assert "the process died" in heard["error"]
