"""What the rows of a generation stage ask for, with the key of every sample. Asks no engine, stores nothing.

A plan, a build and an import of a user's completions all start here, so that they mean the same requests.
Memory: one batch of rows and its requests.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa

from assets.kinds import Ask, GenerationKind, Table
from assets.schemas import COMPLETED
from dagster_project.language.resolved import Stage
from dagster_project.running.workspace import Workspace
from resources.identity import hash_json
from resources.requests.key import base_key, sample_keys

BATCH_ROWS = 256
"""Rows that are worked on together where a kind has no setting for it: a few thousand requests."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Some rows of a stage's main input, in their order."""

    number: int
    """From 0; batches of the same stage and settings are always cut alike."""
    start: int
    """Place of the first row in the stage's table."""
    rows: pa.Table


@dataclass(frozen=True, slots=True)
class KeyedAsks:
    """What one batch asks for. ``keys[i][j]`` is the request key of sample ``asks[i].first + j``."""

    batch: Batch
    asks: Sequence[Ask]
    bases: Sequence[bytes]
    """Of each ask, the hash of all but the sample index: the seeds follow from it."""
    keys: Sequence[Sequence[bytes]]

    @property
    def flat_keys(self) -> list[bytes]:
        """The keys of all samples, ask by ask."""
        return [key for keys in self.keys for key in keys]


def generation_kind(stage: Stage) -> GenerationKind:
    """The kind of a stage that asks a model."""
    assert isinstance(stage.kind, GenerationKind)
    return stage.kind


def batches(stage: Stage, table: Table, *, batch_rows: int | None = None) -> Iterator[Batch]:
    """The rows of the stage's main input."""
    start = 0
    size = batch_rows or getattr(stage.settings, "batch_rows", BATCH_ROWS)
    for number, batch in enumerate(table.batches(size=size)):
        yield Batch(number, start, pa.Table.from_batches([batch]))
        start += batch.num_rows


def keyed_asks(
    workspace: Workspace, stage: Stage, table: Table, *, batch_rows: int | None = None
) -> Iterator[KeyedAsks]:
    """The requests of the first wave, a batch at a time; batches that ask for nothing are left out.

    Args:
        workspace: Gives prompts and the id of the weights; no engine is started.
        stage: A generation stage.
        table: Its main input.
        batch_rows: Rows a batch (default: the stage's setting). Changes nothing but memory.
    """
    kind = generation_kind(stage)
    weights = weights_id(workspace, stage)
    for batch in batches(stage, table, batch_rows=batch_rows):
        asks = kind.next_requests(batch.rows, COMPLETED.empty_table(), stage.settings, workspace.prompts)
        if asks:
            yield with_keys(batch, asks, weights)


def trial_asks(workspace: Workspace, stage: Stage, table: Table) -> Iterator[KeyedAsks]:
    """The requests of the first wave of the stage's trial, if a build over ``table`` would have one."""
    kind = generation_kind(stage)
    rows = kind.trial(stage.settings) if table.row_count else None
    if rows is not None:
        asks = kind.next_requests(rows, COMPLETED.empty_table(), stage.settings, workspace.prompts)
        yield with_keys(Batch(-1, 0, rows), asks, weights_id(workspace, stage))


def with_keys(batch: Batch, asks: Sequence[Ask], weights: str) -> KeyedAsks:
    """``asks`` with the keys that they have under ``weights``."""
    bases = [base_key(weights, ask.prompt, ask.sampling, ask.salt) for ask in asks]
    keys = [sample_keys(base, ask.first, ask.count, ask.sampling) for base, ask in zip(bases, asks, strict=True)]
    return KeyedAsks(batch, asks, bases, keys)


def weights_id(workspace: Workspace, stage: Stage) -> str:
    """What names the weights that answer ``stage``."""
    assert stage.role is not None
    return workspace.roles.weights_id(stage.role)


def shape(workspace: Workspace, stage: Stage) -> str:
    """Hash of prompts and sampling without samples: stages of one shape ask the same thing of other rows.

    It finds the history of a plan (``resources.usage.Usage.shape``); nothing is ever identified by it.
    """
    sampling = {name: value for name, value in stage.settings.identity().items() if name != "samples"}
    prompts = {name: workspace.prompts.content_hash(name) for name in stage.prompts}
    return hash_json([stage.kind.name, sampling, prompts])[:32]
