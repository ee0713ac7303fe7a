"""``mathloom build`` and ``mathloom preview``: bring stages up to date through Dagster, then say what happened."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from dagster_project.commands.common import project_of, recipe_of, selected_of, watching, workspace_of
from dagster_project.console import talk
from dagster_project.language.resolved import Project, Recipe
from dagster_project.running.outcome import Outcome, RequestCounts
from dagster_project.terminal.progress import BarProgress, PlainProgress, progress_for
from dagster_project.terminal.summary import WIDTH, answers_line, summary, totals_line
from resources.errors import MathloomError

if TYPE_CHECKING:
    from dagster_project.planning.plan import Plan
    from dagster_project.running.workspace import Workspace

_INTERRUPTS = ("DagsterExecutionInterruptedError", "KeyboardInterrupt")


class Recorder:
    """A Progress that passes on what it hears and keeps outcomes and failures."""

    def __init__(self, inner: BarProgress | PlainProgress) -> None:
        self.inner = inner
        self.outcomes: dict[str, Outcome] = {}
        self.failures: list[MathloomError] = []

    def stage_started(self, stage: str, kind: str) -> None:
        """Pass on."""
        self.inner.stage_started(stage, kind)

    def requests(self, stage: str, counts: RequestCounts) -> None:
        """Pass on."""
        self.inner.requests(stage, counts)

    def note(self, stage: str, text: str) -> None:
        """Pass on."""
        self.inner.note(stage, text)

    def stage_ended(self, outcome: Outcome) -> None:
        """Keep and pass on."""
        self.outcomes[outcome.stage] = outcome
        self.inner.stage_ended(outcome)

    def stage_failed(self, stage: str, error: MathloomError) -> None:
        """Keep and pass on."""
        self.failures.append(error)
        self.inner.stage_failed(stage, error)


@click.command()
@click.argument("recipe", required=False)
@click.option("--profile", help="Profile to build under (default: the one in mathloom.toml).")
@click.option("--select", "expression", help="Stages to build: names, '+name', 'name+', or any Dagster selection.")
@click.option(
    "--force", is_flag=True, help="Build selected stages again even if the store has them (asks no request twice)."
)
@click.option(
    "--max-cost",
    type=click.FloatRange(0),
    help="Most that this build may cost, in the profile's currency; never widens a limit of the profile.",
)
@click.option("--max-gpu-hours", type=click.FloatRange(0), help="Most GPU-hours of this build; never widens a limit.")
@click.option("--yes", is_flag=True, help="Start without the question that a build which costs money asks.")
def build(
    recipe: str | None,
    profile: str | None,
    expression: str | None,
    force: bool,
    max_cost: float | None,
    max_gpu_hours: float | None,
    yes: bool,
) -> None:
    """Build RECIPE: every stage that is not up to date, and nothing else.

    Says first what will be asked and what it costs (`mathloom plan` says more), and stops before any work if a limit
    cannot hold or an engine cannot start.
    """
    from dagster_project.planning.limits import narrowed

    project = project_of(profile, recipe)
    chosen = narrowed(recipe_of(project, recipe), max_cost, max_gpu_hours)
    run_build(project, chosen, expression, instance_store=project.store, force=force, is_asked=not yes)


@click.command()
@click.argument("recipe", required=False)
@click.option(
    "-n",
    "--rows",
    default=3,
    show_default=True,
    type=click.IntRange(1),
    help="Rows of every source, and most samples a row.",
)
@click.option("--profile", help="Profile to build under.")
def preview(recipe: str | None, rows: int, profile: str | None) -> None:
    """Run the whole of RECIPE on a few rows, in an environment of its own. Its completions serve the full build."""
    from dagster_project.language.preview import preview as preview_of

    project = project_of(profile, recipe)
    chosen = preview_of(recipe_of(project, recipe), rows)
    run_build(project, chosen, None, instance_store=None)


def run_build(
    project: Project,
    recipe: Recipe,
    expression: str | None,
    *,
    instance_store: Path | None,
    force: bool = False,
    is_asked: bool = False,
) -> None:
    """Plan, run in Dagster, print.

    Args:
        project: Where the store lies.
        recipe: With the limits that hold for this build.
        expression: Stages, as ``--select`` names them.
        instance_store: None keeps the run out of the UI's history (a preview).
        force: Whether selected stages are built even if the store has them.
        is_asked: Whether a person at a terminal is asked before money is spent.
    """
    console = talk()
    started = time.monotonic()
    project = Project(file=project.file, store=project.store, recipes={recipe.name: recipe})
    selected = selected_of(project, recipe, expression)
    wanted = _planned(project, recipe, selected, force=force, is_asked=is_asked)
    if not wanted:
        words = f"all {len(selected)} stages are up to date"
        console.print(
            f"{recipe.name} ({recipe.profile}): nothing to do, {words}. No engine was started.",
            markup=False,
            soft_wrap=True,
        )
        _say_where(project, recipe)
        return
    from dagster_project.assembly import build_definitions

    recorder = Recorder(progress_for(console))
    definitions = build_definitions(project, progress=recorder, force=force)
    with recorder.inner:
        unexpected = _run(recipe, wanted, definitions, project.store, is_kept=instance_store is not None)
    outcomes = list(recorder.outcomes.values())
    if outcomes:
        console.print()
        console.print(summary(outcomes, min(console.width, WIDTH)))
    if recorder.failures:
        raise recorder.failures[0]
    if unexpected is not None:
        raise unexpected
    _say_totals(recipe, outcomes, time.monotonic() - started)
    _say_where(project, recipe)


def _planned(
    project: Project, recipe: Recipe, selected: Sequence[str], *, force: bool, is_asked: bool
) -> Sequence[str]:
    """Stages to build, after the plan was said and agreed to. Raises what would stop the build later."""
    from dagster_project.planning.walk import refuse_unreadable, walk

    with workspace_of(recipe, project) as workspace:
        steps = walk(workspace, selected, force=force)
        wanted = [name for name, step in steps.items() if step.is_to_build]
        if not wanted:
            return wanted
        refuse_unreadable(workspace, steps)
        from dagster_project.planning.make import make_plan

        with watching() as tick:
            plan = make_plan(workspace, selected, steps=steps, tick=tick)
        if plan.generation:
            _agree(workspace, plan, is_asked=is_asked)
    return wanted


def _agree(workspace: Workspace, plan: Plan, *, is_asked: bool) -> None:
    """Say the plan, hold it against the limits, look at the engines, and ask who is to pay."""
    from dagster_project.planning.limits import refuse
    from dagster_project.planning.make import roles_to_check
    from dagster_project.planning.table import WIDTH, render_short

    console = talk()
    console.print(render_short(plan), width=min(console.width, WIDTH))
    refuse(plan, workspace.recipe)
    for role in roles_to_check(plan):
        workspace.roles.engine(role).check()
    costs_money = any(stage.price is not None and not stage.cost.is_zero for stage in plan.generation)
    is_terminal = sys.stdin.isatty() and console.is_terminal
    if costs_money and is_asked and is_terminal and not click.confirm("Go on?", default=False, err=True):
        console.print("Nothing was asked and nothing was built.")
        raise click.exceptions.Exit(1)
    console.print()


def _run(
    recipe: Recipe, wanted: Sequence[str], definitions: object, store: Path, *, is_kept: bool
) -> MathloomError | None:
    """Run the job; returns what went wrong that no stage could name. Raises KeyboardInterrupt after Ctrl-C."""
    import dagster as dg

    from dagster_project.dagster_home import instance_errors, open_instance

    assert isinstance(definitions, dg.Definitions)
    job = definitions.resolve_job_def(recipe.name.replace("-", "_"))
    keys = [dg.AssetKey(recipe.asset_path(name)) for name in wanted]
    try:
        with (
            instance_errors(store),
            open_instance(store) if is_kept else dg.DagsterInstance.ephemeral() as instance,
        ):
            result = job.execute_in_process(
                instance=instance,
                asset_selection=keys,
                raise_on_error=False,
                # Dagster's own log goes to the event log, where the UI shows it; the terminal has our lines.
                run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
            )
    except dg.DagsterExecutionInterruptedError as error:
        raise KeyboardInterrupt from error
    except MathloomError as error:  # not raised: if a stage failed before, that is the cause, and it is told instead
        return error
    if result.success:
        return None
    errors = [getattr(event.event_specific_data, "error", None) for event in result.all_events if event.is_failure]
    found = [error for error in errors if error is not None]
    if any(error.cls_name in _INTERRUPTS for error in found):
        raise KeyboardInterrupt
    words = " ".join(found[0].message.split())[:400] if found else "the run failed without a word"
    return MathloomError(words, where=f"Dagster's run of {recipe.name}", fix="Read its log: mathloom ui, then Runs")


def _say_totals(recipe: Recipe, outcomes: Sequence[Outcome], seconds: float) -> None:
    console = talk()
    console.print()
    console.print(totals_line(f"{recipe.name} ({recipe.profile})", outcomes, seconds), markup=False, soft_wrap=True)
    if answers := answers_line(outcomes):
        console.print(answers, markup=False, soft_wrap=True)
    pending = sum(o.pending for o in outcomes)
    if pending:
        console.print(f"{pending} request(s) failed; the next build asks for them again.", markup=False)


def _say_where(project: Project, recipe: Recipe) -> None:
    folder = release_link(project.store, recipe)
    console = talk()
    if folder.exists():
        shown = _relative(folder)
        console.print(f"Dataset:  {shown}", markup=False, soft_wrap=True)
        console.print(f"Load it:  datasets.load_dataset({str(shown)!r})", markup=False, soft_wrap=True)
    console.print(f"Next:     {_next_commands(recipe)}", markup=False, soft_wrap=True)


def _next_commands(recipe: Recipe) -> str:
    """What people do with a dataset that is built."""
    if recipe.preview_rows or "release" not in recipe.stages:
        return "mathloom ui"
    release = f"mathloom release {recipe.name}{'' if recipe.publishing else ' --rehearse-hub'}"
    return f"mathloom show {recipe.name} release    |    {release}    |    mathloom ui"


def release_link(store: Path, recipe: Recipe) -> Path:
    """Where the newest released folder of a recipe and profile is found."""
    suffix = ".preview" if recipe.preview_rows else ""
    return store / "releases" / recipe.name / f"{recipe.profile}{suffix}"


def _relative(path: Path) -> Path:
    try:
        return path.relative_to(Path.cwd())
    except ValueError:
        return path
