"""Publishing: one commit on the head that the plan saw, then one tag. Each step can be repeated after a kill."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import Literal

from assets.release.numbering import Number
from dagster_project.releasing.plan import ReleasePlan, Say
from dagster_project.releasing.record import Recorded, Records
from resources.errors import ReleaseError, StoreError
from resources.hub.repository import Repository

State = Literal["released", "tagged", "nothing new", "pull request"]


@dataclass(frozen=True, slots=True)
class Published:
    """How a release ended."""

    state: State
    number: Number
    commit: str
    """Where the content is: of the release, or of the pull request."""
    url: str
    sent_bytes: int = 0
    seconds: float = 0.0

    @property
    def tag(self) -> str:
        """Its tag; of a pull request the one that it will get."""
        return self.number.tag


def publish(
    plan: ReleasePlan, repository: Repository, *, records: Records | None = None, say: Say = lambda _words: None
) -> Published:
    """Do what ``plan`` says.

    Args:
        plan: Of :func:`dagster_project.releasing.plan.make_release_plan`.
        repository: The one that it was made for.
        records: Where the release is noted; None leaves no trace (a rehearsal).
        say: Told what happens now.

    Raises:
        ReleaseError: The gate is shut. Nothing was sent.
        HubError: The repository refuses, or has moved since the plan; the same command can be given again.
        StoreError: It is published, and could not be noted; the same command notes it.
    """
    started = time.monotonic()
    if not plan.gate.is_open:
        raise plan.gate.refusal(f"{plan.recipe} ({plan.profile})")
    published = _publish(plan, repository, say)
    published = replace(published, seconds=round(time.monotonic() - started, 3))
    if records is not None and plan.kind != "waiting":
        try:
            _record(plan, published, records)
        except StoreError as error:
            what = f"{published.tag} is out ({published.url}), and only the note of it failed: {error.what}"
            raise StoreError(what, where=error.where, fix=error.fix, retryable=error.retryable) from error
    return published


def _publish(plan: ReleasePlan, repository: Repository, say: Say) -> Published:
    head = plan.state.head
    if plan.kind == "waiting":
        return Published("nothing new", plan.number, head or "", plan.pull_request or repository.url())
    if plan.kind == "nothing":
        return Published("nothing new", plan.number, head or "", repository.url(plan.number.tag))
    if plan.kind == "tag":
        say(f"tagging {plan.number.tag}")
        return Published("tagged", plan.number, _tag(repository, plan.number, head), repository.url(plan.number.tag))
    return _commit(plan, repository, say)


def _commit(plan: ReleasePlan, repository: Repository, say: Say) -> Published:
    if plan.files is None:
        raise ReleaseError("the plan names no files", where=plan.repository, fix="Make the plan again")
    if plan.finishes is not None:
        say(f"tagging {plan.finishes.tag}, which was committed before")
        _tag(repository, plan.finishes, plan.state.head)
    if plan.state.head is None:
        say("creating the repository (private)")
        repository.create()
    say(f"sending {len(plan.files.put)} file(s)")
    done = repository.commit(
        plan.files.change,
        parent=plan.state.head,
        message=f"Release {plan.number.tag}",
        is_pull_request=plan.is_pull_request,
    )
    if done.pull_request is not None:
        return Published("pull request", plan.number, done.commit, done.pull_request, done.sent_bytes)
    say(f"tagging {plan.number.tag}")
    _tag(repository, plan.number, done.commit)
    return Published("released", plan.number, done.commit, repository.url(plan.number.tag), done.sent_bytes)


def _tag(repository: Repository, number: Number, commit: str | None) -> str:
    if commit is None:
        raise ReleaseError("there is no commit to tag", where=repository.name, fix="Make the plan again")
    repository.tag(number.tag, commit, f"Release {number.tag}")
    return commit


def _record(plan: ReleasePlan, published: Published, records: Records) -> None:
    """Note what was done; a release that was killed before it could be noted is noted when it is found."""
    state = published.state
    if state == "nothing new":
        known = {(release.repository, release.number) for release in records.read() if release.state != "pull request"}
        if (plan.repository, str(plan.number)) in known:
            return
        state = "released"
    records.add(
        Recorded(
            repository=plan.repository,
            number=str(published.number),
            commit=plan.state.revision(plan.number) if plan.kind == "nothing" else published.commit,
            parent=plan.state.head or "",
            digest=plan.built.digest,
            card=plan.built.card_hash,
            version=plan.built.version.version,
            state=state,
            url=published.url,
            versions=plan.versions or {},
        )
    )
