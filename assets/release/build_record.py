"""BUILD.json and ``recipe/`` of a release: what it was made from, for programs and for whoever makes it again.

Two builds of the same data write the same bytes: no time, no run, no machine, no speed of an engine.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from assets.kinds import Job
from assets.release.card_facts import CardFacts
from assets.release.columns import described
from assets.release.public import scrub
from resources.errors import StoreError
from resources.identity import hash_json

BUILD_FORMAT = 2
"""Raised when the meaning of a key of BUILD.json changes. 1: ``recipe`` was a name, ``versions`` stood for stages."""

_CHUNK = 1 << 20


def write_recipe(job: Job) -> dict[str, str]:
    """Copy the recipe's files into the folder; their bytes are not changed. Path -> SHA-256.

    Raises:
        StoreError: A file is not what it was when the build began.
    """
    said: Mapping[str, str] = (job.context.get("recipe") or {}).get("files") or {}
    places: Mapping[str, Path | bytes] = job.context.get("recipe_files") or {}
    for path, digest in said.items():
        target = job.folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        if path not in places or _copy(places[path], target) != digest:
            raise StoreError(
                f"{path} has changed since the build began",
                where=f"{job.recipe}/{job.stage}",
                fix="Build again",
                retryable=True,
            )
    return dict(said)


def _copy(place: Path | bytes, target: Path) -> str:
    """Write ``target`` and say the SHA-256 of what was written. No mode, owner or time is taken over."""
    if isinstance(place, bytes):
        target.write_bytes(place)
        return hashlib.sha256(place).hexdigest()
    hasher = hashlib.sha256()
    with place.open("rb") as source, target.open("wb") as written:
        while chunk := source.read(_CHUNK):
            hasher.update(chunk)
            written.write(chunk)
    return hasher.hexdigest()


def write_build_file(job: Job, facts: CardFacts, recipe_files: Mapping[str, str]) -> None:
    """BUILD.json: for programs what the card is for people."""
    files = {part.path: part for config in facts.configs for part in config.unique()}
    build = {
        "format": BUILD_FORMAT,
        "mathloom": job.context.get("mathloom"),
        "recipe": _recipe(facts, recipe_files),
        "splits": dict(facts.splits),
        "columns": described((config.config, config.schema) for config in facts.configs),
        "sources": facts.sources,
        **({"benchmarks": facts.benchmarks, "contamination": list(facts.figures)} if facts.figures else {}),
        "models": facts.models,
        "lineage": facts.lineage,
        "stages": _stages(job, facts),
        "release": scrub(job.context.get("release") or {"stage": job.stage}),
        "funnel": list(facts.funnel),
        "costs": {cost.stage: _without(asdict(cost), "stage", "model") for cost in facts.costs},
        "files": {path: {"rows": f.row_count, "sha256": f.sha256} for path, f in sorted(files.items())},
    }
    text = json.dumps(build, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False)
    (job.folder / "BUILD.json").write_text(text + "\n", encoding="utf-8")


def _recipe(facts: CardFacts, files: Mapping[str, str]) -> dict[str, Any]:
    words = {word: facts.recipe.get(word) for word in ("name", "title", "profile", "preview_rows")}
    return scrub(words) | {"hash": hash_json(files), "files": dict(files)}


def _stages(job: Job, facts: CardFacts) -> dict[str, Any]:
    """Stage -> kind, code, version, settings, inputs, rows, columns; with its funnel and the results of its checks."""
    funnel = {str(line.get("stage")): _without(line, "stage", "kind") for line in facts.funnel}
    return {
        stage: {**line, "funnel": funnel.get(stage, {}), "checks": list(facts.checks.get(stage, ()))}
        for stage, line in scrub(job.context.get("stages") or {}).items()
    }


def _without(line: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in line.items() if name not in names}
