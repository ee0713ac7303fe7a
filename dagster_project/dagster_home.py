"""The Dagster instance of a project: where runs, events and check results are kept, and where the UI reads them.

``DAGSTER_HOME`` is respected when set; else it is ``<store>/dagster``. The shipped ``dagster.yaml`` is put there once.
"""

import errno
import fcntl
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path

import dagster as dg

from resources.errors import MathloomError, StoreError
from resources.store.layout import explain_os_error, store_errors

_ERRNO = {
    "disk is full": errno.ENOSPC,
    "disk i/o error": errno.ENOSPC,  # SQLite's word for a write that the system refused for any other reason
    "readonly": errno.EACCES,
    "unable to open": errno.EACCES,
}
"""What SQLite says -> what the system meant; the remedies are written once, in the store."""


def dagster_home(store: Path) -> Path:
    """The folder of the instance, created with our ``dagster.yaml`` (telemetry off) on first use."""
    named = os.environ.get("DAGSTER_HOME")
    home = Path(named) if named else store / "dagster"
    with store_errors(home):
        home.mkdir(parents=True, exist_ok=True)
        config = home / "dagster.yaml"
        if not config.exists():
            aside = config.with_name(f".{config.name}.{os.getpid()}")
            aside.write_text(files("dagster_project").joinpath("dagster.yaml").read_text(encoding="utf-8"))
            aside.replace(config)
    return home


@contextmanager
def _alone(home: Path) -> Iterator[None]:
    """Hold the folder for a moment: two processes that both make Dagster's tables leave tables that nobody can read."""
    with store_errors(home):
        handle = (home / "opening.lock").open("a")
    with handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


@contextmanager
def open_instance(store: Path) -> Iterator[dg.DagsterInstance]:
    """The instance that `mathloom build` writes into and that the UI shows.

    Dagster itself looks for ``DAGSTER_HOME``; it is set while the instance is open and no longer: another project in
    the same process has a home of its own.
    """
    home = dagster_home(store).resolve()
    before = os.environ.get("DAGSTER_HOME")
    os.environ["DAGSTER_HOME"] = str(home)
    try:
        with _alone(home):
            made = dg.DagsterInstance.from_config(str(home))
        with made as instance:
            yield instance
    finally:
        if before is None:
            del os.environ["DAGSTER_HOME"]
        else:
            os.environ["DAGSTER_HOME"] = before


@contextmanager
def instance_errors(store: Path) -> Iterator[None]:
    """Turn what Dagster and its database raise into a MathloomError of one line."""
    from alembic.util import CommandError
    from sqlalchemy.exc import SQLAlchemyError

    home = Path(os.environ.get("DAGSTER_HOME") or store / "dagster")
    try:
        yield
    except MathloomError:
        raise
    except (SQLAlchemyError, sqlite3.Error, CommandError) as error:
        raise _explain(str(getattr(error, "orig", None) or error), home) from error
    except OSError as error:
        raise explain_os_error(error, str(error.filename or home)) from error
    except dg.DagsterError as error:
        raise _explain(str(error), home) from error


def _explain(said: str, home: Path) -> StoreError:
    for words, number in _ERRNO.items():
        if words in said.lower():
            return explain_os_error(OSError(number, said), str(home))
    return StoreError(
        f"Dagster cannot work with its history of runs: {' '.join(said.split())[:300]}",
        where=str(home),
        fix="Correct dagster.yaml there; or move the folder away: only the history of runs is lost, no data",
    )
