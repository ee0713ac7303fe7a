"""What all engines' options share, and how a mistake in a profile becomes one readable error.

The options of each engine live beside the engine; the table of engines is ``resources/engines/catalog.py``.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from resources.errors import RecipeError
from resources.paths import expanded

COMMIT = re.compile(r"[0-9a-f]{40}")
"""A Hub revision that cannot move: a full git commit. Branches and tags can."""

OptionsType = TypeVar("OptionsType", bound="EngineOptions")


class EngineOptions(BaseModel):
    """Base of every engine's options: frozen, and unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())

    operational: ClassVar[frozenset[str]] = frozenset()
    """Fields that change how fast answers come and never which: they are no part of the weights id."""

    @classmethod
    def on_devices(cls, options: Mapping[str, Any], devices: Sequence[str]) -> Mapping[str, Any]:
        """``options`` (as written) of an engine that shall fill ``devices`` of this machine. Most have no say in it."""
        del devices
        return options

    def identity(self) -> dict[str, Any]:
        """The fields that shape answers and are not at their default, as JSON values.

        Without the defaults, so that a field that is added later leaves the identity of today as it is.
        """
        return self.model_dump(mode="json", exclude=set(self.operational), exclude_defaults=True)


def located(options: Mapping[str, Any], root: Path) -> dict[str, Any]:
    """``options`` with the relative paths among them made to begin at ``root``, the folder of the project file.

    By convention of all engines: `path` and `paths` are paths, `python` is one if it has a slash, `adapter` and
    `tokenizer` are if they begin with a dot (else they name a repository). ``~`` is the home folder.
    """
    return {name: _located(name, value, root) for name, value in options.items()}


def _located(name: str, value: Any, root: Path) -> Any:
    if isinstance(value, Mapping):
        return located(value, root)
    if name == "paths" and isinstance(value, list | tuple):
        return [_located("path", each, root) for each in value]
    if not isinstance(value, str) or not value:
        return value
    is_path = name in ("path", "paths") or (name == "python" and "/" in value)
    if is_path or (name in ("adapter", "tokenizer", "python") and value[0] in ".~"):
        return str(root / expanded(value))
    return value


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word most like ``word``, if any is."""
    found = difflib.get_close_matches(word, list(known), n=1, cutoff=0.5)
    return found[0] if found else None


def read_options(kind: type[OptionsType], engine: str, values: Mapping[str, Any], where: str) -> OptionsType:
    """Validate ``values``. Raises RecipeError that names every mistake at once, with the nearest right key."""
    try:
        return kind.model_validate(dict(values))
    except ValidationError as exc:
        mistakes = "; ".join(_mistake(error, kind.model_fields) for error in exc.errors())
        raise RecipeError(
            f"options of engine {engine!r}: {mistakes}",
            where=where,
            fix=f"Options of {engine!r} are: {', '.join(sorted(kind.model_fields))}.",
        ) from exc


def _mistake(error: Any, known: Iterable[str]) -> str:
    place = ".".join(str(part) for part in error["loc"])
    if error["type"] == "extra_forbidden":
        like = nearest(place, known)
        return f"unknown option {place!r}" + (f" (nearest: {like!r})" if like else "")
    if error["type"] == "missing":
        return f"option {place!r} is missing"
    message = str(error["msg"]).removeprefix("Value error, ")
    return f"{place} = {error['input']!r}: {message}" if place else message
