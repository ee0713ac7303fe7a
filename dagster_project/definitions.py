"""The Dagster code location. The only module that reads the environment, once, when Dagster imports it.

``MATHLOOM_PROJECT`` names a mathloom.toml (else the nearest one above the working directory), ``MATHLOOM_PROFILE``
replaces every recipe's profile; assets of a profile that the project file does not name have it before their keys.
"""

import os
from pathlib import Path

import dagster as dg

from dagster_project.assembly import build_definitions
from dagster_project.language.load import find_project_file, load_project

__all__ = ["build_definitions", "defs"]


def _load() -> dg.Definitions:
    named = os.environ.get("MATHLOOM_PROJECT")
    file = Path(named) if named else find_project_file(Path.cwd())
    profile = os.environ.get("MATHLOOM_PROFILE") or None
    return build_definitions(load_project(file, profile), environment=os.environ)


defs = _load()
