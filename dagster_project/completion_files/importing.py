"""An import from files to the request store: look, bind, say what would be stored, then store it.

The files are read twice: once for ids, once for texts, so that nothing is stored before all of it is known, and no text
is written to disk twice. Storing goes through the journal like an engine's answers: a kill loses nothing that was
stored, and the same command again stores the rest.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import pyarrow.parquet as pq

from dagster_project.completion_files.binding import Gathered, Targets, gather, write_targets
from dagster_project.completion_files.columns import BadRow, Columns, Match, choose, choose_match, read_answer
from dagster_project.completion_files.naming import CompletionFile, check_chunks, has_seeds, ordered
from dagster_project.completion_files.planning import Bindings, Counts, plan
from dagster_project.completion_files.rejects import Rejects
from dagster_project.completion_files.stages import build_again, rows_of
from dagster_project.language.resolved import Stage
from dagster_project.row_files.reading import read_rows
from dagster_project.running.generation.asks import weights_id
from dagster_project.running.workspace import Workspace
from resources.errors import FileError
from resources.requests.records import Completion
from resources.sql import open_session

IMPORTED = "import"
"""The engine of a completion that no engine of ours gave, unless the file names one (as our exports do)."""
LOOKED_AT = 64
"""Rows of each file whose columns are looked at."""
TOGETHER_ROWS = 256
TOGETHER_CHARACTERS = 8 << 20
"""Completions that are written to the journal at once: bounds memory, whatever a file holds."""
TICK_S = 5.0


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the command line says of the files."""

    match: str = "auto"
    said: Mapping[str, str | None] | None = None
    """Meaning of a column -> its name (see ``columns.NAMES``)."""
    first_sample: int | None = None
    """Count samples from here in the order of the files, whatever their names say."""
    limit: int | None = None
    """Import only samples below this index."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """An import that is ready: all is known, nothing is stored."""

    files: Sequence[CompletionFile]
    columns: Columns
    match: Match
    samples_by: str
    """Where the sample index comes from, in words."""
    weights: str
    targets: Targets
    gathered: Gathered
    counts: Counts
    stamps: Sequence[tuple[int, int]]
    plan_path: Path


def prepare(
    workspace: Workspace,
    stage: Stage,
    paths: Sequence[Path],
    wishes: Wishes,
    rejects: Rejects,
    scratch: Path,
    say: Callable[[str], None],
) -> Prepared:
    """Read the files and the stage, and bind one to the other.

    Raises:
        FileError: A file cannot be read, or nothing in it can be bound to the stage.
        StoreError: The stage's rows are not built yet.
    """
    table = rows_of(workspace, stage)
    files = ordered(paths)
    stamps = [_stamp(file.path) for file in files]
    columns = _columns(files, wishes.said or {})
    is_by_line = has_seeds(files) or all(Path(file.whole).name == "output" for file in files)
    match = choose_match(columns, wishes.match, is_by_line=is_by_line, where=str(files[0].path))
    if match == "position" and columns.position is None:
        check_chunks(files)
    sample_of, samples_by = _samples(files, columns, wishes.first_sample)
    samples_path, targets_path = scratch / "samples.parquet", scratch / "targets.parquet"
    tick = _ticker(say, "read")
    gathered = gather(files, columns, match, sample_of, rejects, samples_path, tick)
    if not gathered.rows:
        raise FileError("there are no rows", where=str(files[0].path), fix="Give files with one row a sample")
    targets = write_targets(workspace, stage, table, columns, match, gathered.needs_keys, targets_path)
    bindings = Bindings(
        targets, targets_path, samples_path, files, match, first_sample=wishes.first_sample or 0, limit=wishes.limit
    )
    with open_session(
        memory_limit=workspace.memory_limit, threads=workspace.threads, temp=scratch / "spill", folders=[scratch]
    ) as session:
        counts = plan(session, bindings, workspace.requests, rejects, scratch / "plan.parquet")
    return Prepared(
        files,
        columns,
        match,
        samples_by,
        weights_id(workspace, stage),
        targets,
        gathered,
        counts,
        stamps,
        scratch / "plan.parquet",
    )


def refuse_if_nothing_matches(prepared: Prepared, rejects: Rejects) -> None:
    """Raises FileError if no row has anything to do with the stage: then the wrong files or columns were given."""
    counts = prepared.counts
    if counts.bound or counts.beyond:
        return
    examples = rejects.examples.get("unmatched") or rejects.examples.get("bad") or [str(prepared.files[0].path)]
    others = "--match problem or --match prompt" if prepared.match == "key" else "another --match"
    raise FileError(
        f"none of the {prepared.gathered.rows:,} rows answers a request of this stage, e.g. {examples[0]}",
        where=f"files matched by {prepared.match}",
        fix=f"Name the stage and profile that asked for them, or try {others}",
    )


def store(workspace: Workspace, stage: Stage, prepared: Prepared, say: Callable[[str], None]) -> int:
    """Store what is new. Returns how many completions that were.

    Raises:
        FileError: A file changed since it was looked at. What was stored before stays.
        StoreError: The disk is full or broken.
    """
    tick = _ticker(say, "stored")
    stored = 0
    records = _records(prepared)
    try:
        while batch := list(_together(records)):
            stored += workspace.requests.record_all(batch)
            tick(stored)
    finally:
        workspace.requests.flush()
    workspace.requests.seal()
    build_again(workspace, stage, workspace.requests.known)
    return stored


def _columns(files: Sequence[CompletionFile], said: Mapping[str, str | None]) -> Columns:
    """From the first rows of each file that can be read: a file may begin with a broken line."""
    names: set[str] = set()
    for file in files:
        for row in islice(read_rows(file.path), LOOKED_AT):
            names |= row.values.keys()
    if not names:
        raise FileError("no row can be read", where=str(files[0].path), fix="Give files with one JSON object a line")
    return choose(names, said, str(files[0].path))


def _samples(
    files: Sequence[CompletionFile], columns: Columns, first: int | None
) -> tuple[Callable[[CompletionFile], int | None], str]:
    """What gives the sample index, and how to say so."""
    if columns.sample_index:
        return lambda _: None, f"column {columns.sample_index!r}"
    if not has_seeds(files):
        return lambda _: None, f"order of appearance from {first or 0}"
    if first is None:
        return lambda file: file.seed, "seed N of output-rsN"
    seeds = sorted({file.seed for file in files if file.seed is not None})
    numbers = {seed: first + at for at, seed in enumerate(seeds)}
    return lambda file: numbers[file.seed or 0], f"order of seeds from {first}"


def _records(prepared: Prepared) -> Iterator[Completion]:
    """The completions of the plan, read from the files in their order."""
    wanted = _wanted(prepared.plan_path)
    n, key = next(wanted, (-1, b""))
    number = 0
    for file, stamp in zip(prepared.files, prepared.stamps, strict=True):
        if n < 0:
            return
        if _stamp(file.path) != stamp:
            raise _changed(file)
        for row in read_rows(file.path, prepared.columns.used()):
            if number == n:
                yield _record(file, row.values, prepared, key)
                n, key = next(wanted, (-1, b""))
            number += 1


def _wanted(path: Path) -> Iterator[tuple[int, bytes]]:
    with pq.ParquetFile(path) as plan_file:
        for batch in plan_file.iter_batches(batch_size=65_536):
            keys = batch.column(1)
            yield from zip(batch.column(0).to_pylist(), keys.storage.to_pylist(), strict=True)


def _record(file: CompletionFile, values: Mapping[str, object], prepared: Prepared, key: bytes) -> Completion:
    try:
        answer = read_answer(values, prepared.columns)
    except BadRow as fault:
        raise _changed(file) from fault
    is_ours = prepared.match == "key"
    return Completion(
        request_key=key,
        text=answer.text,
        finish_reason=answer.finish_reason,
        engine=answer.engine if is_ours and answer.engine else IMPORTED,
        weights=prepared.weights,
        reasoning=answer.reasoning,
        prompt_tokens=answer.prompt_tokens,
        completion_tokens=answer.completion_tokens,
    )


def _together(records: Iterator[Completion]) -> Iterator[Completion]:
    size = 0
    for record in islice(records, TOGETHER_ROWS):
        yield record
        size += len(record.text) + len(record.reasoning or "")
        if size >= TOGETHER_CHARACTERS:
            return


def _stamp(path: Path) -> tuple[int, int]:
    """Size and time of the last change; of a file that is not there, what reading it will say."""
    try:
        found = path.stat()
    except OSError:
        return 0, 0
    return found.st_size, found.st_mtime_ns


def _changed(file: CompletionFile) -> FileError:
    return FileError(
        "the file changed while it was imported",
        where=str(file.path),
        fix="Run the same command again when nothing writes to it: what is stored is skipped",
        retryable=True,
    )


def _ticker(say: Callable[[str], None], what: str) -> Callable[[int], None]:
    """Says how far it is, now and then."""
    last = time.monotonic()

    def tick(rows: int) -> None:
        nonlocal last
        if time.monotonic() - last >= TICK_S:
            last = time.monotonic()
            say(f"{what} {rows:,} rows")

    return tick
