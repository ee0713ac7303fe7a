"""From a prompt to token ids, in the process that holds the model: templates, the first token, and what is refused."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from resources.engines.openvino import library

CHARACTERS_PER_TOKEN = 64
"""A prompt with more characters than this for every token of the context is too long without being tokenised: a
megabyte without a space takes seconds. No vocabulary has words that long, only runs of white space."""

_USER = "Q7wherethequestionstands7Q"
"""Stands for the user's text in a template: no white space that a template would trim, and in no template by chance."""


class Refusal(Exception):
    """A request that no repetition mends."""


@dataclass(frozen=True, slots=True)
class Renderer:
    """The model's tokenizer and template, under the rules of ``resources.engines.protocol.Prompt``."""

    tokenizer: Any
    context: int
    """Tokens."""
    bos: str
    bos_id: int = -1
    puts_bos: bool = False
    """The model wants texts to begin with BOS and its tokenizer does not see to it (GGUF)."""

    def tokens(self, frame: dict[str, Any]) -> Any:
        """Token ids of a frame ``ask``, as a tensor of shape (1, n). Raises Refusal."""
        text: str = frame["text"]
        parts = [text, *(content for _, content in frame["messages"])]
        if sum(map(len, parts)) > self.context * CHARACTERS_PER_TOKEN:
            raise Refusal(f"the prompt is over {CHARACTERS_PER_TOKEN} characters for each token of the context")
        if not all(map(_is_text, parts)):
            raise Refusal("the prompt holds a lone surrogate, which is no text")
        try:
            tokens = self._raw(text) if frame["mode"] == "raw" else self._encode(self._templated(frame))
        except (TypeError, UnicodeError) as exc:
            raise Refusal(f"the tokenizer refuses the prompt: {first_line(exc)}") from exc
        count = int(tokens.shape[1])
        if count == 0:
            raise Refusal("the prompt is empty")
        if count >= self.context:
            raise Refusal(f"the prompt has {count} tokens or more, the context {self.context}")
        return tokens

    def _raw(self, text: str) -> Any:
        if not text or (self.bos and text.startswith(self.bos)):
            return self._encode(text)
        tokens = self.tokenizer.encode(text, add_special_tokens=True).input_ids
        begins = tokens.shape[1] > 0 and tokens.data[0][0] == self.bos_id
        return self._with_bos(tokens) if self.puts_bos and not begins else tokens

    def _with_bos(self, tokens: Any) -> Any:
        import numpy as np

        ov = library.openvino()

        return ov.Tensor(np.insert(tokens.data, 0, self.bos_id, axis=1))

    def _encode(self, text: str) -> Any:
        """Nothing is put before ``text``: a template writes its own BOS, and a second one would spoil the answers."""
        return self.tokenizer.encode(text, add_special_tokens=False).input_ids

    def _templated(self, frame: dict[str, Any]) -> str:
        messages = [{"role": role, "content": content} for role, content in frame["messages"]]
        arguments = dict(frame["arguments"])
        if frame["mode"] == "chat":
            return self._apply(messages, bool(arguments.pop("add_generation_prompt", True)), arguments)
        if [message["role"] for message in messages] not in ([], ["system"]):
            raise Refusal("a prompt of the mode pre_query takes one system message and nothing else")
        arguments.pop("add_generation_prompt", None)
        text = self._apply([*messages, {"role": "user", "content": _USER}], False, arguments)
        if text.count(_USER) != 1:
            raise Refusal("the model's chat template does not show once where the user speaks")
        return text[: text.index(_USER)]

    def _apply(self, messages: list[dict[str, str]], is_asking: bool, arguments: dict[str, Any]) -> str:
        try:
            return self.tokenizer.apply_chat_template(messages, is_asking, extra_context=arguments or None)
        except RuntimeError as exc:
            raise Refusal(f"the model's chat template refuses the messages: {first_line(exc)}") from exc


def first_line(exc: BaseException) -> str:
    """What a library's error says, without the lines that name its own source files."""
    lines = [line.strip() for line in str(exc).splitlines() if line.strip() and not line.startswith("Exception from")]
    return (lines[0] if lines else type(exc).__name__)[:300]


def _is_text(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
