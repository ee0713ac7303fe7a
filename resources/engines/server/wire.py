"""Bodies of requests: a run of samples of one prompt, in the words of a dialect. What it cannot say is an error."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from resources.engines.protocol import EngineRequest, Prompt, Sampling
from resources.engines.server.options import ServerOptions
from resources.errors import EngineError

SEEDS = 2**31
"""Seeds wrap here (resources/requests/key.py); a server that adds i to a seed does not wrap."""

_NEUTRAL: Mapping[str, float] = {"top_k": 0, "min_p": 0.0, "repetition_penalty": 1.0}
"""Values that OpenAI's protocol has no field for, where they change nothing."""


@dataclass(frozen=True, slots=True)
class Run:
    """Samples ``first`` to ``first + count - 1`` of one request: one HTTP request."""

    request: EngineRequest
    first: int
    count: int

    @property
    def is_chat(self) -> bool:
        """Whether it goes to /chat/completions."""
        return self.request.prompt.mode == "chat"


def runs(request: EngineRequest, most: int) -> Iterator[Run]:
    """Cut a request into HTTP requests of at most ``most`` samples whose seeds are consecutive.

    vLLM gives sample i of an HTTP request the seed ``seed + i`` and refuses several samples at temperature 0.
    """
    if request.sampling.temperature == 0:
        most = 1
    index, end = request.first, request.first + request.count
    while index < end:
        count = min(most, end - index, SEEDS - request.seed(index))
        yield Run(request, index, count)
        index += count


def path(run: Run) -> str:
    """Where a run is sent, below the base address."""
    return "/chat/completions" if run.is_chat else "/completions"


def body(run: Run, options: ServerOptions, prompt: Mapping[str, Any]) -> bytes:
    """The body of a run as JSON. ``prompt``: the fields that carry the prompt (:mod:`.prompts`)."""
    sampling = run.request.sampling
    fields: dict[str, Any] = {
        **options.extra_body,
        "model": options.model_name,
        **prompt,
        "seed": run.request.seed(run.first),
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "presence_penalty": sampling.presence_penalty,
        "frequency_penalty": sampling.frequency_penalty,
        _length_field(run, options): sampling.max_tokens,
        **_grammar(sampling, options),
    }
    if stop := [text for text in sampling.stop if text and not _has_surrogate(text)]:
        fields["stop"] = stop  # a text never holds what is left out here
    if options.dialect == "vllm":
        fields |= {name: getattr(sampling, name) for name in _NEUTRAL}
        if run.count > 1:
            # `usage` is the sum over all samples: only the token ids say how long each one is.
            fields |= {"n": run.count, "return_token_ids": True}
    return json.dumps(fields, separators=(",", ":")).encode("ascii")


def check(request: EngineRequest, options: ServerOptions, where: str) -> None:
    """Refuse, before anything is sent, what the dialect has no words for. Raises EngineError that names it."""
    if options.dialect == "vllm":
        return
    sampling, prompt = request.sampling, request.prompt
    wrong = [
        f"{name} = {getattr(sampling, name)!r}" for name, none in _NEUTRAL.items() if getattr(sampling, name) != none
    ]
    if sampling.grammar and not (prompt.mode == "chat" and "json" in _grammar_of(sampling)):
        wrong.append("a grammar other than a JSON schema for chat")
    if prompt.template_arguments:
        wrong.append(f"template arguments ({', '.join(sorted(prompt.template_arguments))})")
    if prompt.mode == "pre_query":
        wrong.append("prompts of the mode pre_query")
    if wrong:
        raise EngineError(
            f"the dialect 'openai' has no words for {'; '.join(wrong)}",
            where=where,
            fix="Set the values in the recipe so that they change nothing (top_k: 0, min_p: 0, repetition_penalty: 1), "
            "or write `dialect: vllm` if the server is vLLM.",
        )


def cannot_be_sent(prompt: Prompt) -> str | None:
    """Why no server can take this prompt; None when it can."""
    texts = [prompt.text] if prompt.mode == "raw" else [text for message in prompt.messages for text in message]
    if prompt.mode == "raw" and not prompt.text:
        return "the prompt is empty"
    if prompt.mode == "chat" and not prompt.messages:
        return "the prompt has no message"
    if any(map(_has_surrogate, texts)):
        return "the prompt holds a lone surrogate, which is no text"
    return None


def _length_field(run: Run, options: ServerOptions) -> str:
    if not run.is_chat:
        return "max_tokens"
    return "max_completion_tokens" if options.dialect == "vllm" else options.max_tokens_field


def _grammar(sampling: Sampling, options: ServerOptions) -> Mapping[str, Any]:
    if not sampling.grammar:
        return {}
    grammar = _grammar_of(sampling)
    if options.dialect == "vllm":
        return {"structured_outputs": grammar}
    schema = {"name": "answer", "strict": True, "schema": grammar["json"]}
    return {"response_format": {"type": "json_schema", "json_schema": schema}}


def _grammar_of(sampling: Sampling) -> dict[str, Any]:
    return json.loads(sampling.grammar)


def _has_surrogate(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False
