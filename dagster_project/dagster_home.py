"""The Dagster instance of a project: where runs, events and check results are kept, and where the UI reads them.

``DAGSTER_HOME`` is respected when set; else it is ``<store>/dagster``. The shipped ``dagster.yaml`` is put there once.
"""

import os
from importlib.resources import files
from pathlib import Path

import dagster as dg

from resources.store.layout import store_errors


def dagster_home(store: Path) -> Path:
    """The folder of the instance, created with our ``dagster.yaml`` (telemetry off) on first use."""
    named = os.environ.get("DAGSTER_HOME")
    home = Path(named) if named else store / "dagster"
    with store_errors(home):
        home.mkdir(parents=True, exist_ok=True)
        config = home / "dagster.yaml"
        if not config.exists():
            config.write_text(files("dagster_project").joinpath("dagster.yaml").read_text(encoding="utf-8"))
    return home


def open_instance(store: Path) -> dg.DagsterInstance:
    """The instance that `mathloom build` writes into and that the UI shows."""
    home = dagster_home(store)
    os.environ["DAGSTER_HOME"] = str(home.resolve())
    return dg.DagsterInstance.from_config(str(home.resolve()))
