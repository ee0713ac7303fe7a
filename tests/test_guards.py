"""The guards of conftest.py hold: a test that could reach the network would prove nothing about an offline build."""

from __future__ import annotations

import random
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

OUTSIDE = "192.0.2.1"
"""An address of the block TEST-NET-1 (RFC 5737), which nobody has."""

STILL_INSIDE = "tests have no network"


@pytest.mark.parametrize("host", [OUTSIDE, "example.com", "2001:db8::1"])
def test_name_or_address_outside_is_refused(host: str) -> None:
    with pytest.raises(OSError, match=STILL_INSIDE):
        socket.create_connection((host, 443), timeout=1)


def test_socket_to_an_address_outside_is_refused() -> None:
    with socket.socket() as tcp, pytest.raises(OSError, match=STILL_INSIDE):
        tcp.connect((OUTSIDE, 443))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp, pytest.raises(OSError, match=STILL_INSIDE):
        udp.sendto(b"event", (OUTSIDE, 53))


def test_loopback_and_unix_sockets_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        socket.create_connection(server.getsockname(), timeout=1).close()
    with socket.socket(socket.AF_UNIX) as server, socket.socket(socket.AF_UNIX) as client:
        monkeypatch.chdir(tmp_path)  # a socket's path has about 100 bytes
        server.bind("here.sock")
        server.listen()
        client.connect("here.sock")


def test_children_have_no_way_out() -> None:
    script = "import urllib.request as u; u.urlopen('http://example.com', timeout=5)"
    child = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert child.returncode == 1
    assert "Connection refused" in child.stderr
    assert urllib.request.getproxies()["https"].startswith("http://127.0.0.1")


def test_home_zone_and_seed_are_fixed() -> None:
    assert Path.home().name.startswith("mathloom-tests-")
    assert time.tzname == ("UTC", "UTC")
    assert random.random() == random.Random(0).random()
