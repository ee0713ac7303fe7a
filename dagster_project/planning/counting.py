"""Exact counts of the requests of a stage whose inputs are built: the keys that a build would look up, looked up.

The rows stream past once, as they do when a build counts its first wave. Memory: one batch, the key index of the
request store, and 16 bytes a request that is to do (an earlier row or stage may ask for the same one).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from assets.kinds import Table
from dagster_project.language.resolved import Stage
from dagster_project.running.generation.asks import KeyedAsks, generation_kind, keyed_asks, trial_asks
from dagster_project.running.workspace import Workspace
from resources.engines.protocol import Prompt
from resources.requests.index import KeyRun, KeySet, as_keys

BATCH_ROWS = 1024
"""Rows looked at together: larger lookups are quicker, and 1,024 rows of 512 samples are 8 MB of keys."""

MAX_ATTEMPTS = 3
"""Attempts before a request is given up, where a kind has no setting for it."""


@dataclass(slots=True)
class Counted:
    """Requests of the first wave of a stage. ``requests`` = to_do + reused + given_up."""

    rows: int = 0
    requests: int = 0
    to_do: int = 0
    reused: int = 0
    given_up: int = 0
    prompt_bytes: int = 0
    """UTF-8 bytes of the prompts of what is to do, once a sample."""
    asked_by_source: dict[str, int] = field(default_factory=dict)
    """problem_source of the rows -> samples asked for; all under "" where rows have no such column."""


def count_requests(
    workspace: Workspace, stage: Stage, table: Table, planned: KeySet, tick: Callable[[int], None]
) -> Counted:
    """Count what ``stage`` would ask for over ``table``.

    Args:
        workspace: Gives prompts, weights and the request store. No engine is made to start.
        stage: A generation stage.
        table: Its main input.
        planned: Requests that stages before it will ask for; those of this stage are added.
        tick: Called with the requests counted so far, batch by batch.

    Raises:
        RecipeError: A prompt or setting does not fit a row. A build would raise the same.
    """
    found = Counted(rows=table.row_count)
    row_id = generation_kind(stage).row_id
    max_attempts = getattr(stage.settings, "max_attempts", MAX_ATTEMPTS)
    asked = keyed_asks(workspace, stage, table, batch_rows=BATCH_ROWS)
    for part in itertools.chain(trial_asks(workspace, stage, table), asked):
        keys = part.flat_keys
        to_do = ~workspace.requests.known(keys)
        if to_do.any():
            found.given_up += _give_up(workspace, keys, to_do, max_attempts)
            _plan(planned, keys, to_do)
        new = int(to_do.sum())
        found.requests += len(keys)
        found.to_do += new
        found.prompt_bytes += _prompt_bytes(part, to_do) if new else 0
        if part.batch.number >= 0:
            _add_sources(found, part, row_id)
        tick(found.requests)
    found.reused = found.requests - found.to_do - found.given_up
    return found


def _give_up(workspace: Workspace, keys: Sequence[bytes], to_do: np.ndarray, max_attempts: int) -> int:
    """Take out of ``to_do`` what failed too often. Returns how many."""
    places: list[int] = np.flatnonzero(to_do).tolist()
    attempts = workspace.requests.failed_attempts([keys[at] for at in places])
    gone = [at for at in places if attempts.get(keys[at], 0) >= max_attempts] if attempts else []
    to_do[gone] = False
    return len(gone)


def _plan(planned: KeySet, keys: Sequence[bytes], to_do: np.ndarray) -> None:
    """Take out of ``to_do`` what is planned already; plan the rest."""
    places: list[int] = np.flatnonzero(to_do).tolist()
    wanted = as_keys([keys[at] for at in places])
    again = planned.contains(wanted)
    seen: set[bytes] = set()
    for at, is_again in zip(places, again, strict=True):
        if is_again or keys[at] in seen:
            to_do[at] = False
        else:
            seen.add(keys[at])
    planned.add_run(KeyRun.of(as_keys(list(seen))))


def _prompt_bytes(part: KeyedAsks, to_do: np.ndarray) -> int:
    total = start = 0
    for ask, keys in zip(part.asks, part.keys, strict=True):
        new = int(to_do[start : start + len(keys)].sum())
        start += len(keys)
        total += new * prompt_bytes(ask.prompt) if new else 0
    return total


def prompt_bytes(prompt: Prompt) -> int:
    """UTF-8 bytes of a prompt, without what a chat template puts around it."""
    texts = (prompt.text, *(text for message in prompt.messages for text in message))
    return sum(len(text.encode("utf-8", "surrogatepass")) for text in texts)


def _add_sources(found: Counted, part: KeyedAsks, row_id: str) -> None:
    rows = part.batch.rows
    if "problem_source" in rows.column_names:
        ids = rows.column(row_id).combine_chunks().storage.to_pylist()
        sources = dict(zip(ids, rows.column("problem_source").to_pylist(), strict=True))
    else:
        sources = {}
    for ask in part.asks:
        source = sources.get(ask.row_id) or ""
        found.asked_by_source[source] = found.asked_by_source.get(source, 0) + ask.count
