"""What a profile lets happen by itself, in words, for the command line. Loads no Dagster."""

from __future__ import annotations

from dagster_project.language.resolved import Publishing, Recipe, Schedule


def automation_lines(recipe: Recipe) -> list[str]:
    """A line on the schedule and one on releases; none where the profile says nothing of it."""
    lines = []
    if said := schedule_words(recipe.schedule):
        lines.append(f"Schedule: {said} (while `mathloom ui` or Dagster's daemon runs)")
    if recipe.publishing is not None:
        lines.append(f"Releases: {_place(recipe.publishing)}")
    return lines


def schedule_words(schedule: Schedule) -> str:
    """What is done without being asked; empty: nothing."""
    words = []
    if schedule.cron is not None:
        end = ", ends in a release" if schedule.publishes else ""
        words.append(f"built at {schedule.cron} {schedule.timezone}{end}")
    if schedule.watch_minutes is not None:
        unit = "minute" if schedule.watch_minutes == 1 else f"{schedule.watch_minutes} minutes"
        words.append(f"sources watched every {unit}")
    if schedule.automates:
        words.append("stages that ask no model follow their inputs")
    if schedule.notify_env is not None:
        words.append(f"failures told to ${schedule.notify_env}")
    return "; ".join(words)


def _place(publishing: Publishing) -> str:
    if publishing.folder is not None:
        return str(publishing.folder)
    return f"{publishing.repository}{' as a pull request' if publishing.is_pull_request else ''}"
