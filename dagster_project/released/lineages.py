"""Two records of the same stage compared: which cause they are, and how a person would say it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from assets.release.difference import Cause
from dagster_project.released.making import Made

MAX_WORDS = 160
"""Longest detail of a cause: names of models and rules are other people's text."""


def short(text: str, most: int = MAX_WORDS) -> str:
    """One line, cut."""
    line = " ".join(text.split())
    return line if len(line) <= most else line[: most - 1] + "\u2026"


def asked_otherwise(old: Made, new: Made) -> tuple[Cause, str] | None:
    """How a stage asked its model otherwise, upstream first: the model, the prompts, the settings. None: it did not."""
    before, after = old.lineage, new.lineage
    if before.get("weights") != after.get("weights"):
        words = f"{_model(before)} became {_model(after)}" if _model(before) != _model(after) else "other weights"
        return "model", short(f"{new.name}: {words}")
    prompts = _changed(before.get("prompts"), after.get("prompts"))
    if prompts:
        return "prompt", short(f"{new.name}: {', '.join(prompts)}")
    settings = _changed(before.get("settings"), after.get("settings"))
    if settings:
        return "sampling", short(f"{new.name}: {settings_words(before['settings'], after['settings'])}")
    return None


def settings_words(old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    """``samples 4 became 3, temperature 0.7 became 1.0``."""
    return ", ".join(f"{name} {_value(old.get(name))} became {_value(new.get(name))}" for name in _changed(old, new))


def _changed(old: Any, new: Any) -> list[str]:
    old = old if isinstance(old, Mapping) else {}
    new = new if isinstance(new, Mapping) else {}
    return sorted(str(name) for name in {*old, *new} if old.get(name) != new.get(name))


def _model(lineage: Mapping[str, Any]) -> str:
    return short(str(lineage.get("model") or lineage.get("weights") or "no model"), 60)


def _value(value: Any) -> str:
    return short(json.dumps(value, ensure_ascii=False, default=str), 40)
