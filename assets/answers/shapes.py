r"""What surrounds a value: labels, units, lists, tuples, intervals, inequalities, sets, matrices, ratios, words.

Each reader takes tokens and gives the text of a key, with a letter that names its type first; Undecided passes through.
A whole is decided only if all of its parts are.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from assets.answers import values
from assets.answers.parser import Parser
from assets.answers.policy import Policy
from assets.answers.tokens import OR, TEXT, tokenize
from assets.answers.units import without_units
from assets.answers.values import Undecided, Value

MAX_PARTS = 64
"""Parts of a list or cells of a matrix."""
MAX_NESTING = 6

_OPENERS = {"(": ")", "[": "]", "{": "}", "\\{": "\\}"}
_CLOSING = frozenset(_OPENERS.values())
_RELATIONS = frozenset({"=", "<", ">", "\u2264", "\u2265"})
_INEQUALITIES = _RELATIONS - {"="}
_FLIPPED = {"<": ">", ">": "<", "\u2264": "\u2265", "\u2265": "\u2264"}
_MATRIX = re.compile(r"\\begin\s*\{([pb]?)matrix\}")
_WORDS = re.compile(r"[^\W\d_]+(?:[\s'\u2019-]+[^\W\d_]+)*")
_CHOICE = re.compile(r"\(?([A-Z])\)?")


def shape_of(tokens: list[str], policy: Policy, *, is_part: bool = False, nesting: int = 0) -> str:
    """The key's text for ``tokens``. ``is_part``: of a list or tuple, where units stay and leave it undecided."""
    if not tokens or nesting > MAX_NESTING:
        raise Undecided
    tokens = _unwrap(tokens)
    if len(tokens) == 1 and (word := _single(tokens[0], policy, nesting)):
        return word
    present = _MARKS.intersection(tokens)
    if present or tokens[0].startswith("\\begin"):
        for reader, marks in _READERS:
            if (not marks or marks & present) and (found := reader(tokens, policy, nesting)) is not None:
                return found
    if words := _words(tokens):
        return words
    if not is_part and policy.strip_units:
        tokens = without_units(tokens)
    return _value(tokens, policy)


def _value(tokens: list[str], policy: Policy) -> str:
    parts = [values.show(value) for value in Parser(tokens).whole()]
    return parts[0] if len(parts) == 1 else _join("l", parts, policy)


def _join(tag: str, parts: Sequence[str], policy: Policy) -> str:
    if tag == "l" and policy.lists_are_unordered:
        parts = sorted(parts)
    return f"{tag}:({','.join(parts)})"


def _unwrap(tokens: list[str]) -> list[str]:
    """Without braces, or a box, around all of it."""
    while len(tokens) > 2:
        start = 1 if tokens[0] in {"\\boxed", "\\fbox"} else 0
        if tokens[start] != "{" or _closing(tokens, start) != len(tokens) - 1:
            return tokens
        tokens = tokens[start + 1 : -1]
    return tokens


def _closing(tokens: Sequence[str], start: int) -> int:
    """Where the bracket that opens at ``start`` closes; -1 if it does not. Mixed pairs (intervals) close too."""
    depth = 0
    for at in range(start, len(tokens)):
        if tokens[at] in _OPENERS:
            depth += 1
        elif tokens[at] in _CLOSING:
            depth -= 1
            if not depth:
                return at
    return -1


def _split(tokens: Sequence[str], separators: frozenset[str]) -> tuple[list[list[str]], list[str]]:
    """``tokens`` cut at separators outside of all brackets, and the separators."""
    parts: list[list[str]] = [[]]
    found: list[str] = []
    depth = 0
    for token in tokens:
        depth += (token in _OPENERS) - (token in _CLOSING)
        if not depth and token in separators:
            parts.append([])
            found.append(token)
        else:
            parts[-1].append(token)
    if len(parts) > MAX_PARTS:
        raise Undecided
    return parts, found


def _single(token: str, policy: Policy, nesting: int) -> str | None:
    """One token: a choice letter, a word, a text group, an empty set, infinity."""
    if token[0] == TEXT:
        content = token[1:].strip()
        if (choice := _CHOICE.fullmatch(content)) and content[0] + content[-1] in {"()", content * 2}:
            return f"c:{choice[1]}"
        if _WORDS.fullmatch(content.rstrip(".")):
            return _word(content.rstrip("."))
        return shape_of(tokenize(content), policy, nesting=nesting + 1)
    if token == "\u2205":
        return "l:()"
    if token == "\u221e":
        return "oo"
    if len(token) == 1 and token.isascii() and token.isupper():
        return f"c:{token}"
    is_name = len(token) > 1 and token.isascii() and token.isalpha() and token.isupper()
    return _word(token) if is_name or _is_word(token) else None


def _is_word(token: str) -> bool:
    """Whether bare letters read as a word. Three or four ascending letters without e, i, o, u are a product (abc)."""
    if not token.isalpha() or token in {"pi", "sqrt"}:
        return False
    if len(token) < 3:
        return token.lower() in {"no", "on", "up", "am", "pm"}
    is_ascending = all(a < b for a, b in zip(token, token[1:], strict=False))
    return len(token) > 4 or not is_ascending or not set("eiou").isdisjoint(token)


def _word(text: str) -> str:
    return "w:" + "".join(text.casefold().split())


def _words(tokens: Sequence[str]) -> str | None:
    """Words only: at least one that is no variable, nothing else but letters."""
    if not any(token[0] == TEXT or _is_word(token) for token in tokens):
        return None
    text = [token[1:] if token[0] == TEXT else token for token in tokens]
    if not all(_WORDS.fullmatch(part.strip()) or not part.strip() for part in text):
        return None
    return _word("".join(text))


def _choice(tokens: Sequence[str], policy: Policy, nesting: int) -> str | None:
    if len(tokens) != 3 or tokens[0] != "(" or tokens[2] != ")":
        return None
    found = _CHOICE.fullmatch(tokens[1].removeprefix(TEXT))
    return f"c:{found[1]}" if found else None


def _matrix(tokens: Sequence[str], policy: Policy, nesting: int) -> str | None:
    begin = _MATRIX.fullmatch(tokens[0])
    if begin is None:
        return None
    if tokens[-1].replace(" ", "") != f"\\end{{{begin[1]}matrix}}":
        raise Undecided
    rows, _ = _split(tokens[1:-1], frozenset({"\\\\"}))
    if len(rows) > 1 and not rows[-1]:
        rows.pop()  # a line break after the last row
    cells = [_split(row, frozenset({"&"}))[0] for row in rows]
    if len({len(row) for row in cells}) != 1:
        raise Undecided
    shown = [",".join(shape_of(c, policy, is_part=True, nesting=nesting + 1) for c in row) for row in cells]
    return f"m:[{';'.join(shown)}]"


def _union(tokens: Sequence[str], policy: Policy, nesting: int) -> str | None:
    parts, found = _split(tokens, frozenset({"\u222a"}))
    if not found:
        return None
    return _unite({_part(part, policy, nesting) for part in parts})


def _unite(keys: set[str]) -> str:
    if any(not key.startswith(("t:", "l:")) for key in keys):
        raise Undecided
    return f"u:({','.join(sorted(keys))})" if len(keys) > 1 else keys.pop()


def _list(tokens: list[str], policy: Policy, nesting: int) -> str | None:
    if tokens[0] == "\\{" and _closing(tokens, 0) == len(tokens) - 1:
        return _set(tokens[1:-1], policy, nesting)
    parts, found = _split(tokens, frozenset({",", ";", OR}))
    if not found:
        return None
    if any(_INEQUALITIES.intersection(part) for part in parts):
        return _alternatives(parts, found, policy, nesting)
    parts = [part for part in parts if part]  # "1, 2, and 3" has an empty part
    if len(parts) <= len(found) - 1:
        raise Undecided
    labels = [_label(part) for part in parts]
    if labels[0] is not None and not any(labels[1:]):
        labels = labels[:1] * len(labels)  # x = 1, 2: one name for all
    keys = [_part(_after(part), policy, nesting) for part in parts]
    if len(set(labels)) > 1 or (labels[0] is not None and not policy.labels_are_names):
        if None in labels:
            raise Undecided
        return _join("s", sorted(f"{label}={key}" for label, key in zip(labels, keys, strict=True)), policy)
    if any(key.startswith("l:") for key in keys):
        raise Undecided  # plus-minus inside of an enumeration
    return _join("l", keys, policy)


def _set(inner: list[str], policy: Policy, nesting: int) -> str:
    if not inner:
        return "l:()"
    if any(token in {":", "|", "\\mid"} or token in _RELATIONS for token in inner):
        raise Undecided  # a set with a condition
    return _list(inner, policy, nesting) or _join("l", [_part(inner, policy, nesting)], policy)


def _alternatives(parts: Sequence[list[str]], found: Sequence[str], policy: Policy, nesting: int) -> str:
    """``x < 1 or x > 2`` as a union. With ``and`` or a comma it would be an intersection, or several claims."""
    names = {token for part in parts for token in part if _is_symbol(token)}
    if set(found) != {OR} or len(names) != 1:
        raise Undecided
    return _unite({_part(part, policy, nesting) for part in parts})


def _part(tokens: list[str], policy: Policy, nesting: int) -> str:
    return shape_of(tokens, policy, is_part=True, nesting=nesting + 1)


def _label(tokens: Sequence[str]) -> str | None:
    """The name before the only ``=``, None without one."""
    parts, found = _split(tokens, _RELATIONS)
    return "".join(parts[0]) if found == ["="] and _is_name(parts[0]) else None


def _after(tokens: list[str]) -> list[str]:
    return tokens if _label(tokens) is None else tokens[tokens.index("=") + 1 :]


def _is_name(tokens: Sequence[str]) -> bool:
    r"""A lone symbol (``x``, ``\theta``, ``x_1``), a word, or a bracket of symbols (``(x, y)``)."""
    if tokens and tokens[0] == "(":
        names = tokens[1:-1:2]
        # (y,x)=(1,2) is not (1,2).
        return len(tokens) > 3 and tokens[-1] == ")" and all(map(_is_symbol, names)) and names == sorted(names)
    if len(tokens) == 3 and tokens[1] == "_":
        return _is_symbol(tokens[0])
    return len(tokens) == 1 and (_is_symbol(tokens[0]) or tokens[0][0] == TEXT)


def _is_symbol(token: str) -> bool:
    return (token.isascii() and token.isalpha()) or (token[0] == "\\" and token[1:].isalpha())


def _bracketed(tokens: list[str], policy: Policy, nesting: int) -> str | None:
    """A tuple or interval: round or square brackets around all, with a comma inside."""
    if tokens[0] not in {"(", "["} or tokens[-1] not in {")", "]"} or _closing(tokens, 0) != len(tokens) - 1:
        return None
    parts, found = _split(tokens[1:-1], frozenset({","}))
    if not found:
        return None
    if any(_label(part) is not None for part in parts):
        raise Undecided  # (y=1, x=2): the names say another order than the places
    return _interval(tokens[0], [_end(part, policy, nesting) for part in parts], tokens[-1])


def _interval(opener: str, parts: Sequence[str], closer: str) -> str:
    return f"t:{opener}{','.join(parts)}{closer}"


def _end(tokens: list[str], policy: Policy, nesting: int) -> str:
    """A part of a tuple or an end of an interval, where infinity may stand."""
    if tokens and tokens[-1] == "\u221e":
        if tokens[:-1] not in ([], ["+"], ["-"]):
            raise Undecided
        return "-oo" if tokens[0] == "-" else "oo"
    return _part(tokens, policy, nesting)


def _member(tokens: list[str], policy: Policy, nesting: int) -> str | None:
    r"""``x \in (1,2]``: the name of what lies in a set is a label."""
    if len(tokens) < 3 or tokens[1] != "\\in" or not _is_symbol(tokens[0]):
        return None
    key = shape_of(tokens[2:], policy, nesting=nesting + 1)
    if "\\in" in tokens[2:] or not (key.startswith(("t:", "u:")) or tokens[2] == "\\{"):
        raise Undecided
    return key


def _relation(tokens: list[str], policy: Policy, nesting: int) -> str | None:
    parts, found = _split(tokens, _RELATIONS)
    if not found:
        return None
    if any(not part for part in parts):
        raise Undecided
    if found == ["="]:
        return _equation(parts[0], parts[1], policy, nesting)
    if "=" in found:
        raise Undecided
    return _inequality(parts, found, policy)


def _equation(left: list[str], right: list[str], policy: Policy, nesting: int) -> str:
    if _is_name(right) and not _is_name(left):
        left, right = right, left
    if policy.labels_are_names and _is_name(left):
        key = shape_of(right, policy, nesting=nesting + 1)
        if not key.startswith("e:") or not any(values.has_variables(v) for v in Parser(without_units(right)).whole()):
            return key
    difference = values.add(_one(left), values.negate(_one(right)))
    if not values.has_variables(difference):
        raise Undecided  # 22/7 = 3.14 claims something about numbers: up to scale all such claims are one
    return "eq:" + values.show(values.scale_free(difference))


def _one(tokens: list[str]) -> Value:
    found = Parser(tokens).whole()
    if len(found) != 1:
        raise Undecided
    return found[0]


def _inequality(parts: list[list[str]], signs: list[str], policy: Policy) -> str:
    """``x > 2`` and ``1 < x < 2`` as the interval of the one symbol in them."""
    at = next((i for i, part in enumerate(parts) if len(part) == 1 and _is_symbol(part[0])), None)
    if at is None or len(parts) > 3 or (len(parts) == 3 and at != 1):
        raise Undecided
    if len(parts) == 2 and at == 1:
        parts, signs = parts[::-1], [_FLIPPED[signs[0]]]
    if len(parts) == 2:
        bound, is_below = _bound(parts[1]), signs[0] in {"<", "\u2264"}
        closed = signs[0] in {"\u2264", "\u2265"}
        if is_below:
            return _interval("(", ["-oo", bound], "]" if closed else ")")
        return _interval("[" if closed else "(", [bound, "oo"], ")")
    if signs[0] in {">", "\u2265"}:
        parts, signs = parts[::-1], [_FLIPPED[sign] for sign in signs[::-1]]
    if any(sign not in {"<", "\u2264"} for sign in signs):
        raise Undecided
    ends = [_bound(parts[0]), _bound(parts[2])]
    return _interval("[" if signs[0] == "\u2264" else "(", ends, "]" if signs[1] == "\u2264" else ")")


def _bound(tokens: list[str]) -> str:
    value = _one(tokens)
    if values.has_variables(value):
        raise Undecided
    return values.show(value)


def _ratio(tokens: Sequence[str], policy: Policy, nesting: int) -> str | None:
    """``3:4``, as written: a clock time reads the same way, so it is not reduced."""
    parts, found = _split(tokens, frozenset({":"}))
    if not found:
        return None
    if any(not part for part in parts):
        raise Undecided
    return f"r:({':'.join(values.show(_one(part)) for part in parts)})"


def _based(tokens: list[str], policy: Policy, nesting: int) -> str | None:
    """``1011_2``: digits and their base, never the decimal number of the same digits."""
    if "_" not in tokens:
        return None
    base = [token for token in tokens[tokens.index("_") + 1 :] if token not in {"{", "}"}]
    sign = "-" if tokens[0] == "-" else ""
    digits = "".join(tokens[len(sign) : tokens.index("_")])
    if len(base) != 1 or not base[0].isdecimal() or not 2 <= int(base[0][:3]) <= 36 or not re.fullmatch(
        r"[0-9][0-9A-Za-z]*", digits
    ):  # fmt: skip
        raise Undecided
    if base[0] == "10" and digits.isdecimal():
        return _value([*sign, digits], policy)
    return f"b:{base[0]}:{sign}{digits.lstrip('0').upper() or '0'}"


_READERS = (
    (_matrix, frozenset[str]()),
    (_choice, frozenset({"("})),
    (_member, frozenset({"\\in"})),
    (_union, frozenset({"\u222a"})),
    (_list, frozenset({",", ";", OR, "\\{"})),
    (_bracketed, frozenset({",", "\u221e"})),
    (_relation, _RELATIONS),
    (_ratio, frozenset({":"})),
    (_based, frozenset({"_"})),
)
"""Readers in the order in which they are tried, each only where one of its marks stands among the tokens."""
_MARKS = frozenset[str]().union(*(marks for _, marks in _READERS))
