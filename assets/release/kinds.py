"""``release/folder``: a dataset in a local folder, as the Hub and ``datasets.load_dataset`` expect it.

Files: ``data/`` (four columns), ``provenance/`` (where each row comes from), ``contamination/`` (problems that a
benchmark has too), ``recipe/`` (what it was made with), ``README.md`` (the card), ``BUILD.json`` (what it was made
from). Publishing to the Hub does not live here. Same inputs, same bytes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

import duckdb
import pyarrow as pa
from pydantic import Field

from assets.kinds import Input, Job, Law, Settings, TableKind
from assets.release import queries
from assets.release.build_record import write_build_file, write_recipe
from assets.release.card import render_card
from assets.release.card_facts import CardFacts, Composition, costs_of, prompts_of, rejected, sampling_of
from assets.release.card_plots import read_lengths, read_votes
from assets.release.contamination import read_figures, write_matches
from assets.release.layout import ConfigFiles, Mode, Plan, write_config
from assets.release.public import scrub
from assets.release.tables import DATA, FILES, GRADED, PROVENANCE, SPLIT, TEXTS, VOTED
from assets.schemas import EDGE, FIGURE, MATCH, PROBLEM
from resources.errors import MathloomError, StoreError
from resources.identity import canonical_json
from resources.sql import sql_errors

_BATCH = 8192
_MAX_SPLITS = 62
"""A split is a bit of a signed 64-bit mask."""

_SPLIT_NAME = re.compile(r"\w+(\.\w+)*")
"""What ``datasets`` accepts as the name of a split."""


class FolderSettings(Settings):
    """How the rows lie in files."""

    splits: Mode = Field(
        "copied",
        description="copied: each split has files of its own. shared: nested splits read the first files of the "
        "largest one, which saves their space.",
    )
    max_shard_bytes: int = Field(
        500_000_000, ge=1000, description="Largest shard, in bytes of uncompressed Arrow (500 MB: as `datasets` does)."
    )


class Folder(TableKind):
    """The released dataset. ``rows`` lists its Parquet files."""

    name = "release/folder"
    version = 2
    description = "Writes splits as Parquet shards with a provenance config and a dataset card."
    settings_type = FolderSettings
    reads_completions = True
    inputs: ClassVar[Mapping[str, Input]] = {
        "splits": Input(SPLIT, "The splits; each is named like its stage.", many=True),
        "solutions": Input(GRADED, "Solutions with their answers."),
        "texts": Input(TEXTS, "What of each completion is released."),
        "problems": Input(PROBLEM, "Seeds and new problems.", many=True),
        "expected": Input(VOTED, "Expected answers; votes where there was a vote.", many=True),
        "edges": Input(EDGE, "Where problems come from.", many=True),
        "contamination": Input(MATCH, "Problems that a benchmark has too.", many=True, optional=True),
        "contamination_figures": Input(FIGURE, "Counts of the comparison with benchmarks.", optional=True),
    }
    law = Law("release", input="splits", id="solution_id")

    def outputs(self, settings: FolderSettings) -> Mapping[str, pa.Schema]:
        """One row per file and split."""
        return {"rows": FILES}

    def run(self, job: Job) -> None:
        """Join ids, write both configs in two ordered passes, then the card."""
        where = f"{job.recipe}/{job.stage}"
        splits = _split_rows(job, where)
        try:
            with sql_errors(where):
                self._write(job, splits, where)
        except OSError as error:
            raise _io_error(error, where) from error

    def _write(self, job: Job, splits: dict[str, int], where: str) -> None:
        _prepare(job, where)
        plan = Plan(job.folder, splits, job.settings.splits, job.settings.max_shard_bytes, where)
        example: dict[str, Any] = {}
        rows = _remember(_stream(job.session, queries.DATA, DATA), example)
        data = write_config(plan, "default", "data", DATA, rows)
        _check_whole(job.session, data, splits, where)
        rows = _stream(job.session, queries.PROVENANCE, PROVENANCE)
        provenance = write_config(plan, "provenance", "provenance", PROVENANCE, rows)
        _check_whole(job.session, provenance, splits, where)
        matches = write_matches(job.session, plan)
        _finish(job, plan, [data, provenance, *([matches] if matches else [])], example)


def _io_error(error: OSError, where: str) -> StoreError:
    """Of the disk, or of DuckDB: what fails in mid-stream comes through Arrow as an OSError without a number."""
    line = error.strerror or str(error).strip().split("\n")[0][:300]
    if "Out of Memory" in line:
        fix = "Raise `memory_limit` in the profile, or free space where the store lies"
        return StoreError(f"DuckDB ran out of memory or of spill space: {line}", where=where, fix=fix, retryable=True)
    fix = "Check that the store is writable and that the disk has room, then build again"
    return StoreError(f"a file of the release cannot be written: {line}", where=where, fix=fix, retryable=True)


def _split_rows(job: Job, where: str) -> dict[str, int]:
    """Rows per split, in declared order. Raises MathloomError on a name or number that no release can have."""
    names = [table.stage for table in job.inputs["splits"]]
    bad = [name for name in names if not _SPLIT_NAME.fullmatch(name)]
    if bad or len(names) > _MAX_SPLITS:
        what = f"{bad[0]!r} cannot be the name of a split" if bad else f"{len(names)} splits are too many"
        raise MathloomError(
            what, where=where, fix=f"Use letters, digits and _ for stages bound to `splits`, {_MAX_SPLITS} at most"
        )
    counts: dict[int, int] = dict(job.session.sql(queries.SPLIT_ROWS).fetchall())
    splits = {name: counts.get(index, 0) for index, name in enumerate(names)}
    if not any(splits.values()):
        raise _nothing_left(job, where)
    if empty := [name for name, count in splits.items() if not count]:
        raise MathloomError(
            f"split {empty[0]!r} has no rows, and `datasets` cannot load an empty split",
            where=where,
            fix="Give its stage rows, or take it from the inputs `splits` of this stage",
        )
    return splits


def _nothing_left(job: Job, where: str) -> MathloomError:
    lines = [(str(line.get("stage")), rejected(line)) for line in _funnel(job)]
    removed = [(count, rule, stage) for stage, rules in lines for rule, count in rules.items() if count]
    if not removed:
        return MathloomError("nothing is left to release", where=where, fix="Look at the stages above: mathloom status")
    count, rule, stage = max(removed)
    return MathloomError(
        f"nothing is left to release; most rows were removed by {rule!r} at stage {stage!r} ({count:,})",
        where=where,
        fix=f"See why with `mathloom show {job.recipe} {stage}.rejects`, then change its settings or the model",
    )


def _funnel(job: Job) -> list[Mapping[str, Any]]:
    return list(scrub(job.context.get("funnel") or []))


def _prepare(job: Job, where: str) -> None:
    """Temporary tables of ids; they spill like everything else in the session."""
    session = job.session
    session.register("release_stages", _stage_table(job))
    for statement in (queries.MEMBERS, queries.PROBLEMS, queries.VOTES, queries.SEED_ROOTS, queries.IDS):
        session.execute(statement)
    depth = 1
    while _number(session.execute(queries.NEXT_ROOTS, {"depth": depth})):
        depth += 1
    members, complete = session.sql(queries.COUNTS).fetchall()[0]
    if members != complete:
        raise _incomplete(session, where)


def _number(result: duckdb.DuckDBPyConnection) -> int:
    row = result.fetchone()
    return int(row[0]) if row else 0


def _stage_table(job: Job) -> pa.Table:
    """What is the same for all rows of a generation stage, once."""
    lineage: Mapping[str, Mapping[str, Any]] = scrub(job.context.get("lineage") or {})
    rows = [
        {
            "stage": stage,
            "role": line.get("role"),
            "model": line.get("model") or line.get("engine"),
            "weights": line.get("weights"),
            "prompts": canonical_json(prompts_of(line)),
            "sampling": canonical_json(sampling_of(line)),
        }
        for stage, line in lineage.items()
    ]
    names = ("stage", "role", "model", "weights", "prompts", "sampling")
    return pa.Table.from_pylist(rows, schema=pa.schema([(name, pa.string()) for name in names]))


def _stream(session: duckdb.DuckDBPyConnection, query: str, schema: pa.Schema) -> Iterator[pa.Table]:
    """Batches of a query: column ``mask``, then exactly ``schema``. Sorted by DuckDB, which spills."""
    for batch in session.sql(query).to_arrow_reader(_BATCH):
        columns = [batch.column("mask").cast(pa.int64())]
        for field in schema:
            column = batch.column(field.name)
            # DuckDB's lossless mode gives booleans as the extension type bool8.
            column = column.storage if isinstance(column, pa.ExtensionArray) else column
            columns.append(column.cast(field.type))
        yield pa.Table.from_arrays(columns, names=["mask", *schema.names])


def _remember(tables: Iterator[pa.Table], example: dict[str, Any]) -> Iterator[pa.Table]:
    """Keep the first row for the card while the tables pass."""
    for table in tables:
        if not example and table.num_rows:
            example.update(table.slice(0, 1).drop_columns("mask").to_pylist()[0])
        yield table


def _check_whole(session: duckdb.DuckDBPyConnection, files: ConfigFiles, splits: Mapping[str, int], where: str) -> None:
    """Each split must have exactly its rows: a lost completion must never become a shorter dataset."""
    written = {split: sum(part.row_count for part in parts) for split, parts in files.splits.items()}
    if written != dict(splits):
        raise _incomplete(session, where)


def _incomplete(session: duckdb.DuckDBPyConnection, where: str) -> StoreError:
    found = session.sql(queries.MISSING).fetchall()
    what = (
        f"solution {found[0][0]} is in a split and not in {found[0][1]!r}"
        if found
        else "a solution is in one of the inputs twice"
    )
    return StoreError(
        f"the release would not be whole: {what}",
        where=where,
        fix="Bind the stages that the splits were made from, and check the store with `mathloom doctor`",
    )


def _finish(job: Job, plan: Plan, configs: list[ConfigFiles], example: Mapping[str, Any]) -> None:
    composition = _composition(job.session, plan.splits)
    sections = ("lineage", "models", "sources", "benchmarks", "checks")
    context = {key: scrub(job.context.get(key) or {}) for key in sections}
    recipe = {"name": job.recipe} | dict(job.context.get("recipe") or {})
    unit, lengths = read_lengths(job.session)
    facts = CardFacts(
        configs=configs,
        is_shared=plan.mode == "shared",
        splits=plan.splits,
        composition=composition,
        recipe=recipe,
        lineage=context["lineage"],
        models=context["models"],
        funnel=_funnel(job),
        sources=context["sources"],
        example=example,
        benchmarks=context["benchmarks"],
        figures=read_figures(job.session),
        checks=context["checks"],
        costs=costs_of(job.context.get("facts") or {}, context["lineage"], context["models"]),
        votes=read_votes(job.session),
        lengths=lengths,
        length_unit=unit,
    )
    (job.folder / "README.md").write_text(render_card(facts), encoding="utf-8")
    write_build_file(job, facts, write_recipe(job))
    job.writers["rows"].write(_file_rows(configs))
    job.facts |= {
        "rows": dict(plan.splits),
        "files": sum(len(files.unique()) for files in configs),
        "bytes": sum(part.bytes for files in configs for part in files.unique()),
        "composition": {
            part.split: {source: {"questions": n[0], "pairs": n[1]} for source, n in part.counts.items()}
            for part in composition
        },
    }


def _composition(session: duckdb.DuckDBPyConnection, splits: Mapping[str, int]) -> list[Composition]:
    found: dict[str, dict[str, tuple[int, int]]] = {split: {} for split in splits}
    for split, source, questions, pairs in session.sql(queries.COMPOSITION).fetchall():
        found[split][source] = (questions, pairs)
    return [Composition(split, counts) for split, counts in found.items()]


def _file_rows(configs: list[ConfigFiles]) -> pa.Table:
    rows = [
        {
            "split": split,
            "config": files.config,
            "path": part.path,
            "row_count": part.row_count,
            "bytes": part.bytes,
            "sha256": part.sha256,
        }
        for files in configs
        for split, parts in files.splits.items()
        for part in parts
    ]
    return pa.Table.from_pylist(rows, schema=FILES)
