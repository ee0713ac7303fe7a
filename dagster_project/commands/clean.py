"""``mathloom clean``: remove versions that no environment and no release names. Completions stay."""

from __future__ import annotations

import click

from dagster_project.commands.common import project_of
from dagster_project.console import out


@click.command()
@click.option(
    "--releases",
    type=click.IntRange(0),
    metavar="N",
    help="Keep what the newest N releases of each recipe and profile were made from (default: all releases).",
)
@click.option("--dry-run", is_flag=True, help="Only say what would be removed.")
def clean(releases: int | None, dry_run: bool) -> None:
    """Remove old versions from the store. What an environment or a release names stays, and every completion."""
    from resources.store import Store
    from resources.store.cleaning import clean as clean_store

    store = Store(project_of().store)
    gone = clean_store(store, releases=releases, is_dry_run=dry_run)
    word = "would remove" if dry_run else "removed"
    out().print(
        f"{word} {gone.versions} version(s), {gone.fingerprints} fingerprint(s), {gone.staging} unfinished build(s): "
        f"{gone.bytes / 1e6:,.1f} MB. Completions are untouched.",
        markup=False,
    )
