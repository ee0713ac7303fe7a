"""What a repository has now: its head, its tags, and what the stamp of its card says. Read once, at plan time."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from assets.release.decoration import Stamp, read_stamp, release_digest
from assets.release.numbering import Number, latest
from dagster_project.releasing.built import CARD, CHANGELOG
from dagster_project.releasing.files import is_ours
from resources.errors import ReleaseError
from resources.hub.repository import RemoteFile, Repository


@dataclass(frozen=True, slots=True)
class RepositoryState:
    """A repository at the moment when its head was read. The commit of a release names this head as its parent."""

    name: str
    head: str | None
    """None: there is no repository, or nothing in it."""
    tags: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, RemoteFile] = field(default_factory=dict)
    """Of the head."""
    card: str | None = None
    """README.md of the head: ours, or somebody's."""
    changelog: str | None = None
    stamp: Stamp | None = None
    is_whole: bool = True
    """Whether the files of the head are those that its stamp names. Looked at only where the head has no tag."""

    @property
    def latest(self) -> Number | None:
        """The highest number that is tagged."""
        return latest(self.tags)

    @property
    def untagged(self) -> Number | None:
        """The release that the head carries, whole and without its tag.

        Its command was killed in between, or a pull request was merged.
        """
        return self.claimed if self.is_whole else None

    @property
    def claimed(self) -> Number | None:
        """The release without a tag that the card of the head names. Its files may have been changed by hand since."""
        number = self.stamp.version if self.stamp else None
        if number is None or number.tag in self.tags:
            return None
        return number if self.latest is None or number > self.latest else None

    @property
    def newest(self) -> Number | None:
        """The release that the next one follows: the untagged one, else the highest tag."""
        return self.untagged or self.latest

    @property
    def is_edited(self) -> bool:
        """Whether somebody has committed since the last release."""
        number = self.latest
        return self.head is not None and number is not None and not self.untagged and self.tags[number.tag] != self.head

    def revision(self, number: Number) -> str:
        """The commit of a release."""
        return self.tags.get(number.tag) or self.head or number.tag


def read_state(repository: Repository) -> RepositoryState:
    """Look at ``repository``. Raises HubError, and ReleaseError if the card of its head cannot be read."""
    head = repository.head()
    if head is None:
        return RepositoryState(repository.name, None, tags=repository.tags())
    card = _text(repository.read(head, CARD))
    state = RepositoryState(
        name=repository.name,
        head=head,
        tags=repository.tags(),
        files=repository.files(head),
        card=card,
        changelog=_text(repository.read(head, CHANGELOG)),
        stamp=read_stamp(card) if card is not None else None,
    )
    if state.claimed and state.stamp:
        return replace(state, is_whole=_digest(repository, head, state.files) == state.stamp.digest)
    return state


def read_release_stamp(repository: Repository, revision: str) -> Stamp | None:
    """The stamp of a tag or commit; None if it has none, or none that can be read: nobody can mend an old card."""
    card = _text(repository.read(revision, CARD))
    try:
        return read_stamp(card) if card is not None else None
    except ReleaseError:
        return None


def _digest(repository: Repository, revision: str, files: Mapping[str, RemoteFile]) -> str:
    """Of what a revision holds. Small files whose place knows only git's hash are read."""
    hashes = {}
    for path, file in files.items():
        if is_ours(path):
            hashes[path] = file.sha256 or hashlib.sha256(repository.read(revision, path) or b"").hexdigest()
    return release_digest(hashes)


def _text(content: bytes | None) -> str | None:
    return None if content is None else content.decode("utf-8", "replace")
