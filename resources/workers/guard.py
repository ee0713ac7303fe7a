"""What a worker gives up before it reads its first piece: memory, files, processes, the network, text as code.

What each measure holds off, said plainly:

* Limits of the system (``setrlimit``) hold against everything in the process: address space, core files, writing to
  files, open files. The limit on processes and threads does not bind root. macOS does not enforce that of memory.
* A network namespace of its own (Linux, where the kernel lets an ordinary user make one) holds against everything.
* The audit hook sees what goes through Python: a library that is led to ``eval``, ``open``, ``connect`` or ``system``
  by what it reads, or to read any file that is no module. The process ends at once; no ``except`` of that library can
  go on. Native code that was taken over, or Python code that runs and was made to undo the hook, is not stopped by it:
  it is a trip wire and no jail.
"""

from __future__ import annotations

import contextlib
import os
import resource
import sys
import sysconfig
from collections.abc import Callable
from typing import Any

REFUSED_EXIT = 77
"""Exit code of a worker that was led to do what it must not (EX_NOPERM of sysexits.h)."""

_OPEN_FILES = 16
"""Descriptors of a worker: five of its own, and one for each file of a module that is imported late."""
_NEW_USER, _NEW_NETWORK = 0x10000000, 0x40000000
"""Flags of unshare(2)."""
_DEATH_SIGNAL, _NO_NEW_PRIVILEGES = 1, 38
"""Options of prctl(2)."""
_KILL = 9

_TEMPLATES = ("/sympy/polys/monomials.py", "/mpmath/libmp/libhyper.py")
"""Modules that compile functions from templates of their own, filled with numbers of variables and of parameters:
without these sympy factors no polynomial of four variables and integrates hardly anything. No text gets into them."""
_LIBRARY_SUFFIXES = (".py", ".pyc", ".so", ".dylib")
_REFUSED_FAMILIES = frozenset(
    {
        *(
            "builtins.breakpoint",
            "builtins.input",
            "code",
            "ctypes",
            "fcntl",
            "ftplib",
            "gc",
            "glob",
            "http",
            "imaplib",
        ),
        *("mmap", "nntplib", "os", "pickle", "poplib", "pty", "resource", "shutil", "signal", "smtplib", "socket"),
        *("sqlite3", "subprocess", "syslog", "telnetlib", "tempfile", "urllib", "webbrowser"),
    }
)
"""Audit events of Python 3.11 to 3.13, by name or by the part before the first dot."""


class System:
    """The two calls of the C library that Python 3.11 does not offer; they do nothing where they do not exist."""

    def __init__(self) -> None:
        self._prctl: Callable[..., int] | None = None
        self._unshare: Callable[..., int] | None = None
        if sys.platform == "linux":
            import ctypes

            library = ctypes.CDLL(None, use_errno=True)
            self._prctl = getattr(library, "prctl", None)
            self._unshare = getattr(library, "unshare", None)

    def leave_network(self) -> bool:
        """Move this process and its later children into a network of their own, which has no devices that are up."""
        return self._unshare is not None and self._unshare(_NEW_USER | _NEW_NETWORK) == 0

    def die_with(self, parent: int) -> None:
        """In a forked child: be killed when ``parent`` ends. ``parent`` has one thread, so its end is that thread's."""
        if self._prctl is not None:
            self._prctl(_DEATH_SIGNAL, _KILL, 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)

    def renounce(self) -> None:
        """No program that this process could run gives it more rights."""
        if self._prctl is not None:
            self._prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0)


def limit(memory_bytes: int) -> None:
    """Set the limits of the system. One that the system does not have is left out."""
    for name, value in (
        ("RLIMIT_AS", memory_bytes),
        ("RLIMIT_CORE", 0),
        ("RLIMIT_FSIZE", 0),
        ("RLIMIT_NOFILE", _OPEN_FILES),
        ("RLIMIT_NPROC", 0),
    ):
        with contextlib.suppress(AttributeError, ValueError, OSError):
            resource.setrlimit(getattr(resource, name), (value, value))


def stand_first_in_line() -> None:
    """Where memory runs out, Linux ends a worker before it looks at anything else."""
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as handle:  # noqa: PTH123
        handle.write("1000")


def watch() -> None:
    """Install the audit hook; it stays for the life of the process."""
    roots = tuple(
        {
            os.path.join(os.path.normpath(path), "")  # noqa: PTH118
            for path in (*sys.path, sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib"))
            if path and os.path.isabs(path)  # noqa: PTH117
        }
    )

    def hook(event: str, args: tuple[Any, ...]) -> None:
        if _is_refused(event, args, roots) and not (event in ("compile", "exec") and _is_template()):
            os._exit(REFUSED_EXIT)

    sys.addaudithook(hook)


def _is_refused(event: str, args: tuple[Any, ...], roots: tuple[str, ...]) -> bool:
    if event == "open":
        return not _is_library(args[0], roots) or not _is_reading(args[1], args[2])
    if event == "os.listdir":  # how an import looks into a folder
        return not _is_inside(args[0], roots)
    if event == "compile":
        return not _is_library(args[1], roots)
    if event == "exec":
        name = args[0].co_filename
        return not name.startswith("<frozen ") and not _is_library(name, roots)
    return event in _REFUSED_FAMILIES or event.partition(".")[0] in _REFUSED_FAMILIES


def _is_template() -> bool:
    """Whether what is compiled or run was asked for by a module of _TEMPLATES: the frame behind the hook's own."""
    return sys._getframe(2).f_code.co_filename.endswith(_TEMPLATES)


def _is_reading(mode: Any, flags: Any) -> bool:
    writes = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
    return not (isinstance(flags, int) and flags & writes) and not (isinstance(mode, str) and set(mode) & set("wax+"))


def _is_library(path: Any, roots: tuple[str, ...]) -> bool:
    if isinstance(path, bytes):
        path = os.fsdecode(path)
    return isinstance(path, str) and path.endswith(_LIBRARY_SUFFIXES) and _is_inside(path, roots)


def _is_inside(path: Any, roots: tuple[str, ...]) -> bool:
    return isinstance(path, str) and os.path.join(os.path.normpath(path), "").startswith(roots)  # noqa: PTH118
