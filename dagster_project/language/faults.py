"""How the recipe language says what is wrong: one line a fault, the nearest right word, and all faults at once.

Every check of the language adds to one :class:`Faults`; ``load`` raises what was collected. Reading files is in
``files``, what may be written is in ``words``.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from typing import Any

from dagster_project.language.resolved import Place
from resources.errors import MathloomError, RecipeError

_SHOWN = 12
"""Right words listed when none is near: more would hide the sentence."""

_CUTOFF = 0.55
"""Least likeness of two words (difflib's ratio) for one to be offered: `smaples` and `samples` have 0.86."""


class RecipeErrors(RecipeError):
    """Several faults of one recipe. ``str`` gives one line each; ``problems`` holds them."""

    problems: tuple[MathloomError, ...] = ()

    @classmethod
    def of(cls, problems: Sequence[MathloomError]) -> RecipeErrors:
        """The error that stands for all of ``problems`` (at least one)."""
        first = problems[0]
        error = cls(first.what, where=first.where, fix=first.fix)
        error.problems = tuple(problems)
        error.args = ("\n".join(str(problem) for problem in problems),)
        return error

    def __reduce__(self) -> tuple[Any, ...]:
        """Keep all problems across processes."""
        return RecipeErrors.of, (self.problems,)


class Faults:
    """Collects faults; the same sentence at the same place is kept once (a ``for_each`` repeats it)."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str], MathloomError] = {}

    def __len__(self) -> int:
        return len(self._found)

    def add(self, what: str, place: Place | str, fix: str) -> None:
        """One fault. ``fix`` is an order to the reader."""
        self.take(RecipeError(what, where=str(place), fix=fix))

    def take(self, error: MathloomError) -> None:
        """A fault that something else raised; several at once are taken apart."""
        for problem in error.problems if isinstance(error, RecipeErrors) else (error,):
            self._found.setdefault((problem.where, problem.what), problem)

    def stop_if_any(self) -> None:
        """Raise what was found: one fault as it is, several as :class:`RecipeErrors`."""
        found = list(self._found.values())
        if len(found) == 1:
            raise found[0]
        if found:
            raise RecipeErrors.of(found)


def nearest(word: object, known: Iterable[str]) -> str | None:
    """The known word most like ``word``, if one is like it at all."""
    names = {name.lower(): name for name in known}
    found = difflib.get_close_matches(str(word).lower(), list(names), n=1, cutoff=_CUTOFF)
    return names[found[0]] if found else None


def suggest(word: object, known: Iterable[str], noun: str) -> str:
    """The order to the reader who wrote ``word``: the nearest right word, or what there is. ``noun``: plural."""
    names = list(dict.fromkeys(known))
    near = nearest(word, names)
    if near is not None:
        return f"Write {near!r}"
    if not names:
        return f"There are no {noun} here"
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"The {noun} are: {', '.join(names[:_SHOWN])}{more}"
