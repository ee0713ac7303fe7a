"""A stage as written and what it sees: values with their lines, names with their scopes.

``expand`` makes drafts, ``settle`` and ``bind`` turn them into stages.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from dagster_project.language.files import Document, Loc
from dagster_project.language.resolved import Place
from dagster_project.language.words import STAGE_WORDS

_VARIABLE = re.compile(r"\{([A-Za-z][A-Za-z0-9_]*)\}")


@dataclass(frozen=True, slots=True)
class Located:
    """A value and where it was written."""

    value: Any
    document: Document
    loc: Loc

    @property
    def place(self) -> Place:
        """Its line."""
        return self.document.place(*self.loc)

    def inside(self, *rest: str | int) -> Place:
        """The line of a part of it."""
        return self.document.place(*self.loc, *rest)

    def part(self, *rest: str | int) -> Located:
        """A part of it."""
        value = self.value
        for word in rest:
            value = value[word]
        return Located(value, self.document, (*self.loc, *rest))


@dataclass(frozen=True, slots=True)
class Pattern:
    """A name with variables, one of the values they took, and the stage that came of it."""

    text: str
    values: Mapping[str, Any]
    stage: str

    def matches(self, text: str) -> bool:
        """Whether ``text``, in which some variables may be filled in, stands for this stage."""
        left = set(_VARIABLE.findall(text))
        return bool(left) and text == fill(self.text, {k: v for k, v in self.values.items() if k not in left})


@dataclass(slots=True)
class Scope:
    """The names that stages see of each other: those of a recipe, or those of one use of a piece."""

    prefix: str = ""
    names: dict[str, str] = field(default_factory=dict)
    """Name as written here -> stage."""
    patterns: list[Pattern] = field(default_factory=list)
    groups: dict[str, list[str]] = field(default_factory=dict)
    """Words that stand for several stages (``splits``)."""
    formals: dict[str, list[Located] | None] = field(default_factory=dict)
    """Inputs of a piece -> what `with:` binds to them, in the words of ``outer``; None if it does not say."""
    outer: Scope | None = None
    """The scope in which the piece is used."""
    used_at: Place | None = None
    """Where the piece is used."""
    places: dict[str, Place] = field(default_factory=dict)
    """Name as written here -> line of the stage."""
    broken: list[str] = field(default_factory=list)
    """Stages that could not be read (reported already): a reference to one, or into one, is no further fault."""

    def knows(self, name: str) -> bool:
        """Whether ``name`` (without a table) refers to something."""
        return name in self.names or name in self.groups or name in self.formals

    def is_broken(self, name: str) -> bool:
        """Whether ``name`` is, or comes of, a stage that could not be read."""
        return any(name == word or name.startswith(f"{word}_") for word in self.broken)

    def words(self, name: str) -> list[str]:
        """What can be written instead of ``name``, for suggestions."""
        if "{" in name and self.patterns:
            return [pattern.text for pattern in self.patterns]
        return [*self.formals, *self.names, *self.groups]


@dataclass(slots=True)
class Draft:
    """A stage before its names are looked up."""

    name: str
    place: Place
    scope: Scope
    kind: Located
    description: str = ""
    role: Located | None = None
    source: Located | None = None
    inputs: dict[str, list[Located]] = field(default_factory=dict)
    settings: dict[str, Located] = field(default_factory=dict)
    checks: list[Located] = field(default_factory=list)


def fill(value: Any, values: Mapping[str, Any]) -> Any:
    """``value`` with every ``{variable}`` of ``values`` filled in; other braces stay. "{n}" alone keeps n's type."""
    if isinstance(value, str):
        whole = _VARIABLE.fullmatch(value)
        if whole and whole.group(1) in values:
            return values[whole.group(1)]
        return _VARIABLE.sub(lambda m: str(values.get(m.group(1), m.group(0))), value)
    if isinstance(value, dict):
        return {str(fill(key, values)): fill(inner, values) for key, inner in value.items()}
    if isinstance(value, list):
        return [fill(inner, values) for inner in value]
    return value


def references(written: Located) -> list[Located]:
    """``a`` or ``[a, b]`` as a list, each with its own line."""
    if isinstance(written.value, list):
        return [Located(v, written.document, (*written.loc, i)) for i, v in enumerate(written.value)]
    return [written]


def draft_of(name: str, written: Located, scope: Scope) -> Draft:
    """The draft of a stage whose words are ``written``."""
    body: dict[str, Any] = written.value
    return Draft(
        name=name,
        place=written.place,
        scope=scope,
        kind=written.part("kind"),
        description=body.get("description") or "",
        role=written.part("role") if body.get("role") is not None else None,
        source=written.part("source") if body.get("source") is not None else None,
        inputs={formal: references(written.part("inputs", formal)) for formal in body.get("inputs") or {}},
        settings={key: written.part(key) for key in body if key not in STAGE_WORDS},
        checks=[written.part("checks", index) for index in range(len(body.get("checks") or ()))],
    )
