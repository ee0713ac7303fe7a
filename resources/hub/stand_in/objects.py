"""Contents on disk: small files by git's name, large ones by SHA-256. Both are written aside and renamed.

A large file streams through in pieces of a mebibyte: its size does not matter for memory.
"""

from __future__ import annotations

import hashlib
import os
import re
import uuid
from pathlib import Path

from resources.hub.stand_in.messages import Body, Refusal

SHA256 = re.compile(r"[0-9a-f]{64}")


class Objects:
    """The contents of one repository under ``folder``."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def large(self, sha256: str) -> Path:
        """Where a large file lies, if it is there. ``sha256`` is 64 hex digits."""
        if not SHA256.fullmatch(sha256):
            raise Refusal(422, "Invalid object id: it must be 64 hex digits of a SHA-256")
        return self._folder / "lfs" / sha256[:2] / sha256

    def small(self, oid: str) -> Path:
        """Where a small file lies."""
        return self._folder / "blobs" / oid[:2] / oid

    def large_size(self, sha256: str) -> int | None:
        """Bytes of a large file; None if it was never uploaded."""
        try:
            return self.large(sha256).stat().st_size
        except FileNotFoundError:
            return None

    def put_small(self, oid: str, content: bytes) -> None:
        """Keep the content of a small file."""
        path = self.small(oid)
        if path.exists():
            return
        aside = self._aside()
        aside.write_bytes(content)
        _move(aside, path)

    def put_large(self, sha256: str, size: int, body: Body) -> None:
        """Stream one large file to disk. Raises Refusal 400 and keeps nothing if hash or size differ."""
        path, aside = self.large(sha256), self._aside()
        digest, received = hashlib.sha256(), 0
        try:
            with aside.open("wb") as handle:
                while piece := body.read():
                    received += len(piece)
                    if received > size:
                        raise Refusal(400, f"The object has more than the {size} bytes that were announced")
                    digest.update(piece)
                    handle.write(piece)
            if received != size:
                raise Refusal(400, f"The object has {received} bytes, {size} were announced")
            if digest.hexdigest() != sha256:
                raise Refusal(400, "The object does not have the SHA-256 that was announced")
            _move(aside, path)
        finally:
            aside.unlink(missing_ok=True)

    def _aside(self) -> Path:
        folder = self._folder / "incoming"
        folder.mkdir(parents=True, exist_ok=True)
        return folder / uuid.uuid4().hex


def _move(aside: Path, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    os.replace(aside, path)  # noqa: PTH105 - says what it does
