"""The pool: pieces of text out to hard-killed worker processes, outcomes back in the order in which they are ready.

The build talks to one process, the zygote, which has loaded the target and forks workers from itself: a start takes
as long as the imports of the target, a replacement some milliseconds. A piece that takes too long costs its worker,
nothing else. What holds a worker off the rest of the machine is in ``guard``.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
import weakref
from collections import deque
from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from resources.engines.process.child import Child
from resources.errors import EngineError, MathloomError

Status = Literal["answered", "timed_out", "crashed", "not_tried"]

DEFAULT_SECONDS = 0.5
"""CPU time of one piece; by the clock it may take 1.8 times as long (``PATIENCE`` of the zygote)."""
DEFAULT_MEMORY_BYTES = 1 << 30
"""Address space of one worker. With sympy loaded it begins at 100 MB."""
PIECES_PER_WORKER = 1_000
"""After so many pieces a worker makes room for a fresh one: what libraries remember would only grow."""

_MODULE = "resources.workers.zygote"
_START_S = 120.0
"""Longest start: the imports of a target on a busy disk."""
_SILENCE_S = 30.0
"""The zygote is given up when it says nothing for so long after the time of a piece has passed."""
_MAX_DEATHS = 3
"""Zygotes that may die one after the other before a piece is answered."""
ZYGOTE_DIED = "the zygote died"
"""Detail of a piece that was under way at the death of two zygotes, one after the other."""
_FROM_OUTSIDE = (ZYGOTE_DIED, "signal 9", "signal 15")
"""Ends that a person or a machine without memory makes; a worker that is late is ``timed_out``."""
_KEPT_VARIABLES = ("DYLD_LIBRARY_PATH", "LD_LIBRARY_PATH", "PYTHONHOME", "TMPDIR", "TZ")
"""What an interpreter may need to start. Nothing else of the environment is passed on: it may hold secrets."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one piece."""

    status: Status
    answer: str | None = None
    """What the target returned; only of pieces that were answered."""
    ms: float = 0.0
    """From the moment a worker had the piece, by the clock."""
    cpu_ms: float = 0.0
    """CPU time of the worker on it. Much less than ``ms``: the machine was busy with other things."""
    detail: str = ""
    """How a crashed worker ended: ``refused`` (by the guard), ``exit 1`` (an exception), ``signal 11``."""

    @property
    def is_of_piece(self) -> bool:
        """Whether the piece is to blame: nobody ended its worker, or the zygote, from outside."""
        return self.status == "answered" or (self.status == "crashed" and self.detail not in _FROM_OUTSIDE)


NOT_TRIED = Outcome("not_tried")


@dataclass(frozen=True, slots=True)
class _Piece:
    index: int
    text: str
    is_second: bool = False
    """Given out a second time, since the zygote died with the first worker that had it."""


class WorkerPool:
    """Worker processes that call one function. Started at the first use, or by :meth:`start`; a context manager.

    Threads may share a pool: a ``map`` waits until another thread's is done. A forked child starts processes of its
    own.
    """

    def __init__(
        self,
        target: str,
        *,
        workers: int | None = None,
        seconds: float = DEFAULT_SECONDS,
        memory_bytes: int = DEFAULT_MEMORY_BYTES,
        warm_up: Sequence[str] = (),
        pieces_per_worker: int = PIECES_PER_WORKER,
    ) -> None:
        """Start nothing yet.

        Args:
            target: ``package.module:function``; the function takes one text and returns one. An exception of it is a
                crash. It is imported in the zygote only.
            workers: Processes; default: as many as this process has processors.
            seconds: CPU time of one piece, after which its worker is killed; 1.8 times as much by the clock. Without
                Linux, which tells the CPU time of another process, it is time by the clock.
            memory_bytes: Address space of a worker.
            warm_up: Trusted texts that the zygote calls the function with before it forks, to fill caches.
            pieces_per_worker: Pieces after which a worker is replaced.
        """
        self.seconds = seconds
        self._load = {
            "op": "load",
            "target": target,
            "workers": workers or processors(),
            "seconds": seconds,
            "memory_bytes": memory_bytes,
            "warm_up": list(warm_up),
            "pieces_per_worker": pieces_per_worker,
        }
        self._workers = workers or processors()
        self._lock = threading.Lock()
        self._child: Child | None = None
        self._owner = 0
        self._finalizer: weakref.finalize[..., Any] | None = None
        self._next_id = 0
        self.network: str | None = None
        """What keeps workers off the network: ``namespace`` (one without devices) or only the ``hook``; None before."""
        self.load_ms = 0.0
        """Time that the zygote took to load the target."""

    def __enter__(self) -> WorkerPool:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def pid(self) -> int | None:
        """Process id of the zygote; None when there is none."""
        return self._child.pid if self._child is not None and self._owner == os.getpid() else None

    def start(self) -> None:
        """Load the target, if that has not been done. Raises MathloomError when it cannot be loaded, or is killed."""
        if self._child is not None and self._owner != os.getpid():
            self._child = None  # the process of whoever forked this one
        if self._child is not None:
            return
        told = self._load_once()
        if told["op"] == "died":  # someone killed it, or memory was short for a moment
            told = self._load_once()
        if told["op"] == "died":
            raise _death(2, told["error"])
        if told["op"] != "ready":
            raise MathloomError(
                f"the worker processes cannot load {self._load['target']}: {told['error']}",
                where="resources/workers",
                fix="Run `pip install mathloom` again in this environment.",
            )
        self.network, self.load_ms = str(told["network"]), float(told["load_ms"])

    def _load_once(self) -> dict[str, Any]:
        """Start a zygote. Its answer; ``died`` if it ended without one. There is none but after ``ready``."""
        # Where the system does not end workers with the zygote, a third process does when build and zygote are killed.
        child = Child(
            _MODULE, where="resources/workers", env=_environment(), is_guarded=sys.platform != "linux", goodbye_s=1.0
        )
        self._child, self._owner = child, os.getpid()
        self._finalizer = weakref.finalize(self, _stop, child, self._owner)
        path = [entry for entry in sys.path if os.path.isabs(entry)]  # noqa: PTH117
        try:
            child.send({**self._load, "path": path})
            told = child.receive(_START_S) or {"op": "failed", "error": f"no answer within {_START_S:.0f} s"}
        except EngineError as error:
            told = {"op": "died", "error": error.what}
        except BaseException:  # Ctrl-C: the answer that is still to come belongs to nobody
            self._discard()
            raise
        if told["op"] != "ready":
            self._discard()
        return told

    def map(self, pieces: Iterable[str], budget_s: float | None = None) -> Iterator[tuple[int, Outcome]]:
        """Index and outcome of each piece, as they come; every piece has exactly one outcome.

        Args:
            pieces: Texts, read only as fast as they are handed out.
            budget_s: Time for all of them, from when the workers are ready; later pieces are ``not_tried``, those
                under way are waited for.

        A piece that was under way when the zygote died is given to the next one, once.

        Raises:
            MathloomError: The target cannot be loaded, or the zygote dies again and again (then pieces are innocent:
                memory is short, or someone kills it).
        """
        with self._lock:
            self.start()
            yield from self._map(enumerate(pieces), None if budget_s is None else time.monotonic() + budget_s)

    def _map(self, pieces: Iterator[tuple[int, str]], end: float | None) -> Iterator[tuple[int, Outcome]]:
        under_way: dict[int, _Piece] = {}
        again: deque[_Piece] = deque()
        deaths = 0
        try:
            while True:
                is_late = end is not None and time.monotonic() >= end
                try:
                    while (again or not is_late) and len(under_way) < 2 * self._workers:
                        piece = again.popleft() if again else _Piece(*next(pieces))
                        self._next_id += 1
                        under_way[self._next_id] = piece
                        self._send({"op": "do", "id": self._next_id, "text": piece.text})
                except StopIteration:
                    is_late = True
                except EngineError:
                    pass  # told below
                if not under_way:
                    break
                told = self._receive(under_way)
                if told is None:
                    deaths += 1
                    lost, under_way = list(under_way.values()), {}
                    again.extend(replace(piece, is_second=True) for piece in lost if not piece.is_second)
                    yield from ((p.index, Outcome("crashed", detail=ZYGOTE_DIED)) for p in lost if p.is_second)
                    self._revive(deaths)
                else:
                    deaths = 0
                    yield under_way.pop(told["id"]).index, _outcome(told)
            yield from ((index, NOT_TRIED) for index, _ in pieces)
        finally:
            if under_way:
                with contextlib.suppress(EngineError):
                    self._send({"op": "drop"})

    def _send(self, frame: dict[str, Any]) -> None:
        if self._child is not None:
            self._child.send(frame)

    def _receive(self, under_way: Container[int]) -> dict[str, Any] | None:
        """The next outcome of a piece that is under way; None when the zygote is dead or says nothing."""
        try:
            while self._child is not None:
                told = self._child.receive(2 * self.seconds + _SILENCE_S)
                if told is None or told["id"] in under_way:
                    return told
        except EngineError:
            pass
        return None

    def _revive(self, deaths: int) -> None:
        words = " | ".join(self._child.last_words())[-300:] if self._child is not None else ""
        self._discard()
        if deaths >= _MAX_DEATHS:
            raise _death(deaths, words)
        self.start()

    def _discard(self) -> None:
        if self._finalizer is not None:
            self._finalizer()
        self._child = self._finalizer = None

    def close(self) -> None:
        """End all processes. Idempotent; a later ``map`` starts new ones."""
        self._discard()


def processors() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


def _environment() -> dict[str, str]:
    kept = {name: os.environ[name] for name in _KEPT_VARIABLES if name in os.environ}
    # A fixed hash seed: the order of a set of Python decides which way a library goes, and with it how long it takes.
    return {**kept, "LC_ALL": "C.UTF-8", "PYTHONHASHSEED": "0", "PYTHONNOUSERSITE": "1"}


def _outcome(told: dict[str, Any]) -> Outcome:
    return Outcome(told["status"], told.get("text"), told["ms"], told["cpu_ms"], told.get("detail", ""))


def _death(times: int, words: str) -> MathloomError:
    return MathloomError(
        f"the process that workers are forked from died {times} times in a row" + (f": {words}" if words else ""),
        where="resources/workers",
        fix="Free memory, then run the same command again.",
        retryable=True,
    )


def _stop(child: Child, owner: int) -> None:
    if owner == os.getpid():
        child.stop()
