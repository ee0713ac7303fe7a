"""A SQL file as a kind: settings from its parameters, inputs and outputs from its contract, and the run itself.

The select runs once, sorted; its rows stream to the store in Arrow batches. Memory is one batch and DuckDB's sort,
which spills. Under the laws that decide the same stream also holds the rejects.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, Literal

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field, create_model

from assets.kinds import Input, Job, Settings, TableKind
from assets.schemas import MAX_DETAIL, REJECT
from dagster_project.sqlfiles.header import DECISION, Header, ParamWords
from dagster_project.sqlfiles.reading import SqlFile, read_sql_file
from resources.errors import SqlFileError
from resources.identity import hash_json
from resources.sql import quote_name
from resources.sql_types import arrow_type, python_type, sql_word

_CUT = pc.SliceOptions(0, MAX_DETAIL)
BATCH_ROWS = 32_768
"""Rows of one Arrow batch: a few MB of ids, half a row group of the store."""


class SqlKind(TableKind):
    """Base of the classes that :func:`load_sql_kind` makes, one for each file."""

    version: ClassVar[int] = 1
    file: ClassVar[SqlFile]
    histograms: ClassVar[tuple[str, ...]] = ()
    """Output columns of which the UI shows a histogram."""

    @property
    def sql(self) -> str:
        """The select as its author wrote it, for people."""
        return self.file.select.strip()

    @property
    def code_version(self) -> str:
        """Hash of all in the file that can change rows: the canonical select, column types, order and law."""
        header = self.file.header
        said = {
            "select": self.file.canonical,
            "columns": [[name, sql_word(words.type)] for name, words in header.columns.items()],
            "order": header.order,
            "law": header.law.model_dump(mode="json", exclude_none=True),
        }
        return hash_json(said)[:32]

    def outputs(self, settings: Any) -> Mapping[str, pa.Schema]:
        """``rows`` as the contract says; ``rejects`` where the law decides."""
        tables = {"rows": output_schema(self.file.header)}
        return {**tables, "rejects": REJECT} if self.file.header.decides else tables

    def parameters(self, settings: Any) -> dict[str, Any]:
        """Values of the select's $parameters."""
        return {name: getattr(settings, name) for name in self.file.header.params}

    def query(self) -> str:
        """The select with exactly the columns of its contract, in the stored order."""
        header = self.file.header
        names = [*header.columns, *(DECISION if header.decides else ())]
        order = [f"{quote_name(name)}{' desc' if descends else ''}" for name, descends in header.order]
        if header.decides:
            # Rejects may share the whole order (copies of one row): what is written of them makes theirs total.
            order += [quote_name(self.law.row_id), "kept desc", "rule", "reason", "detail"]
        columns = ", ".join(quote_name(name) for name in names)
        # Line breaks: the select may end in a comment.
        return f"select {columns} from (\n{self.file.select}\n) as contract order by {', '.join(order)}"  # noqa: S608

    def stream(self, connection: duckdb.DuckDBPyConnection, settings: Any) -> pa.RecordBatchReader:
        """Rows of the select, sorted, with the columns of DECISION where the law decides."""
        return connection.sql(self.query(), params=self.parameters(settings)).to_arrow_reader(BATCH_ROWS)

    def run(self, job: Job) -> None:
        """Stream the select into the writers."""
        header = self.file.header
        schema = output_schema(header)
        for batch in self.stream(job.session, job.settings):
            if not header.decides:
                job.writers["rows"].write(fitted(batch, schema))
                continue
            kept = batch.column("kept").cast(pa.bool_())
            if kept.null_count:
                raise self._error("the select returns a row whose `kept` is null", "Return true or false")
            job.writers["rows"].write(fitted(batch.filter(kept), schema))
            job.writers["rejects"].write(self._rejects(batch.filter(pc.call_function("invert", [kept]))))

    def _rejects(self, batch: pa.RecordBatch) -> pa.Table:
        for name in ("rule", "reason"):
            if batch.column(name).null_count:
                raise self._error(
                    f"the select rejects a row and gives no `{name}`", "Return rule and reason wherever kept is false"
                )
        detail = pc.call_function("utf8_slice_codeunits", [batch.column("detail").cast(pa.string())], _CUT)
        columns = [batch.column(self.law.row_id), batch.column("rule"), batch.column("reason"), detail]
        return pa.table([c.cast(f.type) for c, f in zip(columns, REJECT, strict=True)], schema=REJECT)

    def _error(self, what: str, fix: str) -> SqlFileError:
        return self.file.places.error(what, "law", fix=fix)


def load_sql_kind(path: Path) -> SqlKind:
    """The kind of one file; the same object while the file is unchanged. Raises SqlFileError with file and line."""
    try:
        stat = path.stat()
    except OSError:
        return _load(path, 0, 0)
    return _load(path, stat.st_mtime_ns, stat.st_size)


@cache
def _load(path: Path, changed: int, size: int) -> SqlKind:
    file = read_sql_file(path)
    header = file.header
    declared = {
        "__doc__": header.description,
        "name": f"sql/{file.stem}",
        "description": header.description.strip(),
        "settings_type": _settings_type(file),
        "inputs": {name: _input(header, name) for name in header.inputs},
        "law": header.the_law,
        "histograms": header.histograms,
        "file": file,
    }
    return type(f"Sql_{file.stem}", (SqlKind,), declared)()


def output_schema(header: Header) -> pa.Schema:
    """Schema of ``rows``, with descriptions."""
    return pa.schema(
        [
            pa.field(name, arrow_type(words.type), metadata={"description": words.description})
            for name, words in header.columns.items()
        ]
    )


def fitted(batch: pa.RecordBatch, schema: pa.Schema) -> pa.Table:
    """``batch`` with exactly the columns and types of ``schema``."""
    return pa.table([batch.column(field.name).cast(field.type) for field in schema], schema=schema)


def _input(header: Header, name: str) -> Input:
    words = header.inputs[name]
    schema = pa.schema([pa.field(column, arrow_type(word)) for column, word in words.columns.items()])
    return Input(schema, words.description, words.many, words.optional)


def _settings_type(file: SqlFile) -> type[Settings]:
    return _model(f"{file.stem}_settings", {n: _field(file, n, words) for n, words in file.header.params.items()})


def _model(name: str, fields: Any) -> type[Settings]:
    return create_model(name, __base__=Settings, **fields)


def _field(file: SqlFile, name: str, words: ParamWords) -> tuple[Any, Any]:
    kind: Any = Literal[words.choices] if words.choices else python_type(words.type)
    has_default = "default" in words.model_fields_set
    if has_default and words.default is None:
        kind = kind | None
    limits: Any = {"ge": words.at_least, "le": words.at_most}
    field: Any = Field(
        words.default if has_default else ...,
        description=words.description,
        validate_default=True,
        json_schema_extra={"operational": True} if words.operational else None,
        **{word: limit for word, limit in limits.items() if limit is not None},
    )
    try:
        if has_default:
            _model("one", {name: (kind, field)})()
    except ValueError as error:
        what = f"the default {words.default!r} of {name!r} does not fit its type, choices or limits"
        raise file.places.error(what, "params", name, "default", fix=f"Write a {words.type}") from error
    return kind, field
