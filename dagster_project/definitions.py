"""The Dagster code location. The only module that reads the environment, once, when Dagster imports it.

``MATHLOOM_PROJECT`` names a mathloom.toml (else the nearest one above the working directory), ``MATHLOOM_PROFILE``
replaces every recipe's profile, ``MATHLOOM_KEY_PREFIX`` keeps a second code location's assets apart.
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
    prefix = os.environ.get("MATHLOOM_KEY_PREFIX", "")
    profile = os.environ.get("MATHLOOM_PROFILE") or None
    return build_definitions(load_project(file, profile), key_prefix=[prefix] if prefix else [])


defs = _load()
