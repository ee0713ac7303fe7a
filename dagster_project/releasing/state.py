"""What a repository has now: its head, its tags, and what the stamp of its card says. Read once, at plan time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from assets.release.decoration import Stamp, read_stamp
from assets.release.numbering import Number, latest
from dagster_project.releasing.built import CARD, CHANGELOG
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

    @property
    def latest(self) -> Number | None:
        """The highest number that is tagged."""
        return latest(self.tags)

    @property
    def untagged(self) -> Number | None:
        """The release that the head carries without its tag.

        Its command was killed in between, or a pull request was merged.
        """
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
    """Look at ``repository``. Raises HubError."""
    head = repository.head()
    if head is None:
        return RepositoryState(repository.name, None)
    card = _text(repository.read(head, CARD))
    return RepositoryState(
        name=repository.name,
        head=head,
        tags=repository.tags(),
        files=repository.files(head),
        card=card,
        changelog=_text(repository.read(head, CHANGELOG)),
        stamp=read_stamp(card) if card is not None else None,
    )


def read_release_stamp(repository: Repository, revision: str) -> Stamp | None:
    """The stamp of one revision; None if it has none."""
    card = _text(repository.read(revision, CARD))
    return read_stamp(card) if card is not None else None


def _text(content: bytes | None) -> str | None:
    return None if content is None else content.decode("utf-8", "replace")
