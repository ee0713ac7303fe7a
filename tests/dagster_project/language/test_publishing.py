"""Where releases go, when, and what the gate is told to accept: as profiles and recipes say it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from dagster_project.language.resolved import Recipe, Schedule
from resources.errors import RecipeError

Load = Callable[..., Recipe]
PROFILE = "demo/profiles/local.yaml"
RECIPE = "demo/recipe.yaml"


def with_words(load: Load, words: str) -> Recipe:
    return load((PROFILE, "roles:\n", f"{words}\nroles:\n"))


def test_nothing_is_published_or_scheduled_unasked(load: Load) -> None:
    recipe = load()
    assert recipe.publishing is None
    assert recipe.schedule == Schedule()
    assert (recipe.schedule.cron, recipe.schedule.watch_minutes, recipe.schedule.automates) == (None, None, False)


def test_a_repository_of_the_hub(load: Load) -> None:
    publishing = with_words(load, "publish: {repository: lab/set, pull_request: true}").publishing
    assert publishing is not None
    assert (publishing.repository, publishing.folder, publishing.is_pull_request) == ("lab/set", None, True)
    assert publishing.place.line == 2


def test_a_folder_is_relative_to_the_project(load: Load) -> None:
    recipe = with_words(load, "publish: {folder: out/set}")
    assert recipe.publishing is not None
    assert recipe.publishing.folder == recipe.root / "out" / "set"


def test_a_schedule(load: Load) -> None:
    words = (
        "schedule: {cron: '0 3 * * *', timezone: Europe/Berlin, publish: true, watch_minutes: 5, automate: true, "
        "notify_env: HOOK}"
    )
    assert with_words(load, words).schedule == Schedule("0 3 * * *", "Europe/Berlin", True, 5, True, "HOOK")


def test_a_profile_over_another_changes_single_words_of_the_schedule_and_the_whole_place(load: Load) -> None:
    nightly = "profile: nightly\nextends: local\npublish: {folder: out}\nschedule: {timezone: Asia/Tokyo}\n"
    recipe = load(
        (
            PROFILE,
            "roles:\n",
            "publish: {repository: lab/set, pull_request: true}\nschedule: {cron: 0 3 * * *}\nroles:\n",
        ),
        profile="nightly",
        **{"demo/profiles/nightly.yaml": nightly},
    )
    assert recipe.publishing is not None
    assert (recipe.publishing.repository, recipe.publishing.is_pull_request) == (None, False)
    assert (recipe.schedule.cron, recipe.schedule.timezone) == ("0 3 * * *", "Asia/Tokyo")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("publish: {}", "needs either `repository` (on the Hub) or `folder`"),
        ("publish: {repository: lab/set, folder: out}", "needs either `repository` (on the Hub) or `folder`"),
        ("publish: {folder: out, pull_request: true}", "`pull_request` belongs to `repository`"),
        ("publish: {repository: set}", "repository"),
        ("publish: {folder: ~nobody-has-this-name/x}", "names a home folder that nobody has"),
        ("schedule: {cron: every night}", "'every night' is no cron time"),
        ("schedule: {cron: 0 25 * * *}", "is no cron time"),
        ("schedule: {timezone: Mars/Olympus}", "unknown time zone 'Mars/Olympus'"),
        ("schedule: {publish: true}", "`publish` of the schedule needs a time"),
        ("schedule: {watch_minutes: 0}", "watch_minutes"),
        ("schedule: {notify_env: 'https://hooks.example/secret'}", "notify_env"),
        ("schedule: {crons: 0 3 * * *}", "unknown key 'crons'. Write 'cron'"),
    ],
)
def test_what_is_wrong(load: Load, words: str, said: str) -> None:
    with pytest.raises(RecipeError) as error:
        with_words(load, words)
    assert said in str(error.value)
    assert "local.yaml:2" in str(error.value)


def test_the_licence_of_a_model(load: Load) -> None:
    recipe = load((PROFILE, "size: 3}", "size: 3, licence: apache-2.0}"))
    assert recipe.roles["teacher"].licence == "apache-2.0"
    assert recipe.roles["teacher"].options == {"size": 3}


def test_what_the_gate_accepts_is_a_word_of_the_release(load: Load) -> None:
    recipe = load((RECIPE, "  licence: MIT\n  mode", "  licence: MIT\n  accept: {licence: the owner agreed}\n  mode"))
    assert recipe.release["accept"] == {"licence": "the owner agreed"}


@pytest.mark.parametrize("words", ["{everything: because I say so}", "{licence: ok}", "[licence]"])
def test_what_the_gate_cannot_accept(load: Load, words: str) -> None:
    with pytest.raises(RecipeError) as error:
        load((RECIPE, "  licence: MIT\n  mode", f"  licence: MIT\n  accept: {words}\n  mode"))
    assert "recipe.yaml:38" in str(error.value)
