"""Roles and their engines: made from the profile, started at the first missing request, stopped for another role.

Two roles with the same engine and options share one process. Only one engine is loaded at a time: on one machine they
compete for the same device; sharing a device by declaration comes with the ``devices:`` of a later issue.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dagster_project.language.resolved import Recipe
from resources.engines.catalog import make_engine
from resources.engines.protocol import Engine
from resources.identity import hash_json


class Roles:
    """The engines of one recipe under one profile."""

    def __init__(self, recipe: Recipe, cache: Path) -> None:
        self._recipe = recipe
        self._cache = cache
        self._engines: dict[str, Engine] = {}
        self._weights: dict[str, str] = {}
        self._running: str | None = None

    def engine(self, role: str) -> Engine:
        """The engine of ``role``, made but not started."""
        key = self._key(role)
        if key not in self._engines:
            declared = self._recipe.roles[role]
            self._engines[key] = make_engine(declared.engine, declared.options, str(declared.place), self._cache)
        return self._engines[key]

    def weights_id(self, role: str) -> str:
        """What names the weights of ``role`` in every request key; computed once (it can hash a file)."""
        key = self._key(role)
        if key not in self._weights:
            self._weights[key] = self.engine(role).weights_id()
        return self._weights[key]

    def started(self, role: str) -> Engine:
        """The engine of ``role``, loaded. Another role's engine is stopped first."""
        key = self._key(role)
        if self._running not in (None, key):
            self.stop()
        engine = self.engine(role)
        self._running = key
        engine.start()
        return engine

    def stop(self) -> None:
        """Stop what runs."""
        if self._running is not None:
            self._engines[self._running].stop()
            self._running = None

    def describe(self, role: str) -> Mapping[str, Any]:
        """Engine, weights and options of a role, for provenance and the UI."""
        declared = self._recipe.roles[role]
        return {"engine": declared.engine, "weights": self.weights_id(role), **self.engine(role).describe()}

    def _key(self, role: str) -> str:
        declared = self._recipe.roles[role]
        return hash_json([declared.engine, dict(declared.options)])
