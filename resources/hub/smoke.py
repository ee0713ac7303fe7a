"""``mathloom doctor --hub-smoke ORG/NAME``: does the real Hub keep the promises that releases rest on?

Everything else is tested against a stand-in, which models the Hub and has no Xet. This is the only test of Xet, and of
what the real Hub says. It needs a token that may write, sends about 2 MB, and removes what it made: the repository, if
it was not there; else its files and its tag, by a commit on main.
"""

from __future__ import annotations

import dataclasses
import hashlib
import random
import tempfile
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from resources.errors import HubError, MathloomError
from resources.hub.connection import Patience, load
from resources.hub.hub_repository import HubRepository
from resources.hub.refusals import clean
from resources.hub.repository import Change, LocalFile
from resources.hub.sending import uses_xet
from resources.identity import hash_file

LARGE_BYTES = 1_500_000
"""Random bytes in the large file: more than goes inside a commit, and nothing of it is on the Hub yet."""
OK, FAIL, SKIPPED = "ok", "FAIL", "-"

Step = tuple[str, str]
"""A word (``ok``, ``FAIL``, ``-``) and what it is about."""


def smoke(repository_name: str, *, endpoint: str | None = None, token: str | None = None) -> list[str]:
    """All steps, as lines."""
    return [f"{word:<5} {text}" for word, text in smoke_steps(repository_name, endpoint=endpoint, token=token)]


def smoke_steps(
    repository_name: str, *, endpoint: str | None = None, token: str | None = None, patience: Patience | None = None
) -> Iterator[Step]:
    """The steps, each when it is done. One that fails is told; those that rest on it are left out; cleaning is not.

    Raises:
        MissingExtraError: ``huggingface_hub`` is not installed.
    """
    repository = HubRepository(repository_name, endpoint=endpoint, token=token, patience=patience)
    with tempfile.TemporaryDirectory(prefix="mathloom-smoke-") as folder:
        run = _Smoke(repository, Path(folder))
        try:
            yield from _tell(run.steps())
        except BaseException:  # also Ctrl-C, and a reader who stops reading
            list(run.clean())
            raise
        yield from run.clean()


class _Smoke:
    """One run. Names carry a random part, so that two runs do not meet."""

    def __init__(self, repository: HubRepository, folder: Path) -> None:
        self.repository = repository
        self.once = HubRepository(
            repository.name,
            endpoint=repository.endpoint,
            token=repository.token,
            patience=dataclasses.replace(repository.patience, attempts=1),
        )
        mark = uuid.uuid4().hex[:8]
        self.place, self.tag = f"mathloom-smoke-{mark}", f"mathloom-smoke-{mark}"
        self.small, self.large = f"{self.place}/small.parquet", f"{self.place}/large.parquet"
        self.files = {self.small: _parquet(folder / "s", b"small"), self.large: _parquet(folder / "l", _noise())}
        self.is_new = False
        self.base: str | None = None
        self.commit = ""

    def steps(self) -> Iterator[Callable[[], str]]:
        yield self.sign_in
        yield self.create
        yield self.send
        yield self.send_again
        yield self.by_xet
        yield self.stale_parent
        yield self.name_it
        yield self.move_tag
        yield self.read_back
        yield self.copy

    def sign_in(self) -> str:
        name = self.repository.ask("the token cannot be checked", lambda api: api.whoami()["name"])
        return f"signed in as {clean(str(name), None)}"

    def create(self) -> str:
        try:
            self.once.ask(
                "the repository cannot be created",
                lambda api: api.create_repo(self.repository.name, repo_type="dataset", private=True),
            )
            self.is_new = True
        except HubError:
            if self.repository.head() is None:
                raise
        if self.repository.is_public():
            raise HubError("it is public", where=self.repository.where, fix="Name a private repository, or a new name")
        self.base = self.repository.head()
        return f"the private repository {self.repository.name} {'was made' if self.is_new else 'is there'}"

    def send(self) -> str:
        done = self.repository.commit(Change(put=self.files), parent=self.base, message="mathloom doctor: two files")
        self.commit = done.commit
        return f"one commit with two Parquet files ({done.sent_bytes:,} bytes)"

    def send_again(self) -> str:
        done = self.repository.commit(Change(put=self.files), parent=self.commit, message="mathloom doctor: again")
        _expect(done.commit == self.commit and done.sent_bytes == 0, "the same files were sent again")
        return "the same files again: nothing is sent, no commit"

    def by_xet(self) -> str:
        hub = load("huggingface_hub", self.repository.name)
        tree = self.repository.ask(
            "the files cannot be listed",
            lambda api: list(api.list_repo_tree(self.repository.name, self.place, repo_type="dataset")),
        )
        xet = next((getattr(entry, "xet_hash", None) for entry in tree if entry.path == self.large), None)
        if not uses_xet(hub):
            return "large files go by LFS: Xet is switched off or hf_xet is not installed, so Xet is not tested"
        return "the large file went by Xet" if xet else "large files go by LFS: the Hub did not store this one in Xet"

    def stale_parent(self) -> str:
        hub = load("huggingface_hub", self.repository.name)
        stale = self.base or "0" * 40

        def call(api: object) -> None:
            step = hub.CommitOperationAdd(f"{self.place}/stale.txt", b"stale")
            api.create_commit(  # type: ignore[attr-defined]
                self.repository.name, [step], commit_message="stale", repo_type="dataset", parent_commit=stale
            )

        said = _refusal(lambda: self.once.ask("a commit on a stale parent", call))
        _expect(said is not None, "the Hub took a commit on a parent that is not the head of main")
        _expect(self.repository.head() == self.commit, "main has moved")
        return f"a commit on a stale parent is refused ({said})"

    def name_it(self) -> str:
        self.repository.tag(self.tag, self.commit, "mathloom doctor")
        self.repository.tag(self.tag, self.commit, "mathloom doctor")
        _expect(self.repository.tags().get(self.tag) == self.commit, "the list of tags names another commit")
        return f"the tag {self.tag} names the commit"

    def move_tag(self) -> str:
        tag, name = self.tag, self.repository.name
        said = _refusal(
            lambda: self.once.ask(
                "a second tag of this name",
                lambda api: api.create_tag(name, tag=tag, revision=self.base or self.commit, repo_type="dataset"),
            )
        )
        _expect(said is not None, "the Hub made the tag twice")
        _expect(self.repository.tags().get(tag) == self.commit, "the tag has moved")
        return f"a tag that is there is refused ({said})"

    def read_back(self) -> str:
        folder = self.repository.download(self.tag)
        for path, file in self.files.items():
            read = self.repository.read(self.tag, path) or b""
            _expect(hashlib.sha256(read).hexdigest() == file.sha256, f"{path} was read with other bytes")
            _expect(hash_file(folder / path) == file.sha256, f"{path} was downloaded with other bytes")
        return "both files are read back by the tag, byte for byte"

    def copy(self) -> str:
        copied = f"{self.place}/copy.parquet"
        change = Change(copy={copied: (self.tag, self.large)}, delete=[self.small])
        done = self.repository.commit(change, parent=self.commit, message="mathloom doctor: copy, as a revert does")
        _expect(done.sent_bytes == 0, f"{done.sent_bytes:,} bytes were sent for a copy")
        return "a file of the tag is copied without being sent"

    def clean(self) -> Iterator[Step]:
        """Remove what was made, as far as it was made."""
        name = self.repository.name
        try:
            if self.is_new:
                self.repository.ask("it cannot be deleted", lambda api: api.delete_repo(name, repo_type="dataset"))
                yield OK, f"cleaned: {name} is gone again"
            elif self.commit:
                if self.tag in self.repository.tags():
                    self.repository.ask("the tag", lambda api: api.delete_tag(name, tag=self.tag, repo_type="dataset"))
                head = self.repository.head()
                ours = [path for path in self.repository.files(head or "main") if path.startswith(f"{self.place}/")]
                if ours:
                    self.repository.commit(Change(delete=ours), parent=head, message="mathloom doctor: clean up")
                yield OK, f"cleaned: the tag and the folder {self.place} are gone again"
        except MathloomError as error:
            yield FAIL, f"not everything was removed ({self.place} in {name}): {error}"


def _tell(steps: Iterator[Callable[[], str]]) -> Iterator[Step]:
    """Run the steps until one fails."""
    for step in steps:
        try:
            yield OK, step()
        except HubError as error:
            yield FAIL, str(error)
            left = sum(1 for _ in steps)
            if left:
                yield SKIPPED, f"{left} further steps were left out"
            return


def _refusal(call: Callable[[], object]) -> str | None:
    """What was said to a call that must fail; None if it did not."""
    try:
        call()
    except HubError as error:
        return error.what[:160]
    return None


def _expect(is_so: bool, otherwise: str) -> None:
    if not is_so:
        raise HubError(
            otherwise, where="Hub", fix="Releases rest on this: report it with the versions that doctor shows"
        )


def _parquet(path: Path, content: bytes) -> LocalFile:
    pq.write_table(pa.table({"content": [content]}), path, compression="none", use_dictionary=False)
    return LocalFile(path, path.stat().st_size, hash_file(path))


def _noise() -> bytes:
    return random.SystemRandom().randbytes(LARGE_BYTES)
