"""Places to publish to, and small files to publish."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from resources.hub.connection import Patience
from resources.hub.hub_repository import HubRepository
from resources.hub.repository import LocalFile
from resources.hub.stand_in.server import StandIn

Local = Callable[[str, bytes], LocalFile]
Open = Callable[[], HubRepository]

QUICK = Patience(attempts=3, wait_s=0, longest_wait_s=30, answer_s=0.25, sleep=lambda _: None)


@pytest.fixture
def local(tmp_path: Path) -> Local:
    """Writes a file to publish."""

    def write(name: str, content: bytes) -> LocalFile:
        path = tmp_path / "source" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        path.write_bytes(content)
        return LocalFile(path, len(content), hashlib.sha256(content).hexdigest())

    return write


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[StandIn]:
    """A Hub on loopback. It has no Xet, which the client reads from a constant."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_XET", True)
    with StandIn(tmp_path / "hub") as server:
        yield server
        assert server.failures == []


@pytest.fixture
def on_hub(hub: StandIn) -> Open:
    """Opens one repository of the Hub, as a process of its own would."""
    return lambda: HubRepository("org/set", endpoint=hub.endpoint, token=hub.token, patience=QUICK)
