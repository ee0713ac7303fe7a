"""One child process that an engine talks to in frames: start, send, receive, notice its death, end it for certain.

What the frames mean is the engine's business. The child must end by itself when its input ends or its parent changes
(:func:`leave_with_parent`): then nothing stays behind, however the parent dies.
"""

from __future__ import annotations

import contextlib
import io
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

from resources.engines.process.frames import FrameError, read_frame, write_frame
from resources.errors import EngineError

_ROOT = Path(__file__).resolve().parents[3]
"""Folder of the package ``resources``: the child finds it wherever the build was started."""

_STDERR_LINES = 20
_GOODBYE_S = 5.0
"""Time for a child to end by itself before it is killed. One step of a small model takes a tenth of a second."""

_PARENT_CHECK_S = 1.0
_INTERRUPT_S = 0.2
"""Longest delay of a Ctrl-C while a child is waited for."""


class Child:
    """A process that runs ``main(parent)`` of one module, in a session of its own: a Ctrl-C reaches only the parent."""

    def __init__(self, module: str, *, where: str, env: Mapping[str, str] | None = None) -> None:
        """Start it.

        Args:
            module: Importable module with a function ``main`` that takes the process id of the parent.
            where: For errors.
            env: The whole environment; default: that of this process.
        """
        self._where = where
        self._frames: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        self._stderr: deque[str] = deque(maxlen=_STDERR_LINES)
        code = f"import sys; sys.path.insert(0, {str(_ROOT)!r}); from {module} import main; main({os.getpid()})"
        # -P: the current folder may hold a module that shadows a library's.
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-c", code],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
                env=dict(env) if env is not None else None,
            )
        except OSError as exc:
            raise EngineError(
                f"cannot start the engine's process: {exc.strerror or exc}",
                where=where,
                fix="Free memory, or raise the limit on processes (ulimit -u).",
                retryable=True,
            ) from exc
        self._threads = [
            threading.Thread(target=self._read_frames, daemon=True, name=f"{module} frames"),
            threading.Thread(target=self._read_stderr, daemon=True, name=f"{module} stderr"),
        ]
        for thread in self._threads:
            thread.start()

    @property
    def pid(self) -> int:
        """Process id of the child."""
        return self._process.pid

    def send(self, frame: dict[str, Any]) -> None:
        """Send one frame. Raises EngineError when the child is gone."""
        try:
            write_frame(self._stdin, frame)
        except (OSError, ValueError) as exc:
            raise self._death() from exc

    def receive(self) -> dict[str, Any]:
        """Wait for the next frame. Raises EngineError when the child is gone."""
        # Not one long wait: libraries (Polars, for one) install a SIGINT handler that lets a wait go on, and a Ctrl-C
        # would then be seen only when the next frame comes.
        while True:
            try:
                frame = self._frames.get(timeout=_INTERRUPT_S)
                break
            except queue.Empty:
                continue
        if frame is None:
            self._frames.put(None)
            raise self._death()
        return frame

    def stop(self) -> None:
        """End the process and all that it started. Idempotent."""
        stdin = self._process.stdin
        if isinstance(stdin, io.BufferedWriter):
            with contextlib.suppress(OSError):
                stdin.raw.close()  # not the buffer: to flush it could wait for ever on a child that hangs
        try:
            self._process.wait(_GOODBYE_S)
        except subprocess.TimeoutExpired:
            pass
        finally:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        for thread in self._threads:
            thread.join(_GOODBYE_S)
        for pipe in (self._process.stdout, self._process.stderr):
            if pipe is not None:
                pipe.close()

    @property
    def _stdin(self) -> BinaryIO:
        if self._process.stdin is None:
            raise ValueError("the child has no input")
        return self._process.stdin  # type: ignore[return-value]  # IO[bytes], as Popen made it

    def _read_frames(self) -> None:
        """In a thread: a Ctrl-C in the main thread can then never tear a frame."""
        with contextlib.suppress(FrameError, OSError, ValueError):
            while self._process.stdout and (frame := read_frame(self._process.stdout)) is not None:  # type: ignore[arg-type]
                self._frames.put(frame)
        self._frames.put(None)

    def _read_stderr(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            for line in self._process.stderr or ():
                self._stderr.append(line.decode("utf-8", "replace").rstrip()[:500])

    def _death(self) -> EngineError:
        try:
            code = self._process.wait(_GOODBYE_S)
        except subprocess.TimeoutExpired:
            end = "closed its output and still runs"
        else:
            end = _name_exit(code)
        self._threads[1].join(_GOODBYE_S)  # the last words may still be in the pipe
        words = " | ".join(line for line in self._stderr if line)[-600:]
        return EngineError(
            f"the engine's process {end}" + (f"; its last words: {words}" if words else ""),
            where=self._where,
            fix="Run the same command again: stored answers are kept. If it was killed, it may need more memory than "
            "there is: lower batch_size or cache_gb.",
            retryable=True,
        )


def _name_exit(code: int) -> str:
    if code >= 0:
        return f"ended with exit code {code}"
    try:
        return f"was ended by {signal.Signals(-code).name}"
    except ValueError:
        return f"was ended by signal {-code}"


def leave_with_parent(parent: int) -> None:
    """In a child: end as soon as the process ``parent`` is gone, also when it was killed.

    The end of standard input says so too, but not while another process holds a copy of the pipe. Linux could send a
    signal (PR_SET_PDEATHSIG), but sends it when the *thread* that started the child ends, and a build may use threads.
    """

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_PARENT_CHECK_S)
        os._exit(1)

    threading.Thread(target=watch, daemon=True, name="parent watch").start()
