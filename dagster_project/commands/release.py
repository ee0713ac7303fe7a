"""``mathloom release``: plan, gate, one commit, one tag; ``release revert`` and ``release public`` beside it."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dagster_project.commands.common import project_of, recipe_of, workspace_of
from dagster_project.console import talk
from dagster_project.language.resolved import Project, Recipe
from dagster_project.terminal.words import cell
from resources.errors import MathloomError, ReleaseError

if TYPE_CHECKING:
    from dagster_project.releasing.plan import ReleasePlan
    from dagster_project.releasing.publish import Published
    from dagster_project.releasing.wishes import Wishes
    from resources.hub.repository import Repository

RESERVED = ("revert", "public")
"""Words after `mathloom release` that are no recipes."""


class _Release(click.Command):
    """A command that takes a recipe, and whose first word may instead be one of its two sub-commands."""

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        if args and args[0] in RESERVED:
            chosen = {"revert": revert, "public": public}[args[0]]
            return chosen.make_context(f"{info_name} {args[0]}", args[1:], parent, **extra)
        return super().make_context(info_name, args, parent, **extra)


@click.command(cls=_Release)
@click.argument("recipe", required=False)
@click.option("--profile", help="Profile whose build is released.")
@click.option("--to", metavar="ORG/NAME|FOLDER", help="Where to, instead of what the profile says under `publish:`.")
@click.option("--dry-run", is_flag=True, help="Say the plan and ask the gate; send nothing.")
@click.option("--rehearse", type=click.Path(path_type=Path), metavar="FOLDER", help="Release into a local folder.")
@click.option("--rehearse-hub", is_flag=True, help="Release to a Hub of one's own on this machine, and load it back.")
@click.option("--serve", is_flag=True, help="After --rehearse-hub: keep that Hub running until Ctrl-C.")
@click.option("--step", type=click.Choice(["major", "minor", "patch"]), help="A larger step than the computed one.")
@click.option("--version", metavar="X.Y.Z", help="The number, instead of the computed one.")
@click.option("--pull-request", is_flag=True, help="Ask for the release with a pull request; its merge is the release.")
@click.option("--note", help="A sentence for the changelog.")
@click.option("--again", is_flag=True, help="Publish even what a revert took back.")
@click.option("--yes", is_flag=True, help="Send without a question.")
def release(
    recipe: str | None,
    profile: str | None,
    to: str | None,
    dry_run: bool,
    rehearse: Path | None,
    rehearse_hub: bool,
    serve: bool,
    step: str | None,
    version: str | None,
    pull_request: bool,
    note: str | None,
    again: bool,
    yes: bool,
) -> None:
    """Publish the dataset that RECIPE has built: one commit and one tag, if the gate is open.

    Says first what differs from the last release, which number that makes, which files are sent, and every reason why
    it may not go out. The same data published twice is no new version.

    \b
    mathloom release revert TAG [RECIPE]   a new release with the content of an older one
    mathloom release public [RECIPE]       open the repository to everybody: a last, separate step

    A recipe named `revert` or `public` needs another name.
    """  # noqa: D301 - click's own mark for lines that stay as they are
    from dagster_project.releasing.wishes import wishes_of

    _refuse_together({"--to": to, "--rehearse": rehearse, "--rehearse-hub": rehearse_hub})
    _refuse_together({"--step": step, "--version": version})
    if serve and not rehearse_hub:
        raise click.UsageError("--serve belongs to --rehearse-hub")
    wishes = wishes_of(step, version, is_pull_request=pull_request, note=note, is_again=again)
    project = project_of(profile, recipe)
    chosen = recipe_of(project, recipe)
    if rehearse_hub:
        _rehearse_hub(project, chosen, wishes, is_dry=dry_run, is_serving=serve)
    elif rehearse is not None:
        _rehearse(project, chosen, rehearse, wishes, is_dry=dry_run)
    else:
        _release(project, chosen, to, wishes, is_dry=dry_run, is_asked=not yes)


@click.command("release revert")
@click.argument("tag")
@click.argument("recipe", required=False)
@click.option("--profile", help="Profile that says where releases go.")
@click.option("--to", metavar="ORG/NAME|FOLDER", help="Where, instead of what the profile says under `publish:`.")
@click.option("--dry-run", is_flag=True, help="Say what would happen; send nothing.")
@click.option("--note", help="A sentence for the changelog.")
@click.option("--yes", is_flag=True, help="Revert without a question.")
def revert(
    tag: str, recipe: str | None, profile: str | None, to: str | None, dry_run: bool, note: str | None, yes: bool
) -> None:
    """Release the content of TAG again, under a new number. What is released now stays under its own tag."""
    from dagster_project.releasing.destination import open_destination, with_destination
    from dagster_project.releasing.gate_content import secrets_of
    from dagster_project.releasing.history import report_revert
    from dagster_project.releasing.record import Records
    from dagster_project.releasing.revert import make_revert_plan
    from dagster_project.releasing.revert import revert as do_revert
    from dagster_project.releasing.words import end_lines, revert_lines

    project = project_of(profile, recipe)
    chosen, publishing = with_destination(recipe_of(project, recipe), to)
    repository = open_destination(publishing)
    plan = make_revert_plan(repository, tag, note=note, secrets=secrets_of(chosen))
    _show(revert_lines(plan))
    if dry_run or not _agreed(is_asked=not yes):
        _show([("Nothing was sent.", "")])
        return
    records = Records(project.store, chosen.name, chosen.profile)
    with talk().status("reverting") as status:
        done = do_revert(
            plan, repository, is_pull_request=publishing.is_pull_request, records=records, say=status.update
        )
    if done.state != "pull request":
        report_revert(project.store, chosen, plan, done)
    _show(end_lines(done, repository.name, is_public=repository.is_public()))


@click.command("release public")
@click.argument("recipe", required=False)
@click.option("--profile", help="Profile that says where releases go.")
@click.option("--to", metavar="ORG/NAME", help="Which repository, instead of what the profile says.")
@click.option("--yes", is_flag=True, help="Open it without a question.")
def public(recipe: str | None, profile: str | None, to: str | None, yes: bool) -> None:
    """Let everybody read the repository, with every release in it. Releases themselves never do."""
    from dagster_project.releasing.destination import open_destination, with_destination

    project = project_of(profile, recipe)
    _, publishing = with_destination(recipe_of(project, recipe), to)
    repository = open_destination(publishing)
    if repository.is_public():
        _show([(f"{repository.name} is public already.", "")])
        return
    tags = ", ".join(sorted(repository.tags())) or "no release"
    _show([(f"{repository.name} is private. Everybody will be able to read it, with all of: {tags}", "")])
    if not yes and not click.confirm("Open it to everybody?", default=False, err=True):
        _show([("It stays private.", "")])
        raise click.exceptions.Exit(1)
    repository.make_public()
    _show([(f"{repository.name} is public: {repository.url()}", "bold")])


def _refuse_together(options: dict[str, Any]) -> None:
    given = [name for name, value in options.items() if value]
    if len(given) > 1:
        raise click.UsageError(f"{' and '.join(given)} exclude each other")


# -- the three places --------------------------------------------------------------------------------------------------


def _release(project: Project, recipe: Recipe, to: str | None, wishes: Wishes, *, is_dry: bool, is_asked: bool) -> None:
    """To where the profile or ``to`` says, through Dagster."""
    from dagster_project.releasing.destination import open_destination, with_destination
    from dagster_project.releasing.publish import publish
    from dagster_project.releasing.record import Records
    from dagster_project.releasing.words import end_lines

    chosen, publishing = with_destination(recipe, to, is_pull_request=wishes.is_pull_request)
    repository = open_destination(publishing)
    plan = _planned(project, chosen, repository, wishes.as_pull_request(publishing.is_pull_request))
    if is_dry:
        return
    if plan.kind in ("nothing", "waiting"):
        publish(plan, repository, records=Records(project.store, chosen.name, chosen.profile))
        return
    if not _agreed(is_asked=is_asked):
        _show([("Nothing was sent.", "")])
        raise click.exceptions.Exit(1)
    published = _through_dagster(project, chosen, repository, plan)
    _show(end_lines(published, repository.name, is_public=repository.is_public()))


def _rehearse(project: Project, recipe: Recipe, folder: Path, wishes: Wishes, *, is_dry: bool) -> None:
    """Into a folder; nothing else remembers it."""
    from dagster_project.releasing.publish import publish
    from dagster_project.releasing.words import end_lines
    from resources.hub.opened import open_folder

    repository = open_folder(folder)
    plan = _planned(project, recipe, repository, wishes)
    if not is_dry:
        _show(end_lines(publish(plan, repository), repository.name, is_public=False))


def _rehearse_hub(project: Project, recipe: Recipe, wishes: Wishes, *, is_dry: bool, is_serving: bool) -> None:
    """To the stand-in, and back with ``load_dataset``."""
    from dagster_project.releasing.publish import publish
    from dagster_project.releasing.rehearsal import load_back, load_lines, rehearsal_hub
    from dagster_project.releasing.words import end_lines, size

    console = talk()
    secrets = dict(os.environ)  # the key of a rehearsal is none: another one each time, known to nobody
    with rehearsal_hub(project.store, recipe.name) as rehearsal:
        repository = rehearsal.repository
        plan = _planned(project, recipe, repository, wishes, secrets)
        if is_dry:
            return
        with console.status("rehearsing") as status:
            published = publish(plan, repository, say=status.update)
        _show(end_lines(published, repository.name, is_public=True))
        if published.state == "pull request":
            return
        with console.status("loading it back"):
            rows = load_back(rehearsal, published.tag)
        _compare(rows, plan)
        counts = ", ".join(f"{split} {count:,}" for split, count in rows.items())
        sent = size(sum(call.bytes_in for call in rehearsal.server.calls))
        _show([(f"Loaded back with datasets.load_dataset: {counts} rows. {sent} went to the rehearsal Hub.", "")])
        if is_serving or _asked_for("Keep that Hub running, to look at it?"):
            _serve(load_lines(rehearsal, published.tag))
        else:
            again = f"mathloom release {recipe.name} --rehearse-hub --serve"
            _show([(f"That Hub has stopped; to look at it: {again}", "")])


def _compare(rows: dict[str, int], plan: ReleasePlan) -> None:
    if rows != plan.built.rows:
        raise ReleaseError(
            f"what was loaded back ({rows}) is not what was built ({plan.built.rows})",
            where=plan.repository,
            fix="Report it with this message",
        )


def _serve(lines: Sequence[str]) -> None:
    import time

    try:
        _show([("It serves until Ctrl-C. In another terminal:", ""), *((line, "bold") for line in lines)])
        while True:  # in steps: Ctrl-C may reach another thread, and then wakes nobody here
            time.sleep(0.2)
    except KeyboardInterrupt:
        _show([("Stopped. What was released stays for the next rehearsal.", "")])


# -- shared ------------------------------------------------------------------------------------------------------------


def _planned(
    project: Project,
    recipe: Recipe,
    repository: Repository,
    wishes: Wishes,
    environment: Mapping[str, str] | None = None,
) -> ReleasePlan:
    """The plan, said. Raises ReleaseError with every reason if the gate is shut."""
    from dagster_project.releasing.plan import make_release_plan
    from dagster_project.releasing.words import plan_lines

    with workspace_of(recipe, project) as workspace, talk().status("planning the release") as status:
        plan = make_release_plan(
            workspace, repository, **wishes.arguments(), environment=environment, say=status.update
        )
    _show(plan_lines(plan))
    if not plan.gate.is_open:
        raise plan.gate.refusal(f"{recipe.name} ({recipe.profile})")
    return plan


def _through_dagster(project: Project, recipe: Recipe, repository: Repository, plan: ReleasePlan) -> Published:
    """Publish as a run of Dagster, so that the UI shows it like one that it started."""
    from dagster_project.assembly import build_definitions
    from dagster_project.releasing.asset import Prepared
    from dagster_project.releasing.history import run_publish
    from dagster_project.running.outcome import Silence

    alone = Project(file=project.file, store=project.store, recipes={recipe.name: recipe})
    with talk().status("releasing") as status:
        prepared = Prepared(plan, repository, status.update)
        definitions = build_definitions(alone, progress=Silence(), releases={recipe.name: prepared})
        try:
            run_publish(definitions, recipe, project.store)
        except MathloomError as error:
            if prepared.published is None:
                raise
            _show([(f"It is released, and Dagster's history does not say so: {error}", "yellow")])
    if prepared.error is not None:
        raise prepared.error
    if prepared.published is None:
        raise MathloomError(
            "the run ended without a release",
            where=f"Dagster's run of {recipe.name}",
            fix="Read its log: mathloom ui, then Runs",
        )
    return prepared.published


def _agreed(*, is_asked: bool) -> bool:
    """Whether a person at a terminal says yes; elsewhere the command was the word."""
    return not is_asked or not _is_terminal() or click.confirm("Send it?", default=False, err=True)


def _asked_for(question: str) -> bool:
    return _is_terminal() and click.confirm(question, default=False, err=True)


def _is_terminal() -> bool:
    return sys.stdin.isatty() and talk().is_terminal


def _show(lines: Sequence[tuple[str, str]]) -> None:
    console = talk()
    for text, style in lines:
        console.print(cell(text, 1000), style=style or None, markup=False, soft_wrap=True)
