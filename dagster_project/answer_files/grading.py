"""Grades a file: is the prediction of each row the same answer as its gold? Rows come out in the order of rows in.

The file is read twice: once for the two columns, which wait in DuckDB, once for the rows that go out with their
verdicts. Each distinct answer is named once; each distinct pair that keys do not settle is compared once.

Memory: a chunk of the file, and DuckDB's limit (it spills).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

import duckdb
import pyarrow as pa

from assets.answers.columns import KeyPass
from assets.answers.extract import find_answers
from assets.answers.policy import DEFAULT, Policy
from dagster_project.answer_files.chunks import Chunk, read_chunks, require_columns
from dagster_project.answer_files.kept import KeptColumns
from dagster_project.answer_files.workplace import (
    InOrder,
    Say,
    changed,
    name_answers,
    session_beside,
    stamp_of,
    ticker,
)
from dagster_project.row_files.writing import check_target, writing
from resources.errors import FileError
from resources.spool import Spool

Extract = Literal["boxed", "line", "none"]

NO_ANSWER = "no answer"
NEW = pa.schema(
    [
        pa.field("verdict", pa.string()),
        pa.field("tier", pa.string()),
        pa.field("reason", pa.string()),
        pa.field("key_gold", pa.string()),
        pa.field("key_pred", pa.string()),
        pa.field("ms", pa.float64()),
    ]
)
"""Columns that grading adds, behind those of the file; columns of these names are replaced."""

_ROWS = {"row": "bigint", "gold": "varchar", "pred": "varchar", "reason": "varchar", "is_bad": "boolean"}
_PAIRS = {"gold": "varchar", "pred": "varchar", "relation": "varchar", "tier": "varchar", "ms": "double"}
_PAIRS_SCHEMA = pa.schema(
    [*((name, pa.string()) for name in ("gold", "pred", "relation", "tier")), ("ms", pa.float64())]
)
PAIRS_AT_ONCE = 10_000

_ANSWERS = """
select gold as answer from graded where not is_bad
union
select pred from graded where not is_bad and pred is not null
"""
_KEYED = """
create view graded_keyed as
select
    r.row, r.gold, r.pred, r.reason, r.is_bad,
    g.answer_key as key_gold, g.status as status_gold, p.answer_key as key_pred, p.status as status_pred,
from graded as r
left join graded_keys as g on r.gold = g.answer
left join graded_keys as p on r.pred = p.answer
"""
# Only a prediction with four digits can be a rounded decimal; what it may round to is a number.
_ROUNDED = """
select distinct gold, pred, key_gold
from graded_keyed
where
    not is_bad
    and key_gold != key_pred and status_gold = 'decided' and status_pred = 'decided'
    and regexp_matches(pred, '([0-9].*){4}') and regexp_matches(key_gold, '^[qn]:') and starts_with(key_pred, 'q:')
"""
# Pairs of many rows first: the budget may not reach the others.
_OPEN = """
select gold, pred
from graded_keyed
where not is_bad and key_gold != key_pred and (status_gold = 'undecided' or status_pred = 'undecided')
group by gold, pred
order by count(*) desc, gold, pred
"""
_VERDICTS = """
create view graded_verdicts as
select
    k.row,
    case
        when k.is_bad then null
        when k.pred is null then 'different'
        when k.key_gold = k.key_pred then 'equal'
        when s.relation is not null then s.relation
        when k.status_gold = 'decided' and k.status_pred = 'decided' then 'different'
        else 'unknown'
    end as verdict,
    case
        when k.is_bad or k.pred is null then null
        when k.gold = k.pred then 'text'
        else coalesce(s.tier, 'key')
    end as tier,
    k.reason,
    k.key_gold,
    k.key_pred,
    case when not k.is_bad then coalesce(s.ms, 0.0) end as ms,
from graded_keyed as k
left join graded_pairs as s on k.gold = s.gold and k.pred = s.pred
"""
_COUNTS = "select verdict, tier, count(*)::bigint as n from graded_verdicts group by all order by all"
_UNDECIDED = "select count(*) filter (status = 'undecided')::bigint as n from graded_keys"
_SLOWEST = "select gold, pred, ms from graded_pairs where tier = 'symbolic' order by ms desc, gold, pred limit 3"


class Settling(Protocol):
    """The symbolic step as this module needs it."""

    def compare(self, pairs: Sequence[tuple[str, str]], /) -> Sequence[Any]:
        """One object with ``relation``, ``tier`` and ``ms`` a pair, in their order."""
        ...


@dataclass(frozen=True, slots=True)
class GradeWishes:
    """What the command line says."""

    gold: str = "gold"
    pred: str = "pred"
    extract: Extract = "none"
    extract_gold: Extract = "none"
    attach_decimals: bool = True
    policy: Policy = DEFAULT
    processes: int | None = None


@dataclass(slots=True)
class Graded:
    """What a summary says."""

    rows: int = 0
    verdicts: dict[str, int] = field(default_factory=dict)
    """equal, different, unknown, and ``bad`` for rows without a verdict."""
    tiers: dict[str, int] = field(default_factory=dict)
    silent: int = 0
    """Rows without a prediction: different."""
    distinct: int = 0
    undecided: int = 0
    """Distinct answers without a decided key."""
    key_seconds: float = 0.0
    slow_keys: list[tuple[float, str]] = field(default_factory=list)
    """Milliseconds and text."""
    slow_pairs: list[tuple[str, str, float]] = field(default_factory=list)
    bad: list[str] = field(default_factory=list)
    """The first bad rows, with their lines."""


def grade(path: Path, output: Path, wishes: GradeWishes, symbolic: Settling | None, *, force: bool, say: Say) -> Graded:
    """Write the rows of ``path`` with their verdicts to ``output``.

    Raises:
        FileError: A file is none that can be read or written, a column is absent, or no row can be graded.
        StoreError: The disk is full.
    """
    check_target(output, force=force)
    stamp = stamp_of(path)
    told = Graded()
    with session_beside(output) as session:
        rows = Spool(session, "graded", _ROWS)
        kept = KeptColumns(path, output, NEW)
        _gather(path, rows, wishes, kept, told, say)
        keys = KeyPass(wishes.policy, processes=wishes.processes)
        named = name_answers(session, rows, _ANSWERS, keys, say)
        session.execute(_KEYED)
        pairs = _settle(session, wishes, symbolic, say)
        session.execute(_VERDICTS)
        _sum_up(rows, pairs, named, keys, told)
        if told.rows == told.verdicts.get("bad", 0):
            raise FileError("no row can be graded", where=str(path), fix=f"Mend the rows: {told.bad[0]}")
        if stamp_of(path) != stamp:
            raise changed(path)
        _write(path, output, rows, kept, stamp)
    return told


def _gather(path: Path, rows: Spool, wishes: GradeWishes, kept: KeptColumns, told: Graded, say: Say) -> None:
    tick = ticker(say, "read", "rows")
    wanted = None if kept.looks_at_rows else {wishes.gold, wishes.pred}
    for chunk in read_chunks(path, wanted):
        if not chunk.first:
            require_columns(chunk, [wishes.gold, wishes.pred], path)
        kept.see(chunk)
        rows.add(_answers(chunk, wishes, path, told))
        told.rows += len(chunk)
        tick(told.rows)
    if not told.rows:
        raise FileError("there are no rows", where=str(path), fix="Give a file with one row a prediction")


def _answers(chunk: Chunk, wishes: GradeWishes, path: Path, told: Graded) -> pa.Table:
    gold, gold_reasons, bad = _column(chunk, wishes.gold, wishes.extract_gold)
    pred, reasons, bad_pred = _column(chunk, wishes.pred, wishes.extract)
    bad = {**bad_pred, **bad, **chunk.faults}
    why: list[str | None] = reasons
    for at, text in enumerate(gold):
        if text is None and at not in bad:
            is_plain = gold_reasons[at] == NO_ANSWER
            bad[at] = f"no gold: {f'{wishes.gold!r} is missing, null or empty' if is_plain else gold_reasons[at]}"
    for at, reason in sorted(bad.items()):
        why[at] = reason
        if len(told.bad) < 3:
            told.bad.append(f"{path}:{chunk.line(at)}: {reason}")
    columns = [
        pa.array(range(chunk.first, chunk.first + len(chunk)), pa.int64()),
        pa.array([None if at in bad else text for at, text in enumerate(gold)], pa.string()),
        pa.array([None if at in bad else text for at, text in enumerate(pred)], pa.string()),
        pa.array(why, pa.string()),
        pa.array([at in bad for at in range(len(chunk))]),
    ]
    return pa.table(columns, names=list(_ROWS))


def _column(chunk: Chunk, name: str, extract: Extract) -> tuple[list[str | None], list[str | None], dict[int, str]]:
    """Answers, why a row has none, and rows whose value is no text."""
    column = chunk.texts(name)
    if extract == "none":
        texts = [text if text and text.strip() else None for text in column.values.to_pylist()]
        return texts, [NO_ANSWER if text is None else None for text in texts], dict(column.bad)
    found = find_answers(column.values, extract)
    reasons = [
        reason or (NO_ANSWER if answer is None else None)
        for answer, reason in zip(found.answers.to_pylist(), found.reasons.to_pylist(), strict=True)
    ]
    return found.answers.to_pylist(), reasons, dict(column.bad)


def _settle(session: duckdb.DuckDBPyConnection, wishes: GradeWishes, symbolic: Settling | None, say: Say) -> Spool:
    """What keys leave open, pair by distinct pair."""
    pairs = Spool(session, "graded_pairs", _PAIRS)
    if wishes.attach_decimals:
        for batch in pairs.read(_ROUNDED):
            pairs.add(_decimals(batch, wishes.policy))
    if symbolic is not None:
        tick = ticker(say, "compared", "pairs of answers")
        for done, batch in enumerate(pairs.read(_OPEN, PAIRS_AT_ONCE)):
            texts = list(zip(batch.column(0).to_pylist(), batch.column(1).to_pylist(), strict=True))
            found = symbolic.compare(texts)
            relations, tiers, times = zip(*((one.relation, one.tier, one.ms) for one in found), strict=True)
            pairs.add(_pairs_table(texts, relations, tiers, times))
            tick(done * PAIRS_AT_ONCE + len(texts))
    return pairs


def _decimals(batch: pa.RecordBatch, policy: Policy) -> pa.Table:
    """Pairs whose prediction is the gold, rounded. A gold that is such a decimal itself is not exact."""
    from assets.answers.decimals import rounds_to, written_decimal

    equal = []
    for row in batch.to_pylist():
        decimal = written_decimal(row["pred"], policy)
        is_rounded = decimal is not None and rounds_to(row["key_gold"], decimal)
        if is_rounded and written_decimal(row["gold"], policy) is None:
            equal.append((row["gold"], row["pred"]))
    return _pairs_table(equal, ["equal"] * len(equal), ["decimal"] * len(equal), [0.0] * len(equal))


def _pairs_table(
    texts: Sequence[tuple[str, str]], relations: Sequence[str], tiers: Sequence[str], times: Sequence[float]
) -> pa.Table:
    columns = [[gold for gold, _ in texts], [pred for _, pred in texts], relations, tiers, times]
    return pa.table(
        [pa.array(column, kind.type) for column, kind in zip(columns, _PAIRS_SCHEMA, strict=True)], schema=_PAIRS_SCHEMA
    )


def _sum_up(rows: Spool, pairs: Spool, named: Spool, keys: KeyPass, told: Graded) -> None:
    for row in _records(rows, _COUNTS):
        verdict = row["verdict"] or "bad"
        told.verdicts[verdict] = told.verdicts.get(verdict, 0) + row["n"]
        if row["tier"]:
            told.tiers[row["tier"]] = told.tiers.get(row["tier"], 0) + row["n"]
        elif row["verdict"]:
            told.silent += row["n"]
    told.distinct = named.row_count
    told.undecided = next(_records(named, _UNDECIDED))["n"]
    told.key_seconds = keys.seconds
    told.slow_keys = keys.slowest
    told.slow_pairs = [(row["gold"], row["pred"], row["ms"]) for row in _records(pairs, _SLOWEST)]


def _records(spool: Spool, query: str) -> Iterator[dict[str, Any]]:
    for batch in spool.read(query):
        yield from batch.to_pylist()


def _write(path: Path, output: Path, rows: Spool, kept: KeptColumns, stamp: tuple[int, int]) -> None:
    verdicts = InOrder(rows.read("select * exclude (row) from graded_verdicts order by row"))
    with writing(output, kept.schema) as target:
        for chunk in read_chunks(path):
            try:
                added = verdicts.take(len(chunk))
            except EOFError:
                raise changed(path) from None
            kept.write(target, chunk, added)
        if verdicts.has_more or stamp_of(path) != stamp:
            raise changed(path)
