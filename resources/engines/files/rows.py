"""What one row of a file of completions says: which prompt and sample it answers, and the answer.

Pure functions of the row's values. Where rows come from is in ``reading``, how they are found again in ``index``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import Any

from resources.engines.protocol import EngineRequest, EngineResult, Prompt, Sampling
from resources.identity import canonical_json, digest128

COLUMNS = (
    "prompt",
    "messages",
    "mode",
    "sampling",
    "sample_index",
    "text",
    "reasoning",
    "finish_reason",
    "prompt_tokens",
    "completion_tokens",
    "weights",
)
"""What a column can mean. Its name in the files is the same, unless the option ``columns`` gives another."""

_CUT = frozenset({"length", "max_tokens", "max_length"})
"""Finish reasons that mean: ended by the limit of tokens. All others are ``stop``."""
_MAX_INDEX = 2**63 - 1
_MAX_TOKENS = 2**31 - 1
_SAMPLING_FIELDS = frozenset(field.name for field in fields(Sampling))


class BadRow(Exception):
    """A row that is no completion, and why."""


@dataclass(frozen=True, slots=True)
class Place:
    """What a row answers."""

    digest: bytes
    """16 bytes: the prompt, and the sampling where the row says it."""
    says_sampling: bool
    sample_index: int | None
    weights: str | None


def read_place(row: Mapping[str, Any]) -> Place:
    """What ``row`` (by meaning, see :data:`COLUMNS`) answers. Raises BadRow."""
    sampling = row.get("sampling")
    return Place(
        digest128(
            "files", *_prompt_parts(_prompt(row)), "" if sampling is None else _sampling_text(_mapping(sampling))
        ),
        sampling is not None,
        _index(row.get("sample_index")),
        _text_or_none(row, "weights"),
    )


def digest_of(request: EngineRequest, *, with_sampling: bool) -> bytes:
    """The digest of the rows that answer ``request``."""
    sampling = _values_text(request.sampling) if with_sampling else ""
    return digest128("files", *_prompt_parts(request.prompt), sampling)


def read_answer(row: Mapping[str, Any], number: int, index: int) -> EngineResult:
    """The completion of a row, as an engine gives it. Raises BadRow."""
    text = row.get("text")
    if not isinstance(text, str):
        raise BadRow(f"the text is {_shown(text)}, not a text")
    return EngineResult(
        number,
        index,
        text=text,
        reasoning=_text_or_none(row, "reasoning"),
        finish_reason="length" if _text_or_none(row, "finish_reason") in _CUT else "stop",
        prompt_tokens=_count(row, "prompt_tokens"),
        completion_tokens=_count(row, "completion_tokens"),
    )


def _prompt(row: Mapping[str, Any]) -> Prompt:
    text, messages, mode = row.get("prompt"), row.get("messages"), row.get("mode")
    if mode is None:
        mode = "raw" if messages is None else "chat"
    if mode == "raw":
        if not isinstance(text, str):
            raise BadRow(f"the prompt is {_shown(text)}, not a text")
        return Prompt("raw", text)
    if mode not in ("chat", "pre_query"):
        raise BadRow(f"the mode is {_shown(mode)}, not raw, chat or pre_query")
    if isinstance(messages, str):
        try:
            messages = json.loads(messages)
        except ValueError:
            raise BadRow("the messages are a text that is no JSON") from None
    return Prompt(mode, messages=tuple(_message(each) for each in _list(messages or [])))


def _list(value: Any) -> Sequence[Any]:
    if isinstance(value, list):
        return value
    raise BadRow(f"the messages are {_shown(value)}, not a list")


def _message(value: Any) -> tuple[str, str]:
    if isinstance(value, Mapping):
        pair = value.get("role"), value.get("content")
    elif isinstance(value, list) and len(value) == 2:
        pair = value[0], value[1]
    else:
        pair = None, None
    role, content = pair
    if not isinstance(role, str) or not isinstance(content, str):
        raise BadRow(f"the message {_shown(value)} has no role and content that are texts")
    return role, content


def _prompt_parts(prompt: Prompt) -> tuple[str, str]:
    if prompt.mode == "raw":
        return "raw", prompt.text
    return prompt.mode, canonical_json([list(message) for message in prompt.messages])


def _mapping(value: Any) -> str:
    """The sampling of a row as one text, so that equal ones are read once."""
    if isinstance(value, str):
        return value
    if isinstance(value, Mapping):
        return canonical_json(dict(value))
    raise BadRow(f"the sampling is {_shown(value)}, neither JSON nor an object")


@lru_cache(maxsize=1024)
def _sampling_text(text: str) -> str:
    try:
        values = json.loads(text)
    except ValueError:
        raise BadRow(f"the sampling is {_shown(text)}, which is no JSON") from None
    if not isinstance(values, dict) or "temperature" not in values:
        raise BadRow("the sampling does not say the temperature")
    if unknown := sorted(set(values) - _SAMPLING_FIELDS):
        raise BadRow(f"the sampling says {unknown[0]!r}, which is no value of sampling")
    try:
        return _values_text(Sampling(**{**values, "stop": tuple(values.get("stop") or ())}))
    except (TypeError, ValueError):
        raise BadRow(f"the sampling {_shown(text)} holds a value of the wrong type") from None


@lru_cache(maxsize=1024)
def _values_text(sampling: Sampling) -> str:
    """One text for all ways to write the same values (1 and 1.0, no limit as 0 and -1)."""
    values: list[Any] = []
    for field in fields(sampling):
        value = getattr(sampling, field.name)
        if field.name == "stop":
            values.append(list(dict.fromkeys(value)))
        elif field.name == "grammar":
            values.append(str(value or ""))
        else:
            values.append(max(float(value), 0.0) if field.name == "top_k" else float(value) + 0.0)
    return canonical_json(values)


def _index(value: Any) -> int | None:
    if value is None:
        return None
    number = _whole(value)
    if number is None or not 0 <= number <= _MAX_INDEX:
        raise BadRow(f"the sample index is {_shown(value)}, not a whole number from 0")
    return number


def _count(row: Mapping[str, Any], name: str) -> int | None:
    if (value := row.get(name)) is None:
        return None
    number = _whole(value)
    if number is None or not 0 <= number <= _MAX_TOKENS:
        raise BadRow(f"{name} is {_shown(value)}, not a whole number from 0")
    return number


def _whole(value: Any) -> int | None:
    """A whole number; also 3.0, which is how tables with gaps hold a 3."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return int(value) if isinstance(value, int) or value.is_integer() else None


def _text_or_none(row: Mapping[str, Any], name: str) -> str | None:
    value = row.get(name)
    if value is None or isinstance(value, str):
        return value
    raise BadRow(f"{name} is {_shown(value)}, not a text")


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
