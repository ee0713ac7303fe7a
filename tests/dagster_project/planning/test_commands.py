"""`mathloom plan`, and what `mathloom build` does with the plan: says it, holds limits, looks at engines, asks."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping
from pathlib import Path

import click
import dagster as dg
import pytest
from rich.console import Console

import dagster_project.commands.build as build_module
from dagster_project.dagster_home import open_instance
from dagster_project.terminal.words import amount
from resources.engines.scripted.engine import ScriptedEngine
from resources.errors import EngineError

Command = Callable[..., tuple[int, str, str]]
Edit = Callable[[Path, str, str], None]

PRICED = """{engine: scripted, tokens_per_second: 10, price: {per_gpu_hour: 36, gpus: 2, currency: EUR,
    source: a contract, date: 2026-01-02}}"""


@pytest.fixture
def priced(half: Path, edit: Edit) -> Path:
    """32 requests of at most 120 tokens at 10 tokens a second, at 0.02 EUR a second: at most 384 s and 7.68 EUR."""
    edit(half / "profiles" / "scripted.yaml", "{engine: scripted}", PRICED)
    return half


def test_plan_prints_a_table_within_120_columns(priced: Path, command: Command) -> None:
    code, said, talk = command(priced, "plan")
    assert (code, talk) == (0, "")
    assert max(len(line) for line in said.splitlines()) <= 120
    assert "sums (scripted): 11 stage(s) to build, 3 to stay as they are" in said
    [line] = [line for line in said.splitlines() if line.startswith("solutions")]
    hours = amount(384 * 2 / 3600)
    assert " ".join(line.split()) == f"solutions = 8 = 32 2,827-5,088 <= 3,840 <= 6m24s <= {hours} <= 7.68 EUR"
    assert "price: 36 EUR per GPU-hour, 2 GPU(s) (a contract, 2026-01-02)" in said
    assert "time: declared: 10 tokens/s" in said
    assert f"In all: = 32 request(s) to do, <= 6m24s, <= {hours} GPU-hours, <= 7.68 EUR." in said


def test_plan_as_json(priced: Path, command: Command) -> None:
    code, said, _ = command(priced, "plan", "--json", "--select", "solutions")
    found = json.loads(said)
    assert code == 0
    assert [change["stage"] for change in found["stages"]] == ["solutions"]
    assert found["generation"][0]["to_do"] == {"low": 32, "high": 32, "basis": "known", "source": ""}
    assert found["total"]["cost"]["EUR"]["high"] == pytest.approx(7.68)
    assert said == command(priced, "plan", "--json", "--select", "solutions")[1]


def test_plan_warns_and_build_refuses(priced: Path, command: Command, edit: Edit) -> None:
    profile = priced / "profiles" / "scripted.yaml"
    profile.write_text(profile.read_text() + "limits: {max_cost: 2, currency: EUR}\n")
    code, said, _ = command(priced, "plan")
    assert code == 0
    assert "limit max_cost = 2 EUR: may exceed" in said
    edit(profile, "per_gpu_hour: 36, gpus: 2,", "per_million_prompt_tokens: 1000000, per_million_completion_tokens: 1,")
    said = command(priced, "plan")[1]
    assert "limit max_cost = 2 EUR: exceeds" in said
    code, _, talk = command(priced, "build")
    assert code == 1
    assert "error: sums (scripted): the plan needs at least 2,826.67 EUR, and the limit max_cost is 2." in talk
    assert "solutions" not in json.loads((priced / ".mathloom/envs/sums/scripted.json").read_text())["stages"]


def test_build_takes_narrower_limits(priced: Path, command: Command, edit: Edit) -> None:
    edit(
        priced / "profiles" / "scripted.yaml",
        "per_gpu_hour: 36, gpus: 2,",
        "per_million_prompt_tokens: 1000000, per_million_completion_tokens: 1,",
    )
    code, _, talk = command(priced, "build", "--max-cost", "3")
    assert code == 1
    assert "the limit max_cost is 3" in talk
    assert "limit max_cost = 3 EUR: exceeds" in talk


def test_build_says_its_plan_first_and_asks_nobody_without_a_terminal(priced: Path, command: Command) -> None:
    code, _, talk = command(priced, "build", "--select", "solutions")
    assert code == 0
    lines = talk.splitlines()
    assert lines[0].split()[:2] == ["stage", "rows"]
    assert lines[1].startswith("solutions")
    assert lines[2].startswith("In all: = 32 request(s) to do")


def test_an_engine_that_cannot_start_is_an_error_before_any_work(
    deep: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: ScriptedEngine) -> None:
        raise EngineError("the server does not answer", where="profile:3", fix="Start it")

    monkeypatch.setattr(ScriptedEngine, "check", refuse)
    code, _, talk = command(deep, "build")
    assert code == 1
    assert "error: profile:3: the server does not answer. Start it" in talk
    assert not (deep / ".mathloom" / "envs" / "sums" / "scripted.json").exists()
    assert command(deep, "build", "--select", "problems")[0] == 0, "a stage that asks nothing needs no engine"


def test_an_engine_is_not_looked_at_when_all_is_stored(
    project: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(self: ScriptedEngine) -> None:
        pytest.fail("nothing is asked of this engine")

    monkeypatch.setattr(ScriptedEngine, "check", fail)
    monkeypatch.setattr(ScriptedEngine, "start", fail)
    assert command(project, "build", "--force", "--select", "solutions")[0] == 0


def test_devices_that_cannot_fit_stop_plan_and_build(fresh: Path, command: Command, edit: Edit) -> None:
    edit(fresh / "profiles" / "scripted.yaml", "{engine: scripted}", "{engine: scripted, devices: [0, 0]}")
    for verb in ("plan", "build"):
        code, _, talk = command(fresh, verb)
        assert code == 2
        assert "scripted.yaml:4: the role 'solver' names the device '0' twice" in talk


@pytest.mark.parametrize(("answer", "arguments", "code"), [(False, (), 1), (True, (), 0), (None, ("--yes",), 0)])
def test_a_person_at_a_terminal_is_asked_before_money_is_spent(
    answer: bool | None,
    arguments: tuple[str, ...],
    code: int,
    priced: Path,
    command: Command,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[str] = []

    def confirm(text: str, **_: object) -> bool:
        asked.append(text)
        assert answer is not None
        return answer

    terminal = Console(file=io.StringIO(), force_terminal=True, width=120)
    monkeypatch.setattr(build_module, "talk", lambda: terminal)
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr(click, "confirm", confirm)
    assert command(priced, "build", "--select", "solutions", *arguments)[0] == code
    assert asked == ([] if arguments else ["Go on?"])
    is_built = "solutions" in json.loads((priced / ".mathloom/envs/sums/scripted.json").read_text())["stages"]
    assert is_built is (code == 0)


def test_a_recorded_plan_is_read_back_from_dagster(priced: Path, command: Command) -> None:
    code, _, talk = command(priced, "plan", "--record")
    assert code == 0
    assert "recorded: 1 observation(s)" in talk
    with open_instance(priced / ".mathloom") as instance:
        records = instance.fetch_observations(dg.AssetKey(["sums", "solutions"]), limit=5).records
    [record] = records
    event = record.asset_observation
    assert event is not None
    assert event.metadata["plan: requests to do"].value == 32
    assert event.metadata["plan: cost (EUR)"].value == pytest.approx(7.68)
    shown = event.metadata["plan"].value
    assert isinstance(shown, Mapping)
    assert json.loads(json.dumps(shown))["to_do"]["basis"] == "known"


def test_a_plan_with_nothing_to_ask_records_nothing(built: Path, command: Command) -> None:
    code, said, talk = command(built, "plan", "--record")
    assert (code, said.strip()) == (0, "sums (scripted): nothing to do, all 14 stages are up to date")
    assert "recorded: 0 observation(s)" in talk
