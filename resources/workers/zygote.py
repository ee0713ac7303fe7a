"""The zygote: loads the target once, forks workers from itself, hands them pieces, and kills what is late.

Its own loop never touches the text of a piece but to pass it on, so nothing hostile runs here. It has one thread: a
fork copies only that one, and Linux sends the signal of a parent's death when the *thread* that forked ends.

Frames from the build: ``load`` (once), ``do`` (a piece), ``drop`` (forget all pieces). Frames to it: ``ready`` or
``failed``, then one ``done`` a piece.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import io
import os
import select
import signal
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from resources.engines.process.child import leave
from resources.engines.process.frames import MAX_BYTES, read_frame, write_frame
from resources.workers.guard import REFUSED_EXIT, System
from resources.workers.worker import HEAD, MAX_ANSWER_BYTES, SPENT, frame, live

PATIENCE = 1.8
"""A piece may take so many times its CPU time by the clock: on a machine that is busy with other things 0.5 s of work
takes longer, and still less than a second."""

_LOOK_S = 1.0
"""How often the zygote looks whether the build is still there, beside the end of its input."""
_TICK_S = 0.005
"""Shortest wait between two looks at the CPU time of a worker."""
_CHUNK = 1 << 16


@dataclass(slots=True)
class Worker:
    """One forked process and what it is at."""

    pid: int
    pieces: int
    answers: int
    piece: int | None = None
    """Id of the piece; None while it is idle."""
    started: float = 0.0
    deadline: float = 0.0
    spent: float = 0.0
    """CPU time at the end of its last piece, seconds."""
    count: int = 0
    pending: bytes = b""
    """What of the piece is not written yet."""
    inbox: bytearray = field(default_factory=bytearray)


class Zygote:
    """Workers, the queue, and the loop between them."""

    def __init__(self, function: Callable[[str], str], load: dict[str, Any], system: System, out: BinaryIO) -> None:
        self._function = function
        self._seconds = float(load["seconds"])
        self._memory_bytes = int(load["memory_bytes"])
        self._pieces_per_worker = int(load["pieces_per_worker"])
        self._system = system
        self._out = out
        self._queue: deque[tuple[int, str]] = deque()
        self._inbox = bytearray()
        self._workers = [self._fork() for _ in range(int(load["workers"]))]

    def run(self, parent: int) -> None:
        """Serve until the build closes its end or is gone."""
        while os.getppid() == parent:
            self._hand_out()
            now = time.monotonic()
            ends = [worker.deadline for worker in self._workers if worker.piece is not None]
            wait = max(0.0, min([_LOOK_S, *(end - now for end in ends)]))
            # The build comes last: after a ``drop`` the descriptors of these workers are closed, and may be others'.
            reading = {**{worker.answers: worker for worker in self._workers}, 0: None}
            writing = {worker.pieces: worker for worker in self._workers if worker.pending}
            readable, writable, _ = select.select(list(reading), list(writing), [], wait)
            for descriptor in writable:
                self._push(writing[descriptor])
            for descriptor in readable:
                worker = reading[descriptor]
                if worker is not None:
                    self._listen(worker)
                elif not self._take_in():
                    return
            self._kill_late()

    def _fork(self) -> Worker:
        piece_out, piece_in = os.pipe()
        answer_out, answer_in = os.pipe()
        zygote = os.getpid()
        pid = os.fork()
        if pid == 0:
            try:
                self._system.die_with(zygote)
                live(self._function, piece_out, answer_in, system=self._system, memory_bytes=self._memory_bytes)
            finally:
                os._exit(1)
        os.close(piece_out)
        os.close(answer_in)
        os.set_blocking(piece_in, False)
        os.set_blocking(answer_out, False)
        return Worker(pid, piece_in, answer_out)

    def _take_in(self) -> bool:
        """Frames of the build; False when there will be no more."""
        data = os.read(0, _CHUNK)
        self._inbox += data
        for message in _frames(self._inbox, MAX_BYTES):
            told = _decode(message)
            if told["op"] == "do":
                self._queue.append((told["id"], told["text"]))
            else:
                self._queue.clear()
                for worker in [worker for worker in self._workers if worker.piece is not None]:
                    self._replace(worker)
        return bool(data)

    def _hand_out(self) -> None:
        for worker in self._workers:
            if worker.piece is None and self._queue:
                worker.piece, text = self._queue.popleft()
                worker.started = time.monotonic()
                worker.deadline = worker.started + self._seconds
                worker.pending = frame(text)
                self._push(worker)

    def _push(self, worker: Worker) -> None:
        # A worker that died has closed its end; its answers say so at the next look.
        with contextlib.suppress(BlockingIOError, BrokenPipeError):
            while worker.pending:
                worker.pending = worker.pending[os.write(worker.pieces, worker.pending) :]

    def _listen(self, worker: Worker) -> None:
        try:
            data = os.read(worker.answers, _CHUNK)
        except BlockingIOError:
            return
        worker.inbox += data
        if not data or worker.piece is None:
            self._lose(worker, "crashed")
            return
        try:
            answer = next(_frames(worker.inbox, MAX_ANSWER_BYTES), None)
            if answer is None:
                return
            spent = SPENT.unpack_from(answer)[0]
            text = answer[SPENT.size :].decode("utf-8", "surrogatepass")
        except ValueError:
            self._lose(worker, "crashed")
            return
        self._tell(worker, "answered", spent - worker.spent, text=text)
        worker.piece, worker.spent, worker.count = None, spent, worker.count + 1
        if worker.inbox or worker.count >= self._pieces_per_worker:
            self._replace(worker)

    def _kill_late(self) -> None:
        now = time.monotonic()
        for worker in list(self._workers):
            if worker.piece is not None and worker.deadline <= now:
                left = self._seconds - self._used(worker)
                last = worker.started + PATIENCE * self._seconds
                if left <= 0.0 or now >= last:
                    self._lose(worker, "timed_out")
                else:
                    worker.deadline = min(last, now + left + _TICK_S)

    def _used(self, worker: Worker) -> float:
        """CPU time of a worker on its piece, seconds; all of its time where the system does not tell."""
        if sys.platform != "linux":
            return self._seconds
        # The clock of another process, as clock_getcpuclockid(3) numbers it; Python offers it for threads only.
        return time.clock_gettime((~worker.pid << 3) | 2) - worker.spent

    def _lose(self, worker: Worker, status: str) -> None:
        """The end of a worker, and with it of its piece."""
        exit_code, spent = self._replace(worker)
        if worker.piece is not None:
            self._tell(worker, status, spent - worker.spent, detail=_name(exit_code))

    def _replace(self, worker: Worker) -> tuple[int, float]:
        """Kill it and fork another one; gives its exit code and CPU time in seconds."""
        # Not reaped yet, so the number is still its own; one that has ended by itself keeps its exit code.
        os.kill(worker.pid, signal.SIGKILL)
        _, status, usage = os.wait4(worker.pid, 0)
        os.close(worker.pieces)
        os.close(worker.answers)
        self._workers[self._workers.index(worker)] = self._fork()
        return os.waitstatus_to_exitcode(status), usage.ru_utime + usage.ru_stime

    def _tell(self, worker: Worker, status: str, spent: float, **more: str) -> None:
        told = {"op": "done", "id": worker.piece, "status": status, "cpu_ms": 1000.0 * spent}
        write_frame(self._out, {**told, "ms": 1000.0 * (time.monotonic() - worker.started), **more})


def _frames(inbox: bytearray, max_bytes: int) -> Iterator[bytes]:
    """Whole frames at the beginning of ``inbox``, which are taken out of it. ValueError on one that is too long."""
    while len(inbox) >= HEAD.size:
        size = HEAD.unpack_from(inbox)[0]
        if size > max_bytes:
            raise ValueError(f"a frame of {size} bytes")
        end = HEAD.size + size
        if len(inbox) < end:
            return
        message = bytes(inbox[HEAD.size : end])
        del inbox[:end]
        yield message


def _decode(message: bytes) -> dict[str, Any]:
    told = read_frame(io.BytesIO(HEAD.pack(len(message)) + message))
    if told is None:
        raise ValueError("an empty frame")
    return told


def _name(exit_code: int) -> str:
    if exit_code == REFUSED_EXIT:
        return "refused"
    return f"exit {exit_code}" if exit_code >= 0 else f"signal {-exit_code}"


def _load(told: dict[str, Any]) -> Callable[[str], str]:
    """Import the target and call it once for each text that warms it up."""
    sys.dont_write_bytecode = True
    sys.path += [path for path in told["path"] if path not in sys.path]
    module, _, name = told["target"].partition(":")
    function: Callable[[str], str] = getattr(importlib.import_module(module), name)
    for text in told["warm_up"]:
        function(text)
    # The folder is gone before anyone can use it: nothing can be made in it, and nothing is left to clean up.
    folder = tempfile.mkdtemp()
    os.chdir(folder)
    os.rmdir(folder)  # noqa: PTH106
    gc.collect()
    gc.freeze()  # a collection in a worker then copies no page of what it shares
    return function


def main(parent: int) -> None:
    """The process: load, fork, serve; it ends with all its workers when ``parent`` ends."""
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints is no frame
    stdin = os.fdopen(0, "rb", buffering=0, closefd=False)
    told = read_frame(stdin)  # type: ignore[arg-type]  # a raw file reads as much as a frame asks for, piece by piece
    if told is None:
        return
    started = time.monotonic()
    try:
        function = _load(told)
    except Exception as error:
        write_frame(out, {"op": "failed", "error": f"{type(error).__name__}: {error}"[:500]})
        return
    system = System()
    is_alone = system.leave_network()
    zygote = Zygote(function, told, system, out)
    load_ms = 1000.0 * (time.monotonic() - started)
    write_frame(out, {"op": "ready", "network": "namespace" if is_alone else "hook", "load_ms": load_ms})
    try:
        zygote.run(parent)
    finally:
        leave()
