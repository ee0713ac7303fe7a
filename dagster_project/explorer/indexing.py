"""Makes and finds the index of a place: what searches read instead of the data.

A folder of sorted Parquet files with small row groups, named by the content that it indexes: problems (each once, with
its text), rows (every sample, by problem, without text), words (an inverted index over the problems), ids, and the
benchmarks with their nearest problems. Built aside and renamed, so that it is whole or absent. Solutions are not
copied: they are read from the release or the request store when a problem is opened, and their words are not indexed.

Memory: DuckDB's limit, with spill beside the index. Time: two scans of the release, dominated by its text.
"""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from assets.release.folder_reading import EXPECTED_ANSWERS, SOLUTIONS, SOURCES, Release, first_column
from assets.schemas import ANSWER, EDGE, EXPECTED, GENERATED_PROBLEM, ID, REJECT, SOLUTION
from dagster_project.explorer import index_sql as sql
from dagster_project.explorer.access import files_list, parquet
from dagster_project.explorer.places import INDEX_FORMAT, Place, StageTable
from resources.sql import open_session, sql_errors
from resources.sql_types import sql_type
from resources.store.layout import read_json, store_errors, write_json

MEMORY = "2GB"
"""DuckDB's limit while an index is made; the sorts of a large release spill."""

_NEIGHBOURS = pa.schema([("problem_id", ID), ("benchmark_ids", pa.list_(ID)), ("similarities", pa.list_(pa.float32()))])
_BENCHMARKS = pa.schema(
    [("benchmark_id", ID), ("problem", pa.string()), ("benchmark", pa.string()), ("row", pa.int64())]
)
_VOTED = EXPECTED.append(pa.field("votes", pa.int32())).append(pa.field("n_valid", pa.int32()))


@dataclass(frozen=True, slots=True)
class Index:
    """A finished index. ``facts``: counts, names of splits, sources, rules; in ``index.json``."""

    folder: Path
    facts: Mapping[str, Any]

    def table(self, name: str) -> str:
        """One of its tables as SQL reads it."""
        return parquet([self.folder / f"{name}.parquet"])


def open_index(
    place: Place,
    folder: Path,
    *,
    memory: str = MEMORY,
    threads: int = 2,
    say: Callable[[str], None] = lambda _: None,
) -> Index:
    """The index of ``place`` under ``folder``, made now if it is not there.

    Args:
        place: What is indexed.
        folder: Where indexes lie; this one is named by the digest of the content.
        memory: DuckDB's memory limit.
        threads: DuckDB's threads.
        say: Told what is being done, a line a step.

    Raises:
        StoreError: A file cannot be read, the disk is full, or memory and spill space do not suffice.
    """
    target = folder / place.digest[:32]
    facts = read_json(target / "index.json")
    if facts is None:
        aside = folder / f".{target.name}.{uuid.uuid4().hex}"
        with store_errors(folder):
            aside.mkdir(parents=True)
        try:
            facts = _Builder(place, aside, memory, threads, say).build()
            write_json(aside / "index.json", facts)
            _publish(aside, target)
        finally:
            shutil.rmtree(aside, ignore_errors=True)
    return Index(target, facts)


def _publish(aside: Path, target: Path) -> None:
    with store_errors(target):
        shutil.rmtree(aside / "spill", ignore_errors=True)
        try:
            os.rename(aside, target)  # noqa: PTH104 - fails if another process was first: its index is the same one
        except OSError:
            if read_json(target / "index.json") is None:
                raise


class _Builder:
    """One index being made in ``folder``."""

    def __init__(self, place: Place, folder: Path, memory: str, threads: int, say: Callable[[str], None]) -> None:
        self._place = place
        self._folder = folder
        self._say = say
        folders = [*place.folders, folder]
        self._session = open_session(memory_limit=memory, threads=threads, temp=folder / "spill", folders=folders)

    def build(self) -> dict[str, Any]:
        """Write all files; returns the facts."""
        try:
            with sql_errors("index of the explorer"):
                self._rows_of_release()
                self._problems_of_stages()
                self._write()
                return self._facts()
        finally:
            self._session.close()

    def _rows_of_release(self) -> None:
        release = self._place.release
        self._say("reading the rows of the release")
        if release is None:
            self._run(f"create temp table released as {sql.NO_SPLITS}")
            self._run(sql.KEPT.format(key="row(file, line)"))
            self._run(sql.KNOWN.format(texts=_no_texts()))
            return
        selects = [_split(release, number, name) for number, name in enumerate(release.data)]
        self._run(f"create temp table released as {' union all '.join(selects)}")
        self._run(sql.KEPT.format(key="solution_id" if release.provenance else "row(file, line)"))
        self._run(sql.KNOWN.format(texts=_texts(release)))

    def _problems_of_stages(self) -> None:
        if not self._place.tables:
            self._run(sql.NOTHING_REJECTED)
        else:
            self._say("reading the stages")
            relations = self._relations()
            for statement in (sql.STAGED, sql.REJECTED, sql.LOST):
                self._run(statement.format(**relations))
        self._run(sql.DOCS)

    def _relations(self) -> dict[str, str]:
        of = self._place.of_shape
        solutions = [t for t in of("solutions") if t.table == "rows" and self._asks(t.stage)]
        problems = of("problems")
        return {
            "problems": _union(problems, GENERATED_PROBLEM),
            "generated": _union([t for t in problems if "request_key" in t.columns], GENERATED_PROBLEM),
            "expected": _union(of("expected"), _VOTED),
            "edges": _union(of("edges"), EDGE),
            "rejects": _union(of("rejects"), REJECT),
            "solutions": _union(solutions, SOLUTION),
            "answers": _union(of("answers"), ANSWER),
        }

    def _asks(self, stage: str) -> bool:
        """Whether a stage asked a model: only those have a ledger. Others hand the same solutions on."""
        return any(table.stage == stage and table.table == "requests" for table in self._place.tables)

    def _write(self) -> None:
        rows = sql.RELEASED_ROWS
        if self._place.tables:
            relations = self._relations()
            rows = f"{sql.STAGED_ROWS} union all {sql.REJECTED_PROBLEMS}".format(**relations)
        self._say("sorting rows by problem")
        self._run(sql.ROWS.format(all_rows=rows, length=self._length(), path=self._path("rows")))
        self._run(sql.PROBLEMS.format(rows=self._table("rows"), path=self._path("problems")))
        self._say("indexing words")
        self._run(sql.WORDS.format(words=sql.words_of("problem"), path=self._path("words")))
        self._run(sql.VOCABULARY.format(words=self._table("words"), path=self._path("vocabulary")))
        self._run(sql.IDS.format(rows=self._table("rows"), path=self._path("ids")))
        neighbours = _union(self._place.of_shape("neighbours"), _NEIGHBOURS)
        self._run(sql.NEAREST.format(neighbours=neighbours, path=self._path("nearest")))
        benchmarks = _union(self._place.of_shape("benchmarks"), _BENCHMARKS)
        relations = {"benchmarks": benchmarks, "nearest": self._table("nearest")}
        self._run(sql.BENCHMARKS.format(**relations, path=self._path("benchmarks")))

    def _length(self) -> str:
        """One unit for all rows: tokens, where a row has them; else characters."""
        return "tokens" if self._unit() == "tokens" else "characters"

    def _unit(self) -> str:
        has_tokens = self._place.tables or self._number("select count(tokens) from kept")
        return "tokens" if has_tokens else "characters"

    def _facts(self) -> dict[str, Any]:
        query = sql.FACETS.format(problems=self._table("problems"), rows=self._table("rows"))
        result = self._session.execute(query)
        names = [column[0] for column in result.description or ()]
        [row] = result.fetchall()
        facts = dict(zip(names, row, strict=True))
        release = self._place.release
        return {
            **facts,
            "sources": [name for name in facts["sources"] or () if name],
            "rules": [name for name in facts["rules"] or () if name],
            "splits": list(release.data) if release else [],
            "length": self._unit(),
            "benchmarks": pq.read_metadata(self._path("benchmarks")).num_rows,
            "nearest": pq.read_metadata(self._path("nearest")).num_rows,
            "format": INDEX_FORMAT,
        }

    def _number(self, statement: str) -> int:
        row = self._session.execute(statement).fetchone()
        return int(row[0]) if row else 0

    def _run(self, statement: str) -> duckdb.DuckDBPyConnection:
        return self._session.execute(statement)

    def _path(self, name: str) -> str:
        return str((self._folder / f"{name}.parquet").resolve()).replace("'", "''")

    def _table(self, name: str) -> str:
        return parquet([self._folder / f"{name}.parquet"])


def _split(release: Release, number: int, name: str) -> str:
    paths = release.data[name]
    words = {
        "split_no": number,
        "files": [release.files.index(path) for path in paths],
        "data": parquet(paths),
        "length": f"length({_solution(paths)})::integer",
    }
    if name in release.provenance:
        return sql.SPLIT_OF_ORIGIN.format(**words, provenance=parquet(release.provenance[name]))
    return sql.SPLIT_WITHOUT.format(**words)


def _solution(paths: Sequence[Path]) -> str:
    name = first_column(paths, SOLUTIONS)
    return f"d.{name}" if name else "null::varchar"


def _texts(release: Release) -> str:
    files = release.files
    source, expected = first_column(files, SOURCES), first_column(files, EXPECTED_ANSWERS)
    return sql.TEXTS.format(
        files=list(range(len(files))),
        data=parquet(files),
        source=f"d.{source}::varchar" if source else "null::varchar",
        expected=f"d.{expected}::varchar" if expected else "null::varchar",
    )


def _no_texts() -> str:
    return (
        "select 0::smallint as file, 0 as line, ''::varchar as problem, ''::varchar as source, "
        "''::varchar as expected_answer where false"
    )


def _union(tables: Sequence[StageTable], schema: pa.Schema) -> str:
    """Tables of one shape below each other, with ``part`` and ``part_index``; every column of ``schema`` is there."""
    empty = ", ".join(f'null::{sql_type(field.type)} as "{field.name}"' for field in schema)
    selects = [f"select {empty}, null::varchar as part, null::integer as part_index where false"]
    for index, table in enumerate(tables):
        stage = table.stage.replace("'", "''")
        taken = [name for name in ("part", "part_index") if name in table.columns]
        star = f"* exclude ({', '.join(taken)})" if taken else "*"
        relation = f"read_parquet({files_list(table.paths)}, hive_partitioning = false)"
        selects.append(f"select {star}, '{stage}' as part, {index} as part_index from {relation}")
    return f"({' union all by name '.join(selects)})"
