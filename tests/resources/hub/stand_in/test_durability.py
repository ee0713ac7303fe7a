"""What was answered stays: over a restart, and over a kill at any moment. Nobody sees half a commit."""

from __future__ import annotations

import hashlib
import http.client
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from threading import Thread
from types import SimpleNamespace

import pytest
from huggingface_hub import CommitOperationAdd as Add
from huggingface_hub import HfApi
from huggingface_hub.errors import HfHubHTTPError

from resources.errors import HubError
from resources.hub.stand_in.messages import Body
from resources.hub.stand_in.objects import Objects
from resources.hub.stand_in.server import StandIn
from resources.hub.stand_in.storage import Storage

SET = "org/set"
ROOT = Path(__file__).resolve().parents[4]
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=")
SERVE = """
import pathlib, sys, time
from resources.hub.stand_in.server import StandIn
with StandIn(pathlib.Path(sys.argv[1]), tokens={"hf_test": "ann:write:org"}) as hub:
    sys.stdout.write(hub.endpoint + "\\n")
    sys.stdout.flush()
    time.sleep(600)
"""


@pytest.fixture(autouse=True)
def no_xet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_XET", True)


def serve(root: Path) -> tuple[subprocess.Popen[str], HfApi]:
    command = [sys.executable, "-c", SERVE, str(root)]
    child = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    return child, HfApi(endpoint=child.stdout.readline().strip(), token="hf_test")


def kill(child: subprocess.Popen[str]) -> None:
    child.send_signal(signal.SIGKILL)
    child.wait()
    assert child.stdout is not None
    child.stdout.close()


def test_a_restart_keeps_everything(tmp_path: Path) -> None:
    with StandIn(tmp_path / "hub") as hub:
        api = HfApi(endpoint=hub.endpoint, token=hub.token)
        api.create_repo(SET, repo_type="dataset", private=True)
        operations = [Add("data/x.parquet", b"PAR1"), Add("a", b"1")]
        oid = api.create_commit(SET, operations, commit_message="x", repo_type="dataset").oid
        api.create_tag(SET, tag="v1.0.0", repo_type="dataset")
        api.create_commit(SET, [Add("b", b"1")], commit_message="x", repo_type="dataset", create_pr=True)
    with StandIn(tmp_path / "hub") as hub:
        api = HfApi(endpoint=hub.endpoint, token=hub.token)
        refs = api.list_repo_refs(SET, repo_type="dataset", include_pull_requests=True)
        assert [ref.target_commit for ref in (*refs.branches, *refs.tags)] == [oid, oid]
        assert len(refs.pull_requests or []) == 1
        found = api.hf_hub_download(SET, "data/x.parquet", repo_type="dataset", cache_dir=tmp_path / "cache")
        assert Path(found).read_bytes() == b"PAR1"


def test_the_port_can_be_kept(tmp_path: Path) -> None:
    with StandIn(tmp_path) as hub:
        port = int(hub.endpoint.rpartition(":")[2])
        with pytest.raises(HubError, match=f"port {port}"), StandIn(tmp_path / "other", port=port):
            pass
    with StandIn(tmp_path, port=port) as hub:
        assert hub.endpoint.endswith(f":{port}")


def test_one_server_for_a_folder(tmp_path: Path) -> None:
    with StandIn(tmp_path), pytest.raises(HubError, match="another stand-in"), StandIn(tmp_path):
        pass
    (tmp_path / "file").write_text("")
    with pytest.raises(HubError, match="cannot be written"), StandIn(tmp_path / "file"):
        pass


def test_it_listens_on_loopback_only(tmp_path: Path) -> None:
    with StandIn(tmp_path) as hub:
        assert hub.endpoint.startswith("http://127.0.0.1:")


def test_an_upload_that_breaks_off_leaves_nothing(tmp_path: Path) -> None:
    objects, content = Objects(tmp_path), os.urandom(1000)
    sha256 = hashlib.sha256(content).hexdigest()
    with (tmp_path / "half").open("wb+") as handle:
        handle.write(content[:500])
        handle.seek(0)
        with pytest.raises(ConnectionError):
            objects.put_large(sha256, 1000, Body(handle, {"Content-Length": "1000"}))
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["half"]
    assert objects.large_size(sha256) is None


def test_a_kill_between_object_and_commit(tmp_path: Path) -> None:
    """The object stays and is not sent again; nobody saw a commit."""
    child, api = serve(tmp_path / "hub")
    api.create_repo(SET, repo_type="dataset")
    api.preupload_lfs_files(SET, [Add("data/x.parquet", b"PAR1")], repo_type="dataset")
    before = api.dataset_info(SET).sha
    incoming = tmp_path / "hub" / "datasets" / "org" / "set" / "incoming" / "torn"
    kill(child)
    incoming.write_bytes(b"torn")
    with StandIn(tmp_path / "hub") as hub:
        assert not incoming.exists()
        api = HfApi(endpoint=hub.endpoint, token=hub.token)
        assert api.dataset_info(SET).sha == before
        operation = Add("data/x.parquet", b"PAR1")
        api.create_commit(SET, [operation], commit_message="x", repo_type="dataset", parent_commit=before)
        assert [call.route for call in hub.calls if call.route.startswith("lfs")] == ["lfs-batch"]


def release(api: HfApi, number: int) -> None:
    """A commit of two files that belong together, and its tag."""
    content = str(number).encode()
    operations = [Add("data/x.parquet", content), Add("README.md", b"---\nlicense: mit\n---\n" + content)]
    oid = api.create_commit(SET, operations, commit_message=f"r{number}", repo_type="dataset").oid
    api.create_tag(SET, tag=f"v{number}", revision=oid, repo_type="dataset")


def rounds(api: HfApi, first: int, done: list[int]) -> None:
    number = first
    try:
        while True:
            release(api, number)
            done.append(number)
            number += 1
    except (HfHubHTTPError, RuntimeError, OSError, http.client.HTTPException):
        return
    except Exception as error:
        if "httpx" not in type(error).__module__:
            raise


def check_whole(root: Path) -> set[int]:
    """Every revision has both of its files, with the content that belongs together; numbers of the tags."""
    storage = Storage(root)
    try:
        repository = storage.find("org", "set")
        assert repository is not None
        state = repository.state()
        revisions = ["main", *state.tags]
        for revision in revisions:
            files = repository.resolve(revision).files
            if revision == "main" and "README.md" not in files:
                continue
            large, small = files["data/x.parquet"], files["README.md"]
            assert large.sha256 is not None
            content = repository.objects.large(large.sha256).read_bytes()
            assert hashlib.sha256(content).hexdigest() == large.sha256
            assert repository.objects.small(small.oid).read_bytes().endswith(b"---\n" + content)
            assert revision in ("main", f"v{content.decode()}")
        return {int(tag[1:]) for tag in state.tags}
    finally:
        storage.close()


@pytest.mark.parametrize("kills", [3, pytest.param(60, marks=pytest.mark.soak)])
def test_a_kill_at_any_moment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kills: int) -> None:
    monkeypatch.setattr("huggingface_hub.utils._http.time", SimpleNamespace(sleep=lambda _: None))
    chance = random.Random(7)
    done: list[int] = []
    for attempt in range(kills):
        child, api = serve(tmp_path / "hub")
        api.create_repo(SET, repo_type="dataset", exist_ok=True)
        worker = Thread(target=rounds, args=(api, 1000 * attempt, done))
        worker.start()
        time.sleep(0.05 + 0.2 * chance.random())
        kill(child)
        worker.join()
        tags = check_whole(tmp_path / "hub")
        assert set(done) <= tags, "what was answered is there"
    assert done
