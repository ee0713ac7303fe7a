"""Fingerprints: everything that decides which rows a stage gives, in words, and its hash.

What is *not* in it, and why: engine, batch size and replicas (how, not what); descriptions, owners, tests (they judge
rows, they make none); memory and threads; the recipe's name (versions are shared between recipes).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dagster_project.language.resolved import Ref, Stage
from dagster_project.running.checking import is_checked
from dagster_project.running.lineage import release_identity
from dagster_project.running.outcome import State
from dagster_project.running.workspace import Workspace
from resources.errors import MathloomError
from resources.identity import hash_json
from resources.store import Entry, Version

KNOWN: tuple[State, ...] = ("current", "unchecked", "stored")
"""States of a stage whose rows are known, so that those below can be told."""

FORMAT = 1
"""Raised when the meaning of a fingerprint changes: everything is then derived anew, and no completion is lost."""


def fingerprint_parts(
    workspace: Workspace, stage: Stage, inputs: Mapping[str, Sequence[tuple[Ref, Version]]]
) -> dict[str, Any]:
    """What the fingerprint of ``stage`` is made of, as JSON values with names that a person can compare."""
    kind = stage.kind
    parts: dict[str, Any] = {
        "format": FORMAT,
        "kind": kind.name,
        "code": kind.code_version,
        "settings": stage.settings.identity(),
        "inputs": {
            formal: [_input(ref, version, kind.inputs[formal].many) for ref, version in bound]
            for formal, bound in inputs.items()
        },
    }
    if stage.source:
        parts["source"] = workspace.pin(stage.source).identity(workspace.source_spec(stage.source))
        is_whole = workspace.recipe.sources[stage.source].is_benchmark  # previews read benchmarks whole
        parts["preview_rows"] = None if is_whole else workspace.recipe.preview_rows
    if stage.is_generation and stage.role:
        parts["stage"] = stage.name  # solutions carry the name of the stage that asked
        parts["weights"] = workspace.roles.weights_id(stage.role)
        parts["prompts"] = {name: workspace.prompts.content_hash(name) for name in stage.prompts}
    if kind.law.name == "release":
        parts["release"] = release_identity(workspace, stage)
    return parts


def _input(ref: Ref, version: Version, is_many: bool) -> dict[str, Any]:
    table = version.manifest["tables"][ref.table]
    name = {"part": str(ref)} if is_many else {}  # the view of a many-input shows the stage's name in a column
    return {**name, "content": hash_json([table["columns"], [part["sha256"] for part in table["parts"]]])}


def states(workspace: Workspace) -> dict[str, State]:
    """The state of every stage, upstream first: what `status` shows and what a build has to do."""
    found: dict[str, State] = {}
    entries = dict(workspace.environment.stages)
    try:
        for stage in workspace.recipe.stages.values():
            if any(found[parent] not in KNOWN for parent in stage.parents):
                found[stage.name] = "unknown"
                continue
            found[stage.name] = state_of(workspace, stage)
    finally:
        workspace.environment.stages = entries
    return found


def state_of(workspace: Workspace, stage: Stage) -> State:
    """The state of one stage whose parents are known.

    Leaves its entry in the environment, in memory only: whoever walks over the stages puts the real entries back.
    """
    parts = fingerprint_parts(workspace, stage, workspace.input_versions(stage))
    fingerprint = hash_json(parts)
    known = workspace.store.find(fingerprint)
    if known is None:
        return "changed"
    version, built = known
    entry = Entry(version.kind, version.version, fingerprint)
    was = workspace.environment.stages.get(stage.name)
    workspace.environment.stages[stage.name] = entry
    if built.pending:
        return "retry"
    if was != entry:
        return "stored"
    return "current" if is_checked(workspace, stage, version) else "unchecked"


def explain_change(old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    """Which parts of a fingerprint differ, in words: "settings (samples), code"."""
    words = []
    for name in sorted(set(old) | set(new)):
        before, after = old.get(name), new.get(name)
        if before != after:
            inner = ""
            if isinstance(before, dict) and isinstance(after, dict):
                keys = sorted(k for k in {*before, *after} if before.get(k) != after.get(k))
                inner = f" ({', '.join(keys)})"
            words.append(name + inner)
    return ", ".join(words)


def why_changed(workspace: Workspace, name: str) -> str:
    """What differs between the version that the environment has and what would be built now."""
    entry = workspace.environment.stages.get(name)
    if entry is None:
        return "never built"
    known = workspace.store.find(entry.fingerprint)
    stage = workspace.recipe.stages[name]
    if known is None:
        return "its version is gone from the store"
    return explain_change(known[1].parts, fingerprint_parts(workspace, stage, workspace.input_versions(stage)))


def try_states(workspace: Workspace) -> tuple[dict[str, State], MathloomError | None]:
    """:func:`states`, or every stage unknown with the error that prevented it (an unreadable source, say)."""
    try:
        return states(workspace), None
    except MathloomError as error:
        return dict.fromkeys(workspace.recipe.stages, "unknown"), error
