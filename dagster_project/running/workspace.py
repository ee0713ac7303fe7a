"""One build's surroundings: a recipe, its store, its request store, its engines, its prompts and its sources.

Made once a run. Nothing is loaded or locked before it is needed: `mathloom ls` makes one and touches no engine.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields
from functools import cached_property
from pathlib import Path
from typing import Any

import duckdb

from assets.generation.prompts import PromptFolder
from dagster_project.language.lock import read_lock
from dagster_project.language.resolved import Recipe, Ref, Stage
from dagster_project.running.roles import Roles
from dagster_project.running.spending import Spent
from resources.errors import StoreError
from resources.requests.index import Keys
from resources.requests.store import RequestStore
from resources.sources.source import Pinned, SourceSpec, resolve
from resources.sql import Part, View, open_session
from resources.store import Entry, Environment, Store, Version

PREVIEW = ".preview"
"""Suffix of the environment that `mathloom preview` builds: it never disturbs the real one."""


class Workspace:
    """What a stage needs to be planned, built or explained."""

    def __init__(self, recipe: Recipe, root: Path) -> None:
        self.recipe = recipe
        self.root = root
        self.store = Store(root)
        self.roles = Roles(recipe, root / "cache")
        self.prompts = PromptFolder(recipe.prompts_folder)
        self.environment = Environment.load(root, recipe.name, self.environment_name)
        self.spent = Spent()
        """What the stages of this build have spent."""
        self._requests: RequestStore | None = None
        self._pins: dict[str, Pinned] = {}

    @property
    def environment_name(self) -> str:
        """The profile, or its preview twin."""
        return self.recipe.profile + (PREVIEW if self.recipe.preview_rows else "")

    @property
    def requests(self) -> RequestStore:
        """The request store, opened on first use (loads its key index)."""
        if self._requests is None:
            self._requests = RequestStore(self.root)
            self._requests.open()
        return self._requests

    def close(self) -> None:
        """Stop engines and seal what was journaled. Safe to call twice."""
        self.roles.stop()
        if self._requests is not None:
            self._requests.close()
            self._requests = None

    # -- inputs ------------------------------------------------------------------------------------------------------

    def entry(self, stage: str, *, reader: str) -> Entry:
        """The current version of ``stage``. Raises StoreError if it was never built."""
        try:
            return self.environment.stages[stage]
        except KeyError:
            raise StoreError(
                f"its input {stage!r} is not built under the profile {self.recipe.profile!r}",
                where=f"{self.recipe.name}/{reader}",
                fix=f"Build it first: mathloom build {self.recipe.name} --select '+{reader}'",
            ) from None

    def input_versions(self, stage: Stage) -> dict[str, list[tuple[Ref, Version]]]:
        """Formal input -> the bound tables with their current versions."""
        found = {}
        for formal, refs in stage.inputs.items():
            entries = [(ref, self.entry(ref.stage, reader=stage.name)) for ref in refs]
            found[formal] = [(ref, self.store.version(e.kind, e.version)) for ref, e in entries]
        return found

    def views(self, stage: Stage, inputs: Mapping[str, Sequence[tuple[Ref, Version]]]) -> dict[str, View]:
        """The views of a stage's session: one a formal input."""
        views = {}
        for formal, bound in inputs.items():
            declared = stage.kind.inputs[formal]
            parts = [Part(str(ref), version.paths(ref.table), version.schema(ref.table)) for ref, version in bound]
            if declared.many or not parts:
                views[formal] = View(declared.schema, parts=parts)
            else:
                views[formal] = View(parts[0].schema, parts[0].paths)
        return views

    # -- what decides content beside inputs --------------------------------------------------------------------------

    def pin(self, name: str) -> Pinned:
        """The exact content of a source (lock file, file hash or fixed revision); cached for this build."""
        if name not in self._pins:
            self._pins[name] = resolve(self.source_spec(name), self._lock.get(name))
        return self._pins[name]

    def source_spec(self, name: str) -> SourceSpec:
        """A source as the seeds station takes it; a bundled file is a path like any other."""
        source = self.recipe.sources[name]
        path = self.recipe.folder / source.bundled if source.bundled else source.path
        words = {
            f.name: getattr(source, f.name)
            for f in fields(source)
            if f.name not in ("place", "bundled", "rows", "is_benchmark")
        }
        return SourceSpec.of({**words, "path": path, "where": str(source.place)})

    @cached_property
    def _lock(self) -> Mapping[str, Any]:
        return read_lock(self.recipe, self.root)

    @contextmanager
    def completions_session(self, scratch: Path, keys: Keys | None = None) -> Iterator[duckdb.DuckDBPyConnection]:
        """A session that sees the request store (sealed first) and the files of ``scratch``, and nothing else.

        ``keys``: the requests that will be read; files of the store that hold none of them are left out.
        """
        self.requests.seal()
        session = open_session(
            memory_limit=self.memory_limit,
            threads=self.threads,
            temp=scratch / "spill-completions",
            folders=[scratch, self.requests.folders.root],
        )
        try:
            self.requests.create_views(session, keys)
            yield session
        finally:
            session.close()

    # -- limits ------------------------------------------------------------------------------------------------------

    @property
    def memory_limit(self) -> str:
        """DuckDB's memory limit a step; ``MATHLOOM_MEMORY`` overrides (as DuckDB writes it, "4GB")."""
        return os.environ.get("MATHLOOM_MEMORY", "2GB")

    @property
    def threads(self) -> int:
        """DuckDB's threads a step: all cores."""
        return os.cpu_count() or 2
