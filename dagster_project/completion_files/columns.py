"""Which column of a user's file means what: by its name, or as the command line says.

The lists below are what is tried, in this order; ``docs/completion_files.md`` shows them. Values are judged here too: a
row whose values make no completion becomes a :class:`BadRow` with its reason.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal, get_args

from assets.generation.settings import MAX_SAMPLES
from resources.engines.options import nearest
from resources.errors import FileError

Match = Literal["key", "problem", "prompt", "position"]
MATCHES: tuple[str, ...] = get_args(Match)

NAMES: Mapping[str, tuple[str, ...]] = {
    # Ours, plain words, NeMo-Skills, the OpenMathInstruct releases, chat logs; `solution` and `answer` come last: in
    # files of seeds they are the source's own.
    "text": (
        "text",
        "completion",
        "generation",
        "generated_solution",
        "response",
        "output",
        "solution",
        "answer",
    ),
    "problem": ("problem", "question"),
    "problem_id": ("problem_id",),
    "prompt": ("prompt",),
    "messages": ("messages",),
    "request_key": ("request_key",),
    "row_id": ("row_id",),
    "slot": ("slot",),
    "sample_index": ("sample_index",),
    "position": ("_async_position",),
    "reasoning": ("reasoning", "reasoning_content"),
    "finish_reason": ("finish_reason",),
    "prompt_tokens": ("prompt_tokens", "num_input_tokens"),
    "completion_tokens": ("completion_tokens", "num_generated_tokens"),
    "engine": ("engine",),
    "weights": ("weights",),
    "error": ("error",),
}
"""What a column means -> the names that it may have."""

CUT = frozenset({"length", "max_tokens", "max_length"})
"""Finish reasons of servers that mean: ended by the limit of tokens. All others are stored as ``stop``."""

MAX_TOKENS = 2**31 - 1
_SHOWN = 80


class BadRow(Exception):
    """A row that is no completion, and why."""


@dataclass(frozen=True, slots=True)
class Columns:
    """The name of each column that a file has; None where it has none."""

    text: str
    problem: str | None = None
    problem_id: str | None = None
    prompt: str | None = None
    messages: str | None = None
    request_key: str | None = None
    row_id: str | None = None
    slot: str | None = None
    sample_index: str | None = None
    position: str | None = None
    reasoning: str | None = None
    finish_reason: str | None = None
    prompt_tokens: str | None = None
    completion_tokens: str | None = None
    engine: str | None = None
    weights: str | None = None
    error: str | None = None

    def used(self) -> frozenset[str]:
        """Names of all columns that are read."""
        return frozenset(name for f in fields(self) if (name := getattr(self, f.name)) is not None)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a row says of its completion."""

    text: str
    reasoning: str | None
    finish_reason: str
    prompt_tokens: int | None
    completion_tokens: int | None
    engine: str | None


def choose(present: Collection[str], said: Mapping[str, str | None], where: str) -> Columns:
    """Find the columns of a file.

    Args:
        present: Names of its columns.
        said: Meaning -> name, where the command line says it; None where not.
        where: The file, for errors.

    Raises:
        FileError: A named column is not there, or none that could be the text.
    """
    found: dict[str, str] = {}
    for meaning, names in NAMES.items():
        wanted = said.get(meaning)
        if wanted is not None and wanted not in present:
            like = nearest(wanted, present)
            raise FileError(
                f"no row has the column {wanted!r} (columns there: {_listed(present)})",
                where=where,
                fix=f"Did you mean {like!r}?" if like else "Name one of its columns",
            )
        name = wanted or next((name for name in names if name in present), None)
        if name is not None:
            found[meaning] = name
    if "text" not in found:
        raise FileError(
            f"no column is known as the text of a completion (columns there: {_listed(present)})",
            where=where,
            fix="Name it: --text COLUMN",
        )
    return Columns(**found)


def choose_match(columns: Columns, wanted: str, *, is_by_line: bool, where: str) -> Match:
    """How rows find their requests. ``is_by_line``: the files' names say that line i is problem i.

    Raises:
        FileError: The files lack the columns for what is wanted, or for any way at all.
    """
    has: Mapping[str, bool] = {
        "key": columns.request_key is not None,
        "problem": columns.problem is not None or columns.problem_id is not None,
        "prompt": columns.prompt is not None or columns.messages is not None,
        "position": True,
    }
    needs = {"key": "request_key", "problem": "problem, question or problem_id", "prompt": "prompt or messages"}
    for match in get_args(Match):
        if wanted == match:
            if not has[match]:
                raise FileError(
                    f"matching by {match} needs a column {needs[match]}", where=where, fix="Match by another way"
                )
            return match
        if wanted == "auto" and has[match] and (match != "position" or is_by_line):
            return match
    raise FileError(
        "nothing says which problem a row answers: no column request_key, problem, question, problem_id, prompt or "
        "messages, and no name like output-rsN.jsonl",
        where=where,
        fix="Name the column (--problem COLUMN), or say --match position if line i answers row i of the stage",
    )


def read_answer(values: Mapping[str, Any], columns: Columns) -> Answer:
    """The completion in one row. Raises BadRow."""
    check_answer(values, columns)
    return Answer(
        text=values[columns.text],
        reasoning=_reasoning(values, columns),
        finish_reason="length" if str(_get(values, columns.finish_reason)).lower() in CUT else "stop",
        prompt_tokens=_tokens(_get(values, columns.prompt_tokens)),
        completion_tokens=_tokens(_get(values, columns.completion_tokens)),
        engine=_text_or_none(_get(values, columns.engine)),
    )


def check_answer(values: Mapping[str, Any], columns: Columns) -> None:
    """Raises BadRow if the row holds no completion. An empty text is one."""
    text = values.get(columns.text)
    error = _get(values, columns.error)
    if error and not text:
        raise BadRow(f"the file says that it failed: {_shown(error)}")
    if text is None:
        raise BadRow(f"no text: {columns.text!r} is missing or null")
    if not isinstance(text, str):
        raise BadRow(f"{columns.text!r} is no text but {type(text).__name__}")


def read_sample(values: Mapping[str, Any], column: str) -> int:
    """The sample index of a row, from 0. Raises BadRow."""
    value = values.get(column)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise BadRow(f"{column!r} is {_shown(value)}, which is no sample index")
    if not 0 <= value < MAX_SAMPLES:
        raise BadRow(f"{column!r} is {_shown(value)}, which is not between 0 and {MAX_SAMPLES - 1:,}")
    return value


def read_id(values: Mapping[str, Any], column: str) -> bytes:
    """An id as 16 bytes: a UUID as text or as Parquet gives it. Raises BadRow."""
    value = values.get(column)
    if isinstance(value, uuid.UUID):
        return value.bytes
    if isinstance(value, bytes) and len(value) == 16:
        return value
    if isinstance(value, str):
        try:
            return uuid.UUID(value).bytes
        except ValueError:
            pass
    raise BadRow(f"{column!r} is {_shown(value)}, which is no id")


def read_messages(values: Mapping[str, Any], column: str) -> tuple[tuple[str, str], ...]:
    """Pairs (role, content). Raises BadRow."""
    value = values.get(column)
    if not isinstance(value, Sequence) or isinstance(value, str) or not value:
        raise BadRow(f"{column!r} is {_shown(value)}, which is no list of messages")
    pairs = []
    for message in value:
        role = message.get("role") if isinstance(message, Mapping) else None
        content = message.get("content") if isinstance(message, Mapping) else None
        if not isinstance(role, str) or not isinstance(content, str):
            raise BadRow(f"{column!r} holds {_shown(message)}, which has no role and content")
        pairs.append((role, content))
    return tuple(pairs)


def read_text(values: Mapping[str, Any], column: str) -> str:
    """A text. Raises BadRow."""
    value = values.get(column)
    if not isinstance(value, str):
        raise BadRow(f"{column!r} is {_shown(value)}, which is no text")
    return value


def _reasoning(values: Mapping[str, Any], columns: Columns) -> str | None:
    return _text_or_none(_get(values, columns.reasoning))


def _get(values: Mapping[str, Any], column: str | None) -> Any:
    return None if column is None else values.get(column)


def _text_or_none(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _tokens(value: Any) -> int | None:
    """A count of tokens; None where it is none."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MAX_TOKENS:
        return None
    return value


def _shown(value: Any) -> str:
    """A value of a hostile file, short and on one line."""
    return ascii(value)[:_SHOWN]


def _listed(names: Collection[str]) -> str:
    return ", ".join(ascii(name)[1:-1] for name in sorted(names)[:20]) or "none"
