"""What a release may say of its making: recipe, versions, models, prompts, sampling, checks, funnel of all ancestors.

Only what follows from recipe, inputs and content: no run ids, no times, no engine options that leave rows unchanged.
"""

from __future__ import annotations

import importlib.metadata
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from dagster_project.language.resolved import Price, Stage
from dagster_project.running.checking import check_version, checks_hash
from dagster_project.running.recipe_files import hashes, recipe_files
from dagster_project.running.workspace import Workspace
from resources.errors import StoreError
from resources.identity import hash_json
from resources.store import Version


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
    """``job.context`` of a release stage: what names it, the results of all checks, and where its recipe is read.

    Checks that never ran on the current versions run now.
    """
    return {
        **_said(workspace, stage),
        "checks": {s.name: _checks(workspace, s) for s in ancestors(workspace, stage)},
        "recipe_files": recipe_files(workspace.recipe, workspace.root),
    }


def release_identity(workspace: Workspace, stage: Stage) -> dict[str, str]:
    """Section of the context -> hash: what a fingerprint keeps of it. Runs nothing.

    Of checks the words and the versions that they read: results follow from those.
    """
    said = _said(workspace, stage)
    said["checks"] = {s.name: _checks_hash(workspace, s) for s in ancestors(workspace, stage) if s.checks}
    return {section: hash_json(value) for section, value in said.items()}


def _said(workspace: Workspace, stage: Stage) -> dict[str, Any]:
    recipe = workspace.recipe
    above = ancestors(workspace, stage)
    return {
        "recipe": {
            "name": recipe.name,
            "title": recipe.title,
            "profile": recipe.profile,
            "description": recipe.description,
            "release": dict(recipe.release),
            "splits": dict(recipe.splits),
            "preview_rows": recipe.preview_rows,
            "files": hashes(recipe_files(recipe, workspace.root)),
        },
        "mathloom": mathloom_version(),
        "lineage": {s.name: _lineage(workspace, s) for s in above if s.is_generation},
        "models": {s.role: _model(workspace, s.role) for s in above if s.is_generation and s.role},
        "funnel": [_funnel(workspace, s) for s in above],
        "sources": _sources(workspace, above, is_benchmark=False),
        "benchmarks": _sources(workspace, above, is_benchmark=True),
        "stages": {s.name: _stage(s) | _content(workspace, s) for s in above},
        "release": {"stage": stage.name, **_stage(stage)},
        "facts": {s.name: dict(_version(workspace, s).facts) for s in above},
    }


def mathloom_version() -> str:
    """The version of this code, as it is installed; ``unknown`` for a source tree that nobody installed."""
    try:
        return importlib.metadata.version("mathloom")
    except importlib.metadata.PackageNotFoundError:
        return "unknown"


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


def _model(workspace: Workspace, role: str) -> dict[str, Any]:
    """A price by the token belongs to it, since what it gives follows from content; one by the hour does not."""
    said = workspace.roles.said(role)
    found = {
        "model": workspace.roles.describe(role).get("model"),
        "weights": workspace.roles.weights_id(role),
        "licence": said.licence,
    }
    return found | ({"price": _price(said.price)} if said.price and said.price.per_gpu_hour is None else {})


def _price(price: Price) -> dict[str, Any]:
    words = ("currency", "per_million_prompt_tokens", "per_million_completion_tokens", "source", "date")
    return {word: getattr(price, word) for word in words}


def _stage(stage: Stage) -> dict[str, Any]:
    source = {"source": stage.source} if stage.source else {}
    return source | {
        "kind": stage.kind.name,
        "code": stage.kind.code_version,
        "settings": stage.settings.identity(),
        "inputs": {formal: [f"{ref.stage}.{ref.table}" for ref in refs] for formal, refs in stage.inputs.items()},
    }


def _content(workspace: Workspace, stage: Stage) -> dict[str, Any]:
    """Its version, and of each table rows and columns (name -> type)."""
    version = _version(workspace, stage)
    schemas = stage.kind.outputs(stage.settings)
    return {
        "version": version.version,
        "rows": {table: version.row_count(table) for table in version.tables},
        "columns": {table: {f.name: str(f.type) for f in schema} for table, schema in schemas.items()},
    }


def _checks(workspace: Workspace, stage: Stage) -> list[dict[str, Any]]:
    """Without examples of rows: they are somebody's text, and a count says as much."""
    results = check_version(workspace, stage, _version(workspace, stage))
    return [{word: value for word, value in asdict(result).items() if word != "sample"} for result in results]


def _checks_hash(workspace: Workspace, stage: Stage) -> str | None:
    try:
        return checks_hash(workspace, stage)
    except StoreError:  # a check reads another stage, which is not built: whoever runs it says so
        return None


def _version(workspace: Workspace, stage: Stage) -> Version:
    entry = workspace.entry(stage.name, reader=stage.name)
    return workspace.store.version(entry.kind, entry.version)


def _funnel(workspace: Workspace, stage: Stage) -> dict[str, Any]:
    funnel = _version(workspace, stage).facts.get("funnel", {})
    return {"stage": stage.name, "kind": stage.kind.name, **funnel}
