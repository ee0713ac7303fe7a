"""``mathloom ui``: the Dagster UI on this project, with the same instance that ``mathloom build`` writes into."""

from __future__ import annotations

import os
import sys

import click

from dagster_project.commands.common import project_of
from dagster_project.language.resolved import Project


@click.command()
@click.option("--port", default=3000, show_default=True, help="Port on the loopback interface.")
@click.option("--profile", help="Profile of all recipes in this UI.")
def ui(port: int, profile: str | None) -> None:
    """Open the Dagster UI: graph, runs, checks, metadata. Stop it with Ctrl-C."""
    from dagster_project.dagster_home import dagster_home

    project = project_of(profile)
    _end_dead_runs(project)
    environment = {
        **os.environ,
        "DAGSTER_HOME": str(dagster_home(project.store).resolve()),
        "MATHLOOM_PROJECT": str(project.file),
        **({"MATHLOOM_PROFILE": profile} if profile else {}),
    }
    click.echo(f"mathloom UI: http://127.0.0.1:{port}", err=True)
    command = [sys.executable, "-m", "dagster", "dev", "-h", "127.0.0.1", "-p", str(port)]
    workspace = project.file.parent / "workspace.yaml"
    command += ["-w", str(workspace)] if workspace.exists() else ["-m", "dagster_project.definitions"]
    os.chdir(project.file.parent)
    os.execve(sys.executable, command, environment)  # noqa: S606 - replaces this process: Ctrl-C reaches Dagster


def _end_dead_runs(project: Project) -> None:
    """A build that was killed must not keep the others in the queue."""
    from dagster_project.automation.dead_runs import end_dead_runs
    from dagster_project.dagster_home import instance_errors, open_instance

    with instance_errors(project.store), open_instance(project.store) as instance:
        end_dead_runs(instance, project.recipes.values(), project.store)
