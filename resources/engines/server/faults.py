"""Why one HTTP request gave no completion, and what follows from it; the reading of HTTP errors."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Literal

from resources.engines.server.words import Words

Kind = Literal["busy", "slow", "lost", "broken", "refused", "key", "unknown"]
"""
* ``busy``: the server asks to wait (429, or 503 with Retry-After): sent again, and counted by time only.
* ``slow``: no whole answer within ``timeout_s``. * ``lost``: no connection, or it ended early.
* ``broken``: 5xx, or an answer that is none. These three are sent again, ``retries`` times.
* ``refused``: the server does not take this request: a failure at once.
* ``key``, ``unknown``: the server does not take the key, or wants to be paid; does not know the model or the path. No
  request can work.
"""

_TOO_LONG = re.compile(r"context.length|too long|maximum.{0,20}tokens|exceeds.{0,40}context", re.IGNORECASE)
_TOO_LONG_PARAMETERS = frozenset({"input_tokens", "input_text"})
_AGAIN = frozenset({408, 409, 425})
"""Statuses below 500 after which the same request may work."""

_NEVER = frozenset({501, 505})


class Fault(Exception):
    """One request came to nothing. ``what`` is clean: no key, printable, short."""

    def __init__(
        self, kind: Kind, what: str, *, wait_s: float | None = None, is_permanent: bool = False, status: int = 0
    ) -> None:
        self.kind: Kind = kind
        self.what = what
        self.wait_s = wait_s
        """What the server asks for (Retry-After), in seconds."""
        self.is_permanent = is_permanent
        self.status = status
        super().__init__(what)


def http_fault(status: int, headers: Mapping[str, str], body: bytes, words: Words, now: datetime) -> Fault:
    """The fault that a status other than 2xx means. ``body``: its beginning is enough."""
    error = _error(body)
    said = words.clean(error.get("message") or body.decode("utf-8", "replace"))
    what = f"HTTP {status}" + (f": {said}" if said else "")
    wait_s = retry_after_s(headers.get("retry-after"), now)
    if status in (401, 402, 403):
        # Its words are left out: servers like to show part of the key.
        return Fault("key", f"HTTP {status}", status=status)
    if status == 429 or (status == 503 and wait_s is not None):
        return Fault("busy", what, wait_s=wait_s, status=status)
    if status in _AGAIN or (status >= 500 and status not in _NEVER):
        return Fault("broken", what, status=status)
    if status in (404, 405) or 300 <= status < 400 or error.get("code") == "model_not_found":
        return Fault("unknown", what, status=status)
    return Fault("refused", what, is_permanent=_is_too_long(status, error), status=status)


def retry_after_s(value: str | None, now: datetime) -> float | None:
    """Seconds that a ``Retry-After`` (seconds, or an HTTP date) asks for; None when there is none that can be read."""
    if value is None:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            date = parsedate_to_datetime(value)
        except (ValueError, OverflowError):
            return None
        seconds = ((date if date.tzinfo else date.replace(tzinfo=UTC)) - now).total_seconds()
    return max(seconds, 0.0) if math.isfinite(seconds) else None


def _is_too_long(status: int, error: Mapping[str, Any]) -> bool:
    if status == 413 or error.get("code") == "context_length_exceeded" or error.get("param") in _TOO_LONG_PARAMETERS:
        return True
    return status in (400, 422) and bool(_TOO_LONG.search(str(error.get("message", ""))))


def _error(body: bytes) -> Mapping[str, Any]:
    """The error object of a body: {"error": {...}}, or one that has the message at its top; else nothing."""
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    if isinstance(found, dict) and isinstance(found.get("error"), dict):
        found = found["error"]
    if not isinstance(found, dict):
        return {}
    message = next((found[name] for name in ("message", "detail", "error") if isinstance(found.get(name), str)), None)
    return {**found, "message": message}
