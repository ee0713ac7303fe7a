"""Cron strings and time zones."""

from __future__ import annotations

import pytest

from dagster_project.language.times import is_cron, is_timezone


@pytest.mark.parametrize("text", ["0 3 * * *", "*/15 * * * 1-5", "0,30 8-18/2 1 1,7 0", "59 23 31 12 7"])
def test_times(text: str) -> None:
    assert is_cron(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0 3 * *",
        "60 3 * * *",
        "0 24 * * *",
        "0 3 0 * *",
        "5-1 * * * *",
        "*/0 * * * *",
        "@daily",
        "a b c d e",
        "1/2 * * * *",
    ],
)
def test_what_is_no_time(text: str) -> None:
    assert not is_cron(text)


def test_dagster_reads_what_passes() -> None:
    import dagster as dg

    for text in ("0 3 * * *", "*/15 * * * 1-5", "0,30 8-18/2 1 1,7 0"):
        dg.ScheduleDefinition(name="night", target="*", cron_schedule=text)


def test_time_zones() -> None:
    assert is_timezone("Europe/Berlin")
    assert is_timezone("UTC")
    assert not is_timezone("Mars/Olympus")
    assert not is_timezone("../etc/passwd")
