"""The text rules: what each is called, what it does, what can be set, and how it works on a batch.

A rule drops, trims or rewrites. It sees every row of a batch as the rules declared before it left it, and says nothing
about other rules: which one a row is rejected for is decided in :mod:`assets.selection.fused`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from pydantic import Field

from assets.kinds import Settings
from assets.selection.chains import split_chains, wrong_claim
from assets.selection.fused import Texts
from assets.selection.lengths import Counter, over_limit
from assets.selection.trim import after_prefix, end_of_answer, prefix_pattern
from resources.boxes import count_box_commands

Effect = Literal["drop", "trim", "rewrite"]

MAX_READ = 32_768
"""Characters up to which a text is read by the rules that parse. 2,048 tokens have about 8,000; longer texts are left
to the length rule, so that a megabyte of braces costs nothing."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The lengths that a stage allows, and what counts them."""

    problem_tokens: int
    solution_tokens: int
    solution_characters: int
    counter: Counter
    trusts_engine: bool
    """Whether the engine's count is the student's."""


@dataclass(slots=True)
class Verdicts:
    """What a rule found in a batch."""

    failed: dict[int, tuple[str, str | None]] = field(default_factory=dict)
    """Of a drop rule: row -> (reason, detail)."""
    changed: int = 0
    """Of the others: rows that it cut or rewrote."""


class Rule(ABC):
    """One rule as a recipe uses it."""

    name: ClassVar[str]
    effect: ClassVar[Effect]
    settings_type: ClassVar[type[Settings]] = Settings

    def __init__(self, settings: Any, limits: Limits) -> None:
        """``settings``: of ``settings_type``; ``limits``: of the whole stage."""
        self.settings = settings
        self.limits = limits

    @abstractmethod
    def apply(self, texts: Texts) -> Verdicts:
        """Look at the batch; trims and rewrites change ``texts`` and fail nothing."""


class MultipleBoxes(Rule):
    """More than one box command: which one is the answer cannot be said."""

    name = "multiple boxes"
    effect = "drop"

    def apply(self, texts: Texts) -> Verdicts:
        """Count the commands, closed or not."""
        found = Verdicts()
        for i, text in enumerate(texts.current):
            if text.count("\\boxed") + text.count("\\fbox") < 2:
                continue
            count = count_box_commands(text[:MAX_READ])
            if count > 1:
                found.failed[i] = ("more than one box", f"{count} boxes")
        return found


class PrefixSettings(Settings):
    """Which openings are cut off."""

    phrases: tuple[str, ...] = Field(
        default=("My solution:",), min_length=1, description="Openings, whatever their case and Markdown."
    )


class Prefix(Rule):
    """A leading phrase that is no part of the solution."""

    name = "prefix"
    effect = "trim"
    settings_type = PrefixSettings

    def __init__(self, settings: Any, limits: Limits) -> None:
        """Compile the phrases once."""
        super().__init__(settings, limits)
        self._pattern = prefix_pattern(settings.phrases)

    def apply(self, texts: Texts) -> Verdicts:
        """Move starts."""
        changed = 0
        for i, text in enumerate(texts.current):
            if cut := after_prefix(text, self._pattern):
                texts.cut(i, cut, len(text))
                changed += 1
        return Verdicts(changed=changed)


class Trim(Rule):
    """What follows the sentence that holds the box."""

    name = "trim"
    effect = "trim"

    def apply(self, texts: Texts) -> Verdicts:
        """Move ends."""
        changed = 0
        for i, text in enumerate(texts.current):
            if len(text) <= MAX_READ and (end := end_of_answer(text)) < len(text):
                texts.cut(i, 0, end)
                changed += 1
        return Verdicts(changed=changed)


class ArithmeticSettings(Settings):
    """How far the sides of an equality may be apart."""

    tolerance: float = Field(
        default=1e-4, gt=0, lt=1, description="Largest difference of two sides, relative to the larger one."
    )


class WrongArithmetic(Rule):
    """An equality of numbers that does not hold."""

    name = "wrong arithmetic"
    effect = "drop"
    settings_type = ArithmeticSettings

    def apply(self, texts: Texts) -> Verdicts:
        """Judge the runs of each text."""
        found = Verdicts()
        for i, runs in enumerate(texts.runs(MAX_READ)):
            if runs and (claim := wrong_claim(texts.current[i], runs, self.settings.tolerance)):
                found.failed[i] = ("an equality of numbers does not hold", claim)
        return found


class SplitSettings(ArithmeticSettings):
    """Which chains are written out."""

    max_numbers: int = Field(default=10, ge=3, le=20, description="Chains of more numbers than this stay as they are.")


class SplitArithmetic(Rule):
    """A sum of three or more numbers gets its steps: ``1 + 2 + 3 = 6`` becomes ``1 + 2 + 3 = 3 + 3 = 6``."""

    name = "split arithmetic"
    effect = "rewrite"
    settings_type = SplitSettings

    def apply(self, texts: Texts) -> Verdicts:
        """Write chains out."""
        settings, changed = self.settings, 0
        for i, runs in enumerate(texts.runs(MAX_READ)):
            if runs:
                text = texts.current[i]
                new = split_chains(text, runs, settings.tolerance, settings.max_numbers)
                if new is not text:
                    texts.rewrite(i, new)
                    changed += 1
        return Verdicts(changed=changed)


class ProblemLength(Rule):
    """The problem is too long for the student."""

    name = "problem length"
    effect = "drop"

    def apply(self, texts: Texts) -> Verdicts:
        """Lengths of long problems come with the batch; the others have none."""
        limit = self.limits.problem_tokens
        reason = f"the problem has more than {limit} tokens"
        return Verdicts(
            {i: (reason, f"{n} tokens") for i, n in enumerate(texts.problem_tokens) if n is not None and n > limit}
        )


class SolutionLength(Rule):
    """The solution is too long or too short."""

    name = "solution length"
    effect = "drop"

    def apply(self, texts: Texts) -> Verdicts:
        """Tokens of those that could have too many, then characters."""
        found = Verdicts()
        limits = self.limits
        if limits.trusts_engine:
            texts.take_engine_counts()
        unknown = [i for i, tokens in enumerate(texts.tokens) if tokens is None]
        is_over, tokens = over_limit([texts.current[i] for i in unknown], limits.solution_tokens, limits.counter)
        for i, over, count in zip(unknown, is_over, tokens, strict=True):
            texts.tokens[i] = count
            if over and count is None:
                found.failed[i] = self._too_long(f"{len(texts.current[i])} characters")
        for i, (text, count) in enumerate(zip(texts.current, texts.tokens, strict=True)):
            if count is not None and count > limits.solution_tokens:
                found.failed[i] = self._too_long(f"{count} tokens")
            elif len(text) < limits.solution_characters:
                reason = f"the solution has fewer than {limits.solution_characters} characters"
                found.failed.setdefault(i, (reason, f"{len(text)} characters"))
        return found

    def _too_long(self, shown: str) -> tuple[str, str]:
        return f"the solution has more than {self.limits.solution_tokens} tokens", shown


RULES: Mapping[str, type[Rule]] = {
    rule.name: rule
    for rule in (MultipleBoxes, Prefix, Trim, WrongArithmetic, SplitArithmetic, ProblemLength, SolutionLength)
}
"""All rules in the order of the specification, which is also the default order."""
