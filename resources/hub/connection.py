"""The client library of the Hub with bounds: no answer is waited for without end, and no failure is slept over unseen.

The library has no time limit by itself, and repeats some calls inside (up to ``Retry-After`` seconds apart, whatever
that says). While :func:`at_once` holds, each call is made once with a time limit, and what failed is raised as
:class:`Interrupted`; who repeats it, and how often, is then for :class:`Patience` to say.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from resources.errors import MissingExtraError

ANSWER_S = 60.0
"""Longest wait for the next bytes of an answer where nobody says otherwise."""
CONNECT_S = 15.0
_PASSING = frozenset({408, 429, 500, 502, 503, 504, 520, 522, 524, 529})
"""Statuses that the same call can get past later."""
_BUSY = "another conflicting operation is in progress"
"""With status 409: somebody creates a repository in the same namespace. The library would ask again without pause."""
_MOST_TEXT = 4096
_TRUE = frozenset({"1", "ON", "YES", "TRUE"})
"""As the library reads a switch."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How often a failed call is made again, and how long is waited. ``sleep`` is for tests."""

    attempts: int = 5
    wait_s: float = 1.0
    """Before the second attempt; doubled for each further one."""
    longest_wait_s: float = 120.0
    """A Hub that asks for more (``Retry-After``) is not waited for."""
    answer_s: float = ANSWER_S
    sleep: Callable[[float], None] = time.sleep

    def wait(self, attempt: int, asked_s: float | None = None) -> bool:
        """Wait after the failed ``attempt`` (from 1); False if there shall be no other."""
        if attempt >= self.attempts or (asked_s or 0) > self.longest_wait_s:
            return False
        pause = asked_s if asked_s is not None else self.wait_s * 2 ** (attempt - 1)
        self.sleep(min(pause, self.longest_wait_s))
        return True


class Interrupted(Exception):
    """A call whose answer did not come, or said to come again. What it asked for may have been done or not."""

    def __init__(self, reason: str, *, status: int | None = None, asked_s: float | None = None) -> None:
        super().__init__(reason)
        self.status = status
        self.asked_s = asked_s
        """Seconds that the Hub asks to wait."""


def load(package: str, repository: str) -> ModuleType:
    """Import late, and with the library's own telemetry switched off (it reads the variable when it is imported).

    ``HF_HUB_DISABLE_XET`` counts also if it was set after the import, as a stand-in on loopback does.

    Raises:
        MissingExtraError: The package is not installed.
    """
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    try:
        module = importlib.import_module(package)
    except ImportError as error:
        raise MissingExtraError.of(package, "hub", where=f"hub:{repository}") from error
    if package == "huggingface_hub":
        _guard(module)
        if os.environ.get("HF_HUB_DISABLE_XET", "").upper() in _TRUE:
            module.constants.HF_HUB_DISABLE_XET = True
    return module


@contextlib.contextmanager
def at_once(hub: ModuleType, patience: Patience) -> Iterator[None]:
    """Let each call of this process be made once, with time limits, and raise :class:`Interrupted`.

    For the whole process, not for a thread: the library uploads in threads of its own.
    """
    _guard(hub)
    with _lock:
        _asked.append(patience)
    try:
        yield
    finally:
        with _lock:
            _asked.remove(patience)


_lock = threading.Lock()
_asked: list[Patience] = []


def _guard(hub: ModuleType) -> None:
    """Put our limits before the client that the library shares between its calls."""
    client = hub.get_session()
    with _lock:
        if not isinstance(client.send, _Guard):
            client.send = _Guard(client.send)


class _Guard:
    """``send`` of the shared client."""

    def __init__(self, send: Callable[..., Any]) -> None:
        self._send = send

    def __call__(self, request: Any, **options: Any) -> Any:
        """Send one request; only time limits are set where nobody asked for :func:`at_once`."""
        import httpx2

        with _lock:
            patience = _asked[-1] if _asked else None
        limits = request.extensions.get("timeout") or {}
        longest = patience.answer_s if patience else ANSWER_S
        bounds = {"connect": CONNECT_S, "read": longest, "write": longest, "pool": longest}
        request.extensions["timeout"] = {
            name: min(limits.get(name) or bound, bound) if patience else limits.get(name) or bound
            for name, bound in bounds.items()
        }
        if patience is None:
            return self._send(request, **options)
        try:
            response = self._send(request, **options)
            if response.status_code in _PASSING or _is_busy(response):
                raise _interrupted(response)
        except httpx2.TransportError as error:
            raise Interrupted(f"no answer ({type(error).__name__})") from error
        return response


def _is_busy(response: Any) -> bool:
    return response.status_code == 409 and response.request.method == "POST" and _BUSY in _text(response)


def _interrupted(response: Any) -> Interrupted:
    status = response.status_code
    said = " ".join(_text(response).split())[:200]
    asked = response.headers.get("Retry-After", "").strip()
    response.close()
    return Interrupted(said or f"status {status}", status=status, asked_s=float(asked) if asked.isdigit() else None)


def _text(response: Any) -> str:
    """What the Hub says of an error, as text of bounded length."""
    if said := response.headers.get("X-Error-Message"):
        return str(said)[:_MOST_TEXT]
    if int(response.headers.get("Content-Length") or _MOST_TEXT + 1) > _MOST_TEXT:
        return ""
    response.read()
    return str(response.text)
