"""``mathloom requests``: what the request store holds, answers from files and to files, and what may go."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from dagster_project.commands.common import project_of, recipe_of, workspace_of
from dagster_project.console import out, talk

if TYPE_CHECKING:
    from dagster_project.completion_files.importing import Wishes
    from dagster_project.completion_files.rejects import Rejects
    from dagster_project.language.resolved import Stage
    from dagster_project.running.workspace import Workspace

_PROFILE = click.option("--profile", help="Profile (default: the one in mathloom.toml).")
_YES = click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
_JSON = click.option("--json", "as_json", is_flag=True, help="Figures as one JSON object.")


@click.group()
def requests() -> None:
    """The request store: what it holds, answers from files and to files, what may go."""


@requests.command("import")
@click.argument("recipe")
@click.argument("stage")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@_PROFILE
@click.option(
    "--match",
    default="auto",
    show_default=True,
    type=click.Choice(("auto", "key", "problem", "prompt", "position")),
    help="How a row finds its request.",
)
@click.option("--text", help="Column of the completion (default: by its name).")
@click.option("--problem", help="Column of the problem's text (default: by its name).")
@click.option("--sample-index", help="Column of the sample index, from 0 (default: file name, else order).")
@click.option("--first-sample", type=click.IntRange(0), help="Count samples from here, whatever file names say.")
@click.option("--samples", type=click.IntRange(1), help="Import only the first so many samples of each prompt.")
@click.option("--rejects", type=click.Path(path_type=Path, dir_okay=False), help="Write rows left out here (JSONL).")
@click.option("--dry-run", is_flag=True, help="Say what would be imported, store nothing.")
@_YES
@_JSON
def import_(
    recipe: str,
    stage: str,
    files: Sequence[Path],
    profile: str | None,
    match: str,
    text: str | None,
    problem: str | None,
    sample_index: str | None,
    first_sample: int | None,
    samples: int | None,
    rejects: Path | None,
    dry_run: bool,
    yes: bool,
    as_json: bool,
) -> None:
    """Take completions from files as answers of a stage.

    They become answers to what STAGE of RECIPE asks for, as the profile's role would give them. FILES are .jsonl,
    .jsonl.gz or .parquet, one row a sample, or output-rs*.jsonl of NeMo-Skills.
    """
    from dagster_project.completion_files.importing import Wishes
    from dagster_project.completion_files.rejects import collecting
    from dagster_project.completion_files.stages import generation_stage

    project = project_of(profile, recipe)
    chosen = recipe_of(project, recipe)
    said = {"text": text, "problem": problem, "sample_index": sample_index}
    wishes = Wishes(match, said, first_sample, samples)
    with workspace_of(chosen, project) as workspace, collecting(rejects) as left_out:
        found = generation_stage(chosen, stage)
        if dry_run:
            _import(workspace, found, files, wishes, left_out, is_dry=True, yes=True, as_json=as_json)
            return
        with workspace.environment.lock():
            _import(workspace, found, files, wishes, left_out, is_dry=False, yes=yes, as_json=as_json)


def _import(
    workspace: Workspace,
    stage: Stage,
    files: Sequence[Path],
    wishes: Wishes,
    rejects: Rejects,
    *,
    is_dry: bool,
    yes: bool,
    as_json: bool,
) -> None:
    from dagster_project.completion_files.importing import prepare, refuse_if_nothing_matches, store
    from dagster_project.completion_files.stages import scratch_of
    from dagster_project.completion_files.words import import_json, import_report

    with scratch_of(workspace) as scratch:
        prepared = prepare(workspace, stage, files, wishes, rejects, scratch, _say)
        assert stage.role is not None
        report = list(import_report(prepared, rejects, stage, workspace.recipe.roles[stage.role]))
        for line in report:
            (_say if as_json else _show)(line)
        refuse_if_nothing_matches(prepared, rejects)
        stored = None
        if not is_dry:
            if prepared.counts.new:
                _confirm(f"Store {prepared.counts.new:,} completions as answers of these weights?", yes=yes)
            stored = store(workspace, stage, prepared, _say)
    if as_json:
        click.echo(json.dumps(import_json(prepared, rejects, stored), indent=1, default=str))
    elif stored is not None:
        recipe = workspace.recipe
        _show(f"Stored {stored:,} completions. Next: mathloom build {recipe.name} --profile {recipe.profile}")


def _confirm(question: str, *, yes: bool) -> None:
    """Go on only if a person says so. Without a terminal nobody can be asked."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise click.UsageError("nobody can be asked here for confirmation: look with --dry-run, then add --yes")
    if not click.confirm(question, err=True):
        click.echo("Nothing was done.", err=True)
        raise click.exceptions.Exit(1)


def _show(line: str) -> None:
    out().print(line, markup=False, soft_wrap=True)


def _say(line: str) -> None:
    talk().print(line, markup=False, soft_wrap=True)


@requests.command()
@click.argument("recipe")
@click.argument("stages", nargs=-1)
@click.option(
    "--to", "path", required=True, type=click.Path(path_type=Path), help="File: .jsonl, .jsonl.gz or .parquet."
)
@click.option("--force", is_flag=True, help="Replace the file if it exists.")
@_PROFILE
@_JSON
def export(recipe: str, stages: Sequence[str], path: Path, force: bool, profile: str | None, as_json: bool) -> None:
    """Write completions with their prompts to a file.

    Those of STAGES of RECIPE, or of all whose rows are built: one row a sample.
    """
    from dagster_project.completion_files.exporting import export as write
    from dagster_project.completion_files.stages import generation_stages

    project = project_of(profile, recipe)
    chosen = recipe_of(project, recipe)
    with workspace_of(chosen, project) as workspace:
        done = write(workspace, generation_stages(workspace, stages, _say), path, force=force, say=_say)
    if as_json:
        click.echo(json.dumps([asdict(part) for part in done], indent=1))
        return
    _show(f"Wrote {sum(part.rows for part in done):,} completions to {path}")


@requests.command()
@_JSON
def stats(as_json: bool) -> None:
    """Show what the store holds, by weights and engine."""
    from dagster_project.completion_files.named import named_weights
    from dagster_project.completion_files.words import stats_json, stats_table, stats_totals
    from resources.requests.store import RequestStore

    root = project_of().store
    used = named_weights(root)
    with RequestStore(root) as store:
        usage, totals = store.usage_by_weights(), store.stats()
    if as_json:
        click.echo(json.dumps(stats_json(usage, totals, used), indent=1))
        return
    if usage:
        out().print(stats_table(usage, used))
    for line in stats_totals(usage, totals, used):
        _show(line)


@requests.command()
@click.option("--unused", is_flag=True, help="What no version names. Without --older-than: stored 7 days ago or more.")
@click.option("--weights", help="Completions of these weights (as `stats` shows them).")
@click.option("--older-than", "age", help="Stored so long ago: 90d, 12h.")
@click.option("--dry-run", is_flag=True, help="Only say what would go.")
@_YES
@_JSON
def prune(unused: bool, weights: str | None, age: str | None, dry_run: bool, yes: bool, as_json: bool) -> None:
    """Remove completions from the store.

    Those for which all the given conditions hold. A stage that still needs one will ask for it again.
    """
    from dagster_project.completion_files.named import check_weights, named_keys, no_builds, survey
    from dagster_project.completion_files.pruning import rule_of
    from dagster_project.completion_files.words import prune_report
    from resources.requests.store import RequestStore

    rule = rule_of(unused=unused, weights=weights, age=age)
    root = project_of().store
    with no_builds(root), RequestStore(root) as store:
        if weights is not None:
            check_weights(store, weights)
        named = named_keys(root)
        limits = {"weights": rule.weights, "before_ns": rule.before_ns}
        pruned = store.prune(rule.keep(named), **limits, dry_run=True)
        doomed = survey(store, rule, named)
        for line in prune_report(doomed, pruned):
            (_say if as_json else _show)(line)
        is_done = not dry_run and bool(pruned.completions or pruned.failures)
        if is_done:
            _confirm(f"Remove {pruned.completions:,} completions for good?", yes=yes)
            pruned = store.prune(rule.keep(named), **limits)
    if as_json:
        removed = {"removed": is_done, **asdict(pruned), "weights": [asdict(row) for row in doomed]}
        click.echo(json.dumps(removed, indent=1))
    else:
        _show("Removed." if is_done else "Nothing was removed.")


@requests.command("forget-failures")
@click.argument("recipe")
@click.argument("stages", nargs=-1)
@_PROFILE
def forget_failures(recipe: str, stages: Sequence[str], profile: str | None) -> None:
    """Have failed requests asked again, rejected ones too.

    Those of STAGES of RECIPE, or of all whose rows are built. The next build asks.
    """
    from dagster_project.completion_files.forgetting import forget_failures as forget
    from dagster_project.completion_files.stages import generation_stages

    project = project_of(profile, recipe)
    chosen = recipe_of(project, recipe)
    with workspace_of(chosen, project) as workspace, workspace.environment.lock():
        for part in forget(workspace, generation_stages(workspace, stages, _say)):
            _show(f"{part.stage}: {part.requests:,} failed requests forgotten, {part.rejected:,} of them were rejects")


@requests.command()
def compact() -> None:
    """Merge small segments into large ones.

    Builds do so by themselves when there are many. Nothing is lost.
    """
    from resources.requests.store import RequestStore

    with RequestStore(project_of().store) as store:
        done = store.compact(force=True)
    _show(f"{done.merged:,} segments became {done.made:,}")
