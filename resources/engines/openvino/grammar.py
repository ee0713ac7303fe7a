"""``Sampling.grammar`` for the pipeline, in the process that holds the model.

The pipeline compiles a grammar in the step after the request was added, and a fault there stops all samples at work. So
the worker proves each new grammar by a request of its own, while nothing else is at work, before others may use it.
"""

from __future__ import annotations

import json
from typing import Any

from resources.engines.openvino import library
from resources.engines.openvino.rendering import Refusal


def structured(grammar: str) -> Any:
    """The pipeline's form of ``grammar``. Raises Refusal when it is none of the four that are known."""
    genai = library.genai()

    config = genai.StructuredOutputConfig
    kind, value = _read(grammar)
    if kind == "json":
        return config(json_schema=value if isinstance(value, str) else json.dumps(value))
    if kind == "regex" and isinstance(value, str):
        return config(regex=value)
    if kind == "grammar" and isinstance(value, str):
        return config(grammar=value)
    if kind == "choice" and isinstance(value, list) and value and all(isinstance(each, str) and each for each in value):
        return config(compound_grammar=_any_of([config.ConstString(each) for each in value]))
    raise Refusal(f"the grammar {grammar[:80]!r} is none of json, regex, choice (texts that are not empty), grammar")


def _any_of(parts: list[Any]) -> Any:
    genai = library.genai()

    return parts[0] if len(parts) == 1 else genai.StructuredOutputConfig.Union(parts)


def _read(grammar: str) -> tuple[str, Any]:
    try:
        value = json.loads(grammar)
    except ValueError:
        return "", None
    if not isinstance(value, dict) or len(value) != 1:
        return "", None
    return next(iter(value.items()))
