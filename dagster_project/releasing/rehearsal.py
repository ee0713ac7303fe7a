"""A rehearsal on a Hub of one's own: the stand-in in this process, the real client, and `load_dataset` in a child.

What the client of the Hub reads from the environment is set while a rehearsal runs, before the client is imported. The
state of the stand-in stays in ``<store>/rehearsal_hub``: a second rehearsal is a second release.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from resources.errors import HubError, MissingExtraError
from resources.hub.repository import Repository
from resources.hub.stand_in.server import StandIn, stand_in_environment

FOLDER = "rehearsal_hub"
OWNER = "rehearsal"
LOAD_S = 3600
"""Seconds that the child may take to load every split."""

_CACHES = ("HF_HOME", "HF_HUB_CACHE", "HF_DATASETS_CACHE")
_SHOWN = ("HF_ENDPOINT", "HF_TOKEN", "HF_HOME", "HF_HUB_DISABLE_XET", "NO_PROXY", "no_proxy")
"""Variables that somebody sets who wants to look."""

_LOADER = """
import json, sys
from datasets import load_dataset
name, revision, folder = sys.argv[1:4]
data = load_dataset(name, revision=revision, cache_dir=folder)
print(json.dumps({split: rows.num_rows for split, rows in data.items()}))
"""


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """A running stand-in, and the repository that is released to."""

    server: StandIn
    repository: Repository
    environment: Mapping[str, str]
    """What a client process needs to reach it."""
    folder: Path
    """Of everything that a rehearsal leaves."""


@contextmanager
def rehearsal_hub(store: Path, recipe: str) -> Iterator[Rehearsal]:
    """Start the stand-in. Raises MissingExtraError without the packages that talk to a Hub."""
    for package in ("huggingface_hub", "datasets"):
        if importlib.util.find_spec(package) is None:
            raise MissingExtraError.of(package, "hub", where="--rehearse-hub")
    root = store / FOLDER
    root.mkdir(parents=True, exist_ok=True)
    with StandIn(root / "hub") as server:
        environment = stand_in_environment(server)
        with _set(environment):
            from resources.hub.opened import open_repository

            name = f"{OWNER}/{recipe}"
            repository = open_repository(name, endpoint=server.endpoint, token=server.token)
            yield Rehearsal(server, repository, environment, root)


@contextmanager
def _set(environment: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in environment}
    os.environ.update(environment)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def load_back(rehearsal: Rehearsal, tag: str) -> dict[str, int]:
    """Split -> rows of a release, as ``datasets`` loads it from the stand-in in a process of its own.

    Raises:
        HubError: It cannot be loaded.
    """
    name = rehearsal.repository.name
    where = f"{name}@{tag}"
    with tempfile.TemporaryDirectory(prefix="load-", dir=rehearsal.folder) as folder:
        environment = {**os.environ, **rehearsal.environment, **dict.fromkeys(_CACHES, folder)}
        try:
            child = subprocess.run(
                [sys.executable, "-c", _LOADER, name, tag, folder],
                env=environment,
                cwd=folder,  # a folder with the dataset's name in the present one would be loaded instead
                capture_output=True,
                text=True,
                timeout=LOAD_S,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            what = f"load_dataset has not ended after {LOAD_S:,} s"
            raise HubError(what, where=where, fix="Rehearse with fewer rows") from error
    if child.returncode != 0:
        said = (child.stderr.strip().splitlines() or ["nothing"])[-1][:300]
        raise HubError(f"load_dataset cannot load it: {said}", where=where, fix="Report it with this message")
    return {str(split): int(rows) for split, rows in json.loads(child.stdout.strip().splitlines()[-1]).items()}


def load_lines(rehearsal: Rehearsal, tag: str) -> list[str]:
    """The two lines that load a release while the stand-in runs."""
    shown = " ".join(f"{name}={shlex.quote(rehearsal.environment[name])}" for name in _SHOWN)
    words = f"from datasets import load_dataset; print(load_dataset({rehearsal.repository.name!r}, revision={tag!r}))"
    return [f"export {shown}", f'python -c "{words}"']
