"""The plan of a release: what would go out, under which number and why, and whether the gate lets it pass.

Making a plan sends nothing and changes nothing in the repository. It may download the last release, to compare with it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from assets.release import changelog
from assets.release.decoration import Stamp, decorate
from assets.release.difference import Difference
from assets.release.folder_reading import read_release
from assets.release.numbering import FIRST, Number, Step
from dagster_project.releasing.base import Base, find_base
from dagster_project.releasing.built import CARD, CHANGELOG, BuiltFolder, read_built
from dagster_project.releasing.files import FilePlan, has_same_files, plan_files
from dagster_project.releasing.gate import Gate, verdict
from dagster_project.releasing.gate_content import ask_contamination, ask_licences, ask_secrets, ask_sources, secrets_of
from dagster_project.releasing.gate_repository import ask_lost, ask_number, ask_repository, ask_schema, step_between
from dagster_project.releasing.gate_stages import ask_checks, ask_current, ask_funnel, ask_whole, version_of
from dagster_project.releasing.record import Records
from dagster_project.releasing.state import RepositoryState, read_release_stamp, read_state
from dagster_project.releasing.steps import Computed, rewritten, step_of
from dagster_project.releasing.wishes import Wishes
from dagster_project.running.workspace import Workspace
from resources.errors import ReleaseError
from resources.hub.repository import RemoteFile, Repository

Kind = Literal["release", "tag", "nothing", "waiting"]
"""release: a commit and a tag. tag: the commit is there, its tag is not. nothing: the repository has this release.
waiting: a pull request with this content is open."""

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class ReleasePlan:
    """All that :func:`dagster_project.releasing.publish.publish` needs, and all that a person wants to see before."""

    recipe: str
    profile: str
    repository: str
    kind: Kind
    built: BuiltFolder
    state: RepositoryState
    number: Number
    """Of this release; of the one that is there, if nothing goes out."""
    computed: Step
    """What the change needs; NONE for the first release, or if nothing goes out."""
    reasons: Sequence[str]
    """Why, in words, most important first."""
    gate: Gate
    base: Base | None = None
    difference: Difference | None = None
    """To the base; None for the first release, or if nothing goes out."""
    finishes: Number | None = None
    """A release that the head carries without its tag: it is tagged before anything else."""
    files: FilePlan | None = None
    """None if no commit is made."""
    entry: str = ""
    """Of the changelog, as Markdown."""
    card: str = ""
    """The card as it goes out."""
    is_pull_request: bool = False
    pull_request: str | None = None
    """Address of the pull request that is open."""
    versions: Mapping[str, Sequence[str]] | None = None
    """Stage -> [kind, version] of everything that it is made from."""


def make_release_plan(
    workspace: Workspace,
    repository: Repository,
    *,
    step: Step | None = None,
    number: Number | None = None,
    is_pull_request: bool = False,
    note: str | None = None,
    is_again: bool = False,
    environment: Mapping[str, str] | None = None,
    say: Say = lambda _words: None,
) -> ReleasePlan:
    """Compare what is built with what the repository has, and ask every question of the gate.

    Args:
        workspace: The recipe under its profile.
        repository: Where it would go.
        step: A larger step than the computed one.
        number: The number, instead of the computed one.
        is_pull_request: Ask for the release instead of making it.
        note: A sentence for the changelog.
        is_again: Publish even what a revert took back, or what waits as a pull request.
        environment: Where the secrets are that no file may hold; None: of this process.
        say: Told what takes time.

    Raises:
        ReleaseError: Nothing is built, the published card cannot be read, or the repository is a folder in the store.
        HubError: The repository cannot be looked at.
    """
    wishes = Wishes(step, number, is_pull_request, note, is_again)
    _check_place(workspace, repository.name)
    built = read_built(workspace)
    say("looking at the repository")
    state = read_state(repository)
    if settled := _settled(workspace, repository, state, built, wishes):
        return settled
    return _release(workspace, repository, state, built, wishes, environment, say)


def _check_place(workspace: Workspace, name: str) -> None:
    place = Path(name)
    if place.is_absolute() and place.resolve().is_relative_to(workspace.root.resolve()):
        what = "the folder lies in the store, where `mathloom clean` would remove it"
        raise ReleaseError(what, where=name, fix=f"Name a folder outside {workspace.root}")


def _settled(
    workspace: Workspace, repository: Repository, state: RepositoryState, built: BuiltFolder, wishes: Wishes
) -> ReleasePlan | None:
    """The plan, if no commit is needed: the repository has this content, or is asked for it already."""
    if state.stamp is not None and _is_built(state.stamp, state.files, built):
        number = state.stamp.version
        if state.untagged:
            why = "the repository has this release, committed and not yet tagged"
            return _quiet(workspace, state, built, "tag", number, why, Gate([]))
        if _is_tagged(repository, state, number, built):
            return _quiet(
                workspace, state, built, "nothing", number, "rows, files and card are those of the last release"
            )
    waiting = _waiting(workspace, state, built) if wishes.is_pull_request and not wishes.is_again else None
    if waiting is None:
        return None
    plan = _quiet(workspace, state, built, "waiting", waiting[1], "a pull request with this content is open")
    return replace(plan, is_pull_request=True, pull_request=waiting[0])


def _is_built(stamp: Stamp | None, files: Mapping[str, RemoteFile], built: BuiltFolder) -> bool:
    """Whether a revision with this stamp and these files is what is built."""
    said = (stamp.digest, stamp.card) if stamp else None
    return said == (built.digest, built.card_hash) and has_same_files(built, files)


def _is_tagged(repository: Repository, state: RepositoryState, number: Number, built: BuiltFolder) -> bool:
    """Whether the tag of ``number`` names this content: somebody else may have made it, or committed since."""
    commit = state.tags.get(number.tag)
    if commit is None or commit == state.head:
        return commit is not None
    return _is_built(read_release_stamp(repository, commit), repository.files(commit), built)


def _quiet(
    workspace: Workspace,
    state: RepositoryState,
    built: BuiltFolder,
    kind: Kind,
    number: Number,
    why: str,
    gate: Gate | None = None,
) -> ReleasePlan:
    """A plan without a commit. What is stale is said all the same: somebody may think that it went out."""
    return ReleasePlan(
        recipe=workspace.recipe.name,
        profile=workspace.environment_name,
        repository=state.name,
        kind=kind,
        built=built,
        state=state,
        number=number,
        computed=Step.NONE,
        reasons=(why,),
        gate=gate or Gate([verdict("current", lambda: ask_current(workspace, built))]),
        versions=version_of(workspace, built.stage),
    )


def _waiting(workspace: Workspace, state: RepositoryState, built: BuiltFolder) -> tuple[str, Number] | None:
    """Address and number of the pull request that was opened for this content, on this head."""
    # The Hub makes a commit with a repository, of which a first release knew nothing.
    parents = {state.head or "", *([] if state.files else [""])}
    wanted = ("pull request", built.digest, built.card_hash)
    for asked in reversed(_records(workspace).of(state.name)):
        if (asked.state, asked.digest, asked.card) == wanted and asked.parent in parents:
            return asked.url, Number.of_tag(f"v{asked.number}") or FIRST
    return None


def _records(workspace: Workspace) -> Records:
    return Records(workspace.root, workspace.recipe.name, workspace.environment_name)


def _release(
    workspace: Workspace,
    repository: Repository,
    state: RepositoryState,
    built: BuiltFolder,
    wishes: Wishes,
    environment: Mapping[str, str] | None,
    say: Say,
) -> ReleasePlan:
    recipe = workspace.recipe
    base = find_base(workspace, repository, state)
    difference = _difference(workspace, base, built, say) if base else None
    stamp = state.stamp or (read_release_stamp(repository, base.commit) if base else None)
    new_data = rewritten(read_release(base.folder).build, built.build) if base else []
    computed = _computed(state, stamp, built, difference, new_data)
    number = wishes.number or _next(state, wishes.step or computed.step)
    newest = state.newest
    step = step_between(newest, number) if newest else None
    notes = [wishes.note] if wishes.note else []
    entry = changelog.entry(number, difference, step=step, notes=notes, hidden=secrets_of(recipe, environment))
    texts, card = _texts(state, built, number, entry)
    say("asking the gate")
    gate = Gate(
        [
            verdict("whole", lambda: ask_whole(workspace, built)),
            verdict("current", lambda: ask_current(workspace, built)),
            verdict("checks", lambda: ask_checks(workspace, built)),
            verdict("funnel", lambda: ask_funnel(workspace, built)),
            verdict("contamination", lambda: ask_contamination(workspace, built)),
            verdict("licences", lambda: ask_licences(workspace, built)),
            verdict("sources", lambda: ask_sources(workspace, built)),
            verdict("secrets", lambda: ask_secrets(workspace, built, texts, environment)),
            verdict("schema", lambda: ask_schema(state, difference, number)),
            verdict("number", lambda: ask_number(state, number, computed.step)),
            verdict(
                "repository",
                lambda: [
                    *ask_lost(state, _records(workspace)),
                    *ask_repository(
                        repository, state, built, recipe.name, is_ours=base is not None, is_again=wishes.is_again
                    ),
                ],
            ),
        ]
    )
    return ReleasePlan(
        recipe=recipe.name,
        profile=workspace.environment_name,
        repository=repository.name,
        kind="release",
        built=built,
        state=state,
        number=number,
        computed=computed.step,
        reasons=computed.reasons,
        gate=gate,
        base=base,
        difference=difference,
        finishes=state.untagged,
        files=plan_files(built, texts, state.files),
        entry=entry,
        card=card,
        is_pull_request=wishes.is_pull_request,
        versions=version_of(workspace, built.stage),
    )


def _difference(workspace: Workspace, base: Base, built: BuiltFolder, say: Say) -> Difference:
    from dagster_project.released.difference import compare

    say(f"comparing with {base.number.tag}")
    return compare(
        read_release(base.folder),
        read_release(built.folder),
        names=(base.number.tag, "this build"),
        store=workspace.store,
        memory_limit=workspace.memory_limit,
    )


def _computed(
    state: RepositoryState,
    stamp: Stamp | None,
    built: BuiltFolder,
    difference: Difference | None,
    new_data: Sequence[str],
) -> Computed:
    if difference is None and state.newest is not None:
        return Computed(Step.MAJOR, ("no tag of it is a release of ours, so nobody can tell what changed",))
    if difference is None:
        return Computed(Step.NONE, ("the first release",))
    is_new = stamp is None or stamp.digest != built.digest
    found = step_of(
        difference,
        new_data=new_data,
        has_new_files=is_new,
        has_new_card=stamp is None or stamp.card != built.card_hash,
        is_edited=not is_new and not has_same_files(built, state.files),
    )
    return found if found.step else Computed(Step.PATCH, found.reasons)


def _next(state: RepositoryState, step: Step) -> Number:
    return FIRST if state.newest is None else state.newest.after(max(step, Step.PATCH))


def _texts(state: RepositoryState, built: BuiltFolder, number: Number, entry: str) -> tuple[dict[str, bytes], str]:
    """Card and changelog as they go out."""
    whole = changelog.with_entry(state.changelog, entry)
    card = decorate(
        built.card,
        repository=shown_name(state.name),
        number=number,
        digest=built.digest,
        changelog=whole,
        previous=state.card,
    )
    return {CARD: card.encode(), CHANGELOG: whole.encode()}, card


def shown_name(repository: str) -> str:
    """A repository as a card may say it: of a local folder only its name."""
    return Path(repository).name if Path(repository).is_absolute() else repository
