"""Reading from the Hub: the real clients against a local folder and a loopback server, and their errors as one line."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from resources.errors import MissingExtraError, SeedError
from resources.hub import reading as hub
from resources.identity import hash_json

COMMIT = "0123456789abcdef0123456789abcdef01234567"
TREE = [
    {"type": "file", "path": "README.md", "oid": "a" * 40, "size": 3},
    {"type": "directory", "path": "data", "oid": "b" * 40},
    {
        "type": "file",
        "path": "data/train.parquet",
        "oid": "c" * 40,
        "size": 9,
        "lfs": {"oid": "d" * 64, "size": 9, "pointerSize": 130},
    },
]


SIBLINGS = [{"rfilename": name} for name in ("README.md", "data/train.parquet", "run.py")]


class _Hub(BaseHTTPRequestHandler):
    """Answers what `dataset_info` and `list_repo_tree` ask, and 404 as the Hub says it."""

    def do_GET(self) -> None:
        answers = {
            "/api/datasets/org/set/revision/main": {"id": "org/set", "sha": COMMIT},
            f"/api/datasets/org/set/tree/{COMMIT}": TREE,
            f"/api/datasets/org/set/revision/{COMMIT}": {"id": "org/set", "sha": COMMIT, "siblings": SIBLINGS},
        }
        if self.path.startswith(f"/datasets/org/set/resolve/{COMMIT}/"):
            self._file(self.path.rpartition("/")[2])
            return
        answer = answers.get(self.path.split("?")[0])
        self.send_response(200 if answer else 404)
        if not answer:
            self.send_header("X-Error-Code", "RevisionNotFound" if "org/set" in self.path else "RepoNotFound")
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(json.dumps(answer or {"error": "not found"}).encode())

    def do_HEAD(self) -> None:
        self._file(self.path.rpartition("/")[2])

    def _file(self, name: str) -> None:
        self.send_response(200)
        self.send_header("ETag", f'"{name}"')
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("Content-Length", str(len(name)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(name.encode())

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    """A Hub on loopback."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Hub)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


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


def test_a_branch_is_resolved_to_its_commit(endpoint: str) -> None:
    assert hub.resolve_commit("org/set", endpoint=endpoint) == COMMIT


def test_content_hash_names_files_and_not_folders(endpoint: str) -> None:
    expected = hash_json([["README.md", "a" * 40], ["data/train.parquet", "d" * 64]])
    assert hub.content_hash("org/set", COMMIT, endpoint=endpoint) == expected


@pytest.mark.parametrize(
    ("repository", "branch"), [("org/absent", "main"), ("org/set", "absent")], ids=["repository", "branch"]
)
def test_what_is_absent_is_not_worth_a_retry(endpoint: str, repository: str, branch: str) -> None:
    with pytest.raises(SeedError, match=rf"hub:{repository}: branch '{branch}' cannot be read") as caught:
        hub.resolve_commit(repository, branch, endpoint=endpoint)
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
    endpoint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("huggingface_hub")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    folder = hub.download("org/set", COMMIT, endpoint=endpoint)
    assert {path.name: path.read_text() for path in folder.rglob("*") if path.is_file()} == {
        "README.md": "README.md",
        "train.parquet": "train.parquet",
    }, "nothing that could run"
    with pytest.raises(SeedError, match="revision 'nowhere'"):
        hub.download("org/set", "nowhere", endpoint=endpoint)
