"""Settings that every stage of this station has: which prompt, how many samples, and the sampling, all written out.

What is left out has the default here and never the model's own: a hidden default would be a hidden input. Values that
differ by source are mappings from ``problem_source``.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Annotated, TypeVar

from pydantic import Field, field_validator, model_validator

from assets.kinds import Settings, operational
from resources.engines.protocol import Sampling
from resources.errors import RecipeError

MAX_STOPS = 16
MAX_SAMPLES = 100_000
"""Most samples of one row: 200 times the paper's 512. More is a slip of the keyboard, and costs real money."""

PromptName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]*$", max_length=100)]
Samples = Annotated[int, Field(ge=1, le=MAX_SAMPLES, strict=True)]
Value = TypeVar("Value")


class GenerationSettings(Settings):
    """What a stage asks for."""

    prompt: PromptName | dict[str, PromptName] = Field(
        description="Prompt file without its ending, or problem_source -> prompt file."
    )
    samples: Samples | dict[str, Samples] = Field(1, description="Samples of each row, or problem_source -> samples.")
    temperature: float = Field(1.0, description="0 always takes the likeliest token.", ge=0, le=10)
    top_p: float = Field(1.0, description="Share of probability that tokens are drawn from.", gt=0, le=1)
    top_k: int = Field(0, description="Likeliest tokens that are drawn from; 0: no limit.", ge=0)
    min_p: float = Field(0.0, description="Least probability of a token, relative to the likeliest.", ge=0, le=1)
    presence_penalty: float = Field(0.0, description="Taken off a token that was said.", ge=-2, le=2)
    frequency_penalty: float = Field(0.0, description="Taken off a token for each time it was said.", ge=-2, le=2)
    repetition_penalty: float = Field(1.0, description="Divides the score of a token that was said.", gt=0, le=10)
    max_tokens: int = Field(2048, description="Longest completion, in tokens.", ge=1, le=1_000_000)
    stop: tuple[str, ...] = Field((), description="Stop phrases beside those of the prompt.", max_length=MAX_STOPS)
    salt: str = Field("", description="Another word asks for other samples than those stored.", max_length=200)
    retries: int = operational(
        1,
        description="Times that a failed request is asked again within one build, before its failure is recorded.",
        ge=0,
    )
    max_failure_share: float = operational(
        0.05, description="Share of failed requests above which the stage stops.", ge=0, le=1
    )
    max_attempts: int = operational(
        3, description="Builds in which a request may fail before it is a reject and is asked no more.", ge=1
    )
    batch_rows: int = operational(256, description="Rows that are worked on together.", ge=1, le=100_000)

    @field_validator("prompt", "samples")
    @classmethod
    def _names_a_source(cls, value: Value) -> Value:
        if isinstance(value, dict) and not value:
            raise ValueError("the mapping is empty; write one entry for each problem_source")
        return value

    @field_validator("stop")
    @classmethod
    def _says_something(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if "" in value:
            raise ValueError("an empty stop phrase would end every answer at once")
        return value

    @model_validator(mode="after")
    def _no_repetition(self) -> GenerationSettings:
        most = max(self.samples.values()) if isinstance(self.samples, dict) else self.samples
        if self.temperature == 0 and most > 1:
            what = f"{most} samples at temperature 0 would all be the same text"
            raise ValueError(f"{what}: write samples: 1, or a temperature above 0")
        return self

    def prompt_names(self) -> tuple[str, ...]:
        """Every prompt file that these settings name, each once."""
        names = self.prompt.values() if isinstance(self.prompt, dict) else (self.prompt,)
        return tuple(dict.fromkeys(names))

    def prompt_for(self, problem_source: str, where: str) -> str:
        """The prompt of a row. Raises RecipeError if its source has none."""
        return _choose(self.prompt, problem_source, "prompt", where)

    def samples_for(self, problem_source: str, where: str) -> int:
        """The samples of a row. Raises RecipeError if its source has none."""
        return _choose(self.samples, problem_source, "samples", where)

    def sampling(self, prompt_stop: Iterable[str]) -> Sampling:
        """All values, resolved; the prompt's stop phrases first."""
        return Sampling(
            temperature=self.temperature,
            top_p=self.top_p,
            top_k=self.top_k,
            min_p=self.min_p,
            presence_penalty=self.presence_penalty,
            frequency_penalty=self.frequency_penalty,
            repetition_penalty=self.repetition_penalty,
            max_tokens=self.max_tokens,
            stop=tuple(dict.fromkeys((*prompt_stop, *self.stop))),
        )


def _choose(value: Value | Mapping[str, Value], problem_source: str, name: str, where: str) -> Value:
    if not isinstance(value, Mapping):
        return value
    try:
        return value[problem_source]
    except KeyError:
        near = difflib.get_close_matches(problem_source, list(value), n=1, cutoff=0.5)
        hint = f" (or did {near[0]!r} mean it?)" if near else ""
        raise RecipeError(
            f"the setting `{name}` has no entry for problem_source {problem_source!r}; it has {', '.join(value)}",
            where=where,
            fix=f"Add `{problem_source}:` to `{name}`{hint}, or write one value for all sources",
        ) from None
