"""A recipe made small: few rows of every source, few samples a row. Its completions are those of the full build."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from dagster_project.language.resolved import Recipe, Stage


def preview(recipe: Recipe, rows: int) -> Recipe:
    """``recipe`` with ``rows`` rows of every source, and at most that many samples a row. Splits keep their sizes."""
    stages = {name: _capped(stage, rows) for name, stage in recipe.stages.items()}
    return replace(recipe, stages=stages, preview_rows=rows)


def _capped(stage: Stage, most: int) -> Stage:
    samples: Any = getattr(stage.settings, "samples", None)
    if not stage.is_generation or samples is None:
        return stage
    if isinstance(samples, Mapping):
        capped: Any = {source: min(count, most) for source, count in samples.items()}
    else:
        capped = min(samples, most)
    return replace(stage, settings=stage.settings.model_copy(update={"samples": capped}))
