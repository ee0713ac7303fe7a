"""Which engines stay loaded side by side, and which take turns."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from dagster_project.language.resolved import Place, Role
from dagster_project.running import roles as module
from dagster_project.running.roles import Roles


@dataclass
class Recorded:
    log: list[str]
    name: str
    holds_device: bool = True
    loaded: bool = field(default=False)

    def check(self) -> None:
        pass

    def start(self) -> None:
        if not self.loaded:
            self.log.append(f"+{self.name}")
        self.loaded = True

    def stop(self) -> None:
        self.log.append(f"-{self.name}")
        self.loaded = False


@dataclass
class FakeRecipe:
    roles: dict[str, Role]
    root: Path = Path()


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    found: list[str] = []

    def make(_engine: str, options: Any, *_rest: object) -> Recorded:
        return Recorded(found, options["model"], holds_device=not options.get("is_remote"))

    monkeypatch.setattr(module, "make_engine", make)
    return found


def roles(**devices: Any) -> Roles:
    said = {
        name: Role(name, Place(Path("p.yaml"), 1), "scripted", {"model": name, **options}, devices=tuple(on))
        for name, (on, options) in devices.items()
    }
    return Roles(FakeRecipe(said), Path())  # type: ignore[arg-type]


def test_engines_on_other_devices_stay_loaded(log: list[str]) -> None:
    both = roles(teacher=(["0", "1"], {}), judge=(["2"], {}))
    for role in ("teacher", "judge", "teacher", "judge"):
        both.started(role)
    assert log == ["+teacher", "+judge"]
    both.stop()
    assert sorted(log[2:]) == ["-judge", "-teacher"]


def test_engines_on_a_common_device_take_turns(log: list[str]) -> None:
    both = roles(teacher=(["0", "1"], {}), judge=(["1"], {}))
    for role in ("teacher", "judge", "judge", "teacher"):
        both.started(role)
    assert log == ["+teacher", "-teacher", "+judge", "-judge", "+teacher"]


def test_an_engine_that_names_no_device_may_fill_all(log: list[str]) -> None:
    both = roles(teacher=(["0"], {}), judge=([], {}))
    both.started("teacher")
    both.started("judge")
    both.started("teacher")
    assert log == ["+teacher", "-teacher", "+judge", "-judge", "+teacher"]


def test_a_server_elsewhere_disturbs_nobody(log: list[str]) -> None:
    both = roles(teacher=([], {}), judge=([], {"is_remote": True}))
    for role in ("teacher", "judge", "teacher"):
        both.started(role)
    assert log == ["+teacher", "+judge"]


def test_what_a_launch_says_goes_before_the_profile(log: list[str]) -> None:
    one = roles(teacher=([], {}))
    one.configure("teacher", "scripted", {"model": "other"}, {"KEY": "secret"})
    one.started("teacher")
    assert log == ["+other"]
