"""Questions of the gate about where a release goes: schema, number, and what the repository has now."""

from __future__ import annotations

from collections.abc import Iterator

from assets.release.difference import Difference
from assets.release.numbering import FIRST, Number, Step
from dagster_project.releasing.built import CARD, CHANGELOG, BuiltFolder
from dagster_project.releasing.files import is_ours as may_write
from dagster_project.releasing.gate import Reason
from dagster_project.releasing.record import Records
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
    """Numbers only rise, can be read back, and say at least as much as changed."""
    newest = state.newest
    if Number.of_tag(number.tag) is None:
        fix = "Release with a larger step: --step minor or --step major"
        yield Reason("refuse", f"{number.tag} is larger than a number of a release can be", fix, state.name)
        return
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


def ask_lost(state: RepositoryState, records: Records) -> Iterator[Reason]:
    """Releases that were made to it from here, where it has none."""
    known = [release for release in records.of(state.name) if release.state != "pull request"]
    if state.newest is None and known:
        what = (
            f"v{known[-1].number} was released to it, and no release is there now: it was deleted or renamed, or "
            "this token may not see it"
        )
        yield Reason("warn", what, "If it has another name now, say so; else numbers begin anew", state.name)


def ask_repository(
    repository: Repository, state: RepositoryState, built: BuiltFolder, recipe: str, *, is_ours: bool, is_again: bool
) -> Iterator[Reason]:
    """A revert holds until somebody says otherwise; what people did to the branch is said.

    ``is_ours``: whether any release of it is one of ours.
    """
    if not is_ours and state.stamp is None:
        yield from _strange(state)
    if state.claimed and not state.is_whole:
        what = f"its card says {state.claimed.tag}, and its files are others than those of that release"
        yield Reason("warn", what, f"Nothing to do: no tag {state.claimed.tag} is set on them", state.name)
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


def _strange(state: RepositoryState) -> Iterator[Reason]:
    """A repository of somebody else must not become ours because a name was mistyped."""
    texts = {path for path in (CARD, CHANGELOG) if path in state.files}
    strange = sorted(path for path in state.files if may_write(path) and path not in texts)
    if strange:
        more = f" and {len(strange) - 1} more" if len(strange) > 1 else ""
        what = f"nothing was released to it yet, and a release would replace or remove {strange[0]}{more} in it"
        yield Reason("refuse", what, "Name another repository, or remove these files from it by hand", state.name)
    if texts:
        what = f"nothing was released to it yet, and its {' and '.join(sorted(texts))} will be written by releases"
        yield Reason("warn", what, "Nothing to do: its YAML keys stay, and its words stay in the history", state.name)


def _withdrawn(state: RepositoryState) -> list[Number]:
    """The releases between the one that a revert restored and the revert, newest first."""
    stamp = state.stamp
    if stamp is None or stamp.reverts is None:
        return []
    restored = stamp.restores or stamp.reverts
    numbers = [number for tag in state.tags if (number := Number.of_tag(tag))]
    between = [n for n in numbers if restored < n < stamp.version] or []
    return sorted({*between, stamp.reverts} - {stamp.restores}, reverse=True)
