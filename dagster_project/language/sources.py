"""Sources and benchmarks of a recipe, under its profile. What is a seed cannot be a benchmark too.

Both are read by the same code and have one name space, since both become stages and pins of one lock.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dagster_project.language.drafts import Located
from dagster_project.language.faults import Faults, suggest
from dagster_project.language.files import Document
from dagster_project.language.profile import Profile
from dagster_project.language.resolved import Place, Source
from resources.paths import expanded

SOURCES = "sources"
BENCHMARKS = "benchmarks"

_FILES = (".jsonl", ".ndjson", ".json", ".csv", ".parquet", ".gz")
"""Endings of files that a source can name."""


def resolve_sources(recipe: Document, profile: Profile | None, root: Path, faults: Faults) -> dict[str, Source]:
    """Sources and then benchmarks of the recipe, or what the profile puts in their place.

    Only the licence of a replaced one stays, unless the profile says another. ``root`` is the folder to which paths
    are relative.
    """
    found: dict[str, Source] = {}
    for section in (SOURCES, BENCHMARKS):
        for name, source in _section(section, recipe, profile, root, faults).items():
            if name in found:
                what = f"{name!r} is a benchmark, and a source in line {recipe.place(SOURCES, name).line}"
                faults.add(what, recipe.place(BENCHMARKS, name), "Rename one of them")
            else:
                found[name] = source
    _check_apart(found, recipe.path.parent, faults)
    return found


def _section(section: str, recipe: Document, profile: Profile | None, root: Path, faults: Faults) -> dict[str, Source]:
    whole = Located(recipe.value, recipe, ())
    declared = {name: whole.part(section, name) for name in recipe.value.get(section) or {}}
    instead: dict[str, Located] = dict(getattr(profile, section)) if profile else {}
    for name in list(instead):
        if name not in declared:
            written = instead.pop(name)
            what = f"unknown {section.removesuffix('s')} {name!r}"
            faults.add(what, written.place, suggest(name, declared, f"{section} of the recipe"))
    found = {}
    for name, first in declared.items():
        written = instead.get(name, first)
        words = {"licence": first.value.get("licence")} | written.value
        found[name] = _source(name, words, written.place, root, section)
        bundled = written.value.get("bundled")
        if bundled is not None:
            _check_bundled(recipe.path.parent, str(bundled), written, faults)
    return found


def _check_apart(found: Mapping[str, Source], folder: Path, faults: Faults) -> None:
    """Training data that is the test: every seed would be contaminated, and every score of it worthless."""
    seeds = [source for source in found.values() if not source.is_benchmark]
    for benchmark in (source for source in found.values() if source.is_benchmark):
        for seed in seeds:
            if _is_same(seed, benchmark, folder):
                what = f"the benchmark {benchmark.name!r} is the source {seed.name!r} of {seed.place}"
                faults.add(what, benchmark.place, "Give one of them another split or file, or remove it")


def _is_same(one: Source, other: Source, folder: Path) -> bool:
    """The same split of the same Hub dataset, whatever its revision, or the same file by whatever path."""
    if one.hub or other.hub:
        configs = {one.config, other.config}
        same_config = len(configs) == 1 or "*" in configs
        return one.hub is not None and _key(one) == _key(other) and same_config
    return _file(one, folder) == _file(other, folder)


def _key(source: Source) -> tuple[str, str]:
    return (source.hub or "").lower(), source.split  # the Hub takes names in any case


def _file(source: Source, folder: Path) -> Path:
    return (folder / source.bundled if source.bundled else source.path or folder).resolve()


def _source(name: str, words: Mapping[str, Any], place: Place, root: Path, section: str) -> Source:
    values = {key: value for key, value in words.items() if value is not None}
    path = values.pop("path", None)
    file = root / expanded(path) if path else None
    return Source(name=name, place=place, path=file, is_benchmark=section == BENCHMARKS, **values)


def _check_bundled(folder: Path, name: str, written: Located, faults: Faults) -> None:
    path = folder / name
    if Path(name).is_absolute() or not path.resolve().is_relative_to(folder.resolve()):
        what = f"the bundled file {name!r} lies outside the recipe's folder"
        faults.add(what, written.inside("bundled"), "Move it there, or write `path:`")
    elif not path.is_file():
        fix = suggest(name, _files_in(folder), "files")
        faults.add(f"there is no bundled file {name!r}", written.inside("bundled"), fix)


def _files_in(folder: Path) -> list[str]:
    """Files that can be a source; hidden folders are not entered (the store can lie here, and be huge)."""
    found = []
    for here, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        found += [str((Path(here) / name).relative_to(folder)) for name in sorted(names) if name.endswith(_FILES)]
    return found
