"""Reads a prompt file's YAML with its lines, and compiles its templates in a sandbox without loaders or calls.

Built on Jinja's immutable sandbox and closed further: no globals, no methods of values, a short list of filters, no
repetition by ``*``. So a template costs time and memory in proportion to its own length and that of its values.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from jinja2 import StrictUndefined, Template, TemplateError, TemplateSyntaxError, meta, nodes
from jinja2.exceptions import SecurityError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from resources.errors import RecipeError

MAX_PROMPT = 200_000
"""Longest prompt in characters: about 50,000 tokens, beyond the context of the models in use."""

MAX_FILE_BYTES = 1 << 20
"""Longest prompt file: a megabyte of few-shot examples fits no context."""

MAX_DEPTH = 20

_FILTERS = (
    "capitalize",
    "d",
    "default",
    "first",
    "float",
    "int",
    "join",
    "last",
    "length",
    "lower",
    "replace",
    "reverse",
    "round",
    "string",
    "title",
    "trim",
    "upper",
)
"""Enough to word a prompt. Left out: what takes a width (``center``, ``indent``) and can make gigabytes of spaces."""

_TESTS = ("defined", "undefined", "none", "string", "number", "odd", "even", "eq", "ne", "lt", "gt", "in")

Loc = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Text:
    """A template as written: its source, and the line of the file on which it starts."""

    path: Path
    source: str
    first_line: int

    def line(self, number: int) -> int:
        """Line of the file for line ``number`` (from 1) of the template."""
        return self.first_line + max(number, 1) - 1

    def line_of(self, name: str) -> int | None:
        """The first line of the file on which the template says ``name``."""
        at = self.source.find(name)
        return None if at < 0 else self.line(self.source.count("\n", 0, at) + 1)


@dataclass(frozen=True, slots=True)
class PromptDocument:
    """The value of a prompt file, and where each part of it stands."""

    path: Path
    value: Any
    lines: Mapping[Loc, int]
    blocks: frozenset[Loc]
    """Texts written as YAML blocks: they start on the line after their key."""

    def place(self, loc: Loc) -> str:
        """``file:line`` of ``loc``, or of the nearest part of it that the file has."""
        while loc and loc not in self.lines:
            loc = loc[:-1]
        return f"{self.path}:{self.lines.get(loc, 1)}"

    def text(self, loc: Loc) -> Text:
        """The template at ``loc``."""
        value = self.value
        for part in loc:
            value = value[part]
        return Text(self.path, value, self.lines[loc] + (loc in self.blocks))


class _Loader(yaml.SafeLoader):
    """Safe, and without aliases: ten lines of them can unfold to billions of values."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark
            raise yaml.MarkedYAMLError(problem="aliases have no place in a prompt", problem_mark=mark)
        return super().compose_node(parent, index)


def read_prompt_yaml(path: Path) -> PromptDocument:
    """The file as plain values, with lines.

    Raises:
        RecipeError: It is absent, too large, no UTF-8, no YAML, says a key twice, or is no mapping.
    """
    text = _read(path)
    loader: Any = None
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        lines: dict[Loc, int] = {}
        blocks: set[Loc] = set()
        if not isinstance(node, yaml.MappingNode):
            raise RecipeError("the file is no mapping", where=f"{path}:1", fix="Write `mode: raw` and `template: |`")
        _walk(node, (), path, lines, blocks)
        return PromptDocument(path, loader.construct_document(node), lines, frozenset(blocks))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        what = f"the YAML cannot be read: {error.problem or error.context}"
        raise RecipeError(what, where=f"{path}:{line}", fix="Mend the YAML") from error
    except (yaml.YAMLError, RecursionError, ValueError) as error:  # ValueError: a date such as 2024-99-99
        what = f"the YAML cannot be read: {str(error).splitlines()[0]}"
        raise RecipeError(what, where=f"{path}:1", fix="Write plain text, and put values in quotes") from error
    finally:
        if loader is not None:
            loader.dispose()


def _read(path: Path) -> str:
    try:
        with path.open("rb") as handle:
            data = handle.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        what = f"the file cannot be read: {error.strerror or error}"
        raise RecipeError(what, where=str(path), fix="Create it, or correct the name of the prompt") from error
    if len(data) > MAX_FILE_BYTES:
        raise RecipeError(f"the file has more than {MAX_FILE_BYTES:,} bytes", where=f"{path}:1", fix="Shorten it")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise RecipeError("the file is not UTF-8 text", where=f"{path}:{line}", fix="Save it as UTF-8") from error


def _walk(node: yaml.Node, loc: Loc, path: Path, lines: dict[Loc, int], blocks: set[Loc]) -> None:
    if len(loc) > MAX_DEPTH:
        raise RecipeError("the YAML is nested too deep", where=f"{path}:{node.start_mark.line + 1}", fix="Flatten it")
    lines.setdefault(loc, node.start_mark.line + 1)
    if isinstance(node, yaml.ScalarNode) and node.style in ("|", ">"):
        blocks.add(loc)
    elif isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            _walk(item, (*loc, index), path, lines, blocks)
    elif isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            inner = (*loc, str(key.value))
            line = key.start_mark.line + 1
            if inner in lines:
                what = f"the key {key.value!r} stands twice, first in line {lines[inner]}"
                raise RecipeError(what, where=f"{path}:{line}", fix="Remove one of them")
            lines[inner] = line
            _walk(value, inner, path, lines, blocks)


class _Environment(ImmutableSandboxedEnvironment):
    """Jinja's sandbox, less what could grow without bound or reach beyond the values."""

    intercepted_binops = frozenset({"*", "**", "%"})

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        """Arithmetic on numbers only: ``"a" * 10**9`` and ``"%99999999d" % 1`` are no prompts."""
        if operator == "**" or not (isinstance(left, int | float) and isinstance(right, int | float)):
            raise SecurityError(f"the operator {operator} is not for templates")
        return super().call_binop(context, operator, left, right)

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        """No methods of texts, numbers, lists and mappings; what is left is a loop's own state."""
        return not isinstance(obj, str | bytes | int | float | list | tuple | dict) and super().is_safe_attribute(
            obj, attr, value
        )

    def getattr(self, obj: Any, attribute: str) -> Any:
        """``example.problem`` is the key, whatever methods a mapping has: faster, and no key is hidden."""
        if isinstance(obj, dict):
            return obj[attribute] if attribute in obj else self.undefined(obj=obj, name=attribute)
        return super().getattr(obj, attribute)


def _environment() -> _Environment:
    made = _Environment(
        undefined=StrictUndefined, autoescape=False, keep_trailing_newline=True, trim_blocks=True, lstrip_blocks=True
    )
    made.globals = {}
    made.filters = {name: made.filters[name] for name in _FILTERS}
    made.tests = {name: made.tests[name] for name in _TESTS}
    return made


_ENVIRONMENT = _environment()


@dataclass(frozen=True, slots=True)
class Compiled:
    """A template, ready to be filled in."""

    text: Text
    variables: frozenset[str]
    """Names that it needs."""
    pieces: Callable[[Mapping[str, Any]], Iterator[str]]
    """The text, piece by piece, so that a loop over a long value is stopped while it grows."""

    def render(self, values: Mapping[str, Any]) -> str:
        """The text. Raises RecipeError with file and line, also when it would be longer than ``MAX_PROMPT``."""
        parts: list[str] = []
        size = 0
        try:
            for piece in self.pieces(values):
                size += len(piece)
                if size > MAX_PROMPT:
                    raise too_long(self.text.path)
                parts.append(piece)
            return "".join(parts)
        except (TemplateError, TypeError, ValueError, ArithmeticError, RecursionError) as error:
            line = self.text.line(_line_of(error, str(self.text.path)))
            what = f"the template cannot be filled in: {str(error)[:300]}"
            raise RecipeError(what, where=f"{self.text.path}:{line}", fix="Correct the template") from error


def too_long(path: Path) -> RecipeError:
    """The error for a prompt that no model can read."""
    return RecipeError(
        f"the prompt would have more than {MAX_PROMPT:,} characters",
        where=str(path),
        fix="Shorten the template, or keep such long problems out of the stage",
    )


def compile_text(text: Text) -> Compiled:
    """Compile once. Raises RecipeError with the file's own line."""
    try:
        tree = _ENVIRONMENT.parse(text.source, filename=str(text.path))
        _refuse_parts(tree, text)
        variables = frozenset(meta.find_undeclared_variables(tree))
        code = _ENVIRONMENT.compile(text.source, filename=str(text.path))
        template = Template.from_code(_ENVIRONMENT, code, {})
    except TemplateSyntaxError as error:
        where = f"{text.path}:{text.line(error.lineno)}"
        raise RecipeError(f"the template is no Jinja: {error.message}", where=where, fix="Mend the template") from error
    except (RecursionError, OverflowError, MemoryError) as error:
        where = f"{text.path}:{text.first_line}"
        raise RecipeError("the template is nested too deep", where=where, fix="Simplify it") from error
    return Compiled(text, variables, template.generate)


def _refuse_parts(tree: nodes.Template, text: Text) -> None:
    banned = (nodes.Include, nodes.Import, nodes.FromImport, nodes.Extends, nodes.Macro, nodes.Call, nodes.CallBlock)
    for node in tree.find_all(banned):
        word = type(node).__name__.lower()
        raise RecipeError(
            f"a template has no {word}",
            where=f"{text.path}:{text.line(node.lineno)}",
            fix="Use variables, loops, conditions and filters only",
        )


def _line_of(error: BaseException, filename: str) -> int:
    """Line inside the template: Jinja rewrites the traceback so that its frames name the template's file."""
    line, step = 1, error.__traceback__
    while step is not None:
        if step.tb_frame.f_code.co_filename == filename:
            line = step.tb_lineno
        step = step.tb_next
    return line
