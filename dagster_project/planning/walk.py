"""Which stages a build would touch, each with its reason in words and, where they are known, its input versions.

A stage that is not selected counts as it stands in the environment: that is what a build of the others would read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from dagster_project.language.resolved import Ref, Stage
from dagster_project.running.fingerprint import KNOWN, fingerprint_parts, state_of
from dagster_project.running.outcome import State
from dagster_project.running.workspace import Workspace
from resources.errors import EngineError, MathloomError, MissingExtraError, SeedError
from resources.store import Version

MAX_NAMED = 3
"""Upstream stages named in one reason."""

_UNREADABLE = (SeedError, EngineError, MissingExtraError)
"""A source that is not pinned or not there, weights that are not there: a build needs them, a plan goes on without."""

_PARTS = {
    "code": "code",
    "format": "format of fingerprints",
    "kind": "kind",
    "preview_rows": "preview rows",
    "source": "source",
    "stage": "name of the stage",
    "weights": "model",
}
"""Part of a fingerprint -> what a person calls it. Settings, prompts and inputs are named one by one."""


@dataclass(frozen=True, slots=True)
class Step:
    """One stage as a build would find it."""

    stage: Stage
    state: State
    is_selected: bool
    reason: str = ""
    """Why it is to be built; empty for a stage that stays as it is."""
    inputs: Mapping[str, Sequence[tuple[Ref, Version]]] | None = None
    """Versions that it reads; None while a stage above is not built."""
    version: Version | None = None
    """Its own rows as the next stages will see them; None while that cannot be said."""
    error: MathloomError | None = field(default=None, compare=False)
    """What keeps its state from being said."""

    @property
    def is_to_build(self) -> bool:
        """Whether a build would touch it, if only to run checks or to promote."""
        return bool(self.reason)

    @property
    def is_to_run(self) -> bool:
        """Whether its kind will run; a stage in the state ``stored`` or ``unchecked`` makes no rows."""
        return self.is_to_build and (self.state not in KNOWN or self.reason == FORCED)


FORCED = "--force"
WAITS = "waits for"


def walk(workspace: Workspace, selected: Sequence[str], *, force: bool = False) -> dict[str, Step]:
    """Every stage of the recipe, upstream first. Reads fingerprints and manifests; writes nothing.

    Args:
        workspace: Of the recipe and profile.
        selected: Stages that the build names.
        force: Whether selected stages are built even if the store has them.
    """
    found: dict[str, Step] = {}
    before = dict(workspace.environment.stages)
    try:
        for stage in workspace.recipe.stages.values():
            found[stage.name] = _step(workspace, stage, found, stage.name in selected, force)
    finally:
        workspace.environment.stages = before
    return found


def _step(workspace: Workspace, stage: Stage, found: Mapping[str, Step], is_selected: bool, force: bool) -> Step:
    was = workspace.environment.stages.get(stage.name)
    if not is_selected:
        version = workspace.store.version(was.kind, was.version) if was else None
        return Step(stage, "current" if was else "unknown", False, version=version)
    open_parents = [found[parent] for parent in stage.parents if found[parent].version is None]
    if open_parents:
        return Step(stage, "unknown", True, _reason_below(workspace, stage, open_parents, found))
    try:
        parts = fingerprint_parts(workspace, stage, workspace.input_versions(stage))
        state = state_of(workspace, stage)
    except _UNREADABLE as error:
        return Step(stage, "unknown", True, error.what if was else "never built", error=error)
    inputs = workspace.input_versions(stage)
    now = workspace.environment.stages.get(stage.name)
    version = workspace.store.version(now.kind, now.version) if now and state in KNOWN else None
    if state in KNOWN and force:
        reason = FORCED
    else:
        reason = _reason(workspace, stage, state, parts, was.fingerprint if was else None)
    return Step(stage, state, True, reason, inputs, version)


def refuse_unreadable(workspace: Workspace, steps: Mapping[str, Step]) -> None:
    """What a plan only warns of and a build cannot do without.

    Raises:
        SeedError, EngineError, MissingExtraError: A source or weights that a selected stage needs cannot be read.
        StoreError: A selected stage reads one that is neither built nor selected.
    """
    for step in steps.values():
        if step.error is not None:
            raise step.error
        if step.is_selected and step.version is None:
            for parent in step.stage.parents:
                if not steps[parent].is_selected:
                    workspace.entry(parent, reader=step.stage.name)


# -- reasons ---------------------------------------------------------------------------------------------------------


def _reason(workspace: Workspace, stage: Stage, state: State, parts: Mapping[str, Any], was: str | None) -> str:
    """Why a stage whose inputs are known is to be built; empty if it is up to date."""
    if state == "current":
        return ""
    if state == "unchecked":
        return "checks to run"
    if state == "stored":
        return "in the store, to be promoted"
    if state == "retry":
        entry = workspace.environment.stages[stage.name]
        known = workspace.store.find(entry.fingerprint)
        pending = known[1].pending if known else 0
        return f"{pending:,} failed request(s) to ask again"
    if was is None:
        return "never built"
    known = workspace.store.find(was)
    return _changes(stage, known[1].parts, parts) if known else "its version is gone from the store"


def _changes(stage: Stage, old: Mapping[str, Any], new: Mapping[str, Any], *, without: Sequence[str] = ()) -> str:
    """What differs between two fingerprints: "settings (samples), model, input changed: seeds"."""
    words = [_PARTS[name] for name in sorted(_PARTS) if name not in without and old.get(name) != new.get(name)]
    for name in ("settings", "prompts"):
        if keys := _differing(old.get(name), new.get(name)):
            words.append(f"{name} ({', '.join(keys)})")
    if "inputs" not in without and (formals := _differing(old.get("inputs"), new.get("inputs"))):
        names = dict.fromkeys(ref.stage for formal in formals for ref in stage.inputs.get(formal, ()))
        words.append(f"input changed: {_some(list(names))}")
    if not words and "release" not in without and old.get("release") != new.get("release"):
        words.append("what the release says of its making")  # differs with any input: said only where none does
    return ", ".join(words)


def _differing(old: Any, new: Any) -> list[str]:
    before: Mapping[str, Any] = old or {}
    after: Mapping[str, Any] = new or {}
    return sorted(key for key in {*before, *after} if before.get(key) != after.get(key))


def _reason_below(workspace: Workspace, stage: Stage, parents: Sequence[Step], found: Mapping[str, Step]) -> str:
    """Why a stage is to be built whose inputs are not: what changed above it, and in itself."""
    absent = [step.stage.name for step in parents if not step.is_selected]
    if absent:
        return f"{WAITS} {_some(absent)}, which is neither built nor selected"
    entry = workspace.environment.stages.get(stage.name)
    if entry is None:
        return "never built"
    own = _own_changes(workspace, stage, entry.fingerprint)
    above = f"input changed: {_some(_roots(parents, found))}"
    return f"{own}, {above}" if own else above


def _own_changes(workspace: Workspace, stage: Stage, was: str) -> str:
    """What changed beside the inputs. Empty where that cannot be seen yet."""
    known = workspace.store.find(was)
    if known is None or any(parent not in workspace.environment.stages for parent in stage.parents):
        return ""
    try:
        parts = fingerprint_parts(workspace, stage, workspace.input_versions(stage))
    except MathloomError:
        return ""
    return _changes(stage, known[1].parts, parts, without=("inputs", "release"))


def _roots(parents: Sequence[Step], found: Mapping[str, Step]) -> list[str]:
    """The stages above that change by themselves, and make all below them unknown."""
    waiting, seen, roots = [step.stage for step in parents], set[str](), dict[str, None]()
    while waiting:
        stage = waiting.pop(0)
        if stage.name in seen:
            continue
        seen.add(stage.name)
        above = [found[parent].stage for parent in stage.parents if found[parent].version is None]
        waiting += above
        if not above:
            roots[stage.name] = None
    return list(roots)


def _some(names: Sequence[str]) -> str:
    more = len(names) - MAX_NAMED
    return ", ".join(names[:MAX_NAMED]) + (f" and {more} more" if more > 0 else "")
