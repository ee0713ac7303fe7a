"""What goes over the wire: a request with its streamed body, an answer, and a refusal in the Hub's own words.

No socket lives here, and nothing that knows a route.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

MAX_JSON = 16 * 1024 * 1024
"""Largest JSON or form body, in bytes."""
CHUNK = 1024 * 1024
"""Bytes that are held at once while a body streams through."""


class Refusal(Exception):
    """An error answer. ``code`` becomes ``X-Error-Code``, from which clients choose the class of their error."""

    def __init__(
        self, status: int, message: str, *, code: str | None = None, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = code
        self.headers = dict(headers or {})

    def answer(self) -> Answer:
        """The refusal as the Hub sends it: the message in the body and in ``X-Error-Message``."""
        headers = {**self.headers, "X-Error-Message": self.message}
        if self.code:
            headers["X-Error-Code"] = self.code
        return json_answer({"error": self.message}, self.status, headers=headers)


@dataclass(frozen=True, slots=True)
class FileSlice:
    """Part of a file on disk, sent without being read into memory."""

    path: Path
    start: int
    length: int


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer. ``length`` is stated where it is not that of the body (the answer to a HEAD)."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | FileSlice = b""
    length: int | None = None

    @property
    def body_length(self) -> int:
        """Bytes of the body."""
        return self.body.length if isinstance(self.body, FileSlice) else len(self.body)


def json_answer(value: Any, status: int = 200, *, headers: Mapping[str, str] | None = None) -> Answer:
    """``value`` as JSON."""
    body = json.dumps(value).encode()
    return Answer(status, {"Content-Type": "application/json; charset=utf-8", **(headers or {})}, body)


class Body:
    """The body of a request, read once, in pieces; ``Content-Length`` and chunked transfer are both understood.

    Raises ConnectionError where the client goes away, and Refusal where the framing is broken.
    """

    def __init__(self, source: BinaryIO, headers: Mapping[str, str]) -> None:
        self._source = source
        self._is_chunked = "chunked" in (headers.get("Transfer-Encoding") or "").lower()
        self.length = None if self._is_chunked else _content_length(headers.get("Content-Length"))
        """Bytes of the whole, None if the client does not say."""
        self._left = self.length or 0
        self._is_done = not self._is_chunked and self._left == 0
        self.bytes_read = 0
        """Bytes of content that have arrived."""

    @property
    def is_empty(self) -> bool:
        """Whether there was never anything to read."""
        return self._is_done and self.bytes_read == 0

    def read(self, at_most: int = CHUNK) -> bytes:
        """The next bytes, at least one; empty at the end."""
        if self._is_chunked and not self._is_done and self._left == 0:
            self._next_chunk()
        if self._is_done:
            return b""
        data = self._source.read(min(at_most, self._left))
        if not data:
            raise ConnectionError("the client went away in the middle of a body")
        self._left -= len(data)
        self.bytes_read += len(data)
        if self._left == 0:
            self._end_of_piece()
        return data

    def read_all(self, limit: int = MAX_JSON) -> bytes:
        """The rest. Raises Refusal 413 if that is more than ``limit`` bytes."""
        pieces, size = [], 0
        while piece := self.read():
            size += len(piece)
            if size > limit:
                raise Refusal(413, f"Payload Too Large: more than {limit} bytes")
            pieces.append(piece)
        return b"".join(pieces)

    def drain(self) -> None:
        """Read the rest and forget it: the next request on this connection begins behind it."""
        while self.read():
            pass

    def _next_chunk(self) -> None:
        line = self._source.readline(1024)
        try:
            self._left = int(line.split(b";")[0].strip(), 16)
        except ValueError:
            raise ConnectionError("a broken chunk") from None
        if self._left == 0:
            self._is_done = True
            while self._source.readline(1024).strip():
                pass

    def _end_of_piece(self) -> None:
        if self._is_chunked:
            self._source.readline(8)
        else:
            self._is_done = True


def _content_length(text: str | None) -> int:
    if text is None:
        return 0
    if not (text.isascii() and text.isdigit()):
        raise ConnectionError("a broken Content-Length")
    return int(text)


@dataclass(frozen=True, slots=True)
class Request:
    """One request. ``path`` is as it was sent (still quoted), without the query."""

    method: str
    path: str
    query: Mapping[str, Sequence[str]]
    headers: Mapping[str, str]
    body: Body

    def flag(self, name: str) -> bool:
        """Whether a switch of the query is on."""
        return self.text(name).lower() in {"1", "true"}

    def text(self, name: str, default: str = "") -> str:
        """A parameter of the query."""
        return self.query.get(name, [default])[0]

    def json(self) -> dict[str, Any]:
        """The body as a JSON object; an empty body is an empty object. Raises Refusal 400."""
        raw = self.body.read_all()
        if not raw.strip():
            return {}
        return json_object(raw)


def json_object(raw: bytes) -> dict[str, Any]:
    """One JSON object. Raises Refusal 400 for anything else."""
    try:
        value = json.loads(raw)
    except (ValueError, RecursionError):
        raise Refusal(400, "Bad Request: the body is not valid JSON") from None
    if not isinstance(value, dict):
        raise Refusal(400, "Bad Request: the body is not a JSON object")
    return value
