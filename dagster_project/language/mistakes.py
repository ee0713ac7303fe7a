"""Turns what pydantic finds into faults with a line, the wrong value and the nearest right word."""

from __future__ import annotations

import types
import typing
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from dagster_project.language.faults import Faults, suggest
from dagster_project.language.files import Document, Loc
from dagster_project.language.resolved import Place

Model = TypeVar("Model", bound=BaseModel)
_SHOWN = 80
"""Characters of a wrong value that a message shows."""

_SHOULD = "Input should be "
_MUST = {
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "string_type": "text",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "mapping_type": "a mapping",
    "list_type": "a list",
    "tuple_type": "a list",
    "none_required": "empty",
}
"""pydantic's type of an error -> what the value must be."""


@dataclass(frozen=True, slots=True)
class Mistake:
    """One error of pydantic, read: where in the value, and what it says."""

    loc: Loc
    """The part of the value that exists."""
    type: str
    must: str
    """What the value must be, for errors of type; else empty."""
    message: str
    input: Any
    word: str
    """The unknown or missing key."""


def check_words(model: type[Model], document: Document, faults: Faults) -> Model | None:
    """``document`` as ``model``; None if it is wrong, with every mistake in ``faults``."""
    try:
        return model.model_validate(document.value)
    except ValidationError as error:
        report(
            error, document.value, lambda loc: document.place(*loc), faults, known=lambda loc: keys_at(model, loc[:-1])
        )
        return None


def report(
    error: ValidationError,
    value: Any,
    place: Callable[[Loc], Place],
    faults: Faults,
    *,
    known: Callable[[Loc], Iterable[str]],
    missing: str = "",
) -> None:
    """Add every mistake of ``error`` in ``value`` to ``faults``.

    Args:
        error: What pydantic raised.
        value: What was validated.
        place: Path inside ``value`` -> line.
        faults: Takes the mistakes.
        known: Path of an unknown key -> keys that may stand in its place.
        missing: Put after "the key ... is missing" at the top (" of the kind ..." for instance).
    """
    mistakes = [_read(detail, value) for detail in error.errors(include_url=False)]
    for mistake in mistakes:
        if mistake.type == "extra_forbidden":
            fix = suggest(mistake.word, known(mistake.loc), "keys")
            faults.add(f"unknown key {mistake.word!r}", place(mistake.loc), fix)
        elif mistake.type == "missing":
            what = f"the key {mistake.word!r}{'' if mistake.loc else missing} is missing"
            faults.add(what, place(mistake.loc), f"Add `{mistake.word}:`")
    for loc, group in _by_loc(mistakes).items():
        what, fix = _sentence(loc, group)
        faults.add(what, place(loc), fix)


def _read(detail: Any, value: Any) -> Mistake:
    loc, rest = _existing(detail["loc"], value)
    kind = detail["type"]
    if kind == "missing":
        return Mistake(loc, kind, "", "", None, str(rest[-1] if rest else loc[-1]))
    word = str(loc[-1]) if loc else ""
    return Mistake(loc, kind, _must(detail), _message(detail), detail["input"], word)


def _existing(loc: Loc, value: Any) -> tuple[Loc, list[str | int]]:
    """The parts of pydantic's path that lead through ``value``; it also names branches of unions and of models."""
    found: list[str | int] = []
    rest: list[str | int] = []
    part: Any
    for part in loc:
        is_key = isinstance(value, Mapping) and part in value
        is_item = isinstance(value, list | tuple) and isinstance(part, int) and part < len(value)
        if is_key or is_item:
            found.append(part)
            value = value[part]
        else:
            rest.append(part)
    return tuple(found), rest


def _must(detail: Any) -> str:
    if detail["type"] in ("literal_error", "enum"):
        return str(detail.get("ctx", {}).get("expected", ""))
    if detail["type"] in _MUST:
        return _MUST[detail["type"]]
    message = str(detail["msg"])
    return message.removeprefix(_SHOULD) if message.startswith(_SHOULD) else ""


def _message(detail: Any) -> str:
    if detail["type"] == "string_pattern_mismatch":
        is_name = detail["ctx"]["pattern"].startswith("^[A-Za-z]")
        return (
            "a name has letters, digits and _, the first a letter" if is_name else "it has not the form of such a value"
        )
    if detail["type"] == "too_short":
        return f"has fewer than {detail['ctx']['min_length']} entries"
    message = str(detail["msg"]).removeprefix("Value error, ").removeprefix("Input ")
    return message[:1].lower() + message[1:] if not message.startswith("`") else message


def _by_loc(mistakes: Iterable[Mistake]) -> dict[Loc, list[Mistake]]:
    """Wrong values by place. Of a union, the branch that got furthest into the value is the one that was meant."""
    groups: dict[Loc, list[Mistake]] = {}
    for mistake in mistakes:
        if mistake.type not in ("extra_forbidden", "missing"):
            groups.setdefault(mistake.loc, []).append(mistake)
    return {
        loc: group
        for loc, group in groups.items()
        if not any(other != loc and other[: len(loc)] == loc and all(m.must for m in group) for other in groups)
    }


def _sentence(loc: Loc, group: list[Mistake]) -> tuple[str, str]:
    name = ".".join(str(part) for part in loc)
    shown = _shown(group[0].input)
    must = list(dict.fromkeys(m.must for m in group if m.must))
    if must:
        return f"`{name}` is {shown}, and must be {' or '.join(must)}", "Correct the value"
    messages = " or ".join(dict.fromkeys(m.message for m in group))
    if isinstance(group[0].input, dict | BaseModel) or not name:
        return (f"`{name}` {messages}" if name else messages), "Correct it"
    return f"`{name}` is {shown}: {messages}", "Correct the value"


def _shown(value: Any) -> str:
    text = "empty" if value is None else repr(value)
    if isinstance(value, bool):
        text = str(value).lower()
    return text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "..."


def keys_at(model: Any, loc: Loc) -> list[str]:
    """Keys that may stand in the mapping at ``loc`` of a value of ``model``."""
    kinds = [model]
    for part in loc:
        kinds = [inner for kind in kinds for inner in _inside(kind, part)]
    return [
        field.alias or name
        for kind in kinds
        if isinstance(kind, type) and issubclass(kind, BaseModel)
        for name, field in kind.model_fields.items()
    ]


def _inside(kind: Any, part: str | int) -> list[Any]:
    """The types that a value of type ``kind`` can have at ``part``, unions taken apart."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        found = [f.annotation for name, f in kind.model_fields.items() if (f.alias or name) == part]
    else:
        found = list(typing.get_args(kind))[-1:]
    return [branch for item in found for branch in _branches(item)]


def _branches(kind: Any) -> list[Any]:
    if typing.get_origin(kind) in (typing.Union, types.UnionType):
        return [branch for item in typing.get_args(kind) for branch in _branches(item)]
    if typing.get_origin(kind) is typing.Annotated:
        return _branches(typing.get_args(kind)[0])
    return [kind]
