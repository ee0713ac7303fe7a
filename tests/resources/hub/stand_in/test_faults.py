"""Each fault does what it says: what was done on the server, and what the client learns of it."""

from __future__ import annotations

import base64
import http.client
import json
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from httpx2 import RemoteProtocolError
from huggingface_hub import HfApi

from resources.errors import HubError
from resources.hub.stand_in.faults import HOWS, Call, Fault, Faults, every_fault
from resources.hub.stand_in.server import StandIn

SET = "org/set"
Ask = Callable[..., tuple[int, dict[str, str], Any]]
Commit = Callable[..., tuple[int, dict[str, str], Any]]
LOST = (http.client.HTTPException, ConnectionError)
CONTENT = base64.b64encode(b"x" * 300_000).decode()
OPERATION = ("file", {"path": "a", "content": CONTENT, "encoding": "base64"})
IS_DONE = {how: how == "cut_after" for how in HOWS}


@pytest.mark.parametrize("how", [how for how in HOWS if how != "timeout"])
def test_a_fault_of_a_commit(hub: StandIn, api: HfApi, commit: Commit, how: str) -> None:
    before = api.dataset_info(SET).sha
    hub.faults.arm(Fault("commit", 1, how))
    if how.startswith("status"):
        status, headers, _ = commit(OPERATION)
        assert f"status_{status}" == how
        assert headers.get("retry-after") == ("0" if status == 429 else None)
    else:
        with pytest.raises(LOST):
            commit(OPERATION)
        assert hub.calls[-1].status is None
    assert hub.calls[-1].fault == hub.faults.fired[0]
    assert (api.dataset_info(SET).sha != before) is IS_DONE[how]
    assert commit(OPERATION)[0] == 200, "a fault happens once"


def test_a_request_that_is_cut_was_read_by_half(hub: StandIn, api: HfApi, commit: Commit) -> None:
    hub.faults.arm(Fault("commit", 1, "cut_during"))
    with pytest.raises(LOST):
        commit(OPERATION)
    assert abs(hub.calls[-1].bytes_in - len(CONTENT) // 2) < 1000


@pytest.mark.parametrize("how", ["cut_before", "cut_during", "cut_after"])
def test_a_write_without_a_body_is_cut_before_it_is_done(hub: StandIn, api: HfApi, ask: Ask, how: str) -> None:
    api.create_tag(SET, tag="v1.0.0", repo_type="dataset")
    hub.faults.arm(Fault("delete-tag", 1, how))
    with pytest.raises(LOST):
        ask("DELETE", f"/api/datasets/{SET}/tag/v1.0.0")
    is_there = bool(api.list_repo_refs(SET, repo_type="dataset").tags)
    assert is_there is not IS_DONE[how]


def test_half_an_answer(hub: StandIn, api: HfApi, commit: Commit, ask: Ask) -> None:
    commit(OPERATION)
    hub.faults.arm(Fault("resolve", 2, "cut_during"))
    path = f"/datasets/{SET}/resolve/main/a"
    assert len(ask("GET", path)[2]) == 300_000
    with pytest.raises(http.client.IncompleteRead) as error:
        ask("GET", path)
    assert len(error.value.partial) == 150_000
    hub.faults.arm(Fault("resolve", 1, "cut_during"))
    with pytest.raises(RemoteProtocolError):
        api.file_exists(SET, "a", repo_type="dataset")


def test_the_client_repeats_a_download_that_was_cut(hub: StandIn, api: HfApi, commit: Commit, tmp_path: Path) -> None:
    commit(OPERATION)
    hub.faults.arm(Fault("resolve", 2, "cut_during"))
    found = api.hf_hub_download(SET, "a", repo_type="dataset", cache_dir=tmp_path / "cache")
    assert Path(found).read_bytes() == b"x" * 300_000
    assert [call.status for call in hub.calls if call.route == "resolve"] == [200, 200, 200]


def test_a_call_that_is_never_answered(hub: StandIn, api: HfApi) -> None:
    hub.faults.arm(Fault("refs", 1, "timeout"))
    connection = http.client.HTTPConnection(hub.endpoint.removeprefix("http://"), timeout=0.2)
    connection.request("GET", f"/api/datasets/{SET}/refs")
    with pytest.raises(TimeoutError):
        connection.getresponse()
    connection.close()
    assert hub.calls[-1].status is None


def test_stopping_ends_a_call_that_hangs(tmp_path: Path) -> None:
    with StandIn(tmp_path, faults=Faults([Fault("whoami", 1, "timeout")])) as hub:
        connection = http.client.HTTPConnection(hub.endpoint.removeprefix("http://"), timeout=20)
        connection.request("GET", "/api/whoami-v2")
        while not hub.calls:
            time.sleep(0.01)
        started = time.monotonic()
    assert time.monotonic() - started < 5
    with pytest.raises(LOST):
        connection.getresponse()
    connection.close()


def test_any_call_can_be_the_nth(hub: StandIn, api: HfApi, ask: Ask) -> None:
    hub.faults.arm(Fault("*", 3, "status_500"))
    paths = ("/api/whoami-v2", f"/api/datasets/{SET}", f"/api/datasets/{SET}/refs", "/api/whoami-v2")
    assert [ask("GET", path)[0] for path in paths] == [200, 200, 500, 200]


def test_calls_can_be_turned_into_faults(hub: StandIn, api: HfApi, commit: Commit) -> None:
    hub.faults.arm()
    hub.forget_calls()
    commit(OPERATION)
    commit(OPERATION)
    assert [(call.route, call.nth) for call in hub.calls] == [("commit", 1), ("commit", 2)]
    faults = every_fault(hub.calls, ["cut_after", "timeout"])
    assert [(fault.nth, fault.how) for fault in faults] == [
        (1, "cut_after"), (1, "timeout"), (2, "cut_after"), (2, "timeout")
    ]  # fmt: skip
    assert len(every_fault([Call("GET", "refs", "/", 1)])) == len(HOWS) == 7


def test_calls_are_counted_by_many_threads() -> None:
    faults = Faults([Fault("a", 50, "status_500"), Fault("a", 150, "timeout")])

    def call() -> None:
        for _ in range(100):
            faults.arrive("a")

    threads = [threading.Thread(target=call) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults.arrive("a") == (401, None)
    assert [fault.nth for fault in faults.fired] == [50, 150]


@pytest.mark.parametrize(("nth", "how"), [(0, "cut_after"), (1, "explode")])
def test_an_impossible_fault(nth: int, how: str) -> None:
    with pytest.raises(HubError):
        Fault("commit", nth, how)


def test_no_secret_stands_in_the_calls(hub: StandIn, api: HfApi, commit: Commit, ask: Ask) -> None:
    batch = {"operation": "upload", "objects": [{"oid": "0" * 64, "size": 1}]}
    _, _, answer = ask("POST", f"/datasets/{SET}.git/info/lfs/objects/batch", batch)
    ask("PUT", answer["objects"][0]["actions"]["upload"]["href"].removeprefix(hub.endpoint), b"x")
    shown = json.dumps([str(call) for call in hub.calls])
    assert hub.token not in shown
    assert "signature" not in shown
