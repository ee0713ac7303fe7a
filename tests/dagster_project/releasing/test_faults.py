"""`mathloom release` to the Hub stand-in, with every HTTP call failing in every way.

For each fault: a project and a Hub as they were, the command under a client that gives up at once, a look at what a
reader of main and of the latest tag gets, and the same command again. A reader sees the old or the new version whole;
the command given again ends in the new one. A sample runs with the usual tests, all of it with `make test-soak`.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import yaml

from assets.release.numbering import latest
from resources.hub.connection import Patience
from resources.hub.hub_repository import HubRepository
from resources.hub.stand_in.faults import HOWS, Fault, Faults, every_fault
from resources.hub.stand_in.server import StandIn
from tests.dagster_project.releasing.place import Place

REPOSITORY = "org/sums"
TOKEN = "hf_of_the_fault_test"  # noqa: S105 - of a Hub on loopback that lives for one test
HASTY = Patience(attempts=1, wait_s=0, answer_s=0.3, sleep=lambda _: None)
"""Gives up at the first failure, as a killed command does."""

Tree = Mapping[str, str]
"""Path -> SHA-256 of every file of a revision."""


@dataclass(frozen=True)
class Scene:
    """A project that is about to be released, and the Hub as it is then."""

    project: Path
    hub: Path
    old: Tree
    """What main has; empty before the first release."""
    new: Tree
    tag: str
    """Of the release that is about to be made."""
    faults: tuple[Fault, ...]
    """Every call of that release, in every way that it can fail."""


@contextmanager
def environment(hub: StandIn) -> Iterator[None]:
    """The Hub that a command of this process finds, by the variables that a user would set."""
    before = {name: os.environ.get(name) for name in ("HF_ENDPOINT", "HF_TOKEN")}
    os.environ.update({"HF_ENDPOINT": hub.endpoint, "HF_TOKEN": TOKEN})
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})


@contextmanager
def stand_in(root: Path, faults: Faults | None = None) -> Iterator[StandIn]:
    """A Hub over the folder ``root``."""
    with StandIn(root, tokens={TOKEN: "tester:write:*"}, faults=faults) as hub, environment(hub):
        yield hub
        assert hub.failures == []


def release(project: Path) -> int:
    return Place(project).run("release", "--to", REPOSITORY, "--yes")


def tree(hub: StandIn, revision: str) -> Tree:
    """What a reader gets: every file downloaded and hashed, and the dataset as its card names it, loaded."""
    repository = HubRepository(REPOSITORY, endpoint=hub.endpoint, token=TOKEN)
    if repository.head() is None or (revision != "main" and revision not in repository.tags()):
        return {}
    files = {path: repository.read(revision, path) or b"" for path in repository.files(revision)}
    if files:
        load(files)
    return {path: sha256(content).hexdigest() for path, content in files.items()}


def load(files: Mapping[str, bytes]) -> None:
    """Every config and split that the card names is there, with as many rows as the card says."""
    head = yaml.safe_load(files["README.md"].decode().split("---\n")[1])
    rows = {
        (info["config_name"], split["name"]): split["num_examples"]
        for info in head["dataset_info"]
        for split in info["splits"]
    }
    for config in head["configs"]:
        for part in config["data_files"]:
            prefix = part["path"].partition("*")[0]
            found = [content for path, content in files.items() if path.startswith(prefix)]
            assert found, prefix
            count = sum(pq.read_metadata(_file(content)).num_rows for content in found)
            assert rows.get((config["config_name"], part["split"]), count) == count


def _file(content: bytes) -> object:
    import io

    return io.BytesIO(content)


def tags(hub: StandIn) -> Mapping[str, str]:
    return HubRepository(REPOSITORY, endpoint=hub.endpoint, token=TOKEN).tags()


@pytest.fixture(scope="module")
def quick() -> Iterator[pytest.MonkeyPatch]:
    """A client that waits for nothing, without Xet."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_XET", True)
        patch.setattr("resources.hub.hub_repository.Patience", lambda: HASTY)
        yield patch


@pytest.fixture(scope="module")
def make_scene(
    releasable: Path, tmp_path_factory: pytest.TempPathFactory, quick: pytest.MonkeyPatch
) -> Callable[[str], Scene]:
    """The scene of a first release, of a second one, or of a second one from a machine that never saw the first."""
    made: dict[str, Scene] = {}

    def make(name: str) -> Scene:
        if name not in made:
            made[name] = _scene(name, releasable, tmp_path_factory.mktemp("scene"), quick)
        return made[name]

    return make


def _scene(name: str, releasable: Path, root: Path, quick: pytest.MonkeyPatch) -> Scene:
    quick.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(root / "cache"))
    project, hub_root = root / "project", root / "hub"
    shutil.copytree(releasable, project, symlinks=True)
    place = Place(project)
    old: Tree = {}
    if name == "first":
        hub_root.mkdir()
    else:
        with stand_in(hub_root) as hub:
            assert release(project) == 0
            old = tree(hub, "main")
        place.edit("max_words: 60", "max_words: 13")
        place.build()
        if name == "elsewhere":
            (project / ".mathloom" / "releases" / "sums" / "scripted.json").unlink()
    shutil.copytree(project, root / "trial", symlinks=True)
    shutil.copytree(hub_root, root / "trial-hub")
    with stand_in(root / "trial-hub") as hub:
        assert release(root / "trial") == 0
        faults = tuple(every_fault(hub.calls))
        number = latest(tags(hub))
        assert number is not None
        new = tree(hub, number.tag)
    return Scene(project, hub_root, old, new, number.tag, faults)


def fail(scene: Scene, fault: Fault, root: Path, quick: pytest.MonkeyPatch) -> None:
    """One fault, in copies of the scene."""
    quick.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(root / "cache"))
    shutil.copytree(scene.project, root / "project", symlinks=True)
    shutil.copytree(scene.hub, root / "hub")
    with stand_in(root / "hub", faults := Faults([fault])) as hub:
        code = release(root / "project")
        assert faults.fired == (fault,)
        main = tree(hub, "main")
        assert main in (scene.old, scene.new)
        assert code or main == scene.new, "the command said that it went well"
        known = tags(hub)
        if scene.old:
            assert tree(hub, "v1.0.0") == scene.old
        assert known.keys() <= {"v1.0.0", scene.tag}
        assert tree(hub, scene.tag) in ({}, scene.new)
        assert release(root / "project") == 0
        assert tree(hub, "main") == tree(hub, scene.tag) == scene.new
        assert all(tags(hub)[tag] == commit for tag, commit in known.items()), "a tag has moved"
        assert not scene.old or tree(hub, "v1.0.0") == scene.old


@pytest.mark.parametrize(
    ("scene", "route", "how"),
    [
        ("first", "create", "cut_after"),
        ("second", "commit", "cut_before"),
        ("second", "commit", "cut_after"),
        ("second", "commit", "status_412"),
        ("second", "lfs-upload", "cut_during"),
        ("second", "lfs-batch", "status_429"),
        ("second", "tag", "status_500"),
        ("elsewhere", "resolve", "timeout"),
    ],
)
def test_a_call_of_a_release_fails(
    make_scene: Callable[[str], Scene], quick: pytest.MonkeyPatch, tmp_path: Path, scene: str, route: str, how: str
) -> None:
    found = make_scene(scene)
    fault = Fault(route, 1, how)
    assert fault in found.faults, sorted({fault.route for fault in found.faults})
    fail(found, fault, tmp_path, quick)


def test_the_sample_has_every_kind_of_fault() -> None:
    [mark] = test_a_call_of_a_release_fails.pytestmark  # type: ignore[attr-defined]
    assert {how for _, _, how in mark.args[1]} == set(HOWS)


@pytest.mark.soak
@pytest.mark.parametrize("name", ["first", "second", "elsewhere"])
def test_every_call_of_a_release_fails_in_every_way(
    make_scene: Callable[[str], Scene],
    quick: pytest.MonkeyPatch,
    tmp_path: Path,
    name: str,
    record_property: Callable[[str, object], None],
    capsys: pytest.CaptureFixture[str],
) -> None:
    scene = make_scene(name)
    broken = []
    for number, fault in enumerate(scene.faults):
        folder = tmp_path / str(number)
        try:
            fail(scene, fault, folder, quick)
        except Exception as error:
            broken.append(f"{fault}: {type(error).__name__}: {error}"[:400])
        shutil.rmtree(folder, ignore_errors=True)
    record_property("faults", len(scene.faults))
    with capsys.disabled():
        calls = len(scene.faults) // len(HOWS)
        print(f"\n{name} release: {calls} calls in {len(HOWS)} ways, {len(scene.faults)} faults, {len(broken)} broken")
    assert len(scene.faults) >= 80
    assert not broken, f"{len(broken)} of {len(scene.faults)}:\n" + "\n".join(broken)
