"""Hashes that name things: canonical JSON, 128-bit row and request ids, content hashes of files.

Every id of the project is made here. A change of one byte in these functions loses every user's store, so
``tests/resources/test_identity.py`` holds fixed vectors.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from pathlib import Path
from typing import Any

ID_BYTES = 16
"""Width of every row id and request key. 128 bits: a collision among 10**9 rows has a chance of about 10**-21."""

_CHUNK = 1 << 20


def canonical_json(value: Any) -> str:
    """``value`` as JSON with sorted keys and no spaces: equal values give equal text. NaN is refused."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def digest128(domain: str, *parts: str | bytes) -> bytes:
    """16-byte BLAKE2b of ``parts`` under ``domain``.

    Each part is prefixed by its length, so ("ab", "c") and ("a", "bc") differ; ``domain`` keeps a problem and a
    request with the same text apart.
    """
    hasher = hashlib.blake2b(digest_size=ID_BYTES, person=domain.encode()[:16])
    for part in parts:
        data = part.encode("utf-8", "surrogatepass") if isinstance(part, str) else part
        hasher.update(len(data).to_bytes(8, "little"))
        hasher.update(data)
    return hasher.digest()


def hash_json(value: Any) -> str:
    """Hex SHA-256 of the canonical JSON: the form of fingerprints and versions (64 characters)."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()


def hash_file(path: Path) -> str:
    """Hex SHA-256 of the bytes of one file, read in 1 MiB pieces."""
    hasher = hashlib.sha256()
    with path.open("rb") as handle:
        while chunk := handle.read(_CHUNK):
            hasher.update(chunk)
    return hasher.hexdigest()


def show_id(value: bytes) -> str:
    """A 16-byte id as people and DuckDB write it: ``xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx``."""
    return str(uuid.UUID(bytes=value))
