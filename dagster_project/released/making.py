"""What a release says of its making: the stages of BUILD.json, upstream first, in its formats 1 and 2.

BUILD.json may come from anywhere: what has another shape than ours is read as if it were not there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from assets.release.folder_reading import Release
from resources.store import Store

_VOTES = ("sql/majority_answer", "sql/graded_solutions")
"""Kinds beside ``answers/*`` that are votes. With the store at hand the columns of a stage say it, not its name."""


@dataclass(frozen=True, slots=True)
class Made:
    """One stage as a release records it. None and empty: the record does not say."""

    name: str
    kind: str | None = None
    code: str | None = None
    version: str | None = None
    inputs: Mapping[str, Sequence[str]] | None = None
    """Formal input -> ``stage`` or ``stage.table``. None: format 1."""
    settings: Sequence[Mapping[str, Any]] = ()
    """Settings that gave this version: several where different ones gave the same rows."""
    lineage: Mapping[str, Any] = field(default_factory=dict)
    """Of a stage that asks a model: role, weights, model, prompts, settings."""
    rejected: Mapping[str, int] = field(default_factory=dict)
    """Rule -> rows that left by it."""

    @property
    def parents(self) -> list[str]:
        """Names of the stages that it reads."""
        refs = [ref for refs in (self.inputs or {}).values() for ref in refs]
        return list(dict.fromkeys(ref.partition(".")[0] for ref in refs))

    @property
    def is_source(self) -> bool:
        """Whether its rows come from a source of the recipe."""
        if self.lineage:
            return False
        return not self.parents if self.inputs is not None else (self.kind or "").startswith("seeds/")

    @property
    def is_vote(self) -> bool:
        """Whether it reads, groups, votes on or compares answers, as far as its kind says."""
        return (self.kind or "").startswith("answers/") or self.kind in _VOTES

    def is_same(self, other: Made) -> bool:
        """Whether both have the very same rows."""
        return self.version is not None and (self.kind, self.version) == (other.kind, other.version)

    def has_other_code(self, other: Made) -> bool:
        """Whether other code made it; False where a record does not say."""
        both_known = self.code is not None and other.code is not None
        return self.kind != other.kind or (both_known and self.code != other.code)

    def changed_settings(self, other: Made) -> list[str] | None:
        """Names of settings that differ; None where a record does not say."""
        mine, others = self.settings, other.settings
        if not mine or not others:
            return None
        if any(one == two for one in mine for two in others):
            return []
        return sorted(name for name in {*mine[0], *others[0]} if mine[0].get(name) != others[0].get(name))


def stages_of(release: Release) -> dict[str, Made]:
    """The stages above a release by name, upstream first."""
    build = release.build
    records = _mapping(build.get("stages"))
    versions = _mapping(build.get("versions"))
    lineage = _mapping(build.get("lineage"))
    funnel = {str(line.get("stage")): line for line in _list(build.get("funnel")) if isinstance(line, Mapping)}
    names = dict.fromkeys([*funnel, *sorted({*records, *versions, *lineage})])
    found = {name: _made(name, _mapping(records.get(name)), funnel.get(name, {}), versions, lineage) for name in names}
    return {name: found[name] for name in _upstream_first(found)}


def with_settings(store: Store, *sides: Mapping[str, Made]) -> list[dict[str, Made]]:
    """Stages with the settings and code that the store remembers for their versions."""
    wanted = {made.version for side in sides for made in side.values() if made.version}
    known: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for built in store.made_by(wanted):
        known.setdefault((built.kind, built.version), []).append(built.parts)
    return [{name: _remembered(made, known) for name, made in side.items()} for side in sides]


def merged_order(old: Iterable[str], new: Iterable[str]) -> list[str]:
    """All stages, upstream first: those of ``new``, and each that only ``old`` has after the one it came after."""
    order = list(new)
    before = -1
    for name in old:
        if name not in order:
            order.insert(before + 1, name)
        before = order.index(name)
    return order


def above(stages: Mapping[str, Made], targets: Iterable[str]) -> set[str]:
    """``targets`` and all stages above them. All stages where the record does not say who reads what."""
    if any(made.inputs is None for made in stages.values()):
        return set(stages)
    found: set[str] = set()
    waiting = [name for name in targets if name in stages]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += [parent for parent in stages[name].parents if parent in stages]
    return found


def _made(
    name: str, record: Mapping[str, Any], line: Mapping[str, Any], versions: Mapping[str, Any], asked: Mapping[str, Any]
) -> Made:
    settings = record.get("settings")
    own = _mapping(asked.get(name))
    settings = settings if isinstance(settings, Mapping) else own.get("settings")
    rejected = _mapping(line.get("rejected") or _mapping(record.get("funnel")).get("rejected"))
    return Made(
        name=name,
        kind=_text(record.get("kind") or line.get("kind")),
        code=_text(record.get("code")),
        version=_text(record.get("version") or versions.get(name)),
        inputs=_inputs(record.get("inputs")),
        settings=[settings] if isinstance(settings, Mapping) else (),
        lineage=own,
        rejected={str(rule): n for rule, n in rejected.items() if isinstance(n, int)},
    )


def _remembered(made: Made, known: Mapping[tuple[str, str], Sequence[Mapping[str, Any]]]) -> Made:
    parts = known.get((made.kind or "", made.version or ""), [])
    settings = [one["settings"] for one in parts if isinstance(one.get("settings"), Mapping)]
    codes = {str(one["code"]) for one in parts if one.get("code") is not None}
    code = made.code if made.code is not None or len(codes) != 1 else codes.pop()
    return Made(
        made.name, made.kind, code, made.version, made.inputs, settings or made.settings, made.lineage, made.rejected
    )


def _upstream_first(stages: Mapping[str, Made]) -> list[str]:
    """In the order of the funnel where nothing says otherwise. A circle, which no build of ours has, ends the list."""
    done: dict[str, None] = {}
    waiting = list(stages)
    while waiting:
        ready = next((n for n in waiting if all(p in done or p not in stages for p in stages[n].parents)), waiting[0])
        waiting.remove(ready)
        done[ready] = None
    return list(done)


def _inputs(value: Any) -> dict[str, list[str]] | None:
    return {str(k): [str(ref) for ref in _list(v)] for k, v in value.items()} if isinstance(value, Mapping) else None


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _text(value: Any) -> str | None:
    return None if value is None else str(value)
