"""Dagster's real daemon, as `mathloom ui` starts it: a night, a changed source, runs that wait for each other."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from resources.store import Environment
from resources.usage import UsageLog
from tests.dagster_project.automation.conftest import HOOK, NAME, Chat, House, write_profile
from tests.dagster_project.test_webserver import LAUNCH, Server, free_port, wait_for

pytestmark = pytest.mark.soak

SELECTOR = {"repositoryLocationName": NAME, "repositoryName": "__repository__"}
INSTIGATORS = """
query($selector: RepositorySelector!) {
  schedulesOrError(repositorySelector: $selector) { ... on Schedules { results {
    name scheduleState { id selectorId status ticks(limit: 9) { status skipReason runIds error { message } } }
  } } }
  sensorsOrError(repositorySelector: $selector) { ... on Sensors { results {
    name sensorType sensorState { status ticks(limit: 9) { status skipReason runIds error { message } } }
  } } }
}
"""
RUNS = """
{ runsOrError { ... on Runs { results { runId status startTime endTime tags { key value } } } } }
"""
STOP = "mutation($id: String!) { stopRunningSchedule(id: $id) { __typename } }"


class Ui(Server):
    """`mathloom ui` on a project."""

    def instigators(self) -> dict[str, dict[str, Any]]:
        found = self.ask(INSTIGATORS, selector=SELECTOR)
        both = [*found["schedulesOrError"]["results"], *found["sensorsOrError"]["results"]]
        return {each["name"]: each.get("scheduleState") or each["sensorState"] for each in both}

    def ticks(self, name: str) -> list[dict[str, Any]]:
        ticks = self.instigators()[name]["ticks"]
        assert not [tick["error"] for tick in ticks if tick["error"]]
        return [tick for tick in ticks if tick["status"] != "STARTED"]

    def runs(self) -> list[dict[str, Any]]:
        """Runs that came through the queue, oldest first."""
        found = self.ask(RUNS)["runsOrError"]["results"]
        return [{**run, "tags": {t["key"]: t["value"] for t in run["tags"]}} for run in reversed(found)]


@pytest.fixture
def minutely(house: House) -> House:
    every_minute = {"cron": "* * * * *", "watch_minutes": 1, "automate": True, "notify_env": HOOK}
    write_profile(house.folder, schedule=every_minute)
    house.build()
    return house


@pytest.fixture
def ui(minutely: House, chat: Chat) -> Iterator[Ui]:
    port = free_port()
    command = [sys.executable, "-m", "dagster_project.cli", "ui", "--port", str(port)]
    with (minutely.folder / "webserver.log").open("w") as log:
        process = subprocess.Popen(command, cwd=minutely.folder, stdout=log, stderr=log, start_new_session=True)
        found = Ui(port)
        try:
            wait_for(found.runs, process, minutely.folder)
            yield found
        finally:
            os.killpg(process.pid, signal.SIGINT)
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)


def eventually(what: Callable[[], Any], seconds: float = 180) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < deadline, what
        time.sleep(1)
    return found


def test_nights_changed_sources_runs_at_once_and_failures(minutely: House, chat: Chat, ui: Ui) -> None:
    before, spent = ui.runs(), list(UsageLog(minutely.store).read())
    assert {name: each["status"] for name, each in ui.instigators().items()} == {
        "sums__scripted__schedule": "RUNNING",
        "sums__scripted__sources": "RUNNING",
        "sums__scripted__inputs": "RUNNING",
        "mathloom_failures": "RUNNING",
    }

    # A scheduled build of what is up to date: no run, and no engine.
    (night, *_) = eventually(lambda: ui.ticks("sums__scripted__schedule"))
    assert (night["status"], night["runIds"]) == ("SKIPPED", [])
    assert night["skipReason"].endswith("all 14 stages are up to date. No engine was started.")
    eventually(lambda: ui.ticks("sums__scripted__sources"))
    eventually(lambda: ui.ticks("sums__scripted__inputs"))
    assert ui.runs() == before
    assert list(UsageLog(minutely.store).read()) == spent

    # A source that changes: one run, a new version, and only the new problem is asked.
    schedule = ui.instigators()["sums__scripted__schedule"]
    stopped = ui.ask(STOP, id=schedule["id"])["stopRunningSchedule"]["__typename"]
    assert stopped == "ScheduleStateResult", stopped
    was = Environment.load(minutely.store, NAME, "scripted").stages
    row = {"problem": "A crate holds 31 pears and 12 plums. How many fruits are there?", "expected_answer": "43"}
    with (minutely.folder / "seeds.jsonl").open("a") as file:
        file.write(json.dumps(row) + "\n")
    (run,) = eventually(lambda: [r for r in new_runs(ui, before) if r["status"] in ("SUCCESS", "FAILURE")])
    assert (run["status"], run["tags"]["mathloom/started_by"]) == ("SUCCESS", "sources")
    now = Environment.load(minutely.store, NAME, "scripted").stages
    assert now["release"].version != was["release"].version
    used = list(UsageLog(minutely.store).read())[len(spent) :]
    assert sum(usage.completions for usage in used) == 4

    # Two builds of one recipe at once: the second waits in the queue.
    job = {**SELECTOR, "jobName": NAME}
    for _ in range(2):
        launched = ui.ask(LAUNCH, params={"selector": job, "runConfigData": {}, "mode": "default"})
        assert launched["launchPipelineExecution"]["__typename"] == "LaunchRunSuccess", launched
    known = [*before, run]
    first, second = eventually(
        lambda: both if len(both := [r for r in new_runs(ui, known) if r["endTime"]]) == 2 else None
    )
    assert {first["status"], second["status"]} == {"SUCCESS"}
    assert first["endTime"] <= second["startTime"]

    # A build that fails: the address hears why, from the process that looks at failed runs.
    minutely.edit("recipe.yaml", "row_count_between: {min: 1}", "row_count_between: {min: 1000}")
    ui.ask(LAUNCH, params={"selector": job, "runConfigData": {}, "mode": "default"})
    (heard,) = eventually(lambda: chat.heard)
    assert (heard["recipe"], heard["stage"]) == (NAME, "graded")
    assert "row_count_between" in heard["error"]


def new_runs(ui: Ui, known: list[dict[str, Any]]) -> list[dict[str, Any]]:
    ids = {run["runId"] for run in known}
    return sorted((run for run in ui.runs() if run["runId"] not in ids), key=lambda run: run["startTime"] or 0)
