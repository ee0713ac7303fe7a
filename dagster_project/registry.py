"""Finds kinds by name: built-in ones, SQL files, the recipe's own ``kinds.py``, and installed packages.

The table holds import strings, so that naming a kind costs nothing and using one imports its module only.
What a kind is lives in ``assets.kinds``; SQL files become kinds in ``dagster_project.sqlfiles``.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import re
import sys
import traceback
from collections.abc import Mapping
from functools import cache
from hashlib import sha256
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType

from assets.kinds import Kind
from dagster_project.language.faults import suggest
from resources.errors import RecipeError

BUILT_IN: Mapping[str, str] = {
    "seeds/gsm8k": "assets.seeds.kinds:Gsm8k",
    "seeds/math": "assets.seeds.kinds:Math",
    "seeds/problems": "assets.seeds.kinds:Problems",
    "generation/augment": "assets.generation.augment:Augment",
    "generation/solve": "assets.generation.solve:Solve",
    "answers/extract": "assets.answers.kinds:Extract",
    "answers/expected": "assets.answers.kinds:Expected",
    "answers/clusters": "assets.answers.cluster_kind:FindClusters",
    "selection/text_rules": "assets.selection.kinds:TextRules",
    "contamination/neighbours": "assets.contamination.neighbour_kind:FindNeighbours",
    "contamination/near_duplicates": "assets.contamination.duplicate_kind:RemoveNearDuplicates",
    "contamination/benchmark": "assets.contamination.kinds:Benchmark",
    "contamination/ngrams": "assets.contamination.kinds:Ngrams",
    "contamination/judge": "assets.contamination.judge_kind:Judge",
    "contamination/report": "assets.contamination.report_kind:Report",
    "release/folder": "assets.release.kinds:Folder",
}
"""Kind -> ``module:class``."""

ENTRY_POINTS = "mathloom.kinds"
"""Group of entry points: the name is the kind's (``lab/score``), the value its class."""

SHIPPED_SQL = Path(__file__).resolve().parents[1] / "sql"
"""SQL kinds that mathloom has; a file of the same name in ``sql/`` of a recipe comes first."""

LOCAL_FILE = "kinds.py"
"""Python kinds of a recipe's own, beside its recipe.yaml."""

_SQL_STEM = re.compile(r"[A-Za-z][A-Za-z0-9_]*")


class Registry:
    """All kinds that a recipe can name.

    Args:
        built_in: Kind -> import string, or a kind itself (tests).
        sql: Folder of shipped SQL files.
        packages: Whether installed packages may add kinds.
    """

    def __init__(
        self, built_in: Mapping[str, str | Kind] = BUILT_IN, sql: Path = SHIPPED_SQL, *, packages: bool = True
    ) -> None:
        self._built_in = built_in
        self._sql = sql
        self._packages = packages

    def find(self, name: str, folder: Path, where: str = "kind") -> Kind:
        """The kind ``name`` for the recipe in ``folder``.

        Args:
            name: ``station/verb``.
            folder: The recipe's folder.
            where: File and line that name it, for the error.

        Raises:
            RecipeError: There is none; names the nearest. Or the recipe's ``kinds.py`` is broken.
        """
        if name in self._built_in:
            return _instance(self._built_in[name])
        if (path := self._sql_file(name, folder)) is not None:
            from dagster_project.sqlfiles.kind import load_sql_kind

            return load_sql_kind(path)
        local = self._local(folder)
        if name in local:
            return local[name]()
        points = self._points()
        if name in points:
            return _of_package(points[name])
        raise RecipeError(f"unknown kind {name!r}", where=where, fix=suggest(name, self.names(folder), "kinds"))

    def names(self, folder: Path) -> list[str]:
        """Every kind that the recipe in ``folder`` can name, sorted."""
        files = [f"sql/{path.stem}" for place in (folder / "sql", self._sql) for path in sorted(place.glob("*.sql"))]
        return sorted({*self._built_in, *files, *self._local(folder), *self._points()})

    def _sql_file(self, name: str, folder: Path) -> Path | None:
        station, _, stem = name.partition("/")
        if station != "sql" or not _SQL_STEM.fullmatch(stem):
            return None
        return next((p for p in (folder / "sql" / f"{stem}.sql", self._sql / f"{stem}.sql") if p.is_file()), None)

    def _local(self, folder: Path) -> Mapping[str, type[Kind]]:
        path = folder / LOCAL_FILE
        if not path.is_file():
            return {}
        stat = path.stat()
        kinds = _kinds_of(path.resolve(), stat.st_mtime_ns, stat.st_size)
        for name, kind in kinds.items():
            if name in self._built_in or name.startswith("sql/"):
                raise _broken(path, kind, f"the name {name!r} is taken", "Give the kind another name: local/<verb>")
        return kinds

    def _points(self) -> Mapping[str, EntryPoint]:
        return {point.name: point for point in entry_points(group=ENTRY_POINTS)} if self._packages else {}


REGISTRY = Registry()
"""The registry of an ordinary run."""


def find_kind(name: str, recipe_folder: Path, where: str = "kind") -> Kind:
    """The kind ``name`` for the recipe in ``recipe_folder``; see :meth:`Registry.find`."""
    return REGISTRY.find(name, recipe_folder, where)


def list_kinds(recipe_folder: Path) -> list[str]:
    """Every kind that the recipe in ``recipe_folder`` can name."""
    return REGISTRY.names(recipe_folder)


def _instance(entry: str | Kind) -> Kind:
    if isinstance(entry, Kind):
        return entry
    module, _, attribute = entry.partition(":")
    return getattr(importlib.import_module(module), attribute)()


def _of_package(point: EntryPoint) -> Kind:
    where = f"entry point {point.name!r} of group {ENTRY_POINTS}"
    try:
        found = point.load()
    except (ImportError, AttributeError) as error:
        raise RecipeError(f"the kind cannot be imported: {error}", where=where, fix="Mend that package") from error
    if not (isinstance(found, type) and issubclass(found, Kind) and getattr(found, "name", "") == point.name):
        what = f"{point.value} is no kind of that name"
        raise RecipeError(what, where=where, fix=f"Point to a class of Kind with name = {point.name!r}")
    return found()


@cache
def _kinds_of(path: Path, changed: int, size: int) -> Mapping[str, type[Kind]]:
    """The kinds that ``path`` defines; read again when the file changes (``changed``, ``size``)."""
    module = _run_file(path, f"mathloom_kinds_{sha256(str(path).encode()).hexdigest()[:12]}")
    found: dict[str, type[Kind]] = {}
    for value in vars(module).values():
        if not (isinstance(value, type) and issubclass(value, Kind) and value.__module__ == module.__name__):
            continue
        if inspect.isabstract(value) or value.__name__.startswith("_"):
            continue
        missing = [word for word in ("name", "version", "description", "law") if not hasattr(value, word)]
        if missing:
            what = f"the kind {value.__name__} lacks `{missing[0]}`"
            raise _broken(path, value, what, f"Add `{missing[0]} = ...` to the class")
        if value.name in found:
            raise _broken(path, value, f"two kinds are named {value.name!r}", "Rename one of them")
        found[value.name] = value
    return found


def _run_file(path: Path, name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise RecipeError("the file cannot be imported", where=str(path), fix="Check its name and its permissions")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses and pydantic look their module up
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # a user's file can raise anything; all of it means that the file must be mended
        del sys.modules[name]
        lines = [f.lineno for f in traceback.extract_tb(error.__traceback__) if f.filename == str(path)]
        line = error.lineno if isinstance(error, SyntaxError) else (lines or [1])[-1]
        what = f"the file cannot be imported: {type(error).__name__}: {error}".splitlines()[0]
        raise RecipeError(what, where=f"{path}:{line or 1}", fix="Mend the file") from error
    return module


def _broken(path: Path, kind: type[Kind], what: str, fix: str) -> RecipeError:
    try:
        line = inspect.getsourcelines(kind)[1]
    except (OSError, TypeError):
        line = 1
    return RecipeError(what, where=f"{path}:{line}", fix=fix)
