"""What holds for every test: no network but loopback, a home of its own, one time zone, fixed seeds, no colours.

All of it is done once, when pytest reads this file, so it costs a test nothing. Children inherit it where it is in the
environment; their network is cut by proxies that lead nowhere.
"""

from __future__ import annotations

import ast
import ipaddress
import os
import random
import shutil
import socket
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

HOME = Path(tempfile.mkdtemp(prefix="mathloom-tests-"))
"""HOME of the whole test run: nothing is read from the user's own, and nothing is written there."""

_NOWHERE = "http://127.0.0.1:9"
"""A loopback port on which nothing listens (9 is the old discard service)."""

ENVIRONMENT = {
    "HOME": str(HOME),
    "XDG_CACHE_HOME": str(HOME / ".cache"),
    "XDG_CONFIG_HOME": str(HOME / ".config"),
    "HF_HOME": str(HOME / "huggingface"),
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HTTP_PROXY": _NOWHERE,
    "HTTPS_PROXY": _NOWHERE,
    "http_proxy": _NOWHERE,
    "https_proxy": _NOWHERE,
    "NO_PROXY": "localhost,127.0.0.1,::1",
    "no_proxy": "localhost,127.0.0.1,::1",
    "TZ": "UTC",
    "LC_ALL": "C.UTF-8",
    "PYTHONHASHSEED": "0",
    "NO_COLOR": "1",
    "TERM": "dumb",
    "COLUMNS": "120",
    "LINES": "40",
}

UNSET = ("DAGSTER_HOME", "MATHLOOM_PROJECT", "MATHLOOM_PROFILE", "FORCE_COLOR", "HF_TOKEN")
"""Settings of the person who runs the tests, which must not change what the tests see."""


class NetworkError(OSError):
    """A test tried to leave the machine."""


def is_local(family: int, address: Any) -> bool:
    """Whether a socket address stays on this machine: a Unix socket, or a loopback address."""
    if family not in (socket.AF_INET, socket.AF_INET6):
        return True
    host = address[0]
    if host in ("", "localhost"):
        return True
    try:
        return ipaddress.ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        return False


def _guarded(original: Callable[..., Any]) -> Callable[..., Any]:
    def guarded(self: socket.socket, *arguments: Any) -> Any:
        if not is_local(self.family, arguments[-1]):
            raise NetworkError(f"tests have no network, and this one asked for {arguments[-1]!r}")
        return original(self, *arguments)

    return guarded


def _guarded_lookup(original: Callable[..., Any]) -> Callable[..., Any]:
    def guarded(host: Any, *arguments: Any, **options: Any) -> Any:
        name = host.decode() if isinstance(host, bytes) else host
        if name is not None and not is_local(socket.AF_INET, (name,)):
            raise NetworkError(f"tests have no network, and this one looked up {name!r}")
        return original(host, *arguments, **options)

    return guarded


def _cut_network() -> None:
    for method in ("connect", "connect_ex", "sendto"):
        setattr(socket.socket, method, _guarded(getattr(socket.socket, method)))
    socket.getaddrinfo = _guarded_lookup(socket.getaddrinfo)


for _name in UNSET:
    os.environ.pop(_name, None)
os.environ.update(ENVIRONMENT)
time.tzset()
_cut_network()
settings.register_profile("mathloom", deadline=None, derandomize=True, database=None)
settings.load_profile("mathloom")


def pytest_unconfigure() -> None:
    """The home of the run goes with it."""
    shutil.rmtree(HOME, ignore_errors=True)


@pytest.fixture(autouse=True)
def _seeds() -> None:
    random.seed(0)


@pytest.fixture(scope="session")
def modules() -> dict[str, ast.Module]:
    """Every module of the project, but for tests, by its path in the clone: rules of the house are tests of text."""
    root = Path(__file__).resolve().parents[1]
    folders = ("assets", "benchmarks", "dagster_project", "mathloom", "resources")
    files = sorted(path for folder in folders for path in (root / folder).rglob("*.py"))
    texts = {path.relative_to(root).as_posix(): path.read_text(encoding="utf-8") for path in files}
    return {name: ast.parse(text, name) for name, text in texts.items()}


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Let no test meet the Dagster instance of another.

    Dagster 1.13 keeps the storage of the instance that was entered last in a context variable. A context that the
    garbage collector closes late, in whichever test that happens, puts the one before it back, dead; what loads
    definitions then fails. A process of the product opens one instance.
    """
    module = sys.modules.get("dagster._core.storage.defs_state.base")
    if module is not None and not hasattr(module, "is_guarded"):
        current = module._current_storage
        module.DefsStateStorage.get = staticmethod(lambda: _alive(current.get()))
        module.is_guarded = True  # pyright: ignore[reportAttributeAccessIssue] - our own mark


def _alive(storage: Any) -> Any:
    """The storage, unless its instance is gone."""
    reference = getattr(storage, "_instance_weakref", None)
    return storage if reference is not None and reference() is not None else None
