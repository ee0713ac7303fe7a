"""The table of engines: the word in a profile -> the class that answers, imported only when asked for.

Nothing here loads a model or imports a heavy package; the engines themselves live in the modules named below.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from resources.engines.options import EngineOptions, nearest, read_options
from resources.engines.protocol import Engine
from resources.errors import RecipeError

ENGINES: Mapping[str, str] = {
    "scripted": "resources.engines.scripted.engine:ScriptedEngine",
    "files": "resources.engines.files.engine:FilesEngine",
    "openvino": "resources.engines.openvino.engine:OpenVinoEngine",
    "vllm": "resources.engines.vllm.engine:VllmEngine",
    "server": "resources.engines.server.engine:ServerEngine",
}
"""Engine -> ``module:class``; :class:`EngineClass` says what the class must be."""


class EngineClass(Protocol):
    """What the catalog needs of an engine's class."""

    options_type: type[EngineOptions]

    def __call__(self, options: Any, *, where: str, cache: Path, secrets: Mapping[str, str]) -> Engine:
        """Make the engine; load nothing. ``secrets``: see :func:`make_engine`."""
        ...


def engine_class(name: str, where: str = "engine catalog") -> EngineClass:
    """The class of engine ``name``. Raises RecipeError that names the nearest known engine."""
    try:
        module, _, attribute = ENGINES[name].partition(":")
    except KeyError:
        like = nearest(name, ENGINES)
        hint = f"Did you mean {like!r}? " if like else ""
        raise RecipeError(
            f"unknown engine {name!r}", where=where, fix=f"{hint}Known engines: {', '.join(sorted(ENGINES))}."
        ) from None
    return getattr(importlib.import_module(module), attribute)


def options_type(name: str, where: str = "engine catalog") -> type[EngineOptions]:
    """The options model of engine ``name``: for validation, documentation and forms."""
    return engine_class(name, where).options_type


def make_engine(
    name: str, options: Mapping[str, Any], where: str, cache: Path, secrets: Mapping[str, str] | None = None
) -> Engine:
    """An engine, not started: cheap, loads no weights.

    Args:
        name: A key of ``ENGINES``.
        options: The words of the role in the profile.
        where: File and line of the role, for errors.
        cache: Folder for what an engine may keep between runs (converted weights, hashes of files).
        secrets: Values of environment variables that the options name (``api_key_env``), where the caller has them
            already (Dagster resolves an ``EnvVar`` itself); others are read from the environment when they are needed.
    """
    cls = engine_class(name, where)
    options_ = read_options(cls.options_type, name, options, where)
    return cls(options_, where=where, cache=cache, secrets=secrets or {})
