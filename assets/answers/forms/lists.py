r"""Lists, sets, tuples and intervals: ``1,2``, ``\{1,2\}``, ``(1,2]``, ``x=1, y=2``, ``1 \text{ or } 2``."""

from __future__ import annotations

from collections.abc import Sequence

from assets.answers.forms import reals
from assets.answers.forms.conditions import CONDITIONS, RELATIONS, condition, end, endless, set_of
from assets.answers.forms.labels import label_before
from assets.answers.forms.reader import Reader, closing, joined, split
from assets.answers.reading.names import is_word
from assets.answers.reading.parser import parse
from assets.answers.reading.tokens import AND, OR, TEXT
from assets.answers.reading.undecided import Undecided
from assets.answers.values.expression import keys_of

SEPARATORS = frozenset({",", ";", OR, AND})
_COORDINATES = frozenset({("x", "y"), ("x", "y", "z")})
_OPENERS = frozenset({"(", "[", "]", "\\langle"})
_CLOSERS = frozenset({")", "]", "[", "\\rangle"})


def listed(reader: Reader, tokens: list[str]) -> str | None:
    """The key of a list or set; None if nothing separates."""
    if tokens[0] == "\\{" and closing(tokens, 0) == len(tokens) - 1:
        return _set(reader, tokens[1:-1])
    parts, found = split(tokens, SEPARATORS)
    if not found:
        return None
    if CONDITIONS.intersection(token for part in parts for token in part):
        return reals.show(condition(tokens))
    parts = [part for part in parts if part]  # "1, 2, and 3" has an empty part
    if len(parts) <= len(found) - 1:
        raise Undecided
    if len(parts) == 1:
        return reader.key(parts[0])
    pairs = [label_before(part) for part in parts]
    labels = [label for label, _ in pairs]
    if labels[0] is not None and not any(labels[1:]):
        labels = labels[:1] * len(labels)  # x = 1, 2: one name for all
    if None in labels and len(set(labels)) > 1:
        raise Undecided
    is_unnamed = labels[0] is None or (len(set(labels)) == 1 and reader.policy.labels_are_names)
    if OR in found and (AND in found or not is_unnamed):
        raise Undecided  # x = 1 or y = 2
    if is_unnamed:
        return _in_order(reader, [key for _, part in pairs for key in _flat(reader, part)])
    return _named(reader, labels, [reader.key(part, is_part=True) for _, part in pairs])


def _flat(reader: Reader, part: list[str]) -> list[str]:
    """The keys of a part; several where it holds plus-minus."""
    if "\u00b1" not in part:
        return [reader.key(part, is_part=True)]
    try:
        return keys_of(parse(part))
    except Undecided:
        return [reader.key(one, is_part=True) for one in _both_signs(part)]


def _both_signs(tokens: list[str]) -> list[list[str]]:
    r"""``(\pm 2, 0)`` with either sign. Undecided with two such signs: two answers or four."""
    if tokens.count("\u00b1") > 1 or "\\mp" in tokens:
        raise Undecided
    at = tokens.index("\u00b1")
    return [[*tokens[:at], sign, *tokens[at + 1 :]] for sign in "+-"]


def _in_order(reader: Reader, keys: list[str]) -> str:
    return joined("l", sorted(keys) if reader.policy.lists_are_unordered else keys)


def _named(reader: Reader, labels: Sequence[str | None], keys: Sequence[str]) -> str:
    """``x=1, y=2`` is the point (1,2), whatever order; under other names values keep them."""
    names = [str(label) for label in labels]
    if len(set(names)) < len(names) or any(key.startswith("e:") for key in keys):
        raise Undecided
    pairs = sorted(zip(names, keys, strict=True))
    if tuple(name for name, _ in pairs) in _COORDINATES:
        return reals.span("(", [key for _, key in pairs], ")")
    return joined("s", [f"{_folded(name)}={key}" for name, key in pairs])


def _folded(name: str) -> str:
    """Words in any case; variables as they are."""
    name = "".join(name.split())
    return name.casefold() if name[0] == TEXT or is_word(name) else name


def _set(reader: Reader, inner: list[str]) -> str:
    """A set: each element once. With a condition, the reals that meet it."""
    if not inner:
        return "l:()"
    has_bar = len(split(inner, {"|", ":"})[0]) == 2
    if has_bar and (found := endless(inner)) is not None:
        return found
    if has_bar or CONDITIONS.intersection(inner):
        return reals.show(set_of(inner))
    if any(token in RELATIONS for token in inner):
        raise Undecided
    parts, _ = split(inner, SEPARATORS)
    keys = [key for part in parts if part for key in _flat(reader, part)]
    return joined("l", sorted(set(keys)))


def bracketed(reader: Reader, tokens: list[str]) -> str | None:
    """A tuple or interval: brackets around all, with a comma inside."""
    if tokens[0] not in _OPENERS or tokens[-1] not in _CLOSERS or len(tokens) < 3:
        return None
    is_turned = tokens[0] == "]" or tokens[-1] == "["  # ]1,2[ is written for (1,2)
    if not is_turned and closing(tokens, 0) != len(tokens) - 1:
        return None
    parts, found = split(tokens[1:-1], {",", ";"})
    if not found:
        return None
    if any(label_before(part)[0] is not None for part in parts):
        raise Undecided  # (y=1, x=2): the names say another order than the places
    if "\u00b1" in tokens:
        return joined("l", sorted({reader.key(one) for one in _both_signs(tokens)}))
    ends = [_end(reader, part) for part in parts]
    opener = "[" if tokens[0] == "[" and ends[0] != "-oo" else "("
    closer = "]" if tokens[-1] == "]" and ends[-1] != "oo" else ")"
    return reals.span(opener, ends, closer)


def _end(reader: Reader, tokens: list[str]) -> str:
    if tokens and tokens[-1] == "\u221e":
        return end(tokens).key
    if RELATIONS.intersection(tokens):
        raise Undecided
    return reader.key(tokens, is_part=True)
