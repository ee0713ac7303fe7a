"""A look at an endpoint: it answers, takes the key, serves the model, speaks the dialect. One token at most."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from resources.engines.server.asking import stage_error
from resources.engines.server.faults import Fault
from resources.engines.server.options import ServerOptions
from resources.engines.server.transport import Transport
from resources.errors import EngineError

LOOK_S = 4.0
"""Longest look: a person waits for it."""

_SHOWN = 8
"""Names of served models that an error shows."""


async def look(transport: Transport, options: ServerOptions, where: str) -> Mapping[str, Any]:
    """See whether the endpoint can answer requests for the model. Returns the server's words about the model.

    Raises:
        Fault: Not now.
        EngineError: Not before the profile or the server is changed.
    """
    try:
        payload = await transport.get(f"{transport.url}/models", LOOK_S)
    except Fault as fault:
        if fault.kind == "unknown" and options.dialect == "openai" and fault.status in (404, 405):
            return {}  # such a server need not have a list
        if fault.kind in ("key", "unknown"):
            raise stage_error(fault, transport.url, options, where) from None
        raise
    models = _models(payload)
    if models and options.model_name not in models:
        names = ", ".join(repr(transport.words.clean(name, 100)) for name in list(models)[:_SHOWN])
        raise EngineError(
            f"{transport.url} does not serve the model {options.model_name!r}; it serves {names}",
            where=where,
            fix="Give the name that the server uses as `served_name`, or start the server with --served-model-name.",
        )
    return models.get(options.model_name, {})


async def check_dialect(transport: Transport, model: Mapping[str, Any], options: ServerOptions, where: str) -> None:
    """See that a server that is asked as vLLM is one: others pass over what they do not know, without a word.

    Raises:
        Fault: Not to be seen now.
        EngineError: It is not.
    """
    if options.dialect != "vllm" or model.get("owned_by") == "vllm":
        return
    body = {"model": options.model_name, "prompt": "1", "max_tokens": 1, "temperature": 0, "return_token_ids": True}
    try:
        answer = json.loads(await transport.post(f"{transport.url}/completions", json.dumps(body).encode(), LOOK_S))
        if isinstance(answer["choices"][0]["token_ids"], list):
            return
        said = "an answer without the token ids that were asked for"
    except Fault as fault:
        if fault.kind not in ("refused", "unknown"):
            raise
        said = fault.what
    except (ValueError, RecursionError, LookupError, TypeError):
        said = "an answer without the token ids that were asked for"
    raise EngineError(
        f"{transport.url} does not speak as vLLM 0.11 or newer does ({said}), so sampling values could be lost there",
        where=where,
        fix="Write `dialect: openai` in the role: only what that protocol has is sent then.",
    )


def _models(payload: bytes) -> dict[str, Mapping[str, Any]]:
    """Served models by name; empty when the answer is no list of them."""
    try:
        listed = json.loads(payload)["data"]
        return {str(card["id"]): card for card in listed}
    except (ValueError, RecursionError, LookupError, TypeError):
        raise Fault("broken", "/models gave no list of models") from None
