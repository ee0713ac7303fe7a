"""Frames between an engine and its own process: a length of four bytes, then JSON.

Not pickle: a process that holds a model is not trusted to run code in the one that holds the store. ASCII JSON carries
lone surrogates both ways, which UTF-8 would refuse. Standard library only, since the child imports this first.
"""

from __future__ import annotations

import json
from typing import Any, BinaryIO

MAX_BYTES = 1 << 28
"""Largest frame (256 MiB): far above any completion, and a torn stream cannot ask for terabytes."""

_LENGTH_BYTES = 4


class FrameError(Exception):
    """The stream ends inside a frame or holds something else. Wrapped by whoever owns the process."""


def write_frame(stream: BinaryIO, frame: dict[str, Any]) -> None:
    """Send one frame and flush."""
    data = json.dumps(frame, ensure_ascii=True, separators=(",", ":")).encode("ascii")
    if len(data) > MAX_BYTES:
        raise FrameError(f"a frame of {len(data)} bytes is over the limit of {MAX_BYTES}")
    stream.write(len(data).to_bytes(_LENGTH_BYTES, "big") + data)
    stream.flush()


def read_frame(stream: BinaryIO) -> dict[str, Any] | None:
    """The next frame; None when the stream ended between two frames."""
    head = _read_all(stream, _LENGTH_BYTES)
    if not head:
        return None
    size = int.from_bytes(head, "big")
    if len(head) < _LENGTH_BYTES or size > MAX_BYTES:
        raise FrameError(f"the stream holds no frame: {head!r}")
    data = _read_all(stream, size)
    if len(data) < size:
        raise FrameError(f"the stream ended after {len(data)} of {size} bytes")
    try:
        frame = json.loads(data)
    except ValueError as exc:
        raise FrameError("the frame is no JSON") from exc
    if not isinstance(frame, dict):
        raise FrameError("the frame is no JSON object")
    return frame


def _read_all(stream: BinaryIO, size: int) -> bytes:
    """Up to ``size`` bytes; fewer only at the end of the stream."""
    parts: list[bytes] = []
    while size > 0 and (part := stream.read(min(size, 1 << 20))):
        parts.append(part)
        size -= len(part)
    return b"".join(parts)
