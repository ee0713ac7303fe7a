"""The real client on a stand-in (``hub``, from the folder above), and bare HTTP for what the client would not send."""

from __future__ import annotations

import contextlib
import http.client
import json
from collections.abc import Callable
from typing import Any

import pytest
from huggingface_hub import HfApi

from resources.hub.stand_in.server import StandIn

SET = "org/set"
Answered = tuple[int, dict[str, str], Any]
Ask = Callable[..., Answered]


@pytest.fixture
def api(hub: StandIn) -> HfApi:
    """The real client, with a repository `org/set`."""
    client = HfApi(endpoint=hub.endpoint, token=hub.token)
    client.create_repo(SET, repo_type="dataset", private=True)
    return client


@pytest.fixture
def ask(hub: StandIn) -> Ask:
    """One request as somebody else's client would send it: status, headers (lower case), and JSON or bytes."""

    def send(method: str, path: str, body: Any = None, *, token: str | None = hub.token, **headers: str) -> Answered:
        connection = http.client.HTTPConnection(hub.endpoint.removeprefix("http://"), timeout=10)
        content = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        sent = {"Authorization": f"Bearer {token}"} if token else {}
        with contextlib.closing(connection):
            connection.request(method, path, content, {**sent, **headers})
            response = connection.getresponse()
            raw = response.read()
        found = {name.lower(): value for name, value in response.getheaders()}
        is_json = raw and "json" in found.get("content-type", "")
        return response.status, found, json.loads(raw) if is_json else raw

    return send


@pytest.fixture
def commit(ask: Ask, api: HfApi) -> Callable[..., Answered]:
    """A commit as bare lines: operations are pairs of key and value."""

    def send(*operations: tuple[str, Any], revision: str = "main", **header: Any) -> Answered:
        lines = [("header", {"summary": "bare", **header}), *operations]
        body = b"".join(json.dumps({"key": key, "value": value}).encode() + b"\n" for key, value in lines)
        return ask("POST", f"/api/datasets/{SET}/commit/{revision}", body)

    return send
