"""One connection: its requests one after another, each with its route, its fault, and its answer.

Bodies stream both ways. What is done with a request is for the routes; what happens to the connection is here.
"""

from __future__ import annotations

import contextlib
import select
import socket
import threading
import traceback
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler
from typing import Protocol, cast
from urllib.parse import parse_qs

from resources.hub.stand_in.faults import CUT_AFTER, CUT_BEFORE, CUT_DURING, STATUS, TIMEOUT, Call, Fault
from resources.hub.stand_in.hub import Hub
from resources.hub.stand_in.messages import CHUNK, Answer, Body, FileSlice, Refusal, Request
from resources.hub.stand_in.routes import UNKNOWN, find_route

POLL = 0.02
"""Seconds between two looks at whether to stop."""


class Host(Protocol):
    """What a connection needs of its server."""

    hub: Hub
    is_stopping: threading.Event

    def arrived(self, method: str, route: str, path: str) -> Call:
        """Note a call, with the fault that it meets."""
        ...

    def failed(self, trace: str) -> None:
        """Note an error of the stand-in itself."""
        ...


class Handler(BaseHTTPRequestHandler):
    """Serves one connection."""

    protocol_version = "HTTP/1.1"
    server_version = "mathloom-hub-stand-in"
    sys_version = ""
    disable_nagle_algorithm = True
    wbufsize = 64 * 1024
    rbufsize = 64 * 1024

    @property
    def _host(self) -> Host:
        return cast(Host, self.server)

    def log_message(self, format: str, *args: object) -> None:
        """Quiet: calls are in a list."""

    def handle(self) -> None:
        """Serve until the client goes away."""
        with contextlib.suppress(ConnectionError, TimeoutError):
            super().handle()

    def _serve(self) -> None:
        path, _, query = self.path.partition("?")
        try:
            route, parts = find_route(self.command, path)
        except UnicodeDecodeError:
            route, parts = None, {}
        self._call = self._host.arrived(self.command, route.name if route else UNKNOWN, path)
        body = Body(self.rfile, self.headers)  # type: ignore[arg-type]
        try:
            if self._call.fault and self._has_failed(self._call.fault, body):
                return
            request = Request(self.command, path, parse_qs(query, keep_blank_values=True), self.headers, body)  # type: ignore[arg-type]
            answer = self._answer(request, route.handler if route else _unknown, parts)
            body.drain()
        finally:
            self._call.bytes_in = body.bytes_read
        if self._call.fault and self._call.fault.how == CUT_AFTER:
            self.close_connection = True
        else:
            self._send(answer, is_cut=bool(self._call.fault and self._call.fault.how == CUT_DURING))

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do_PATCH = _serve

    def _answer(self, request: Request, handler: Callable[..., Answer], parts: Mapping[str, str]) -> Answer:
        try:
            return handler(self._host.hub, request, **parts)
        except Refusal as refusal:
            return refusal.answer()
        except ConnectionError:
            raise
        except Exception:
            self._host.failed(traceback.format_exc())
            return Refusal(500, "Internal Error of the stand-in").answer()

    def _has_failed(self, fault: Fault, body: Body) -> bool:
        """Let the call fail before anything is done. False for the faults that come later."""
        if fault.how in STATUS:
            body.drain()
            headers = {"Retry-After": "0"} if fault.how == "status_429" else {}
            self._send(Refusal(STATUS[fault.how], "A fault that was ordered", headers=headers).answer())
            return True
        if fault.how == TIMEOUT:
            body.drain()
            self._hang()
        elif fault.how == CUT_DURING and (not body.is_empty or self.command not in ("GET", "HEAD")):
            self._read_half(body)
        elif fault.how != CUT_BEFORE:
            return False
        self.close_connection = True
        return True

    def _read_half(self, body: Body) -> None:
        half = (body.length or 2 * CHUNK) // 2
        while body.bytes_read < half and body.read(half - body.bytes_read):
            pass

    def _hang(self) -> None:
        """Say nothing until the client goes away or the server stops."""
        while not self._host.is_stopping.is_set():
            readable, _, _ = select.select([self.connection], [], [], POLL)
            if readable and not self.connection.recv(1, socket.MSG_PEEK):
                return

    def _send(self, answer: Answer, *, is_cut: bool = False) -> None:
        self._call.status = answer.status
        length = answer.body_length if answer.length is None else answer.length
        self.send_response(answer.status)
        for name, value in {**answer.headers, "Content-Length": str(length)}.items():
            self.send_header(name, "".join(char if " " <= char <= "~" else "?" for char in value))
        head = b"".join(self._headers_buffer) + b"\r\n"  # type: ignore[attr-defined]
        self._headers_buffer = []
        if is_cut:
            self.close_connection = True
            body_sent = 0 if self.command == "HEAD" else answer.body_length // 2
            self._write(head if body_sent else head[: len(head) // 2])
        else:
            body_sent = 0 if self.command == "HEAD" else answer.body_length
            self._write(head)
        if body_sent:
            self._write_body(answer.body, body_sent)
        self.wfile.flush()

    def _write(self, data: bytes) -> None:
        self._call.bytes_out += len(data)
        self.wfile.write(data)

    def _write_body(self, body: bytes | FileSlice, length: int) -> None:
        if isinstance(body, bytes):
            self._write(body[:length])
            return
        self.wfile.flush()
        self._call.bytes_out += length
        with body.path.open("rb") as handle:
            self.connection.sendfile(handle, body.start, length)


def _unknown(hub: Hub, request: Request, **_: str) -> Answer:
    raise Refusal(404, f"The stand-in has no endpoint {request.method} {request.path[:200]}", code=_code(request.path))


def _code(path: str) -> str | None:
    """A name without namespace, or with too many parts, is no repository here."""
    return "RepoNotFound" if path.startswith(("/api/datasets/", "/datasets/")) and path.count("/") <= 3 else None
