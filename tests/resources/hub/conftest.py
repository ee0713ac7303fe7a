"""Places to publish to, and small changes to publish."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest

from resources.hub.repository import LocalFile

Local = Callable[[str, bytes], LocalFile]


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
