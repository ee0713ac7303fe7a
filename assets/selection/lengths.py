"""Token lengths without tokenising: what cannot be too long is never counted, and what is counted names its counter.

A token is at least one byte, so a text of at most ``limit`` bytes has at most ``limit`` tokens. Only the rest needs the
engine's own count (for an uncut text), a tokenizer, or, without one, an estimate from its characters.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from math import ceil
from pathlib import Path
from typing import Any, Protocol

from resources.errors import MissingExtraError, RecipeError

WHERE = "setting `tokenizer` of selection/text_rules"


class Counter(Protocol):
    """Counts tokens of texts."""

    name: str
    is_exact: bool

    def count(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text, without special tokens."""
        ...


class Estimate:
    """Characters over a declared number of characters per token."""

    is_exact = False

    def __init__(self, characters_per_token: float) -> None:
        """``characters_per_token``: the setting of that name."""
        self.characters_per_token = characters_per_token
        self.name = f"estimate of {characters_per_token:g} characters a token"

    def count(self, texts: Sequence[str]) -> list[int]:
        """Estimated tokens, rounded up."""
        return [ceil(len(text) / self.characters_per_token) for text in texts]


class Tokenizer:
    """A tokenizer of the ``tokenizers`` package, loaded when the first text needs it."""

    is_exact = True

    def __init__(self, spec: str) -> None:
        """``spec``: path of a tokenizer.json, or a Hub repository, ``org/name`` or ``org/name@revision``."""
        self.spec = spec
        self.name = f"tokenizer {Path(spec).name if spec.endswith('.json') else spec}"

    def count(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text."""
        encoded = _load(self.spec).encode_batch(list(texts), add_special_tokens=False)
        return [len(one.ids) for one in encoded]


def counter_of(tokenizer: str | None, characters_per_token: float) -> Counter:
    """The counter that the settings name."""
    return Tokenizer(tokenizer) if tokenizer else Estimate(characters_per_token)


def size_in_bytes(text: str) -> int:
    """Bytes of ``text`` in UTF-8; costs nothing for ASCII."""
    return len(text) if text.isascii() else len(text.encode())


def over_limit(texts: Sequence[str], limit: int, counter: Counter) -> tuple[list[bool], list[int | None]]:
    """Which texts have more than ``limit`` tokens, and the tokens of those that had to be counted exactly."""
    long = [i for i, text in enumerate(texts) if len(text) * 4 > limit and size_in_bytes(text) > limit]
    is_over = [False] * len(texts)
    tokens: list[int | None] = [None] * len(texts)
    if long:
        for i, count in zip(long, counter.count([texts[i] for i in long]), strict=True):
            is_over[i] = count > limit
            tokens[i] = count if counter.is_exact else None
    return is_over, tokens


@lru_cache(4)
def _load(spec: str) -> Any:
    try:
        import tokenizers  # pyright: ignore[reportMissingImports] - an extra
    except ImportError as error:
        raise MissingExtraError.of("tokenizers", "train", where=WHERE) from error
    try:
        if spec.endswith(".json"):
            return tokenizers.Tokenizer.from_file(spec)
        name, _, revision = spec.partition("@")
        return tokenizers.Tokenizer.from_pretrained(name, revision=revision or "main")
    except Exception as error:  # the package raises bare Exception for a file or repository that it cannot read
        raise RecipeError(
            f"the tokenizer {spec!r} cannot be loaded ({str(error).splitlines()[0][:200]})",
            where=WHERE,
            fix="Give the path of a tokenizer.json, or a Hub repository that you can read, as org/name@revision",
        ) from error
