"""Reads YAML and TOML as plain values that know their lines. What the values mean is no business of this module.

YAML is read in the core schema of YAML 1.2 and from nodes only: no tag makes an object, ``no`` and ``on`` are words,
and neither a long file, a deep one nor one that unfolds by aliases can hold a build.
"""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from yaml.composer import Composer
from yaml.parser import Parser
from yaml.reader import Reader
from yaml.resolver import BaseResolver
from yaml.scanner import Scanner

from dagster_project.language.resolved import Place
from resources.errors import RecipeError

Loc = tuple[str | int, ...]
"""A way through a file: keys and list positions."""

MAX_BYTES = 1 << 20
"""Longest file: recipes have hundreds of lines, so a megabyte is somebody's data in the wrong place."""

MAX_VALUES = 50_000
"""Most values after aliases are unfolded: ten lines of aliases can stand for billions."""

MAX_DEPTH = 40
"""Deepest nesting; also ends an alias that contains itself."""


@dataclass(frozen=True, slots=True)
class Document:
    """One file: its value and the line of every key and item."""

    path: Path
    value: Any
    lines: Mapping[Loc, int]

    def place(self, *loc: str | int) -> Place:
        """The line of ``loc``, or of the nearest part of it that the file has."""
        while loc and loc not in self.lines:
            loc = loc[:-1]
        return Place(self.path, self.lines.get(loc, 1))


def read_yaml(path: Path) -> Document:
    """The file as plain dicts, lists and scalars; an empty file is an empty mapping.

    Raises:
        RecipeError: It is absent, no YAML, too large, or says a key twice.
    """
    return parse_yaml(_text(path), path)


def parse_yaml(text: str, path: Path) -> Document:
    """``text`` of ``path``; a part of a file keeps its lines if as many empty lines are put before it.

    Raises:
        RecipeError: It is no YAML, or says a key twice.
    """
    try:
        node = _Composer(text).get_single_node()
        walk = _Walk(path)
        value = walk.value(node, (), 0) if node is not None else {}
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = Place(path, mark.line + 1 if mark else 1)
        raise _error(f"the YAML cannot be read: {error.problem or error.context}", place, "Mend the YAML") from error
    except yaml.YAMLError as error:
        what = f"the YAML cannot be read: {str(error).splitlines()[0]}"
        raise _error(what, Place(path, 1), "Save the file as plain UTF-8 text") from error
    except RecursionError as error:
        raise _error("the YAML is nested too deep", Place(path, 1), f"Nest at most {MAX_DEPTH} levels") from error
    if not isinstance(value, dict):
        raise _error("the file is no mapping of keys to values", Place(path, 1), "Write `key: value` lines")
    return Document(path, value, walk.lines)


def read_toml(path: Path) -> Document:
    """A TOML file; lines are known for tables and for keys written one a line.

    Raises:
        RecipeError: It is absent, no TOML, or too large.
    """
    text = _text(path)
    try:
        value = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        at = re.search(r" \(at line (\d+), column \d+\)", str(error))
        place = Place(path, int(at.group(1)) if at else 1)
        what = str(error)[: at.start()] if at else str(error)
        raise _error(f"the TOML cannot be read: {what}", place, "Mend the TOML") from error
    return Document(path, value, _toml_lines(text))


def _text(path: Path) -> str:
    try:
        with path.open("rb") as handle:
            data = handle.read(MAX_BYTES + 1)
        if len(data) > MAX_BYTES:
            what = f"the file is larger than {MAX_BYTES:,} bytes"
            raise _error(what, Place(path, 1), "Keep data in files of its own")
        return data.decode("utf-8-sig")
    except OSError as error:
        what = f"the file cannot be read: {error.strerror or error}"
        raise RecipeError(what, where=str(path), fix="Create it, or correct the path") from error
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise _error("the file is not UTF-8 text", Place(path, line), "Save the file as UTF-8") from error


def _error(what: str, place: Place, fix: str) -> RecipeError:
    return RecipeError(what, where=str(place), fix=fix)


class _Resolver(BaseResolver):
    """Which plain scalars are no text. The core schema of YAML 1.2, with _ between groups of three digits."""


_DIGITS = r"(?:0|[1-9][0-9]{0,2}(?:_[0-9]{3}){1,5}|[1-9][0-9]{0,17})"
_EXPONENT = r"(?:[eE][-+]?[0-9]+)"
_SCALARS = (
    ("null", r"^(?:~|null|Null|NULL|)$", ["~", "n", "N", ""]),
    ("bool", r"^(?:true|True|TRUE|false|False|FALSE)$", list("tTfF")),
    ("int", rf"^[-+]?{_DIGITS}$", list("-+0123456789")),
    ("float", rf"^[-+]?(?:\.[0-9]+{_EXPONENT}?|[0-9]+(?:\.[0-9]*{_EXPONENT}?|{_EXPONENT}))$", list("-+.0123456789")),
    ("float", r"^(?:[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$", list("-+.")),
)
_TAG = "tag:yaml.org,2002:"
for _name, _pattern, _first in _SCALARS:
    _Resolver.add_implicit_resolver(_TAG + _name, re.compile(_pattern), _first)


class _Composer(Reader, Scanner, Parser, Composer, _Resolver):
    """YAML text to nodes; no constructor, so a tag can make nothing."""

    def __init__(self, text: str) -> None:
        Reader.__init__(self, text)
        Scanner.__init__(self)
        Parser.__init__(self)
        Composer.__init__(self)
        _Resolver.__init__(self)


class _Walk:
    """Nodes to values, with lines and limits."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._count = 0
        self.lines: dict[Loc, int] = {}

    def value(self, node: yaml.Node, loc: Loc, depth: int) -> Any:
        """The value of ``node``, which stands at ``loc``."""
        self._count += 1
        self.lines.setdefault(loc, node.start_mark.line + 1)
        if depth > MAX_DEPTH:
            raise _error("the YAML is nested too deep", self._place(node), f"Nest at most {MAX_DEPTH} levels")
        if self._count > MAX_VALUES:
            fix = "Write fewer values, and no aliases of aliases"
            raise _error(f"the file unfolds to more than {MAX_VALUES:,} values", self._place(node), fix)
        if isinstance(node, yaml.MappingNode) and node.tag == _TAG + "map":
            return self._mapping(node, loc, depth)
        if isinstance(node, yaml.SequenceNode) and node.tag == _TAG + "seq":
            return [self.value(item, (*loc, index), depth + 1) for index, item in enumerate(node.value)]
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node)
        raise self._bad_tag(node)

    def _mapping(self, node: yaml.MappingNode, loc: Loc, depth: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        first: dict[str, int] = {}
        for key_node, value_node in node.value:
            key = self._key(key_node)
            if key in found:
                what = f"the key {key!r} stands twice, first in line {first[key]}"
                raise _error(what, self._place(key_node), "Give one of them another name, or remove it")
            first[key] = self.lines[*loc, key] = key_node.start_mark.line + 1
            found[key] = self.value(value_node, (*loc, key), depth + 1)
        return found

    def _key(self, node: yaml.Node) -> str:
        key = self._scalar(node) if isinstance(node, yaml.ScalarNode) else None
        if not isinstance(key, str):
            shown = node.value if isinstance(node, yaml.ScalarNode) else "a list or a mapping"
            raise _error(f"the key {shown!r} is no text", self._place(node), "Write the key in quotes")
        return key

    def _scalar(self, node: yaml.ScalarNode) -> Any:
        text = node.value
        if node.tag == _TAG + "str":
            return text
        if node.tag == _TAG + "null":
            return None
        if node.tag == _TAG + "bool":
            return text.lower() == "true"
        try:
            number = int(text.replace("_", "")) if node.tag == _TAG + "int" else self._float(node)
        except ValueError:
            raise self._bad_tag(node) from None
        if not math.isfinite(number):
            raise _error(f"the number {text!r} is not finite", self._place(node), "Write a number, or put it in quotes")
        return number

    def _float(self, node: yaml.ScalarNode) -> float:
        if node.tag != _TAG + "float":
            raise self._bad_tag(node)
        return float(node.value.lstrip("+").lower().replace(".inf", "inf").replace(".nan", "nan"))

    def _bad_tag(self, node: yaml.Node) -> RecipeError:
        tag = str(node.tag).replace(_TAG, "!!")
        return _error(f"the tag {tag!r} does not belong here", self._place(node), "Remove the tag")

    def _place(self, node: yaml.Node) -> Place:
        return Place(self._path, node.start_mark.line + 1)


_TABLE = re.compile(r"\s*\[\[?\s*(.+?)\s*\]\]?\s*(?:#.*)?$")
_ENTRY = re.compile(r"\s*(\"[^\"]*\"|'[^']*'|[\w.-]+)\s*=")


def _toml_lines(text: str) -> dict[Loc, int]:
    """Lines of table headers and of keys; a line inside a multi-line string may add a place that nothing asks for."""
    lines: dict[Loc, int] = {(): 1}
    table: Loc = ()
    for number, line in enumerate(text.splitlines(), start=1):
        if header := _TABLE.match(line):
            table = tuple(part.strip().strip("\"'") for part in header.group(1).split("."))
            for depth in range(1, len(table) + 1):
                lines.setdefault(table[:depth], number)
        elif entry := _ENTRY.match(line):
            lines.setdefault((*table, entry.group(1).strip("\"'")), number)
    return lines
