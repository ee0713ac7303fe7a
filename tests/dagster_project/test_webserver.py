"""The same build through the Dagster webserver, as the UI does it: materialise, poll, read what it shows."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dagster_project.cli import main

NAME = "sums"
LAUNCH = """
mutation($params: ExecutionParams!) {
  launchPipelineExecution(executionParams: $params) {
    __typename
    ... on LaunchRunSuccess { run { runId } }
    ... on PythonError { message }
  }
}
"""
RUN = "query($id: ID!) { runOrError(runId: $id) { ... on Run { status } } }"
ASSETS = """
{
  assetNodes {
    assetKey { path } groupName description opVersion kinds
    staleStatus
    owners { ... on TeamAssetOwner { team } }
    assetMaterializations(limit: 1) { metadataEntries { label __typename ... on IntMetadataEntry { intValue } } }
    assetChecksOrError { ... on AssetChecks { checks { name executionForLatestMaterialization { status } } } }
  }
}
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Server:
    """A real webserver on loopback."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}/graphql"

    def ask(self, query: str, **variables: Any) -> dict[str, Any]:
        body = json.dumps({"query": query, "variables": variables}).encode()
        request = urllib.request.Request(self.url, body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=60) as answer:
            found = json.load(answer)
        assert "errors" not in found, found
        return found["data"]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("ui") / NAME
    assert main(["init", str(folder)]) == 0
    port = free_port()
    command = [sys.executable, "-m", "dagster_project.cli", "ui", "--port", str(port)]
    log = (folder / "webserver.log").open("w")
    # A session of its own: the UI is several processes, and all of them have to go in the end.
    process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log, start_new_session=True)
    try:
        wait_for(lambda: socket.create_connection(("127.0.0.1", port), timeout=1).close(), process, folder)
        yield Server(port)
    finally:
        os.killpg(process.pid, signal.SIGINT)
        try:
            process.wait(30)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            log.close()


def wait_for(probe: Any, process: subprocess.Popen[bytes], folder: Path) -> None:
    deadline = time.monotonic() + 90
    while True:
        try:
            probe()
            return
        except OSError:
            if process.poll() is not None or time.monotonic() > deadline:
                pytest.fail((folder / "webserver.log").read_text()[-2000:])
            time.sleep(0.2)


def test_materialise_through_graphql(server: Server) -> None:
    nodes = {tuple(n["assetKey"]["path"]): n for n in server.ask(ASSETS)["assetNodes"]}
    assert (NAME, "solutions") in nodes
    selector = {
        "repositoryLocationName": NAME,
        "repositoryName": "__repository__",
        "jobName": NAME,
        "assetSelection": [{"path": list(path)} for path in nodes],
        "assetCheckSelection": None,
    }
    launched = server.ask(LAUNCH, params={"selector": selector, "runConfigData": {}, "mode": "default"})
    result = launched["launchPipelineExecution"]
    assert result["__typename"] == "LaunchRunSuccess", result
    status = ""
    deadline = time.monotonic() + 120
    while status not in ("SUCCESS", "FAILURE", "CANCELED") and time.monotonic() < deadline:
        time.sleep(0.5)
        status = server.ask(RUN, id=result["run"]["runId"])["runOrError"]["status"]
    assert status == "SUCCESS"
    for node in server.ask(ASSETS)["assetNodes"]:
        check_shown(node)


def check_shown(node: dict[str, Any]) -> None:
    name = "/".join(node["assetKey"]["path"])
    assert node["groupName"] == NAME, name
    assert node["description"], name
    assert node["kinds"], name
    assert node["staleStatus"] == "FRESH", name
    assert node["owners"] == [{"team": "data"}], name
    (materialisation,) = node["assetMaterializations"]
    shown = {entry["label"]: entry for entry in materialisation["metadataEntries"]}
    assert shown["dagster/row_count"]["intValue"] > 0, name
    assert {"dagster/column_schema", "funnel", "sample", "mathloom/version"} <= set(shown), name
    checks = node["assetChecksOrError"]["checks"]
    assert any(check["name"].startswith("law_") for check in checks), name
    assert {c["executionForLatestMaterialization"]["status"] for c in checks} == {"SUCCEEDED"}, name
