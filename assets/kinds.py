"""The protocol of a kind: what a stage of that kind reads, writes, promises, and how it does it.

A kind is a class with class attributes (the declaration) and one or two pure methods (the work). It imports no Dagster;
``dagster_project`` finds kinds through a registry, gives them their inputs and writes what they return.

* :class:`TableKind`: tables in, tables out, streaming.
* :class:`GenerationKind`: two pure functions around the engine, which only the runner calls.
* A ``.sql`` file is a kind too; ``dagster_project.sqlfiles`` makes it one.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol

import duckdb
import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field

from resources.engines.protocol import Prompt, Sampling


class Settings(BaseModel):
    """Base of a kind's settings: frozen, unknown keys are errors.

    Every field changes data and is part of the stage's fingerprint, unless declared with :func:`operational`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    def identity(self) -> dict[str, Any]:
        """The fields that change rows, as JSON values."""
        skip = {n for n, f in type(self).model_fields.items() if is_operational(f.json_schema_extra)}
        return self.model_dump(mode="json", exclude=skip)


def operational(default: Any, *, description: str, **constraints: Any) -> Any:
    """A setting that changes how the work is done and never which rows come out (batch sizes, time-outs)."""
    return Field(default, description=description, json_schema_extra={"operational": True}, **constraints)


def is_operational(extra: Any) -> bool:
    """Whether a field was declared with :func:`operational`."""
    return isinstance(extra, dict) and bool(extra.get("operational"))


@dataclass(frozen=True, slots=True)
class Input:
    """A formal input. ``schema``: columns (at least these) that the kind reads; ``many``: binds one or more stages."""

    schema: pa.Schema
    description: str = ""
    many: bool = False
    optional: bool = False


@dataclass(frozen=True, slots=True)
class Law:
    """The conservation law of a kind, checked on ids after every build.

    ``name``:
      * ``source``: rows and rejects come from outside; their ids are distinct and ``read`` rows = rows + rejects.
      * ``filter``: ids of ``input`` = ids of rows plus ids of rejects, each as often (multisets are equal).
      * ``map``: ids of ``input`` = ids of rows.
      * ``expand``: each row of ``input`` is in the ledger or a reject; each completed request is in rows or rejects.
      * ``spread``: each id of ``input`` is in rows, once or often, or is one reject; no other id is. A setting
        ``most``, where there is one, bounds how often.
      * ``group``: groups of ``input`` (by ``id``) = groups in rows + rejected groups; ``members`` adds up to the input.
      * ``union``: rows = sum of the inputs.
      * ``split``: ids of rows are a subset of ids of ``input``, a prefix in the order of column ``order``.
      * ``release``: every split holds exactly the rows of its input.
    """

    name: Literal["source", "filter", "map", "expand", "spread", "group", "union", "split", "release"]
    input: str = ""
    id: str = ""
    out_id: str = ""
    members: str = ""
    order: str = ""

    def most(self, settings: Any) -> int:
        """How many rows one row of the input can become, where the law says so; 1 for those that only take away."""
        return getattr(settings, "most", 1) if self.name == "spread" else 1

    @property
    def row_id(self) -> str:
        """The id column on the output side (same as the input's unless declared)."""
        return self.out_id or self.id


class Kind(ABC):
    """What all kinds declare."""

    name: ClassVar[str]
    """``station/verb``, as a recipe writes it."""
    version: ClassVar[int]
    """Raised whenever the same rows and settings would give other rows. Held by a golden test."""
    reads_benchmarks: ClassVar[bool] = False
    """Of a kind with the law ``source``: whether it reads entries of `benchmarks:`, and none of `sources:`."""
    description: ClassVar[str]
    settings_type: ClassVar[type[Settings]] = Settings
    inputs: ClassVar[Mapping[str, Input]] = {}
    law: ClassVar[Law]

    @property
    def code_version(self) -> str:
        """What names this code in a fingerprint: the version for Python, a hash of the canonical text for SQL."""
        return str(self.version)

    @abstractmethod
    def outputs(self, settings: Any) -> Mapping[str, pa.Schema]:
        """Schema of each table that a stage writes. ``rows`` is always there; others: rejects, edges, requests."""


class Prompts(Protocol):
    """The prompts of a recipe, by file name without its ending."""

    def render(self, name: str, values: Mapping[str, Any]) -> Prompt:
        """One prompt. Raises RecipeError when a variable is missing."""
        ...

    def stop(self, name: str) -> tuple[str, ...]:
        """Stop phrases of the prompt file: a part of the sampling."""
        ...


@dataclass(slots=True)
class Table:
    """One bound input: immutable Parquet files and what the manifest says of them."""

    stage: str
    schema: pa.Schema
    paths: Sequence[Path]
    row_count: int

    def batches(self, columns: Sequence[str] | None = None, size: int = 8192) -> Iterator[pa.RecordBatch]:
        """Rows in stored order, ``size`` at a time: memory is one batch and one row group."""
        import pyarrow.dataset as ds

        if self.paths:
            data = ds.dataset([str(p) for p in self.paths], schema=self.schema, format="parquet")
            yield from data.to_batches(columns=list(columns) if columns else None, batch_size=size, use_threads=False)


class Writer(Protocol):
    """Takes rows of one output table, in the order in which they are to be stored."""

    def write(self, rows: pa.Table | pa.RecordBatch) -> None:
        """Append ``rows``. Columns are matched by name and cast; an absent one or a forbidden null is an error."""
        ...


@dataclass(slots=True)
class Job:
    """All that a :class:`TableKind` is given.

    ``session``: an in-memory DuckDB connection with one view for each formal input (``many`` inputs: one view over all,
    with a column ``part``, the name of the stage, and ``part_index``) and, if ``reads_completions``, the view
    ``completions(request_key, text, ...)`` over the request store.
    """

    recipe: str
    stage: str
    settings: Any
    inputs: Mapping[str, Sequence[Table]]
    session: duckdb.DuckDBPyConnection
    writers: Mapping[str, Writer]
    folder: Path
    """Empty folder; files written here become part of the version (a release's files)."""
    facts: dict[str, Any] = field(default_factory=dict)
    """Small JSON facts for the manifest and the UI (counts by reason, histograms). No run ids, no times."""
    context: Mapping[str, Any] = field(default_factory=dict)
    """What the recipe knows beside the inputs: ``recipe`` (a dict), ``source`` (resolved), ``lineage`` (manifests)."""
    cache: Path | None = None
    """Folder for what is worth keeping between builds and may be lost at any moment; None: keep nothing."""
    measured: dict[str, Any] = field(default_factory=dict)
    """What this run took, for the UI and the summary; no part of the version. A number a name (``seconds: keys``), or a
    list of (milliseconds, text) for the slowest pieces of text."""


class TableKind(Kind):
    """A kind that turns tables into tables."""

    reads_completions: ClassVar[bool] = False
    """Whether ``job.session`` needs the view ``completions``."""

    @abstractmethod
    def run(self, job: Job) -> None:
        """Read ``job.inputs`` in pieces, write to ``job.writers``. Deterministic: same inputs, same bytes."""


@dataclass(frozen=True, slots=True)
class Trial:
    """What a stage keeps of its trial (:meth:`GenerationKind.trial`)."""

    tables: Mapping[str, pa.Table] = field(default_factory=dict)
    """Output tables that are written from the trial and from nothing else."""
    facts: Mapping[str, Any] = field(default_factory=dict)
    """Small JSON facts for the manifest."""


@dataclass(frozen=True, slots=True)
class Ask:
    """``count`` samples of one prompt for one row, from sample index ``first``."""

    row_id: bytes
    prompt: Prompt
    sampling: Sampling
    count: int
    first: int = 0
    slot: str = ""
    salt: str = ""


class GenerationKind(Kind):
    """A kind that asks a model: two pure functions, called by the runner in waves over the whole stage.

    Wave 1 calls :meth:`next_requests` with no completions; when all its requests are answered, the next wave calls it
    again with them, until it returns none for every row. Then :meth:`finish` turns rows and completions into rows.
    Both see one batch of input rows at a time, with all completions of exactly those rows.
    """

    main_input: ClassVar[str]
    """The formal input whose rows ask."""
    row_id: ClassVar[str]
    """Its id column."""
    waves: ClassVar[int] = 1
    """Most waves; 1 spares the runner a second look."""
    reads_text: ClassVar[bool] = True
    """Whether :meth:`finish` needs ``text``; without it 14M completions pass as ids."""
    prompt_variables: ClassVar[frozenset[str]]
    """Variables that this kind gives to a prompt."""

    @abstractmethod
    def next_requests(self, rows: pa.Table, completed: pa.Table, settings: Any, prompts: Prompts) -> Sequence[Ask]:
        """Requests still needed for ``rows``, given those already completed (schema COMPLETED)."""

    @abstractmethod
    def finish(self, rows: pa.Table, completed: pa.Table, settings: Any, stage: str) -> Mapping[str, pa.Table]:
        """Output tables but the ledger (which the runner writes): rows, rejects, edges as declared."""

    def trial(self, settings: Any) -> pa.Table | None:
        """Rows of the kind's own that are asked before any of the stage's, to see whether the model can do this work.

        They have the columns of the main input and go through the same waves; what :meth:`finish` makes of them is no
        part of the stage's rows. A stage without rows has no trial.
        """
        return None

    def after_trial(self, rows: pa.Table, made: Mapping[str, pa.Table], settings: Any, where: str) -> Trial:
        """What is kept of the trial; ``made`` is what :meth:`finish` gave for ``rows``.

        Raises:
            MathloomError: The model cannot do this work: the stage stops before it asks about its own rows.
        """
        return Trial()

    def source_out(self, problem_source: str) -> str:
        """``problem_source`` of the rows that come out for an input row of ``problem_source``."""
        return problem_source

    def most_samples(self, settings: Any, problem_source: str) -> int | None:
        """Most requests of one row in all waves; None if nothing but the number of waves bounds them."""
        return self.samples(settings, problem_source) if self.waves == 1 else None

    def trial_requests(self, settings: Any) -> int:
        """Requests of the first wave of the trial."""
        rows = self.trial(settings)
        return 0 if rows is None else rows.num_rows * self.samples(settings, "")

    @abstractmethod
    def samples(self, settings: Any, problem_source: str) -> int:
        """Requests that one row of ``problem_source`` will make in the first wave: what `mathloom ls` multiplies."""
