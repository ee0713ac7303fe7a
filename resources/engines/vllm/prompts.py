"""From a prompt to token ids, in vLLM's process: templates, the rule of the first token, prompts that no model takes.

Ids and not text go to the engine, so nothing is put before them a second time. Standard library only: the tokenizer is
whatever vLLM loaded, with ``encode``, ``bos_token`` and ``apply_chat_template``.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from typing import Any

CHARACTERS_PER_TOKEN = 64
"""A prompt with more characters than this for every token of the context is too long without being tokenised: a
megabyte without a space takes seconds. No vocabulary has words that long, only runs of white space."""

KEPT_PROMPTS = 512
"""Prompts whose ids are kept: the samples of a prompt come one after the other."""

_MARK = "mathloom-user-text"
"""Stands for the user's words while the start of a conversation is rendered. No space: templates trim it."""


class Refusal(Exception):
    """A prompt that no repetition mends."""


class PromptReader:
    """Reads prompts into token ids with one tokenizer."""

    def __init__(self, tokenizer: Any, context: int, *, reserve: int, is_lowered: bool = False) -> None:
        """Make it.

        Args:
            tokenizer: Of the model.
            context: Longest prompt and answer together, in tokens.
            reserve: Tokens that an answer needs at least: 1, or 0 where there is none.
            is_lowered: The model was trained on lower case and its tokenizer does not see to that.
        """
        self._tokenizer = tokenizer
        self._context = context
        self._reserve = reserve
        self._is_lowered = is_lowered
        self._kept: OrderedDict[str, list[int] | Refusal] = OrderedDict()

    def read(self, ask: dict[str, Any]) -> list[int]:
        """The token ids of the prompt in ``ask`` (mode, text, messages, arguments).

        Raises:
            Refusal: The prompt is empty, too long, no text, or the template refuses it.
        """
        key = json.dumps([ask["mode"], ask["text"], ask["messages"], ask["arguments"]])
        found = self._kept.pop(key, None)
        if found is None:
            try:
                found = self._ids(ask)
            except Refusal as refusal:
                found = refusal
        self._kept[key] = found
        if len(self._kept) > KEPT_PROMPTS:
            self._kept.popitem(last=False)
        if isinstance(found, Refusal):
            raise Refusal(str(found))
        return found

    def _ids(self, ask: dict[str, Any]) -> list[int]:
        parts = [ask["text"], *(content for _, content in ask["messages"])]
        size = sum(len(part) for part in parts)
        if size > self._context * CHARACTERS_PER_TOKEN:
            raise Refusal(f"prompt has {size} characters, the context is {self._context} tokens")
        if any(_has_surrogate(part) for part in parts):
            raise Refusal("the prompt holds a lone surrogate, which is no text")
        try:
            text, is_rendered = self._text(ask)
            bos = getattr(self._tokenizer, "bos_token", None)
            # A template writes its own BOS, and so may a raw prompt: a second one would spoil the answers.
            has_bos = is_rendered or bool(bos and text.startswith(bos))
            ids = list(self._tokenizer.encode(text, add_special_tokens=not has_bos))
        except (TypeError, ValueError) as exc:
            raise Refusal(f"the tokenizer refuses the prompt: {first_line(exc)}") from exc
        if not ids:
            raise Refusal("the prompt is empty")
        if len(ids) + self._reserve > self._context:
            raise Refusal(f"prompt has {len(ids)} tokens, the context is {self._context}")
        return ids

    def _text(self, ask: dict[str, Any]) -> tuple[str, bool]:
        """The text, and whether it comes from the model's template."""
        if ask["mode"] == "raw":
            text = ask["text"]
            return (text.lower() if self._is_lowered else text), False
        messages = [{"role": role, "content": content} for role, content in ask["messages"]]
        if ask["mode"] == "chat":
            return self._render(messages, ask["arguments"], add_generation_prompt=self._reserve > 0), True
        text = self._render([*messages, {"role": "user", "content": _MARK}], ask["arguments"])
        before, found, _ = text.partition(_MARK)
        if not found:
            raise Refusal(
                "the model's chat template does not show what the user says, so it has no start of a question"
            )
        return before, True

    def _render(self, messages: list[dict[str, str]], arguments: dict[str, Any], **settings: Any) -> str:
        try:
            return self._tokenizer.apply_chat_template(messages, **{**settings, **arguments, "tokenize": False})
        except Exception as exc:  # a template is a program of the model's maker and raises what it likes
            raise Refusal(f"the model's chat template refuses the messages: {first_line(exc)}") from exc


def first_line(exc: BaseException) -> str:
    """What an exception says, on one line."""
    lines = [line.strip() for line in str(exc).splitlines() if line.strip()]
    return (lines[0] if lines else type(exc).__name__)[:300]


def _has_surrogate(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False
