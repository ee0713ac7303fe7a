"""The fields of a request that carry the prompt, with the BOS rule of :class:`Prompt`, and what only the server knows.

The tokenizer is the server's. vLLM tells what is needed of it at /tokenize and /detokenize, once for each engine: the
text of its first token, and the template up to where the user speaks.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

from resources.engines.protocol import Prompt
from resources.engines.server.faults import Fault
from resources.engines.server.options import ServerOptions
from resources.engines.server.transport import Transport
from resources.errors import EngineError

_USERS = ("Alpha", "7", "(x)")
"""What a user might say. The tokens that the template has before all of them are the template's own."""


class Prompts:
    """Writes prompts in a dialect. Belongs to one event loop."""

    def __init__(self, options: ServerOptions, where: str) -> None:
        self._options = options
        self._where = where
        self._lock = asyncio.Lock()
        self._begin = options.begin_of_text if options.dialect == "vllm" else (options.begin_of_text or "")
        self._pre_queries: dict[str, list[int]] = {}

    async def fields(self, prompt: Prompt, transport: Transport) -> Mapping[str, Any]:
        """The fields for ``prompt``.

        Raises:
            Fault: The server did not tell now.
            EngineError: It never will.
        """
        if prompt.mode == "chat":
            fields: dict[str, Any] = {"messages": _messages(prompt)}
            if prompt.template_arguments:
                fields["chat_template_kwargs"] = dict(prompt.template_arguments)
            return fields
        if prompt.mode == "pre_query":
            return {"prompt": await self._pre_query(prompt, transport), "add_special_tokens": False}
        begin = await self._begin_of_text(transport)
        has_begin = bool(begin) and prompt.text.startswith(begin)
        if self._options.dialect == "vllm":
            return {"prompt": prompt.text, "add_special_tokens": not has_begin}
        # Such a server puts the first token before every text by itself.
        return {"prompt": prompt.text.removeprefix(begin) if has_begin else prompt.text}

    async def _begin_of_text(self, transport: Transport) -> str:
        if self._begin is None:
            async with self._lock:
                if self._begin is None:
                    tokens = await self._tokenize(transport, {"prompt": "", "add_special_tokens": True})
                    self._begin = await self._detokenize(transport, tokens[:1]) if tokens else ""
        return self._begin

    async def _pre_query(self, prompt: Prompt, transport: Transport) -> list[int]:
        messages = _messages(prompt)
        arguments = dict(prompt.template_arguments)
        key = json.dumps([messages, arguments], sort_keys=True)
        if key not in self._pre_queries:
            rendered = [
                await self._tokenize(
                    transport,
                    {
                        "messages": [*messages, {"role": "user", "content": text}],
                        "chat_template_kwargs": arguments,
                        "add_generation_prompt": False,
                    },
                )
                for text in _USERS
            ]
            self._pre_queries[key] = _common_start(rendered)
        return self._pre_queries[key]

    async def _tokenize(self, transport: Transport, fields: Mapping[str, Any]) -> list[int]:
        tokens = (await self._tell(transport, "/tokenize", fields)).get("tokens")
        if not isinstance(tokens, list) or not all(type(token) is int for token in tokens):
            raise Fault("broken", "/tokenize gave no tokens")
        return tokens

    async def _detokenize(self, transport: Transport, tokens: list[int]) -> str:
        text = (await self._tell(transport, "/detokenize", {"tokens": tokens})).get("prompt")
        if not isinstance(text, str):
            raise Fault("broken", "/detokenize gave no text")
        return text

    async def _tell(self, transport: Transport, path: str, fields: Mapping[str, Any]) -> Mapping[str, Any]:
        body = json.dumps({"model": self._options.model_name, **fields}).encode("ascii")
        try:
            answer = json.loads(await transport.post(transport.root + path, body))
        except Fault as fault:
            if fault.kind in ("key", "unknown"):
                raise self._hidden(transport, path, fault) from None
            raise
        except (ValueError, RecursionError):
            raise Fault("broken", f"{path} gave no JSON") from None
        return answer if isinstance(answer, dict) else {}

    def _hidden(self, transport: Transport, path: str, fault: Fault) -> EngineError:
        return EngineError(
            f"{transport.root}{path} does not answer ({fault.what}), so the tokenizer's first token is not known",
            where=self._where,
            fix="Make the path reachable (vLLM has it), or write the first token as `begin_of_text` ('' for none; "
            "prompts of the mode pre_query need the path).",
        )


def _messages(prompt: Prompt) -> list[dict[str, str]]:
    return [{"role": role, "content": content} for role, content in prompt.messages]


def _common_start(lists: list[list[int]]) -> list[int]:
    """What all ``lists`` begin with."""
    start: list[int] = []
    for tokens in zip(*lists, strict=False):
        if len(set(tokens)) > 1:
            break
        start.append(tokens[0])
    return start
