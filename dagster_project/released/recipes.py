"""What changed in the making of a release, in words, from two BUILD.json."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from dagster_project.released.lineages import asked_otherwise, short
from dagster_project.released.making import Made


def recipe_changes(
    old_build: Mapping[str, Any], new_build: Mapping[str, Any], old: Mapping[str, Made], new: Mapping[str, Made]
) -> list[str]:
    """Sources, stages, settings, prompts, models, code, files of the recipe: a line each, bounded, upstream first.

    Stages whose rows differ only because those above them do are left out: they were made in the same way.
    """
    found = [
        *_sources("source", _mapping(old_build.get("sources")), _mapping(new_build.get("sources"))),
        *_sources("benchmark", _mapping(old_build.get("benchmarks")), _mapping(new_build.get("benchmarks"))),
        *(f"stage {name} is gone" for name in old if name not in new),
        *(line for name in new for line in _stage(old.get(name), new[name])),
        *_recipe(old_build.get("recipe"), new_build.get("recipe")),
    ]
    before, after = old_build.get("mathloom"), new_build.get("mathloom")
    if before and after and before != after:
        found.append(f"mathloom {before} became {after}")
    return [short(line, 300) for line in found]


def _sources(word: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    for name in [*old, *(n for n in new if n not in old)]:
        if name not in new:
            yield f"{word} {name} is gone"
        elif name not in old:
            yield f"{word} {name} is new"
        elif old[name] != new[name]:
            yield from _source(f"{word} {name}", _mapping(old[name]), _mapping(new[name]))


def _source(what: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    if old.get("sha256") != new.get("sha256") or old.get("revision") != new.get("revision"):
        rows = (old.get("rows"), new.get("rows"))
        counted = f" ({rows[0]} rows became {rows[1]})" if None not in rows and rows[0] != rows[1] else ""
        yield f"{what}: other content{counted}"
    if old.get("licence") != new.get("licence"):
        yield f"{what}: licence {old.get('licence')} became {new.get('licence')}"


def _stage(old: Made | None, new: Made) -> Iterator[str]:
    if old is None:
        yield f"stage {new.name} is new ({new.kind})" if new.kind else f"stage {new.name} is new"
        return
    if old.kind != new.kind:
        yield f"stage {new.name}: {old.kind} became {new.kind}"
    elif old.has_other_code(new):
        yield f"stage {new.name}: code"
    if new.lineage and old.lineage:
        change = asked_otherwise(old, new)
        if change:
            yield f"stage {new.name}: {change[0]} ({change[1].partition(': ')[2]})"
    elif words := old.changed_settings(new):
        yield f"stage {new.name}: settings ({', '.join(words)})"


def _recipe(old: Any, new: Any) -> Iterator[str]:
    """Files of the recipe that differ. The release section and prompts are among them."""
    before, after = (_mapping(_mapping(recipe).get("files")) for recipe in (old, new))
    if before and after:
        for name in sorted({*before, *after}):
            if before.get(name) != after.get(name):
                yield f"file {name} of the recipe" + (
                    "" if name in before and name in after else " came" if name in after else " went"
                )


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
