"""Questions of the gate about where a release goes: schema, number, and what the repository has now."""

from __future__ import annotations

from collections.abc import Iterator

from assets.release.difference import Difference
from assets.release.numbering import FIRST, Number, Step
from dagster_project.releasing.built import BuiltFolder
from dagster_project.releasing.gate import Reason
from dagster_project.releasing.state import RepositoryState, read_release_stamp
from resources.hub.repository import Repository


def step_between(old: Number, new: Number) -> Step:
    """How far a number is from another."""
    if new <= old:
        return Step.NONE
    if new.major != old.major:
        return Step.MAJOR
    return Step.MINOR if new.minor != old.minor else Step.PATCH


def ask_schema(state: RepositoryState, difference: Difference | None, number: Number) -> Iterator[Reason]:
    """What breaks readers needs a major number."""
    newest = state.newest
    if difference is None or newest is None or step_between(newest, number) == Step.MAJOR:
        return
    for change in difference.schema:
        if change.is_breaking:
            what = (
                f"{change.what}, which code that reads {newest.tag} does not expect, and {number.tag} is no major step"
            )
            yield Reason("refuse", what, "Release it with `--step major`", f"config {change.config}")


def ask_number(state: RepositoryState, number: Number, computed: Step) -> Iterator[Reason]:
    """Numbers only rise, and say at least as much as changed."""
    newest = state.newest
    if newest is None:
        if number < FIRST:
            what = f"{number.tag} is below the first release, {FIRST.tag}"
            yield Reason("refuse", what, f"Release it as {FIRST.tag} or higher", state.name)
        return
    where = f"{state.name}@{newest.tag}"
    fix = f"Leave the number out, or name a higher one: {newest.after(max(computed, Step.PATCH)).tag}"
    if number.tag in state.tags:
        yield Reason("refuse", f"the tag {number.tag} is there already, and a tag never moves", fix, where)
    elif number <= newest:
        yield Reason("refuse", f"{number.tag} is lower than {newest.tag}, the newest release", fix, where)
    elif step_between(newest, number) < computed:
        what = (
            f"the change is {computed.name.lower()}, and {number.tag} is a {step_between(newest, number).name.lower()}"
        )
        yield Reason("refuse", f"{what} step after {newest.tag}", fix, where)


def ask_repository(
    repository: Repository, state: RepositoryState, built: BuiltFolder, recipe: str, *, is_again: bool
) -> Iterator[Reason]:
    """A revert holds until somebody says otherwise; what people did to the branch is said."""
    if state.is_edited:
        what = "somebody has committed to it since the last release"
        fix = "Nothing to do: own words and YAML keys of the card stay, files of the release are written again"
        yield Reason("warn", what, fix, state.name)
    if is_again or state.stamp is None or state.stamp.reverts is None:
        return
    for number in _withdrawn(state):
        stamp = read_release_stamp(repository, state.revision(number))
        if stamp is not None and stamp.digest == built.digest:
            what = f"{state.stamp.version.tag} took back {number.tag}, which has exactly the content that is built now"
            fix = f"Change what was wrong and build {recipe} again, or publish it nevertheless with `--again`"
            yield Reason("refuse", what, fix, state.name)
            return


def _withdrawn(state: RepositoryState) -> list[Number]:
    """The releases between the one that a revert restored and the revert, newest first."""
    stamp = state.stamp
    if stamp is None or stamp.reverts is None:
        return []
    restored = stamp.restores or stamp.reverts
    numbers = [number for tag in state.tags if (number := Number.of_tag(tag))]
    between = [n for n in numbers if restored < n < stamp.version] or []
    return sorted({*between, stamp.reverts} - {stamp.restores}, reverse=True)
