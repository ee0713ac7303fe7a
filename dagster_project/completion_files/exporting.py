"""Writes the completions of stages to one file, with the prompts that they answer: one row a sample.

The request store holds no prompts, so they are made again from the stage's rows. The file is written aside and renamed:
it is whole or not there. Memory: one batch of rows with their prompts; DuckDB joins and sorts within its own limit.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from assets.schemas import ID, table_of
from dagster_project.completion_files.stages import rows_of, scratch_of
from dagster_project.language.resolved import Stage
from dagster_project.row_files.writing import check_target, writing
from dagster_project.running.generation.asks import KeyedAsks, generation_kind, keyed_asks, trial_asks
from dagster_project.running.workspace import Workspace
from resources.identity import canonical_json, show_id

COLUMNS = pa.schema(
    [
        pa.field("request_key", pa.string(), nullable=False),
        pa.field("stage", pa.string(), nullable=False),
        pa.field("row_id", pa.string(), nullable=False),
        pa.field("slot", pa.string(), nullable=False),
        pa.field("sample_index", pa.int64(), nullable=False),
        pa.field("mode", pa.string(), nullable=False),
        pa.field("prompt", pa.string()),
        pa.field("messages", pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())]))),
        pa.field("sampling", pa.string(), nullable=False),
        pa.field("weights", pa.string(), nullable=False),
        pa.field("engine", pa.string(), nullable=False),
        pa.field("text", pa.string(), nullable=False),
        pa.field("reasoning", pa.string()),
        pa.field("finish_reason", pa.string(), nullable=False),
        pa.field("prompt_tokens", pa.int32()),
        pa.field("completion_tokens", pa.int32()),
    ]
)
"""``prompt``: the text of a raw prompt; ``messages``: those of a chat; the other one is null. Ids are UUIDs as text."""

ASKS = pa.schema(
    [
        ("ask", pa.int64()),
        ("row_id", pa.string()),
        ("slot", pa.string()),
        ("mode", pa.string()),
        ("prompt", pa.string()),
        ("messages", COLUMNS.field("messages").type),
        ("sampling", pa.string()),
    ]
)
KEYS = pa.schema([("ask", pa.int64()), ("sample_index", pa.int64()), ("request_key", ID)])

_ANSWERS = """
select
    k.ask,
    k.sample_index,
    c.request_key::varchar as request_key,
    c.weights,
    c.engine,
    c.text,
    c.reasoning,
    c.finish_reason,
    c.prompt_tokens,
    c.completion_tokens,
from read_parquet($keys) as k
join completions as c on k.request_key = c.request_key
order by k.ask, k.sample_index
"""

BATCH_ROWS = 256
"""Rows of a stage at a time, with their prompts."""
WRITE_ROWS = 512
"""Rows of the file that are written together: with 10 KB of prompt each, 5 MB."""


@dataclass(frozen=True, slots=True)
class Exported:
    """What an export of one stage wrote."""

    stage: str
    rows: int
    requests: int
    """Samples that the stage asks for; those without an answer are in no file."""


def export(
    workspace: Workspace, stages: Sequence[Stage], path: Path, *, force: bool, say: Callable[[str], None]
) -> list[Exported]:
    """Write every stored completion of ``stages`` to ``path``; the ending says the format.

    Raises:
        FileError: An unknown ending, no such folder, or the file exists and ``force`` is not said.
        StoreError: A stage above one of ``stages`` is not built; the disk is full.
    """
    check_target(path, force=force)
    tables = [rows_of(workspace, stage) for stage in stages]  # before any work: all of them must be there
    done = []
    with writing(path, COLUMNS) as target:
        for stage, table in zip(stages, tables, strict=True):
            with scratch_of(workspace) as scratch:
                asked = keyed_asks(workspace, stage, table, batch_rows=BATCH_ROWS)
                trial = trial_asks(workspace, stage, table)
                requests = _write_asks(workspace, itertools.chain(trial, asked), scratch)
                rows = 0
                for batch in _batches(workspace, stage, scratch):
                    target.write_rows(batch)
                    rows += len(batch)
            done.append(Exported(stage.name, rows, requests))
            say(f"{stage.name}: {rows:,} of {requests:,} requests have an answer")
            if generation_kind(stage).waves > 1:
                say(f"{stage.name}: only what its first wave asks for is written")
    return done


def _write_asks(workspace: Workspace, asked: Iterator[KeyedAsks], scratch: Path) -> int:
    """Prompts and keys of everything that has an answer, as two files. Returns how much was asked for in all."""
    number = requests = 0
    with (
        pq.ParquetWriter(scratch / "asks.parquet", ASKS) as asks,
        pq.ParquetWriter(scratch / "keys.parquet", KEYS) as keys,
    ):
        for part in asked:
            known = iter(workspace.requests.known(part.flat_keys).tolist())
            prompts: list[dict[str, Any]] = []
            samples: list[dict[str, Any]] = []
            for ask, row in zip(part.asks, part.keys, strict=True):
                stored = [(ask.first + i, key) for i, key in enumerate(row) if next(known)]
                requests += len(row)
                if stored:
                    is_raw = ask.prompt.mode == "raw"
                    messages = [{"role": role, "content": content} for role, content in ask.prompt.messages]
                    prompts.append(
                        {
                            "ask": number,
                            "row_id": show_id(ask.row_id),
                            "slot": ask.slot,
                            "mode": ask.prompt.mode,
                            "prompt": ask.prompt.text if is_raw else None,
                            "messages": None if is_raw else messages,
                            "sampling": canonical_json(asdict(ask.sampling)),
                        }
                    )
                    samples += [{"ask": number, "sample_index": at, "request_key": key} for at, key in stored]
                number += 1
            asks.write_table(table_of(ASKS, prompts))
            keys.write_table(table_of(KEYS, samples))
    return requests


def _batches(workspace: Workspace, stage: Stage, scratch: Path) -> Iterator[list[dict[str, Any]]]:
    """Rows of the file: answers in the order of the asks, each with its prompt."""
    with workspace.completions_session(scratch) as session, pq.ParquetFile(scratch / "asks.parquet") as file:
        asks = (ask for batch in file.iter_batches(batch_size=WRITE_ROWS) for ask in batch.to_pylist())
        ask: dict[str, Any] = {"ask": -1}
        answers = session.sql(_ANSWERS, params={"keys": str((scratch / "keys.parquet").resolve())})
        for batch in answers.to_arrow_reader(WRITE_ROWS):
            rows = []
            for answer in batch.to_pylist():
                while ask["ask"] != answer["ask"]:
                    ask = next(asks)
                row = {"stage": stage.name} | ask | answer
                rows.append({name: row[name] for name in COLUMNS.names})
            yield rows
