"""Waves of requests over a table: each counted whole, then asked for what is missing, until no row asks for more."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import duckdb

from dagster_project.running.generation.answer import answer
from dagster_project.running.generation.asks import KeyedAsks, keyed_asks, with_keys
from dagster_project.running.generation.count import Wave, count_wave, requests_to_do
from dagster_project.running.generation.finish import rows_with_completions
from dagster_project.running.generation.state import GenerationRun


def ask_in_waves(
    run: GenerationRun, session: duckdb.DuckDBPyConnection, before_asking: Callable[[Wave], None] | None = None
) -> None:
    """All waves of ``run``. ``before_asking`` is told the first wave when it is counted, before anything is asked."""
    for number in range(run.kind.waves):
        if not _wave(run, number, session, None if number else before_asking):
            break


def _wave(
    run: GenerationRun,
    number: int,
    session: duckdb.DuckDBPyConnection,
    before_asking: Callable[[Wave], None] | None,
) -> bool:
    """One wave over the whole table. False when no row asked for anything."""
    if number:
        run.requests.seal()
    run.requests.refresh()  # what other builds have answered meanwhile is not asked again
    wave = count_wave(run, number, _asked(run, number), session)
    run.progress.requests(run.stage.name, run.counts)
    if before_asking is not None:
        before_asking(wave)
    if wave.to_do:
        answer(run, requests_to_do(run, wave, _asked(run, number)))
    return wave.asks > 0


def _asked(run: GenerationRun, number: int) -> Iterator[KeyedAsks]:
    """What the rows ask for in wave ``number``; the same each time, until the next wave begins."""
    if number == 0:
        yield from keyed_asks(run.workspace, run.stage, run.table)
        return
    for batch, completed in rows_with_completions(run, waves=number):
        asks = run.kind.next_requests(batch.rows, completed, run.stage.settings, run.workspace.prompts)
        if asks:
            yield with_keys(batch, asks, run.weights)
