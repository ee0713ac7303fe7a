"""One HTTP request to one endpoint: bounded in time and in bytes, and every way to fail is one :class:`Fault`."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import ssl
from datetime import UTC, datetime
from functools import cache, partial
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from resources.engines.server.faults import Fault, http_fault
from resources.engines.server.words import Words
from resources.errors import MissingExtraError

if TYPE_CHECKING:
    import httpx2

MAX_BYTES = 64 << 20
"""Largest body that is read: far above any completion, and a server that never ends cannot fill the memory."""

_KEEP_S = 4.0
"""Longest idle time of a connection: vLLM's server closes its own after 5 s, and a request could meet that."""

_MAX_ERROR_BYTES = 64 << 10
"""Of the body of an error: its first words are enough."""


class Transport:
    """The connections to one endpoint. Used inside one event loop; ``close`` it there."""

    def __init__(
        self, url: str, key: str | None, words: Words, *, timeout_s: float, connect_timeout_s: float, where: str
    ) -> None:
        try:
            import httpx2
        except ImportError:
            raise MissingExtraError.of("httpx2", "server", where=where) from None
        log = logging.getLogger("httpx2")
        if log.level == logging.NOTSET:
            log.setLevel(logging.WARNING)  # else it writes a line for each request
        self.url = url
        self.words = words
        self._timeout_s = timeout_s
        headers = {"Content-Type": "application/json", "Accept-Encoding": "identity", "User-Agent": "mathloom"}
        if key:
            headers["Authorization"] = f"Bearer {key}"
        self._make_client = partial(
            httpx2.AsyncClient,
            headers=headers,
            # The whole request has its own time limit; these would only start anew with each byte.
            timeout=httpx2.Timeout(None, connect=connect_timeout_s),
            limits=httpx2.Limits(keepalive_expiry=_KEEP_S),
            follow_redirects=False,
            trust_env=not is_loopback(url),  # no proxy leads back to this machine
            verify=_tls(),
        )
        self._idle: list[httpx2.AsyncClient] = []
        self._clients: list[httpx2.AsyncClient] = []
        self._errors = (httpx2.HTTPError, httpx2.InvalidURL, httpx2.StreamError, OSError, ValueError)

    @property
    def root(self) -> str:
        """The address without /v1: where vLLM has what OpenAI's protocol does not know."""
        return self.url.removesuffix("/v1")

    async def get(self, url: str, timeout_s: float | None = None) -> bytes:
        """The body at ``url``. Raises Fault."""
        return await self._request("GET", url, None, timeout_s)

    async def post(self, url: str, body: bytes, timeout_s: float | None = None) -> bytes:
        """The body of the answer to ``body`` (JSON). Raises Fault."""
        return await self._request("POST", url, body, timeout_s)

    async def close(self) -> None:
        """Close all connections."""
        clients, self._clients, self._idle = self._clients, [], []
        for client in clients:
            await client.aclose()

    async def _request(self, method: str, url: str, body: bytes | None, timeout_s: float | None) -> bytes:
        limit_s = self._timeout_s if timeout_s is None else timeout_s
        try:
            async with asyncio.timeout(limit_s):
                return await self._exchange(method, url, body)
        except TimeoutError:
            raise Fault("slow", f"no whole answer within {limit_s:g} s") from None
        except Fault:
            raise
        except self._errors as exc:
            # `from None`: an error of the client may hold the request, and so the key.
            said = self.words.clean(exc)
            raise Fault("lost", f"{type(exc).__name__}: {said}" if said else type(exc).__name__) from None

    async def _exchange(self, method: str, url: str, body: bytes | None) -> bytes:
        client = self._take()
        try:
            async with client.stream(method, url, content=body) as response:
                if response.is_success:
                    return await _read(response)
                start = await _read_start(response)
        finally:
            self._idle.append(client)
        raise http_fault(response.status_code, response.headers, start, self.words, datetime.now(UTC))

    def _take(self) -> httpx2.AsyncClient:
        """A client that nobody uses. The one that was used last: its connection is the least likely to be closed.

        Each client serves one request at a time. A pool of 256 connections looks at all of them for every request and
        every answer: 94 requests a second where these make 1,000.
        """
        if not self._idle:
            self._clients.append(self._make_client())
            self._idle.append(self._clients[-1])
        return self._idle.pop()


async def _read(response: httpx2.Response) -> bytes:
    declared = response.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > MAX_BYTES:
        raise Fault("broken", f"the answer has {declared} bytes, more than {MAX_BYTES}")
    parts: list[bytes] = []
    size = 0
    async for part in response.aiter_bytes():
        size += len(part)
        if size > MAX_BYTES:
            raise Fault("broken", f"the answer has more than {MAX_BYTES} bytes")
        parts.append(part)
    return b"".join(parts)


async def _read_start(response: httpx2.Response) -> bytes:
    parts: list[bytes] = []
    async for part in response.aiter_bytes(_MAX_ERROR_BYTES):
        parts.append(part)
        break
    return b"".join(parts)


@cache
def _tls() -> ssl.SSLContext:
    """What all connections check certificates with: to make it takes longer than a request."""
    import httpx2

    return httpx2.create_ssl_context()


def is_loopback(url: str) -> bool:
    """Whether an address is on this machine."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
