"""Looks through every file of a release for secrets and for paths of the machine, and never shows what it found.

Text is read in pieces of a megabyte. Parquet is read by DuckDB, one query a file, all text columns of a row as one
text: a million rows of 620 bytes take 4 s on two cores. In rows of the dataset only secrets are looked for, since a
model may write a path as text; names and settings beside them (provenance) must hold no path either. Markdown
escapes what it would act on with a backslash, and JSON escapes quotes: both are looked at as a reader sees them too.
"""

from __future__ import annotations

import gzip
import html
import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from assets.release.private import PATH, SECRET, paths_in, secrets_in
from resources.errors import ReleaseError

MOST = 20
"""Findings of one file; more say nothing new."""

TEXTS = frozenset(
    {"problem", "generated_solution", "solution", "expected_answer", "answer", "benchmark_problem", "shared", "detail"}
)
"""Columns that hold what somebody wrote as a problem, a solution or an answer."""

_ROWS = (".jsonl", ".ndjson", ".json", ".csv", ".gz")
"""Endings of bundled files that hold rows."""

_RECIPE = "recipe/"

_ESCAPED = re.compile(r"\\([!-/:-@\[-`{-~])")
"""What Markdown shows without the backslash before it."""

_PIECE = 1 << 20
_OVERLAP = 1 << 10
_BATCH = 256

Look = Callable[[str], Iterator[tuple[str, int]]]


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that must not go out. ``what`` is its sort and not its value, ``place`` the line, or row and column."""

    path: str
    """Inside the release, with slashes."""
    what: str
    place: str


def scan_folder(session: duckdb.DuckDBPyConnection, folder: Path, secrets: Sequence[str]) -> list[Finding]:
    """Findings of every file under ``folder``, :data:`MOST` a file, in the order of the files.

    Args:
        session: May read ``folder``.
        folder: A release, or any other folder.
        secrets: Values that must stand nowhere (the environment's tokens).

    Raises:
        ReleaseError: A file cannot be read.
    """
    found: list[Finding] = []
    given = _as_written(secrets)
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        path = file.relative_to(folder).as_posix()
        try:
            is_table = file.suffix == ".parquet"
            found += _table(session, file, path, given) if is_table else _text(file, path, given)
        except (OSError, EOFError, pa.ArrowException, duckdb.Error) as error:
            what = f"it cannot be looked through: {str(error).splitlines()[0][:200]}"
            raise ReleaseError(what, where=path, fix="Build the release again") from error
    return found


def _as_written(secrets: Sequence[str]) -> tuple[str, ...]:
    """Each value, and as JSON writes it."""
    forms = [[value, *(json.dumps(value, ensure_ascii=way)[1:-1] for way in (True, False))] for value in secrets]
    return tuple(dict.fromkeys(form for each in forms for form in each if form))


# -- text ------------------------------------------------------------------------------------------------------------


def _text(file: Path, path: str, given: Sequence[str]) -> list[Finding]:
    def look(text: str) -> Iterator[tuple[str, int]]:
        yield from secrets_in(text, given)
        if not (path.startswith(_RECIPE) and path.endswith(_ROWS)):
            yield from paths_in(text)

    is_zipped = file.suffix == ".gz"
    with gzip.open(file, "rb") if is_zipped else file.open("rb") as handle:
        is_markdown = path.endswith(".md")
        return [Finding(path, what, f"line {line:,}") for what, line in _lines(handle, look, is_markdown=is_markdown)]


def _lines(handle: IO[bytes] | gzip.GzipFile, look: Look, *, is_markdown: bool) -> list[tuple[str, int]]:
    """(what, line) of each finding, each once a line, in pieces that overlap."""
    found: dict[tuple[str, int], None] = {}
    tail, first_line = b"", 1
    while (piece := handle.read(_PIECE)) and len(found) < MOST:
        whole = tail + piece
        text = whole.decode("utf-8", "replace")
        for shown in (text, _as_shown(text)) if is_markdown else (text,):
            for what, at in look(shown):
                # What begins where the overlap does was seen in the piece before, with what precedes it.
                if at or not tail:
                    found[what, first_line + shown.count("\n", 0, at + 1)] = None
        tail = whole[-_OVERLAP:]
        first_line += whole.count(b"\n", 0, len(whole) - len(tail))
    return list(found)[:MOST]


def _as_shown(text: str) -> str:
    """Markdown without its backslashes and entities, as many lines long."""
    return html.unescape(_ESCAPED.sub(r"\1", text))


# -- Parquet ---------------------------------------------------------------------------------------------------------


def _table(session: duckdb.DuckDBPyConnection, file: Path, path: str, given: Sequence[str]) -> list[Finding]:
    schema = pq.read_schema(file)
    found = [Finding(path, what, "metadata") for what in _metadata(file, schema, given)]
    columns = [field.name for field in schema if _holds_text(field.type)]
    if not columns:
        return found
    named = [] if path.startswith(_RECIPE) else [name for name in columns if name not in TEXTS]
    query, parameters = _query(file, columns, named, given)
    result = session.execute(query, parameters)
    while (rows := result.fetchmany(_BATCH)) and len(found) < MOST:
        for row in rows:
            found += [
                Finding(path, what, f"row {row[0]:,}, {column}") for what, column in _row(row, columns, named, given)
            ]
    return found[:MOST]


def _row(
    row: Sequence[object], columns: Sequence[str], named: Sequence[str], given: Sequence[str]
) -> Iterator[tuple[str, str]]:
    for column, value in zip(columns, row[1:], strict=True):
        text = str(value) if value is not None else ""
        kinds = {what for what, _ in secrets_in(text, given)}
        kinds |= {what for what, _ in paths_in(text)} if column in named else set()
        yield from ((what, f"column {column!r}") for what in sorted(kinds))


def _query(
    file: Path, columns: Sequence[str], named: Sequence[str], given: Sequence[str]
) -> tuple[str, dict[str, object]]:
    """Rows in which something may be. Names of columns are quoted; patterns and values are parameters."""
    parameters: dict[str, object] = {"file": str(file), "secret": SECRET}
    parameters |= {f"given{i}": value for i, value in enumerate(given)}
    tests = ["regexp_matches(every, $secret)", *(f"contains(every, $given{i})" for i in range(len(given)))]
    if named:
        parameters["path"] = PATH
        tests.append("regexp_matches(names, $path)")
    texts = {name: f"c{i}" for i, name in enumerate(columns)}
    query = f"""
        with texts as (
            select file_row_number, {", ".join(f"{_quoted(name)}::varchar as {alias}" for name, alias in texts.items())}
            from read_parquet($file, file_row_number = true)
        ), joined as (
            select *, concat_ws(chr(10), {", ".join(texts.values())}) as every,
                {f"concat_ws(chr(10), {', '.join(texts[name] for name in named)})" if named else "null"} as names
            from texts
        )
        select file_row_number, {", ".join(texts.values())} from joined where {" or ".join(tests)}
    """  # noqa: S608 - names of columns alone, quoted
    return query, parameters


def _quoted(column: str) -> str:
    return '"' + column.replace('"', '""') + '"'


def _holds_text(kind: pa.DataType) -> bool:
    """Strings, bytes, and whatever is made of them."""
    if pa.types.is_nested(kind):
        return any(_holds_text(kind.field(i).type) for i in range(kind.num_fields))
    if pa.types.is_dictionary(kind):
        return _holds_text(kind.value_type)
    is_text = pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
    return is_text or pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_binary_view(kind)


def _metadata(file: Path, schema: pa.Schema, given: Sequence[str]) -> list[str]:
    """What is in the key-value metadata of the file, of its schema and of its columns."""
    pairs = dict(pq.read_metadata(file).metadata or {}) | dict(schema.metadata or {})
    texts = [part for pair in pairs.items() for part in pair]
    texts += [part for field in schema for pair in (field.metadata or {}).items() for part in pair]
    text = b"\n".join(texts).decode("utf-8", "replace")
    return sorted({what for what, _ in secrets_in(text, given)} | {what for what, _ in paths_in(text)})
