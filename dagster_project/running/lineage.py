"""What a release may say of its making: models, prompts, sampling, and the funnel of all ancestors.

Only what follows from recipe, inputs and content: no run ids, no times, no engine options that leave rows unchanged.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dagster_project.language.resolved import Stage
from dagster_project.running.workspace import Workspace


def ancestors(workspace: Workspace, stage: Stage) -> list[Stage]:
    """All stages above ``stage``, upstream first."""
    wanted: set[str] = set()
    waiting = list(stage.parents)
    while waiting:
        name = waiting.pop()
        if name not in wanted:
            wanted.add(name)
            waiting.extend(workspace.recipe.stages[name].parents)
    return [s for s in workspace.recipe.stages.values() if s.name in wanted]


def release_context(workspace: Workspace, stage: Stage) -> dict[str, Any]:
    """``job.context`` of a release stage: recipe, lineage, funnel, sources, benchmarks."""
    recipe = workspace.recipe
    above = ancestors(workspace, stage)
    return {
        "recipe": {
            "name": recipe.name,
            "title": recipe.title,
            "description": recipe.description,
            "release": dict(recipe.release),
            "splits": dict(recipe.splits),
            "preview_rows": recipe.preview_rows,
        },
        "lineage": {s.name: _lineage(workspace, s) for s in above if s.is_generation},
        "funnel": [_funnel(workspace, s) for s in above],
        "sources": _sources(workspace, above, is_benchmark=False),
        "benchmarks": _sources(workspace, above, is_benchmark=True),
        "versions": {s.name: workspace.entry(s.name, reader=stage.name).version for s in above},
        "facts": {s.name: dict(_version(workspace, s).facts) for s in above},
    }


def _sources(workspace: Workspace, above: Sequence[Stage], *, is_benchmark: bool) -> dict[str, Any]:
    names = [s.source for s in above if s.source and workspace.recipe.sources[s.source].is_benchmark == is_benchmark]
    return {name: _source(workspace, name) for name in names}


def _source(workspace: Workspace, name: str) -> dict[str, Any]:
    source, pin = workspace.recipe.sources[name], workspace.pin(name)
    content = {"sha256": pin.sha256, "revision": pin.revision, "rows": pin.rows}
    return {"hub": source.hub, "licence": source.licence} | content


def _lineage(workspace: Workspace, stage: Stage) -> dict[str, Any]:
    return {
        "role": stage.role,
        "weights": workspace.roles.weights_id(stage.role) if stage.role else None,
        "model": workspace.roles.describe(stage.role).get("model") if stage.role else None,
        "prompts": {name: workspace.prompts.content_hash(name) for name in stage.prompts},
        "settings": stage.settings.identity(),
    }


def _version(workspace: Workspace, stage: Stage) -> Any:
    entry = workspace.entry(stage.name, reader=stage.name)
    return workspace.store.version(entry.kind, entry.version)


def _funnel(workspace: Workspace, stage: Stage) -> dict[str, Any]:
    funnel = _version(workspace, stage).facts.get("funnel", {})
    return {"stage": stage.name, "kind": stage.kind.name, **funnel}
