"""Reads the body of an answer into results. Nothing in it is trusted: whatever is not as asked is a fault."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from resources.engines.protocol import EngineResult
from resources.engines.server.faults import Fault
from resources.engines.server.wire import Run
from resources.engines.server.words import Words

_CUT = frozenset({"length", "max_tokens", "model_length"})
_GIVEN_UP = frozenset({"abort", "error", "cancelled"})
"""The server ended the sample itself: what there is of it is no completion."""

_MOST_TOKENS = 2**31 - 1
"""Above it a count of tokens is nonsense, and would not fit into the store."""


def read_results(payload: bytes, run: Run, words: Words) -> list[EngineResult]:
    """One result for each sample of ``run``.

    Raises:
        Fault: ``broken`` for what is no answer (no JSON, other choices than asked for, missing fields), ``refused`` for
            a text that the server withholds.
    """
    try:
        answer = json.loads(payload)
    except (ValueError, RecursionError):
        shown = words.clean(payload[:400].decode("utf-8", "replace"), 80)
        raise Fault("broken", f"the answer is no JSON: {shown!r}") from None
    if not isinstance(answer, dict):
        raise Fault("broken", "the answer is no JSON object")
    usage = answer.get("usage")
    usage = usage if isinstance(usage, dict) else {}
    return [_result(choice, run, i, usage, words) for i, choice in enumerate(_choices(answer, run))]


def _choices(answer: Mapping[str, Any], run: Run) -> list[Mapping[str, Any]]:
    """The choices in the order of their index."""
    found = answer.get("choices")
    if not isinstance(found, list) or not all(isinstance(choice, dict) for choice in found):
        raise Fault("broken", "the answer has no list of choices")
    if len(found) != run.count:
        raise Fault("broken", f"the answer has {len(found)} choices, asked for {run.count}")
    if run.count == 1:
        return found
    by_index = {index: choice for choice in found if type(index := choice.get("index")) is int}
    if set(by_index) != set(range(run.count)):
        raise Fault("broken", f"the choices are not numbered from 0 to {run.count - 1}")
    return [by_index[i] for i in range(run.count)]


def _result(choice: Mapping[str, Any], run: Run, index: int, usage: Mapping[str, Any], words: Words) -> EngineResult:
    text, reasoning = _chat_text(choice) if run.is_chat else (choice.get("text"), None)
    if not isinstance(text, str):
        raise Fault("broken", "a choice has no text")
    return EngineResult(
        run.request.number,
        run.first + index,
        text=text,
        reasoning=reasoning,
        finish_reason=_finish_reason(choice.get("finish_reason"), words),
        prompt_tokens=_count(usage.get("prompt_tokens")),
        completion_tokens=_tokens(choice, run, usage),
    )


def _chat_text(choice: Mapping[str, Any]) -> tuple[Any, str | None]:
    """Text and reasoning. A model that is cut while it reasons has no content."""
    message = choice.get("message")
    if not isinstance(message, dict):
        return None, None
    named = [message.get("reasoning_content"), message.get("reasoning")]
    reasoning = next((text for text in named if isinstance(text, str) and text), None)
    content = message.get("content")
    if content is None and "content" in message:
        content = message.get("refusal") or ""
    return content, reasoning


def _finish_reason(reason: Any, words: Words) -> str:
    if not isinstance(reason, str):
        raise Fault("broken", "a choice has no finish_reason")
    if reason in _GIVEN_UP:
        raise Fault("broken", f"the server gave the sample up ({reason})")
    if reason == "content_filter":
        raise Fault("refused", f"the server withholds the text ({words.clean(reason)})")
    return "length" if reason in _CUT else "stop"


def _tokens(choice: Mapping[str, Any], run: Run, usage: Mapping[str, Any]) -> int | None:
    """Tokens of one sample: the sum is not shared out by guess where a server does not say."""
    if run.count == 1:
        return _count(usage.get("completion_tokens"))
    ids = choice.get("token_ids")
    return len(ids) if isinstance(ids, list) else None


def _count(value: Any) -> int | None:
    return value if type(value) is int and 0 <= value <= _MOST_TOKENS else None
