"""One child process that an engine talks to in frames: start, send, receive, notice its death, end it for certain.

What the frames mean is the engine's business. Nothing stays behind, whoever dies:

* The parent is killed: the child sees it (:func:`leave_with_parent`) and ends its whole process group.
* The child is killed: a thread of the parent ends what is left of the group.
* Both are killed at once: where the child has processes of its own (``is_guarded``), a third process, which does
  nothing but wait for the end of the parent, ends the group.
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
from typing import Any, BinaryIO, overload

from resources.engines.process.frames import FrameError, read_frame, write_frame
from resources.errors import EngineError

_PACKAGE = Path(__file__).resolve().parents[2]
"""The package ``resources``."""

_BOOT = """
import sys, importlib.util as u
spec = u.spec_from_file_location("resources", {package!r} + "/__init__.py")
sys.modules["resources"] = u.module_from_spec(spec)
spec.loader.exec_module(sys.modules["resources"])
from {module} import main
main({parent})
"""
"""How a child begins. It finds ``resources`` wherever the build was started; the folder around it is not put on the
path, since it may hold all packages of this interpreter, which are not for another one."""

_STDERR_LINES = 300
"""Lines of a child's error output that are kept: vLLM writes some 100 after the one that says why it fails."""

_GOODBYE_S = 5.0
"""Time for a child to end by itself before it is killed. One step of a small model takes a tenth of a second."""

_GUARD = """
import os, select, signal, sys
group, parent = int(sys.argv[1]), int(sys.argv[2])
while os.getppid() == parent and not select.select([0], [], [], 1.0)[0]:
    pass
if os.getppid() != parent or not os.read(0, 1):
    try:
        os.killpg(group, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass
"""
"""The guard: waits for a byte (the child has ended) or for the end of the parent (the child's group is to be ended)."""

_PARENT_CHECK_S = 1.0
_INTERRUPT_S = 0.2
"""Longest delay of a Ctrl-C while a child is waited for."""


class Child:
    """A process that runs ``main(parent)`` of one module, in a session of its own: a Ctrl-C reaches only the parent."""

    def __init__(
        self,
        module: str,
        *,
        where: str,
        env: Mapping[str, str] | None = None,
        python: str | None = None,
        is_guarded: bool = False,
        goodbye_s: float | None = None,
    ) -> None:
        """Start it.

        Args:
            module: Importable module with a function ``main`` that takes the process id of the parent.
            where: For errors.
            env: The whole environment; default: that of this process.
            python: Another interpreter. The module may then import the standard library, what that interpreter has, and
                modules of ``resources`` that import no more; nothing else of this interpreter is visible there.
            is_guarded: The child starts processes of its own, which must end even if child and parent are both killed.
            goodbye_s: Time to end by itself when it is stopped, before it is killed.
        """
        self._where = where
        self._goodbye_s = goodbye_s
        self._frames: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        self._stderr: deque[str] = deque(maxlen=_STDERR_LINES)
        self._guard: subprocess.Popen[bytes] | None = None
        self._process = self._popen(
            [python or sys.executable, "-c", _BOOT.format(package=str(_PACKAGE), module=module, parent=os.getpid())],
            subprocess.PIPE,
            # The current folder may hold a module that shadows a library's. Not -P: only Python 3.11 knows it.
            {**(os.environ if env is None else env), "PYTHONSAFEPATH": "1"},
        )
        self._threads = [
            threading.Thread(target=self._read_frames, daemon=True, name=f"{module} frames"),
            threading.Thread(target=self._read_stderr, daemon=True, name=f"{module} stderr"),
            threading.Thread(target=self._bury, daemon=True, name=f"{module} end"),
        ]
        try:
            if is_guarded:
                self._guard = self._popen(
                    [sys.executable, "-I", "-S", "-c", _GUARD, str(self.pid), str(os.getpid())],
                    subprocess.DEVNULL,
                )
        finally:
            for thread in self._threads:
                thread.start()
            if is_guarded and self._guard is None:
                self.stop()

    @property
    def pid(self) -> int:
        """Process id of the child."""
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """Whether the process has not ended."""
        return self._process.poll() is None

    def send(self, frame: dict[str, Any]) -> None:
        """Send one frame. Raises EngineError when the child is gone."""
        try:
            write_frame(self._stdin, frame)
        except (OSError, ValueError) as exc:
            raise self._death() from exc

    @overload
    def receive(self) -> dict[str, Any]: ...

    @overload
    def receive(self, timeout_s: float | None) -> dict[str, Any] | None: ...

    def receive(self, timeout_s: float | None = None) -> dict[str, Any] | None:
        """Wait for the next frame; None when none came in ``timeout_s``. Raises EngineError when the child is gone."""
        # Not one long wait: libraries (Polars, for one) install a SIGINT handler that lets a wait go on, and a Ctrl-C
        # would then be seen only when the next frame comes.
        end = None if timeout_s is None else time.monotonic() + timeout_s
        while True:
            left = _INTERRUPT_S if end is None else min(_INTERRUPT_S, end - time.monotonic())
            try:
                frame = self._frames.get(timeout=max(left, 0.0))
                break
            except queue.Empty:
                if left < _INTERRUPT_S:
                    return None
        if frame is None:
            self._frames.put(None)
            raise self._death()
        return frame

    def last_words(self) -> list[str]:
        """The last lines of its error output, without empty ones."""
        return [line for line in list(self._stderr) if line]

    def stop(self) -> None:
        """End the process and all that it started. Idempotent."""
        stdin = self._process.stdin
        if isinstance(stdin, io.BufferedWriter):
            with contextlib.suppress(OSError):
                stdin.raw.close()  # not the buffer: to flush it could wait for ever on a child that hangs
        try:
            self._process.wait(_GOODBYE_S if self._goodbye_s is None else self._goodbye_s)
        except subprocess.TimeoutExpired:
            pass
        finally:
            if self._process.poll() is None:
                self._end_group()
            self._process.wait()
        for thread in self._threads:
            thread.join(_GOODBYE_S)
        for pipe in (self._process.stdout, self._process.stderr):
            if pipe is not None:
                pipe.close()

    def _popen(self, command: list[str], output: int, env: Mapping[str, str] | None = None) -> subprocess.Popen[bytes]:
        try:
            return subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=output, stderr=output, env=env, start_new_session=True
            )
        except OSError as exc:
            if isinstance(exc, FileNotFoundError | PermissionError | NotADirectoryError):
                raise EngineError(
                    f"cannot run the interpreter {command[0]!r}: {exc.strerror}",
                    where=self._where,
                    fix="Give `python` as the path of an interpreter, such as /path/to/venv/bin/python.",
                ) from exc
            raise EngineError(
                f"cannot start the engine's process: {exc.strerror or exc}",
                where=self._where,
                fix="Free memory, or raise the limit on processes (ulimit -u).",
                retryable=True,
            ) from exc

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

    def _bury(self) -> None:
        """In a thread: what a dead child leaves running holds memory, devices and the ends of the pipes.

        At once, and never later: the process id is free from now on, and the guard must not end a stranger's group.
        """
        self._process.wait()
        self._end_group()
        guard, self._guard = self._guard, None
        if guard is not None:
            with contextlib.suppress(OSError, subprocess.TimeoutExpired):
                guard.communicate(b".", timeout=_GOODBYE_S)
            guard.kill()
            guard.wait()

    def _end_group(self) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)

    def _death(self) -> EngineError:
        try:
            code = self._process.wait(_GOODBYE_S)
        except subprocess.TimeoutExpired:
            end = "closed its output and still runs"
        else:
            end = _name_exit(code)
        self._threads[1].join(_GOODBYE_S)  # the last words may still be in the pipe
        words = " | ".join(self.last_words())[-600:]
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
    """In a child: end, with all that it started, as soon as the process ``parent`` is gone, also when it was killed.

    The end of standard input says so too, but not while another process holds a copy of the pipe. Linux could send a
    signal (PR_SET_PDEATHSIG), but sends it when the *thread* that started the child ends, and a build may use threads.
    """

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_PARENT_CHECK_S)
        leave()

    threading.Thread(target=watch, daemon=True, name="parent watch").start()


def leave() -> None:
    """In a child: end now, with all that it started (a child leads a process group of its own)."""
    if os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGKILL)
    os._exit(1)
