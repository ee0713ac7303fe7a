"""What the command line says of a schedule."""

from __future__ import annotations

from pathlib import Path

import pytest

from dagster_project.automation.words import automation_lines, schedule_words
from dagster_project.language.resolved import Schedule
from tests.dagster_project.automation.conftest import House, command, write_profile


def test_nothing_declared_nothing_said() -> None:
    assert schedule_words(Schedule()) == ""


def test_all_of_it() -> None:
    schedule = Schedule("0 3 * * *", "Europe/Berlin", True, 30, True, "HOOK")
    assert schedule_words(schedule) == (
        "built at 0 3 * * * Europe/Berlin, ends in a release; sources watched every 30 minutes; stages that ask no "
        "model follow their inputs; failures told to $HOOK"
    )
    assert schedule_words(Schedule(watch_minutes=1)) == "sources watched every minute"


@pytest.mark.parametrize("verb", ["ls", "status"])
def test_ls_and_status_say_it(house: House, verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    write_profile(
        house.folder,
        publish={"repository": "org/sums", "pull_request": True},
        schedule={"cron": "0 3 * * *"},
    )
    command(house.folder, verb, "sums")
    shown = capsys.readouterr().out
    assert "Schedule: built at 0 3 * * * UTC (while `mathloom ui` or Dagster's daemon runs)" in shown
    assert "Releases: org/sums as a pull request" in shown


def test_a_folder_of_releases_is_named(house: House, tmp_path: Path) -> None:
    write_profile(house.folder, publish={"folder": str(tmp_path / "out")}, schedule={})
    assert automation_lines(house.recipe) == [f"Releases: {tmp_path / 'out'}"]
