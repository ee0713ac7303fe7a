"""A repository of datasets: what a release needs of the place that it is published to, and nothing else.

Two places exist: a dataset repository of the Hub, and a local folder of versions. Both keep three promises. A commit is
seen whole or not at all. It fails if the branch has moved since ``parent`` was read. A tag never moves.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

MAIN = "main"
"""The branch that readers get who name no revision."""


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """One file of a revision. ``sha256`` is of its bytes; None where the place knows only git's hash (``blob_id``)."""

    path: str
    size: int
    sha256: str | None = None
    blob_id: str | None = None


@dataclass(frozen=True, slots=True)
class LocalFile:
    """A file to publish. ``sha256`` is known from the manifest of its version, so that nobody reads it twice."""

    source: Path
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Change:
    """What one commit does. Paths are inside the repository, with slashes.

    Files that the parent has with the same content are not sent again, whoever lists them here.
    """

    put: Mapping[str, LocalFile | bytes] = field(default_factory=dict)
    """Files to write; bytes only for small text (card, build record)."""
    copy: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    """Files to take from another revision, as (revision, path): a revert sends no data."""
    delete: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Committed:
    """A commit that is there. ``pull_request`` is its address if it waits for somebody to merge it."""

    commit: str
    pull_request: str | None = None
    sent_bytes: int = 0
    """Bytes of files that went over the wire."""


class Repository(Protocol):
    """A place for the versions of one dataset.

    All methods raise :class:`resources.errors.HubError` with what went wrong and how to mend it; ``retryable`` says
    whether the same call can work later. Tokens come from the environment and stand in no error.
    """

    name: str
    """``ORG/NAME``, or the folder: what ``load_dataset`` takes."""

    def head(self) -> str | None:
        """Commit of :data:`MAIN`; None if the repository is not there or has no commit."""
        ...

    def tags(self) -> Mapping[str, str]:
        """Tag -> commit; empty if the repository is not there."""
        ...

    def files(self, revision: str) -> Mapping[str, RemoteFile]:
        """Every file of a commit, branch or tag, by path."""
        ...

    def read(self, revision: str, path: str) -> bytes | None:
        """A small file (card, build record); None if the revision has no such file."""
        ...

    def download(self, revision: str) -> Path:
        """A local folder with the Parquet files, card and build record of a revision; what is there is kept."""
        ...

    def create(self) -> None:
        """Make the repository, private, if it is not there."""
        ...

    def commit(self, change: Change, *, parent: str | None, message: str, is_pull_request: bool = False) -> Committed:
        """One commit on :data:`MAIN`, or one pull request.

        ``parent`` is what :meth:`head` gave (None: the first commit). A commit whose answer was lost counts as done if
        the branch has it. Raises HubError (not retryable) if the branch has moved.
        """
        ...

    def tag(self, name: str, commit: str, message: str) -> None:
        """Name ``commit`` for ever. Done already with this commit: nothing happens. With another: HubError."""
        ...

    def is_public(self) -> bool:
        """Whether anybody may read it. A local folder is never public."""
        ...

    def make_public(self) -> None:
        """Let everybody read it."""
        ...

    def url(self, revision: str | None = None) -> str:
        """Where a person looks at it."""
        ...
