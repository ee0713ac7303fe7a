"""Going back: a new commit with the content of an older release, and a minor number of its own.

Files are copied inside the repository; only card and changelog are sent. The card says what was taken back, so that the
next scheduled build does not publish it again.
"""

from __future__ import annotations

import difflib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from assets.release import changelog
from assets.release.decoration import Stamp, decorate, read_stamp
from assets.release.numbering import Number, Step
from assets.release.private import paths_in, secrets_in
from dagster_project.releasing.built import CARD, CHANGELOG
from dagster_project.releasing.files import is_ours
from dagster_project.releasing.plan import Say, shown_name
from dagster_project.releasing.publish import Published, State
from dagster_project.releasing.record import Recorded, Records
from dagster_project.releasing.state import RepositoryState, read_state
from resources.errors import ReleaseError
from resources.hub.repository import Change, Committed, RemoteFile, Repository


@dataclass(frozen=True, slots=True)
class RevertPlan:
    """What a revert would do."""

    repository: str
    state: RepositoryState
    number: Number
    restores: Number
    reverts: Number
    stamp: Stamp
    """Of the release whose content comes back."""
    change: Change
    entry: str
    finishes: Number | None = None
    """A release that the head carries without its tag: it is tagged first, and then taken back."""
    is_committed: bool = False
    """The head is this very revert, killed before its tag."""


def make_revert_plan(
    repository: Repository, tag: str, *, note: str | None = None, secrets: Sequence[str] = ()
) -> RevertPlan:
    """Compare the head with ``tag``.

    Args:
        repository: Where to go back.
        tag: The release whose content is wanted again.
        note: A sentence for the changelog.
        secrets: Values that it must not hold.

    Raises:
        ReleaseError: There is no such release, the repository has its content now, or the note holds a secret.
        HubError: The repository cannot be looked at.
    """
    _check_note(note or "", secrets)
    state = read_state(repository)
    restores, newest = _wanted(state, tag), state.newest
    card = _text(repository, restores, state)
    if newest is None or card is None:
        raise ReleaseError(f"{tag} has no card", where=state.name, fix="Name a release that has README.md")
    stamp = read_stamp(card)
    if stamp is None:
        raise ReleaseError(
            f"the card of {tag} says no digest, so it is no release of ours", where=state.name, fix="Name another tag"
        )
    old = repository.files(state.revision(restores))
    copy, delete = _copies(state, old, restores)
    is_same = state.stamp is not None and (state.stamp.digest, state.stamp.card) == (stamp.digest, stamp.card)
    if is_same and not copy and not delete:
        return _committed(state, restores, stamp, note)
    number = newest.after(Step.MINOR)
    if Number.of_tag(number.tag) is None:
        what = f"{number.tag} is larger than a number of a release can be"
        raise ReleaseError(what, where=state.name, fix="Build that content again, and release it with --step major")
    entry = _entry(number, newest, restores, note)
    whole = changelog.with_entry(state.changelog, entry)
    decorated = decorate(
        card,
        repository=shown_name(state.name),
        number=number,
        digest=stamp.digest,
        changelog=whole,
        previous=state.card,
        reverts=newest,
        restores=restores,
    )
    change = Change(put={CARD: decorated.encode(), CHANGELOG: whole.encode()}, copy=copy, delete=delete)
    return RevertPlan(state.name, state, number, restores, newest, stamp, change, entry, state.untagged)


def _committed(state: RepositoryState, restores: Number, stamp: Stamp, note: str | None) -> RevertPlan:
    """The plan if the head has the content already: only a tag can be missing."""
    number, head = state.untagged, state.stamp
    if number is None or head is None or head.reverts is None or head.restores != restores:
        raise ReleaseError(
            f"the repository has the content of {restores.tag} already", where=state.name, fix="Name an older release"
        )
    entry = _entry(number, head.reverts, restores, note)
    return RevertPlan(state.name, state, number, restores, head.reverts, stamp, Change(), entry, is_committed=True)


def _entry(number: Number, reverts: Number, restores: Number, note: str | None) -> str:
    words = f"Takes back {reverts.tag}: the content is that of {restores.tag} again."
    return changelog.entry(number, None, step=Step.MINOR, notes=[words, *([note] if note else [])])


def revert(
    plan: RevertPlan,
    repository: Repository,
    *,
    is_pull_request: bool = False,
    records: Records | None = None,
    say: Say,
) -> Published:
    """Do it, or ask for it with a pull request. Raises HubError if the repository has moved since the plan."""
    started = time.monotonic()
    head = plan.state.head
    if plan.finishes is not None and head is not None:
        say(f"tagging {plan.finishes.tag}, which was committed before")
        repository.tag(plan.finishes.tag, head, f"Release {plan.finishes.tag}")
    message = f"Release {plan.number.tag}: revert to {plan.restores.tag}"
    if plan.is_committed and head is not None:
        done = Committed(head)
    else:
        say(f"copying {len(plan.change.copy)} file(s)")
        done = repository.commit(plan.change, parent=head, message=message, is_pull_request=is_pull_request)
    state: State = "pull request" if done.pull_request else "released"
    if not done.pull_request:
        say(f"tagging {plan.number.tag}")
        repository.tag(plan.number.tag, done.commit, message)
    url = done.pull_request or repository.url(plan.number.tag)
    seconds = round(time.monotonic() - started, 3)
    published = Published(state, plan.number, done.commit, url, done.sent_bytes, seconds)
    if records is not None:
        _record(plan, published, records)
    return published


def _check_note(note: str, secrets: Sequence[str]) -> None:
    """The rest of a revert was published before, and went through the gate then."""
    found = dict.fromkeys(what for what, _ in [*secrets_in(note, secrets), *paths_in(note)])
    if found:
        what = f"the note holds {', '.join(found)}"
        raise ReleaseError(what, where="note", fix="Leave it out; revoke a secret that got so far")


def _wanted(state: RepositoryState, tag: str) -> Number:
    number = Number.of_tag(tag)
    if number is not None and tag in state.tags:
        return number
    ours = [known for known in state.tags if Number.of_tag(known)]
    if state.latest is None:
        raise ReleaseError("it has no release to go back to", where=state.name, fix="Release something first")
    near = difflib.get_close_matches(tag, ours, n=1) or [state.latest.tag]
    raise ReleaseError(f"there is no release {tag!r}", where=state.name, fix=f"Did you mean {near[0]}?")


def _text(repository: Repository, number: Number, state: RepositoryState) -> str | None:
    content = repository.read(state.revision(number), CARD)
    return None if content is None else content.decode("utf-8", "replace")


def _copies(
    state: RepositoryState, old: Mapping[str, RemoteFile], restores: Number
) -> tuple[dict[str, tuple[str, str]], list[str]]:
    """Files to take from the old release, and files of ours that it does not have."""
    revision = state.revision(restores)
    texts = {CARD, CHANGELOG}
    wanted = {path: file for path, file in old.items() if is_ours(path) and path not in texts}
    copy = {path: (revision, path) for path, file in wanted.items() if not _same(file, state.files.get(path))}
    delete = sorted(path for path in state.files if is_ours(path) and path not in texts and path not in wanted)
    return copy, delete


def _same(one: RemoteFile, other: RemoteFile | None) -> bool:
    if other is None or one.size != other.size:
        return False
    if one.sha256 and other.sha256:
        return one.sha256 == other.sha256
    return one.blob_id is not None and one.blob_id == other.blob_id


def _record(plan: RevertPlan, published: Published, records: Records) -> None:
    restored = [r for r in records.of(plan.repository) if r.digest == plan.stamp.digest and r.version]
    records.add(
        Recorded(
            repository=plan.repository,
            number=str(plan.number),
            commit=published.commit,
            parent=plan.state.head or "",
            digest=plan.stamp.digest,
            card=plan.stamp.card,
            version=restored[-1].version if restored else "",
            state=published.state,
            url=published.url,
            versions=restored[-1].versions if restored else {},
        )
    )
