"""What a row of a file and a request of a stage must have in common: 16 bytes made of either side in the same way.

Both sides become Parquet files of ids in a scratch folder, without texts; ``planning`` joins them in DuckDB. Memory:
one batch of a stage's rows and their requests, or some thousand rows of a file.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pyarrow as pa
import pyarrow.parquet as pq

from assets.kinds import Table
from assets.schemas import ID, problem_id, table_of
from dagster_project.completion_files.columns import (
    BadRow,
    Columns,
    Match,
    check_answer,
    read_id,
    read_messages,
    read_sample,
    read_text,
)
from dagster_project.completion_files.naming import CompletionFile
from dagster_project.completion_files.rejects import Rejects
from dagster_project.language.resolved import Stage
from dagster_project.row_files.reading import FileRow, read_rows
from dagster_project.running.generation.asks import KeyedAsks, keyed_asks, trial_asks
from dagster_project.running.workspace import Workspace
from resources.engines.protocol import Prompt, Sampling
from resources.errors import FileError
from resources.identity import ID_BYTES, canonical_json, digest128
from resources.requests.key import is_greedy

BATCH_ROWS = 1024
"""Rows of a stage at a time: with 8 KB of few-shot prompt each, 8 MB."""
BATCH_ROWS_OF_KEYS = 128
"""Rows of a stage at a time where each sample is a row here: with 512 samples, 65,000."""
WRITE_ROWS = 16_384
"""Rows of ids that are written together."""
MAX_PLACE = 1 << 40
"""Above any number of rows: a place beyond it is another column by the same name."""
MANY_WEIGHTS = 5
"""Names of weights that are remembered of the files, for the reader to see."""

TARGETS = pa.schema(
    [
        ("match", ID),
        ("ask", pa.int64()),
        ("base", ID),
        ("checked", ID),  # the problem of the row, where places are matched and the file names problems too
        ("sampling", pa.int32()),
        ("is_greedy", pa.bool_()),
        ("first", pa.int64()),
        ("samples", pa.int64()),
        ("missing", pa.int64()),
        ("sample_index", pa.int64()),  # only where one sample is matched by its request key
    ]
)
SAMPLES = pa.schema(
    [
        ("n", pa.int64()),  # of all rows of all files, from 0
        ("file", pa.int32()),
        ("line", pa.int64()),
        ("match", ID),
        ("checked", ID),
        ("sample_index", pa.int64()),
        ("request_key", ID),
    ]
)


@dataclass(slots=True)
class Gathered:
    """What the files hold: counts, and what decides how the stage is looked at."""

    rows: int = 0
    needs_keys: bool = False
    """Some row has a request key and nothing else that names its request."""
    weights: Counter[str] = field(default_factory=Counter)
    """Names of weights in the files."""


def gather(
    files: Sequence[CompletionFile],
    columns: Columns,
    match: Match,
    sample_of: Callable[[CompletionFile], int | None],
    rejects: Rejects,
    path: Path,
    tick: Callable[[int], None],
) -> Gathered:
    """Read all files once; write the ids of every row that is a completion.

    Args:
        files: In their order.
        columns: Where what stands.
        match: What ids are made of.
        sample_of: The sample index that a file's name gives to all its rows; None where it gives none.
        rejects: Takes the rows that are none.
        path: The file of :data:`SAMPLES` to write.
        tick: Told the number of rows so far, now and then.
    """
    found = Gathered()
    batch: list[dict[str, Any]] = []
    with pq.ParquetWriter(path, SAMPLES) as writer:
        for number, (file, row, place) in _rows(files, columns):
            try:
                if row.fault:
                    raise BadRow(row.fault)
                check_answer(row.values, columns)
                ids = _ids(row.values, columns, match, place, found)
                given = read_sample(row.values, columns.sample_index) if columns.sample_index else sample_of(file)
                batch.append({"n": found.rows, "file": number, "line": row.line, "sample_index": given} | ids)
            except BadRow as fault:
                rejects.add("bad", file.path, row.line, str(fault))
            found.rows += 1
            if len(batch) >= WRITE_ROWS:
                writer.write_table(table_of(SAMPLES, batch))
                batch = []
                tick(found.rows)
        writer.write_table(table_of(SAMPLES, batch))
    return found


def _rows(
    files: Sequence[CompletionFile], columns: Columns
) -> Iterator[tuple[int, tuple[CompletionFile, FileRow, int]]]:
    """(number of the file, (file, row, its place among the problems))."""
    before: CompletionFile | None = None
    start = end = 0
    for number, file in enumerate(files):
        start = end if before is not None and before.whole == file.whole else 0  # chunks in a row are one file
        end = start
        for row in read_rows(file.path, columns.used()):
            end = start + row.number + 1
            said = row.values.get(columns.position) if columns.position else None
            is_place = isinstance(said, int) and not isinstance(said, bool) and 0 <= said < MAX_PLACE
            yield number, (file, row, start + (cast(int, said) if is_place else row.number))
        before = file


def _ids(values: Mapping[str, Any], columns: Columns, match: Match, place: int, found: Gathered) -> dict[str, Any]:
    name = values.get(columns.weights) if columns.weights else None
    if isinstance(name, str) and (name in found.weights or len(found.weights) < MANY_WEIGHTS):
        found.weights[name] += 1
    if match == "position":
        return {"match": place.to_bytes(ID_BYTES, "big"), "checked": _problem(values, columns)}
    if match == "problem":
        return {"match": _problem(values, columns)}
    if match == "prompt":
        return {"match": _prompt(values, columns)}
    assert columns.request_key is not None
    key = read_id(values, columns.request_key)
    if columns.row_id and columns.sample_index:
        slot = values.get(columns.slot) if columns.slot else None
        return {"match": _slot_id(read_id(values, columns.row_id), str(slot or "")), "request_key": key}
    found.needs_keys = True
    return {"match": key, "request_key": key}


def _problem(values: Mapping[str, Any], columns: Columns) -> bytes | None:
    """Of the text where there is one: a column ``problem_id`` of somebody else's is no id of ours."""
    if columns.problem:
        return problem_id(read_text(values, columns.problem))
    return read_id(values, columns.problem_id) if columns.problem_id else None


def _prompt(values: Mapping[str, Any], columns: Columns) -> bytes:
    if columns.messages and values.get(columns.messages) is not None:
        return _chat_id(read_messages(values, columns.messages))
    if columns.prompt is None:
        raise BadRow(f"{columns.messages!r} is missing or null")
    return _raw_id(read_text(values, columns.prompt))


@dataclass(frozen=True, slots=True)
class Targets:
    """What a stage asks for."""

    asks: int
    requests: int
    samplings: Sequence[Sampling]
    """Each that is asked with, once."""


def write_targets(
    workspace: Workspace, stage: Stage, table: Table, columns: Columns, match: Match, needs_keys: bool, path: Path
) -> Targets:
    """Write the ids of every request that ``stage`` makes of ``table`` to a file of :data:`TARGETS`.

    Raises:
        FileError: Problems are to be matched, and the rows of this stage have none.
    """
    samplings: dict[Sampling, int] = {}
    asks = requests = 0
    with pq.ParquetWriter(path, TARGETS) as writer:
        batch_rows = BATCH_ROWS_OF_KEYS if needs_keys else BATCH_ROWS
        # A trial's rows have no place among the problems of a file.
        trial = trial_asks(workspace, stage, table) if match in ("key", "prompt") else ()
        for part in itertools.chain(trial, keyed_asks(workspace, stage, table, batch_rows=batch_rows)):
            rows: list[dict[str, Any]] = []
            known = workspace.requests.known(part.flat_keys)
            ids = list(_target_ids(part, stage, columns, match))
            start = 0
            for at, ask in enumerate(part.asks):
                stored = known[start : start + ask.count].sum()
                start += ask.count
                own = {
                    "match": ids[at][0],
                    "checked": ids[at][1],
                    "ask": asks + at,
                    "base": part.bases[at],
                    "sampling": samplings.setdefault(ask.sampling, len(samplings)),
                    "is_greedy": is_greedy(ask.sampling),
                    "first": ask.first,
                    "samples": ask.count,
                    "missing": ask.count - int(stored),
                }
                rows.append(own)
                if needs_keys:
                    rows += [
                        own | {"match": key, "sample_index": ask.first + i}
                        for i, key in enumerate(dict.fromkeys(part.keys[at]))  # at temperature 0 there is only one
                    ]
            writer.write_table(table_of(TARGETS, rows))
            asks += len(part.asks)
            requests += len(part.flat_keys)
    return Targets(asks, requests, list(samplings))


def _target_ids(part: KeyedAsks, stage: Stage, columns: Columns, match: Match) -> Iterator[tuple[bytes, bytes | None]]:
    """Of each ask: what it is matched by, and its problem where that is checked."""
    if match == "key":
        yield from ((_slot_id(ask.row_id, ask.slot), None) for ask in part.asks)
        return
    if match == "prompt":
        yield from ((_prompt_id(ask.prompt), None) for ask in part.asks)
        return
    problems = _problems(part, stage, columns, is_needed=match == "problem")
    if match == "problem":
        yield from ((problems[ask.row_id], None) for ask in part.asks)
        return
    places = _places(part, stage)
    yield from ((places[ask.row_id].to_bytes(ID_BYTES, "big"), problems.get(ask.row_id)) for ask in part.asks)


def _places(part: KeyedAsks, stage: Stage) -> dict[bytes, int]:
    return {row_id: part.batch.start + at for at, row_id in reversed(list(enumerate(_row_ids(part, stage))))}


def _row_ids(part: KeyedAsks, stage: Stage) -> list[bytes]:
    row_id: str = stage.kind.row_id  # pyright: ignore[reportAttributeAccessIssue] - a generation kind
    return part.batch.rows.column(row_id).combine_chunks().storage.to_pylist()


def _problems(part: KeyedAsks, stage: Stage, columns: Columns, *, is_needed: bool) -> dict[bytes, bytes]:
    """Row id -> id of its problem, by what the file names it; empty where either side names none."""
    if columns.problem is None and columns.problem_id is None:
        return {}
    name = "problem" if columns.problem else "problem_id"
    if name not in part.batch.rows.column_names:
        if not is_needed:
            return {}
        raise FileError(
            f"the rows that ask here have no column {name!r}",
            where=f"stage {stage.name!r}",
            fix="Match by another way: --match key or --match prompt",
        )
    column = part.batch.rows.column(name).combine_chunks()
    values = [problem_id(text) for text in column.to_pylist()] if columns.problem else column.storage.to_pylist()
    return dict(zip(_row_ids(part, stage), values, strict=True))


def _prompt_id(prompt: Prompt) -> bytes:
    return _raw_id(prompt.text) if prompt.mode == "raw" else _chat_id(prompt.messages)


def _raw_id(text: str) -> bytes:
    return digest128("file-prompt", "raw", text)


def _chat_id(messages: Sequence[tuple[str, str]]) -> bytes:
    return digest128("file-prompt", "chat", canonical_json([list(message) for message in messages]))


def _slot_id(row_id: bytes, slot: str) -> bytes:
    return digest128("file-row", row_id, slot)
