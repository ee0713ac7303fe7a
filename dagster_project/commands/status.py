"""``mathloom status``: which stages are up to date, and why the others are not."""

from __future__ import annotations

import click
from rich.table import Table

from dagster_project.automation.words import automation_lines
from dagster_project.commands.common import project_of, recipe_of, workspace_of
from dagster_project.console import out, talk

_WORDS = {
    "current": "up to date",
    "unchecked": "checks to run",
    "stored": "in the store, not promoted",
    "changed": "to build",
    "retry": "failed requests to ask again",
    "unknown": "waits for a stage above",
}


@click.command()
@click.argument("recipe", required=False)
@click.option("--profile", help="Profile to look at.")
def status(recipe: str | None, profile: str | None) -> None:
    """Say for every stage of RECIPE whether it is up to date, and what changed if it is not."""
    from dagster_project.running.fingerprint import try_states, why_changed

    project = project_of(profile, recipe)
    chosen = recipe_of(project, recipe)
    with workspace_of(chosen, project) as workspace:
        found, error = try_states(workspace)
        table = Table(box=None, header_style="bold")
        for name in ("stage", "state", "rows", "version", "why"):
            table.add_column(name, justify="right" if name == "rows" else "left")
        for name, state in found.items():
            entry = workspace.environment.stages.get(name)
            rows = f"{workspace.store.version(entry.kind, entry.version).row_count():,}" if entry else ""
            why = why_changed(workspace, name) if state == "changed" else ""
            table.add_row(name, _WORDS[state], rows, entry.version[:12] if entry else "", why)
    out().print(table)
    for line in automation_lines(chosen):
        out().print(line, markup=False, soft_wrap=True)
    if error is not None:
        talk().print(f"error: {error}", markup=False, soft_wrap=True)
        raise click.exceptions.Exit(2)
