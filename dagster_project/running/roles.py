"""Roles and their engines: made from the profile, started at the first missing request, stopped for another role.

Two roles with the same engine and options share one process. An engine stays loaded until another one needs a device
that it fills: roles that name other devices stay side by side, a role that names none may fill all of them. Engines
that fill no device of this machine (a server's, say) disturb nobody.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from dagster_project.language.resolved import Recipe, Role
from resources.engines.catalog import make_engine, options_type
from resources.engines.options import located
from resources.engines.protocol import Engine
from resources.identity import hash_json


class Roles:
    """The engines of one recipe under one profile."""

    def __init__(self, recipe: Recipe, cache: Path) -> None:
        self._cache = cache
        self._root = recipe.root
        self._engines: dict[str, Engine] = {}
        self._weights: dict[str, str] = {}
        self._running: dict[str, frozenset[str]] = {}  # key of the engine -> devices
        self._said: dict[str, Role] = dict(recipe.roles)
        self._secrets: dict[str, str] = {}

    def configure(self, role: str, engine: str, options: Mapping[str, Any], secrets: Mapping[str, str]) -> None:
        """Let ``role`` be answered as a Dagster resource says: the profile's words, or what a launch puts there.

        Before its engine is made; later words change nothing. ``secrets``: values of variables that options name.
        """
        self._said[role] = replace(self._said[role], engine=engine, options=options)
        self._secrets.update(secrets)

    def said(self, role: str) -> Role:
        """``role`` with the engine and the options that answer it in this run."""
        return self._said[role]

    def engine(self, role: str) -> Engine:
        """The engine of ``role``, made but not started."""
        key = self._key(role)
        if key not in self._engines:
            declared = self._said[role]
            options: Mapping[str, Any] = located(declared.options, self._root)
            if declared.devices:
                options = options_type(declared.engine).on_devices(options, declared.devices)
            self._engines[key] = make_engine(declared.engine, options, str(declared.place), self._cache, self._secrets)
        return self._engines[key]

    def weights_id(self, role: str) -> str:
        """What names the weights of ``role`` in every request key; computed once (it can hash a file)."""
        key = self._key(role)
        if key not in self._weights:
            self._weights[key] = self.engine(role).weights_id()
        return self._weights[key]

    def started(self, role: str) -> Engine:
        """The engine of ``role``, loaded. Engines that fill a device that it needs are stopped first."""
        key, engine = self._key(role), self.engine(role)
        if key not in self._running:
            engine.check()
            self._free(frozenset(self._said[role].devices), engine)
            self._running[key] = frozenset(self._said[role].devices)
        engine.start()
        return engine

    def stop(self, role: str | None = None) -> None:
        """Stop the engine of ``role``, or all that run."""
        wanted = self._running if role is None else {self._key(role)} & self._running.keys()
        for key in list(wanted):
            self._stop(key)

    def describe(self, role: str) -> Mapping[str, Any]:
        """Engine, weights and options of a role, for provenance and the UI."""
        declared = self._said[role]
        return {"engine": declared.engine, "weights": self.weights_id(role), **self.engine(role).describe()}

    def _free(self, devices: frozenset[str], engine: Engine) -> None:
        """Stop what fills a device that ``engine`` needs."""
        if not engine.holds_device:
            return
        for key, held in list(self._running.items()):
            is_shared = not (devices and held) or not devices.isdisjoint(held)
            if is_shared and self._engines[key].holds_device:
                self._stop(key)

    def _stop(self, key: str) -> None:
        del self._running[key]
        self._engines[key].stop()

    def _key(self, role: str) -> str:
        declared = self._said[role]
        return hash_json([declared.engine, dict(declared.options), sorted(declared.devices)])
