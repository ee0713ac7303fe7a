"""The life of one worker: forked from the zygote, it gives up its rights, then reads pieces and writes answers.

Frames between zygote and worker are a length of four bytes and the bytes of the text (UTF-8; lone surrogates pass). An
answer begins with eight bytes: the CPU time of the worker so far, a float. Nothing in them is parsed by the zygote.
"""

from __future__ import annotations

import os
import signal
import struct
import threading
import time
from collections.abc import Callable

from resources.workers.guard import System, limit, stand_first_in_line, watch

HEAD = struct.Struct(">I")
SPENT = struct.Struct(">d")
MAX_ANSWER_BYTES = 1 << 20
"""A longer answer ends its worker: none of ours has a hundred bytes."""

_FIRST_FREE = 5
"""0 to 2 lead nowhere, 3 brings pieces, 4 takes answers."""
_MANY_DESCRIPTORS = 65_536


def live(function: Callable[[str], str], pieces: int, answers: int, *, system: System, memory_bytes: int) -> None:
    """Answer pieces until the zygote goes or one of them ends this process. Never returns.

    Args:
        function: What is called with each piece.
        pieces: Descriptor that pieces are read from.
        answers: Descriptor that answers are written to.
        system: Calls of the C library, loaded before.
        memory_bytes: Limit of the address space.
    """
    try:
        _settle(pieces, answers)
        stand_first_in_line()
        limit(memory_bytes)
        system.renounce()
        watch()
        while True:
            size = HEAD.unpack(_read(3, HEAD.size))[0]
            answer = function(_read(3, size).decode("utf-8", "surrogatepass")).encode("utf-8", "surrogatepass")
            if threading.active_count() > 1:
                os._exit(1)  # what a piece leaves running could answer the next one
            _write(4, HEAD.pack(SPENT.size + len(answer)) + SPENT.pack(time.process_time()) + answer)
    finally:
        os._exit(1)  # an exception of ``function`` too: nothing of the zygote may run on in this process


def frame(text: str) -> bytes:
    """A piece as it travels."""
    data = text.encode("utf-8", "surrogatepass")
    return HEAD.pack(len(data)) + data


def _settle(pieces: int, answers: int) -> None:
    """Keep two descriptors: those of the other workers and of the build are out of reach."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    spare = [os.dup(pieces), os.dup(answers)]
    while min(spare) < _FIRST_FREE:  # dup2 below must not overwrite one that is still to be moved
        spare = [os.dup(descriptor) for descriptor in spare]
    nowhere = os.open(os.devnull, os.O_RDWR)
    for target, source in ((3, spare[0]), (4, spare[1]), (0, nowhere), (1, nowhere), (2, nowhere)):
        os.dup2(source, target)
    os.closerange(_FIRST_FREE, _MANY_DESCRIPTORS)


def _read(descriptor: int, size: int) -> bytes:
    parts: list[bytes] = []
    while size > 0:
        part = os.read(descriptor, min(size, 1 << 20))
        if not part:
            os._exit(0)
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def _write(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
