"""A project with everything in its schedule, built once; and ticks of its schedule and sensor without a clock."""

from __future__ import annotations

import datetime
import json
import os
import shutil
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from dagster_project.assembly import build_definitions
from dagster_project.cli import main
from dagster_project.dagster_home import open_instance
from dagster_project.language.load import load_project
from dagster_project.language.resolved import Project, Recipe

NAME = "sums"
HOOK = "SUMS_HOOK"
SECRET = "T0PSECRETPATH"
SCHEDULE = {
    "cron": "0 3 * * *",
    "timezone": "Europe/Berlin",
    "watch_minutes": 5,
    "automate": True,
    "notify_env": HOOK,
}


def command(folder: Path, *arguments: str) -> None:
    before = Path.cwd()
    os.chdir(folder)
    try:
        assert main(arguments) == 0
    finally:
        os.chdir(before)


def write_profile(folder: Path, **words: Any) -> None:
    said = {"profile": "scripted", "roles": {"solver": {"engine": "scripted"}}, "schedule": SCHEDULE, **words}
    (folder / "profiles/scripted.yaml").write_text(json.dumps(said))  # JSON is YAML


@dataclass(frozen=True)
class House:
    """A project that a test may change."""

    folder: Path

    @property
    def project(self) -> Project:
        return load_project(self.folder / "mathloom.toml")

    @property
    def recipe(self) -> Recipe:
        return self.project.recipes[NAME]

    @property
    def store(self) -> Path:
        return self.project.store

    def edit(self, name: str, old: str, new: str) -> None:
        text = (self.folder / name).read_text(encoding="utf-8")
        assert old in text, (name, old)
        (self.folder / name).write_text(text.replace(old, new), encoding="utf-8")

    def build(self, *arguments: str) -> None:
        command(self.folder, "build", *arguments)

    def tick(self, schedule: dg.ScheduleDefinition, instance: dg.DagsterInstance) -> Any:
        at = datetime.datetime(2026, 11, 21, 2, tzinfo=datetime.UTC)
        return schedule.evaluate_tick(dg.build_schedule_context(instance, scheduled_execution_time=at))

    def look(self, sensor: dg.SensorDefinition, instance: dg.DagsterInstance, cursor: str | None = None) -> Any:
        return sensor.evaluate_tick(dg.build_sensor_context(instance=instance, cursor=cursor))

    def run(
        self,
        instance: dg.DagsterInstance,
        keys: Sequence[dg.AssetKey] | None = None,
        *,
        job: str = NAME,
        config: Mapping[str, Any] | None = None,
        **tags: str,
    ) -> dg.ExecuteInProcessResult:
        return (
            build_definitions(self.project)
            .resolve_job_def(job)
            .execute_in_process(
                instance=instance,
                asset_selection=keys,
                raise_on_error=False,
                tags={name.replace("__", "/"): value for name, value in tags.items()},
                run_config={**(config or {}), "loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
            )
        )

    def obey(
        self, instance: dg.DagsterInstance, schedule: dg.ScheduleDefinition, request: dg.RunRequest
    ) -> dg.ExecuteInProcessResult:
        """Run what a tick of ``schedule`` asked for."""
        return self.run(
            instance, request.asset_selection, job=schedule.job_name, config=request.run_config, **request.tags
        )


def stages_of(request: dg.RunRequest) -> set[str]:
    return {key.path[-1] for key in request.asset_selection or ()}


@pytest.fixture(scope="session")
def built_house(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Only to be copied."""
    folder = tmp_path_factory.mktemp("scheduled") / NAME
    command(folder.parent, "init", str(folder))
    write_profile(folder)
    command(folder, "build")
    return folder


@pytest.fixture
def house(built_house: Path, tmp_path: Path) -> House:
    shutil.copytree(built_house, tmp_path / NAME, symlinks=True)
    house = House(tmp_path / NAME)
    _age(house.folder / "seeds.jsonl")  # a file that has just been written is looked at in the next tick only
    return house


@pytest.fixture
def instance(house: House) -> Iterator[dg.DagsterInstance]:
    """The project's own: what the UI shows."""
    with open_instance(house.store) as found:
        yield found


@pytest.fixture
def old() -> Callable[[Path], None]:
    """Let a file have been written a minute ago."""
    return _age


def _age(path: Path) -> None:
    stat = path.stat()
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns - 60_000_000_000))


class Chat(ThreadingHTTPServer):
    """A chat service that keeps what it is told, and answers with the statuses of ``plan`` (then 200)."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.heard: list[dict[str, Any]] = []
        self.plan: list[int] = []

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/{SECRET}"


class _Handler(BaseHTTPRequestHandler):
    server: Chat  # pyright: ignore[reportIncompatibleVariableOverride] - no other makes these handlers

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        status = self.server.plan.pop(0) if self.server.plan else 200
        if status == 200:
            self.server.heard.append({**json.loads(body), "path": self.path})
        self.send_response(status)
        if status == 302:
            self.send_header("Location", f"{self.server.address}/elsewhere")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def chat(monkeypatch: pytest.MonkeyPatch) -> Iterator[Chat]:
    with Chat() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        monkeypatch.setenv(HOOK, server.address)
        yield server
        server.shutdown()
        thread.join()
