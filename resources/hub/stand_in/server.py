"""The server: threads on loopback, one for each connection, and the faults that befall a call.

    with StandIn(folder) as hub:
        subprocess.run([...], env={**os.environ, **stand_in_environment(hub)})

It listens on 127.0.0.1 only. Repositories stay in the folder; a token, unless one is given, is new each time.
"""

from __future__ import annotations

import contextlib
import secrets
import socket
import sys
import threading
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

from resources.errors import HubError
from resources.hub.stand_in.access import read_accounts
from resources.hub.stand_in.faults import Call, Faults
from resources.hub.stand_in.handler import POLL, Handler
from resources.hub.stand_in.hub import Hub
from resources.hub.stand_in.storage import Storage
from resources.hub.stand_in.strictness import Limits

HOST = "127.0.0.1"


class StandIn:
    """A Hub on loopback, as a context manager.

    Args:
        root: Folder of the repositories; it is made, and stays.
        port: 0 for a free one.
        tokens: Token -> ``NAME:ROLE`` or ``NAME:ROLE:ORG,ORG`` (:mod:`resources.hub.stand_in.access`). Without it there
            is one random token that may write everywhere.
        faults: What is to go wrong.
        limits: Limits of the Hub that a test lowers.
        clock: Seconds since 1970.

    Raises:
        HubError: The folder or the port is taken.
    """

    def __init__(
        self,
        root: Path,
        *,
        port: int = 0,
        tokens: Mapping[str, str] | None = None,
        faults: Faults | None = None,
        limits: Limits | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        given = tokens if tokens is not None else {f"hf_{secrets.token_hex(16)}": "stand-in:write:*"}
        accounts = read_accounts(given)
        self.token = next((token for token, account in accounts.items() if account.may_write), "")
        """A token that may write; empty if none may."""
        self.faults = faults or Faults()
        self.failures: list[str] = []
        """Tracebacks of errors of the stand-in itself. A test that expects none can look."""
        self._root, self._port = root, port
        self._world = (accounts, limits or Limits(), clock)
        self._calls: list[Call] = []
        self._server: _Server | None = None
        self._thread: threading.Thread | None = None

    @property
    def endpoint(self) -> str:
        """``http://127.0.0.1:PORT``: what ``HF_ENDPOINT`` must be."""
        return f"http://{HOST}:{self._port}"

    @property
    def client_folder(self) -> Path:
        """Where clients with :func:`stand_in_environment` keep their caches."""
        return self._root / "client"

    @property
    def calls(self) -> Sequence[Call]:
        """All calls since the start, or since :meth:`forget_calls`, in the order in which they arrived."""
        return tuple(self._calls)

    def forget_calls(self) -> None:
        """Begin a new list of calls."""
        self._calls = []

    def __enter__(self) -> StandIn:
        accounts, limits, clock = self._world
        storage = Storage(self._root)
        hub = Hub(storage, accounts, limits, clock, secrets.token_bytes(32))
        try:
            self._server = _Server((HOST, self._port), hub, self)
        except OSError as error:
            storage.close()
            raise HubError(
                f"port {self._port} cannot be used: {error.strerror}", where="Hub stand-in", fix="Choose another port"
            ) from error
        self._port = self._server.server_address[1]
        hub.endpoint = self.endpoint
        self._thread = threading.Thread(target=self._server.serve_forever, args=(POLL,), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        server, thread = self._server, self._thread
        if server is None or thread is None:
            return
        server.stop()
        thread.join()
        server.hub.storage.close()
        self._server = self._thread = None

    def arrived(self, method: str, route: str, path: str) -> Call:
        """Note a call, with the fault that it meets."""
        nth, fault = self.faults.arrive(route)
        call = Call(method, route, path, nth, fault=fault)
        self._calls.append(call)
        return call


def stand_in_environment(server: StandIn) -> dict[str, str]:
    """Variables for a process whose Hub clients are to use ``server``. They are read when the clients are imported.

    Their caches lie beside the repositories: nothing of a rehearsal comes into the user's own.
    """
    return {
        "HF_ENDPOINT": server.endpoint,
        "HF_TOKEN": server.token,
        "HF_HUB_DISABLE_XET": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_UPDATE_DOWNLOAD_COUNTS": "0",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "HF_DATASETS_DISABLE_PROGRESS_BARS": "1",
        "HF_HOME": str(server.client_folder),
        "HF_HUB_CACHE": str(server.client_folder / "hub"),
        "HF_DATASETS_CACHE": str(server.client_folder / "datasets"),
        "HF_HUB_OFFLINE": "0",
        "HF_DATASETS_OFFLINE": "0",
        "NO_PROXY": HOST,
        "no_proxy": HOST,
    }


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(self, address: tuple[str, int], hub: Hub, stand_in: StandIn) -> None:
        self.hub = hub
        self._stand_in = stand_in
        self.is_stopping = threading.Event()
        self._connections: set[socket.socket] = set()
        self._workers: set[threading.Thread] = set()
        super().__init__(address, Handler)

    def stop(self) -> None:
        """Stop listening, cut what is open, and wait for the threads."""
        self.is_stopping.set()
        self.shutdown()
        for connection in list(self._connections):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in list(self._workers):
            thread.join(timeout=10)
        self.server_close()

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        thread = threading.current_thread()
        self._connections.add(request)
        self._workers.add(thread)
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._connections.discard(request)
            self._workers.discard(thread)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away is no news; anything else is a fault of the stand-in."""
        if not isinstance(sys.exception(), ConnectionError):
            self.failed(traceback.format_exc())

    def arrived(self, method: str, route: str, path: str) -> Call:
        """See :class:`resources.hub.stand_in.handler.Host`."""
        return self._stand_in.arrived(method, route, path)

    def failed(self, trace: str) -> None:
        """See :class:`resources.hub.stand_in.handler.Host`."""
        self._stand_in.failures.append(trace)
