"""Whether code that reads one release can read the next: columns, configs and splits of both, by their BUILD.json."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from assets.release.difference import SchemaChange

_Column = tuple[str, str]


def schema_changes(old_build: Mapping[str, Any], new_build: Mapping[str, Any]) -> list[SchemaChange]:
    """What differs in ``columns`` and ``splits``; nothing is said of what a record (format 1) leaves out.

    Breaking: a config, split or column went, or a column has another type or meaning. Not breaking: one more of them.
    """
    return [
        *_splits(_mapping(old_build.get("splits")), _mapping(new_build.get("splits"))),
        *_configs(old_build, new_build),
    ]


def _splits(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[SchemaChange]:
    if not old or not new:
        return
    for name in old:
        if name not in new:
            yield SchemaChange("default", f"split {name} is gone", True)
    for name in new:
        if name not in old:
            yield SchemaChange("default", f"split {name} is new", False)


def _configs(old_build: Mapping[str, Any], new_build: Mapping[str, Any]) -> Iterator[SchemaChange]:
    old, new = _mapping(old_build.get("columns")), _mapping(new_build.get("columns"))
    if not old or not new:
        return
    for name in [*old, *(n for n in new if n not in old)]:
        if name not in new:
            yield SchemaChange(name, f"config {name} is gone", True)
        elif name not in old:
            yield SchemaChange(name, f"config {name} is new", False)
        else:
            yield from _columns(name, _named(old[name]), _named(new[name]))


def _columns(config: str, old: Mapping[str, _Column], new: Mapping[str, _Column]) -> Iterator[SchemaChange]:
    for name, (kind, meaning) in old.items():
        if name not in new:
            yield SchemaChange(config, f"column {name} is gone", True)
            continue
        new_kind, new_meaning = new[name]
        if kind != new_kind:
            yield SchemaChange(config, f"column {name}: {kind} became {new_kind}", True)
        if meaning != new_meaning:
            yield SchemaChange(config, f"column {name}: its meaning is described otherwise", True)
    for name in new:
        if name not in old:
            yield SchemaChange(config, f"column {name} is new ({new[name][0]})", False)


def _named(columns: Any) -> dict[str, _Column]:
    """Name -> type and meaning, of the lists in BUILD.json; what has another shape is left out."""
    found = {}
    for line in columns if isinstance(columns, list) else ():
        if isinstance(line, list) and len(line) >= 2:
            found[str(line[0])] = (str(line[1]), str(line[2]) if len(line) > 2 else "")
    return found


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
