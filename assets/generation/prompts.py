"""Prompt files: a YAML file with Jinja templates becomes prompts, thousands a second, and nothing else.

A template may loop, choose and filter; it can call nothing, reach no file and no Python object. The values that it is
given are hostile text (a problem may hold Jinja, markup, control characters): they are only ever values. Which values
a kind gives is the kind's business (``prompt_variables``), how a prompt is sent the engine's. How the file is read and
compiled is in ``templates``.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from assets.generation.templates import MAX_PROMPT, Compiled, Text, compile_text, read_prompt_yaml, too_long
from resources.engines.protocol import Prompt
from resources.errors import RecipeError
from resources.identity import hash_json

ENDING = ".yaml"
MAX_STOPS = 16
"""Most stop phrases: servers that speak the OpenAI protocol refuse more, or fewer still."""


class Message(BaseModel):
    """One message of a chat; ``content`` is a template."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    role: Literal["system", "user", "assistant"]
    content: str = Field(min_length=1)


class PromptWords(BaseModel):
    """What may be written in a prompt file."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    mode: Literal["raw", "chat"] = Field(description="raw: the text as it is. chat: under the model's own template.")
    description: str = Field("", description="What the prompt asks for; changes nothing.")
    examples: list[dict[str, str]] = Field(default_factory=list, description="Few-shot examples, used in this order.")
    template: str | None = Field(None, description="raw: the prompt, as a Jinja template.")
    messages: list[Message] = Field(default_factory=list, description="chat: the messages, each a Jinja template.")
    stop: list[str] = Field(default_factory=list, description="Where the model stops.", max_length=MAX_STOPS)

    @field_validator("stop")
    @classmethod
    def _says_something(cls, value: list[str]) -> list[str]:
        if "" in value:
            raise ValueError("an empty stop phrase would end every answer at once")
        return value

    @model_validator(mode="after")
    def _fits_mode(self) -> PromptWords:
        if self.mode == "raw" and (self.template is None or self.messages):
            raise ValueError("mode raw needs `template` and takes no `messages`")
        if self.mode == "chat" and (not self.messages or self.template is not None):
            raise ValueError("mode chat needs `messages` and takes no `template`")
        return self


@dataclass(frozen=True, slots=True)
class PromptFile:
    """A prompt file, read and compiled. Make it with :meth:`load`."""

    path: Path
    words: PromptWords
    texts: tuple[Text, ...]
    compiled: tuple[Compiled, ...]
    variables: frozenset[str]
    """What its templates need of the kind that asks, beside their own ``examples``."""

    @classmethod
    def load(cls, path: Path) -> PromptFile:
        """Read, check and compile.

        Raises:
            RecipeError: It is absent, no YAML, has a wrong key, or a template is no Jinja; with file and line.
        """
        document = read_prompt_yaml(path)
        try:
            words = PromptWords.model_validate(document.value)
        except ValidationError as error:
            raise _mistake(error, document.place) from error
        if words.mode == "raw":
            texts = (document.text(("template",)),)
        else:
            texts = tuple(document.text(("messages", index, "content")) for index in range(len(words.messages)))
        compiled = tuple(compile_text(text) for text in texts)
        used = frozenset[str]().union(*(template.variables for template in compiled))
        if words.examples and "examples" not in used:
            raise RecipeError(
                "the `examples` are used by no template",
                where=document.place(("examples",)),
                fix="Write {% for example in examples %} ... {% endfor %} into the template, or remove them",
            )
        return cls(path, words, texts, compiled, used - {"examples"})

    @property
    def content_hash(self) -> str:
        """Hash of all that changes a request: mode, templates, examples in their order, stop phrases."""
        return hash_json(self.words.model_dump(mode="json", exclude={"description"}))

    @property
    def stop(self) -> tuple[str, ...]:
        """Its stop phrases."""
        return tuple(self.words.stop)

    def render(self, values: Mapping[str, Any]) -> Prompt:
        """One prompt.

        Raises:
            RecipeError: A variable has no value, or the prompt grows beyond ``MAX_PROMPT`` characters.
        """
        missing = self.variables - values.keys()
        if missing:
            raise self._unknown(min(missing), values)
        given = {name: values[name] for name in self.variables}
        given["examples"] = self.words.examples
        parts = [template.render(given) for template in self.compiled]
        if sum(map(len, parts)) > MAX_PROMPT:
            raise too_long(self.path)
        if self.words.mode == "raw":
            return Prompt("raw", parts[0])
        roles = (message.role for message in self.words.messages)
        return Prompt("chat", messages=tuple(zip(roles, parts, strict=True)))

    def check_variables(self, known: Iterable[str]) -> None:
        """Raises RecipeError if a template needs what a kind that gives ``known`` does not give."""
        known = set(known)
        if missing := self.variables - known:
            raise self._unknown(min(missing), known)

    def _unknown(self, name: str, known: Iterable[str]) -> RecipeError:
        names = sorted(known)
        near = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
        line = next((line for text in self.texts if (line := text.line_of(name))), 1)
        return RecipeError(
            f"the template needs {name!r}, which is not given",
            where=f"{self.path}:{line}",
            fix=f"Write {near[0]!r}" if near else f"Use one of: {', '.join(names) or 'none'}",
        )


class PromptFolder:
    """The prompts of a recipe (``assets.kinds.Prompts``): file ``<folder>/<name>.yaml``, each read once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files: dict[str, PromptFile] = {}

    def file(self, name: str) -> PromptFile:
        """The prompt file called ``name``. Raises RecipeError, with the nearest name there is."""
        found = self._files.get(name)
        if found is None:
            found = self._files[name] = self._load(name)
        return found

    def names(self) -> list[str]:
        """All prompts of the folder, sorted."""
        return sorted(path.stem for path in self._folder.glob(f"*{ENDING}"))

    def render(self, name: str, values: Mapping[str, Any]) -> Prompt:
        """One prompt. Raises RecipeError when a variable is missing."""
        return self.file(name).render(values)

    def stop(self, name: str) -> tuple[str, ...]:
        """Stop phrases of the prompt file."""
        return self.file(name).stop

    def content_hash(self, name: str) -> str:
        """See :attr:`PromptFile.content_hash`."""
        return self.file(name).content_hash

    def _load(self, name: str) -> PromptFile:
        path = self._folder / f"{name}{ENDING}"
        if path.parent == self._folder and path.is_file():
            return PromptFile.load(path)
        names = self.names()
        near = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
        add = f"Add {name}{ENDING} there; the prompts are: {', '.join(names) or 'none'}"
        fix = f"Write {near[0]!r}" if near else add
        raise RecipeError(f"there is no prompt {name!r}", where=str(self._folder), fix=fix)


def _mistake(error: ValidationError, place: Any) -> RecipeError:
    """The first mistake: prompt files are short, and one is mended at a time."""
    first = error.errors(include_url=False)[0]
    loc: tuple[str | int, ...] = tuple(first["loc"])
    last = str(loc[-1]) if loc else ""
    name = ".".join(str(part) for part in loc)
    if first["type"] == "extra_forbidden":
        known = Message.model_fields if len(loc) > 1 else PromptWords.model_fields
        near = difflib.get_close_matches(last, list(known), n=1, cutoff=0.5)
        fix = f"Write {near[0]!r}" if near else f"The keys are: {', '.join(known)}"
        return RecipeError(f"unknown key {last!r}", where=place(loc), fix=fix)
    if first["type"] == "missing":
        return RecipeError(f"the key {last!r} is missing", where=place(loc[:-1]), fix=f"Add `{last}:`")
    message = str(first["msg"]).removeprefix("Value error, ")
    if not name:
        return RecipeError(message, where=place(()), fix="Correct the file")
    shown = repr(first["input"])
    shown = shown if len(shown) <= 80 else shown[:77] + "..."
    fix = "Put the value in quotes" if first["type"] == "string_type" else "Correct the value"
    return RecipeError(f"`{name}` is {shown}: {message[:1].lower()}{message[1:]}", where=place(loc), fix=fix)
