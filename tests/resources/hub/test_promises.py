"""What every repository promises, on a local folder and on a Hub."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from resources.errors import HubError
from resources.hub.folder_repository import FolderRepository
from resources.hub.repository import Change, LocalFile, Repository

Local = Callable[[str, bytes], LocalFile]
ROWS = b"PAR1\0rows"


@pytest.fixture(params=["folder", "hub"])
def repository(request: pytest.FixtureRequest, tmp_path: Path) -> Repository:
    """A place where nothing is yet."""
    if request.param == "folder":
        return FolderRepository(tmp_path / "set")
    return request.getfixturevalue("on_hub")()


@pytest.fixture
def released(repository: Repository, local: Local) -> tuple[Repository, str]:
    """A place with one version, and its commit."""
    repository.create()
    put: dict[str, LocalFile | bytes] = {
        "README.md": b"one",
        "data/train-0.parquet": local("0.parquet", ROWS + b"0"),
        "data/train-1.parquet": local("1.parquet", ROWS + b"1"),
    }
    return repository, repository.commit(Change(put=put), parent=None, message="one").commit


def contents(repository: Repository, revision: str) -> dict[str, bytes | None]:
    return {path: repository.read(revision, path) for path in repository.files(revision)}


ONE = {"README.md": b"one", "data/train-0.parquet": ROWS + b"0", "data/train-1.parquet": ROWS + b"1"}


# Reading.


def test_what_is_not_there(repository: Repository) -> None:
    assert repository.head() is None
    assert repository.tags() == {}
    for action in (
        lambda: repository.files("main"),
        lambda: repository.read("main", "README.md"),
        lambda: repository.download("main"),
        lambda: repository.commit(Change(put={"README.md": b"one"}), parent=None, message="one"),
        lambda: repository.tag("v1.0.0", "0" * 40, ""),
    ):
        with pytest.raises(HubError) as caught:
            action()
        assert not caught.value.retryable
        assert "\n" not in str(caught.value)


def test_a_new_repository_is_private_and_creating_it_twice_changes_nothing(repository: Repository) -> None:
    repository.create()
    repository.create()
    assert not repository.is_public()
    assert repository.tags() == {}


def test_a_commit_is_read_by_branch_commit_and_tag(released: tuple[Repository, str]) -> None:
    repository, commit = released
    repository.tag("v1.0.0", commit, "the first")
    assert repository.head() == commit
    for revision in ("main", commit, "v1.0.0"):
        assert contents(repository, revision) == ONE
    assert {path: file.size for path, file in repository.files("main").items()} == {p: len(c) for p, c in ONE.items()}
    assert repository.read("main", "absent.md") is None
    with pytest.raises(HubError, match="no such revision|no revision"):
        repository.files("v9.0.0")


def test_download_takes_data_and_records(repository: Repository, local: Local) -> None:
    repository.create()
    names = {"README.md", "BUILD.json", "CHANGELOG.md", "recipe/recipe.yaml", "recipe/prompts/solve.md"}
    put: dict[str, LocalFile | bytes] = {name: name.encode() for name in names}
    put["data/train.parquet"] = local("0.parquet", ROWS)
    commit = repository.commit(Change(put=put), parent=None, message="one").commit
    repository.tag("v1.0.0", commit, "")
    folder = repository.download("v1.0.0")
    assert {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()} == {
        *names,
        "data/train.parquet",
    }
    assert (folder / "data" / "train.parquet").read_bytes() == ROWS
    assert repository.download(commit) == folder


def test_url_names_the_repository(released: tuple[Repository, str]) -> None:
    repository, _ = released
    assert repository.name in repository.url("v1.0.0")
    assert repository.url("v1.0.0").endswith("v1.0.0")


# Committing.


def test_a_second_version_replaces_adds_and_deletes_and_the_first_stays(
    released: tuple[Repository, str], local: Local
) -> None:
    repository, first = released
    new = local("2.parquet", ROWS + b"22")
    change = Change(
        put={"README.md": b"two", "data/train-2.parquet": new}, delete=["data/train-1.parquet", "data/train-9.parquet"]
    )
    second = repository.commit(change, parent=first, message="two")
    assert second.sent_bytes == 3 + new.size
    assert repository.head() == second.commit != first
    two = {"README.md": b"two", "data/train-0.parquet": ROWS + b"0", "data/train-2.parquet": ROWS + b"22"}
    assert contents(repository, "main") == contents(repository, second.commit) == two
    assert contents(repository, first) == ONE


def test_what_the_parent_has_is_not_sent_again(released: tuple[Repository, str], local: Local) -> None:
    repository, first = released
    put: dict[str, LocalFile | bytes] = {
        "README.md": b"one",
        "data/train-0.parquet": local("0.parquet", ROWS + b"0"),
        "CHANGELOG.md": b"news",
    }
    done = repository.commit(Change(put=put), parent=first, message="two")
    assert done.sent_bytes == len(b"news")
    assert contents(repository, "main") == {**ONE, "CHANGELOG.md": b"news"}


def test_nothing_new_is_no_commit(released: tuple[Repository, str], local: Local) -> None:
    repository, first = released
    change = Change(put={"README.md": b"one", "data/train-1.parquet": local("1", ROWS + b"1")}, delete=["absent.md"])
    done = repository.commit(change, parent=first, message="again")
    assert (done.commit, done.sent_bytes) == (first, 0)
    assert repository.head() == first


def test_a_first_commit_has_files(repository: Repository) -> None:
    repository.create()
    with pytest.raises(HubError, match="has no files"):
        repository.commit(Change(), parent=None, message="one")


def test_a_branch_that_has_moved_is_left_alone(released: tuple[Repository, str]) -> None:
    repository, first = released
    second = repository.commit(Change(put={"README.md": b"theirs"}), parent=first, message="theirs").commit
    for parent in (first, None, "0" * 40):
        with pytest.raises(HubError) as caught:
            repository.commit(Change(put={"README.md": b"ours"}), parent=parent, message="ours")
        assert not caught.value.retryable
    assert repository.head() == second
    assert contents(repository, "main") == {**ONE, "README.md": b"theirs"}


def test_the_error_of_a_moved_branch_says_so(released: tuple[Repository, str]) -> None:
    repository, first = released
    repository.commit(Change(put={"README.md": b"theirs"}), parent=first, message="theirs")
    with pytest.raises(HubError, match="the branch has moved"):
        repository.commit(Change(put={"README.md": b"ours"}), parent=first, message="ours")


def test_a_commit_that_is_there_counts_as_done(released: tuple[Repository, str], local: Local) -> None:
    """A run was killed after its commit: the same call again finds it."""
    repository, first = released
    one: dict[str, LocalFile | bytes] = {"README.md": b"one"}
    one |= {f"data/train-{i}.parquet": local(f"{i}.parquet", ROWS + b"%d" % i) for i in (0, 1)}
    again = repository.commit(Change(put=one), parent=None, message="one")
    assert (again.commit, again.sent_bytes) == (first, 0)
    change = Change(put={"README.md": b"two"}, delete=["data/train-0.parquet"])
    second = repository.commit(change, parent=first, message="two").commit
    assert repository.commit(change, parent=first, message="two").commit == second
    assert repository.head() == second


def test_the_same_content_by_somebody_else_later_is_not_ours(released: tuple[Repository, str]) -> None:
    repository, first = released
    second = repository.commit(Change(put={"README.md": b"two"}), parent=first, message="two").commit
    third = repository.commit(Change(put={"README.md": b"three"}), parent=second, message="three").commit
    fourth = repository.commit(Change(put={"README.md": b"two"}), parent=third, message="two").commit
    assert len({first, second, third, fourth}) == 4
    with pytest.raises(HubError, match="the branch has moved"):
        repository.commit(Change(put={"README.md": b"two"}), parent=first, message="two")


def test_a_revert_sends_no_data(released: tuple[Repository, str], local: Local) -> None:
    repository, first = released
    repository.tag("v1.0.0", first, "")
    gone = Change(
        put={"README.md": b"two", "data/train-0.parquet": local("n", ROWS + b"new")}, delete=["data/train-1.parquet"]
    )
    second = repository.commit(gone, parent=first, message="two").commit
    copy = {path: ("v1.0.0", path) for path in ONE if path.endswith(".parquet")}
    third = repository.commit(Change(put={"README.md": b"three"}, copy=copy), parent=second, message="three")
    assert third.sent_bytes == len(b"three")
    assert contents(repository, "main") == {**ONE, "README.md": b"three"}


def test_a_small_file_can_be_copied_too(released: tuple[Repository, str]) -> None:
    repository, first = released
    done = repository.commit(Change(copy={"OLD.md": (first, "README.md")}), parent=first, message="two")
    assert contents(repository, done.commit) == {**ONE, "OLD.md": b"one"}


def test_a_proposal_leaves_main_alone(released: tuple[Repository, str]) -> None:
    repository, first = released
    change = Change(put={"README.md": b"proposed"})
    done = repository.commit(change, parent=first, message="two", is_pull_request=True)
    assert repository.head() == first
    assert done.pull_request
    assert contents(repository, done.commit) == contents(repository, "refs/pr/1") == {**ONE, "README.md": b"proposed"}
    assert repository.tags() == {}
    other = repository.commit(Change(put={"README.md": b"other"}), parent=first, message="three", is_pull_request=True)
    assert other.pull_request != done.pull_request
    assert repository.commit(change, parent=first, message="two").sent_bytes >= 0
    assert contents(repository, "main") == {**ONE, "README.md": b"proposed"}


@pytest.mark.parametrize(
    "path", ["../x.md", "/x.md", "a//b.md", "a/./b.md", "a\\b.md", "a\nb.md", ".git/config", ".gitattributes", "", "a/"]
)
def test_some_paths_are_refused(released: tuple[Repository, str], path: str) -> None:
    repository, first = released
    for change in (Change(put={path: b"x"}), Change(delete=[path]), Change(copy={path: (first, "README.md")})):
        with pytest.raises(HubError, match="is not allowed"):
            repository.commit(change, parent=first, message="x")
    assert repository.head() == first


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (Change(put={"README.md": b"x"}, delete=["README.md"]), "named twice"),
        (Change(put={"README.md/x": b"x"}), "a file and a folder"),
        (Change(put={"a.parquet": LocalFile(Path("gone.parquet"), 1, "0" * 64)}), "is not there any more"),
        (Change(put={"a.parquet": LocalFile(Path(__file__), 1, "0" * 64)}), "and 1 were expected"),
        (Change(copy={"a.md": ("main", "absent.md")}), "no file 'absent.md'"),
    ],
)
def test_some_changes_are_refused(released: tuple[Repository, str], change: Change, message: str) -> None:
    repository, first = released
    with pytest.raises(HubError, match=message):
        repository.commit(change, parent=first, message="x")
    assert repository.head() == first


# Tagging.


def test_a_tag_never_moves(released: tuple[Repository, str]) -> None:
    repository, first = released
    repository.tag("v1.0.0", first, "the first")
    repository.tag("v1.0.0", first, "the first")
    second = repository.commit(Change(put={"README.md": b"two"}), parent=first, message="two").commit
    with pytest.raises(HubError, match=r"v1\.0\.0 names .* already, and a tag never moves") as caught:
        repository.tag("v1.0.0", second, "the second")
    assert not caught.value.retryable
    assert repository.tags() == {"v1.0.0": first}
    repository.tag("v1.1.0", second, "")
    assert repository.tags() == {"v1.0.0": first, "v1.1.0": second}
    assert contents(repository, "v1.0.0") == ONE


def test_a_tag_names_a_commit_that_is_there(released: tuple[Repository, str]) -> None:
    repository, _ = released
    with pytest.raises(HubError, match="no such revision|no revision"):
        repository.tag("v1.0.0", "0" * 40, "")
    with pytest.raises(HubError, match="cannot be a tag"):
        repository.tag("v1 0", "0" * 40, "")
    assert repository.tags() == {}


# At once.


def test_of_several_writers_one_wins(released: tuple[Repository, str]) -> None:
    repository, first = released
    ready = threading.Barrier(4)

    def write(word: str) -> str | HubError:
        ready.wait()
        try:
            return repository.commit(Change(put={"README.md": word.encode()}), parent=first, message=word).commit
        except HubError as error:
            return error

    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(write, ("a", "b", "c", "d")))
    [winner] = [result for result in results if isinstance(result, str)]
    assert repository.head() == winner
    lost = [str(result) for result in results if isinstance(result, HubError)]
    assert all("the branch has moved" in text or "another process is writing" in text for text in lost)
