"""Votes over a file: one row a problem, in the order in which problems first appear.

What :func:`assets.answers.vote.vote` finds for one problem, over whole columns in DuckDB: each distinct answer is named
once, and only pairs of answers that can change a winner are compared. Samples of a problem need not stand together.

Memory: a chunk of the file, a few hundred keys at a time, and DuckDB's limit (it spills).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import duckdb
import pyarrow as pa
import pyarrow.compute

from assets.answers.clusters import Clusters, Comparer
from assets.answers.columns import KeyPass
from assets.answers.extract import find_answers
from assets.answers.policy import DEFAULT, Policy
from assets.answers.vote import MAX_WEIGHT, Mode
from dagster_project.answer_files import voting_sql as sql
from dagster_project.answer_files.chunks import Chunk, read_chunks, require_columns
from dagster_project.answer_files.column import Column, clean_text
from dagster_project.answer_files.workplace import Say, name_answers, session_beside, ticker
from dagster_project.registry import SHIPPED_SQL
from dagster_project.row_files.reading import is_parquet
from dagster_project.row_files.writing import check_target, writing
from dagster_project.sqlfiles.kind import load_sql_kind
from resources.errors import FileError
from resources.spool import Spool
from resources.sql import sql_errors

pc: Any = pyarrow.compute
"""Arrow makes its functions when it is imported, so that no type checker knows them."""

EXAMPLES = 3


@dataclass(frozen=True, slots=True)
class VoteWishes:
    """What the command line says. Columns that are None are found by their usual names."""

    problem: str = "problem_id"
    answer: str | None = None
    """Column of answers (default: ``answer``, if there is one)."""
    text: str | None = None
    """Column of whole solutions (default: ``text``, where there are no answers)."""
    weight: str | None = None
    """Column of weights (default: ``weight``, if there is one)."""
    extract: Literal["boxed", "line"] = "boxed"
    mode: Mode = "semantic"
    min_votes: int = 0
    min_share: float = 0.0
    attach_decimals: bool = True
    planned_samples: int | None = None
    max_weight: float = 1.0
    policy: Policy = DEFAULT
    processes: int | None = None


@dataclass(slots=True)
class Voted:
    """What a summary says."""

    rows: int = 0
    bad_rows: int = 0
    silent: int = 0
    """Samples without an answer."""
    problems: int = 0
    accepted: int = 0
    unanimous: int = 0
    decided: int | None = None
    """Problems that no further sample can change; None if nobody asked."""
    weights: str | None = None
    """The column that they came from."""
    distinct: int = 0
    undecided: int = 0
    key_seconds: float = 0.0
    slow_keys: list[tuple[float, str]] = field(default_factory=list)
    """Milliseconds and text."""
    attached: dict[str, int] = field(default_factory=dict)
    """Keys that joined another one, by ``decimal`` and ``symbolic``."""
    questions: int = 0
    """Distinct pairs whose verdict can matter."""
    relations: dict[str, int] = field(default_factory=dict)
    """Verdicts on them."""
    bad: list[str] = field(default_factory=list)
    """The first bad rows, with their lines."""


@dataclass(frozen=True, slots=True)
class _Columns:
    """What is read of this file."""

    problem: str
    answer: str
    is_text: bool
    weight: str | None


def vote_file(
    path: Path, output: Path, wishes: VoteWishes, symbolic: Comparer | None, *, force: bool, say: Say
) -> Voted:
    """Write the votes over the rows of ``path`` to ``output``.

    Raises:
        FileError: A file is none that can be read or written, a column is absent, a weight is none, or no row can vote.
        StoreError: The disk is full.
    """
    check_target(output, force=force)
    told = Voted()
    with session_beside(output) as session:
        rows, id_type = _gather(session, path, wishes, told, say)
        with sql_errors(f"votes over {path}"):
            session.execute(sql.PROBLEMS)
            _name(session, rows, wishes, told, say)
            _cluster(session, wishes, symbolic, told)
            _count(session, wishes, told)
            _write(session, rows, output, id_type, wishes, told)
    return told


def _gather(
    session: duckdb.DuckDBPyConnection, path: Path, wishes: VoteWishes, told: Voted, say: Say
) -> tuple[Spool, pa.DataType | None]:
    """All rows that vote, set aside. Returns them and the type of ids; None for JSON."""
    tick = ticker(say, "read", "rows")
    rows: Spool | None = None
    columns: _Columns | None = None
    id_type: pa.DataType | None = None
    for chunk in read_chunks(path, _wanted(path, wishes)):
        if columns is None:
            columns = _choose(chunk, wishes, path)
            told.weights = columns.weight
        found = _read(chunk, columns, wishes, path, told)
        if rows is None:
            id_type = found.schema.field("problem").type if is_parquet(path) else None
            kind = _sql_type(session, found.select(["problem"]))
            rows = Spool(
                session, "vote_rows", {"row": "bigint", "problem": kind, "answer": "varchar", "weight": "double"}
            )
        rows.add(found)
        told.rows += len(chunk)
        tick(told.rows)
    if rows is None:
        raise FileError("there are no rows", where=str(path), fix="Give a file with one row a sample")
    if not rows.row_count:
        raise FileError("no row can vote", where=str(path), fix=f"Mend the rows: {told.bad[0]}")
    return rows, id_type


def _wanted(path: Path, wishes: VoteWishes) -> set[str] | None:
    """Columns of a Parquet file that may be needed: whole solutions are not read where there are answers."""
    if not is_parquet(path):
        return None
    from dagster_project.answer_files.kept import parquet_schema

    has_answer = (wishes.answer or "answer") in parquet_schema(path).names and wishes.text is None
    said = (wishes.problem, wishes.answer or "answer", wishes.weight or "weight")
    return {*said} if has_answer else {*said, wishes.text or "text"}


def _choose(chunk: Chunk, wishes: VoteWishes, path: Path) -> _Columns:
    names = chunk.names
    is_text = wishes.text is not None or (wishes.answer is None and "answer" not in names and "text" in names)
    answer = (wishes.text or "text") if is_text else (wishes.answer or "answer")
    weight = wishes.weight or ("weight" if "weight" in names else None)
    require_columns(chunk, [wishes.problem, answer, *([weight] if weight else [])], path)
    return _Columns(wishes.problem, answer, is_text, weight)


def _read(chunk: Chunk, columns: _Columns, wishes: VoteWishes, path: Path, told: Voted) -> pa.Table:
    """Rows of a chunk that vote."""
    problem, answers = chunk.scalars(columns.problem), chunk.texts(columns.answer)
    bad = {**answers.bad, **problem.bad, **chunk.faults}
    texts = find_answers(answers.values, wishes.extract).answers if columns.is_text else answers.values
    is_blank = pc.equal(pc.utf8_trim_whitespace(texts), "")
    texts = pc.if_else(pc.fill_null(is_blank, True), pa.scalar(None, pa.string()), texts)
    weights = _weights(chunk, columns.weight, bad, path) if columns.weight else pa.nulls(len(chunk), pa.float64())
    rows = pa.array(range(chunk.first, chunk.first + len(chunk)), pa.int64())
    found = pa.table([rows, problem.values, texts, weights], names=["row", "problem", "answer", "weight"])
    for at, reason in sorted(bad.items()):
        told.bad_rows += 1
        if len(told.bad) < EXAMPLES:
            told.bad.append(f"{path}:{chunk.line(at)}: {reason}")
    if bad:
        keep = pa.array([at not in bad for at in range(len(chunk))])
        found = found.filter(keep)
    told.silent += found.column("answer").null_count
    return found


def _weights(chunk: Chunk, name: str, bad: dict[int, str], path: Path) -> pa.Array:
    """Raises FileError at the first weight that is none: a sample without its weight would change the vote silently."""
    column: Column = chunk.numbers(name)
    is_fit = pc.and_(pc.greater_equal(column.values, 0.0), pc.less(column.values, float(MAX_WEIGHT)))
    if pc.all(pc.fill_null(is_fit, False)).as_py():
        return column.values
    for at, fits in enumerate(is_fit.to_pylist()):
        if not fits and at not in bad:
            reason = column.bad.get(at) or f"{name!r} is {column.values[at]}"
            raise FileError(
                reason, where=f"{path}:{chunk.line(at)}", fix=f"Give weights from 0 to below {MAX_WEIGHT:,}"
            )
    return column.values


def _sql_type(session: duckdb.DuckDBPyConnection, table: pa.Table) -> str:
    session.register("vote_id", table.slice(0, 0))
    [[kind]] = session.execute("select column_type from (describe vote_id)").fetchall()
    session.unregister("vote_id")
    return kind


def _name(session: duckdb.DuckDBPyConnection, rows: Spool, wishes: VoteWishes, told: Voted, say: Say) -> None:
    """The relations ``answers`` and ``weights``; the latter is empty if samples have none."""
    if wishes.mode == "surface":
        session.execute(sql.SURFACE_KEYS)
    else:
        keys = KeyPass(wishes.policy, processes=wishes.processes)
        told.distinct = name_answers(session, rows, sql.DISTINCT, keys, say).row_count
        told.key_seconds, told.slow_keys = keys.seconds, keys.slowest
        [[told.undecided]] = session.execute(sql.UNDECIDED).fetchall()
    session.execute(sql.ANSWERS.format(solution_id=sql.ROW_ID if told.weights else "null::uuid"))
    session.execute(sql.WEIGHTS)
    session.execute("drop table vote_rows")


def _cluster(session: duckdb.DuckDBPyConnection, wishes: VoteWishes, symbolic: Comparer | None, told: Voted) -> None:
    """The relation ``clusters``: keys that count as another key of their problem."""
    moves = Spool(session, "clusters", sql.MOVES)
    if wishes.mode == "surface":
        return
    clusters = Clusters(session, wishes.policy, has_weights=told.weights is not None)
    if wishes.attach_decimals:
        clusters.attach_decimals()
    clusters.compare(symbolic)
    for batch in clusters.moves():
        moves.add(pa.Table.from_batches([batch]))
    told.questions, told.relations = clusters.report.questions, dict(sorted(clusters.report.relations.items()))
    told.attached = dict(session.execute(sql.ATTACHED).fetchall())
    clusters.close()


def _count(session: duckdb.DuckDBPyConnection, wishes: VoteWishes, told: Voted) -> None:
    """The vote, by the file of SQL with which recipes vote."""
    kind = load_sql_kind(SHIPPED_SQL / "majority_answer.sql")
    said = {
        "mode": wishes.mode,
        "min_votes": wishes.min_votes,
        "min_share": wishes.min_share,
        "planned_samples": wishes.planned_samples or 0,
        "max_weight": wishes.max_weight,
    }
    parameters = kind.parameters(kind.settings_type.model_validate(said))
    session.execute(sql.RESULTS.format(votes=kind.file.select), {**parameters, "is_weighted": told.weights is not None})
    [totals] = session.execute(sql.TOTALS).fetchall()
    told.problems, told.accepted, told.unanimous, decided = totals
    told.decided = None if wishes.planned_samples is None else decided


def _write(
    session: duckdb.DuckDBPyConnection,
    rows: Spool,
    output: Path,
    id_type: pa.DataType | None,
    wishes: VoteWishes,
    told: Voted,
) -> None:
    is_json = id_type is None
    kind, read_id = _ids_of_json(session, output) if is_json else (id_type, None)
    schema = _schema(kind, is_weighted=told.weights is not None, has_decided=wishes.planned_samples is not None)
    with writing(output, schema) as target:
        for batch in rows.read(sql.IN_ORDER):
            table = pa.Table.from_batches([batch]).select(schema.names)
            if read_id is None:
                target.write_table(table.cast(schema))
                continue
            plain = [field if field.name != "problem_id" else pa.field("problem_id", pa.string()) for field in schema]
            found = table.cast(pa.schema(plain)).to_pylist()
            target.write_rows([row | {"problem_id": read_id(row["problem_id"])} for row in found])


def _ids_of_json(session: duckdb.DuckDBPyConnection, output: Path) -> tuple[pa.DataType, Callable[[str], Any]]:
    """The type of ids that came as JSON, and what reads one. Parquet has one type: a mixture stays JSON text."""
    if not is_parquet(output):
        return pa.string(), json.loads
    [[are_texts, are_whole]] = session.execute(sql.ID_SORTS).fetchall()
    if are_texts:
        return pa.string(), lambda text: clean_text(json.loads(text))
    return (pa.int64(), int) if are_whole else (pa.string(), str)


def _schema(id_type: pa.DataType, *, is_weighted: bool, has_decided: bool) -> pa.Schema:
    """Columns of the output. A margin is a number of votes, or with weights one of weight."""
    return pa.schema(
        [
            ("problem_id", id_type),
            ("winner", pa.string()),
            ("votes", pa.int64()),
            ("margin", pa.float64() if is_weighted else pa.int64()),
            ("n_valid", pa.int64()),
            ("clusters", pa.int64()),
            ("n", pa.int64()),
            *([("weight", pa.float64())] if is_weighted else []),
            ("key", pa.string()),
            ("accepted", pa.bool_()),
            ("reason", pa.string()),
            *([("is_decided", pa.bool_())] if has_decided else []),
        ]
    )
