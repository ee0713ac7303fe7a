"""Faulty servers, and engines that ask them."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from resources.engines.catalog import make_engine
from resources.engines.server.engine import ServerEngine
from tests.resources.engines.server.faulty_http import FaultyServer, Plan


@pytest.fixture
def serve() -> Iterator[Callable[..., FaultyServer]]:
    """Starts servers; they end with the test."""
    running: list[FaultyServer] = []

    def start(**plan: Any) -> FaultyServer:
        running.append(FaultyServer(Plan(**plan)))
        running[-1].start()
        return running[-1]

    yield start
    for server in running:
        server.__exit__()


@pytest.fixture
def engine_of(tmp_path: Path) -> Iterator[Callable[..., ServerEngine]]:
    """Makes engines that ask the given servers and do not wait long."""
    made: list[ServerEngine] = []

    def make(*servers: FaultyServer, secrets: dict[str, str] | None = None, **options: Any) -> ServerEngine:
        words = {
            "weights": "w",
            "served_name": "org/m",
            "base_url": [server.url for server in servers],
            "retry_wait_s": 0.01,
            "probe_s": 0.02,
            "timeout_s": 5,
            "patience_s": 5,
            **options,
        }
        if not words["base_url"]:
            del words["base_url"]
        engine = make_engine("server", words, "p.yaml:4", tmp_path, secrets)
        assert isinstance(engine, ServerEngine)
        made.append(engine)
        return engine

    yield make
    for engine in made:
        engine.stop()
