"""A dataset repository of the Hugging Face Hub: one commit for a version, then one tag.

The answer to a commit can be lost on its way, so no failure is believed before main was read again: if main is what
was asked for and its parent is ours, the commit is there; if main is where it was, it is tried again; else somebody
else was quicker. Tags likewise.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar
from urllib.parse import quote

from resources.errors import HubError
from resources.hub.changes import COMMIT, Outcome, check_tag, moved, work_out
from resources.hub.connection import Patience, at_once, load
from resources.hub.reading import RELEASED
from resources.hub.refusals import Failure, explain
from resources.hub.repository import MAIN, Change, Committed, RemoteFile
from resources.hub.sending import Sent, operations

T = TypeVar("T")

_OWN = ".gitattributes"
"""The Hub's own file: it is made with the repository, and is no part of a release."""
_MOST_BYTES = 64 << 20
"""Largest file that :meth:`HubRepository.read` takes into memory."""
_PROPOSALS = 10
"""How many of the newest pull requests are looked at for one whose answer was lost."""


class HubRepository:
    """A dataset repository. No call is made before a method is.

    Args:
        name: ``ORG/NAME``.
        endpoint: Address of the Hub; None is the client's own (``HF_ENDPOINT``).
        token: None is the client's own (``HF_TOKEN``, or a login).
        patience: How often failed calls are repeated.
    """

    def __init__(
        self, name: str, *, endpoint: str | None = None, token: str | None = None, patience: Patience | None = None
    ) -> None:
        self.name = name
        self.where = f"hub:{name}"
        self.patience = patience or Patience()
        self.endpoint = endpoint.rstrip("/") if endpoint else None
        self.token = token

    # Reading.

    def head(self) -> str | None:
        """Commit of main; None if the repository is not there or has none. One request."""
        refs = self._refs()
        return next((b.target_commit for b in refs.branches if b.name == MAIN), None) if refs else None

    def tags(self) -> Mapping[str, str]:
        """Tag -> commit; empty if the repository is not there. One request."""
        refs = self._refs()
        return {tag.name: tag.target_commit for tag in refs.tags} if refs else {}

    def files(self, revision: str) -> Mapping[str, RemoteFile]:
        """Every file of a revision, but for ``.gitattributes``."""

        def call(api: Any) -> dict[str, RemoteFile]:
            tree = api.list_repo_tree(self.name, revision=revision, recursive=True, repo_type="dataset")
            return {
                entry.path: RemoteFile(entry.path, entry.size, entry.lfs.sha256 if entry.lfs else None, entry.blob_id)
                for entry in tree
                if hasattr(entry, "blob_id") and entry.path != _OWN
            }

        return self.ask(f"the files of {revision[:100]} cannot be listed", call)

    def read(self, revision: str, path: str) -> bytes | None:
        """A small file; None if the revision has none of this name."""
        hub = self._hub

        def call(_: Any) -> bytes | None:
            address = hub.hf_hub_url(self.name, path, repo_type="dataset", revision=revision, endpoint=self.endpoint)
            with hub.get_session().stream(
                "GET", address, headers=hub.utils.build_hf_headers(token=self.token)
            ) as response:
                try:
                    hub.hf_raise_for_status(response)
                except hub.errors.EntryNotFoundError:
                    return None
                return self._body(response, path)

        return self.ask(f"{path[:100]} of {revision[:100]} cannot be read", call)

    def download(self, revision: str) -> Path:
        """Folder of the client's cache with what a release has. What is there is not downloaded again."""
        commit = self._commit_of(revision)

        def call(api: Any) -> Path:
            return Path(
                api.snapshot_download(
                    self.name, repo_type="dataset", revision=commit, allow_patterns=list(RELEASED), max_workers=4
                )
            )

        return self.ask(f"{revision[:100]} cannot be downloaded", call)

    def is_public(self) -> bool:
        """Whether anybody may read it."""
        return not self.ask("its settings cannot be read", lambda api: api.dataset_info(self.name)).private

    def url(self, revision: str | None = None) -> str:
        """Its page."""
        page = f"{self._address}/datasets/{self.name}"
        return f"{page}/tree/{quote(revision, safe='')}" if revision else page

    # Writing.

    def create(self) -> None:
        """Make the repository, private, if it is not there. One that is there keeps its settings."""
        self.ask(
            "the repository cannot be created",
            lambda api: api.create_repo(self.name, repo_type="dataset", private=True, exist_ok=True),
        )

    def make_public(self) -> None:
        """Let everybody read it."""
        self.ask(
            "the repository cannot be made public",
            lambda api: api.update_repo_settings(self.name, repo_type="dataset", private=False),
        )

    def commit(self, change: Change, *, parent: str | None, message: str, is_pull_request: bool = False) -> Committed:
        """One commit on main, or one pull request. ``sent_bytes``: see :class:`resources.hub.sending.Sent`."""
        head = self._head_to_write()
        parent_files = self.files(parent) if parent else {}
        outcome = work_out(change, parent_files, self.files, where=self.where)
        plan = _Plan(outcome, parent, parent or self._first_parent(head), message, is_pull_request)
        if head != plan.base:
            return self._done_already(head, plan)
        if outcome.is_empty:
            return Committed(self._nothing_new(parent))
        committed = self._send(plan)
        self._verify(committed, outcome)
        return committed

    def tag(self, name: str, commit: str, message: str) -> None:
        """Name ``commit`` for ever."""
        check_tag(name, self.where)
        attempt = 1
        while not self._is_tagged(name, commit):
            failure = self._try(
                f"the tag {name} cannot be made", lambda api: self._make_tag(api, name, commit, message)
            )
            if not isinstance(failure, Failure) or self._is_tagged(name, commit):
                return
            if not failure.is_unknown or not self.patience.wait(attempt, failure.asked_s):
                raise failure.error
            attempt += 1

    # Steps of a commit.

    def _head_to_write(self) -> str | None:
        """Commit of main, None if there is none. Raises HubError if there is no repository."""
        refs = self._refs()
        if refs is None:
            fix = "Create it first; a private repository needs HF_TOKEN, with a token that may write to it"
            raise HubError("the repository is not there, or not for this token", where=self.where, fix=fix)
        return next((branch.target_commit for branch in refs.branches if branch.name == MAIN), None)

    def _first_parent(self, head: str | None) -> str | None:
        """What a first release is put on: the commit that the Hub makes with a repository, if there is nothing else."""
        return head if head and not self.files(head) else None

    def _nothing_new(self, parent: str | None) -> str:
        if parent is None:
            raise HubError("the first commit has no files", where=self.where, fix="Release a dataset with rows")
        return parent

    def _send(self, plan: _Plan) -> Committed:
        """Send until it is there, or somebody else's commit is, or patience ends."""
        hub = self._hub
        steps = operations(hub, plan.outcome, plan.sent)

        def call(api: Any) -> Any:
            return api.create_commit(
                self.name,
                steps,
                commit_message=plan.message,
                repo_type="dataset",
                revision=MAIN,
                parent_commit=plan.base,
                create_pr=plan.is_pull_request,
            )

        attempt = 1
        while isinstance(result := self._try("the commit failed", call), Failure):
            landed = self._landed(plan) if result.is_unknown else None
            if landed:
                return landed
            if not result.is_unknown or not self.patience.wait(attempt, result.asked_s):
                raise result.error
            attempt += 1
        plan.sent.finish(hub, steps)
        return Committed(result.oid, result.pr_url if plan.is_pull_request else None, plan.sent.bytes)

    def _landed(self, plan: _Plan) -> Committed | None:
        """After a failure: the commit, if it is there; None if nothing happened. Raises HubError if main has moved."""
        head = self._head_to_write()
        if plan.is_pull_request and (found := self._proposal(plan)):
            return found
        return None if head == plan.base else self._done_already(head, plan)

    def _done_already(self, head: str | None, plan: _Plan) -> Committed:
        """Main is not where it was: this very commit, made by a call that could not say so, or somebody else's."""
        if head and not plan.is_pull_request and self._is_ours(head, plan):
            return Committed(head, None, plan.sent.bytes)
        raise moved(self.where, plan.base, head)

    def _is_ours(self, commit: str, plan: _Plan) -> bool:
        if not plan.outcome.matches(self.files(commit)):
            return False
        parent = self._parent_of(commit)
        if plan.parent is None:
            return parent is None or not self.files(parent)
        return parent == plan.parent

    def _proposal(self, plan: _Plan) -> Committed | None:
        """A pull request with this content on this parent, among the newest."""
        refs = self._refs(with_proposals=True)
        newest = sorted(
            ((int(ref.ref.rpartition("/")[2]), ref.target_commit) for ref in refs.pull_requests), reverse=True
        )
        for number, commit in newest[:_PROPOSALS]:
            if self._is_ours(commit, plan):
                return Committed(commit, f"{self.url()}/discussions/{number}", plan.sent.bytes)
        return None

    def _verify(self, committed: Committed, outcome: Outcome) -> None:
        """The Hub leaves out files that a ``.gitignore`` there names, and does not say so."""
        if not outcome.matches(self.files(committed.commit)):
            raise HubError(
                f"the commit {committed.commit[:12]} has other files than were sent; no tag names it",
                where=self.where,
                fix="Remove .gitignore from the repository, and release again",
            )

    # Calls.

    def _make_tag(self, api: Any, name: str, commit: str, message: str) -> None:
        api.create_tag(self.name, tag=name, tag_message=message or None, revision=commit, repo_type="dataset")

    def _is_tagged(self, name: str, commit: str) -> bool:
        """Whether the tag is there. Raises HubError if it names another commit."""
        there = self.tags().get(name)
        if there is None or there == commit:
            return there is not None
        if (resolved := self._commit_of(name)) == commit:  # what is listed can be the tag's own object
            return True
        raise HubError(
            f"the tag {name} names {resolved[:12]} already, and a tag never moves",
            where=self.where,
            fix="Release under the next number",
        )

    def _refs(self, *, with_proposals: bool = False) -> Any:
        """Branches and tags; None if the repository is not there."""
        hub = self._hub

        def call(api: Any) -> Any:
            try:
                return api.list_repo_refs(self.name, repo_type="dataset", include_pull_requests=with_proposals)
            except hub.errors.RepositoryNotFoundError:
                return None

        return self.ask("its branches and tags cannot be read", call)

    def _commit_of(self, revision: str) -> str:
        if COMMIT.fullmatch(revision):
            return revision
        doing = f"{revision[:100]} cannot be read"
        return str(self.ask(doing, lambda api: api.dataset_info(self.name, revision=revision).sha))

    def _parent_of(self, commit: str) -> str | None:
        """The commit before; None for the first."""
        hub = self._hub

        def call(_: Any) -> str | None:
            address = f"{self._address}/api/datasets/{self.name}/commits/{commit}"
            answer = hub.get_session().get(address, headers=hub.utils.build_hf_headers(token=self.token))
            hub.hf_raise_for_status(answer)
            commits = answer.json()
            return str(commits[1]["id"]) if len(commits) > 1 else None

        return self.ask(f"the commits before {commit[:12]} cannot be read", call)

    def ask(self, doing: str, call: Callable[[Any], T]) -> T:
        """The answer to a call that may be made as often as one likes."""
        attempt = 1
        while isinstance(result := self._try(doing, call), Failure):
            if not result.is_unknown or not self.patience.wait(attempt, result.asked_s):
                raise result.error
            attempt += 1
        return result

    def _try(self, doing: str, call: Callable[[Any], T]) -> T | Failure:
        """One attempt. The client's bars are off, and its warnings about its own calls."""
        hub = self._hub
        api = hub.HfApi(endpoint=self.endpoint, token=self.token, library_name="mathloom")
        try:
            with at_once(hub, self.patience), warnings.catch_warnings(), hub.utils.disable_progress_bars():
                warnings.simplefilter("ignore")
                return call(api)
        except Exception as error:
            return explain(error, doing, self.name, self.token or os.environ.get("HF_TOKEN"))

    def _body(self, response: Any, path: str) -> bytes:
        pieces, size = [], 0
        for piece in response.iter_bytes():
            size += len(piece)
            if size > _MOST_BYTES:
                raise ValueError(f"{path[:100]} has more than {_MOST_BYTES} bytes")
            pieces.append(piece)
        return b"".join(pieces)

    @property
    def _hub(self) -> ModuleType:
        return load("huggingface_hub", self.name)

    @property
    def _address(self) -> str:
        return self.endpoint or str(self._hub.constants.ENDPOINT)


@dataclass(frozen=True, slots=True)
class _Plan:
    """One commit that is to be made."""

    outcome: Outcome
    parent: str | None
    """As the caller said it: None for the first commit."""
    base: str | None
    """What the Hub is told: a new repository has a commit of its own."""
    message: str
    is_pull_request: bool
    sent: Sent = field(default_factory=Sent)
