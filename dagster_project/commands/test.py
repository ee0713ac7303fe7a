"""``mathloom test``: unit tests of the SQL files, then every check again on the versions that the environment has."""

from __future__ import annotations

import click

from dagster_project.commands.common import project_of, recipe_of, workspace_of
from dagster_project.console import out


@click.command()
@click.argument("recipe", required=False)
@click.option("--profile", help="Profile whose versions are checked.")
def test(recipe: str | None, profile: str | None) -> None:
    """Run the unit tests of the SQL kinds of RECIPE, and all its checks on what is built. Asks no model."""
    from dagster_project.running.checking import check_version
    from dagster_project.sqlfiles.kind import SqlKind
    from dagster_project.sqlfiles.unit_tests import run_unit_tests

    project = project_of(profile, recipe)
    chosen = recipe_of(project, recipe)
    console = out()
    passed = failed = 0
    for kind in {s.kind.name: s.kind for s in chosen.stages.values() if isinstance(s.kind, SqlKind)}.values():
        for result in run_unit_tests(kind):
            passed, failed = passed + result.passed, failed + (not result.passed)
            console.print(f"{'pass' if result.passed else 'FAIL'}  {kind.name}: {result.name}", markup=False)
            if not result.passed:
                console.print(result.diff, markup=False)
    with workspace_of(chosen, project) as workspace:
        for stage in chosen.stages.values():
            entry = workspace.environment.stages.get(stage.name)
            if entry is None or not stage.checks:
                continue
            version = workspace.store.version(entry.kind, entry.version)
            for result in check_version(workspace, stage, version, again=True)[1:]:
                bad = not result.passed and result.blocking
                passed, failed = passed + (not bad), failed + bad
                word = "pass" if result.passed else ("FAIL" if bad else "warn")
                console.print(f"{word}  {stage.name}: {result.name} ({result.description})", markup=False)
    console.print(f"{passed} passed, {failed} failed")
    if failed:
        raise click.exceptions.Exit(1)
