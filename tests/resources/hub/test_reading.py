"""Reading from the Hub: the real clients against a local folder and the Hub stand-in, and their errors as one line."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from resources.errors import MissingExtraError, SeedError
from resources.hub import reading as hub
from resources.hub.stand_in.git import blob_oid
from resources.hub.stand_in.repositories import ATTRIBUTES
from resources.hub.stand_in.server import StandIn
from resources.identity import hash_json

FILES = {"README.md": b"---\nlicense: mit\n---\n", "data/train.parquet": b"PAR1", "run.py": b"exit()\n"}
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=")


class Published(NamedTuple):
    """The public dataset org/set on a Hub on loopback, and its commit."""

    endpoint: str
    commit: str


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Published]:
    from huggingface_hub import CommitOperationAdd, HfApi

    with pytest.MonkeyPatch.context() as patch, StandIn(tmp_path_factory.mktemp("hub")) as server:
        patch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_XET", True)
        api = HfApi(endpoint=server.endpoint, token=server.token)
        api.create_repo("org/set", repo_type="dataset", private=False)
        operations = [CommitOperationAdd(path, content) for path, content in FILES.items()]
        done = api.create_commit("org/set", operations, commit_message="rows", repo_type="dataset")
        yield Published(server.endpoint, done.oid)
        assert server.failures == []


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A dataset with two configs, as a local folder; the library's caches stay in the test's own folder."""
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    root = tmp_path / "set"
    for config, rows in (("beta", ["b0"]), ("alpha", ["a0", "a1"])):
        (root / config).mkdir(parents=True)
        lines = "".join(json.dumps({"problem": row}) + "\n" for row in rows)
        (root / config / "train.jsonl").write_text(lines)
    configs = "".join(f"- config_name: {c}\n  data_files: {c}/train.jsonl\n" for c in ("beta", "alpha"))
    (root / "README.md").write_text(f"---\nconfigs:\n{configs}---\n")
    return root


def test_rows_are_streamed_by_the_real_library(folder: Path) -> None:
    assert hub.config_names(str(folder)) == ["alpha", "beta"]
    rows = hub.stream_rows(str(folder), config="alpha", split="train", revision=None)
    assert list(rows) == [{"problem": "a0"}, {"problem": "a1"}]


@pytest.mark.parametrize(("config", "split"), [("gamma", "train"), ("alpha", "test")])
def test_a_wrong_config_or_split_is_one_line(folder: Path, config: str, split: str) -> None:
    with pytest.raises(SeedError, match=f"config '{config}', split '{split}' cannot be read") as caught:
        list(hub.stream_rows(str(folder), config=config, split=split, revision=None))
    assert "\n" not in str(caught.value)
    assert "a local file stand in" in caught.value.fix


def test_a_branch_is_resolved_to_its_commit(published: Published) -> None:
    assert hub.resolve_commit("org/set", endpoint=published.endpoint) == published.commit


def test_content_hash_names_files_and_not_folders(published: Published) -> None:
    small = {path: blob_oid(content) for path, content in FILES.items() if path != "data/train.parquet"}
    large = {"data/train.parquet": hashlib.sha256(FILES["data/train.parquet"]).hexdigest()}
    first = {".gitattributes": blob_oid(ATTRIBUTES.encode())}
    expected = hash_json(sorted([path, name] for path, name in {**small, **large, **first}.items()))
    assert hub.content_hash("org/set", published.commit, endpoint=published.endpoint) == expected


@pytest.mark.parametrize(
    ("repository", "branch"), [("org/absent", "main"), ("org/set", "absent")], ids=["repository", "branch"]
)
def test_what_is_absent_is_not_worth_a_retry(published: Published, repository: str, branch: str) -> None:
    with pytest.raises(SeedError, match=rf"hub:{repository}: branch '{branch}' cannot be read") as caught:
        hub.resolve_commit(repository, branch, endpoint=published.endpoint)
    assert caught.value.retryable is False
    assert "HF_TOKEN" in caught.value.fix


def test_no_network_can_be_tried_again() -> None:
    with pytest.raises(SeedError) as caught:
        hub.resolve_commit("org/set", endpoint="http://127.0.0.1:9")
    assert caught.value.retryable is True


@pytest.mark.parametrize(
    ("package", "call"),
    [("datasets", lambda: hub.config_names("org/set")), ("huggingface_hub", lambda: hub.resolve_commit("org/set"))],
    ids=["datasets", "huggingface_hub"],
)
def test_a_missing_package_names_the_extra(
    monkeypatch: pytest.MonkeyPatch, package: str, call: Callable[[], object]
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtraError, match=rf"'{package}' is needed.*pip install 'mathloom\[hub\]'"):
        call()


def test_the_module_loads_neither_library() -> None:
    code = "import sys, resources.hub.reading; sys.exit(bool({'datasets', 'huggingface_hub'} & sys.modules.keys()))"
    root = Path(hub.__file__).parents[2]
    assert subprocess.run([sys.executable, "-c", code], cwd=root, check=False).returncode == 0


def test_a_published_dataset_is_downloaded_by_its_commit(
    published: Published, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    folder = hub.download("org/set", published.commit, endpoint=published.endpoint)
    found = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert found == {path: content for path, content in FILES.items() if path != "run.py"}, "nothing that could run"
    with pytest.raises(SeedError, match="revision 'nowhere'"):
        hub.download("org/set", "nowhere", endpoint=published.endpoint)
