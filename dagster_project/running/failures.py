"""What goes wrong inside a stage, as one of our errors: the file system, DuckDB, and a kind's own code.

Errors that already say where, what and how to mend it pass through. The original stays their cause, so that the log of
the run has the whole traceback; the terminal has one line.
"""

from __future__ import annotations

import errno
import site
import sysconfig
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from resources.errors import KindError, MathloomError, StoreError
from resources.store.layout import explain_os_error

_SHOWN = 300
"""Characters of another library's message: DuckDB quotes whole queries."""
_FULL_DISK = ("no space left", "disk quota exceeded", "file too large")
_LIBRARIES = tuple({sysconfig.get_path("stdlib"), *site.getsitepackages()})


@contextmanager
def stage_errors(where: str) -> Iterator[None]:
    """Turn whatever is raised inside into a MathloomError. ``where``: recipe/stage. Ctrl-C passes."""
    try:
        yield
    except MathloomError:
        raise
    except OSError as error:  # Arrow's input and output errors are of this kind too
        raise explain_os_error(error, str(error.filename or where)) from error
    except duckdb.Error as error:
        raise explain(error, where) from error
    except MemoryError as error:
        raise _too_little_memory("the step needs more memory than there is", where) from error
    except Exception as error:
        raise _of_kind(error, where) from error


def explain(error: duckdb.Error, where: str) -> MathloomError:
    """What DuckDB says, with a remedy."""
    text = _line(error)
    if any(words in text.lower() for words in _FULL_DISK):
        return explain_os_error(OSError(errno.ENOSPC, text), where)
    if isinstance(error, duckdb.OutOfMemoryException):
        return _too_little_memory(f"the step needs more memory or spill space than it may have ({text})", where)
    return StoreError(f"DuckDB: {text}", where=where, fix="Mend the SQL or the input named there")


def _too_little_memory(what: str, where: str) -> StoreError:
    fix = "Set MATHLOOM_MEMORY (for example 8GB), or free disk space in the store"
    return StoreError(what, where=where, fix=fix)


def _of_kind(error: Exception, where: str) -> KindError:
    said = _line(error)
    return KindError(
        f"{type(error).__name__}{': ' if said else ''}{said}",
        where=f"{_line_of_code(error)} ({where})",
        fix="Mend the code or the row there; the log of the run in `mathloom ui` has the whole traceback",
    )


def _line_of_code(error: Exception) -> str:
    """File and line of the innermost frame that is no library's."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if not frame.filename.startswith((*_LIBRARIES, "<"))]
    last = (own or frames)[-1]
    return f"{Path(last.filename)}:{last.lineno}"


def _line(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"
